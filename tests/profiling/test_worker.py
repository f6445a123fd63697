"""The worker as a device sees it: a copied folder under another name, started by a bare Python."""

import ast
import json
import shutil
import subprocess
import sys
from pathlib import Path

import onnx
import pytest
from onnx import helper

from edgekit import runtimes
from edgekit.runtimes.worker import machine

FOLDER = Path(runtimes.__file__).parent
FLOOR = {"numpy", *(runtime.module.split(".")[0] for runtime in runtimes.RUNTIMES.values())}

ECHO = '''
"""A runtime that gives back what it gets."""

from .runtime import Runtime, Tensor


class Echo(Runtime):
    def _open(self, model, threads, shapes):
        return Session()


class Session:
    inputs = outputs = (Tensor("value", (1, 4), "float32"),)

    def run(self, tensors):
        return [tensor.copy() for tensor in tensors]

    def prepared(self, tensors):
        return lambda: self.run(tensors)


RUNTIMES = (Echo("echo", "Echo", ".onnx", "numpy", "numpy"),)
'''


@pytest.fixture
def ask(tmp_path):
    """Send a request to a copy of the worker; its lines, merged into one dict."""
    shutil.copytree(FOLDER, tmp_path / "elsewhere")

    def run(task, model, **changes):
        request = {"task": task, "model": str(model), "runtime": "ort", "threads": 1, "runs": 20, "seconds": 0.02}
        request |= {"pin": "auto", "others": [], "shapes": {}}
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


@pytest.mark.parametrize("source", sorted(FOLDER.rglob("*.py")), ids=lambda path: path.name)
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


@pytest.fixture
def open_file(tmp_path):
    """A Relu of [N, 3, height, width]."""
    value = [helper.make_tensor_value_info(name, 1, ["N", 3, "height", "width"]) for name in ("image", "out")]
    graph = helper.make_graph([helper.make_node("Relu", ["image"], ["out"])], "open", value[:1], value[1:])
    onnx.save_model(
        helper.make_model(graph, ir_version=10, opset_imports=[helper.make_opsetid("", 17)]), tmp_path / "o.onnx"
    )
    return tmp_path / "o.onnx"


def test_an_open_dimension_is_named(ask, open_file):
    error = ask("measure", open_file)["error"]
    assert error["kind"] == "option"
    assert error["text"] == (
        "The input 'image' of o.onnx leaves dimension 2 open; say its size with --shape image=1x3x?x?"
    )


@pytest.mark.parametrize("task", ["measure", "operators", "turns", "count"])
def test_an_open_dimension_is_given(ask, open_file, task):
    result = ask(task, open_file, shapes={"image": [1, 3, 8, 8]})["result"]
    assert result
    assert "unavailable" not in result


def test_a_size_that_the_file_has_fixed_cannot_be_given(ask, open_file):
    error = ask("measure", open_file, shapes={"image": [1, 4, 8, 8]})["error"]
    assert error == {"kind": "option", "text": "--shape image=1x4x8x8 does not fit the input's own ?x3x?x?"}
    error = ask("measure", open_file, shapes={"imag": [1, 3, 8, 8]})["error"]
    assert error["text"].endswith("say its size with --shape image=1x3x?x?")


@pytest.mark.parametrize("runtime", ["litert-builtin", "litert-reference"])
def test_other_kernels_of_litert_are_timed_as_well(ask, tflite_file, runtime):
    result = ask("measure", tflite_file, runtime=runtime)["result"]
    assert runtime in result["versions"]
    assert min(result["samples_ns"]) > 0
    types = {operator["type"] for operator in ask("operators", tflite_file, runtime=runtime)["result"]["operators"]}
    assert {"CONV_2D", "FULLY_CONNECTED"} <= types


def test_a_new_runtime_is_one_more_file(ask, tmp_path, onnx_file):
    (tmp_path / "elsewhere" / "echo.py").write_text(ECHO)
    result = ask("measure", onnx_file, runtime="echo")["result"]
    assert "echo" in result["versions"]
    assert min(result["samples_ns"]) > 0
    assert "no profiler" in ask("operators", onnx_file, runtime="echo")["result"]["unavailable"]


def test_a_clock_that_the_driver_does_not_know_is_asked_elsewhere(tmp_path, monkeypatch):
    (tmp_path / "scaling_cur_freq").write_text("<unknown>\n")
    monkeypatch.setattr(machine, "CPU0", tmp_path)
    monkeypatch.setattr(machine, "_facts", lambda file: {"cpu MHz": "2100.5"})
    assert machine.clock_mhz() == 2100.5
    (tmp_path / "scaling_cur_freq").write_text("1800000\n")
    assert machine.clock_mhz() == 1800
