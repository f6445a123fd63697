"""What a recurrence adds up over its steps stays in float, and little else."""

from __future__ import annotations

import numpy as np
from lowered import reference, signed_plan
from onnx import ModelProto, helper
from small_graphs import graph_of, noise, run_onnx

from edgekit.graph.prepare import prepare
from edgekit.quantization.qdq import insert_qdq
from edgekit.quantization.running_sums import running_sums

node = helper.make_node
STEPS, WIDTH = 24, 8


def recurrent(kind: str, gates: int) -> ModelProto:
    """With the forget gate of an LSTM open, so that it remembers."""
    constants = {"w": noise(1, gates * WIDTH, 4, seed=1), "r": noise(1, gates * WIDTH, WIDTH, seed=2) / 16}
    constants["b"] = np.zeros((1, 2 * gates * WIDTH), np.float32)
    constants["b"][:, 2 * WIDTH : 3 * WIDTH] = 4
    layer = node(kind, ["x", "w", "r", "b"], ["out"], hidden_size=WIDTH)
    return prepare(graph_of([layer], {"x": (STEPS, 1, 4)}, constants, opset=14))


def test_the_cell_of_an_lstm_and_what_reads_it_stay_in_float() -> None:
    model = recurrent("LSTM", 4)
    found = running_sums(model)
    kinds = [item.op_type for item in model.graph.node if item.output[0] in found]
    # The first cell is a product, not a sum; the last is kept by no gate.
    assert (kinds.count("Add"), kinds.count("Tanh"), kinds.count("Mul")) == (STEPS - 1, STEPS - 1, STEPS - 2)
    assert len(kinds) == len(found) == 3 * STEPS - 4


def test_it_makes_the_integers_more_exact() -> None:
    model, inputs = recurrent("LSTM", 4), np.clip(noise(STEPS, 1, 4), -2, 2)
    (exact,) = run_onnx(model, inputs)
    plan = signed_plan(model, 2)
    errors = []
    for floats in (frozenset(), running_sums(model)):
        (found,) = reference(insert_qdq(model, plan.with_floats(floats), io="float32"), inputs)
        errors.append(np.square(found - exact).sum())
    assert errors[1] < 0.9 * errors[0]


def test_a_gru_and_residual_networks_have_none() -> None:
    assert not running_sums(recurrent("GRU", 3))
    nodes, last = [], "x"
    for block in range(4):
        part, gate, product, total = (f"{name}{block}" for name in ("part", "gate", "product", "total"))
        nodes += [node("Conv", [last, "k"], [part]), node("Sigmoid", [part], [gate])]
        nodes += [node("Mul", [part, gate], [product]), node("Add", [last, product], [total])]
        last = total
    model = graph_of([*nodes, node("Relu", [last], ["out"])], {"x": (1, 3, 4, 4)}, {"k": noise(3, 3, 1, 1)})
    assert not running_sums(prepare(model))
