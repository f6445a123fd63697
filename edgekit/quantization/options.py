"""The options of ``edgekit quantize``: everything that decides what its files hold."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from edgekit.data import Source
from edgekit.data.reading import Reading
from edgekit.errors import UsageError
from edgekit.evaluation.input_options import InputOptions
from edgekit.operators.weight_scheme import WeightScheme
from edgekit.options import LARGEST_SEED, SAMPLES, Options, argument, group, option
from edgekit.quantization.ladder import MIXED, RUNGS
from edgekit.quantization.qdq import IO_TYPES
from edgekit.quantization.ranges import AUTO, RANGE_METHODS
from edgekit.quantization.recipes import RECIPES, Recipe

STATIC, WEIGHTS_ONLY, HALF = "static_wi8_ai8", "weight_only_wi8_af32", "weight_only_wf16_af32"
OF_ALL = ("model", "data", "out", "int8", "weights_only", "fp16", "max_drop", "input", "reading", "seed")
"""Options of every recipe; the others are of those that calibrate."""


@dataclass(frozen=True)
class QuantizeOptions(Options):
    """What to quantize, how, and what may be lost by it."""

    model: str = argument(
        "A float .onnx file, a run folder or a student's name.", "", metavar="MODEL", unset="the newest run"
    )
    data: Source = option(SAMPLES, "", metavar="SRC", unset="mnist")
    out: Path | None = option("Folder for the results.", None, metavar="DIR", unset="the run folder, else runs/NAME")
    int8: bool = option(f"Static int8 weights and activations ({STATIC}).", False)
    weights_only: bool = option("With --int8: int8 weights alone, computing in float.", False)
    fp16: bool = option("float16 weights, computing in float.", False)
    io: str = option("Types of the input and output tensors.", "int8", choices=IO_TYPES)
    max_drop: float | None = option(
        "Points of accuracy (or, without labels, of agreement; else percent of error) that may be lost: the ladder is "
        "climbed until then; "
        "more exits with status 3 and leaves no file.",
        None,
        least=0,
        most=100,
    )
    rungs: int | None = option(
        "Last rung of the ladder to try.", None, unset="3, with --max-drop 5", least=1, most=len(RUNGS)
    )
    calibration: int = option("Images, or samples, to calibrate on.", 500, least=1)
    ranges: str = option(
        "mse, minmax or percentile; auto takes the one that ends closest to the float model.",
        AUTO,
        choices=RANGE_METHODS,
        metavar="METHOD",
    )
    weights: WeightScheme = group(WeightScheme)
    input: InputOptions = group(InputOptions)
    reading: Reading = group(Reading)
    seed: int = option("Seed of the choice of calibration images.", 0, least=0, most=LARGEST_SEED)

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.fp16 and (self.int8 or self.weights_only):
            raise UsageError("Say one scheme: --int8 (static), --int8 --weights-only, or --fp16.")
        if self.rungs == MIXED and self.max_drop is None:
            raise UsageError("Rung 4 leaves as little in float as a gate allows; say which with --max-drop.")
        if self.recipe.calibrates:
            return
        said = {name for name, unsaid in vars(QuantizeOptions()).items() if vars(self)[name] != unsaid}
        if said - set(OF_ALL) or self.input != InputOptions(shape=self.input.shape, task=self.input.task):
            raise UsageError(
                "--weights-only and --fp16 keep the float input as it is: only --data, --shape, --task and --max-drop."
            )
        if self.max_drop is not None and not self.data:
            raise UsageError("--max-drop needs images to measure the drop on; name them with --data.")

    @property
    def recipe(self) -> Recipe:
        """What is stored how."""
        return RECIPES[HALF if self.fp16 else WEIGHTS_ONLY if self.weights_only else STATIC]
