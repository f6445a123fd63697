"""What the C form refuses, what its names are, and that single operators have TFLite Micro's integers."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest
from compiled_c import PATHS, answers_of_c, answers_of_micro, build, random_inputs, run
from onnx import helper
from small_graphs import graph_of, noise, quantized

from edgekit.conversion.c import program_of
from edgekit.conversion.c.fixed_point import Factor
from edgekit.conversion.c.interface import identifier
from edgekit.conversion.export import ExportOptions, export
from edgekit.conversion.tflite.lower_model import lowered_record
from edgekit.conversion.tflite.writer import write_model
from edgekit.errors import ModelError, UnsupportedError, UsageError
from edgekit.graph.prepare import prepare
from edgekit.modelfiles.golden import example_of
from edgekit.operators.lowered import ModelRecord, OperatorRecord, Options, TensorRecord
from edgekit.scales import Quantization

make = helper.make_node


def record(
    code: str, inputs: list[TensorRecord], shape: tuple[int, ...], scale: Quantization, options: Options | None = None
) -> ModelRecord:
    """A model of one operator; what has no data is an input."""
    named = [replace(item, name=f"in {place}") if item.data is None else item for place, item in enumerate(inputs)]
    target = TensorRecord(shape, "int8", None, scale, "out")
    operator = OperatorRecord(code, tuple(range(len(inputs))), (len(inputs),), options, 2, "here")
    given = [place for place, item in enumerate(inputs) if item.data is None]
    return ModelRecord([*named, target], [operator], given, [len(inputs)])


def value(shape: tuple[int, ...], scale: float, zero_point: int = 3) -> TensorRecord:
    return TensorRecord(shape, "int8", None, Quantization.per_tensor(scale, zero_point))


def same(model: ModelRecord, folder: Path, path: str = "native") -> bool:
    tensors = random_inputs(model, 20)
    return answers_of_c(model, folder, tensors, path=path) == answers_of_micro(model, tensors)


@pytest.mark.parametrize("activation", [0, 1, 2, 3])
def test_sums_of_two_scales_with_an_activation(activation: int, tmp_path: Path) -> None:
    options = Options("AddOptions", {"FusedActivationFunction": activation})
    operands = [value((1, 3, 4, 5), 0.05), value((1, 3, 4, 5), 0.011, -20)]
    assert same(record("ADD", operands, (1, 3, 4, 5), Quantization.per_tensor(0.04, -7), options), tmp_path)


@pytest.mark.parametrize("shape", [(1, 1, 1, 5), (1, 3, 1, 1), (1, 1, 4, 5), (1, 1, 1, 1)])
def test_sums_that_repeat_an_operand(shape: tuple[int, ...], tmp_path: Path) -> None:
    operands = [value(shape, 0.05), value((1, 3, 4, 5), 0.011, -20)]
    options = Options("AddOptions")
    assert same(record("ADD", operands, (1, 3, 4, 5), Quantization.per_tensor(0.04, -7), options), tmp_path)


@pytest.mark.parametrize("scale", [0.003, 0.05, 2.0])
def test_means_at_any_scale(scale: float, tmp_path: Path) -> None:
    axes = TensorRecord((2,), "int32", np.array([1, 2], np.int32))
    options = Options("ReducerOptions", {"KeepDims": True})
    mean = record("MEAN", [value((1, 5, 7, 4), 0.05), axes], (1, 1, 1, 4), Quantization.per_tensor(scale, 9), options)
    assert same(mean, tmp_path)


def reduction(code: str, axes: tuple[int, ...], shape: tuple[int, ...], scale: Quantization) -> ModelRecord:
    """MEAN or REDUCE_MAX of 2 x 3 x 4 x 5 values in steps of 0.05 from 3 on."""
    constant = TensorRecord((len(axes),), "int32", np.array(axes, np.int32))
    return record(code, [value((2, 3, 4, 5), 0.05), constant], shape, scale, Options("ReducerOptions"))


@pytest.mark.parametrize("code", ["MEAN", "REDUCE_MAX"])
@pytest.mark.parametrize(
    ("axes", "shape"), [((1,), (2, 4, 5)), ((-1,), (2, 3, 4)), ((2, 1), (2, 5)), ((0, 1, 2, 3), ()), ((2, 3), (2, 3))]
)
def test_reductions_over_neighbouring_axes(
    code: str, axes: tuple[int, ...], shape: tuple[int, ...], tmp_path: Path
) -> None:
    assert same(reduction(code, axes, shape, Quantization.per_tensor(0.05, 3)), tmp_path)


def test_reductions_that_c_does_not_take() -> None:
    with pytest.raises(UnsupportedError, match="goes over axes that are no neighbours"):
        program_of(reduction("MEAN", (0, 2), (3, 5), Quantization.per_tensor(0.05, 3)), "net")
    with pytest.raises(UnsupportedError, match="has another scale behind it"):
        program_of(reduction("REDUCE_MAX", (1,), (2, 4, 5), Quantization.per_tensor(0.06, 3)), "net")


def gathering(rows: int, depth: int, ids: int, axis: int = 0) -> ModelRecord:
    """Rows of a table by ids."""
    quant = Quantization.per_tensor(0.02, -7)
    data = np.random.default_rng(0).integers(-128, 128, (rows, depth)).astype(np.int8)
    operands = [TensorRecord(data.shape, "int8", data, quant), TensorRecord((1, ids), "int32")]
    return record("GATHER", operands, (1, ids, depth), quant, Options("GatherOptions", {"Axis": axis, "BatchDims": 0}))


def test_rows_of_a_table_by_ids(tmp_path: Path) -> None:
    model = gathering(rows=300, depth=7, ids=20)
    assert same(model, tmp_path)
    header = program_of(model, "net").header
    assert "void net_run(const int32_t *input_in_1, int8_t *output_out);" in header
    assert "/* input_in_1: 1 x 20 ids. */\n#define NET_INPUT_IN_1_SIZE 20\n\n" in header


def test_a_bag_of_words(tmp_path: Path) -> None:
    """What lies between layers that read ids and others is shared as ever."""
    quants = [Quantization.per_tensor(scale, 2) for scale in (0.004, 0.3)]
    model = gathering(rows=300, depth=7, ids=20)
    axes = TensorRecord((1,), "int32", np.array([1], np.int32))
    places = len(model.tensors)
    model.tensors += [axes, TensorRecord((1, 7), "int8", None, quants[0], "mean")]
    model.tensors += [TensorRecord((1, 7), "int8", None, Quantization.per_tensor(1 / 256, -128), "gate")]
    model.tensors += [TensorRecord((1, 7), "int8", None, quants[1], "product")]
    mean, gate, product = range(places + 1, places + 4)
    model.operators += [
        OperatorRecord("MEAN", (places - 1, places), (mean,), Options("ReducerOptions"), 2, "mean"),
        OperatorRecord("LOGISTIC", (mean,), (gate,), None, 2, "gate"),
        OperatorRecord("MUL", (mean, gate), (product,), Options("MulOptions"), 2, "product"),
    ]
    model.outputs[:] = [product]
    assert program_of(model, "net").arena_bytes == 20 * 7 + 7
    assert same(model, tmp_path)


def test_ids_that_no_row_has_read_nothing_beyond_the_table(tmp_path: Path) -> None:
    model = gathering(rows=5, depth=3, ids=3)
    answer = answers_of_c(model, tmp_path, [[np.array([-1, 5, 2**31 - 1], np.int32)]])
    table = model.tensors[0].data
    assert table is not None
    assert answer == b"".join(table[row].tobytes() for row in (0, 4, 4))


def test_a_program_that_reads_ids_tests_itself(tmp_path: Path) -> None:
    model = gathering(rows=256, depth=2, ids=16)
    golden = example_of(write_model(model), "litert")
    assert golden is not None
    program = program_of(model, "net", golden)
    assert run(build(program, model, tmp_path, tests_itself=True), b"")[0] == 0
    broken = replace(program, source=program.source.replace("in[i] < 0", "in[i] < 255"))
    assert run(build(broken, model, tmp_path, tests_itself=True), b"")[0] > 0


def test_rows_along_another_axis_are_refused() -> None:
    with pytest.raises(UnsupportedError, match="'here' goes along another axis than the first"):
        program_of(gathering(rows=5, depth=3, ids=3, axis=1), "net")


@pytest.mark.parametrize("scale", [0.0001, 0.01, 0.07, 0.3, 3.0])
@pytest.mark.parametrize("shape", [(1, 2), (1, 10), (3, 130), (1, 300)])
def test_softmax_at_any_scale(scale: float, shape: tuple[int, int], tmp_path: Path) -> None:
    options = Options("SoftmaxOptions", {"Beta": 1.0})
    assert same(
        record("SOFTMAX", [value(shape, scale)], shape, Quantization.per_tensor(1 / 256, -128), options), tmp_path
    )


def every(model: ModelRecord, folder: Path) -> bool:
    """The answers to all values that there are, 256 in a row, are TFLite Micro's."""
    tensors = [[np.arange(-128, 128, dtype=np.int8)[None]]]
    return answers_of_c(model, folder, tensors) == answers_of_micro(model, tensors)


@pytest.mark.parametrize("scale", [0.0001, 0.01, 0.0625, 0.3, 3.0])
@pytest.mark.parametrize(("code", "behind"), [("LOGISTIC", (1 / 256, -128)), ("TANH", (1 / 128, 0))])
def test_functions_of_one_value_at_any_scale(
    code: str, behind: tuple[float, int], scale: float, tmp_path: Path
) -> None:
    assert every(record(code, [value((1, 256), scale)], (1, 256), Quantization.per_tensor(*behind)), tmp_path)
    with pytest.raises(UnsupportedError, match="has another scale than 1/"):
        program_of(record(code, [value((1, 256), scale)], (1, 256), Quantization.per_tensor(0.5)), "net")


@pytest.mark.parametrize("scale", [0.01, 0.06, 0.1, 7.0])
def test_values_in_steps_of_another_scale(scale: float, tmp_path: Path) -> None:
    options = Options("QuantizeOptions")
    quant = Quantization.per_tensor(scale, -9)
    assert every(record("QUANTIZE", [value((1, 256), 0.06)], (1, 256), quant, options), tmp_path)


@pytest.mark.parametrize("activation", [0, 1, 3])
@pytest.mark.parametrize("shape", [(1, 3, 4, 5), (1, 1, 1, 5), (1, 3, 1, 1), (1, 1, 1, 1)])
@pytest.mark.parametrize("scale", [0.04, 0.00001])
def test_products_of_two_operands(shape: tuple[int, ...], activation: int, scale: float, tmp_path: Path) -> None:
    operands = [value(shape, 0.05), value((1, 3, 4, 5), 0.011, -20)]
    options = Options("MulOptions", {"FusedActivationFunction": activation})
    assert same(record("MUL", operands, (1, 3, 4, 5), Quantization.per_tensor(scale, -7), options), tmp_path)


@pytest.mark.parametrize("axis", [0, 1, 2, -1])
def test_operands_behind_each_other_along_an_axis(axis: int, tmp_path: Path) -> None:
    shapes = [[2, 3, 4], [2, 3, 4], [2, 3, 4]]
    for number, shape in enumerate(shapes):
        shape[axis] += number
    target = [*shapes[0]]
    target[axis] = sum(shape[axis] for shape in shapes)
    data = np.arange(np.prod(shapes[1])).astype(np.int8).reshape(shapes[1])
    operands = [value(tuple(shape), 0.05) for shape in shapes]
    operands[1] = replace(operands[1], data=data)
    quant, options = operands[0].quant, Options("ConcatenationOptions", {"Axis": axis})
    assert quant is not None
    assert same(record("CONCATENATION", operands, tuple(target), quant, options), tmp_path)
    with pytest.raises(UnsupportedError, match="operands with another scale"):
        program_of(record("CONCATENATION", operands, tuple(target), Quantization.per_tensor(0.06, 3), options), "net")


@pytest.mark.parametrize(
    "widths", [((0, 0), (1, 2), (3, 0), (0, 0)), ((0, 0), (0, 0), (0, 0), (2, 1)), ((1, 0), (0, 0), (0, 0), (0, 0))]
)
def test_zeros_around_values(widths: tuple[tuple[int, int], ...], tmp_path: Path) -> None:
    shape = (1, 2, 3, 4)
    target = tuple(before + size + after for size, (before, after) in zip(shape, widths, strict=True))
    constant = TensorRecord((4, 2), "int32", np.array(widths, np.int32))
    model = record(
        "PAD", [value(shape, 0.05), constant], target, Quantization.per_tensor(0.05, 3), Options("PadOptions")
    )
    assert same(model, tmp_path)


@pytest.mark.parametrize("order", [(0, 3, 1, 2), (0, 2, 1, 3), (0, 1, 2, 3), (3, 2, 1, 0)])
def test_axes_in_another_order(order: tuple[int, ...], tmp_path: Path) -> None:
    shape = (2, 3, 4, 5)
    operands = [value(shape, 0.05), TensorRecord((4,), "int32", np.array(order, np.int32))]
    target, quant = tuple(shape[axis] for axis in order), Quantization.per_tensor(0.05, 3)
    assert same(record("TRANSPOSE", operands, target, quant, Options("TransposeOptions")), tmp_path)


def numbers(*values: int) -> TensorRecord:
    return TensorRecord((len(values),), "int32", np.array(values, np.int32))


@pytest.mark.parametrize(
    ("begin", "size", "shape"),
    [
        ((0, 1, 0, 2), (2, 2, 4, 2), (2, 2, 4, 2)),
        ((1, 0, 0, 0), (1, -1, 4, 5), (1, 3, 4, 5)),
        ((0,) * 4, (2, 3, 4, 5), (2, 3, 4, 5)),
    ],
)
def test_slices(begin: tuple[int, ...], size: tuple[int, ...], shape: tuple[int, ...], tmp_path: Path) -> None:
    operands = [value((2, 3, 4, 5), 0.05), numbers(*begin), numbers(*size)]
    assert same(record("SLICE", operands, shape, Quantization.per_tensor(0.05, 3), Options("SliceOptions")), tmp_path)


def test_a_slice_that_ends_beyond_its_operand_is_refused() -> None:
    operands = [value((2, 3), 0.05), numbers(0, 2), numbers(2, 2)]
    model = record("SLICE", operands, (2, 2), Quantization.per_tensor(0.05, 3), Options("SliceOptions"))
    with pytest.raises(UnsupportedError, match="SLICE of 'here' takes values beyond its operand"):
        program_of(model, "net")


@pytest.mark.parametrize(
    ("begin", "end", "steps", "masks", "shape"),
    [
        ((0, 0, 0, 1), (2, 3, 4, 5), (1, 2, 1, 3), {}, (2, 2, 4, 2)),
        ((0, -1, 3, 0), (2, -4, 0, 5), (1, -1, -2, 1), {"EndMask": 2}, (2, 3, 2, 5)),
        ((1, 1, 0, 0), (0, 0, 9, 9), (1, 1, 2, 1), {"ShrinkAxisMask": 1, "BeginMask": 4, "EndMask": 14}, (2, 2, 5)),
    ],
)
def test_slices_by_steps(
    begin: tuple[int, ...],
    end: tuple[int, ...],
    steps: tuple[int, ...],
    masks: dict[str, int],
    shape: tuple[int, ...],
    tmp_path: Path,
) -> None:
    operands = [value((2, 3, 4, 5), 0.05), numbers(*begin), numbers(*end), numbers(*steps)]
    options = Options("StridedSliceOptions", masks)
    assert same(record("STRIDED_SLICE", operands, shape, Quantization.per_tensor(0.05, 3), options), tmp_path)


@pytest.mark.parametrize("fields", [{}, {"AlignCorners": True}, {"HalfPixelCenters": True}])
@pytest.mark.parametrize("size", [(5, 6), (10, 3), (7, 15), (1, 1)])
@pytest.mark.parametrize("code", ["RESIZE_NEAREST_NEIGHBOR", "RESIZE_BILINEAR"])
def test_images_of_another_size(code: str, size: tuple[int, int], fields: dict[str, bool], tmp_path: Path) -> None:
    operands = [value((1, 5, 6, 3), 0.05), numbers(*size)]
    table = "ResizeBilinearOptions" if code == "RESIZE_BILINEAR" else "ResizeNearestNeighborOptions"
    quant = Quantization.per_tensor(0.05, 3)
    assert same(record(code, operands, (1, *size, 3), quant, Options(table, fields)), tmp_path)


@pytest.mark.parametrize("code", ["RELU", "RELU6"])
def test_relu_by_itself(code: str, tmp_path: Path) -> None:
    assert every(record(code, [value((1, 256), 0.06)], (1, 256), Quantization.per_tensor(0.06, 3)), tmp_path)


def test_relu_to_another_scale(tmp_path: Path) -> None:
    assert every(record("RELU", [value((1, 256), 0.06)], (1, 256), Quantization.per_tensor(0.013, -128)), tmp_path)


@pytest.mark.parametrize(
    ("before", "behind"), [("uint8", "int8"), ("int8", "uint8"), ("float32", "int8"), ("int8", "float32")]
)
def test_other_types_at_the_border(before: str, behind: str, tmp_path: Path) -> None:
    points = {"uint8": 131, "int8": 3}
    source, target = (
        TensorRecord(
            (2, 70), dtype, None, Quantization.per_tensor(0.05, points[dtype], dtype) if dtype in points else None, "x"
        )
        for dtype in (before, behind)
    )
    code = "DEQUANTIZE" if behind == "float32" else "QUANTIZE"
    operator = OperatorRecord(code, (0,), (1,), Options(f"{code.title()}Options"), 2, "here")
    assert same(ModelRecord([source, target], [operator], [0], [1]), tmp_path)


def dense(weights: np.ndarray, bias: np.ndarray, scales: tuple[float, float, float], rows: int = 1) -> ModelRecord:
    """A FULLY_CONNECTED; scales of its input, weights and output."""
    outputs, inputs = weights.shape
    operands = [
        value((rows, inputs), scales[0], -5),
        TensorRecord(weights.shape, "int8", weights.astype(np.int8), Quantization.per_tensor(scales[1])),
        TensorRecord(
            (outputs,), "int32", bias.astype(np.int32), Quantization.per_tensor(scales[0] * scales[1], 0, "int32")
        ),
    ]
    target = Quantization.per_tensor(scales[2])
    return record("FULLY_CONNECTED", operands, (rows, outputs), target, Options("FullyConnectedOptions"))


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("scale", [0.3, 0.0001, 30000.0])
def test_layers_whose_factor_is_below_and_above_one(scale: float, path: str, tmp_path: Path) -> None:
    generator = np.random.default_rng(0)
    weights, bias = generator.integers(-127, 128, (6, 12)), generator.integers(-90, 90, 6)
    assert same(dense(weights, bias, (0.02, 0.01, scale), rows=2), tmp_path, path)


def test_the_product_of_two_scales_is_not_rounded(tmp_path: Path) -> None:
    """A sum that is a half, away from zero, if the product is rounded to float32, and less if not."""
    scales = (0.024790890514850616, 0.0195566825568676, 0.36449846625328064)
    assert same(dense(np.zeros((1, 1)), np.array([-88337]), scales), tmp_path)


@pytest.mark.parametrize("path", PATHS)
def test_weights_that_the_specification_does_not_know(path: str, tmp_path: Path) -> None:
    weights = np.array([[-128, -128, 127, 127, -128, 5]] * 9)
    assert same(dense(weights, np.zeros(9), (0.02, 0.01, 3.0)), tmp_path, path)
    with pytest.raises(UnsupportedError, match="'here' has weights of -128 side by side"):
        program_of(dense(weights[:, [0, 2, 1, 3]], np.zeros(9), (0.02, 0.01, 3.0)), "net")


@pytest.mark.parametrize("path", PATHS)
def test_windows_of_such_weights_over_each_channel(path: str, tmp_path: Path) -> None:
    weights = np.full((1, 3, 3, 20), 127)
    weights[:, :, ::2] = -128
    operands = [
        value((1, 6, 7, 20), 0.02, -128),
        TensorRecord(weights.shape, "int8", weights.astype(np.int8), Quantization.per_tensor(0.01)),
        TensorRecord((20,), "int32", np.arange(20, dtype=np.int32), Quantization.per_tensor(0.0002, 0, "int32")),
    ]
    options = Options("DepthwiseConv2DOptions", {"StrideH": 1, "StrideW": 1, "DepthMultiplier": 1})
    assert same(
        record("DEPTHWISE_CONV_2D", operands, (1, 6, 7, 20), Quantization.per_tensor(0.9), options), tmp_path, path
    )


@pytest.mark.parametrize(
    ("real", "factor"),
    [(1.0, (1 << 30, 1)), (0.5, (1 << 30, 0)), (0.75, (3 << 29, 0)), (1 - 2.0**-33, (1 << 30, 1)), (2.0**-40, (0, 0))],
)
def test_factors(real: float, factor: tuple[int, int]) -> None:
    assert Factor.of(real) == Factor(*factor)


def test_an_operator_that_c_does_not_take_is_named() -> None:
    with pytest.raises(UnsupportedError, match="'here' needs EXP, which has no C form of int8; C takes ADD, "):
        program_of(record("EXP", [value((1, 4), 0.1)], (1, 4), Quantization.per_tensor(0.1)), "net")


def test_values_of_another_type_are_told_how_they_become_int8() -> None:
    graph = graph_of([make("Gemm", ["x", "w"], ["out"], transB=1)], {"x": (1, 4)}, {"w": noise(3, 4)})
    model = lowered_record(prepare(graph))[1]
    model.tensors = [replace(item, dtype="int16") if item.data is None else item for item in model.tensors]
    with pytest.raises(UnsupportedError, match=r"computes with int16.*edgekit quantize --int8"):
        program_of(model, "net")


def test_sums_that_could_leave_32_bits_are_refused() -> None:
    model = dense(np.full((1, 1), 127), np.full(1, 2**31 - 2), (1.0, 0.01, 1.0))
    with pytest.raises(UnsupportedError, match="'here' has sums of more than 32 bits"):
        program_of(model, "net")


@pytest.mark.parametrize(
    ("text", "name"),
    [("mnist-tiny", "mnist_tiny"), ("3D-Net v1.0", "_3d_net_v1_0"), ("größe", "gr_e"), ("數字", "model")],
)
def test_names_become_identifiers(text: str, name: str) -> None:
    assert identifier(text) == name


def test_names_of_strangers_end_no_comment_and_clash_with_nothing(tmp_path: Path) -> None:
    nodes = [
        make("Gemm", ["*/ int", "w"], ["int"], transB=1),
        make("Relu", ["int"], ["i\nnt*/"]),
        make("Gemm", ["i\nnt*/", "v"], ["*/int"], transB=1),
    ]
    graph = graph_of(nodes, {"*/ int": (1, 4)}, {"w": noise(3, 4), "v": noise(3, 3)}, outputs=["*/int"])
    model = lowered_record(quantized(prepare(graph)))[1]
    tensors = random_inputs(model, 3)
    assert answers_of_c(model, tmp_path, tensors) == answers_of_micro(model, tensors)


def test_a_program_tests_itself(tmp_path: Path) -> None:
    model = lowered_record(quantized(prepare(convolution())))[1]
    program = program_of(model, "net", example_of(write_model(model), "litert"))
    assert run(build(program, model, tmp_path, tests_itself=True), b"")[0] == 0
    broken = replace(program, source=program.source.replace("in + i", "in"))
    assert run(build(broken, model, tmp_path, tests_itself=True), b"")[0] > 0


def convolution() -> onnx.ModelProto:
    nodes = [make("Conv", ["x", "w"], ["a"], pads=[1, 1, 1, 1]), make("Relu", ["a"], ["out"])]
    return graph_of(nodes, {"x": (1, 2, 5, 5)}, {"w": noise(3, 2, 3, 3)})


def test_export_takes_the_int8_file_of_a_student(tmp_path: Path) -> None:
    result = export(ExportOptions("mnist-linear", "c", out=tmp_path))
    assert result.path == tmp_path / "model.c"
    assert result.header == tmp_path / "model.h"
    assert result.arena_bytes == 0
    assert "void mnist_linear_run(const int8_t *input_image, int8_t *output_logits);" in result.header.read_text()
    assert "mnist_linear_self_test" in result.path.read_text()


def test_a_model_that_needs_more_memory_than_there_is(tmp_path: Path) -> None:
    assert export(ExportOptions("mnist-tiny", "c", max_ram=9408, out=tmp_path)).arena_bytes == 9408
    with pytest.raises(ModelError, match="share 9,408 bytes of memory, more than --max-ram 9,407 allows"):
        export(ExportOptions("mnist-tiny", "c", max_ram="9407", out=tmp_path / "out"))
    with pytest.raises(UsageError, match="--max-ram is for '--to c'"):
        export(ExportOptions("mnist-tiny", max_ram=9407, out=tmp_path / "out"))
    assert not (tmp_path / "out").exists()


def test_a_file_gives_its_name_to_the_functions(tmp_path: Path) -> None:
    path = tmp_path / "Two Words.int8.tflite"
    path.write_bytes(write_model(lowered_record(quantized(prepare(convolution())))[1]))
    result = export(ExportOptions(str(path), "c", out=tmp_path))
    assert result.header is not None
    assert "void two_words_run(" in result.header.read_text()


def test_what_is_refused_leaves_no_folder(tmp_path: Path) -> None:
    path = tmp_path / "net.tflite"
    exponential = graph_of([make("Exp", ["x"], ["out"])], {"x": (1, 4)}, {})
    path.write_bytes(write_model(lowered_record(prepare(exponential))[1]))
    with pytest.raises(UnsupportedError, match=r"net\.tflite: .* has no C form of float32"):
        export(ExportOptions(str(path), "c", out=tmp_path / "out"))
    (tmp_path / "net.onnx").write_bytes(convolution().SerializeToString())
    with pytest.raises(ModelError, match=r"net\.onnx is no \.tflite file, of which alone C is written"):
        export(ExportOptions(str(tmp_path / "net.onnx"), "c", out=tmp_path / "out"))
    path.write_bytes(path.read_bytes()[:200])
    with pytest.raises(ModelError, match=r"net\.tflite is a broken TFLite file"):
        export(ExportOptions(str(path), "c", out=tmp_path / "out"))
    with pytest.raises(UsageError, match="--shape and --cut-at are for ONNX models"):
        export(ExportOptions("mnist-tiny", "c", cut_at="logits", out=tmp_path / "out"))
    assert not (tmp_path / "out").exists()
