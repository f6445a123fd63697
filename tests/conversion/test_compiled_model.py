"""Phone apps open a .tflite file with LiteRT's CompiledModel: docs/deploy-android.md, docs/deploy-ios.md."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from ai_edge_litert.compiled_model import CompiledModel
from onnx import helper
from small_graphs import graph_of, noise, quantized, run_tflite

from edgekit.artifact import Metadata
from edgekit.conversion.tflite import lower
from edgekit.graph.prepare import prepare
from edgekit.inputs.contract import InputContract

node = helper.make_node


@pytest.mark.parametrize("form", ["int8", "float32"])
def test_the_calls_of_a_phone_app_give_what_the_interpreter_gives(form: str, tmp_path: Path) -> None:
    nodes = [
        node("Conv", ["image", "w"], ["a"]),
        node("GlobalAveragePool", ["a"], ["b"]),
        node("Flatten", ["b"], ["out"]),
    ]
    graph = prepare(graph_of(nodes, {"image": (1, 3, 8, 8)}, {"w": noise(4, 3, 3, 3)}))
    file = lower(quantized(graph, form), Metadata(InputContract(8, 8, 3), ("a", "b", "c", "d")))
    (tmp_path / "model.tflite").write_bytes(file)
    pixels = np.random.default_rng(0).integers(0, 256, (1, 8, 8, 3), np.uint8)
    stored = (pixels ^ 0x80).view(np.int8) if form == "int8" else (pixels / np.float32(255)).astype(np.float32)

    model = CompiledModel.from_file(str(tmp_path / "model.tflite"))
    inputs, outputs = model.create_input_buffers(0), model.create_output_buffers(0)
    inputs[0].write(stored)
    model.run_by_index(0, inputs, outputs)

    scores = outputs[0].read(4, stored.dtype.type)
    np.testing.assert_array_equal(scores, run_tflite(file, stored.transpose(0, 3, 1, 2))[0][0])
