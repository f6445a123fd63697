"""``edgekit quantize --int8``: a float ONNX file to int8 ONNX and int8 TFLite, up the ladder, measured against it."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from edgekit.artifact import Metadata
from edgekit.console import print_table, say
from edgekit.conversion.compact import compact
from edgekit.conversion.tflite.lower_model import lower
from edgekit.data import open_data
from edgekit.errors import DataError, GateError, ModelError, UnknownNameError, UsageError
from edgekit.evaluation.classifier import ImageModel
from edgekit.evaluation.input_options import InputOptions
from edgekit.files import require_writable, staged, write_bytes, write_json
from edgekit.graph.inputs import Shapes
from edgekit.graph.isolated import model_sha256
from edgekit.graph.metadata import read_metadata, write_metadata
from edgekit.modelfiles.delegation import UndelegatedOperator, summarize, undelegated
from edgekit.quantization.calibrate import RealInputs, require_images
from edgekit.quantization.float_source import LINEAGE_DIGITS, RECORD_FILE, ROUNDING, checked_model, float_onnx
from edgekit.quantization.judge import Judge
from edgekit.quantization.ladder import Candidate, Ladder, LadderOptions, RungRecord
from edgekit.quantization.qdq import IO_TYPES, insert_qdq
from edgekit.quantization.quality import MeasuredFile, Yardstick
from edgekit.quantization.recipes import STATIC_INT8
from edgekit.quantization.rungs.range_search import AUTO, RANGE_METHODS
from edgekit.quantization.sensitivity import TensorRow, layer_table
from edgekit.quantization.tensor_groups import float_operators
from edgekit.scales import WEIGHT_BITS, weight_max
from edgekit.tasks.quality import COLUMNS, Quality

if TYPE_CHECKING:
    from onnx import ModelProto

    from edgekit.data.dataset import Dataset

ONNX_FILE, TFLITE_FILE = "model.int8.onnx", "model.int8.tflite"
CALIBRATION_IMAGES = 500
JUDGING_IMAGES = 128
"""Images that the rungs of the ladder are judged on."""
ORT_REMARK = (
    f"On an x86 processor without VNNI, open {ONNX_FILE} with ONNX Runtime's session option "
    "session.x64quantprecision=1: its sums saturate there without. (EdgeKit does.)"
)


@dataclass(frozen=True)
class QuantizeOptions:
    """Everything that decides a quantization.

    ``max_drop`` is the gate in points (percent); ``io`` one of IO_TYPES; ``ranges`` one of RANGE_METHODS;
    ``calibration`` is the number of images drawn from the training split with ``seed``. ``rungs`` is the last rung of
    the ladder that may be tried, ``per_tensor`` gives all weights of a layer one scale, ``weight_bits`` their grid, and
    ``shapes`` sizes that the model's inputs leave open; ``input`` is what the user says of its pixels and classes.
    """

    model: str
    source: str
    folder: Path
    io: str = "int8"
    max_drop: float | None = None
    ranges: str = AUTO
    calibration: int = CALIBRATION_IMAGES
    rungs: int | None = None
    per_tensor: bool = False
    weight_bits: int = WEIGHT_BITS
    shapes: Shapes = field(default_factory=dict)
    input: InputOptions = field(default_factory=InputOptions)
    seed: int = 0

    def __post_init__(self) -> None:
        if self.io not in IO_TYPES:
            raise UnknownNameError("I/O type", self.io, IO_TYPES)
        if self.ranges not in RANGE_METHODS:
            raise UnknownNameError("range method", self.ranges, RANGE_METHODS)
        if self.max_drop is not None and not 0 <= self.max_drop <= 100:
            raise UsageError(f"--max-drop is in points, from 0 to 100, not {self.max_drop}.")
        if self.calibration < 1:
            raise DataError(f"--calibration {self.calibration} leaves no image to calibrate on; ask for some hundreds.")
        self.ladder()
        weight_max(self.weight_bits)

    def ladder(self) -> LadderOptions:
        """How far the ladder is climbed; a file with float ends keeps taking what the float model took."""
        return LadderOptions(
            ranges=self.ranges,
            highest=self.rungs,
            max_drop=self.max_drop,
            per_tensor=self.per_tensor,
            weight_bits=self.weight_bits,
            raw_input=self.io != "float32",
            seed=self.seed,
        )


@dataclass(frozen=True)
class QuantizeResult:
    """The files and what they cost; ``drop`` in points is that of the worse int8 file.

    It is a drop of accuracy where the evaluation images have labels, and otherwise the share of images on which the
    top answer is no longer the float model's. ``rungs`` says what each rung of the ladder did, ``layers`` which tensor
    hurts, ``floats`` which operators are left in float, ``undelegated`` which ones LiteRT's XNNPACK does not take.
    """

    folder: str
    recipe: str
    io: str
    data: str
    data_sha256: str
    calibration_images: int
    evaluated_on: str
    evaluation_images: int
    original: MeasuredFile
    onnx: MeasuredFile
    tflite: MeasuredFile
    drop: float
    rungs: tuple[RungRecord, ...]
    layers: tuple[TensorRow, ...]
    floats: tuple[str, ...]
    undelegated: tuple[UndelegatedOperator, ...]

    def to_dict(self) -> dict[str, Any]:
        """Plain values, for JSON."""
        files = {name: getattr(self, name).to_dict() for name in ("original", "onnx", "tflite")}
        return {**asdict(self), **files, "rungs": [rung.to_dict() for rung in self.rungs]}


def quantize(options: QuantizeOptions) -> QuantizeResult:
    """Write model.int8.onnx, model.int8.tflite and quantize.json into the folder, all of them or none.

    Ranges and weights come from training images alone, and the rungs are judged on validation images (training images
    where there are none); the test images give the final figures (validation or training images where there are none).

    Raises:
        ModelError, UnsupportedError: the model is broken, not float ONNX, or has an operator without a TFLite form.
        DataError: there are no images to calibrate on, or they have other classes than the model.
        GateError: the drop is larger than ``max_drop``; nothing is written.
    """
    path = float_onnx(options.model)
    model = checked_model(path, options.shapes)
    with ExitStack() as stack:
        original = stack.enter_context(_original(path, model, options, stack))
        contract = original.contract
        data = open_data(options.source, contract)
        labels = original.metadata.labels if data.test.labels is None else original.class_names(data)
        require_writable(options.folder)
        chosen = data.train.sample(options.calibration, options.seed)
        inputs = RealInputs(data.train, chosen, contract)
        require_images(inputs)
        yardstick = Yardstick(original, data)
    judge = _judge(model, data, inputs, options.seed)
    best, rungs = Ladder(inputs, judge, options.ladder()).climb(model, contract)
    few = RealInputs(data.train, chosen, best.contract)
    layers = layer_table(best.exact, best.model, best.plan, few)
    metadata = Metadata(best.contract, labels, STATIC_INT8, parents={"float": model_sha256(path)[:LINEAGE_DIGITS]})
    with staged(options.folder) as scratch:
        _write(scratch, best, options.io, metadata, metadata)
        onnx, tflite = (yardstick.measure(scratch / name, best.contract) for name in (ONNX_FILE, TFLITE_FILE))
        drop = max(onnx.drop, tflite.drop)
        if options.max_drop is not None and drop > options.max_drop + ROUNDING:
            raise GateError(_gate_message(options.max_drop, drop, yardstick, onnx, tflite))
        described = (replace(metadata, quality=quality.figures(yardstick.split)) for quality in (onnx, tflite))
        _write(scratch, best, options.io, *described)
        result = QuantizeResult(
            folder=str(options.folder),
            recipe=STATIC_INT8,
            io=options.io,
            data=data.name,
            data_sha256=data.sha256,
            calibration_images=len(chosen),
            evaluated_on=yardstick.split,
            evaluation_images=len(yardstick.images),
            original=MeasuredFile.of(path, yardstick.original),
            onnx=MeasuredFile.of(scratch / ONNX_FILE, onnx),
            tflite=MeasuredFile.of(scratch / TFLITE_FILE, tflite),
            drop=round(drop, 6),
            rungs=rungs,
            layers=layers,
            floats=tuple(sorted({*best.plan.floats, *float_operators(best.model)})),
            undelegated=undelegated(scratch / TFLITE_FILE),
        )
        write_json(scratch / RECORD_FILE, {**result.to_dict(), "seed": options.seed})
    return result


def show(result: QuantizeResult) -> None:
    """Print a table of the rungs, and one of the float model and the two int8 files."""
    rungs = [
        ("→" if rung.kept else "", f"{rung.rung} {rung.name}", str(rung.verdict), f"{rung.seconds:.1f} s", rung.detail)
        for rung in result.rungs
    ]
    print_table(
        "the ladder, judged on a few images", ("", "rung", "against the float model", "took", "what it did"), rungs
    )
    files = (result.original, result.onnx, result.tflite)
    columns = ("file", "bytes", "accuracy", *COLUMNS)
    rows = [
        (
            item.file,
            f"{item.file_bytes:,}",
            *(item.quality.cells() if item.quality else ()),
        )
        for item in files
    ]
    images = f"{result.evaluation_images:,} {result.evaluated_on} images of {result.data}"
    print_table(f"{result.recipe}, {result.io} in and out; {images}", columns, rows)
    if result.floats:
        say(f"left in float: {len(result.floats)} operators (see {RECORD_FILE})")
    if result.undelegated:
        say(f"LiteRT's XNNPACK does not take: {summarize(result.undelegated)}")
    say(f"wrote {ONNX_FILE}, {TFLITE_FILE} and {RECORD_FILE} to {result.folder}")
    say(ORT_REMARK)


def _judge(model: ModelProto, data: Dataset, inputs: RealInputs, seed: int) -> Judge:
    """On validation images; where there are none on the last that calibrate, since the rungs fit to the first."""
    contract = inputs.contract
    if len(data.validation):
        return Judge(model, contract, data.validation, data.validation.sample(JUDGING_IMAGES, seed))
    return Judge(model, contract, inputs.split, inputs.indices[-JUDGING_IMAGES:])


def _original(path: Path, model: ModelProto, options: QuantizeOptions, stack: ExitStack) -> ImageModel:
    """The float model, open; with sizes that the user gave, its prepared form."""
    if options.shapes:
        folder = Path(stack.enter_context(TemporaryDirectory()))
        described = write_metadata(model, read_metadata(model, str(path)))
        write_bytes(folder / path.name, described.SerializeToString())
        return ImageModel(folder / path.name, options=options.input)
    found = ImageModel(path, options=options.input)
    if found.layout != "NCHW":
        found.__exit__(None, None, None)
        raise ModelError(
            f"{path} takes images as [N, H, W, C]; export it with [N, C, H, W] (tf2onnx: --inputs-as-nchw)."
        )
    return found


def _write(folder: Path, best: Candidate, io: str, onnx_metadata: Metadata, tflite_metadata: Metadata) -> None:
    """Write both files: ONNX with uint8 activations, which run fastest on x86, TFLite with int8 as it demands."""
    quantized = compact(insert_qdq(best.model, best.plan, io, activations="uint8"))
    described = write_metadata(quantized, onnx_metadata)
    write_bytes(folder / ONNX_FILE, described.SerializeToString(deterministic=True))
    write_bytes(folder / TFLITE_FILE, lower(insert_qdq(best.model, best.plan, io), tflite_metadata))


def _gate_message(limit: float, drop: float, yardstick: Yardstick, onnx: Quality, tflite: Quality) -> str:
    return (
        f"The int8 files lose {drop:.2f} points, more than --max-drop {limit:g}: float "
        f"{yardstick.original.headline()}, int8 ONNX {onnx.headline()}, int8 TFLite {tflite.headline()} on "
        f"{len(yardstick.images):,} {yardstick.split} images; nothing was written. "
        "Calibrate on more or better images, or allow more."
    )
