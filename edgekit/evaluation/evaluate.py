"""``edgekit evaluate``: how often model files are right on labelled images."""

from __future__ import annotations

import math
from collections.abc import Hashable, Iterator, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from edgekit.artifact import TensorSpec
from edgekit.catalog import taken
from edgekit.console import Part, Table, counted, progress
from edgekit.data import Source
from edgekit.data.dataset import Dataset, Images, Split
from edgekit.data.reading import Reading
from edgekit.devices.device import Can, open_device
from edgekit.errors import DataError, ModelError
from edgekit.evaluation.classifier import Classifier
from edgekit.evaluation.device_session import DeviceSession
from edgekit.evaluation.input_options import InputOptions
from edgekit.evaluation.task_model import TaskModel, remark_on_input
from edgekit.inputs.contract import InputContract
from edgekit.modelfiles.model_ref import find_models
from edgekit.modelfiles.runtime_choice import BY_ENDING, RUNTIME
from edgekit.modelfiles.session import FileSession
from edgekit.options import MODELS, NEWEST, SAMPLES, Options, argument, group, option
from edgekit.result import Result, plain
from edgekit.tasks.classification import Classified
from edgekit.tasks.outputs import Figures
from edgekit.tasks.quality import Reals

BATCH_BYTES = 2 << 20
DEVICE_BATCH_BYTES = 64 << 20
"""More at a time where each batch starts a process."""
SEED = 0


@dataclass(frozen=True)
class Agreement:
    """Of ``images``, ``differing`` got other outputs on ``device`` than here, by at most ``difference`` as stored."""

    device: str
    provenance: str
    images: int
    differing: int
    difference: float


@dataclass(frozen=True)
class Evaluation:
    """What one file did on one split, by its task's ``figures``.

    ``agreement`` is there if it ran on a device: how its outputs compare with this machine's.
    """

    model: str
    runtime: str
    version: str
    figures: Figures
    agreement: Agreement | None = None

    def to_dict(self) -> dict[str, Any]:
        """Plain values, for JSON."""
        own = {"model": self.model, "runtime": self.runtime, "version": self.version}
        return {**own, **plain(self.figures), "agreement": plain(self.agreement)}


@dataclass(frozen=True)
class EvaluateOptions(Options):
    """What to measure, on what and where. Where fewer images are wanted, they are drawn with a fixed seed."""

    models: tuple[str, ...] = argument(MODELS, (), many=True, metavar="MODEL", unset=NEWEST)
    data: Source = option(SAMPLES, "mnist", metavar="SRC")
    runtime: str | None = option(RUNTIME, None, unset=BY_ENDING)
    input: InputOptions = group(InputOptions)
    reading: Reading = group(Reading)
    device: str = option("Where they run: cpu, or a board that 'devices setup' has prepared.", "cpu")
    images: int | None = option("At most so many test images.", None, least=1, unset="all")


@dataclass(frozen=True)
class EvaluateResult(Result):
    """One Evaluation per model file, on the test split of ``data``."""

    data: str
    data_sha256: str
    evaluations: tuple[Evaluation, ...]
    kind: str = "images"

    def parts(self) -> Iterator[Part]:
        """A table of the evaluations, and how a device's outputs compare with this machine's."""
        first = self.evaluations[0].figures
        rows = [(item.model, item.runtime, *item.figures.cells()) for item in self.evaluations]
        title = f"{self.data}, {counted(first.images, f'test {self.kind}')}"
        yield Table(title, ("model", "runtime", *first.columns), rows)
        for evaluation in self.evaluations:
            if agreement := evaluation.agreement:
                yield f"{evaluation.model} on {agreement.device} ({agreement.provenance}): {_compared(agreement)}"


def evaluate(options: EvaluateOptions) -> EvaluateResult:
    """Measure models, each ``MODEL`` or ``MODEL@RUNTIME``, on the test split of a data source.

    Raises:
        ModelError, DataError, UsageError, RuntimeCrashError: see ``TaskModel`` and ``open_data``.
    """
    evaluations: list[Evaluation] = []
    opened: dict[Hashable, Dataset] = {}
    with ExitStack() as stack:
        device = stack.enter_context(closing(open_device(options.device)))
        place = None if Can.HERE in device.can else device
        for target in (
            found for model in options.models or (taken(""),) for found in find_models(model, options.runtime)
        ):
            with TaskModel(target.path, runtime=target.runtime, options=options.input, device=place) as model:
                data = opened[model.eats] = opened.get(model.eats) or model.open_data(options.data, options.reading)
                remark_on_input(model, data)
                test = data.test if len(data.test) or data.train.labels is not None else data.train
                if options.images is not None:
                    test = test.take(test.sample(options.images, SEED))
                session, figures = model.session, measure(model, test, model.class_names(data))
                of_file = (str(model.path), session.runtime, session.version)
                evaluations.append(Evaluation(*of_file, figures, _agreement(session)))
    return EvaluateResult(data.name, data.sha256, tuple(evaluations), data.kind)


def accuracy_of(
    path: Path, split: Split, contract: InputContract | None = None, runtime: str | None = None
) -> Classified:
    """Measure one classifier file on a labelled split.

    Args:
        path: an .onnx or .tflite file.
        split: uint8 images of the contract's shape, with labels.
        contract: how pixels become the file's input; None takes the file's own.
        runtime: its name; None chooses by the file's suffix.
    """
    with Classifier(path, contract, runtime) as classifier:
        figures = measure(classifier, split, classifier.metadata.labels)
    assert isinstance(figures, Classified)
    return figures


def measure(model: TaskModel, split: Split, names: Sequence[str] = ()) -> Figures:
    """Measure an open model on a labelled split; ``names`` are those of its classes.

    Raises:
        DataError: the split has no images or no labels, or labels that the model cannot give.
    """
    if len(split) == 0:
        raise DataError("The evaluation split has no images; choose data with a test split.")
    task, truth = model.judged_on(split)
    if not task.has_answers:
        shapes = ", ".join(str(shape) for shape in model.shapes)
        raise ModelError(f"{model.path} gives {shapes}, not one row of scores; say what by --task, or compare it.")
    if truth is None:
        way = "put them into one folder per class" if split.holds_pictures else "give an array of labels beside them"
        raise DataError(f"The evaluation samples have no labels; {way}.")
    return task.figures(all_scores(model, split), truth, names, model.session.outputs[0])


def all_scores(model: TaskModel, split: Split, like: Sequence[TensorSpec] = ()) -> Reals:
    """The model's scores over a split, with progress; see ``TaskModel.scores``."""
    found: list[Reals] = []
    with progress(model.path.name, len(split)) as bar:
        done = 0
        size = DEVICE_BATCH_BYTES if isinstance(model.session, DeviceSession) else BATCH_BYTES
        for images in image_batches(split, size):
            found.append(model.scores(images, like))
            done += len(found[-1])
            bar.update(done)
    if len({scores.shape[1] for scores in found}) > 1:
        raise ModelError(f"{model.path} gives more values for one sample than for another; such cannot be compared.")
    return np.concatenate(found)


def image_batches(split: Split, size_bytes: int = BATCH_BYTES) -> Iterator[Images]:
    """The samples of a split in batches of about ``size_bytes`` as float32, so that none takes long or much memory."""
    size = max(1, size_bytes // (4 * math.prod(split.images.shape[1:])))
    for images, _ in split.batches(size):
        yield images


def _compared(agreement: Agreement) -> str:
    if not agreement.differing:
        return f"outputs identical to this machine's on all {counted(agreement.images, 'images')}"
    share = f"{agreement.differing:,} of {counted(agreement.images, 'images')}"
    return f"outputs differ from this machine's on {share}, by at most {agreement.difference:g} as stored"


def _agreement(session: FileSession) -> Agreement | None:
    if not isinstance(session, DeviceSession):
        return None
    device = session.device
    return Agreement(device.name, device.provenance, session.compared, session.differing, session.difference)
