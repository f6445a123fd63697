"""The float model that a quantization starts from, opened and checked, and what all its records have in common."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from edgekit.catalog import FLOAT_ONNX, resolve_model
from edgekit.conversion.tflite import check_lowerable
from edgekit.data import is_unset
from edgekit.data.tensors import check_calibration
from edgekit.errors import DataError, ModelError, naming
from edgekit.graph.isolated import is_quantized, open_prepared
from edgekit.quantization.calibrate import RealInputs, require_images
from edgekit.quantization.tensor_groups import check_operators
from edgekit.runtimes.refusal import first_line

if TYPE_CHECKING:
    from onnx import ModelProto

    from edgekit.data.dataset import Dataset
    from edgekit.evaluation.task_model import TaskModel
    from edgekit.quantization.options import QuantizeOptions
    from edgekit.runtimes.runtime import Shapes

DATA = "mnist"
"""What calibrates where nothing else is named."""
LINEAGE_DIGITS = 32
"""Of a parent's sha256 inside the files: 128 bits name it as well, and each digit is a byte on the device."""
ROUNDING = 1e-9
"""Points; a drop of exactly --max-drop passes although its binary fraction may lie a little above."""


def float_onnx(model: str) -> Path:
    """The float ONNX file that MODEL stands for.

    Raises:
        ModelError: it is a file of another kind.
    """
    path = resolve_model(model, FLOAT_ONNX)
    if path.suffix.lower() != ".onnx":
        raise ModelError(
            f"{path} is not an ONNX file; quantization starts from float ONNX (torch.onnx.export, or the converter of "
            "the framework that made it)."
        )
    return path


def checked_model(path: Path, shapes: Shapes | None = None, integers: bool = True) -> ModelProto:
    """The prepared model, after everything that can be refused without running it.

    Args:
        path: a float ONNX file.
        shapes: sizes that its inputs leave open.
        integers: its operators will compute in integers, not only its weights be stored so.

    Raises:
        ModelError, UnsupportedError: it is broken, quantized already, or has an operator without a form here.
    """
    prepared = open_prepared(path, shapes=shapes)
    if is_quantized(prepared):
        raise ModelError(f"{path} is quantized already; give the float model that it was made from.")
    with naming(path):
        if integers:
            check_operators(prepared)
        check_lowerable(prepared)
    return prepared


def calibration_of(original: TaskModel, options: QuantizeOptions) -> tuple[Dataset, RealInputs]:
    """The data of a quantization, and of its training samples those that calibrate.

    Raises:
        UnknownNameError, DataError: the data cannot be opened or do not fit, or their samples say nothing of ranges.
    """
    data = original.open_data(DATA if is_unset(options.data) else options.data, options.reading)
    chosen = data.train.sample(options.calibration, options.seed)
    inputs = RealInputs(data.train, chosen, original.intake(data.train.images[:1]))
    require_images(inputs)
    check_calibration(data.train.view(chosen), data.name)
    return data, inputs


@contextmanager
def running(path: Path) -> Iterator[None]:
    """What a model is refused for inside, with its file in front of the message.

    What ONNX Runtime complains of is a ModelError too: a sample may hold an index that a table has not.
    """
    try:
        yield
    except ModelError as exc:
        raise type(exc)(f"{path}: {exc}") from exc
    except Exception as exc:
        if not type(exc).__module__.startswith("onnxruntime"):
            raise
        raise ModelError(f"{path} cannot be run ({first_line(exc)}); check the samples.") from exc


@contextmanager
def asking_for_data(options: QuantizeOptions) -> Iterator[None]:
    """What is raised of the data inside, with the advice to name some where nobody has."""
    try:
        yield
    except DataError as exc:
        if not is_unset(options.data):
            raise
        raise DataError(f"Name your data with --data; {DATA}, taken without, does not fit: {exc}") from exc
