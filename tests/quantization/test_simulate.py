from __future__ import annotations

from dataclasses import replace

import numpy as np
import onnx
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx.helper import make_node
from small_graphs import graph_of, noise, static_plan

from edgekit.graph.prepare import prepare
from edgekit.operators.weight_scheme import WeightScheme
from edgekit.quantization.calibrate import open_session
from edgekit.quantization.plan import Plan
from edgekit.quantization.qdq import insert_qdq
from edgekit.quantization.rungs.fake_quantized import QuantizedModule

IMAGE = (1, 2, 7, 7)
"""All averages are over odd numbers of values: no mean lies on the border between two roundings."""


def branches(bias: bool = True, seed: int = 0) -> onnx.ModelProto:
    """Convolutions with a shortcut, two pools, a join, one fully-connected layer and a softmax."""
    nodes = [
        make_node("Conv", ["image", "w0", *(["b0"] if bias else [])], ["c0"], pads=[1, 1, 1, 1]),
        make_node("Relu", ["c0"], ["r0"]),
        make_node("Conv", ["r0", "w1"], ["c1"], pads=[1, 1, 1, 1], group=4),
        make_node("Add", ["c1", "r0"], ["sum"]),
        make_node("MaxPool", ["sum"], ["largest"], kernel_shape=[3, 3], strides=[2, 2]),
        make_node("AveragePool", ["sum"], ["mean"], kernel_shape=[3, 3], strides=[2, 2]),
        make_node("Concat", ["largest", "mean"], ["joined"], axis=1),
        make_node("GlobalAveragePool", ["joined"], ["pooled"]),
        make_node("Flatten", ["pooled"], ["flat"]),
        make_node("Gemm", ["flat", "w2", "b2"], ["logits"], transB=1),
        make_node("Softmax", ["logits"], ["out"]),
    ]
    constants = {
        "w0": noise(4, 2, 3, 3, seed=seed),
        "b0": noise(4, seed=seed + 1),
        "w1": noise(4, 1, 3, 3, seed=seed + 2),
        "w2": noise(5, 8, seed=seed + 3),
        "b2": noise(5, seed=seed + 4),
    }
    return prepare(graph_of(nodes, {"image": IMAGE}, constants))


def others(seed: int = 0) -> onnx.ModelProto:
    """A transposed convolution, constant operands, tied and fixed scales, an operator for a plan to leave in float."""
    nodes = [
        make_node("ConvTranspose", ["image", "w", "b"], ["up"], strides=[2, 2]),
        make_node("HardSwish", ["up"], ["curved"]),
        make_node("Mul", ["curved", "factor"], ["scaled"]),
        make_node("PRelu", ["scaled", "slope"], ["bent"]),
        make_node("Resize", ["bent", "", "", "size"], ["small"], mode="nearest"),
        make_node("Concat", ["small", "rows"], ["joined"], axis=1),
        make_node("Abs", ["joined"], ["island"]),
        make_node("ReduceMean", ["island"], ["means"], axes=[2, 3], keepdims=0),
        make_node("Sigmoid", ["means"], ["gate"]),
        make_node("Sub", ["gate", "shift"], ["centred"]),
        make_node("Max", ["centred", "floor"], ["out"]),
    ]
    constants = {
        "w": noise(2, 3, 3, 3, seed=seed),
        "b": noise(3, seed=seed + 1),
        "factor": noise(1, 3, 1, 1, seed=seed + 2),
        "slope": 0.1 * noise(3, 1, 1, seed=seed + 3),
        "size": np.int64([1, 3, 5, 5]),
        "rows": noise(1, 1, 5, 5, seed=seed + 4),
        "shift": np.float32([0.5]),
        "floor": np.float32([-0.1]),
    }
    return prepare(graph_of(nodes, {"image": IMAGE}, constants, opset=16))


def written(model: onnx.ModelProto, plan: Plan, images: np.ndarray) -> np.ndarray:
    """The answers of the file, rounded operator by operator in float."""
    opened = open_session(insert_qdq(model, plan, "float32"), optimize=False)
    return np.concatenate([opened.run(None, {"image": image[None]})[0] for image in images])


def simulated(module: QuantizedModule, images: np.ndarray) -> np.ndarray:
    with torch.no_grad():
        return module(torch.from_numpy(images))[0].numpy()


def images(count: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).random((count, *IMAGE[1:]), np.float32)


def disturbed(module: QuantizedModule, seed: int) -> QuantizedModule:
    """The module after what a few steps of training may have done to it."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for item in module.trainables(scales=True):
            share = 0.1 * item.size * (2 * torch.rand(item.parameter.shape, generator=generator) - 1)
            item.parameter.add_(share)
    module.settle()
    return module


@settings(max_examples=8)
@given(
    seed=st.integers(0, 99),
    bias=st.booleans(),
    bits=st.sampled_from([8, 4]),
    per_tensor=st.booleans(),
    training=st.booleans(),
)
def test_it_answers_as_the_file_does(seed: int, bias: bool, bits: int, per_tensor: bool, training: bool) -> None:
    model = branches(bias, seed)
    plan = replace(static_plan(model), scheme=WeightScheme(per_tensor, bits))
    # Sums of another order may end on the other side of a rounding: one step of the softmax's 1/256.
    module = QuantizedModule(model, plan).train(training)
    np.testing.assert_allclose(simulated(module, images(4)), written(model, plan, images(4)), atol=2 / 256)


@settings(max_examples=8)
@given(seed=st.integers(0, 99), bias=st.booleans(), bits=st.sampled_from([8, 4]))
def test_what_it_has_become_is_what_the_new_file_computes(seed: int, bias: bool, bits: int) -> None:
    model = branches(bias)
    start = replace(static_plan(model), scheme=WeightScheme(weight_bits=bits))
    module = disturbed(QuantizedModule(model, start), seed)
    learned, plan = module.read_out()
    np.testing.assert_allclose(simulated(module, images(4)), written(learned, plan, images(4)), atol=2 / 256)
    again = QuantizedModule(learned, plan)
    np.testing.assert_array_equal(simulated(again, images(4)), simulated(module, images(4)))


@settings(max_examples=5)
@given(seed=st.integers(0, 99), bits=st.sampled_from([8, 4]))
def test_constants_and_islands_are_simulated_before_and_after(seed: int, bits: int) -> None:
    model = others(seed)
    start = replace(static_plan(model), scheme=WeightScheme(weight_bits=bits)).with_floats(["island"])
    module = QuantizedModule(model, start)
    step = start.affines["out"].scale
    np.testing.assert_allclose(simulated(module, images(4)), written(model, start, images(4)), atol=2 * step)
    learned, plan = disturbed(module, seed).eval().read_out()
    step = plan.affines["out"].scale
    np.testing.assert_allclose(simulated(module, images(4)), written(learned, plan, images(4)), atol=2 * step)


def test_scales_that_are_fixed_or_shared_stay_so() -> None:
    model = branches()
    start = static_plan(model)
    _, plan = disturbed(QuantizedModule(model, start), 1).read_out()
    assert plan.affines["image"] == start.affines["image"]
    assert plan.affines["out"] == start.affines["out"]
    assert plan.affines["r0"].scale != start.affines["r0"].scale
    assert plan.affines["largest"] == plan.affines["joined"] != plan.affines["pooled"] == plan.affines["flat"]
    assert {name: affine.zero_point for name, affine in plan.affines.items()} == {
        name: affine.zero_point for name, affine in start.affines.items()
    }


def test_weights_stay_on_their_grid() -> None:
    model = branches()
    module = QuantizedModule(model, replace(static_plan(model), scheme=WeightScheme(weight_bits=4)))
    with torch.no_grad():
        for layer in module.layers():
            layer.weight.mul_(10)
    module.settle()
    _, plan = module.read_out()
    assert {int(np.abs(weights.stored).max()) for weights in plan.weights.values()} == {7}


def test_weights_that_a_plan_has_rounded_its_own_way_are_the_start() -> None:
    model = branches()
    plan = static_plan(model)
    node = model.graph.node[0]
    nearest = plan.weights_of(node, {item.name: onnx.numpy_helper.to_array(item) for item in model.graph.initializer})
    other = replace(nearest, stored=np.clip(nearest.stored + 1, -127, 127).astype(np.int8))
    plan = plan.with_weights({node.output[0]: other})
    _, kept = QuantizedModule(model, plan).read_out()
    np.testing.assert_array_equal(kept.weights[node.output[0]].stored, other.stored)


def test_operators_that_the_plan_leaves_in_float_learn_in_float() -> None:
    model = branches()
    name = next(node.output[0] for node in model.graph.node if node.op_type == "Gemm")
    plan = static_plan(model).with_floats([name])
    module = disturbed(QuantizedModule(model, plan), 3)
    learned, after = module.read_out()
    assert name not in after.weights
    np.testing.assert_allclose(simulated(module, images(4)), written(learned, after, images(4)), atol=2 / 256)


def test_rounding_lets_the_gradient_through_and_clipping_does_not() -> None:
    model = graph_of([make_node("Relu", ["image"], ["out"])], {"image": (1, 4)})
    plan = static_plan(model)
    module = QuantizedModule(model, plan)
    high = plan.affines["out"].high
    x = torch.tensor([[0.3 * high, 0.7 * high, 2 * high, -high]], requires_grad=True)
    module(x)[0].sum().backward()
    assert x.grad is not None
    assert x.grad.tolist() == [[1.0, 1.0, 0.0, 0.0]]


def test_a_scale_learns_by_the_gradient_of_learned_step_sizes() -> None:
    """Esser et al. 2020, equation 3, in steps: the rounding error inside the range, the limit outside it."""
    weights = {"w": np.ones((1, 1, 1, 1), np.float32)}
    model = graph_of([make_node("Conv", ["image", "w"], ["out"])], {"image": (1, 1, 1, 2)}, weights)
    plan = static_plan(model)
    module = QuantizedModule(model, plan)
    inside, outside, step = 100 / 255, 1.0, plan.affines["out"].scale
    assert plan.affines["out"].high < outside
    module(torch.tensor([[[[inside, outside]]]]))[0].sum().backward()
    (scale,) = module.activation_scales.values()
    expected = round(inside / step) - inside / step + 255
    assert scale.exponent.grad is not None
    assert scale.exponent.grad.item() == pytest.approx(step * expected, rel=1e-4)


@pytest.mark.parametrize("bits", [8, 4])
def test_training_brings_the_answers_closer_to_those_wanted(bits: int) -> None:
    model = branches()
    module = QuantizedModule(model, replace(static_plan(model), scheme=WeightScheme(weight_bits=bits)))
    x, wanted = torch.from_numpy(images(16)), torch.softmax(torch.from_numpy(noise(16, 5)), 1)
    optimizer = torch.optim.Adam([item.parameter for item in module.trainables(scales=True)], 0.05)
    losses = []
    for _ in range(30):
        loss = (module(x)[0] - wanted).square().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        module.settle()
        losses.append(loss.item())
    assert min(losses) < 0.8 * losses[0]
