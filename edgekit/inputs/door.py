"""One door for several models: which of them answers. A store's service and an app on a board both ask here."""

from __future__ import annotations

from dataclasses import dataclass

FILE = "door.json"
"""Beside a gate: {"name", "threshold", "text", "gate", "experts"}, of each model {"file", "sha256", "bytes"}."""
EXPERTS = "experts"
"""The folder of the models behind a gate, a folder for each."""


@dataclass(frozen=True)
class Choice:
    """The expert that is to answer, None where the gate is not sure enough of any, and how sure it is."""

    expert: str | None
    sure: float


@dataclass(frozen=True)
class Door:
    """From which ``threshold`` on a gate's likeliest expert answers, and which one reads texts, if one does."""

    threshold: float
    text: str = ""

    def by_form(self, is_text: bool) -> Choice | None:
        """What is settled by whether a text is asked about; None where the gate must look."""
        return Choice(self.text, 1.0) if self.text and is_text else None

    def by_gate(self, expert: str, sure: float) -> Choice:
        """What the likeliest expert of a gate, and its probability, come to."""
        return Choice(expert if sure >= self.threshold else None, sure)
