from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper


def small_network() -> onnx.ModelProto:
    """A 3x3 convolution with ReLU and a fully-connected layer: [1, 1, 8, 8] -> [1, 3]."""
    rng = np.random.default_rng(0)
    arrays = {
        "filters": rng.normal(size=(4, 1, 3, 3)),
        "filter_bias": rng.normal(size=4),
        "weights": rng.normal(size=(3, 144)),
        "bias": rng.normal(size=3),
    }
    nodes = [
        helper.make_node("Conv", ["image", "filters", "filter_bias"], ["maps"], "conv", kernel_shape=[3, 3]),
        helper.make_node("Relu", ["maps"], ["active"], "relu"),
        helper.make_node("Flatten", ["active"], ["flat"], "flatten"),
        helper.make_node("Gemm", ["flat", "weights", "bias"], ["logits"], "gemm", transB=1),
    ]
    graph = helper.make_graph(
        nodes,
        "small",
        [helper.make_tensor_value_info("image", TensorProto.FLOAT, [1, 1, 8, 8])],
        [helper.make_tensor_value_info("logits", TensorProto.FLOAT, [1, 3])],
        [numpy_helper.from_array(array.astype(np.float32), name) for name, array in arrays.items()],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


WEIGHT_BYTES = 4 * (36 + 4 + 432 + 3)


@pytest.fixture(scope="session")
def onnx_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("models") / "small.onnx"
    onnx.save_model(small_network(), path)
    return path


@pytest.fixture(scope="session")
def tflite_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from edgekit.artifact import Metadata
    from edgekit.conversion.tflite import lower
    from edgekit.graph.prepare import prepare

    path = tmp_path_factory.mktemp("models") / "small.tflite"
    path.write_bytes(lower(prepare(small_network()), Metadata()))
    return path
