"""The golden example of a model file: made where it is written, and looked at where it is compared or deployed."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from edgekit.artifact import Metadata
from edgekit.console import warn
from edgekit.errors import EdgekitError
from edgekit.graph.isolated import model_bytes
from edgekit.graph.metadata import write_metadata
from edgekit.inputs.golden import Golden, can_make, make_inputs
from edgekit.inputs.trail import STEPS, first_astray, sampled, turned
from edgekit.modelfiles.golden_maker import example
from edgekit.modelfiles.sandboxed import OpenFile
from edgekit.modelfiles.session import FileSession
from edgekit.modelfiles.tflite_contents import code_of, names_of
from edgekit.sandbox import Sandbox

if TYPE_CHECKING:
    from onnx import ModelProto

Bytes = NDArray[np.uint8]

HERE = "edgekit.modelfiles.golden"
OUTPUTS = 8
"""Where a graph's and an operator's list of outputs stand in the tables of their fields (schema.fbs)."""


def with_example(write: Callable[[Metadata], bytes], metadata: Metadata, runtime: str) -> bytes:
    """A model file, written by ``write``, that carries its golden example beside ``metadata``."""
    return write(replace(metadata, golden=example_of(write(replace(metadata, golden=None)), runtime)))


def onnx_with_example(model: ModelProto, metadata: Metadata) -> bytes:
    """The ONNX file of a model, with ``metadata`` and its golden example."""

    def write(described: Metadata) -> bytes:
        return bytes(write_metadata(model, described).SerializeToString(deterministic=True))

    return with_example(write, metadata, "ort")


def example_of(model: bytes, runtime: str) -> Golden | None:
    """The golden example of a file, by a worker; None where there is none, or where the file does not run here."""
    with Sandbox("The new file") as sandbox:
        try:
            found = sandbox.call(f"{HERE}:find_example", data=np.frombuffer(model, np.uint8), runtime=runtime)
        except EdgekitError:
            return None
    return None if found is None else Golden.from_dict(found)


def find_example(data: Bytes, runtime: str) -> dict[str, Any] | None:
    """What ``example_of`` does inside its worker."""
    found = _example(OpenFile(data.tobytes(), runtime), data.tobytes())
    return None if found is None else found.to_dict()


def _example(opened: OpenFile, model: bytes) -> Golden | None:
    return example(opened.inputs, opened.run, _other(opened.runtime.name, model)) if can_make(opened.inputs) else None


def _other(runtime: str, model: bytes) -> Callable[[Any], Any]:
    """The model run by kernels that round differently."""
    if runtime == "ort":
        from edgekit.runtimes.ort import OrtSession, open_graph

        return OrtSession(open_graph(model, 1, optimize=False), {}).run
    return OpenFile(model, other_kernels(runtime)).run


def other_kernels(runtime: str) -> str:
    """A runtime with other kernels for the same .tflite file."""
    return "litert" if runtime == "litert-builtin" else "litert-builtin"


def remark_on_example(session: FileSession) -> None:
    """Warn if a file answers its golden example differently in its runtime here, and say which operator does."""
    golden = session.contents.metadata(str(session.path)).golden
    if golden is None or not can_make(session.inputs):
        return
    complaint = golden.complaint(session.run(make_inputs(session.inputs, golden.seed))[0])
    if not complaint:
        return
    culprit = first_difference(model_bytes(session.path), session.runtime, golden.seed)
    warn(
        f"{session.path} in {session.runtime} {session.version} answers its golden example differently than where it "
        f"was written: {complaint}{f'; the first operator that differs is {culprit}' if culprit else ''}"
    )


def first_difference(model: bytes, runtime: str, seed: int) -> str:
    """The first operator that gives something else in ``runtime`` than by other kernels here; empty if none is found.

    Raises:
        RuntimeCrashError: a runtime did not survive the file.
    """
    with Sandbox("The model") as sandbox:
        data = np.frombuffer(model, np.uint8)
        return str(sandbox.call(f"{HERE}:find_difference", data=data, runtime=runtime, seed=seed))


def find_difference(data: Bytes, runtime: str, seed: int) -> str:
    """What ``first_difference`` does inside its worker."""
    model = data.tobytes()
    if runtime == "ort":
        return _first_apart(model, seed)
    return first_astray(model, _trail(model, other_kernels(runtime), seed), lambda cut: OpenFile(cut, runtime))


def _first_apart(model: bytes, seed: int) -> str:
    """The first operator of a QDQ graph whose stored values ONNX Runtime's kernels make otherwise than is written."""
    import onnx

    from edgekit.runtimes.ort import OrtSession, open_graph

    loaded = onnx.load_model_from_string(model)
    graph = loaded.graph
    makers = {name: (number, node) for number, node in enumerate(graph.node) for name in node.output}
    stored = [node for node in graph.node if node.op_type == "QuantizeLinear"]
    if not stored:
        return ""
    del graph.output[:]
    graph.output.extend(onnx.ValueInfoProto(name=node.output[0]) for node in stored)
    opened = OpenFile(loaded.SerializeToString(), "ort")
    tensors = make_inputs(opened.inputs, seed)
    written = OrtSession(open_graph(loaded.SerializeToString(), 1, optimize=False), {})
    for node, here, there in zip(stored, opened.run(tensors), written.run(tensors), strict=True):
        if np.abs(here.astype(np.float64) - there).mean() > STEPS:
            number, maker = makers.get(node.input[0], makers[node.output[0]])
            return f"{maker.op_type} (number {number})"
    return ""


def trail_of(model: bytes, runtime: str, seed: int) -> dict[str, Any]:
    """What each 8-bit operator of a .tflite file gives for the golden input, as ``first_astray`` takes it.

    Raises:
        RuntimeCrashError: the runtime did not survive the file.
    """
    with Sandbox("The model") as sandbox:
        data = np.frombuffer(model, np.uint8)
        found: dict[str, Any] = sandbox.call(f"{HERE}:find_trail", data=data, runtime=runtime, seed=seed)
    return found


def find_trail(data: Bytes, runtime: str, seed: int) -> dict[str, Any]:
    """What ``trail_of`` does inside its worker."""
    return _trail(data.tobytes(), runtime, seed)


def _trail(model: bytes, runtime: str, seed: int) -> dict[str, Any]:
    from ai_edge_litert import schema_py_generated as schema

    graph = schema.Model.GetRootAs(model, 0).Subgraphs(0)
    pointer = int(graph._tab.Pos + graph._tab.Offset(OUTPUTS))
    found = []
    for name, place in _operators(model):
        opened = OpenFile(turned(model, pointer, place - pointer), runtime)
        if opened.outputs[0].dtype in ("int8", "uint8"):
            (output, *_) = opened.run(make_inputs(opened.inputs, seed))
            found.append({"name": name, "distance": place - pointer, "values": sampled(output)})
    return {"seed": seed, "pointer": pointer, "operators": found}


def _operators(model: bytes) -> Iterator[tuple[str, int]]:
    """Each operator of the main graph with the byte where the list of its outputs stands."""
    from ai_edge_litert import schema_py_generated as schema

    names = names_of(schema.BuiltinOperator)
    root = schema.Model.GetRootAs(model, 0)
    graph = root.Subgraphs(0)
    for index in range(graph.OperatorsLength()):
        operator = graph.Operators(index)
        name = names[code_of(root.OperatorCodes(operator.OpcodeIndex()))]
        table = operator._tab
        place = int(table.Indirect(table.Pos + table.Offset(OUTPUTS)))
        yield f"{name} (number {index})", place
