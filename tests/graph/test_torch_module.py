from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import onnx
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx.helper import make_node
from small_graphs import graph_of, noise, run_onnx

from edgekit.errors import UnsupportedError
from edgekit.graph.prepare import prepare
from edgekit.graph.torch_module import GraphModule

FEW = settings(max_examples=15)


def assert_same(model: onnx.ModelProto, *inputs: np.ndarray) -> None:
    """The module of a prepared model answers as ONNX Runtime does, to one sample and to three at once."""
    module = GraphModule(model)
    samples = [inputs, *(tuple(noise(*value.shape, seed=seed) for value in inputs) for seed in (50, 51))]
    expected = [run_onnx(model, *sample) for sample in samples]
    with torch.no_grad():
        alone = module(*map(torch.from_numpy, inputs))
        together = module(*(torch.from_numpy(np.concatenate(parts)) for parts in zip(*samples, strict=True)))
    for want, got in zip(expected[0], alone, strict=True):
        np.testing.assert_allclose(got.numpy(), want, rtol=1e-4, atol=1e-5)
    for wants, got in zip(zip(*expected, strict=True), together, strict=True):
        np.testing.assert_allclose(got.numpy(), np.concatenate(wants), rtol=1e-4, atol=1e-5)


def one_operator(
    op_type: str,
    shape: tuple[int, ...],
    constants: Mapping[str, np.ndarray] | None = None,
    opset: int = 18,
    **attributes: object,
) -> onnx.ModelProto:
    constants = constants or {}
    node = make_node(op_type, ["x", *constants], ["out"], **attributes)
    return graph_of([node], {"x": shape}, constants, opset=opset)


@FEW
@given(
    rank=st.sampled_from([1, 2]),
    group=st.sampled_from([1, 2, 4]),
    stride=st.integers(1, 3),
    dilation=st.integers(1, 2),
    pads=st.lists(st.integers(0, 2), min_size=4, max_size=4),
    bias=st.booleans(),
)
def test_convolutions(rank: int, group: int, stride: int, dilation: int, pads: list[int], bias: bool) -> None:
    constants = {"w": noise(8, 4 // group, *[3] * rank), **({"b": noise(8)} if bias else {})}
    options = {"group": group, "strides": [stride] * rank, "dilations": [dilation] * rank, "pads": pads[: 2 * rank]}
    assert_same(one_operator("Conv", (1, 4, *[9] * rank), constants, **options), noise(1, 4, *[9] * rank))


@FEW
@given(
    rank=st.sampled_from([1, 2]),
    group=st.sampled_from([1, 2]),
    stride=st.integers(1, 3),
    pads=st.lists(st.integers(0, 2), min_size=4, max_size=4),
    extra=st.booleans(),
)
def test_transposed_convolutions(rank: int, group: int, stride: int, pads: list[int], extra: bool) -> None:
    constants = {"w": noise(4, 6 // group, *[3] * rank), "b": noise(6)}
    options = {"group": group, "strides": [stride] * rank, "pads": pads[: 2 * rank]}
    if extra and stride > 1:
        options["output_padding"] = [1] * rank
    assert_same(one_operator("ConvTranspose", (1, 4, *[5] * rank), constants, **options), noise(1, 4, *[5] * rank))


@pytest.mark.parametrize("rank", [1, 2, 3])
def test_transposed_convolutions_to_a_wanted_size(rank: int) -> None:
    options = {"strides": [2] * rank, "output_shape": [10] * rank}
    model = one_operator("ConvTranspose", (1, 2, *[5] * rank), {"w": noise(2, 3, *[3] * rank)}, **options)
    assert_same(prepare(model), noise(1, 2, *[5] * rank))


@FEW
@given(
    kind=st.sampled_from(["MaxPool", "AveragePool"]),
    kernel=st.integers(2, 3),
    stride=st.integers(1, 3),
    pads=st.lists(st.integers(0, 1), min_size=4, max_size=4),
    ceil=st.booleans(),
    counted=st.booleans(),
)
def test_pools(kind: str, kernel: int, stride: int, pads: list[int], ceil: bool, counted: bool) -> None:
    options = {"kernel_shape": [kernel, kernel], "strides": [stride, stride], "pads": pads, "ceil_mode": int(ceil)}
    if kind == "AveragePool":
        options["count_include_pad"] = int(counted and not ceil)
    assert_same(one_operator(kind, (1, 3, 8, 7), **options), noise(1, 3, 8, 7))


@pytest.mark.parametrize("op_type", ["GlobalAveragePool", "GlobalMaxPool"])
def test_global_pools(op_type: str) -> None:
    assert_same(one_operator(op_type, (1, 3, 5, 4)), noise(1, 3, 5, 4))


@pytest.mark.parametrize(
    "op_type",
    [
        "Abs",
        "Ceil",
        "Cos",
        "Elu",
        "Erf",
        "Exp",
        "Floor",
        "HardSigmoid",
        "HardSwish",
        "LeakyRelu",
        "Mish",
        "Neg",
        "Relu",
        "Round",
        "Selu",
        "Sigmoid",
        "Sign",
        "Sin",
        "Softplus",
        "Softsign",
        "Tanh",
        "Celu",
        "Reciprocal",
        "Softmax",
        "LogSoftmax",
        "LpNormalization",
    ],
)
def test_functions_of_one_input(op_type: str) -> None:
    assert_same(one_operator(op_type, (1, 3, 4)), noise(1, 3, 4))


@pytest.mark.parametrize("approximate", ["none", "tanh"])
def test_gelu(approximate: str) -> None:
    assert_same(one_operator("Gelu", (1, 7), opset=20, approximate=approximate), noise(1, 7))


@pytest.mark.parametrize(("op_type", "options"), [("Elu", {"alpha": 0.5}), ("HardSigmoid", {"alpha": 1 / 6})])
def test_functions_with_parameters(op_type: str, options: dict[str, float]) -> None:
    assert_same(one_operator(op_type, (1, 9), **options), 3 * noise(1, 9))


@FEW
@given(
    op_type=st.sampled_from(["Add", "Sub", "Mul", "Div", "Max", "Min", "PRelu"]),
    shape=st.sampled_from([(4,), (3, 1), (1, 3, 1), (1,), ()]),
)
def test_arithmetic_broadcasts_constants(op_type: str, shape: tuple[int, ...]) -> None:
    assert_same(one_operator(op_type, (1, 3, 4), {"c": noise(*shape)}), noise(1, 3, 4))


@pytest.mark.parametrize("op_type", ["Add", "Sub", "Mul", "Div", "Max", "Min", "Mean"])
def test_arithmetic_of_two_inputs(op_type: str) -> None:
    model = graph_of([make_node(op_type, ["x", "y"], ["out"])], {"x": (1, 3, 4), "y": (1, 3, 1)})
    assert_same(model, noise(1, 3, 4), noise(1, 3, 1, seed=1))


@pytest.mark.parametrize("comparison", ["Greater", "GreaterOrEqual", "Less", "LessOrEqual", "Equal"])
def test_choices_between_values(comparison: str) -> None:
    nodes = [make_node(comparison, ["x", "y"], ["chosen"]), make_node("Where", ["chosen", "x", "c"], ["out"])]
    model = graph_of(nodes, {"x": (1, 5), "y": (1, 5)}, {"c": np.float32([0.5])})
    assert_same(model, noise(1, 5), noise(1, 5, seed=1))


@FEW
@given(low=st.none() | st.floats(-1, 0, width=32), high=st.none() | st.floats(0, 1, width=32))
def test_clip_with_any_bounds(low: float | None, high: float | None) -> None:
    bounds = {"low": low, "high": high}
    constants = {name: np.float32(value) for name, value in bounds.items() if value is not None}
    node = make_node("Clip", ["x", *(name if name in constants else "" for name in bounds)], ["out"])
    assert_same(graph_of([node], {"x": (1, 9)}, constants), noise(1, 9))


@FEW
@given(
    transposed=st.booleans(), alpha=st.sampled_from([1.0, 0.5]), beta=st.sampled_from([1.0, 2.0]), bias=st.booleans()
)
def test_fully_connected_layers(transposed: bool, alpha: float, beta: float, bias: bool) -> None:
    weights = noise(5, 6) if transposed else noise(6, 5)
    constants = {"w": weights, **({"b": noise(5)} if bias else {})}
    assert_same(one_operator("Gemm", (1, 6), constants, transB=int(transposed), alpha=alpha, beta=beta), noise(1, 6))


def test_matrix_products() -> None:
    nodes = [
        make_node("MatMul", ["x", "w"], ["rows"]),
        make_node("Transpose", ["rows"], ["columns"], perm=[0, 2, 1]),
        make_node("MatMul", ["rows", "columns"], ["out"]),
    ]
    assert_same(graph_of(nodes, {"x": (1, 4, 6)}, {"w": noise(6, 5)}), noise(1, 4, 6))


@FEW
@given(
    op_type=st.sampled_from(
        ["ReduceMean", "ReduceSum", "ReduceMax", "ReduceMin", "ReduceL1", "ReduceL2", "ReduceLogSumExp", "ReduceProd"]
    ),
    axes=st.sampled_from([[1], [-1], [2, 3], [1, 3]]),
    keep=st.booleans(),
    opset=st.sampled_from([13, 18]),
)
def test_reductions(op_type: str, axes: list[int], keep: bool, opset: int) -> None:
    as_input = opset >= 18 or op_type == "ReduceSum"
    constants = {"axes": np.int64(axes)} if as_input else {}
    options = {} if as_input else {"axes": axes}
    model = one_operator(op_type, (1, 2, 3, 4), constants, opset, keepdims=int(keep), **options)
    assert_same(model, noise(1, 2, 3, 4))


@pytest.mark.parametrize(
    ("op_type", "constants", "options"),
    [
        ("BatchNormalization", {"a": noise(3), "b": noise(3), "c": noise(3), "d": noise(3) ** 2}, {"epsilon": 1e-3}),
        ("InstanceNormalization", {"a": noise(3), "b": noise(3, seed=1)}, {}),
        ("LayerNormalization", {"a": noise(4, 5), "b": noise(4, 5, seed=1)}, {"axis": 2}),
        ("LayerNormalization", {"a": noise(5)}, {}),
        ("LRN", {}, {"size": 3, "alpha": 0.1}),
    ],
)
def test_normalisations(op_type: str, constants: dict[str, np.ndarray], options: dict[str, object]) -> None:
    assert_same(one_operator(op_type, (1, 3, 4, 5), constants, **options), noise(1, 3, 4, 5))


@FEW
@given(
    starts=st.lists(st.integers(-6, 6), min_size=2, max_size=2),
    ends=st.lists(st.integers(-7, 7) | st.just(2**62) | st.just(-(2**62)), min_size=2, max_size=2),
    steps=st.lists(st.sampled_from([-2, -1, 1, 2]), min_size=2, max_size=2),
)
def test_slices(starts: list[int], ends: list[int], steps: list[int]) -> None:
    for axis, (start, end, step) in enumerate(zip(starts, ends, steps, strict=True)):
        if len(range(*slice(start, end, step).indices(5))) == 0:
            starts[axis], ends[axis], steps[axis] = 0, 5, 1
    values = {"starts": starts, "ends": ends, "axes": [1, 2], "steps": steps}
    constants = {name: np.int64(value) for name, value in values.items()}
    assert_same(one_operator("Slice", (1, 5, 5), constants), noise(1, 5, 5))


@FEW
@given(
    mode=st.sampled_from(["constant", "reflect", "edge"]),
    amounts=st.lists(st.integers(0, 3), min_size=4, max_size=4),
)
def test_padding(mode: str, amounts: list[int]) -> None:
    constants = {"pads": np.int64([0, 0, *amounts[:2], 0, 0, *amounts[2:]])}
    if mode == "constant":
        constants["value"] = np.float32(0.5)
    assert_same(one_operator("Pad", (1, 2, 4, 5), constants, mode=mode), noise(1, 2, 4, 5))


@FEW
@given(
    mode=st.sampled_from(["nearest", "linear"]),
    coordinates=st.sampled_from(["half_pixel", "asymmetric", "align_corners", "pytorch_half_pixel"]),
    rounding=st.sampled_from(["round_prefer_floor", "round_prefer_ceil", "floor", "ceil"]),
    scales=st.lists(st.sampled_from([0.5, 1.0, 1.5, 2.0]), min_size=2, max_size=2),
    by_size=st.booleans(),
)
def test_resizing(mode: str, coordinates: str, rounding: str, scales: list[float], by_size: bool) -> None:
    factors = [1.0, 1.0, *scales]
    sizes = [int(size * factor) for size, factor in zip((1, 2, 6, 4), factors, strict=True)]
    target = {"sizes": np.int64(sizes)} if by_size else {"scales": np.float32(factors)}
    operands = ["x", "", "", "sizes"] if by_size else ["x", "", "scales"]
    options = {"mode": mode, "coordinate_transformation_mode": coordinates, "nearest_mode": rounding}
    model = graph_of([make_node("Resize", operands, ["out"], **options)], {"x": (1, 2, 6, 4)}, target)
    assert_same(model, noise(1, 2, 6, 4))


def test_the_nearest_pixel_of_a_place_in_the_middle_between_two() -> None:
    options = {"nearest_mode": "round_prefer_ceil"}
    model = graph_of([make_node("Resize", ["x", "", "", "s"], ["out"], **options)], {"x": (1, 1, 20)}, {"s": [1, 1, 6]})
    assert_same(model, noise(1, 1, 20))


@pytest.mark.parametrize("mode", ["DCR", "CRD"])
def test_depth_to_space_and_back(mode: str) -> None:
    nodes = [
        make_node("DepthToSpace", ["x"], ["deep"], blocksize=2, mode=mode),
        make_node("SpaceToDepth", ["deep"], ["out"], blocksize=2),
    ]
    assert_same(graph_of(nodes, {"x": (1, 8, 3, 2)}), noise(1, 8, 3, 2))


def test_channels_are_shuffled_in_a_batch() -> None:
    nodes = [
        make_node("Reshape", ["x", "groups"], ["grouped"]),
        make_node("Transpose", ["grouped"], ["swapped"], perm=[0, 2, 1, 3, 4]),
        make_node("Reshape", ["swapped", "flat"], ["out"]),
    ]
    constants = {"groups": np.int64([1, 2, 3, 4, 4]), "flat": np.int64([1, 6, 4, 4])}
    model = graph_of(nodes, {"x": (1, 6, 4, 4)}, constants)
    assert_same(model, noise(1, 6, 4, 4))
    assert GraphModule(model).is_batched()


def test_parts_are_split_gathered_and_joined_again_with_a_constant() -> None:
    nodes = [
        make_node("Split", ["x", "sizes"], ["a", "b"], axis=1),
        make_node("Gather", ["b", "order"], ["c"], axis=1),
        make_node("Unsqueeze", ["c", "last"], ["d"]),
        make_node("Squeeze", ["d", "last"], ["e"]),
        make_node("Concat", ["a", "e", "token"], ["f"], axis=1),
        make_node("Tile", ["f", "twice"], ["g"]),
        make_node("Expand", ["g", "wide"], ["out"]),
    ]
    constants = {
        "sizes": np.int64([2, 4]),
        "order": np.int64([3, -4, 1]),
        "last": np.int64([-1]),
        "token": noise(1, 1, 1),
        "twice": np.int64([1, 1, 2]),
        "wide": np.int64([1, 6, 2]),
    }
    model = graph_of(nodes, {"x": (1, 6, 1)}, constants)
    assert_same(model, noise(1, 6, 1))
    assert GraphModule(model).is_batched()


def test_the_largest_score_is_found() -> None:
    nodes = [make_node("ArgMax", ["x"], ["which"], axis=1, keepdims=0), make_node("Cast", ["which"], ["out"], to=1)]
    assert_same(graph_of(nodes, {"x": (1, 5, 3)}), noise(1, 5, 3))


def test_a_graph_that_mixes_its_batch_runs_sample_by_sample() -> None:
    model = one_operator("Reshape", (1, 6), {"shape": np.int64([3, 2])})
    module = GraphModule(model)
    assert module(torch.from_numpy(noise(4, 6)))[0].shape == (12, 2)
    assert not module.is_batched()


def test_several_inputs_and_outputs() -> None:
    nodes = [make_node("Add", ["x", "y"], ["sum"]), make_node("Relu", ["sum"], ["positive"])]
    model = graph_of(nodes, {"x": (1, 3), "y": (1, 3)}, outputs=("sum", "positive"))
    assert_same(model, noise(1, 3), noise(1, 3, seed=1))


def test_the_weights_of_a_prepared_network_learn() -> None:
    nodes = [
        make_node("Conv", ["x", "filters"], ["a"]),
        make_node("Relu", ["a"], ["b"]),
        make_node("Flatten", ["b"], ["c"]),
        make_node("MatMul", ["c", "head"], ["out"]),
    ]
    constants = {"filters": noise(4, 1, 3, 3) / 3, "head": noise(64, 2) / 8}
    module = GraphModule(prepare(graph_of(nodes, {"x": (1, 1, 6, 6)}, constants)))
    x, target = torch.from_numpy(noise(8, 1, 6, 6)), torch.from_numpy(noise(8, 2, seed=1))
    optimizer = torch.optim.Adam(module.parameters(), 0.03)
    losses = []
    for _ in range(40):
        loss = (module(x)[0] - target).square().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < losses[0] / 10
    assert set(map(tuple, (array.shape for array in module.parameter_arrays().values()))) == {(4, 1, 3, 3), (2, 64)}


def test_an_operator_that_is_not_known_is_named_with_its_node() -> None:
    model = one_operator("NonZero", (1, 4))
    model.graph.node[0].name = "mask/which"
    with pytest.raises(UnsupportedError, match=r"'mask/which' is a NonZero"):
        GraphModule(model)


def test_an_option_that_is_not_known_is_named_with_its_node() -> None:
    model = one_operator("ArgMax", (1, 4), axis=1, select_last_index=1)
    with pytest.raises(UnsupportedError, match=r"'out' \(ArgMax\) cannot be trained here"):
        GraphModule(model)(torch.zeros(1, 4))
