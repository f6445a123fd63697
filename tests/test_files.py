from __future__ import annotations

import errno
import os
import subprocess
import sys
from pathlib import Path

import pytest

from edgekit.errors import ModelError, StorageError
from edgekit.files import (
    require_file,
    require_writable,
    sha256_bytes,
    sha256_file,
    short_names,
    staged,
    storage_errors,
    write_bytes,
)


def test_files_are_called_by_their_names_and_those_of_one_name_by_their_folders_too() -> None:
    paths = ["a.onnx", "runs/one/b.onnx", "runs/two/b.onnx", "/x/one/b.onnx"]
    assert list(short_names(paths).values()) == ["a.onnx", "runs/one/b.onnx", "two/b.onnx", "x/one/b.onnx"]
    assert short_names(["c/b.onnx", "c/b.onnx", "b.onnx"]) == {"c/b.onnx": "c/b.onnx", "b.onnx": "b.onnx"}


def test_a_write_replaces_the_whole_file(tmp_path: Path) -> None:
    path = tmp_path / "new" / "file.bin"
    write_bytes(path, b"one")
    write_bytes(path, b"two")
    assert path.read_bytes() == b"two"
    assert [item.name for item in path.parent.iterdir()] == ["file.bin"]
    assert sha256_file(path) == sha256_bytes(b"two")


def test_a_failed_write_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "file.bin"
    write_bytes(path, b"old")

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "no space")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(StorageError, match="the disk is full"):
        write_bytes(path, b"new")
    assert path.read_bytes() == b"old"
    assert [item.name for item in tmp_path.iterdir()] == ["file.bin"]


def test_staged_files_appear_together_or_not_at_all(tmp_path: Path) -> None:
    def broken() -> None:
        with staged(tmp_path) as scratch:
            (scratch / "a").write_text("a")
            raise KeyError("broken")

    with pytest.raises(KeyError, match="broken"):
        broken()
    assert list(tmp_path.iterdir()) == []
    with staged(tmp_path) as scratch:
        (scratch / "a").write_text("a")
        (scratch / "b").write_text("b")
        assert not (tmp_path / "a").exists()
    assert sorted(item.name for item in tmp_path.iterdir()) == ["a", "b"]


def test_what_cannot_be_read_while_files_are_staged_is_not_blamed_on_their_folder(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"gone\.txt"), staged(tmp_path / "out"):
        (tmp_path / "gone.txt").read_text()
    with pytest.raises(StorageError, match=r"Cannot write .*out: the disk is full"), staged(tmp_path / "out"):
        raise OSError(errno.ENOSPC, "no space")
    assert not (tmp_path / "out").exists()


def test_a_refusal_leaves_no_folder_that_was_not_there(tmp_path: Path) -> None:
    assert require_writable(tmp_path / "runs" / "new") == tmp_path / "runs" / "new"
    assert not (tmp_path / "runs").exists()
    with pytest.raises(KeyError), staged(tmp_path / "runs" / "new"):
        raise KeyError
    assert not (tmp_path / "runs").exists()
    with pytest.raises(StorageError, match="the name is too long; choose a shorter --out"):
        require_writable(tmp_path / "runs" / ("n" * 300))
    assert not (tmp_path / "runs").exists()
    (tmp_path / "runs").mkdir()
    require_writable(tmp_path / "runs")
    assert (tmp_path / "runs").is_dir()


def test_a_really_full_disk_is_said_and_leaves_nothing(tmp_path: Path) -> None:
    """RLIMIT_FSIZE makes the kernel refuse the write itself, as a full disk does."""
    code = """
import resource, signal, sys
from pathlib import Path
from edgekit.errors import StorageError
from edgekit.files import write_bytes
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))
try:
    write_bytes(Path(sys.argv[1]) / "big.bin", b"x" * 5000)
except StorageError as exc:
    print(exc)
"""
    done = subprocess.run([sys.executable, "-c", code, str(tmp_path)], capture_output=True, text=True, check=True)
    assert "big.bin" in done.stdout
    assert "file size limit" in done.stdout
    assert list(tmp_path.iterdir()) == []


def test_a_file_in_the_way_of_a_folder_is_said(tmp_path: Path) -> None:
    (tmp_path / "out").write_text("")
    with pytest.raises(StorageError, match="out"):
        require_writable(tmp_path / "out")
    with pytest.raises(StorageError, match="a part of that path is a file"):
        require_writable(tmp_path / "out" / "deeper")


@pytest.mark.parametrize("number", [errno.EACCES, errno.EROFS, errno.EPERM])
def test_no_permission_to_write_names_the_folder(number: int) -> None:
    with (
        pytest.raises(StorageError, match=r"Cannot write results: .*choose another --out"),
        storage_errors(Path("results")),
    ):
        raise OSError(number, os.strerror(number))


def test_an_unusable_file_is_named_with_its_reason(tmp_path: Path) -> None:
    (tmp_path / "empty.onnx").touch()
    for name, reason in (("none.onnx", "does not exist"), ("empty.onnx", "is empty"), (".", "is not a file")):
        with pytest.raises(ModelError, match=reason):
            require_file(tmp_path / name)


def test_an_error_names_the_option_that_chooses_the_place(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"in the way")
    with pytest.raises(StorageError, match=r"a file of that name is in the way; choose another EDGEKIT_CACHE"):
        write_bytes(tmp_path / "file" / "answers.npy", b"x", "EDGEKIT_CACHE")
