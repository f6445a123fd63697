"""A door: a gate that says which of several models a picture is for, and the model of texts, if there is one."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Any

from edgekit.inputs import door
from edgekit.inputs.described import is_written, read_contract

from .model import DEFAULT_TOP, ODD, Asked, Model

if TYPE_CHECKING:
    from edgekit.inputs.contracts import Contract

MOST_BYTES = 64 << 20
"""Of the files of the models that are open, beside the gate's."""


class Experts:
    """The models behind a door: opened when they are asked for, the longest unused closed to make room."""

    def __init__(self, folder: Path, sizes: Mapping[str, int], threads: int, most: int = MOST_BYTES) -> None:
        self.open: dict[str, Model] = {}
        """The longest unused first."""
        self._folder, self._sizes, self._threads, self._most = folder, sizes, threads, most
        self._lock = Lock()

    def get(self, name: str) -> Model:
        """The model of that name, open."""
        with self._lock:
            model = self.open.pop(name, None)
            if model is None:
                room = self._most - self._sizes[name]
                while self.open and sum(map(self._sizes.__getitem__, self.open)) > room:
                    self.open.pop(next(iter(self.open)))
                model = Model(self._folder / name, self._threads)
                if model.complaint:
                    print(f"app.py: warning: {name}: {ODD}: {model.complaint}.", file=sys.stderr, flush=True)
            self.open[name] = model
            return model


class Door(Model):
    """The gate, which answers a picture with what the model says that it chooses, and says which that was."""

    def __init__(self, folder: Path, threads: int = 0, most: int = MOST_BYTES) -> None:
        super().__init__(folder, threads)
        about = json.loads((folder / door.FILE).read_text(encoding="utf-8"))
        self.rule = door.Door(about["threshold"], about["text"])
        sizes = {name: expert["bytes"] for name, expert in about["experts"].items()}
        self.experts = Experts(folder / door.EXPERTS, sizes, threads, most)
        self._texts: Contract | None = None
        if self.rule.text:
            described = (folder / door.EXPERTS / self.rule.text / "model.json").read_text(encoding="utf-8")
            self._texts = read_contract(json.loads(described)["contract"])

    @property
    def called(self) -> str:
        """As of a model."""
        return f"{super().called} or {self._texts.CALLED}" if self._texts else super().called

    @property
    def endings(self) -> tuple[str, ...]:
        """As of a model."""
        return (*super().endings, *(self._texts.endings if self._texts else ()))

    def named(self, word: str) -> Asked:
        """A text is a file of texts, or what is neither a file nor called like a picture."""
        ending = os.path.splitext(word)[1].lower()
        is_file = ending in self.contract.endings or os.path.isfile(word)
        return self._asked(not is_file or (self._texts is not None and ending in self._texts.endings))

    def sent(self, kind: str) -> Asked:
        """A text is what comes as such."""
        return self._asked(is_written(kind))

    def answer(self, data: bytes, name: str, top: int = DEFAULT_TOP) -> dict[str, Any]:
        """As of a model, with ``expert``, which is None where the gate is not sure enough of any, and how ``sure``."""
        choice, ms = self._choice(data, name)
        if choice.expert is None:
            return {**asdict(choice), "guesses": [], "ms": ms}
        answer = self.experts.get(choice.expert).answer(data, name, top)
        return {**asdict(choice), **answer, "ms": round(answer["ms"] + ms, 3)}

    def scores(self, data: bytes, name: str) -> list[Any]:
        """The raw output of the model that answers; of none, nothing."""
        choice, _ = self._choice(data, name)
        return [] if choice.expert is None else self.experts.get(choice.expert).scores(data, name)

    def _choice(self, data: bytes, name: str) -> tuple[door.Choice, float]:
        looked = super().answer(data, name, 1)
        (guess,) = looked["guesses"]
        return self.rule.by_gate(guess["label"], guess["probability"]), looked["ms"]

    def _asked(self, is_text: bool) -> Asked:
        choice = self.rule.by_form(is_text)
        return self if choice is None or choice.expert is None else Sent(self.experts.get(choice.expert), choice)


class Sent:
    """A model that is asked without the gate, as the form of the question says."""

    def __init__(self, model: Model, choice: door.Choice) -> None:
        self.model, self.choice = model, choice
        self.contract = model.contract
        self.scores = model.scores

    def answer(self, data: bytes, name: str, top: int = DEFAULT_TOP) -> dict[str, Any]:
        """As of a model, with who answers."""
        return {**asdict(self.choice), **self.model.answer(data, name, top)}
