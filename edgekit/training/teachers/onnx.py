"""An ONNX classifier, run by ONNX Runtime in batches where the file allows it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from edgekit.data.intake import require_pictures
from edgekit.errors import ModelError
from edgekit.files import require_file
from edgekit.inputs.contract import InputContract
from edgekit.inputs.contracts import Contract
from edgekit.training.teacher import Logits, Teacher, as_logits, in_batches
from edgekit.training.teachers import TeacherOptions


def takes(model: Any) -> bool:
    """True for the name of an .onnx file."""
    return isinstance(model, str) and model.endswith(".onnx")


def teacher(options: TeacherOptions, student: Contract) -> Teacher:
    """Its input is what the file says, where it says it."""
    from edgekit.graph.isolated import model_sha256
    from edgekit.graph.load import load_onnx
    from edgekit.graph.metadata import read_metadata
    from edgekit.modelfiles.session import rehearse
    from edgekit.runtimes.ort import open_file

    options.require_no_weights()
    path = require_file(Path(options.model))
    rehearse(path)
    metadata = read_metadata(load_onnx(path), str(path))
    session = open_file(str(path), threads=0)
    entry, exit_ = session.get_inputs()[0], session.get_outputs()[0].name
    shape = [size if isinstance(size, int) and size > 0 else None for size in entry.shape]
    contract = metadata.contract
    if contract is None:
        if len(session.get_inputs()) != 1 or entry.type != "tensor(float)":
            raise ModelError(
                f"{path} does not take one float image, so it cannot teach; give a float image classifier."
            )
        if len(shape) != 4:
            raise ModelError(f"{path} takes an input of rank {len(shape)}; a teacher takes images [N, C, H, W].")
        height, width, channels = require_pictures(student, "The student").shape
        contract = InputContract(shape[2] or height, shape[3] or width, shape[1] or channels)

    def forward(inputs: NDArray[Any]) -> Logits:
        return as_logits(session.run([exit_], {entry.name: inputs})[0])

    return Teacher(path.name, model_sha256(path), contract, in_batches(forward, shape[0]), metadata.labels)
