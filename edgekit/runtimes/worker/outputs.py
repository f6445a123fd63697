"""What a model answers on this machine: its outputs for given inputs."""

from __future__ import annotations

import base64
import io
from typing import Any

import numpy as np

from ..runtime import Array, refusing
from .measure import Emit, Request, import_runtime

PROGRESS_STEPS = 50


def give_outputs(request: Request, emit: Emit) -> dict[str, Any]:
    """Run a model with one input on each row of the .npy file ``images``, [N, ...] of the input's type.

    ``outputs`` are .npy files in base64, one per output, each [N, ...] of the output's type.

    Raises:
        Refusal: the runtime is missing, or refuses or fails to run the file.
    """
    runtime, versions = import_runtime(request, emit)
    rows = np.load(request["images"], allow_pickle=False)
    answers: list[list[Array]] = []
    session = runtime.open(request["model"], request["threads"], request["shapes"])
    emit(phase="running it")
    with refusing():
        for index in range(len(rows)):
            answers.append(session.run([rows[index : index + 1]]))
            if index % max(1, len(rows) // PROGRESS_STEPS) == 0:
                emit(progress=index / len(rows))
    outputs = [_npy(np.concatenate([row[index] for row in answers])) for index in range(len(answers[0]))]
    return {"versions": versions, "outputs": outputs}


def _npy(array: Array) -> str:
    stream = io.BytesIO()
    np.save(stream, array, allow_pickle=False)
    return base64.b64encode(stream.getvalue()).decode("ascii")
