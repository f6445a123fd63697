"""A model as a compiled C program answers, is timed and is counted wherever a .tflite file is."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from onnx import helper
from small_graphs import graph_of

from edgekit.artifact import Metadata
from edgekit.catalog import resolve_model
from edgekit.conversion.c import library
from edgekit.conversion.c.library import open_session, opened_by, run_job
from edgekit.conversion.tflite import lower
from edgekit.devices.device import Job, open_device
from edgekit.errors import ModelError, UnsupportedError, UsageError
from edgekit.evaluation.compare import CompareOptions, OutputsComparison, compare
from edgekit.evaluation.evaluate import EvaluateOptions, evaluate
from edgekit.graph.prepare import prepare
from edgekit.modelfiles.session import FileSession
from edgekit.profiling.counts import count_runs
from edgekit.profiling.profile import profile
from edgekit.profiling.records import ProfileOptions

LINEAR = resolve_model("mnist-linear", ".int8.tflite")
IMAGES = np.random.default_rng(5).integers(-128, 128, (3, 28, 28, 1), np.int8)


def test_it_takes_and_gives_what_the_file_does() -> None:
    with open_session(LINEAR, "c") as ours, FileSession(LINEAR, "litert-reference") as theirs:
        assert (ours.inputs, ours.outputs) == (theirs.inputs, theirs.outputs)
        assert np.array_equal(ours.run_rows([IMAGES])[0], theirs.run_rows([IMAGES])[0])
        assert (ours.path, ours.version) == (LINEAR, "C99")
        with pytest.raises(ModelError, match="not of the inputs' shapes and types"):
            ours.run([IMAGES[:1].astype(np.float32)])


def test_evaluate_and_compare_run_it() -> None:
    both = evaluate(EvaluateOptions(("mnist-linear@c", "mnist-linear@tflm"), images=40))
    first, second = both.evaluations
    assert first.figures == second.figures
    found = compare(CompareOptions("mnist-linear@c", "mnist-linear@tflm", "noise", 10))
    assert isinstance(found, OutputsComparison)
    parity = found.outputs[0].parity
    assert parity is not None
    assert parity.largest == 0


def test_profile_times_it_beside_another_runtime() -> None:
    (device,) = profile(ProfileOptions(("mnist-linear@c", "mnist-linear@litert"), runs=5, seconds=0.01)).devices
    found = device.models[0]
    assert (found.file, found.runtime, found.runtime_version) == (str(LINEAR), "c", "C99")
    assert found.timing is not None
    assert found.timing.arena is not None
    assert found.missing["operators"].startswith("C has no profiler")
    assert [ratio.file for ratio in device.ratios] == [str(LINEAR)]


def nothing(share: float) -> None:
    pass


@pytest.mark.usefixtures("emulator")
@pytest.mark.parametrize("name", ["raspberry-pi-4b", "raspberry-pi-5"])
def test_a_board_counts_fewer_instructions_than_of_a_runtime(name: str) -> None:
    tiny = resolve_model("mnist-tiny", ".int8.tflite")
    job = Job("count", "c", tiny, others=(("litert", tiny),))
    counts = count_runs(run_job(open_device(name), job, nothing)["log"])
    assert 10_000 < counts[0].total < counts[-1].total
    assert bool(counts[0].vector_dot) == (name == "raspberry-pi-5")


@pytest.mark.usefixtures("emulator")
def test_a_board_answers_as_this_machine_does() -> None:
    (found,) = evaluate(EvaluateOptions(("mnist-tiny@c",), device="raspberry-pi-4b", images=20)).evaluations
    assert found.agreement is not None
    assert (found.agreement.images, found.agreement.differing) == (20, 0)


def test_a_library_for_each_processor(tmp_path: Path) -> None:
    machines = {
        "aarch64": 183,
        "aarch64 asimddp": 183,
        "cortex-a53": 183,
        "armv7l": 40,
        "armv6l": 40,
        "x86_64": 62,
        "x86_64 avx512_vnni": 62,
    }
    for processor, machine in machines.items():
        with opened_by("c", LINEAR, processor) as path:
            data = path.read_bytes()
            assert (data[:4], int.from_bytes(data[18:20], "little")) == (b"\x7fELF", machine)
        assert not path.exists()
    with pytest.raises(UsageError, match=r"--runtime c knows no processor riscv64; it compiles for aarch64, "):
        library._library(LINEAR, "", "riscv64")


def test_what_c_does_not_take_is_refused_with_the_name_of_the_file(tmp_path: Path) -> None:
    path = tmp_path / "net.tflite"
    graph = graph_of([helper.make_node("Exp", ["x"], ["out"])], {"x": (1, 4)}, {})
    path.write_bytes(lower(prepare(graph), Metadata()))
    with pytest.raises(UnsupportedError, match=r"net\.tflite: .* needs EXP, which has no C form"):
        open_session(path, "c")
    with pytest.raises(ModelError, match=r"gone\.tflite does not exist"):
        open_session(tmp_path / "gone.tflite", "c")
    with pytest.raises(ModelError, match="not a file that C opens"):
        open_session(resolve_model("mnist-linear", ".int8.onnx"), "c")
    with pytest.raises(ModelError, match=r"digits\.so"):
        FileSession(LINEAR, "c", opened=tmp_path / "digits.so")
