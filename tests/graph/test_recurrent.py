"""LSTM, GRU and RNN as the operators of their steps: the same answers as ONNX Runtime's own kernels."""

from __future__ import annotations

from itertools import product

import numpy as np
import onnx
import pytest
from lowered import assert_float_agrees, assert_integers_agree, signed
from onnx import helper
from small_graphs import XNNPACK, bytes_for, graph_of, noise, run_onnx

from edgekit.conversion.compact import compact
from edgekit.errors import UnsupportedError
from edgekit.graph.prepare import prepare
from edgekit.quantization.weighted_layers import weighted_layers

node = helper.make_node
INT8 = onnx.TensorProto.INT8
GATES = {"LSTM": 4, "GRU": 3, "RNN": 1}
STEPS, DEPTH, WIDTH = 5, 3, 4


def recurrent(
    kind: str, direction: str = "forward", batch: int = 1, states: tuple[str, ...] = (), biased: bool = True, **options
) -> onnx.ModelProto:
    """A model of one recurrent operator with all of its outputs; ``states`` are inputs of the model."""
    count, gates = 1 + (direction == "bidirectional"), GATES[kind] * WIDTH
    constants = {"w": noise(count, gates, DEPTH, seed=1), "r": noise(count, gates, WIDTH, seed=2) / 2}
    constants |= {"b": noise(count, 2 * gates, seed=3)} if biased else {}
    outputs = ["y", "h", "c"][: 3 if kind == "LSTM" else 2]
    inputs = ["x", "w", "r", "b" if biased else "", "", *states]
    layer = node(kind, inputs, outputs, "rnn", hidden_size=WIDTH, direction=direction, **options)
    shapes = {"x": (STEPS, batch, DEPTH), **dict.fromkeys(states, (count, batch, WIDTH))}
    return graph_of([layer], shapes, constants, outputs, opset=14)


@pytest.mark.parametrize(
    ("kind", "direction", "batch"), list(product(GATES, ["forward", "reverse", "bidirectional"], [1, 2]))
)
def test_every_kind_in_every_direction(kind: str, direction: str, batch: int) -> None:
    assert_float_agrees(recurrent(kind, direction, batch), noise(STEPS, batch, DEPTH))


@pytest.mark.parametrize("biased", [True, False])
@pytest.mark.parametrize("direction", ["forward", "bidirectional"])
def test_a_gru_whose_reset_gate_comes_behind_the_product(direction: str, biased: bool) -> None:
    """As PyTorch's and, with reset_after, Keras's."""
    model = recurrent("GRU", direction, biased=biased, linear_before_reset=1)
    assert_float_agrees(model, noise(STEPS, 1, DEPTH))


@pytest.mark.parametrize("kind", GATES)
def test_a_state_may_come_from_outside(kind: str) -> None:
    states = ("h0", "c0")[: 2 if kind == "LSTM" else 1]
    model = recurrent(kind, "bidirectional", states=states)
    assert_float_agrees(model, noise(STEPS, 1, DEPTH), *(noise(2, 1, WIDTH, seed=seed) for seed in range(len(states))))


def test_other_activation_functions() -> None:
    names = ["HardSigmoid", "Relu", "Softsign", "Sigmoid", "Tanh", "Relu"]
    model = recurrent("LSTM", "bidirectional", activations=names)
    assert_float_agrees(model, noise(STEPS, 1, DEPTH))


def test_all_steps_share_their_weights() -> None:
    prepared = prepare(recurrent("GRU", linear_before_reset=1))
    weights = [item.input[1] for item in prepared.graph.node if item.op_type == "Gemm"]
    assert len(weights) == 1 + 2 * (STEPS - 1)
    assert len(set(weights)) == 3
    # Nothing is fitted to one of them.
    assert [layer.weight_name for layer in weighted_layers(prepared)] == weights[:1]


@pytest.mark.parametrize(
    ("options", "why"),
    [
        ({"clip": 1.0}, "clip"),
        ({"input_forget": 1}, "coupled"),
        ({"activations": ["Affine", "Tanh", "Tanh"]}, "Affine"),
    ],
)
def test_forms_that_are_not_known_are_refused_with_the_reason(options, why: str) -> None:
    with pytest.raises(UnsupportedError, match=f"LSTM 'rnn' has .*{why}"):
        prepare(recurrent("LSTM", **options))


def test_a_long_one_is_refused_in_one_sentence() -> None:
    model = recurrent("LSTM")
    model.graph.input[0].type.tensor_type.shape.dim[0].dim_value = 5000
    for value in (*model.graph.output, *model.graph.value_info):
        value.type.tensor_type.ClearField("shape")
    with pytest.raises(UnsupportedError, match="LSTM 'rnn' runs over 5000 steps, more than the 512"):
        prepare(model)


@pytest.mark.parametrize("kind", GATES)
@pytest.mark.parametrize("direction", ["forward", "bidirectional"])
def test_steps_in_integers_are_those_of_the_definition(kind: str, direction: str) -> None:
    """XNNPACK's kernels round as the definition does; the others are off by one step here and there, which adds up."""
    model = recurrent(kind, direction, linear_before_reset=1) if kind == "GRU" else recurrent(kind, direction)
    assert_integers_agree(model, reach=2, kernels=[XNNPACK])


def test_the_integers_of_all_steps_share_their_weights_in_both_files() -> None:
    model = signed(prepare(recurrent("LSTM")), 2)
    stored = [list(item.dims) for item in compact(model).graph.initializer if item.data_type == INT8]
    assert sorted(dims for dims in stored if len(dims) == 2) == [[4 * WIDTH, DEPTH], [4 * WIDTH, WIDTH]]
    inputs = bytes_for(model)
    for expected, got in zip(run_onnx(model, *inputs), run_onnx(compact(model), *inputs), strict=True):
        np.testing.assert_array_equal(got, expected)
