"""``edgekit quantize --int8 --weights-only`` and ``--fp16``: smaller weights, float computation, no calibration.

The files take and give float32, like the model that they come from. They are smaller than it, not faster.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edgekit.artifact import Metadata
from edgekit.console import print_table, say
from edgekit.conversion.tflite import lower
from edgekit.conversion.weights_only import (
    HALF_FILES,
    ORT_REMARK,
    WEIGHTS_ONLY_FILES,
    WEIGHTS_ONLY_HALF,
    WEIGHTS_ONLY_INT8,
    half,
    weights_only,
)
from edgekit.data import open_data
from edgekit.errors import GateError, UnknownNameError, UsageError
from edgekit.evaluation.classifier import ImageModel
from edgekit.files import require_writable, staged, write_bytes, write_json
from edgekit.graph.isolated import model_sha256
from edgekit.graph.metadata import read_metadata, write_metadata
from edgekit.modelfiles.delegation import UndelegatedOperator, summarize, undelegated
from edgekit.quantization.float_source import LINEAGE_DIGITS, RECORD_FILE, ROUNDING, checked_model, float_onnx
from edgekit.quantization.quality import MeasuredFile, Yardstick
from edgekit.tasks.quality import Quality

if TYPE_CHECKING:
    from onnx import ModelProto

FORMS = {
    WEIGHTS_ONLY_INT8: (weights_only, WEIGHTS_ONLY_FILES),
    WEIGHTS_ONLY_HALF: (half, HALF_FILES),
}
"""What each recipe does, and the files it writes."""


@dataclass(frozen=True)
class SmallWeightsOptions:
    """``recipe`` is one of FORMS; ``source`` may be empty: then nothing is measured, and ``max_drop`` must be None."""

    model: str
    recipe: str
    folder: Path
    source: str = ""
    max_drop: float | None = None

    def __post_init__(self) -> None:
        if self.recipe not in FORMS:
            raise UnknownNameError("recipe of small weights", self.recipe, FORMS)
        if self.max_drop is not None and not self.source:
            raise UsageError("--max-drop needs images to measure the drop on; name them with --data.")


@dataclass(frozen=True)
class SmallWeightsResult:
    """The files and what they cost; ``drop`` in points is that of the worse file, None if it was not measured."""

    folder: str
    recipe: str
    io: str
    data: str
    evaluation_images: int
    original: MeasuredFile
    onnx: MeasuredFile
    tflite: MeasuredFile
    drop: float | None
    undelegated: tuple[UndelegatedOperator, ...]

    def to_dict(self) -> dict[str, Any]:
        """Plain values, for JSON; what was not measured is null."""
        return {**asdict(self), **{name: getattr(self, name).to_dict() for name in ("original", "onnx", "tflite")}}


def store_small(options: SmallWeightsOptions) -> SmallWeightsResult:
    """Write an ONNX file, a TFLite file and quantize.json into the folder, all of them or none.

    Raises:
        ModelError, UnsupportedError: the model is broken, not float ONNX, or has an operator without a TFLite form.
        DataError: the data have other classes than the model, or no images.
        GateError: the drop is larger than ``max_drop``; nothing is written.
    """
    form, names = FORMS[options.recipe]
    path = float_onnx(options.model)
    model = checked_model(path, integers=False)
    require_writable(options.folder)
    metadata, yardstick, data_name = _measured_by(path, model, options.source)
    metadata = replace(metadata, recipe=options.recipe, parents={"float": model_sha256(path)[:LINEAGE_DIGITS]})
    small = form(model)
    with staged(options.folder) as scratch:
        _write(scratch, names, small, (metadata, metadata))
        qualities: tuple[Quality | None, ...] = (None, None)
        drop = None
        if yardstick is not None:
            onnx, tflite = (yardstick.measure(scratch / name) for name in names)
            qualities = (onnx, tflite)
            drop = max(onnx.drop, tflite.drop)
            if options.max_drop is not None and drop > options.max_drop + ROUNDING:
                raise GateError(
                    f"The files lose {drop:.2f} points, more than --max-drop {options.max_drop:g}; nothing was "
                    "written. Allow more, or take --fp16."
                )
            figures = [replace(metadata, quality=quality.figures(yardstick.split)) for quality in (onnx, tflite)]
            _write(scratch, names, small, (figures[0], figures[1]))
        files = [MeasuredFile.of(scratch / name, quality) for name, quality in zip(names, qualities, strict=True)]
        result = SmallWeightsResult(
            folder=str(options.folder),
            recipe=options.recipe,
            io="float32",
            data=data_name,
            evaluation_images=0 if yardstick is None else len(yardstick.images),
            original=MeasuredFile.of(path, None if yardstick is None else yardstick.original),
            onnx=files[0],
            tflite=files[1],
            drop=None if drop is None else round(drop, 6),
            undelegated=undelegated(scratch / names[1]),
        )
        write_json(scratch / RECORD_FILE, result.to_dict())
    return result


def show(result: SmallWeightsResult) -> None:
    """Print a table of the float model and the two files, and which scheme they have."""
    rows = []
    for item in (result.original, result.onnx, result.tflite):
        quality = item.quality
        accuracy, _, agreement, _ = quality.cells() if quality else ("",) * 4
        rows.append((item.file, f"{item.file_bytes:,}", accuracy, agreement))
    images = f"; {result.evaluation_images:,} images of {result.data}" if result.data else "; not measured"
    title = f"{result.recipe}: weights alone are stored small, everything computes in float32; {result.io} in and out"
    print_table(f"{title}{images}", ("file", "bytes", "accuracy", "agreement"), rows)
    say(f"wrote {result.onnx.file}, {result.tflite.file} and {RECORD_FILE} to {result.folder}")
    if result.recipe == WEIGHTS_ONLY_INT8:
        say(ORT_REMARK)
    if result.undelegated:
        say(f"XNNPACK does not take {summarize(result.undelegated)} of {result.tflite.file}")


def _measured_by(path: Path, model: ModelProto, source: str) -> tuple[Metadata, Yardstick | None, str]:
    """The description of a model, and what its files are measured with where there are data."""
    known = read_metadata(model, str(path))
    if not source:
        return Metadata(known.contract, known.labels), None, ""
    with ImageModel(path) as original:
        data = open_data(source, original.contract)
        labels = original.class_names(data) if data.test.labels is not None else original.metadata.labels
        return Metadata(original.contract, labels), Yardstick(original, data), data.name


def _write(folder: Path, names: tuple[str, str], model: ModelProto, described: tuple[Metadata, Metadata]) -> None:
    write_bytes(folder / names[0], write_metadata(model, described[0]).SerializeToString(deterministic=True))
    write_bytes(folder / names[1], lower(model, described[1]))
