"""A model file behind its input contract: uint8 pictures in, what its task makes of them out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from edgekit.artifact import Array, TensorSpec
from edgekit.closing import Closing
from edgekit.console import say
from edgekit.data.dataset import Dataset, Images, Split
from edgekit.devices.device import Device
from edgekit.errors import ModelError, input_errors
from edgekit.evaluation.device_session import DeviceSession
from edgekit.evaluation.input_options import InputOptions
from edgekit.inputs.contract import InputContract
from edgekit.modelfiles.session import FileSession
from edgekit.tasks import task_of
from edgekit.tasks.classification import Classification
from edgekit.tasks.outputs import Outputs
from edgekit.tasks.quality import Reals

CHANNELS = (1, 3, 4)
LAST_TO_FIRST, FIRST_TO_LAST = (0, 3, 1, 2), (0, 2, 3, 1)
NOT_A_CLASSIFIER = "give an image classifier (profile and inspect take any model, and compare with --data noise)."


class ImageModel(Closing):
    """A model file that takes one image and gives anything, open in a worker process.

    Args:
        path: an .onnx or .tflite file.
        contract: how pixels become its input; None takes the file's own, or the default of ``default_contract``.
        options: what the user says of its input and classes, before the file's own word.
        runtime: its name; None chooses by the file's suffix.
        threads: of the runtime; None takes the processor's, at most four.
        device: where it runs; None is this machine.

    Raises:
        ModelError: the file is broken, or its input is no image, or it gives something else than the class says.
        RuntimeCrashError: the runtime crashed, hung or wanted too much memory over it.
        UsageError: the runtime is unknown or not installed, or the options do not fit the file.

    ``task`` is what it answers; ``is_input_assumed`` is true if nothing says how pixels become the file's float input,
    so that it gets pixel / 255.
    """

    needs: type[Outputs] = Outputs
    """The task that the file must have."""

    def __init__(
        self,
        path: Path,
        contract: InputContract | None = None,
        runtime: str | None = None,
        threads: int | None = None,
        options: InputOptions | None = None,
        device: Device | None = None,
    ) -> None:
        options = options or InputOptions()
        self.session = (
            DeviceSession(path, runtime, threads, device, options.shape)
            if device
            else FileSession(path, runtime, threads, shapes=options.shape)
        )
        try:
            self.metadata = self.session.contents.metadata(str(path))
            self.input = _image_input(self.session)
            self.task = task_of(self.shapes)
            self.require(isinstance(self.task, self.needs))
            self.layout = image_layout(self.input, path)
            own = contract or self.metadata.contract
            self.is_input_assumed = own is None and not options.says_pixels and self.input.scale is None
            self.contract = options.contract(own or default_contract(self.input, self.layout, path))
            if classes := self.task.classes(self.shapes):
                self.metadata = replace(self.metadata, labels=options.class_names(self.metadata.labels, classes))
            _check_fit(self.contract, self.input, self.layout, path)
        except BaseException:
            self.session.close()
            raise

    @property
    def path(self) -> Path:
        """The model file."""
        return self.session.path

    @property
    def shapes(self) -> list[tuple[int, ...]]:
        """Those of the outputs."""
        return [spec.shape for spec in self.session.outputs]

    def outputs(self, images: Images) -> list[Array]:
        """uint8 [N, H, W, C] to each output as it is stored, [N, ...] of the output's type.

        Raises:
            ModelError: the images have another shape than the contract's.
            RuntimeCrashError: the runtime did not survive them.
        """
        if images.shape[1:] != self.contract.shape:
            wanted, given = ("x".join(map(str, shape)) for shape in (self.contract.shape, images.shape[1:]))
            raise ModelError(f"{self.path} takes images of {wanted}, not {given}; choose data of that shape.")
        return self.session.run_rows(self.contract.encode(images, self.input, self.layout))

    def scores(self, images: Images, like: Sequence[TensorSpec] = ()) -> Reals:
        """uint8 [N, H, W, C] to all real values that the model gives, [N, values]: a classifier's scores.

        ``like`` are another file's outputs, whose order of axes is taken.

        Raises:
            ModelError: as ``outputs``, or a value is not a finite number.
            RuntimeCrashError: the runtime did not survive them.
        """
        columns = []
        for stored, spec, wanted in zip(
            self.outputs(images), self.session.outputs, like or self.session.outputs, strict=True
        ):
            if len(stored) % len(images):
                raise ModelError(f"{self.path} gives more values for one image than for another.")
            real = spec.dequantize(stored).reshape(len(images), -1, *stored.shape[1:])
            columns.append(np.stack([as_shaped(value, wanted).reshape(-1) for value in real]))
        scores: Reals = np.concatenate(columns, axis=1)
        if not np.isfinite(scores).all():
            raise ModelError(f"{self.path} gives scores that are not finite numbers; train or export it again.")
        return scores

    def require(self, is_as_asked: bool) -> None:
        """Raise ModelError for a model that answers something else than what is asked for."""
        if not is_as_asked:
            shapes = ", ".join(map(str, self.shapes))
            raise ModelError(f"{self.path} gives {shapes}, not one row of scores; {NOT_A_CLASSIFIER}")

    def class_names(self, data: Dataset) -> tuple[str, ...]:
        """The names of the classes that the file and a data source agree on.

        Raises:
            DataError: they have different classes, or the same in another order.
        """
        return self.task.class_names(self.metadata.labels, data.classes, str(self.path), data.name)

    def check_labels(self, split: Split) -> None:
        """Raise DataError if the images have labels that the model cannot give."""
        if split.labels is not None:
            self.task.check_labels(split.labels, self.shapes, str(self.path))

    def close(self) -> None:
        """End the worker."""
        self.session.close()


class Classifier(ImageModel):
    """An image model that gives one row of scores, one for each class; any other raises ModelError."""

    needs = Classification

    @property
    def output(self) -> TensorSpec:
        """The tensor of the scores."""
        return self.session.outputs[0]

    @property
    def classes(self) -> int:
        """The number of scores."""
        return self.output.shape[-1]

    @property
    def labels(self) -> tuple[str, ...]:
        """One name for each class: the file's, or ``class 0`` and so on where it does not name them all."""
        names = self.metadata.labels
        return names if len(names) == self.classes else tuple(f"class {index}" for index in range(self.classes))

    def stored(self, images: Images) -> Array:
        """uint8 [N, H, W, C] to the outputs as they are stored, [N, classes] of the output's type.

        Raises:
            ModelError, RuntimeCrashError: as ``outputs``.
        """
        (scores,) = self.outputs(images)
        return scores.reshape(len(images), -1)


def image_layout(spec: TensorSpec, path: Path) -> str:
    """``NCHW`` or ``NHWC``: by which axis has 1, 3 or 4 channels; by the file's format where both or none do."""
    usual = "NCHW" if path.suffix.lower() == ".onnx" else "NHWC"
    _, first, _, last = spec.shape
    if (first in CHANNELS) == (last in CHANNELS):
        return usual
    return "NCHW" if first in CHANNELS else "NHWC"


def default_contract(spec: TensorSpec, layout: str, path: Path) -> InputContract:
    """The contract of a file that says nothing of it.

    A float input gets pixel / 255. An 8-bit input gets the byte itself (less 128 if it is signed): whatever
    normalisation the model wants is then in its scale and zero point already.

    Raises:
        ModelError: the file leaves the image's size open.
    """
    _, *sizes = spec.shape
    height, width, channels = sizes if layout == "NHWC" else (sizes[1], sizes[2], sizes[0])
    if min(height, width, channels) < 1:
        wanted = "x".join(["1", *("?" if size < 1 else str(size) for size in sizes)])
        raise ModelError(f"{path} leaves its input's size open; say it with --shape {spec.name}={wanted}.")
    with input_errors(ModelError, f"{path}: "):
        if spec.scale is None or spec.dtype not in ("int8", "uint8"):
            return InputContract(height, width, channels)
        mean = (spec.zero_point - int(np.iinfo(spec.dtype).min)) / 255
        return InputContract(height, width, channels, mean=(mean,), std=(1 / (255 * spec.scale),))


def remark_on_input(model: ImageModel) -> None:
    """Say what a file's input is taken to be where nobody knows it."""
    if model.is_input_assumed:
        say(
            f"{model.path} does not say how pixels become its input: it gets pixel / 255 "
            "(--mean, --std and --pixels say it otherwise)"
        )


def as_shaped(value: Array, spec: TensorSpec) -> Array:
    """A value with its channels where another file has them.

    Raises:
        ModelError: its shape fits the file in no order of axes.
    """
    if not spec.shape:  # a scalar, or of a rank that ONNX Runtime does not know
        return value
    orders = (LAST_TO_FIRST, FIRST_TO_LAST) if value.ndim == len(LAST_TO_FIRST) else ()
    for moved in (value, *map(value.transpose, orders)):
        if fits(moved.shape, spec.shape):
            return moved
    raise ModelError(f"'{spec.name}' has the shape {spec.shape}, not {value.shape}; compare models of the same task.")


def fits(shape: Sequence[int], wanted: Sequence[int]) -> bool:
    """True if two shapes may be the same; -1 is open."""
    return len(shape) == len(wanted) and all(
        size == want or -1 in (size, want) for size, want in zip(shape, wanted, strict=True)
    )


def _image_input(session: FileSession) -> TensorSpec:
    if len(session.inputs) != 1 or len(session.inputs[0].shape) != 4 or session.inputs[0].shape[0] not in (-1, 1):
        shapes = ", ".join(str(spec.shape) for spec in session.inputs)
        raise ModelError(f"{session.path} takes {shapes}, not one image [1, H, W, C]; {NOT_A_CLASSIFIER}")
    return session.inputs[0]


def _check_fit(contract: InputContract, spec: TensorSpec, layout: str, path: Path) -> None:
    height, width, channels = contract.shape
    wanted = (height, width, channels) if layout == "NHWC" else (channels, height, width)
    if any(size not in (-1, want) for size, want in zip(spec.shape[1:], wanted, strict=True)):
        raise ModelError(
            f"{path} has an input of {spec.shape}, which is not the {contract.shape} that its contract says."
        )
