"""Other people's standard metadata: labels and normalisation are found, and nothing in them is trusted."""

from __future__ import annotations

import io
import zipfile
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema
from tiny_models import Linear, packed, tflite_model

from edgekit.artifact import Metadata, TensorSpec
from edgekit.conversion.tflite.standard_metadata import standard_metadata
from edgekit.errors import ModelError
from edgekit.inputs.contract import InputContract
from edgekit.modelfiles.contents import ModelContents, read_contents
from edgekit.modelfiles.tflite_metadata import STANDARD_KEY, StandardMetadata, described
from edgekit.operators.lowered import TensorRecord

DIGITS = tuple("0123456789")
CONTRACT = InputContract(28, 28, 1, mean=(0.5,), std=(0.25,))
STANDARD = standard_metadata(
    Metadata(CONTRACT, DIGITS),
    [TensorRecord((1, 28, 28, 1), "float32", name="image")],
    [TensorRecord((1, 10), "float32", name="logits")],
)


def labels_archive(content: str = "\r\n".join(DIGITS), method: int = zipfile.ZIP_DEFLATED, times: int = 1) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", method) as archive:
        archive.writestr("../labels.txt", "not for us")
        archive.writestr("labels.txt", content * times)
    return stream.getvalue()


def contents(linear: Linear, folder: Path, standard: bytes = STANDARD, archive: bytes = b"") -> ModelContents:
    """What is read of a third party's file with these metadata and this archive behind it."""
    model = tflite_model(linear)
    entry, buffer = schema.MetadataT(), schema.BufferT()
    entry.name, entry.buffer = STANDARD_KEY, len(model.buffers)
    buffer.data = np.frombuffer(standard, np.uint8)
    model.metadata = [entry]
    model.buffers.append(buffer)
    path = folder / "theirs.tflite"
    path.write_bytes(packed(model) + archive)
    return read_contents(path)


def test_labels_and_contract_of_a_third_party_are_found(linear: Linear, tmp_path: Path) -> None:
    metadata = contents(linear, tmp_path, archive=labels_archive()).metadata("file")
    assert (metadata.labels, metadata.contract) == (DIGITS, CONTRACT)


@pytest.mark.parametrize("archive", [b"", b"PK\x03\x04", b"some other bytes"])
def test_a_file_without_its_archive_has_no_labels(linear: Linear, tmp_path: Path, archive: bytes) -> None:
    metadata = contents(linear, tmp_path, archive=archive).metadata("file")
    assert (metadata.labels, metadata.contract) == ((), CONTRACT)


def test_a_label_file_that_unpacks_to_very_much_is_refused(linear: Linear, tmp_path: Path) -> None:
    archive = labels_archive("0123456789" * 1000, times=600)
    assert len(archive) < 100_000
    with pytest.raises(ModelError, match="larger than 4 MiB"):
        contents(linear, tmp_path, archive=archive)


def test_a_rare_compression_is_refused_before_it_runs(linear: Linear, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="packed by an unknown method"):
        contents(linear, tmp_path, archive=labels_archive(method=zipfile.ZIP_LZMA))


def test_a_damaged_label_file_is_refused(linear: Linear, tmp_path: Path) -> None:
    archive = bytearray(labels_archive("a label\n" * 100, zipfile.ZIP_STORED))
    archive[archive.index(b"a label")] ^= 1
    with pytest.raises(ModelError, match=r"label file 'labels\.txt' is broken"):
        contents(linear, tmp_path, archive=bytes(archive))


def test_metadata_of_another_version_are_refused(linear: Linear, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="unknown version"):
        contents(linear, tmp_path, STANDARD.replace(b"M001", b"M999"))


def test_no_cut_or_overwritten_byte_does_more_than_an_error(linear: Linear, tmp_path: Path) -> None:
    for place in range(0, len(STANDARD), 3):
        for broken in (STANDARD[:place], STANDARD[:place] + b"\xff\xff\xff\x7f" + STANDARD[place + 4 :]):
            if not broken:
                continue
            with suppress(ModelError):
                contents(linear, tmp_path, broken, labels_archive())


@pytest.mark.parametrize(("mean", "std"), [((127.5,), (0.0,)), ((1.0, 2.0), (1.0,)), ((float("nan"),), (1.0,))])
def test_numbers_that_are_no_normalisation_say_nothing(mean: tuple[float, ...], std: tuple[float, ...]) -> None:
    image = TensorSpec("image", (1, 8, 8, 3), "float32")
    assert described(StandardMetadata((), mean, std), image) == Metadata()


def test_an_8_bit_input_whose_scale_says_the_same_takes_plain_bytes() -> None:
    standard = StandardMetadata((), (127.5,), (127.5,))
    plain = TensorSpec("image", (1, 8, 8, 3), "uint8", 1 / 128, 128)
    assert described(standard, plain).contract is None
    wider = TensorSpec("image", (1, 8, 8, 3), "uint8", 1 / 64, 128)
    assert described(standard, wider).contract == InputContract(8, 8, 3, (0.5,), (0.5,))
