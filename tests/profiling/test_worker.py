"""The worker as a device sees it: a copied folder under another name, started by a bare Python."""

import ast
import json
import shutil
import subprocess
import sys
from pathlib import Path

import onnx
import pytest

from edgekit.runtimes import worker
from edgekit.runtimes.worker import machine

FOLDER = Path(worker.__file__).parent
FLOOR = {"numpy", "tflite_micro"}


@pytest.fixture
def ask(tmp_path):
    """Send a request to a copy of the worker; its lines, merged into one dict."""
    shutil.copytree(FOLDER, tmp_path / "elsewhere")

    def run(task, model, **changes):
        request = {"task": task, "model": str(model), "runtime": "ort", "threads": 1, "runs": 20, "seconds": 0.02}
        request |= {"pin": "auto", "others": []}
        process = subprocess.run(
            [sys.executable, "-m", "elsewhere"],
            input=json.dumps({**request, "limit_s": 60, **changes}) + "\n",
            capture_output=True,
            text=True,
            cwd=tmp_path,
            check=True,
        )
        return {key: value for line in process.stdout.splitlines() for key, value in json.loads(line).items()}

    return run


def files(request):
    return {"ort": request.getfixturevalue("onnx_file"), "litert": request.getfixturevalue("tflite_file")}


@pytest.mark.parametrize("source", sorted(FOLDER.glob("*.py")), ids=lambda path: path.name)
def test_it_is_python_3_9_and_needs_only_numpy_and_a_runtime(source):
    tree = ast.parse(source.read_text(), feature_version=(3, 9))
    imported = {
        name.split(".")[0]
        for node in ast.walk(tree)
        for name in (
            [alias.name for alias in node.names]
            if isinstance(node, ast.Import)
            else [node.module]
            if isinstance(node, ast.ImportFrom) and node.level == 0
            else []
        )
    }
    assert imported <= FLOOR | sys.stdlib_module_names


@pytest.mark.parametrize("runtime", ["ort", "litert"])
def test_it_measures_at_least_the_runs_and_seconds_asked_for(ask, request, runtime):
    result = ask("measure", files(request)[runtime], runtime=runtime, runs=60, seconds=0.2)["result"]
    assert len(result["samples_ns"]) >= 60
    assert sum(result["samples_ns"]) > 0.02e9
    assert min(result["samples_ns"]) > 0
    assert result["load_ns"] > 0
    assert result["first_ns"] > 0
    assert result["warmup_runs"] >= 3


@pytest.mark.parametrize("runtime", ["ort", "litert"])
def test_a_process_with_a_model_takes_more_memory_than_one_without(ask, request, runtime):
    path = files(request)[runtime]
    result = ask("measure", path, runtime=runtime)["result"]
    assert result["peak_bytes"] > result["baseline_bytes"] > 10e6


def test_the_cold_load_and_the_warm_load_are_apart(ask, onnx_file):
    result = ask("measure", onnx_file)["result"]
    assert result["warm_load_ns"] > 0
    assert result["load_from_disk"] in (True, False, None)


def test_files_of_two_runtimes_take_turns_in_one_process(ask, onnx_file, tflite_file):
    answer = ask("turns", onnx_file, others=[["litert", str(tflite_file)]], runs=24, seconds=0.0)
    episodes = answer["result"]["episodes"]
    assert len(episodes) == 14
    assert all(len(turns) >= 2 and min(turns) > 0 for files in episodes for turns in files)
    assert answer["progress"] == 1.0


def test_of_files_that_take_turns_one_that_is_no_model_is_a_refusal(ask, onnx_file, tmp_path):
    (tmp_path / "text").write_text("this is not a model")
    assert ask("turns", onnx_file, others=[["ort", str(tmp_path / "text")]])["error"]["kind"] == "model"


def test_onnx_runtime_times_every_operator_that_is_left_after_fusion(ask, onnx_file):
    result = ask("operators", onnx_file)["result"]
    assert {"Gemm"} <= {operator["type"] for operator in result["operators"]}
    assert result["total_ns"] > 0


def test_litert_times_the_operators_inside_its_delegate(ask, tflite_file):
    result = ask("operators", tflite_file, runtime="litert")["result"]
    types = " ".join(operator["type"] for operator in result["operators"])
    assert "Convolution" in types
    assert "Fully Connected" in types
    assert result["total_ns"] > 0


def test_the_arena_is_exact(ask, tflite_file):
    from tflite_micro.python.tflite_micro import runtime

    arena = ask("arena", tflite_file)["result"]["arena_bytes"]
    data = tflite_file.read_bytes()
    runtime.Interpreter.from_bytes(data, arena_size=arena).invoke()
    with pytest.raises(RuntimeError):
        runtime.Interpreter.from_bytes(data, arena_size=arena - 16)


def test_a_file_without_an_arena_says_why(ask, onnx_file):
    assert "TFLite Micro" in ask("arena", onnx_file)["result"]["unavailable"]


@pytest.mark.parametrize("runtime", ["ort", "litert"])
def test_a_file_that_is_no_model_is_the_models_fault(ask, tmp_path, runtime):
    path = tmp_path / "text"
    path.write_text("this is not a model")
    assert ask("measure", path, runtime=runtime)["error"]["kind"] == "model"


def test_an_open_dimension_is_named(ask, tmp_path, onnx_file):
    model = onnx.load_model(onnx_file)
    model.graph.input[0].type.tensor_type.shape.dim[2].dim_param = "height"
    path = tmp_path / "open.onnx"
    onnx.save_model(model, path)
    error = ask("measure", path)["error"]
    assert error["kind"] == "model"
    assert "'image' leaves dimensions open" in error["text"]


def test_a_clock_that_the_driver_does_not_know_is_asked_elsewhere(tmp_path, monkeypatch):
    (tmp_path / "scaling_cur_freq").write_text("<unknown>\n")
    monkeypatch.setattr(machine, "CPU0", tmp_path)
    monkeypatch.setattr(machine, "_cpuinfo", lambda: {"cpu MHz": "2100.5"})
    assert machine.clock_mhz() == 2100.5
    (tmp_path / "scaling_cur_freq").write_text("1800000\n")
    assert machine.clock_mhz() == 1800
