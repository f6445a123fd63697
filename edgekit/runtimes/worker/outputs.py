"""What a model answers on this machine: its outputs for given inputs."""

from __future__ import annotations

import base64
import io
from collections.abc import Callable
from typing import Any

import numpy as np

from .measure import Emit, Request
from .refusal import Refusal, first_line
from .runtimes import import_runtime, onnx_options, runtime_version

Row = np.ndarray[Any, Any]
PROGRESS_STEPS = 50


def give_outputs(request: Request, emit: Emit) -> dict[str, Any]:
    """Run a model with one input on each row of the .npy file ``images``, [N, ...] of the input's type.

    ``outputs`` are .npy files in base64, one per output, each [N, ...] of the output's type.

    Raises:
        Refusal: the runtime is missing, or refuses or fails to run the file.
    """
    name = request["runtime"]
    emit(phase="importing the runtime")
    module = import_runtime(name)
    emit(phase="loading the file")
    rows = np.load(request["images"], allow_pickle=False)
    answers: list[list[Row]] = []
    try:
        answer = (_open_onnx if name == "ort" else _open_tflite)(module, request["model"], request["threads"])
        emit(phase="running it")
        for index in range(len(rows)):
            answers.append(answer(rows[index : index + 1]))
            if index % max(1, len(rows) // PROGRESS_STEPS) == 0:
                emit(progress=index / len(rows))
    except MemoryError:
        raise
    except Exception as exc:  # each runtime has its own tree of exceptions, some of them native
        raise Refusal("model", first_line(exc)) from exc
    outputs = [_npy(np.concatenate([row[index] for row in answers])) for index in range(len(answers[0]))]
    return {"versions": {name: runtime_version(name), "numpy": np.__version__}, "outputs": outputs}


def _open_onnx(onnxruntime: Any, path: str, threads: int) -> Callable[[Row], list[Row]]:
    session = onnxruntime.InferenceSession(path, onnx_options(onnxruntime, path, threads), ["CPUExecutionProvider"])
    name = session.get_inputs()[0].name
    return lambda row: list(session.run(None, {name: row}))


def _open_tflite(module: Any, path: str, threads: int) -> Callable[[Row], list[Row]]:
    interpreter = module.Interpreter(model_path=path, num_threads=threads)
    interpreter.allocate_tensors()
    given = interpreter.get_input_details()[0]["index"]
    wanted = [detail["index"] for detail in interpreter.get_output_details()]

    def answer(row: Row) -> list[Row]:
        interpreter.set_tensor(given, row)
        interpreter.invoke()
        return [interpreter.get_tensor(index) for index in wanted]

    return answer


def _npy(array: Row) -> str:
    stream = io.BytesIO()
    np.save(stream, array, allow_pickle=False)
    return base64.b64encode(stream.getvalue()).decode("ascii")
