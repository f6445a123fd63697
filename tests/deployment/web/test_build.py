"""What is in a web bundle."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from edgekit.web import compress
from edgekit.web.compress import compressed_copies
from edgekit.web.page_files import HEADERS, PAGE


def precached(folder: Path) -> dict[str, Any]:
    text = (folder / "precache.js").read_text()
    return dict(json.loads(text.removeprefix("self.PRECACHE = ").rstrip(";\n")))


def test_the_service_worker_keeps_every_file_that_the_page_uses(digits_bundle: Path) -> None:
    files = precached(digits_bundle)["files"]
    there = {str(path.relative_to(digits_bundle)) for path in digits_bundle.rglob("*") if path.is_file()}
    left_out = {name for name in there if not name.endswith((".br", ".gz"))} - set(files)
    assert left_out == {"precache.js", "sw.js", "headers.json", "manifest.json"}
    for name, expected in files.items():
        assert hashlib.sha256((digits_bundle / name).read_bytes()).hexdigest() == expected


def test_another_model_gives_another_version(digits_bundle: Path, photos_bundle: Path) -> None:
    assert precached(digits_bundle)["version"] != precached(photos_bundle)["version"]


def test_it_carries_one_runtime_with_its_licence(digits_bundle: Path) -> None:
    script = (digits_bundle / "app.js").read_text()
    assert "LiteRT compiled to WebAssembly" in script
    assert "ONNX Runtime" not in script
    assert "LiteRT.js" in (digits_bundle / "NOTICE.txt").read_text()


def test_it_can_be_installed(digits_bundle: Path) -> None:
    manifest = json.loads((digits_bundle / "app.webmanifest").read_text())
    assert manifest["display"] == "standalone"
    assert manifest["name"] == "mnist-tiny"
    for entry in manifest["icons"]:
        with Image.open(io.BytesIO((digits_bundle / entry["src"]).read_bytes())) as icon:
            assert "x".join(map(str, icon.size)) == entry["sizes"]


def test_the_page_states_the_policy_of_the_headers_for_hosts_that_send_none() -> None:
    policy = HEADERS["Content-Security-Policy"]
    in_a_page = policy.removesuffix("; frame-ancestors 'none'")  # has no meaning in a page
    assert f'content="{in_a_page}"' in (PAGE / "index.html").read_text()
    assert "unsafe-inline" not in policy
    assert "'unsafe-eval'" not in policy
    assert "http" not in policy


@pytest.mark.parametrize("name", sorted(str(path.relative_to(PAGE)) for path in PAGE.rglob("*.*")))
def test_no_file_of_the_page_names_another_host(name: str) -> None:
    assert "://" not in (PAGE / name).read_text().replace('"https://', "")


def test_compressed_copies_unpack_to_the_same_bytes() -> None:
    brotli = pytest.importorskip("brotli")
    files = {"long.js": b"let a = 1;\n" * 1000, "short.js": b"let b", "model.tflite": bytes(5000)}
    copies = compressed_copies(files)
    assert set(copies) == {"long.js.br", "long.js.gz"}
    assert brotli.decompress(copies["long.js.br"]) == files["long.js"]
    assert gzip.decompress(copies["long.js.gz"]) == files["long.js"]


def test_a_large_file_is_compressed_once_on_a_machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EDGEKIT_CACHE", str(tmp_path))
    monkeypatch.setattr(compress, "MIN_CACHED", 1024)
    files = {"long.js": b"let a = 1;\n" * 1000}
    first = compressed_copies(files)
    monkeypatch.setattr(compress, "_compressors", lambda: {".br": _refuse, ".gz": _refuse})
    assert compressed_copies(files) == first


def _refuse(_: bytes) -> bytes:
    raise AssertionError("compressed again")
