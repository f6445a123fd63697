"""Small networks measured on a device become latency tables of its card."""

from __future__ import annotations

from dataclasses import replace
from itertools import cycle, islice

import numpy as np
import pytest

from edgekit.devices.cards import DeviceCard, device_card
from edgekit.devices.device import Can, Device, open_device
from edgekit.devices.latency.model import features
from edgekit.devices.latency.predict import latency_tables
from edgekit.devices.latency.workload import read_layers, workload_of
from edgekit.errors import RuntimeCrashError, UnknownNameError, UsageError
from edgekit.profiling import calibrate as module
from edgekit.profiling.calibrate import (
    FORMS,
    CalibrateOptions,
    calibrate,
    fit_tables,
    measure_again,
    measure_probes,
    write_probes,
)
from edgekit.profiling.probes import LIMIT_MACS, probe_models

NAMES = ("pointwise.macs", "conv.macs", "depthwise.macs", "dense.weights", "elementwise.outputs", "constant")
RATES = np.array([0.02, 0.03, 0.1, 0.05, 0.2, 900.0])


class Counting(Device):
    """A device whose latency follows the model exactly, and which has LiteRT only."""

    abilities = Can.TIME | Can.CALIBRATE

    def __init__(self):
        super().__init__(DeviceCard("counting", "it counts", "null"))

    def run(self, job, watch):
        if job.runtime != "litert":
            raise UsageError(f"{job.runtime} is not installed.")
        workload = workload_of(read_layers(str(job.model)))
        total = float(features(workload, NAMES) @ RATES)
        if job.task == "measure":
            return {"samples_ns": [total] * 3}
        alone = [features(replace(workload, layers=(layer,)), NAMES) for layer in workload.layers if layer.macs]
        names = cycle(["Fully Connected (NC, F32) GEMM", "Convolution (NHWC, F32) IGEMM"])
        operators = [
            {"name": name, "type": name, "mean_ns": float(found[:-1] @ RATES[:-1])}
            for name, found in zip(names, alone, strict=False)
        ]
        softmax = {"name": "Softmax", "type": "Softmax (NC, F32)", "mean_ns": 900.0}
        return {"operators": [*operators, softmax], "total_ns": total, "profiled_ns": total, "runs": 9}


@pytest.fixture(scope="module")
def every_third():
    """Some probes of every kind."""
    return list(islice(probe_models(), 0, None, 3))


@pytest.fixture
def few(monkeypatch, every_third):
    monkeypatch.setattr(module, "probe_models", lambda: iter(every_third))


def test_probes_are_the_same_every_time():
    first, again = (list(islice(probe_models(), 40)) for _ in range(2))
    assert [name for name, _ in first] == [name for name, _ in again]
    assert [len(model.SerializeToString()) for _, model in first] == [
        len(model.SerializeToString()) for _, model in again
    ]


def test_probes_hold_what_detectors_and_shuffled_networks_hold(every_third):
    kinds = {node.op_type for _, model in every_third for node in model.graph.node}
    assert {"Resize", "Slice", "Transpose", "Reshape", "Concat", "Softmax"} <= kinds


def test_runs_that_something_disturbed_do_not_count(tmp_path, few):
    class Disturbed(Counting):
        def run(self, job, watch):
            found = super().run(job, watch)
            return {"samples_ns": found["samples_ns"] * 3 + [1e9]} if job.task == "measure" else found

    files = write_probes(tmp_path, [("litert", "float32")])[:6]
    assert measure_probes(Disturbed(), files, 1) == measure_probes(Counting(), files, 1)


def test_every_form_of_a_probe_asks_for_the_same_arithmetic_and_runs(tmp_path, monkeypatch, every_third):
    monkeypatch.setattr(module, "probe_models", lambda: iter(every_third[::8]))
    files = write_probes(tmp_path, FORMS)
    assert len(files) == len(FORMS) * len(every_third[::8])
    for name in {file.name for file in files}:
        macs = {(file.runtime, file.precision): file.workload.macs for file in files if file.name == name}
        widened = macs.pop(("ort", "int8"))  # a first layer of three channels may become one of four there
        assert len(set(macs.values())) == 1
        assert macs["ort", "float32"] <= widened < 1.2 * macs["ort", "float32"] + 1
    assert all(file.workload.macs <= LIMIT_MACS for file in files)
    assert {file.path.suffix for file in files if file.runtime == "ort"} == {".onnx"}


def test_a_device_that_follows_the_model_is_predicted_within_its_interval(tmp_path, few, monkeypatch):
    monkeypatch.setenv("EDGEKIT_DEVICES", str(tmp_path))
    monkeypatch.setattr(module, "open_device", lambda name: Counting())
    result = calibrate(CalibrateOptions("cpu", name="mine"))
    assert [table.runtime for table in result.tables] == ["litert", "litert"]
    assert max(table.median_error for table in result.tables) < 0.1
    assert latency_tables(device_card("mine"))[0].precision == "float32"


def test_the_calibrated_device_stands_beside_the_one_that_measures(tmp_path, few, monkeypatch):
    monkeypatch.setenv("EDGEKIT_DEVICES", str(tmp_path))
    monkeypatch.setattr(module, "open_device", lambda name: Counting())
    calibrate(CalibrateOptions("cpu", runtime=("litert",)))
    assert open_device("cpu").figures == ("measured",)
    assert open_device("cpu-calibrated").figures == ("predicted",)


def test_a_device_without_a_runtime_says_so(tmp_path, few, monkeypatch):
    monkeypatch.setenv("EDGEKIT_DEVICES", str(tmp_path))
    monkeypatch.setattr(module, "open_device", lambda name: Counting())
    with pytest.raises(UsageError, match="cpu has no ort; install one there"):
        calibrate(CalibrateOptions("cpu", runtime=("ort",)))
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("device", ["raspberry-pi-4b", "browser", "phone"])
def test_a_device_without_a_clock_of_its_own_is_refused_before_anything_is_written(device):
    with pytest.raises(UsageError, match=f"{device} cannot be calibrated; name cpu"):
        calibrate(CalibrateOptions(device))


def test_a_probe_leaves_nothing_on_the_device_and_one_that_crashes_costs_only_itself(tmp_path, few):
    files = write_probes(tmp_path, FORMS[:1])[:3]
    device = Crashing(files[1].path)
    assert [probe.file for probe in measure_probes(device, files, 1)] == [files[0], files[2]]
    assert device.forgotten == [file.path for file in files]


class Crashing(Counting):
    """Does not survive one file, and notes what it shall forget."""

    def __init__(self, bad):
        super().__init__()
        self.bad, self.forgotten = bad, []

    def run(self, job, watch):
        if job.model == self.bad:
            raise RuntimeCrashError("LiteRT was killed by signal 11.")
        return super().run(job, watch)

    def forget(self, file):
        self.forgotten.append(file)


def test_an_address_needs_a_name_for_its_card():
    with pytest.raises(UsageError, match="--name"):
        calibrate(CalibrateOptions("ssh://pi@kitchen"))


def test_a_name_that_no_file_can_have_is_refused():
    with pytest.raises(UsageError, match="--name a/b cannot name a card, which is a file; leave out the '/'"):
        calibrate(CalibrateOptions("cpu", name="a/b"))


def test_an_unknown_runtime_is_refused_before_anything_is_measured():
    with pytest.raises(UnknownNameError, match="No runtime that is calibrated is called 'litrt'; did you mean 'litert"):
        calibrate(CalibrateOptions("cpu", runtime=("litrt",)))
    with pytest.raises(UnknownNameError, match="known: litert, ort"):
        calibrate(CalibrateOptions("cpu", runtime=("ort", "c")))


def test_onnx_runtime_computes_an_int8_probe_in_integers_as_it_does_real_files(tmp_path, few):
    import onnx
    import onnxruntime

    (file, *_) = write_probes(tmp_path, [("ort", "int8")])
    options = onnxruntime.SessionOptions()
    options.optimized_model_filepath = str(tmp_path / "optimized.onnx")
    onnxruntime.InferenceSession(file.path, options)
    kinds = {node.op_type for node in onnx.load(tmp_path / "optimized.onnx").graph.node}
    assert "QLinearConv" in kinds
    assert not kinds & {"Conv", "FusedConv", "Relu"}


def test_a_probe_that_was_disturbed_is_measured_again(tmp_path, few):
    files = write_probes(tmp_path, [("litert", "float32")])
    exact = measure_probes(Counting(), files, 1)
    disturbed = (replace(exact[0], latency_ns=9 * exact[0].latency_ns), *exact[1:])
    assert measure_again(Counting(), disturbed, 1) == exact


def test_noise_in_the_measurements_widens_the_interval(tmp_path, few):
    files = write_probes(tmp_path, [("litert", "float32")])
    exact = measure_probes(Counting(), files, 1)
    rng = np.random.default_rng(0)
    noisy = [replace(one, latency_ns=one.latency_ns * float(rng.lognormal(0, 0.4))) for one in exact]
    assert fit_tables(noisy, 1)[0].high > fit_tables(exact, 1)[0].high


def test_each_product_of_a_network_has_its_share_where_the_runtime_tells_them_apart(tmp_path, few):
    measured = measure_probes(Counting(), write_probes(tmp_path, [("litert", "int8")]), 1)
    for one in measured:
        assert len(one.shares) == sum(1 for layer in one.file.workload.layers if layer.macs)
        assert 0 <= sum(one.shares) < 1


def test_shares_of_products_decide_where_times_of_networks_leave_it_open(tmp_path, few):
    """Noise in the whole times hides what a kind of layer costs; its share tells."""
    exact = measure_probes(Counting(), write_probes(tmp_path, [("litert", "float32")]), 1)
    rng = np.random.default_rng(1)
    noisy = [replace(one, latency_ns=one.latency_ns * float(rng.lognormal(0, 0.2))) for one in exact]
    blind = [replace(one, shares=()) for one in noisy]
    told, untold = (fit_tables(probes, 1)[0].coefficients for probes in (noisy, blind))

    def off(rates):
        return sum(
            abs(features(one.file.workload, tuple(rates)) @ np.array(list(rates.values())) / one.latency_ns - 1)
            for one in exact
        )

    assert off(told) < off(untold)


def test_weights_that_a_cache_does_not_hold_may_cost_more(tmp_path, few):
    measured = measure_probes(Counting(), write_probes(tmp_path, [("litert", "float32")]), 1)
    beyond = [features(one.file.workload, ("beyond.2MiB",))[0] for one in measured]
    slow = [
        replace(one, latency_ns=one.latency_ns + 0.2 * count, shares=())
        for one, count in zip(measured, beyond, strict=True)
    ]
    rates = fit_tables(slow, 1)[0].coefficients
    errors = [
        abs(features(one.file.workload, tuple(rates)) @ np.array(list(rates.values())) / one.latency_ns - 1)
        for one, count in zip(slow, beyond, strict=True)
        if count
    ]
    assert len(errors) > 3
    assert max(errors) < 0.1
