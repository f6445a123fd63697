import json
import math
import shutil
from pathlib import Path

import pytest

from edgekit.devices.null import ANSWERS, NullDevice
from edgekit.errors import ModelError, RuntimeCrashError, UnknownNameError, UsageError
from edgekit.files import sha256_file
from edgekit.profiling.profile import ProfileOptions, ProfileResult, choose_runtime, profile, profile_file, show
from edgekit.profiling.show import duration


@pytest.fixture(scope="module")
def measured(onnx_file, tflite_file):
    return profile([str(onnx_file), str(tflite_file)], ProfileOptions(runs=60, seconds=0.05))


def test_every_figure_of_the_promise_is_there(measured, onnx_file):
    model = measured.models[0]
    assert (measured.device, measured.provenance) == ("cpu", "measured")
    assert (model.runtime, model.threads, model.sha256) == ("ort", 1, sha256_file(onnx_file))
    assert model.contents.file_bytes == onnx_file.stat().st_size
    assert model.contents.weight_bytes == 4 * (36 + 4 + 432 + 3)
    assert model.latency.n == len(model.samples_ns) >= 60
    assert model.latency.min_ns <= model.latency.p50_low_ns <= model.latency.p50_ns <= model.latency.p50_high_ns
    assert model.memory.model_bytes > 0
    assert model.operators.sum_ns > 0
    assert model.machine["cpu"]
    assert {"ort", "numpy", "python"} == set(model.versions)


def test_the_arena_belongs_to_tflite_files_only(measured):
    onnx_model, tflite_model = measured.models
    assert onnx_model.arena is None
    assert tflite_model.arena.arena_bytes >= tflite_model.arena.head_bytes + tflite_model.arena.tail_bytes
    assert tflite_model.missing == {}


def test_the_json_holds_every_raw_sample_and_the_derived_figures(measured):
    document = json.loads(json.dumps(measured.to_dict(), allow_nan=False))
    model = document["models"][1]
    assert len(model["samples_ns"]) == model["latency"]["n"]
    assert model["contents"]["overhead_bytes"] == model["contents"]["file_bytes"] - model["contents"]["weight_bytes"]
    assert model["memory"]["model_bytes"] == model["memory"]["peak_bytes"] - model["memory"]["baseline_bytes"]
    assert math.isclose(model["latency"]["per_second"], 1e9 / model["latency"]["mean_ns"])


def test_the_tables_show_each_file_with_its_latency_and_memory(measured, capsys):
    show(measured)
    text = capsys.readouterr().out
    for word in ("small.onnx", "small.tflite", "95% interval", "p99", "arena", "Gemm", "measured", "litert"):
        assert word in text
    assert duration(measured.models[0].latency.p50_ns) in text


def test_a_crash_under_the_profiler_costs_the_operator_times_only(onnx_file):
    class Crashing(NullDevice):
        def run(self, job, watch):
            if job.task == "operators":
                raise RuntimeCrashError("the profiler crashed.")
            return super().run(job, watch)

    model = profile_file(onnx_file, Crashing(), ProfileOptions())
    assert model.operators is None
    assert model.missing == {"operators": "the profiler crashed"}
    assert model.latency.n == 100


def test_operators_faster_than_the_profilers_clock_are_shown(onnx_file, capsys):
    operators = {"operators": [{"name": "a", "type": "Conv", "mean_ns": 0.0}], "total_ns": 0.0}
    operators = {**ANSWERS["operators"], **operators}
    model = profile_file(onnx_file, NullDevice(answers={"operators": operators}), ProfileOptions())
    show(ProfileResult("null", "predicted", (model,)))
    assert "all operators" in capsys.readouterr().out


def test_a_device_that_does_not_tell_its_memory_leaves_it_open(onnx_file, capsys):
    device = NullDevice(answers={"measure": {**ANSWERS["measure"], "peak_bytes": None}})
    model = profile_file(onnx_file, device, ProfileOptions())
    assert model.memory.model_bytes is None


def test_the_device_is_asked_for_what_the_options_say(onnx_file):
    device = NullDevice()
    profile_file(onnx_file, device, ProfileOptions(threads=2, runs=70, seconds=3))
    assert [job.task for job in device.jobs] == ["measure", "operators"]
    assert {(job.runtime, job.threads, job.runs, job.seconds) for job in device.jobs} == {("ort", 2, 70, 3)}


@pytest.mark.parametrize("options", [{"threads": 0}, {"runs": 0}, {"seconds": -1}, {"seconds": math.nan}])
def test_an_impossible_option_is_refused(options):
    with pytest.raises(UsageError, match=f"--{next(iter(options))}"):
        ProfileOptions(**options)


def test_a_runtime_for_another_kind_of_file_is_refused(onnx_file):
    with pytest.raises(UsageError, match="use ort"):
        choose_runtime(onnx_file, "litert")


@pytest.mark.parametrize(("name", "runtime"), [("run", "litert"), ("run@litert", "")])
def test_of_a_run_folder_the_files_that_the_runtime_opens_are_profiled(
    onnx_file, tflite_file, tmp_path, monkeypatch, name, runtime
):
    monkeypatch.setattr("edgekit.profiling.profile.open_device", lambda name: NullDevice())
    (tmp_path / "run").mkdir()
    shutil.copy(onnx_file, tmp_path / "run" / "model.onnx")
    shutil.copy(tflite_file, tmp_path / "run" / "model.tflite")
    result = profile([str(tmp_path / name)], ProfileOptions(runtime=runtime))
    assert [(Path(model.file).name, model.runtime) for model in result.models] == [("model.tflite", "litert")]


def test_tflite_micro_is_not_timed_on_a_large_processor(tflite_file):
    with pytest.raises(UsageError, match="use litert"):
        choose_runtime(tflite_file, "tflm")


def test_an_unknown_runtime_is_refused_with_the_nearest_one(tflite_file):
    with pytest.raises(UnknownNameError, match="did you mean 'litert'"):
        choose_runtime(tflite_file, "litrt")


def test_all_files_are_looked_at_before_anything_is_measured(onnx_file, tmp_path):
    for name, content in (("missing.onnx", None), ("empty.tflite", b""), ("weights.safetensors", b"x")):
        path = tmp_path / name
        if content is not None:
            path.write_bytes(content)
        with pytest.raises(ModelError, match=name):
            profile([str(onnx_file), str(path)])


def test_a_truncated_file_is_a_clear_error(tflite_file, tmp_path):
    path = tmp_path / "cut.tflite"
    path.write_bytes(tflite_file.read_bytes()[:200])
    with pytest.raises(ModelError, match=r"cut\.tflite"):
        profile([str(path)])


@pytest.mark.parametrize(
    ("nanoseconds", "text"),
    [
        (950, "0.95 µs"),
        (48_512, "48.5 µs"),
        (999_000, "999 µs"),
        (999_600, "1 ms"),
        (1.5e6, "1.5 ms"),
        (12.34e9, "12.3 s"),
        (4e12, "4000 s"),
    ],
)
def test_a_time_is_written_with_three_digits_and_the_unit_that_fits(nanoseconds, text):
    assert duration(nanoseconds) == text
