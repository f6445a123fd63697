"""``edgekit quantize``: a float ONNX file to smaller ONNX and TFLite files by a recipe, measured against it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from edgekit.artifact import Metadata
from edgekit.catalog import QUANTIZE, home_of, taken
from edgekit.console import Part, Remark, Table, counted, say
from edgekit.conversion.tflite.lower_model import lower
from edgekit.data import is_unset
from edgekit.errors import GateError
from edgekit.evaluation.task_model import TaskModel
from edgekit.files import require_writable, staged, write_bytes, write_json
from edgekit.graph.isolated import model_sha256
from edgekit.graph.metadata import read_metadata, write_metadata
from edgekit.graph.recurrent import GATES
from edgekit.modelfiles.delegation import UndelegatedOperator, summarize, undelegated
from edgekit.modelfiles.golden import example_of
from edgekit.modelfiles.runtime_choice import USUAL
from edgekit.modelfiles.session import vet
from edgekit.quantization.float_part import FloatPart
from edgekit.quantization.float_source import (
    LINEAGE_DIGITS,
    ROUNDING,
    asking_for_data,
    calibration_of,
    checked_model,
    float_onnx,
    running,
)
from edgekit.quantization.ladder import RungRecord
from edgekit.quantization.options import QuantizeOptions
from edgekit.quantization.recipes import RECIPES, Made, Start
from edgekit.quantization.sensitivity import TensorRow
from edgekit.quantization.speed import Speed
from edgekit.quantization.yardstick import MeasuredFile, Yardstick
from edgekit.result import Result
from edgekit.tasks.quality import COLUMNS, Quality

if TYPE_CHECKING:
    from onnx import ModelProto

    from edgekit.quantization.rungs.finetune import Lesson

SMALL_WEIGHTS = "weights alone are stored small, everything computes in float32"


@dataclass(frozen=True)
class QuantizeResult(Result):
    """The files and what they cost; ``drop`` in points is that of the worse one, None if nothing was measured.

    It is a drop of accuracy where the evaluation images have labels, and otherwise the share of images on which the
    top answer is no longer the float model's. ``rungs`` says what each rung of the ladder did, ``layers`` which tensor
    hurts, ``floats`` which operators are left in float, ``float_part`` what they cost, ``undelegated`` which
    ones LiteRT's XNNPACK does not take, ``speed`` how fast the three files are here, ``kind`` what the data are:
    images, or samples of other inputs. ``growth`` says which file is larger than the float one, and why.
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
    drop: float | None
    rungs: tuple[RungRecord, ...]
    layers: tuple[TensorRow, ...]
    floats: tuple[str, ...]
    float_part: FloatPart | None
    undelegated: tuple[UndelegatedOperator, ...]
    speed: Speed | None = None
    kind: str = "images"
    growth: str = ""

    def parts(self) -> Iterator[Part]:
        """A table of the rungs, one of the float model and the two files, and remarks."""
        if self.rungs:
            columns: tuple[str, ...] = ("rung", "against the float model", "took", "what it did")
            yield Table(f"the ladder, judged on a few {self.kind}", columns, [rung.cells() for rung in self.rungs])
        columns, images = ("file", "bytes"), "not measured"
        if self.original.quality is not None:
            columns += (self.original.quality.metric, *COLUMNS)
            images = f"{counted(self.evaluation_images, f'{self.evaluated_on} {self.kind}')} of {self.data}"
        scheme = "," if RECIPES[self.recipe].calibrates else f": {SMALL_WEIGHTS};"
        rows = [item.cells() for item in (self.original, self.onnx, self.tflite)]
        yield Table(f"{self.recipe}{scheme} {self.io} in and out; {images}", columns, rows)
        if self.float_part:
            yield Remark(f"left in float: {self.float_part} (see {QUANTIZE})")
        if self.undelegated:
            yield Remark(f"LiteRT's XNNPACK does not take: {summarize(self.undelegated)}")
        if self.speed:
            names = [item.file for item in (self.original, self.onnx, self.tflite)]
            yield Remark(f"fastest on one thread of this machine: {self.speed.text(names)}")
        if self.growth:
            yield Remark(self.growth)
        yield Remark(f"wrote {self.onnx.file}, {self.tflite.file} and {QUANTIZE} to {self.folder}")
        if remark := RECIPES[self.recipe].remark:
            yield Remark(remark)


def quantize(options: QuantizeOptions, lesson: Lesson | None = None) -> QuantizeResult:
    """Write an ONNX file, a TFLite file and quantize.json into the folder, all of them or none.

    Ranges and weights come from training images alone, and the rungs are judged on validation images (training images
    where there are none); the test images give the final figures (validation or training images where there are none).
    A recipe without calibration measures nothing where no data are named. ``lesson`` is what fine-tuning learns in
    place of the float model's answers.

    Raises:
        ModelError, UnsupportedError: the model is broken, not float ONNX, or has an operator without a TFLite form.
        DataError: there are no images to calibrate on, or they have other classes than the model.
        GateError: the drop is larger than ``max_drop``; nothing is written.
    """
    recipe, name = options.recipe, taken(options.model)
    path, folder = float_onnx(name), options.out or home_of(name)
    model = checked_model(path, options.input.shape, integers=recipe.calibrates)
    known = read_metadata(model, str(path))
    metadata = Metadata(
        known.contract,
        known.labels,
        recipe.name,
        parents={"float": model_sha256(path)[:LINEAGE_DIGITS]},
        tensors=known.tensors,
        rest=known.rest,
    )
    data = yardstick = intake = inputs = None
    if recipe.calibrates or not is_unset(options.data):
        with asking_for_data(options), TaskModel(path, options=options.input) as original:
            if recipe.calibrates:
                data, inputs = calibration_of(original, options)
            else:
                data = original.open_data(options.data, options.reading)
            intake = original.intake(data.train.images[:1])
            are_named = data.classes and data.test.labels is not None
            labels = original.class_names(data) if are_named else original.metadata.labels
            is_tensors = intake.contract is None
            metadata = replace(metadata, contract=intake.contract, tensors=is_tensors, labels=labels)
            require_writable(folder)
            yardstick = Yardstick(original, data)
    require_writable(folder)

    def passes(made: Made) -> bool:
        assert yardstick is not None
        with TemporaryDirectory() as scratch:
            files = [Path(scratch) / file for file in recipe.files]
            found = _measured(files, made, _fitting(metadata, made), yardstick)
        if is_refused := _is_refused(options, found):
            say(f"its files lose {_drop(found):.2f} points on {yardstick}, more than --max-drop {options.max_drop:g}")
        return not is_refused

    with running(path):
        made = recipe.make(Start(model, options, intake, data, inputs, lesson, passes))
    metadata = _fitting(metadata, made)
    with staged(folder) as scratch:
        files = [scratch / file for file in recipe.files]
        described = [metadata] * 2
        qualities: list[Quality | None] = [None, None]
        if yardstick is None:
            _write(files, made, described)
        else:
            onnx, tflite = _measured(files, made, metadata, yardstick)
            _check_gate(options, yardstick, onnx, tflite)
            described = [replace(metadata, quality=found.figures(yardstick.split)) for found in (onnx, tflite)]
            qualities = [onnx, tflite]
        goldens = [example_of(file.read_bytes(), runtime) for file, runtime in zip(files, USUAL, strict=True)]
        _write(files, made, [replace(one, golden=golden) for one, golden in zip(described, goldens, strict=True)])
        drops = [found.drop for found in qualities if found is not None]
        onnx_file, tflite_file = map(MeasuredFile.of, files, qualities)
        float_file = MeasuredFile.of(path, yardstick.original if yardstick else None)
        result = QuantizeResult(
            folder=str(folder),
            recipe=recipe.name,
            io=", ".join(_types(made.tflite)),
            data=data.name if data else "",
            data_sha256=data.sha256 if data else "",
            kind=data.kind if data else "images",
            calibration_images=made.calibration_images,
            evaluated_on=yardstick.split if yardstick else "",
            evaluation_images=len(yardstick.images) if yardstick else 0,
            original=float_file,
            onnx=onnx_file,
            tflite=tflite_file,
            drop=round(max(drops), 6) if drops else None,
            rungs=made.rungs,
            layers=made.layers,
            floats=made.floats,
            float_part=FloatPart.of(made.tflite, made.floats, files[1]),
            undelegated=undelegated(files[1]),
            speed=Speed.of(path, files, options.input.shape),
            growth=_growth(path, float_file, (onnx_file, tflite_file)),
        )
        stored = asdict(options.weights) if options.recipe.calibrates else {}
        write_json(scratch / QUANTIZE, {**result.to_dict(), **stored, "seed": options.seed})
    return result


def _types(model: ModelProto) -> tuple[str, ...]:
    """Of the inputs and the outputs, in their order, each once."""
    from onnx import helper

    kinds = (item.type.tensor_type.elem_type for item in (*model.graph.input, *model.graph.output))
    return tuple(dict.fromkeys(str(helper.tensor_dtype_to_np_dtype(kind)) for kind in kinds))


def _fitting(metadata: Metadata, made: Made) -> Metadata:
    """With the contract of what was made, which may take other pixels than the float model."""
    return replace(metadata, contract=made.intake.contract if made.intake else metadata.contract)


def _measured(files: list[Path], made: Made, metadata: Metadata, yardstick: Yardstick) -> list[Quality]:
    _write(files, made, [metadata] * 2)
    return [yardstick.measure(file, metadata.contract) for file in files]


def _drop(found: Sequence[Quality]) -> float:
    return max(one.drop for one in found)


def _is_refused(options: QuantizeOptions, found: Sequence[Quality]) -> bool:
    return options.max_drop is not None and _drop(found) > options.max_drop + ROUNDING


def _write(files: list[Path], made: Made, described: list[Metadata]) -> None:
    onnx, tflite = described
    write_bytes(files[0], write_metadata(made.onnx, onnx).SerializeToString(deterministic=True))
    write_bytes(files[1], lower(made.tflite, tflite))


def _growth(source: Path, original: MeasuredFile, made: tuple[MeasuredFile, ...]) -> str:
    """Which files are larger than the float one in ``source``, and why; empty if none is."""
    larger = " and ".join(one.file for one in made if one.file_bytes > original.file_bytes)
    if not larger:
        return ""
    recurrent = " and ".join(name for name in vet(source).operators if name in GATES)
    why = (
        f"each step of its {recurrent} is written out"
        if recurrent
        else "the model has few weights beside its operators"
    )
    return f"larger than {original.file}: {larger}, since {why}"


def _check_gate(options: QuantizeOptions, yardstick: Yardstick, onnx: Quality, tflite: Quality) -> None:
    if _is_refused(options, (onnx, tflite)):
        raise GateError(
            f"The files lose {_drop((onnx, tflite)):.2f} points, more than --max-drop {options.max_drop:g}: "
            f"float {yardstick.original.headline()}, ONNX {onnx.headline()}, TFLite {tflite.headline()} on "
            f"{yardstick}; nothing was written. {options.recipe.advice}"
        )
