"""Weights, programs and pictures of a stranger: no code is run, nothing is allocated that is not there."""

from __future__ import annotations

import io
import json
import os
import pickle
import struct
import zipfile
import zlib
from pathlib import Path

import pytest
import torch
from torch import nn

from edgekit.errors import DataError, EdgekitError, ModelError
from edgekit.evaluation.inspect import InspectOptions, inspect
from edgekit.evaluation.predict import PredictOptions, predict
from edgekit.training.weights import load_weights


class Code:
    """Unpickling this makes a folder named ``taken_over``."""

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return (os.mkdir, ("taken_over",))


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def network() -> nn.Module:
    return nn.Linear(4, 2)


def refusal(path: Path, content: bytes) -> str:
    path.write_bytes(content)
    with pytest.raises(ModelError) as caught:
        load_weights(network(), path)
    assert str(path) in str(caught.value)
    assert not Path("taken_over").exists()
    return str(caught.value)


def checkpoint() -> bytes:
    stream = io.BytesIO()
    torch.save(network().state_dict(), stream)
    return stream.getvalue()


def with_member(archive: bytes, ending: str, content: bytes) -> bytes:
    """A zip file in which the member whose name ends so has another content."""
    stream = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(archive)) as old, zipfile.ZipFile(stream, "w") as new:
        for name in old.namelist():
            new.writestr(name, content if name.endswith(ending) else old.read(name))
    return stream.getvalue()


@pytest.mark.parametrize("name", ["weights.pt", "weights.pth", "weights.th", "weights.bin"])
@pytest.mark.parametrize("content", ["pickle", "torch", "legacy torch"])
def test_24_code_in_a_pickle_is_not_run(folder: Path, name: str, content: str) -> None:
    stream = io.BytesIO()
    if content == "pickle":
        pickle.dump({"weight": Code()}, stream)
    else:
        torch.save({"weight": Code()}, stream, _use_new_zipfile_serialization=content == "torch")
    assert "never pickled code" in refusal(folder / name, stream.getvalue())


def test_25_a_tensor_larger_than_its_storage_is_refused(folder: Path) -> None:
    larger = io.BytesIO()
    torch.save({"weight": torch.zeros(1 << 16), "bias": torch.zeros(2)}, larger)
    with zipfile.ZipFile(larger) as archive:
        described = next(archive.read(name) for name in archive.namelist() if name.endswith("data.pkl"))
    refusal(folder / "weights.pt", with_member(checkpoint(), "data.pkl", described))


@pytest.mark.parametrize("ending", ["data.pkl", "data/0", "version"])
def test_26_a_zip_with_a_wrong_checksum_is_refused(folder: Path, ending: str) -> None:
    data = bytearray(checkpoint())
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        member = next(item for item in archive.infolist() if item.filename.endswith(ending))
    entry_at = data.index(struct.pack("<I", member.CRC), data.index(b"PK\x01\x02"))
    data[entry_at] ^= 0xFF
    refusal(folder / "weights.pt", bytes(data))


def test_26_a_file_under_a_false_name_is_refused(folder: Path) -> None:
    refusal(folder / "weights.safetensors", checkpoint())
    refusal(folder / "weights.pt", b"GIF89a" + bytes(100))


@pytest.mark.parametrize("name", ["model.keras", "model.h5", "model.pb", "model.pt"])
def test_27_a_file_of_another_toolkit_is_refused_by_name(folder: Path, name: str) -> None:
    (folder / name).write_bytes(b"\x89HDF\r\n\x1a\n")
    with pytest.raises(EdgekitError, match=r"neither an \.onnx nor a \.tflite"):
        inspect(InspectOptions(str(folder / name)))


def safetensors(header: object, data: bytes = bytes(40), length: int | None = None) -> bytes:
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(text) if length is None else length) + text + data


def entry(shape: list[int], start: int, end: int) -> dict[str, object]:
    return {"dtype": "F32", "shape": shape, "data_offsets": [start, end]}


@pytest.mark.parametrize(
    "content",
    [
        safetensors({}, length=1 << 62),
        safetensors({}, length=99_999_999),
        safetensors(b'{"weight": %s, "weight": %s}' % ((json.dumps(entry([2, 4], 0, 32)).encode(),) * 2)),
        safetensors({"weight": entry([2, 4], 0, 32), "bias": entry([2], 24, 32)}),
        safetensors({"weight": entry([2**32, 2**32], 0, 32), "bias": entry([2], 32, 40)}),
        safetensors({"weight": entry([2, 4], 0, 32), "bias": entry([2], 32, 4000)}),
        safetensors({"weight": entry([2, 4], 32, 0), "bias": entry([2], 32, 40)}),
        safetensors(b"[" * 100_000),
        safetensors(b"\xff\xfe"),
        b"",
        b"\x01",
    ],
    ids=["huge", "long", "twice", "overlap", "2^64", "beyond", "backwards", "nested", "no text", "empty", "one byte"],
)
def test_28_a_safetensors_file_that_contradicts_itself_is_refused(folder: Path, content: bytes) -> None:
    refusal(folder / "weights.safetensors", content)


def test_28_the_frame_of_these_files_is_sound(folder: Path) -> None:
    path = folder / "weights.safetensors"
    path.write_bytes(safetensors({"weight": entry([2, 4], 0, 32), "bias": entry([2], 32, 40)}))
    assert not load_weights(network(), path).training


def test_30_a_picture_of_40_billion_pixels_is_refused(digit_files: dict[str, Path], tmp_path: Path) -> None:
    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", 200_000, 200_000, 8, 0, 0, 0, 0)
    path = tmp_path / "bomb.png"
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(bytes(1000))))
    with pytest.raises(DataError, match=r"bomb\.png"):
        predict(PredictOptions(str(digit_files["onnx"]), [path]))
