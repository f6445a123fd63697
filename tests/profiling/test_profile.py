import json
import math
import shutil
from pathlib import Path

import onnx
import pytest
from onnx import helper
from typer.testing import CliRunner

from edgekit.cli.main import app
from edgekit.console import duration
from edgekit.devices.drivers.null import ANSWERS, NullDevice
from edgekit.errors import ModelError, RuntimeCrashError, UnknownNameError, UsageError
from edgekit.files import sha256_file
from edgekit.modelfiles.model_ref import ModelRef
from edgekit.profiling.profile import profile, profile_on
from edgekit.profiling.records import ProfileOptions, ProfileResult


@pytest.fixture(scope="module")
def measured(onnx_file, tflite_file):
    return profile(
        ProfileOptions(
            (str(onnx_file), str(tflite_file)),
            runs=60,
            seconds=0.05,
        )
    )


def test_every_figure_of_the_promise_is_there(measured, onnx_file):
    model = measured.models[0]
    timing = model.timing
    assert [one.device for one in measured.devices] == ["cpu"]
    assert (timing.provenance, timing.threads) == ("measured", 1)
    assert (model.runtime, model.sha256) == ("ort", sha256_file(onnx_file))
    assert model.contents.file_bytes == onnx_file.stat().st_size
    assert model.contents.weight_bytes == 4 * (36 + 4 + 432 + 3)
    assert timing.latency.n == len(timing.samples_ns) >= 60
    assert timing.latency.min_ns <= timing.latency.p50_low_ns <= timing.latency.p50_ns <= timing.latency.p50_high_ns
    assert timing.memory.model_bytes > 0
    assert timing.operators.sum_ns > 0
    assert timing.machine["cpu"]
    assert {"ort", "numpy", "python"} == set(timing.versions)


def test_the_arena_belongs_to_tflite_files_only(measured):
    onnx_model, tflite_model = measured.models
    assert onnx_model.timing.arena is None
    arena = tflite_model.timing.arena
    assert arena.arena_bytes >= arena.head_bytes + arena.tail_bytes
    assert tflite_model.missing == {}


def test_the_json_holds_every_raw_sample_and_the_derived_figures(measured):
    document = json.loads(json.dumps(measured.to_dict(), allow_nan=False))
    model = document["models"][1]
    assert len(model["samples_ns"]) == model["latency"]["n"]
    assert model["contents"]["overhead_bytes"] == model["contents"]["file_bytes"] - model["contents"]["weight_bytes"]
    assert model["memory"]["model_bytes"] == model["memory"]["peak_bytes"] - model["memory"]["baseline_bytes"]
    assert math.isclose(model["latency"]["per_second"], 1e9 / model["latency"]["mean_ns"])


def test_the_tables_show_each_file_with_its_latency_and_memory(measured):
    text = str(measured)
    for word in ("small.onnx", "small.tflite", "95% interval", "p99", "arena", "Gemm", "measured", "litert"):
        assert word in text
    assert duration(measured.models[0].timing.latency.p50_ns) in text


PLAIN = ProfileOptions()


def profiled(path, device, options=PLAIN):
    """The profile of one .onnx file on a device."""
    (model,) = profile_on(device, [ModelRef(path, "ort")], options).models
    return model


def test_a_crash_under_the_profiler_costs_the_operator_times_only(onnx_file):
    class Crashing(NullDevice):
        def run(self, job, watch):
            if job.task == "operators":
                raise RuntimeCrashError("the profiler crashed.")
            return super().run(job, watch)

    model = profiled(onnx_file, Crashing())
    assert model.timing.operators is None
    assert model.missing == {"operators": "the profiler crashed"}
    assert model.timing.latency.n == 100


def test_operators_faster_than_the_profilers_clock_are_shown(onnx_file):
    operators = {"operators": [{"name": "a", "type": "Conv", "mean_ns": 0.0}], "total_ns": 0.0}
    operators = {**ANSWERS["operators"], **operators}
    device = NullDevice(answers={"operators": operators})
    assert "all operators" in str(ProfileResult((profile_on(device, [ModelRef(onnx_file, "ort")], ProfileOptions()),)))


def test_a_device_that_does_not_tell_its_memory_leaves_it_open(onnx_file):
    device = NullDevice(answers={"measure": {**ANSWERS["measure"], "peak_bytes": None}})
    assert profiled(onnx_file, device).timing.memory.model_bytes is None


def test_the_device_is_asked_for_what_the_options_say(onnx_file):
    device = NullDevice()
    profiled(onnx_file, device, ProfileOptions(threads=2, runs=70, seconds=3, shape={"image": (1, 1, 8, 8)}))
    assert [job.task for job in device.jobs] == ["measure", "operators"]
    assert {(job.runtime, job.threads, job.runs, job.seconds) for job in device.jobs} == {("ort", 2, 70, 3)}
    assert all(job.shapes == {"image": (1, 1, 8, 8)} for job in device.jobs)


@pytest.mark.parametrize("options", [{"threads": 0}, {"runs": 0}, {"seconds": -1}, {"seconds": math.nan}])
def test_an_impossible_option_is_refused(options):
    with pytest.raises(UsageError, match=f"--{next(iter(options))}"):
        ProfileOptions(**options)


def test_a_runtime_for_another_kind_of_file_is_refused(onnx_file):
    with pytest.raises(ModelError, match="choose another --runtime"):
        profile(ProfileOptions((str(onnx_file),), runtime="litert"))


@pytest.mark.parametrize(("name", "runtime"), [("run", "litert"), ("run@litert", "")])
def test_of_a_run_folder_the_files_that_the_runtime_opens_are_profiled(
    onnx_file, tflite_file, tmp_path, monkeypatch, name, runtime
):
    monkeypatch.setattr("edgekit.profiling.profile.open_device", lambda name: NullDevice())
    (tmp_path / "run").mkdir()
    shutil.copy(onnx_file, tmp_path / "run" / "model.onnx")
    shutil.copy(tflite_file, tmp_path / "run" / "model.tflite")
    result = profile(ProfileOptions((str(tmp_path / name),), runtime=runtime))
    assert [(Path(model.file).name, model.runtime) for model in result.models] == [("model.tflite", "litert")]


def test_tflite_micro_is_not_timed_on_a_large_processor(tflite_file):
    with pytest.raises(UsageError, match="use litert"):
        profile(ProfileOptions((str(tflite_file),), runtime="tflm"))


def test_an_open_size_is_given_with_an_option(tmp_path):
    value = [helper.make_tensor_value_info(name, 1, ["N", 3, "H", "W"]) for name in ("image", "out")]
    graph = helper.make_graph([helper.make_node("Relu", ["image"], ["out"])], "open", value[:1], value[1:])
    path = tmp_path / "open.onnx"
    onnx.save(helper.make_model(graph, ir_version=10, opset_imports=[helper.make_opsetid("", 17)]), path)
    with pytest.raises(UsageError, match="say its size with --shape image=1x3"):
        profile(ProfileOptions((str(path),), runs=5, seconds=0))
    command = ["profile", str(path), str(path), "--shape", "image=1x3x8x8", "--runs", "5", "--seconds", "0", "--json"]
    document = json.loads(CliRunner().invoke(app, command).stdout)
    assert (len(document["models"]), len(document["ratios"])) == (2, 1)


def test_an_unknown_runtime_is_refused_with_the_nearest_one(tflite_file):
    with pytest.raises(UnknownNameError, match="did you mean 'litert'"):
        profile(ProfileOptions((str(tflite_file),), runtime="litrt"))


def test_all_files_are_looked_at_before_anything_is_measured(onnx_file, tmp_path):
    for name, content in (("missing.onnx", None), ("empty.tflite", b""), ("weights.safetensors", b"x")):
        path = tmp_path / name
        if content is not None:
            path.write_bytes(content)
        with pytest.raises(ModelError, match=name):
            profile(ProfileOptions((str(onnx_file), str(path))))


def test_a_truncated_file_is_a_clear_error(tflite_file, tmp_path):
    path = tmp_path / "cut.tflite"
    path.write_bytes(tflite_file.read_bytes()[:200])
    with pytest.raises(ModelError, match=r"cut\.tflite"):
        profile(ProfileOptions((str(path),)))
