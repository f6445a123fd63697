"""``edgekit doctor MODEL``: each layer with what it loses and takes, and what would help."""

import json
import re
from dataclasses import replace
from pathlib import Path

import pytest

import edgekit
from edgekit.console import Table, text_of
from edgekit.diagnosis.model import Diagnosis
from edgekit.errors import UnknownNameError, UsageError


@pytest.fixture(scope="module")
def found(small_mnist: Path) -> Diagnosis:
    return edgekit.doctor("mnist-tiny", data=str(small_mnist), calibration=20)


def test_every_layer_is_there_with_its_noise_range_and_time(found):
    layers = {layer.tensor: layer for layer in found.layers}
    assert (found.layers[0].operator, found.layers[-1].operator) == ("input", "Gemm")
    for layer in found.layers[1:]:
        assert layer.low <= 0 < layer.high
        assert layer.sqnr_db is not None
        assert layer.undelegated == ""
    computed = [layer for layer in layers.values() if layer.operator in ("Relu", "Gemm")]
    assert len(computed) == 8
    for layer in computed:
        assert layer.int8_us > 0
        assert layer.float_us > 0
        assert layer.weights_db > 20


def test_changes_gain_and_are_at_most_three(found):
    assert len(found.changes) <= 3
    assert all(change.gain_db > 0 for change in found.changes)
    assert all(change.verdict.sqnr_db > found.verdict.sqnr_db for change in found.changes)


def test_it_is_shown_and_becomes_a_document(found):
    assert "logits (Gemm)" in str(found)
    document = json.loads(json.dumps(found.to_dict(), allow_nan=False))
    assert len(document["layers"]) == len(found.layers)


def test_the_layers_are_a_table_in_a_terminal_of_80_columns(found):
    named = [replace(layer, tensor=f"/model/features/features.0/{layer.tensor}") for layer in found.layers]
    layers = next(part for part in replace(found, layers=tuple(named)).parts() if isinstance(part, Table))
    assert re.search(r"tensor +range +dB +dB +dB +µs +µs\n", text_of(layers, 80))


def test_data_without_a_model_and_a_name_that_is_none_are_refused():
    with pytest.raises(UsageError, match="--data is for the doctor of a model"):
        edgekit.doctor(data="mnist")
    with pytest.raises(UnknownNameError, match="mnist-tiny"):
        edgekit.doctor("mnist-tinny", data="mnist")
