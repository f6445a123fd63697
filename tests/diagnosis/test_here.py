"""``edgekit doctor``: what is here, and the command that brings what is not."""

import json
import subprocess
import sys

import pytest

import edgekit
from edgekit import extras
from edgekit.runtimes.int8_kernels import KERNELS, int8_kernels


@pytest.fixture
def bare(tmp_path, monkeypatch):
    """A machine without programs, whose cache is empty."""
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("EDGEKIT_CACHE", str(tmp_path))
    monkeypatch.setattr("edgekit.devices.browser.chromium.PLACES", ())


def missing():
    return {one.name: one for one in edgekit.doctor().facilities if one.missing}


def test_versions_cores_and_kernels_are_said():
    found = edgekit.doctor()
    assert found.packages["numpy"] == extras.installed("numpy")
    assert found.processor["usable_cores"] >= 1
    assert found.int8 == int8_kernels(found.processor["features"])
    assert {"train", "serve", "emulator", "browser", "ssh"} <= {one.name for one in found.facilities}


@pytest.mark.parametrize(
    ("name", "command"),
    [
        ("emulator", "sudo apt-get install qemu-user apt dpkg gcc"),
        ("ssh", "install it (Debian: apt install openssh-client)"),
        ("browser", "install one, or name it in $EDGEKIT_BROWSER"),
        ("page runtimes", "install Node.js, or run `npm pack"),
    ],
)
@pytest.mark.usefixtures("bare")
def test_a_program_that_is_missing_is_told_with_what_brings_it(name, command):
    assert missing()[name].run.startswith(command)


def test_a_setup_is_proposed_for_the_usual_board(monkeypatch, tmp_path):
    monkeypatch.setenv("EDGEKIT_CACHE", str(tmp_path))
    monkeypatch.setattr("edgekit.diagnosis.here.require_tools", lambda *names: None)
    monkeypatch.setattr("edgekit.diagnosis.here.qemu_version", lambda: "7.2")
    monkeypatch.setattr("edgekit.devices.emulated.setup.qemu_version", lambda: "7.2")
    monkeypatch.setattr("edgekit.devices.emulated.setup.require_tools", lambda *names: None)
    assert missing()["emulator"].run == "edgekit devices setup raspberry-pi-4b"


def test_an_extra_that_is_missing_or_too_old_is_told(monkeypatch):
    monkeypatch.setattr(extras, "version", lambda name: "0.1")
    assert missing()["parquet"].run == extras.install("parquet")
    assert missing()["parquet"].missing.startswith("pyarrow 0.1 is not >=")


def test_it_fits_a_screen_and_becomes_a_document():
    shown = subprocess.run([sys.executable, "-m", "edgekit", "doctor"], capture_output=True, text=True, check=True)
    assert len(shown.stdout.splitlines()) <= 45
    assert json.loads(json.dumps(edgekit.doctor().to_dict()))["version"] == edgekit.__version__


def test_nothing_heavy_is_loaded_for_it():
    heavy = ("torch", "onnx", "onnxruntime", "ai_edge_litert", "transformers", "matplotlib")
    probe = f"import sys, edgekit; edgekit.doctor(); print([name for name in {heavy} if name in sys.modules])"
    assert subprocess.run([sys.executable, "-c", probe], capture_output=True, text=True, check=True).stdout == "[]\n"


def test_the_best_instructions_of_a_processor_are_named():
    assert int8_kernels(["avx2", "avx512f", "avx512_vnni"]) == KERNELS["avx512_vnni"]
    assert int8_kernels(["asimd", "asimddp"]) == KERNELS["asimddp"]
    assert int8_kernels([]) == "plain C"


@pytest.mark.parametrize(
    ("asked", "why"),
    [(["numpy>=1.26"], "EdgeKit was installed before it had this"), ([], "EdgeKit is not installed")],
)
def test_an_extra_of_which_pip_knows_nothing_is_told(monkeypatch, asked, why):
    monkeypatch.setattr(extras, "requires", lambda name: asked)
    assert (missing()["search"].missing, missing()["search"].run) == (why, extras.install("search"))
