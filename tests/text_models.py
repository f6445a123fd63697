"""A real but tiny model of text: a table of n-grams in which words of praise and blame weigh most."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from edgekit.artifact import Metadata
from edgekit.conversion.export import ExportOptions, export
from edgekit.graph.metadata import write_metadata
from edgekit.inputs.text import TextContract
from edgekit.inputs.tokens.ngrams import Ngrams

CONTRACT = TextContract(32, Ngrams(4096, 1, (), 1))
LABELS = ("bad", "good")
PRAISE, BLAME = ("good", "fine", "charming", "😀"), ("bad", "dull", "awful", "n't")


def text_model() -> onnx.ModelProto:
    """Ids int32 [1, 32] to a row of two scores: a table, a mean and a layer."""
    table = np.random.default_rng(0).normal(0, 0.02, (CONTRACT.tokenizer.size, 2)).astype(np.float32)
    for place, words in enumerate((BLAME, PRAISE)):
        table[CONTRACT.real(words)[:, 0], place] = 1
    constants = {"table": table, "axis": np.array([1]), "w": np.eye(2, dtype=np.float32) * 40}
    nodes = [
        helper.make_node("Gather", ["table", "text"], ["words"]),
        helper.make_node("ReduceMean", ["words", "axis"], ["mean"], keepdims=0),
        helper.make_node("Gemm", ["mean", "w"], ["logits"]),
    ]
    graph = helper.make_graph(
        nodes,
        "text",
        [helper.make_tensor_value_info("text", TensorProto.INT32, (1, CONTRACT.length))],
        [helper.make_tensor_value_info("logits", TensorProto.FLOAT, (1, 2))],
        [numpy_helper.from_array(value, name) for name, value in constants.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)
    return write_metadata(model, Metadata(CONTRACT, LABELS))


def text_files(folder: Path) -> dict[str, Path]:
    """The model as .onnx and .tflite files, by the names of their runtimes."""
    path = folder / "praise.onnx"
    onnx.save(text_model(), path)
    return {"ort": path, "litert": export(ExportOptions(str(path), out=folder / "praise")).path}
