"""Compressed copies are made once on a machine, and a copy that went bad is made again."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest

from edgekit.web import compress
from edgekit.web.compress import compressed_copies


def test_a_copy_in_the_cache_that_was_changed_is_made_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EDGEKIT_CACHE", str(tmp_path))
    monkeypatch.setattr(compress, "MIN_CACHED", 4096)
    files = {"runtime.wasm": bytes(4096)}
    first = compressed_copies(files)
    kept = list((tmp_path / "compressed").iterdir())
    assert kept
    for path in kept:
        path.write_bytes(b"not what was put there")
    assert compressed_copies(files) == first
    assert gzip.decompress(first["runtime.wasm.gz"]) == files["runtime.wasm"]
