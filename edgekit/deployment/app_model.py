"""All that an app must know of a model file: its tensors, how a sample becomes its input, its classes' names."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from edgekit.artifact import TensorSpec
from edgekit.errors import ModelError, UsageError
from edgekit.evaluation.classifier import Classifier
from edgekit.evaluation.input_options import InputOptions
from edgekit.evaluation.task_model import remark_on_input
from edgekit.files import own_name, sha256_bytes
from edgekit.graph.isolated import model_bytes
from edgekit.inputs.contracts import Contract
from edgekit.inputs.described import read_contract
from edgekit.inputs.golden import Golden
from edgekit.modelfiles.golden import example_of, remark_on_example
from edgekit.modelfiles.model_ref import ModelRef, find_models, parted
from edgekit.tasks.classification import holds_probabilities

RUNTIMES = ("litert", "ort")
FILES = {"litert": "model.tflite", "ort": "model.onnx"}
"""What a model is called inside a bundle, by what runs it."""
MADE_OF = {"c": "litert"}
"""Programs that are made of a model's file, and the runtime that opens it here."""
SCORES = ("int8", "uint8", "float32")
"""Types of the output that apps read."""
TAKEN = {"image": SCORES, "text": ("int32",)}
"""Types of the input that apps write, by what the model takes."""


@dataclass(frozen=True)
class AppModel:
    """A classifier file of images or text that was opened once and looked at.

    Attributes:
        name: what the app is called, in ``[a-z0-9-]``.
        data: the file's bytes, or the program that was made of it.
        sha256: of the file at ``path``.
        runtime: ``litert`` for a .tflite file, ``ort`` for an .onnx file, ``c`` for a program.
        file: its name inside a bundle.
        input: the tensor of an image, [1, H, W, C] or [1, C, H, W] as ``layout`` (``NHWC`` or ``NCHW``) says, or of a
            text.
        output: the tensor of the scores, whose last dimension is the number of classes.
        contract: how pictures or texts become the input.
        labels: one name for each class.
        gives_probabilities: true if the scores are known to be probabilities, and need no softmax.
        golden: what the file answered to a made-up input where it was written, else what it answers here.
    """

    name: str
    path: Path
    data: bytes
    sha256: str
    runtime: str
    file: str
    input: TensorSpec
    output: TensorSpec
    layout: str
    contract: Contract
    labels: tuple[str, ...]
    gives_probabilities: bool
    golden: Golden | None

    @classmethod
    def from_dict(cls, values: Mapping[str, Any], path: Path) -> AppModel:
        """What ``to_dict`` said, also after JSON, of the file at ``path``.

        Raises:
            OSError: the file cannot be read.
            InputError, KeyError, TypeError, ValueError: the values are impossible.
        """
        data = path.read_bytes()
        own = ("layout", "probabilities")
        specs = {
            name: TensorSpec.from_dict({key: value for key, value in values[name].items() if key not in own})
            for name in ("input", "output")
        }
        return cls(
            name=values["name"],
            path=path,
            data=data,
            sha256=sha256_bytes(data),
            runtime=values["runtime"],
            file=values["file"],
            **specs,
            layout=values["input"]["layout"],
            contract=read_contract(values["contract"]),
            labels=tuple(values["labels"]),
            gives_probabilities=values["output"]["probabilities"],
            golden=values["golden"] and Golden.from_dict(values["golden"]),
        )

    def to_dict(self) -> dict[str, Any]:
        """The document ``model.json`` that every bundle carries."""
        return {
            "name": self.name,
            "file": self.file,
            "sha256": self.sha256,
            "runtime": self.runtime,
            "input": {**asdict(self.input), "layout": self.layout},
            "output": {**asdict(self.output), "probabilities": self.gives_probabilities},
            "takes": self.contract.INPUT,
            "contract": self.contract.describe(),
            "labels": list(self.labels),
            "golden": self.golden and self.golden.to_dict(),
        }


def read_app_model(
    model: str, options: InputOptions | None = None, runtime: str | None = None, preferred: Sequence[str] = RUNTIMES
) -> AppModel:
    """Open MODEL in a worker and describe it.

    Args:
        model: a file, a run folder or a student's name, each also as ``MODEL@RUNTIME``.
        options: what the user says of its input and classes.
        runtime: ``litert``, ``ort`` or what is made of a file of theirs; None takes the first file that a runtime in
            ``preferred`` opens.
        preferred: runtimes that the target has, the best one first.

    Raises:
        ModelError, RuntimeCrashError: the file is broken, no classifier, or of types that no app has.
        UsageError: there is no such model, or the target has not that runtime.
    """
    target = _choose(model, runtime, preferred)
    with Classifier(target.path, runtime=target.runtime, threads=1, options=options) as classifier:
        remark_on_input(classifier)
        remark_on_example(classifier.session)
        contract = classifier.contract
        for spec, dtypes in ((classifier.input, TAKEN[contract.INPUT]), (classifier.output, SCORES)):
            if spec.dtype not in dtypes:
                raise ModelError(
                    f"{target.path} has a tensor '{spec.name}' of {spec.dtype}, and apps take {', '.join(dtypes)}; "
                    "quantize or export it again."
                )
        data = model_bytes(target.path)
        return AppModel(
            name=app_name(target.path),
            path=target.path,
            data=data,
            sha256=sha256_bytes(data),
            runtime=target.runtime,
            file=FILES[target.runtime],
            input=replace(classifier.input, shape=contract.tensor_shape(classifier.layout)),
            output=replace(classifier.output, shape=tuple(max(1, size) for size in classifier.output.shape)),
            layout=classifier.layout,
            contract=contract,
            labels=classifier.labels,
            gives_probabilities=holds_probabilities(classifier.output),
            golden=classifier.metadata.golden or example_of(data, target.runtime),
        )


def _choose(model: str, runtime: str | None, preferred: Sequence[str]) -> ModelRef:
    model, named = parted(model, runtime)
    targets = find_models(model, MADE_OF[named] if named in MADE_OF and named in preferred else named)
    for name in preferred:
        for target in targets:
            if target.runtime == name:
                return target
    found = ", ".join(dict.fromkeys(target.runtime for target in targets))
    raise UsageError(
        f"{model} would run in {found}, and this target has {' and '.join(preferred)}; choose one of them."
    )


def app_name(path: Path) -> str:
    """As in mnist-tiny for students/mnist-tiny/model.int8.tflite, and flowers for flowers.tflite."""
    return re.sub(r"[^a-z0-9]+", "-", own_name(path).lower()).strip("-")[:40] or "student"
