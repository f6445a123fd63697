"""What a user says of a model file's input and classes where the file itself does not: --mean, --std and the like."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from edgekit.errors import EdgekitError, UsageError, input_errors
from edgekit.files import require_file
from edgekit.inputs.contract import InputContract

PIXEL_SCALES = (1, 255)
MAX_LABEL_BYTES = 4 << 20


@dataclass(frozen=True)
class InputOptions:
    """How pixels become the real input of a file, and what its classes are called; what is said here comes first.

    Attributes:
        mean: subtracted from the pixels, one number or one per channel; empty for the file's own, or 0.
        std: what they are divided by then; empty for the file's own, or 1.
        pixels: the value of a white pixel before that: 1, or 255 as many TensorFlow models have it.
        domain: ``photo`` or ``digit``, see InputContract; empty for the file's own.
        labels: a text file with one class name a line, in the order of the scores; None for the file's own.
    """

    mean: tuple[float, ...] = ()
    std: tuple[float, ...] = ()
    pixels: int = 1
    domain: str = ""
    labels: Path | None = None

    def __post_init__(self) -> None:
        if self.pixels not in PIXEL_SCALES:
            raise UsageError(f"--pixels is 1 or 255, the value of a white pixel before --mean, not {self.pixels}.")

    @property
    def says_pixels(self) -> bool:
        """True if anything is said of how pixels become numbers."""
        return bool(self.mean or self.std or self.pixels != 1)

    def contract(self, given: InputContract) -> InputContract:
        """The contract of a file, ``given``, with everything replaced that is said here.

        Raises:
            UsageError: mean or std do not fit the image's channels, or the domain is unknown.
        """
        contract = given
        if self.says_pixels:
            mean, std = (
                tuple(value / self.pixels for value in values) for values in (self.mean or (0.0,), self.std or (1.0,))
            )
            with input_errors(UsageError, f"--mean and --std do not fit the model's {given.channels} channels: "):
                contract = replace(contract, mean=mean, std=std)
        with input_errors(UsageError, "--domain: "):
            return replace(contract, domain=self.domain) if self.domain else contract

    def class_names(self, known: tuple[str, ...], classes: int) -> tuple[str, ...]:
        """The names in the label file, or the ``known`` ones.

        Raises:
            UsageError: the label file is missing, unreadable, or has not one line for each class.
        """
        if self.labels is None:
            return known
        try:
            size = require_file(self.labels).stat().st_size
        except EdgekitError as exc:
            raise UsageError(f"--labels: {exc}") from exc
        if size > MAX_LABEL_BYTES:
            raise UsageError(f"--labels {self.labels} has {size:,} bytes, which no list of names has; check the file.")
        names = tuple(self.labels.read_text(encoding="utf-8", errors="replace").splitlines())
        if len(names) != classes:
            raise UsageError(
                f"--labels {self.labels} has {len(names)} lines, but the model gives {classes} scores; "
                "write one name a line, in the order of the scores."
            )
        return names
