"""Which operators of a .tflite file LiteRT's XNNPACK delegate takes, and why it leaves the others.

An operator that XNNPACK does not take runs in TFLite's built-in kernels, as a rule slower, and cuts the graph in two.
LiteRT does not say why, so the reasons come from what was measured with LiteRT 2.3 for each operator and type, and from
tflite/delegates/xnnpack/README.md (github.com/google-ai-edge/LiteRT).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from edgekit.errors import ModelError
from edgekit.files import require_file
from edgekit.modelfiles.contents import read_contents
from edgekit.modelfiles.sandboxed import OpenFile
from edgekit.sandbox import Limits, Sandbox

DELEGATE = "DELEGATE"
FLOAT_ONLY = frozenset(
    {"ABS", "AVERAGE_POOL_2D", "DIV", "EXP", "HARD_SWISH", "LOG", "MAXIMUM", "MINIMUM", "NEG", "PRELU", "RELU", "RELU6"}
    | {"RELU_N1_TO_1", "RELU_0_TO_1", "ROUND", "RSQRT", "SOFTMAX", "SQRT", "SQUARE", "SQUARED_DIFFERENCE"}
)
BOTH = frozenset(
    {"ADD", "BATCH_MATMUL", "CONCATENATION", "CONV_2D", "DEPTHWISE_CONV_2D", "DEPTH_TO_SPACE", "DEQUANTIZE", "ELU"}
    | {"FULLY_CONNECTED", "LEAKY_RELU", "LOGISTIC", "MAX_POOL_2D", "MEAN", "MUL", "PAD", "QUANTIZE", "REDUCE_MAX"}
    | {"REDUCE_MIN", "RESHAPE", "RESIZE_BILINEAR", "SLICE", "SPACE_TO_DEPTH", "SPLIT", "STRIDED_SLICE", "SUB", "SUM"}
    | {"TANH", "TRANSPOSE", "TRANSPOSE_CONV"}
)
WEIGHTED = frozenset({"CONV_2D", "DEPTHWISE_CONV_2D", "TRANSPOSE_CONV"})
MOST_PARTS = {"CONCATENATION": 5, "SPLIT": 4}
"""Tensors that are joined or made at most."""


@dataclass(frozen=True)
class UndelegatedOperator:
    """An operator of the main graph that XNNPACK leaves to the built-in kernels: its place, its name, and why."""

    index: int
    operator: str
    reason: str


def undelegated(path: Path, limits: Limits | None = None) -> tuple[UndelegatedOperator, ...]:
    """The operators of a .tflite file that LiteRT does not give to XNNPACK on this machine, in order of execution.

    Raises:
        ModelError: the file is missing, broken or of another kind, or LiteRT does not open it.
        RuntimeCrashError: it made the worker crash, hang or want too much memory.
    """
    require_file(path)
    if path.suffix.lower() != ".tflite":
        raise ModelError(f"{path} is not a .tflite file, which alone XNNPACK takes; export it first.")
    with Sandbox(str(path), limits) as sandbox:
        answer = sandbox.call("edgekit.modelfiles.delegation:find_undelegated", path=str(path))
    return tuple(UndelegatedOperator(**item) for item in answer)


def summarize(left: Iterable[UndelegatedOperator]) -> str:
    """The operators on one line, equal ones counted: ``2 AVERAGE_POOL_2D (why); SOFTMAX (why)``."""
    counts = Counter((item.operator, item.reason) for item in left)
    return "; ".join(
        f"{f'{count} ' if count > 1 else ''}{operator} ({reason})" for (operator, reason), count in counts.items()
    )


def find_undelegated(path: str) -> list[dict[str, Any]]:
    """What ``undelegated`` does inside its worker: the fields of each UndelegatedOperator."""
    has_packed = "int4" in read_contents(Path(path)).constants
    session: Any = OpenFile(Path(path), "litert").session
    interpreter = session.interpreter
    operators = interpreter._get_ops_details()
    types = {item["index"]: np.dtype(item["dtype"]).name for item in interpreter.get_tensor_details()}
    types |= dict.fromkeys(_packed(Path(path)) if has_packed else (), "int4")
    computed = {int(index) for item in operators for index in item["outputs"]}
    computed.update(item["index"] for item in interpreter.get_input_details())
    reasons = ((item, _reason(item, types, computed)) for item in _left(operators))
    return [asdict(UndelegatedOperator(item["index"], item["op_name"], reason)) for item, reason in reasons]


def _packed(path: Path) -> Iterator[int]:
    """The main graph's tensors of int4, which LiteRT itself calls int8."""
    from ai_edge_litert import schema_py_generated as schema

    graph = schema.Model.GetRootAs(path.read_bytes(), 0).Subgraphs(0)
    for index in range(graph.TensorsLength()):
        if graph.Tensors(index).Type() == schema.TensorType.INT4:
            yield index


def _left(operators: list[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """The operators outside every delegated part: the list has both, but says only what goes into and out of a part."""
    plain = [item for item in operators if item["op_name"] != DELEGATE]
    maker = {int(index): item for item in plain for index in item["outputs"]}
    taken: set[int] = set()
    for part in (item for item in operators if item["op_name"] == DELEGATE):
        entrances = {int(index) for index in part["inputs"]}
        pending = [int(index) for index in part["outputs"]]
        while pending:
            item = maker.get(pending.pop())
            if item is None or item["index"] in taken:
                continue
            taken.add(item["index"])
            pending += [int(index) for index in item["inputs"] if int(index) not in entrances]
    return [item for item in plain if item["index"] not in taken]


def _reason(item: Mapping[str, Any], types: Mapping[int, str], computed: set[int]) -> str:
    name, inputs, outputs = item["op_name"], [int(index) for index in item["inputs"]], item["outputs"]
    result = types.get(int(outputs[0]), "") if len(outputs) else ""
    sources = [types.get(index, "") for index in inputs]
    if name not in BOTH | FLOAT_ONLY:
        return "XNNPACK has no kernel for it"
    if "int16" in (result, *sources):
        return "XNNPACK computes in 8 bits or float, not in 16 bits"
    if name in FLOAT_ONLY and result in ("int8", "uint8"):
        return "XNNPACK has it in float only"
    if name == "QUANTIZE" and {result, sources[0]} == {"int8", "uint8"}:
        return "XNNPACK does not convert between int8 and uint8"
    if len(inputs if name == "CONCATENATION" else outputs) > MOST_PARTS.get(name, len(outputs)):
        return f"XNNPACK takes at most {MOST_PARTS[name]} parts"
    if name in WEIGHTED and computed.intersection(inputs[1:2]):
        return "XNNPACK wants constant weights"
    if name in WEIGHTED and sources[1:2] == ["int4"]:
        return "XNNPACK has 4-bit weights in dense layers only"
    if name == "STRIDED_SLICE":
        return "XNNPACK takes steps of 1 only"
    if result not in ("float32", "int8", "uint8"):
        return f"XNNPACK does not compute in {result or 'this type'}"
    return "XNNPACK does not take this form of it"
