"""TFLite files with sparse weights, as MediaPipe's full-range face detector has them: read, counted, opened, timed."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema
from tiny_models import Operator, Tensor, packed, tflite_graph

from edgekit.devices.device import Job, open_device
from edgekit.errors import ModelError
from edgekit.evaluation.inspect import inspect_file
from edgekit.modelfiles.contents import read_contents
from edgekit.modelfiles.session import FileSession, vet

ROWS = np.array([[0, 2, 0, 0], [1, 0, 0, 3], [0, 0, 0, 0]], np.float32)
BLOCKS = np.array([[0, 0, 5, 6, 0, 0], [1, 2, 0, 0, 3, 4]], np.float32)


def numbers(values: list[int]) -> schema.Uint8VectorT:
    vector = schema.Uint8VectorT()
    vector.values = values
    return vector


def dense(size: int) -> schema.DimensionMetadataT:
    level = schema.DimensionMetadataT()
    level.format, level.denseSize = schema.DimensionType.DENSE, size
    return level


def compressed(starts: list[int], places: list[int]) -> schema.DimensionMetadataT:
    level = schema.DimensionMetadataT()
    level.format = schema.DimensionType.SPARSE_CSR
    level.arraySegmentsType = level.arrayIndicesType = schema.SparseIndexVector.Uint8Vector
    level.arraySegments, level.arrayIndices = numbers(starts), numbers(places)
    return level


def sparse_model(
    shape: tuple[int, int], values: list[float], levels: list[schema.DimensionMetadataT], blocks: list[int]
) -> schema.ModelT:
    """A FULLY_CONNECTED layer whose float weights DENSIFY unpacks."""
    tensors = [
        Tensor((1, shape[1]), name="x"),
        Tensor(shape, data=np.array(values, np.float32).tobytes()),
        Tensor(shape),
        Tensor((1, shape[0]), name="y"),
    ]
    operators = [
        Operator("DENSIFY", (1,), (2,), "DensifyOptions"),
        Operator("FULLY_CONNECTED", (0, 2, -1), (3,), "FullyConnectedOptions", version=1),
    ]
    model = tflite_graph(tensors, operators, [0], [3])
    sparsity = schema.SparsityParametersT()
    sparsity.traversalOrder, sparsity.blockMap = list(range(len(levels))), blocks
    sparsity.dimMetadata = levels
    model.subgraphs[0].tensors[1].sparsity = sparsity
    return model


def by_rows() -> schema.ModelT:
    return sparse_model((3, 4), [2, 1, 3], [dense(3), compressed([0, 1, 3, 3], [1, 0, 3])], [])


def by_blocks() -> schema.ModelT:
    levels = [dense(2), compressed([0, 1, 3], [1, 0, 2]), dense(2)]
    return sparse_model((2, 6), [5, 6, 1, 2, 3, 4], levels, [1])


@pytest.fixture
def write(tmp_path: Path) -> Callable[[schema.ModelT], Path]:
    def file(model: schema.ModelT) -> Path:
        path = tmp_path / "sparse.tflite"
        path.write_bytes(packed(model))
        return path

    return file


@pytest.mark.parametrize(("model", "weights"), [(by_rows, ROWS), (by_blocks, BLOCKS)])
def test_sparse_weights_are_counted_as_they_are_stored_and_the_file_runs(write, model, weights) -> None:
    path = write(model())
    stored = int((weights != 0).sum())
    contents = vet(path)
    assert contents.constants == {"float32 (sparse)": stored}
    assert contents.weight_bytes == 4 * stored
    assert contents.scheme == "float32 (sparse) weights; computes in float32 (1 operator)"
    with FileSession(path) as session:
        image = np.arange(weights.shape[1], dtype=np.float32)[None]
        np.testing.assert_array_equal(session.run([image])[0], image @ weights.T)


def test_inspect_and_profile_take_it(write) -> None:
    path = write(by_rows())
    facts = inspect_file(path)
    assert (facts.refusal, [spec.shape for spec in facts.outputs]) == ("", [(1, 3)])
    measured = open_device("cpu").run(Job("measure", "litert", path, runs=5, seconds=0.0), lambda share: None)
    assert len(measured["samples_ns"]) >= 5


def spoiled(**changes: object) -> schema.ModelT:
    model = by_rows()
    level = model.subgraphs[0].tensors[1].sparsity.dimMetadata[1]
    for name, value in changes.items():
        setattr(level, name, value)
    return model


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"arrayIndices": numbers([1, 0, 4])}, "lie outside"),
        ({"arrayIndices": numbers([1, 0])}, "rows of its sparse weights"),
        ({"arraySegments": numbers([0, 2, 1, 3])}, "rows of its sparse weights"),
        ({"arraySegments": numbers([0, 3])}, "rows of its sparse weights"),
        ({"arrayIndicesType": 0, "arrayIndices": None}, "do not say where"),
        ({"format": schema.DimensionType.DENSE, "denseSize": 5}, "not those of their axes"),
        ({"arraySegments": numbers([0, 1, 2, 2]), "arrayIndices": numbers([1, 0])}, "should hold 8 bytes but has 12"),
    ],
)
def test_a_sparse_tensor_that_does_not_hold_together_is_refused(write, changes, reason) -> None:
    with pytest.raises(ModelError, match=reason):
        read_contents(write(spoiled(**changes)))


@pytest.mark.parametrize("blocks", [[7], [0], [1, 1]])
def test_blocks_of_axes_that_do_not_have_them_are_refused(write, blocks: list[int]) -> None:
    model = by_blocks()
    model.subgraphs[0].tensors[1].sparsity.blockMap = blocks
    with pytest.raises(ModelError, match="sparse weights"):
        read_contents(write(model))
