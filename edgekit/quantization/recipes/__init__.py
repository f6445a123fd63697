"""The recipes of the quantizer, one file each under its name: what is stored in how many bits, and decided by what.

A further recipe is a further file here, with a ``RECIPE``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib import import_module
from pkgutil import iter_modules
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from onnx import ModelProto

    from edgekit.data.dataset import Dataset
    from edgekit.data.intake import Intake
    from edgekit.quantization.calibrate import RealInputs
    from edgekit.quantization.ladder import RungRecord
    from edgekit.quantization.options import QuantizeOptions
    from edgekit.quantization.rungs.finetune import Lesson
    from edgekit.quantization.sensitivity import TensorRow


@dataclass(frozen=True)
class Start:
    """What a recipe begins with: a prepared float model, what it takes if that is known, and samples where there are.

    Of the data the ``inputs`` calibrate, None where nothing does. ``lesson`` is what its fine-tuning learns. ``passes``
    says whether the files of what was made meet the gate.
    """

    model: ModelProto
    options: QuantizeOptions
    intake: Intake | None
    data: Dataset | None
    inputs: RealInputs | None = None
    lesson: Lesson | None = None
    passes: Callable[[Made], bool] = lambda made: True


@dataclass(frozen=True)
class Made:
    """What a recipe has made of a model: the form that is written as ONNX, and the one that becomes TFLite.

    ``intake`` is how samples become their inputs. The rest says how they came about: the images that calibrated, the
    rungs of the ladder, each stored tensor, and the operators left in float.
    """

    onnx: ModelProto
    tflite: ModelProto
    intake: Intake | None
    calibration_images: int = 0
    rungs: tuple[RungRecord, ...] = ()
    layers: tuple[TensorRow, ...] = ()
    floats: tuple[str, ...] = ()


@dataclass(frozen=True)
class Recipe:
    """How a float model is stored in fewer bits.

    Attributes:
        summary: what it does, for the list of recipes.
        files: names of the ONNX and the TFLite file.
        make: does it.
        calibrates: images decide about it; otherwise only weights are stored in fewer bits, and ends stay float32.
        advice: what to do where too much is lost.
        remark: what to know of the ONNX file in ONNX Runtime.
    """

    summary: str
    files: tuple[str, str]
    make: Callable[[Start], Made]
    calibrates: bool = False
    advice: str = "Allow more."
    remark: str = ""

    @property
    def name(self) -> str:
        """As in metadata and records: that of its file."""
        return self.make.__module__.rpartition(".")[2]


def _found() -> Mapping[str, Recipe]:
    modules = (import_module(f"{__name__}.{item.name}") for item in iter_modules(__path__))
    return {module.RECIPE.name: module.RECIPE for module in modules}


RECIPES = _found()
