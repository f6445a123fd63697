"""What a report says, as plain records: the page, the plots and the table are all made from these."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

from edgekit.data.dataset import Images
from edgekit.errors import UsageError

PROVENANCES = ("measured", "emulated", "predicted")


@dataclass(frozen=True)
class Latency:
    """The time of one inference, in nanoseconds: the median with its 95% interval, and every raw sample.

    ``provenance`` is one of PROVENANCES and is shown beside the figure wherever the figure is.
    """

    p50_ns: float
    interval_ns: tuple[float, float]
    samples_ns: tuple[int, ...]
    runtime: str
    threads: int
    provenance: str = "measured"

    def __post_init__(self) -> None:
        if self.provenance not in PROVENANCES:
            raise UsageError(f"A latency is {', '.join(PROVENANCES)}, not '{self.provenance}'.")


@dataclass(frozen=True)
class ModelRow:
    """One model file: what it is, how often it is right and what it costs. Shares are in [0, 1], sizes in bytes.

    ``memory_bytes`` is the peak of the process over one that has only loaded the runtime, ``arena_bytes`` the tensor
    arena of TFLite Micro; None is what was not or could not be measured. ``operators`` are names with their mean times
    in nanoseconds, in order of execution; it and ``per_class`` may be empty.
    """

    role: str
    file: str
    sha256: str
    file_bytes: int
    accuracy: float
    interval: tuple[float, float]
    latency: Latency | None = None
    weight_bytes: int | None = None
    memory_bytes: int | None = None
    arena_bytes: int | None = None
    per_class: tuple[float | None, ...] = ()
    operators: tuple[tuple[str, float], ...] = ()

    def __post_init__(self) -> None:
        if not 0 <= self.accuracy <= 1 or math.isnan(self.accuracy):
            raise UsageError(f"{self.file} has an accuracy of {self.accuracy}, which is not a share from 0 to 1.")


@dataclass(frozen=True)
class Picture:
    """What a model took for something else, and what it gave to its guess and to the truth.

    That is an image uint8 [H, W, C], or a text.
    """

    image: Images | str
    label: str
    guess: str
    probability: float
    label_probability: float


@dataclass(frozen=True)
class Parity:
    """Whether two files that should give the same answers do, on ``images`` images.

    ``equal_share`` is the share of stored output integers that are the same, ``max_steps`` the largest difference.
    """

    first: str
    second: str
    images: int
    equal_share: float
    max_steps: int
    same_answer_share: float


@dataclass(frozen=True)
class Report:
    """Everything on the page. ``models`` run from the largest to the one that is shipped, which is the last.

    ``mistakes`` are those of the last model, the most confident first; ``mistakes_total`` counts all of them.
    ``context`` names the machine and the versions; ``commands`` make the whole again.
    """

    title: str
    summary: str
    data: str
    images: int
    classes: tuple[str, ...]
    models: tuple[ModelRow, ...]
    parity: Parity | None = None
    mistakes: tuple[Picture, ...] = ()
    mistakes_total: int = 0
    context: Mapping[str, str] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()
    commands: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if not self.models:
            raise UsageError("A report needs at least one model.")

    @property
    def shipped(self) -> ModelRow:
        """The file that goes onto the device."""
        return self.models[-1]
