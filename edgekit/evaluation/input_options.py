"""What a user says of a model file's input and classes where the file itself does not: --mean, --std and the like."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from edgekit.console import counted
from edgekit.errors import EdgekitError, UsageError, input_errors
from edgekit.files import require_file
from edgekit.inputs.contract import InputContract
from edgekit.options import Options, numbers, option, shape_option
from edgekit.runtimes.runtime import Shapes

FILES_OWN = "the file's"
PIXEL_SCALES = (1, 255)
MAX_LABEL_BYTES = 4 << 20


@dataclass(frozen=True)
class InputOptions(Options):
    """How pixels become the real input of a file, and what its classes are called; what is said here comes first."""

    mean: tuple[float, ...] = option(
        "Subtracted from the pixels: a number, or one per channel.", (), unset=FILES_OWN, read=numbers
    )
    std: tuple[float, ...] = option("What they are divided by then.", (), unset=FILES_OWN, read=numbers)
    pixels: int = option("A white pixel's value before --mean: 1, or 255.", 1)
    domain: str = option("photo or digit: how pictures are fitted.", "", unset=FILES_OWN)
    task: str = option(
        "classification, regression or reconstruction: what the outputs are.", "", unset="by shapes and labels"
    )
    labels: Path | None = option("Class names, one a line.", None, unset=FILES_OWN, metavar="FILE")
    shape: Shapes = shape_option()

    def __post_init__(self) -> None:
        super().__post_init__()
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
                f"--labels {self.labels} has {counted(len(names), 'lines')}, but the model gives {classes} scores; "
                "write one name a line, in the order of the scores."
            )
        return names
