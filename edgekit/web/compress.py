"""Compressed copies of a page's files, made once, so that a server has only to send them."""

from __future__ import annotations

import gzip
from collections.abc import Callable, Mapping
from importlib import import_module

from edgekit.console import progress
from edgekit.files import sha256_bytes, user_cache, write_bytes

GZIP_LEVEL = 9
BROTLI_QUALITY = 11
"""Brotli's best: slow, but a runtime is compressed once, and sent often."""
# A smaller file fits into a packet as it is.
MIN_BYTES = 512
# Of Chrome's and Safari's transfers only those over HTTPS and to localhost take Brotli; the others take gzip.
MIN_CACHED = 1 << 20
PACKED = (".png", ".tflite", ".onnx")
"""Files that compress too little to be worth a copy."""


def compressed_copies(files: Mapping[str, bytes]) -> dict[str, bytes]:
    """``NAME.br`` and ``NAME.gz`` of each file that gets at least a tenth smaller; Brotli where it is installed."""
    copies: dict[str, bytes] = {}
    chosen = [name for name, data in files.items() if len(data) >= MIN_BYTES and not name.endswith(PACKED)]
    with progress("compressing", len(chosen)) as bar:
        for done, name in enumerate(chosen, 1):
            for suffix, compress in _compressors().items():
                packed = _cached(files[name], suffix, compress)
                if len(packed) <= 0.9 * len(files[name]):
                    copies[name + suffix] = packed
            bar.update(done, name)
    return copies


def _compressors() -> dict[str, Callable[[bytes], bytes]]:
    known: dict[str, Callable[[bytes], bytes]] = {".gz": lambda data: gzip.compress(data, GZIP_LEVEL, mtime=0)}
    try:
        import brotli  # type: ignore[import-untyped]
    except ImportError:
        return known
    return {".br": lambda data: bytes(brotli.compress(data, quality=BROTLI_QUALITY, lgwin=24)), **known}


def _cached(data: bytes, suffix: str, compress: Callable[[bytes], bytes]) -> bytes:
    """What Brotli takes for a runtime's 9 MB is spent once on a machine."""
    if len(data) < MIN_CACHED:
        return compress(data)
    path = user_cache() / "compressed" / f"{sha256_bytes(data)}{suffix}"
    if path.is_file() and _holds(packed := path.read_bytes(), data, suffix):
        return packed
    packed = compress(data)
    write_bytes(path, packed, option="$EDGEKIT_CACHE")
    return packed


def _holds(packed: bytes, data: bytes, suffix: str) -> bool:
    """Whether a copy from the cache is what was put there; unpacking takes a moment."""
    try:
        unpack = gzip.decompress if suffix == ".gz" else import_module("brotli").decompress
        return bool(unpack(packed) == data)
    except Exception:  # whatever broken bytes lead to
        return False
