"""A lowered model keeps only what is read, and one RESHAPE of a row of them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from edgekit.conversion.tflite.tidy import tidy
from edgekit.operators.lowered import ModelRecord, OperatorRecord, TensorRecord


def model_of(shapes: Sequence[tuple[int, ...]], operators: Sequence[tuple], outputs: Sequence[int]) -> ModelRecord:
    """Tensor 0 is the input; each operator is (code, inputs, output)."""
    tensors = [TensorRecord(shape, "float32") for shape in shapes]
    return ModelRecord(tensors, [OperatorRecord(code, ins, (out,)) for code, ins, out in operators], [0], list(outputs))


def operators_of(model: ModelRecord) -> list[tuple]:
    return [(item.code, item.inputs, item.outputs) for item in model.operators]


def test_of_several_reshapes_the_last_is_enough() -> None:
    model = tidy(model_of([(6,), (2, 3), (3, 2)], [("RESHAPE", (0,), 1), ("RESHAPE", (1,), 2)], [2]))
    assert operators_of(model) == [("RESHAPE", (0,), (1,))]
    assert [item.shape for item in model.tensors] == [(6,), (3, 2)]


def test_a_reshape_that_something_else_reads_stays() -> None:
    chain = [("RESHAPE", (0,), 1), ("RESHAPE", (1,), 2), ("RELU", (1,), 3)]
    model = tidy(model_of([(6,), (2, 3), (3, 2), (2, 3)], chain, [2, 3]))
    assert operators_of(model) == [("RESHAPE", (0,), (1,)), ("RESHAPE", (0,), (2,)), ("RELU", (1,), (3,))]


def test_a_reshape_there_and_back_goes() -> None:
    chain = [("RESHAPE", (0,), 1), ("RESHAPE", (1,), 2), ("RELU", (2,), 3)]
    model = tidy(model_of([(6,), (2, 3), (6,), (6,)], chain, [3]))
    assert operators_of(model) == [("RELU", (0,), (1,))]


def test_a_result_is_never_the_input_itself() -> None:
    model = tidy(model_of([(6,), (2, 3), (6,)], [("RESHAPE", (0,), 1), ("RESHAPE", (1,), 2)], [2]))
    assert operators_of(model) == [("RESHAPE", (0,), (1,))]


def test_absent_inputs_stay_absent_and_unread_operators_go() -> None:
    model = model_of([(6,), (6,), (6,)], [("RELU", (0,), 1), ("CONV_2D", (0, -1), 2)], [2])
    model.tensors.append(TensorRecord((1,), "int32", np.zeros(1, np.int32)))
    assert operators_of(tidy(model)) == [("CONV_2D", (0, -1), (1,))]
    assert len(tidy(model).tensors) == 2
