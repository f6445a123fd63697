import io
import json
import os
import time
from pathlib import Path

import numpy as np
import pyarrow
import pytest
from PIL import Image
from pyarrow import parquet

from edgekit.data.parquet import open_parquet
from edgekit.data.reading import Reading
from edgekit.errors import DataError, UnknownNameError
from edgekit.inputs.contract import InputContract

STRUCT = pyarrow.struct([("bytes", pyarrow.binary()), ("path", pyarrow.string())])


def png(seed: int) -> bytes:
    stream = io.BytesIO()
    Image.fromarray(np.random.default_rng(seed).integers(0, 256, (9, 8, 3), np.uint8)).save(stream, "PNG")
    return stream.getvalue()


def write(path: Path, labels: list[object] | None, names: list[str] | None = None, plain: bool = False) -> Path:
    """A file of as many images as there are labels (24 if there are none), as Hugging Face's datasets writes it."""
    images = [png(seed) for seed in range(24 if labels is None else len(labels))]
    encoded = pyarrow.array(images) if plain else pyarrow.array([{"bytes": b, "path": None} for b in images], STRUCT)
    columns = {"image": encoded} if labels is None else {"image": encoded, "label": pyarrow.array(labels)}
    table = pyarrow.table(columns)
    if names is not None:
        features = {"image": {"_type": "Image"}, "label": {"names": names, "_type": "ClassLabel"}}
        table = table.replace_schema_metadata({"huggingface": json.dumps({"info": {"features": features}})})
    parquet.write_table(table, path)
    return path


@pytest.mark.parametrize("plain", [True, False])
def test_images_are_bytes_or_structs_of_bytes(tmp_path: Path, plain: bool) -> None:
    data = open_parquet(write(tmp_path / "d.parquet", [0, 1] * 12, plain=plain))
    assert data.image_shape == (9, 8, 3)
    assert sum(len(split) for split in (data.train, data.validation, data.test)) == 24
    assert data.train.images[:2].shape == (2, 9, 8, 3)


def test_class_names_come_from_the_hub_description(tmp_path: Path) -> None:
    assert open_parquet(write(tmp_path / "d.parquet", [0, 1] * 12, ["cat", "dog"])).classes == ("cat", "dog")


def test_labels_may_be_names(tmp_path: Path) -> None:
    data = open_parquet(write(tmp_path / "d.parquet", ["dog", "cat"] * 12))
    assert data.classes == ("cat", "dog")
    assert data.test.labels is not None
    assert set(data.test.labels.tolist()) == {0, 1}


def test_images_without_labels_are_for_calibration(tmp_path: Path) -> None:
    data = open_parquet(write(tmp_path / "d.parquet", None))
    assert data.train.labels is None
    assert len(data.train) == 24


def test_a_folder_holds_the_shards_of_each_split(tmp_path: Path) -> None:
    write(tmp_path / "train-00000-of-00002.parquet", [0, 1] * 3)
    write(tmp_path / "train-00001-of-00002.parquet", [1, 0] * 4)
    write(tmp_path / "validation-00000-of-00001.parquet", [0, 1])
    write(tmp_path / "test.parquet", [0, 0, 1])
    data = open_parquet(tmp_path)
    assert [len(split) for split in (data.train, data.validation, data.test)] == [14, 2, 3]
    assert data.test.labels is not None
    assert data.test.labels.tolist() == [0, 0, 1]


def test_images_are_fitted_to_the_shape(tmp_path: Path) -> None:
    assert open_parquet(write(tmp_path / "d.parquet", [0, 1] * 12), InputContract(4, 4, 1)).image_shape == (4, 4, 1)


def test_row_groups_are_read_one_at_a_time_and_rows_stay_in_order(tmp_path: Path) -> None:
    whole = open_parquet(write(tmp_path / "whole.parquet", None)).train.images[:]
    parquet.write_table(parquet.read_table(tmp_path / "whole.parquet"), tmp_path / "parts.parquet", row_group_size=5)
    assert np.array_equal(open_parquet(tmp_path / "parts.parquet").train.images[:], whole)


def test_a_file_that_is_known_is_not_read_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write(tmp_path / "d.parquet", [0, 1] * 12)
    os.utime(path, (time.time() - 60,) * 2)
    first = open_parquet(path).train.images[:]
    monkeypatch.delattr("edgekit.data.parquet._Column.cell")
    assert np.array_equal(open_parquet(path, InputContract(9, 8, 3)).train.images[:], first)


def test_rows_that_are_no_images_may_be_left_out(tmp_path: Path) -> None:
    images = [png(seed) for seed in range(7)] + [b"text", None]
    table = pyarrow.table({"image": pyarrow.array(images, pyarrow.binary()), "label": [0, 1, 0, 1, 0, 1, 0, 1, 1]})
    parquet.write_table(table, tmp_path / "d.parquet")
    data = open_parquet(tmp_path / "d.parquet", InputContract(4, 4, 3), Reading(skip_broken=True))
    assert [len(split) for split in (data.train, data.validation, data.test)] == [3, 2, 2]


def test_a_parquet_file_of_text_is_refused_with_its_columns(tmp_path: Path) -> None:
    parquet.write_table(pyarrow.table({"sentence": ["good", "bad"], "label": [1, 0]}), tmp_path / "text.parquet")
    with pytest.raises(DataError, match=r"text\.parquet has no column of encoded images, only sentence \(string\)"):
        open_parquet(tmp_path / "text.parquet")


def test_a_row_that_is_no_image_is_named(tmp_path: Path) -> None:
    table = pyarrow.table({"image": [png(0), b"text"], "label": [0, 1]})
    parquet.write_table(table, tmp_path / "d.parquet")
    with pytest.raises(DataError, match=r"d\.parquet row 1 is not an image"):
        open_parquet(tmp_path / "d.parquet")


def test_a_row_without_bytes_is_named(tmp_path: Path) -> None:
    rows = pyarrow.array([{"bytes": None, "path": "elsewhere.png"}], STRUCT)
    parquet.write_table(pyarrow.table({"image": rows, "label": [0]}), tmp_path / "d.parquet")
    with pytest.raises(DataError, match=r"d\.parquet row 0 has no image bytes"):
        open_parquet(tmp_path / "d.parquet")


@pytest.mark.parametrize(
    ("label", "message"),
    [
        (-1, "row 2 has the label -1, which is no class"),
        (10**12, "row 2 has the label 1000000000000, which is no class"),
        (None, "row 2 has no label"),
    ],
)
def test_a_label_that_is_no_class_is_named(tmp_path: Path, label: int | None, message: str) -> None:
    with pytest.raises(DataError, match=message):
        open_parquet(write(tmp_path / "d.parquet", [0, 1, label, 1]))


def test_a_name_that_training_has_not_is_refused(tmp_path: Path) -> None:
    write(tmp_path / "train.parquet", ["a", "b"] * 3)
    write(tmp_path / "test.parquet", ["a", "c"])
    with pytest.raises(DataError, match="test split: row 1 has the label 'c'"):
        open_parquet(tmp_path)


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (["val.parquet"], r"has neither train\*\.parquet nor test\*\.parquet; add one"),
        (["cats.parquet"], "named after no split"),
    ],
)
def test_a_folder_needs_files_named_after_splits(tmp_path: Path, names: list[str], message: str) -> None:
    for name in names:
        write(tmp_path / name, [0, 1])
    with pytest.raises(DataError, match=message):
        open_parquet(tmp_path)


def test_a_folder_of_test_files_alone_is_for_evaluation(tmp_path: Path) -> None:
    write(tmp_path / "test-0.parquet", [0, 1])
    data = open_parquet(tmp_path)
    assert [len(split) for split in (data.train, data.validation, data.test)] == [0, 0, 2]


def test_a_file_without_rows_is_refused(tmp_path: Path) -> None:
    schema = pyarrow.schema([("image", pyarrow.binary()), ("label", pyarrow.int64())])
    parquet.write_table(schema.empty_table(), tmp_path / "d.parquet")
    with pytest.raises(DataError, match="has no rows"):
        open_parquet(tmp_path / "d.parquet")


def test_a_cut_file_is_refused_by_name(tmp_path: Path) -> None:
    whole = write(tmp_path / "d.parquet", [0, 1] * 4).read_bytes()
    for length in range(0, len(whole), 301):
        (tmp_path / "cut.parquet").write_bytes(whole[:length])
        with pytest.raises(DataError, match=r"cut\.parquet"):
            open_parquet(tmp_path / "cut.parquet")


def test_the_column_of_labels_may_be_named(tmp_path: Path) -> None:
    path = write(tmp_path / "d.parquet", [0, 1] * 12)
    table = parquet.read_table(path)
    parquet.write_table(table.append_column("coarse", pyarrow.array(["pet", "car", "pet", "pet"] * 6)), path)
    assert open_parquet(path).classes == ("0", "1")
    assert open_parquet(path, reading=Reading(label_column="coarse")).classes == ("car", "pet")
    with pytest.raises(UnknownNameError, match="did you mean 'coarse'"):
        open_parquet(path, reading=Reading(label_column="corse"))
