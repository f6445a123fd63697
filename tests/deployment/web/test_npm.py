"""Packages come from the cache or from the user's npm, and are what was pinned."""

from __future__ import annotations

import base64
import hashlib
import io
import tarfile
from pathlib import Path

import pytest

from edgekit.errors import DeviceError
from edgekit.web.npm import Package, find_package


def archive(files: dict[str, bytes]) -> bytes:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w:gz") as packed:
        for name, data in files.items():
            entry = tarfile.TarInfo(f"package/{name}")
            entry.size = len(data)
            packed.addfile(entry, io.BytesIO(data))
    return stream.getvalue()


def package(data: bytes) -> Package:
    integrity = "sha512-" + base64.b64encode(hashlib.sha512(data).digest()).decode()
    return Package("A Thing", "@some/thing", "1.2.3", integrity, "MIT", "Somebody", {"thing/a.js": "dist/a.js"})


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("EDGEKIT_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def use_npm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, script: str) -> None:
    """A program npm that is all there is on PATH but for the usual tools."""
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "npm").write_text(f"#!/bin/sh\n{script}\n")
    (tmp_path / "bin" / "npm").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:/usr/bin:/bin")


DATA = archive({"dist/a.js": b"let a", "dist/b.js": b"let b"})


def test_an_archive_in_the_cache_needs_no_npm(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    thing = package(DATA)
    thing.archive.parent.mkdir(parents=True)
    thing.archive.write_bytes(DATA)
    assert thing.read() == {"thing/a.js": b"let a"}


def test_npm_fetches_what_is_missing_and_it_is_kept(
    cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "given.tgz").write_bytes(DATA)
    use_npm(tmp_path, monkeypatch, f'cp {tmp_path / "given.tgz"} "${{6:-.}}/some-thing-1.2.3.tgz"')
    thing = package(DATA)
    assert thing.read() == {"thing/a.js": b"let a"}
    assert thing.archive == cache / "npm" / "some-thing-1.2.3.tgz"
    assert thing.archive.read_bytes() == DATA


def test_an_archive_with_another_hash_is_refused(cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "given.tgz").write_bytes(archive({"dist/a.js": b"steal()"}))
    use_npm(tmp_path, monkeypatch, f'cp {tmp_path / "given.tgz"} "${{6:-.}}/some-thing-1.2.3.tgz"')
    with pytest.raises(DeviceError, match=r"not the pinned hash.*npm pack @some/thing@1\.2\.3"):
        package(DATA).read()
    assert not (cache / "npm").exists()


def test_a_damaged_archive_in_the_cache_is_fetched_again(
    cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    thing = package(DATA)
    thing.archive.parent.mkdir(parents=True)
    thing.archive.write_bytes(DATA[:-20])
    (tmp_path / "given.tgz").write_bytes(DATA)
    use_npm(tmp_path, monkeypatch, f'cp {tmp_path / "given.tgz"} "${{6:-.}}/some-thing-1.2.3.tgz"')
    assert thing.read() == {"thing/a.js": b"let a"}


def test_without_npm_the_message_says_where_to_put_the_archive(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    with pytest.raises(DeviceError, match=r"install Node\.js, or run `npm pack @some/thing@1\.2\.3` elsewhere"):
        package(DATA).read()


def test_a_failing_npm_is_quoted(cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    use_npm(tmp_path, monkeypatch, 'echo \'{"error": {"code": "E404", "summary": "Not found."}}\'; exit 1')
    with pytest.raises(DeviceError, match=r"npm cannot fetch @some/thing@1\.2\.3 \(Not found\)"):
        package(DATA).read()


def test_an_npm_that_writes_no_text_or_is_no_program_is_an_error_that_says_so(
    cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    use_npm(tmp_path, monkeypatch, "printf '\\377 broken' >&2; exit 1")
    with pytest.raises(DeviceError, match=r"npm cannot fetch .* broken"):
        package(DATA).read()
    (tmp_path / "bin" / "npm").write_bytes(b"\0\0\0\0")
    with pytest.raises(DeviceError, match="npm cannot be started"):
        package(DATA).read()


@pytest.mark.parametrize("runtime", ["litert", "ort"])
def test_the_runtimes_are_pinned(runtime: str) -> None:
    found = find_package(runtime)
    assert len(base64.b64decode(found.integrity.removeprefix("sha512-"))) == 64
    assert all(name.startswith(f"{runtime}/") for name in found.files)
