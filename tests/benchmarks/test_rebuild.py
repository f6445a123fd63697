"""Published networks rebuilt as shapes have the arithmetic and the weights that their papers state."""

from __future__ import annotations

import onnx
import pytest
from latency.files import published_model
from latency.rebuild import BUILDERS, network_family, rebuild
from latency.shapes import Map, Shapes
from onnx import helper

from edgekit.devices.latency.workload import read_workload
from edgekit.errors import UnknownNameError
from tests.small_graphs import graph_of, noise

STATED = {  # millions of multiply-accumulates and of weights, from the papers or the model zoos
    "mobilenet-v1-1.0-224": (569, 4.2),
    "mobilenet-v1-0.25-128": (14, 0.5),
    "mobilenet-v2-1.0-224": (300, 3.4),
    "mobilenet-v2-1.4-224": (582, 6.1),
    "resnet-18": (1814, 11.7),
    "squeezenet-1.0": (837, 1.2),
    "squeezenet-1.1": (390, 1.2),
    "googlenet": (1582, 7.0),
    "vgg-16": (15470, 138.3),
    "alexnet": (724, 61.0),
    "mnasnet": (315, 4.3),
    "proxylessnas": (320, 4.1),
    "shufflenet-v2": (146, 2.3),
    "regnety-400m": (400, 4.3),
    "densenet-121": (2834, 7.9),
    "ssdlite-mobilenet-v2": (800, 4.3),
    "ssd-mobilenet-v2": (1800, 16.8),
}


@pytest.mark.parametrize("name", STATED)
def test_a_rebuilt_network_is_as_large_as_its_paper_says(name):
    macs, weights = STATED[name]
    workload = rebuild(name)
    assert workload.macs / 1e6 == pytest.approx(macs, rel=0.12)
    assert sum(layer.weights for layer in workload.layers) / 1e6 == pytest.approx(weights, rel=0.12)


@pytest.mark.parametrize("name", ["mobilenet-v1-0.25-128", "mobilenet-v2-0.35-96"])
def test_a_network_written_as_a_file_has_the_layers_that_it_was_rebuilt_from(name, tmp_path):
    onnx.save(published_model(name), tmp_path / "net.onnx")
    expected = sorted((layer.kind, layer.macs, layer.outputs) for layer in rebuild(name).layers)
    found = read_workload(tmp_path / "net.onnx").layers
    assert sorted((layer.kind, layer.macs, layer.outputs) for layer in found) == expected


@pytest.mark.parametrize("name", BUILDERS)
def test_every_network_has_a_family_and_layers(name):
    assert network_family(name)
    assert len(rebuild(name).layers) > 5


def test_widths_of_one_network_are_one_family():
    assert network_family("mobilenet-v2-0.35-96") == network_family("mobilenet-v2-1.4-224") == "mobilenet-v2"


def test_an_unknown_network_names_the_nearest_one():
    with pytest.raises(UnknownNameError, match="resnet-18"):
        rebuild("resnet-16")


def test_shapes_written_down_ask_for_what_the_file_asks_for(tmp_path):
    nodes = [
        helper.make_node("Conv", ["in", "w"], ["a"], strides=[2, 2], pads=[1] * 4),
        helper.make_node("Conv", ["a", "v"], ["b"], group=4, pads=[1] * 4),
        helper.make_node("Add", ["a", "b"], ["out"]),
    ]
    path = tmp_path / "small.onnx"
    onnx.save(graph_of(nodes, {"in": (1, 3, 8, 8)}, {"w": noise(4, 3, 3, 3), "v": noise(4, 1, 3, 3)}), path)
    net = Shapes()
    x = net.conv(Map(8, 8, 3), 4, 3, 2)
    net.add(x, net.depthwise(x))
    assert read_workload(path).sums() == net.workload().sums()
