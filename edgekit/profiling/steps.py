"""The progress of one device: its steps, one after another, as shares of all of them."""

from __future__ import annotations

from collections.abc import Callable

from edgekit.devices.device import Watch

Report = Callable[[float, str], None]
"""Is told the share that is done, and of what."""


class Steps:
    """``total`` steps of about the same length, of which some may be left out."""

    def __init__(self, total: int, report: Report) -> None:
        self._total, self._report, self._begun = total, report, 0

    def next(self, note: str, length: int = 1) -> Watch:
        """Begin a step that takes as long as ``length`` others; what is told the share of it that is done."""
        start, self._begun = self._begun, self._begun + length

        def watch(share: float) -> None:
            self._report(min(1.0, (start + share * length) / self._total), note)

        watch(0.0)
        return watch
