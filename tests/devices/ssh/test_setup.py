"""Setting up a device, with small stand-ins for the wheels so that nothing is fetched from the internet."""

from __future__ import annotations

import importlib.metadata
import venv
import zipfile
from pathlib import Path

import pytest

from edgekit.devices.setup import SetupOptions, set_up
from edgekit.devices.ssh.wheels import LITERT, ORT, TFLITE_RUNTIME, Interpreter, require_numpy
from edgekit.errors import DeviceError, StorageError, UsageError

BOARD = {
    "python": "3.11.2",
    "implementation": "CPython",
    "architecture": "aarch64",
    "libc": "glibc 2.36",
    "system": "Linux",
    "own": {},
}


@pytest.fixture
def wheels(tmp_path, monkeypatch):
    """Make a wheel of a distribution whose modules have the given sources; only such wheels are found."""
    folder = tmp_path / "wheels"
    folder.mkdir()
    monkeypatch.setenv("PIP_CONFIG_FILE", "/dev/null")
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(folder))

    def make(name, sources, version=""):
        version = version or importlib.metadata.version(name)
        stem = f"{name.replace('-', '_')}-{version}"
        files = {
            f"{stem}.dist-info/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n",
            f"{stem}.dist-info/WHEEL": "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
            **sources,
        }
        files[f"{stem}.dist-info/RECORD"] = "".join(f"{path},,\n" for path in (*files, f"{stem}.dist-info/RECORD"))
        with zipfile.ZipFile(folder / f"{stem}-py3-none-any.whl", "w") as archive:
            for path, text in files.items():
                archive.writestr(path, text)

    return make


@pytest.fixture
def board(server, wheels):
    """A device with a python3 without packages; there are wheels of what it needs, in the versions that are here."""
    venv.create(server.folder / "bare", symlinks=True)
    server.environment["PATH"] = f"{server.folder}/bare/bin:/usr/bin:/bin"
    server.start()
    wheels("numpy", {"numpy/__init__.py": ""})
    wheels("ai-edge-litert", {"ai_edge_litert/__init__.py": "", "ai_edge_litert/interpreter.py": "import numpy"})
    wheels("onnxruntime", {"onnxruntime/__init__.py": "import numpy"})
    return server


def packages_there(server):
    return sorted(Path(server.environment["HOME"]).glob(".local/share/edgekit/*/*.dist-info"))


def test_what_it_needs_is_sent_in_the_versions_in_use_here(board):
    result = set_up(SetupOptions(board.address))
    names = ("ai-edge-litert", "numpy", "onnxruntime")
    assert result.packages == {name: importlib.metadata.version(name) for name in names}
    assert result.missing == {}
    assert [path.name.split("-")[0] for path in packages_there(board)] == ["ai_edge_litert", "numpy", "onnxruntime"]
    assert str(packages_there(board)[0]).startswith(result.folder)
    assert board.left_behind(0) == []
    assert f"edgekit profile MODEL --device {board.address}" in str(result)


def test_what_there_is_no_such_wheel_of_comes_in_another_version_or_is_named(board, wheels, tmp_path):
    for path in (tmp_path / "wheels").glob("[no]*.whl"):
        path.unlink()
    wheels("numpy", {"numpy/__init__.py": ""}, version="0.1")
    result = set_up(SetupOptions(board.address))
    assert result.packages["numpy"] == "0.1"
    assert list(result.missing) == ["onnxruntime"]


def test_setting_up_again_replaces_what_was_there(board):
    set_up(SetupOptions(board.address))
    left = packages_there(board)[0].parent / "left_from_before.py"
    left.touch()
    set_up(SetupOptions(board.address))
    assert not left.exists()
    assert len(packages_there(board)) == 3


def test_a_runtime_that_does_not_work_there_is_named_beside_one_that_does(board, wheels):
    wheels("onnxruntime", {"onnxruntime/__init__.py": "import os\nos.kill(os.getpid(), 4)"})
    result = set_up(SetupOptions(board.address))
    assert result.missing == {"onnxruntime": "it does not work there (ended by SIGILL)"}


def test_where_no_runtime_works_what_was_there_stays(board, wheels):
    before = Path(set_up(SetupOptions(board.address)).folder)
    wheels("ai-edge-litert", {"ai_edge_litert/interpreter.py": "raise ImportError('wrong libc')"})
    wheels("onnxruntime", {"onnxruntime/__init__.py": "raise ImportError('wrong libc')"})
    with pytest.raises(DeviceError, match=r"no runtime works there, so nothing was changed: .*wrong libc"):
        set_up(SetupOptions(board.address))
    assert (before / "onnxruntime" / "__init__.py").read_text() == "import numpy"
    assert list(before.parent.iterdir()) == [before]


def test_without_any_wheel_nothing_is_sent(board, monkeypatch, tmp_path):
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path))
    with pytest.raises(DeviceError, match="cannot be fetched here"):
        set_up(SetupOptions(board.address))
    assert packages_there(board) == []


def test_a_disk_that_cannot_be_written_is_an_error(board):
    home = Path(board.environment["HOME"])
    (home / ".local").write_text("in the way")
    with pytest.raises((StorageError, DeviceError), match="the system there refuses a file"):
        set_up(SetupOptions(board.address))
    assert board.left_behind(0) == []


@pytest.mark.parametrize(("architecture", "packages"), [("aarch64", (LITERT, ORT)), ("armv7l", (TFLITE_RUNTIME,))])
def test_each_architecture_gets_the_runtimes_that_it_has(architecture, packages):
    python = Interpreter.from_about("board", {**BOARD, "architecture": architecture})
    assert set(packages) <= set(python.packages)
    options = python.pip_options()
    assert f"manylinux_2_36_{architecture}" in options
    assert f"manylinux_2_37_{architecture}" not in options


@pytest.mark.parametrize(
    ("about", "reason"),
    [
        ({"architecture": "armv6l"}, "no runtime has wheels"),
        ({"libc": ""}, "no glibc"),
        ({"system": "Darwin", "libc": ""}, "by hand"),
        ({"implementation": "PyPy"}, "install CPython"),
        ({"python": "3.7.3"}, "install CPython 3.9"),
    ],
)
def test_a_machine_without_wheels_is_told_so(about, reason):
    with pytest.raises(DeviceError, match=reason):
        Interpreter.from_about("board", {**BOARD, **about})


@pytest.mark.parametrize(
    ("numpy", "reason"), [("", "apt install python3-numpy"), ("2.2.4", r"has NumPy 2\.2\.4"), ("1.24.2", "")]
)
def test_a_32_bit_system_brings_its_own_numpy_which_must_be_an_old_one(numpy, reason):
    python = Interpreter.from_about("board", {**BOARD, "architecture": "armv7l", "own": {"numpy": numpy}})
    if not reason:
        return require_numpy("board", python)
    with pytest.raises(DeviceError, match=reason):
        require_numpy("board", python)
    return None


def test_a_machine_here_without_pip_says_so(board, monkeypatch):
    venv.create(board.folder / "no_pip", symlinks=True)
    monkeypatch.setattr("edgekit.devices.ssh.wheels.sys.executable", str(board.folder / "no_pip" / "bin" / "python3"))
    with pytest.raises(UsageError, match="ensurepip"):
        set_up(SetupOptions(board.address))
