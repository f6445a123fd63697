"""A model file behind its intake: samples of a data source in, the real values of all its outputs out."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple, NoReturn

import numpy as np

from edgekit.artifact import Array, TensorSpec
from edgekit.closing import Closing
from edgekit.console import say
from edgekit.conversion.c.library import open_session
from edgekit.data import Source, open_samples
from edgekit.data.dataset import Dataset, Images, Split
from edgekit.data.intake import FIRST_TO_LAST, LAST_TO_FIRST, Intake, Pictures, Tensors, Texts, fits
from edgekit.data.reading import Reading
from edgekit.devices.device import Device
from edgekit.errors import ModelError, input_errors
from edgekit.evaluation.device_session import DeviceSession
from edgekit.evaluation.input_options import InputOptions
from edgekit.inputs.contract import InputContract
from edgekit.inputs.contracts import Contract
from edgekit.inputs.text import TextContract
from edgekit.modelfiles.session import FileSession
from edgekit.runtimes.runtime import sizes_text
from edgekit.tasks import judged_by, task_of
from edgekit.tasks.outputs import Outputs
from edgekit.tasks.quality import Reals

CHANNELS = (1, 3, 4)
NOT_A_CLASSIFIER = "give an image classifier (profile and inspect take any model, and compare with --data noise)."

HOW_TO_FEED = "evaluate, compare and predict give it an .npz or .npy"


class Judged(NamedTuple):
    """A task, and what the outputs are judged by, None if nothing is known."""

    task: Outputs
    truth: Any


class TaskModel(Closing):
    """A model file of any fixed inputs, open in a worker process.

    Args:
        path: an .onnx or .tflite file.
        contract: how rows become its input; None takes the file's own, or for an image ``default_contract``.
        options: what the user says of its input and classes, before the file's own word.
        runtime: its name; None chooses by the file's suffix.
        threads: of the runtime; None takes the processor's, at most four.
        device: where it runs; None is this machine.

    Raises:
        ModelError: the file is broken, or it takes or gives something else than the class says.
        RuntimeCrashError: the runtime crashed, hung or wanted too much memory over it.
        UsageError: the runtime is unknown or not installed, or the options do not fit the file.

    ``task`` is what it answers. ``reads`` is how it takes rows by a contract, as pictures, None where it has none;
    ``tensors`` is how it takes samples that the data hold as they are. ``is_input_assumed`` is true if nothing says how
    pixels become the file's float input, so that it gets pixel / 255.
    """

    def __init__(
        self,
        path: Path,
        contract: Contract | None = None,
        runtime: str | None = None,
        threads: int | None = None,
        options: InputOptions | None = None,
        device: Device | None = None,
    ) -> None:
        options = options or InputOptions()
        self.session = (
            DeviceSession(path, runtime, threads, device, options.shape)
            if device
            else open_session(path, runtime, threads, shapes=options.shape)
        )
        try:
            self.metadata = self.session.contents.metadata(str(path))
            self.named_task = options.task
            self.task = task_of(self.shapes, [spec.shape for spec in self.session.inputs], options.task)
            self.tensors, self.is_input_assumed = Tensors(self.session.inputs), False
            self.reads = self._reader(contract or self.metadata.contract, options)
            if classes := self.task.classes(self.shapes):
                self.metadata = replace(self.metadata, labels=options.class_names(self.metadata.labels, classes))
        except BaseException:
            self.session.close()
            raise

    def _reader(self, own: Contract | None, options: InputOptions) -> Pictures | Texts | None:
        if isinstance(own, TextContract):
            _check_ids(own, self.session.inputs, self.path)
            return Texts(own)
        is_said = own is not None or options.says_pixels
        if not _takes_image(self.session) or not (is_said or not self.metadata.tensors):
            return None
        spec = self.session.inputs[0]
        layout = image_layout(spec, self.path)
        self.is_input_assumed = own is None and not options.says_pixels and spec.scale is None
        contract = options.contract(own or default_contract(spec, layout, self.path))
        _check_fit(contract, spec, layout, self.path)
        return Pictures(contract, layout)

    @property
    def path(self) -> Path:
        """The model file."""
        return self.session.path

    @property
    def shapes(self) -> list[tuple[int, ...]]:
        """Those of the outputs."""
        return [spec.shape for spec in self.session.outputs]

    @property
    def eats(self) -> Hashable:
        """What decides what it takes of a data source."""
        return self.reads.contract.plain if self.reads else self.tensors

    def open_data(self, source: Source, reading: Reading) -> Dataset:
        """A data source as this model takes it.

        Raises:
            UnknownNameError, DataError: see ``open_samples``.
        """
        contract = self.reads.contract.plain if self.reads else None
        return open_samples(source, self.session.inputs, contract, reading)

    def intake(self, rows: Images | Mapping[str, Array]) -> Intake:
        """How it takes rows of a split, those of its contract or arrays.

        Raises:
            ModelError: pictures have another shape than the contract's, or it takes none.
        """
        if isinstance(rows, Mapping):
            return self.tensors
        if self.reads is None:
            self.refuse_pictures()
        contract = self.reads.contract
        if contract.blank.shape[1:] != rows.shape[1:]:
            given = "x".join(map(str, rows.shape[1:]))
            raise ModelError(f"{self.path} takes {contract.INPUT} of {contract.size}, not {given}; choose such data.")
        return self.reads

    def outputs(self, rows: Images | Mapping[str, Array]) -> list[Array]:
        """N rows of a split to each output as it is stored, [N, ...] of the output's type.

        Raises:
            ModelError: see ``intake``, or an output is empty.
            DataError: arrays do not fit the inputs.
            RuntimeCrashError: the runtime did not survive them.
        """
        real = self.intake(rows).real(rows)
        pairs = zip(self.session.inputs, real, strict=True)
        found = self.session.run_rows([spec.quantize(value) for spec, value in pairs])
        for spec, stored in zip(self.session.outputs, found, strict=True):
            if not stored.size:
                raise ModelError(f"{self.path} gives an empty '{spec.name}'; export it without that output.")
        return found

    def scores(self, rows: Images | Mapping[str, Array], like: Sequence[TensorSpec] = ()) -> Reals:
        """N rows of a split to all real values that the model gives, [N, values]; see ``reals``."""
        return np.concatenate(self.reals(rows, like), axis=1)

    def reals(self, rows: Images | Mapping[str, Array], like: Sequence[TensorSpec] = ()) -> list[Reals]:
        """N rows of a split to the real values of each output, [N, values]: a classifier's scores.

        ``like`` are another file's outputs, whose order of axes is taken.

        Raises:
            ModelError: as ``outputs``, or a value is not a finite number.
            RuntimeCrashError: the runtime did not survive them.
        """
        count = len(next(iter(rows.values()))) if isinstance(rows, Mapping) else len(rows)
        columns: list[Reals] = []
        for stored, spec, wanted in zip(
            self.outputs(rows), self.session.outputs, like or self.session.outputs, strict=True
        ):
            if len(stored) % count:
                raise ModelError(f"{self.path} gives more values for one sample than for another.")
            real = spec.dequantize(stored).reshape(count, -1, *stored.shape[1:])
            columns.append(np.stack([as_shaped(value, wanted).reshape(-1) for value in real]))
            if not np.isfinite(columns[-1]).all():
                raise ModelError(f"{self.path} gives scores that are not finite numbers; train or export it again.")
        return columns

    @property
    def labels(self) -> tuple[str, ...]:
        """One name for each class: the file's, or ``class 0`` and so on where it does not name them all."""
        names, classes = self.metadata.labels, self.task.classes(self.shapes)
        return names if len(names) == classes else tuple(f"class {index}" for index in range(classes))

    def refuse_pictures(self) -> NoReturn:
        """Raise ModelError for a model that takes no pictures."""
        if _takes_image(self.session):
            raise ModelError(
                f"{self.path} was calibrated on arrays and takes no pictures; {HOW_TO_FEED}, and if its input is "
                "an image after all, --mean and --std say how pixels become it."
            )
        self.refuse("takes", self.session.inputs, "one image [1, H, W, C]", f"{HOW_TO_FEED}.")

    def refuse(self, verb: str, specs: Sequence[TensorSpec], wanted: str, advice: str = NOT_A_CLASSIFIER) -> NoReturn:
        """Raise ModelError for a model that takes or gives something else than what is asked for."""
        shapes = ", ".join(str(list(spec.shape)) for spec in specs)
        raise ModelError(f"{self.path} {verb} {shapes}, not {wanted}; {advice}")

    def require(self, is_as_asked: bool) -> None:
        """Raise ModelError for a model that answers something else than what is asked for."""
        if not is_as_asked:
            self.refuse("gives", self.session.outputs, "one row of scores")

    def class_names(self, data: Dataset) -> tuple[str, ...]:
        """The names of the classes that the file and a data source agree on; the file's own where the data name none.

        Raises:
            DataError: they have different classes, or the same in another order.
        """
        known = self.metadata.labels
        return self.task.class_names(known, data.classes, str(self.path), data.name) if data.classes else known

    def judged_on(self, split: Split) -> Judged:
        """The task that a split's labels judge, and what is true of its samples; None if nothing is known of that.

        Raises:
            DataError: the labels are none that the model could give.
        """
        task = judged_by(self.task, split.labels, self.named_task)
        if split.labels is not None:
            task.check_labels(split.labels, self.shapes, str(self.path))
        return Judged(task, task.truth(split.labels, lambda: self._inputs(split)))

    def _inputs(self, split: Split) -> Reals:
        """The real inputs of a split, float32 [N, values]."""
        rows = split.images[:]
        real = self.intake(rows).real(rows)
        return np.concatenate([array.reshape(len(array), -1).astype(np.float32) for array in real], axis=1)

    def close(self) -> None:
        """End the worker."""
        self.session.close()


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
        wanted = sizes_text((1, *sizes))
        raise ModelError(f"{path} leaves its input's size open; say it with --shape {spec.name}={wanted}.")
    with input_errors(ModelError, f"{path}: "):
        if spec.scale is None or spec.dtype not in ("int8", "uint8"):
            return InputContract(height, width, channels)
        mean = (spec.zero_point - int(np.iinfo(spec.dtype).min)) / 255
        return InputContract(height, width, channels, mean=(mean,), std=(1 / (255 * spec.scale),))


def remark_on_input(model: TaskModel, data: Dataset | None = None) -> None:
    """Say what a file's input is taken to be where nobody knows it, unless the data hold that input as it is."""
    if model.is_input_assumed and (data is None or data.train.holds_pictures):
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


def _takes_image(session: FileSession) -> bool:
    """True for one input [1, H, W, C] or [1, C, H, W]."""
    return len(session.inputs) == 1 and len(session.inputs[0].shape) == 4 and session.inputs[0].shape[0] in (-1, 1)


def _check_ids(contract: TextContract, specs: Sequence[TensorSpec], path: Path) -> None:
    if len(specs) != 1 or specs[0].shape != (1, contract.length):
        shapes = ", ".join(str(list(spec.shape)) for spec in specs)
        raise ModelError(f"{path} takes {shapes}, which is not the text of {contract.size} that its contract says.")


def _check_fit(contract: InputContract, spec: TensorSpec, layout: str, path: Path) -> None:
    height, width, channels = contract.shape
    wanted = (height, width, channels) if layout == "NHWC" else (channels, height, width)
    if any(size not in (-1, want) for size, want in zip(spec.shape[1:], wanted, strict=True)):
        raise ModelError(
            f"{path} has an input of {spec.shape}, which is not the {contract.shape} that its contract says."
        )
