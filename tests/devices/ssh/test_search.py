"""A search whose candidates are measured over SSH."""

import pytest

from edgekit.catalog import resolve_model
from edgekit.errors import DeviceError
from edgekit.search import halving
from edgekit.search.records import SearchOptions
from edgekit.search.search import search
from edgekit.training.recipe_options import DistillRecipeOptions


def test_candidates_are_measured_there_and_nothing_is_left(server, small_mnist, tmp_path, monkeypatch):
    monkeypatch.setattr(halving, "STEPS", 2)
    options = SearchOptions(
        "mnist-tiny",
        (str(resolve_model("mnist-linear", "model.onnx")),),
        data=str(small_mnist),
        device=server.address,
        max_latency="50ms",
        trials=2,
        out=tmp_path / "run",
        recipe=DistillRecipeOptions(epochs=1, batch_size=600),
    )
    result = search(options)
    assert result.provenance == "measured"
    trained = [one for one in result.candidates if one.accuracies]
    assert len(trained) == 2
    assert all(0 < one.costs.latency_ms <= 50 for one in trained)
    assert server.left_behind() == []


def test_a_device_that_cannot_be_reached_is_said_before_anything_is_trained(server, small_mnist, tmp_path):
    server.stop()
    options = SearchOptions(
        "mnist-tiny",
        (str(resolve_model("mnist-linear", "model.onnx")),),
        data=str(small_mnist),
        device=server.address,
        max_latency="50ms",
        out=tmp_path / "run",
    )
    with pytest.raises(DeviceError, match=r"127\.0\.0\.1"):
        search(options)
