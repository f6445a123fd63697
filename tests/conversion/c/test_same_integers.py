"""The compiled C answers with the integers of TFLite Micro, and no sanitizer has anything to say."""

from __future__ import annotations

from pathlib import Path

import onnx
import pytest
from compiled_c import PATHS, answers_of_c, answers_of_micro, random_inputs
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from random_chains import Chain, end, random_chain
from small_graphs import noise, quantized

from edgekit.catalog import network_card, resolve_model
from edgekit.conversion.tflite.lower_model import lowered_record
from edgekit.conversion.tflite.reader import read_record
from edgekit.graph.prepare import prepare
from edgekit.operators.lowered import ModelRecord

INPUTS = 50


def lowered(model: onnx.ModelProto) -> ModelRecord:
    return lowered_record(model)[1]


def int8_model(chain: Chain) -> ModelRecord:
    return lowered(quantized(prepare(chain.graph())))


def assert_same(model: ModelRecord, folder: Path, path: str, inputs: int = INPUTS) -> None:
    tensors = random_inputs(model, inputs)
    expected = answers_of_micro(model, tensors)
    assert len(set(expected)) > 1
    assert answers_of_c(model, folder, tensors, path=path) == expected


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("student", ["mnist-tiny", "mnist-xs", "mnist-linear"])
def test_shipped_students(student: str, path: str, tmp_path: Path) -> None:
    assert_same(read_record(resolve_model(student, ".int8.tflite")), tmp_path, path)


@pytest.mark.parametrize("student", ["mnist-classic-half", "ds-cnn", "resnet8", "cifar-xs"])
def test_untrained_students(student: str, tmp_path: Path) -> None:
    from edgekit.conversion.torch_onnx import sketch_onnx
    from edgekit.zoo import build

    card = network_card("students", student)
    contract = card.contract
    shape = (contract.height, contract.width, contract.channels)
    network = build(card.architecture, shape, classes=10)
    model = quantized(sketch_onnx(network, contract))
    assert_same(lowered(model), tmp_path, "native", inputs=5)


@pytest.mark.parametrize("path", PATHS)
def test_a_depthwise_convolution_of_one_place(path: str, tmp_path: Path) -> None:
    chain = Chain((3, 4, 5))
    chain.add("Conv", noise(3, 1, 1, 1), noise(3), kernel_shape=[1, 1], group=3)
    assert_same(int8_model(chain), tmp_path, path)


def test_a_sum_of_single_values(tmp_path: Path) -> None:
    chain = Chain((1, 3, 3))
    chain.add("GlobalMaxPool")
    chain.add("Conv", noise(1, 1, 1, 1), kernel_shape=[1, 1])
    chain.add("Add", inputs=("t0", "t1"))
    assert_same(int8_model(chain), tmp_path, "vectors")


@settings(max_examples=12, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(st.data())
def test_random_networks(tmp_path: Path, data: st.DataObject) -> None:
    chain = random_chain(data)
    if data.draw(st.booleans()):
        end(chain, data)
    model, path = int8_model(chain), data.draw(st.sampled_from(sorted(PATHS)))
    tensors = random_inputs(model, INPUTS)
    expected = answers_of_micro(model, tensors)
    assume(len(set(expected)) > 1)
    assert answers_of_c(model, tmp_path, tensors, path=path) == expected
