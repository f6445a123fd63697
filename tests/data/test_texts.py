from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pyarrow
import pytest
from pyarrow import parquet

from edgekit.data import holds_photos, holds_texts, open_data, open_unlabelled
from edgekit.data.dataset import Dataset
from edgekit.data.reading import Reading
from edgekit.errors import DataError, UnknownNameError
from edgekit.inputs.text import TextContract
from edgekit.inputs.tokens.ngrams import Ngrams

TEXT = TextContract(32, Ngrams(64))
GOOD, BAD = ("a fine film", 'great, "really" great', "so lovely"), ("dull", "a bore, sadly", "not my thing")
ROWS = [(text, label) for pair in zip(GOOD, BAD, strict=True) for label, text in enumerate(pair)] * 4


def as_parquet(path: Path, texts: list[str], labels: list[object]) -> Path:
    parquet.write_table(pyarrow.table({"idx": range(len(texts)), "sentence": texts, "label": labels}), path)
    return path


def as_csv(path: Path, texts: list[str], labels: list[object]) -> Path:
    quoted = (text.replace('"', '""') for text in texts)
    lines = (f'"{text}",{label}' for text, label in zip(quoted, labels, strict=True))
    path.write_text("\ufeffreview,sentiment\n" + "\n".join(lines) + "\n", encoding="utf-8")
    return path


def as_lines(path: Path, texts: list[str], labels: list[object]) -> Path:
    rows = (json.dumps({"text": text, "label": label}) for text, label in zip(texts, labels, strict=True))
    path.write_text("\n".join(rows))
    return path


def as_folders(path: Path, texts: list[str], labels: list[object]) -> Path:
    for number, (text, label) in enumerate(zip(texts, labels, strict=True)):
        (path / str(label)).mkdir(parents=True, exist_ok=True)
        (path / str(label) / f"{number:02}.txt").write_text(text)
    return path


def pairs(data: Dataset) -> set[tuple[str, str]]:
    found = set()
    for split in (data.train, data.validation, data.test):
        assert split.labels is not None
        found |= {(text, data.classes[label]) for text, label in zip(split.images[:], split.labels, strict=True)}
    return found


@pytest.mark.parametrize(
    ("write", "name"), [(as_parquet, "a.parquet"), (as_csv, "a.csv"), (as_lines, "a.jsonl"), (as_folders, "a")]
)
@pytest.mark.parametrize("names", [(0, 1), ("good", "poor")])
def test_every_source_gives_the_same_texts_and_labels(tmp_path: Path, write, name: str, names: tuple) -> None:
    texts, labels = [text for text, _ in ROWS], [names[label] for _, label in ROWS]
    data = open_data(str(write(tmp_path / name, texts, labels)), TEXT)
    assert data.kind == "texts"
    assert data.classes == tuple(map(str, names))
    assert pairs(data) == {(text, str(names[label])) for text, label in ROWS}
    assert len(data.train) + len(data.validation) + len(data.test) == len(ROWS)


def test_a_program_gives_pairs(tmp_path: Path) -> None:
    texts, labels = zip(*ROWS, strict=True)
    assert pairs(open_data((list(texts), list(labels)), TEXT)) == {(text, str(label)) for text, label in ROWS}
    parts = {"train": (texts, np.array(labels)), "test": (texts[:4], labels[:4])}
    data = open_data(parts, TEXT)
    assert (data.test.images[:].tolist(), len(data.test)) == (list(texts[:4]), 4)
    assert open_data(data, TEXT) is data
    with pytest.raises(DataError, match="24 texts have 3 labels"):
        open_data((list(texts), [0, 1, 0]), TEXT)


def test_files_of_a_folder_are_the_splits_that_they_are_named_after(tmp_path: Path) -> None:
    texts, labels = [text for text, _ in ROWS], [label for _, label in ROWS]
    as_parquet(tmp_path / "train.parquet", texts, labels)
    as_csv(tmp_path / "dev.csv", texts[:4], labels[:4])
    as_lines(tmp_path / "test.jsonl", texts[:2], labels[:2])
    data = open_data(str(tmp_path), TEXT)
    assert [len(split) for split in (data.train, data.validation, data.test)] == [24, 4, 2]
    alone = open_data(str(tmp_path / "dev.csv"), TEXT)
    assert (len(alone.train), len(alone.test)) == (0, 4)
    (tmp_path / "train.parquet").unlink()
    tested = open_data(str(tmp_path), TEXT)
    assert [len(split) for split in (tested.train, tested.validation, tested.test)] == [0, 4, 2]


def test_the_digest_is_that_of_texts_and_labels(tmp_path: Path) -> None:
    texts, labels = [text for text, _ in ROWS], [label for _, label in ROWS]
    one, two = (open_data((texts, given), TEXT).sha256 for given in (labels, labels[::-1]))
    assert one != two
    path = as_lines(tmp_path / "same.jsonl", texts, labels)
    assert open_data(str(path), TEXT).sha256 == one


def test_texts_without_labels_are_lines_or_a_column(tmp_path: Path) -> None:
    path = tmp_path / "more.txt"
    path.write_text("one text\n\nanother\n")
    data = open_unlabelled(str(path), TEXT)
    assert (data.train.images[:].tolist(), data.train.labels) == (["one text", "another"], None)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b" \n\n", r"more\.txt is empty; write a sentence\.$"),
        (b"", r"more\.txt is empty \(0 bytes\)"),
        (b"caf\xe9\n", r"more\.txt is not written in UTF-8; save it as such\.$"),
    ],
)
def test_a_file_of_lines_that_has_no_text_is_refused_by_name(tmp_path: Path, content: bytes, reason: str) -> None:
    path = tmp_path / "more.txt"
    path.write_bytes(content)
    with pytest.raises(DataError, match=reason):
        open_data(str(path), TEXT)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ("a,b\nx,y\n", r"has the columns a, b; say which holds the texts with --text-column\.$"),
        ("text,label\nfine,0.5\nbad,1\n", r"row 0 has the label 0\.5, which is no class; correct that column\.$"),
        ("text,label\nfine,0\n  ,1\n", r"row 1 is an empty text; correct it, or leave such out with --skip-broken\.$"),
        ("text,label\nfine,1\ngood,0\n", "too few texts of class '0'"),
        ("text,label\nfine,pos\ngood,pos\n", "has one class, 'pos', so there is nothing to tell it from"),
        ("text,label\nfine\n", "row 0 has 1 cells and the header 2"),
        ("", "is empty"),
        (b"\xef\xbb\xbf", "has the columns none; say which holds the texts"),
        ("text,label\n", "holds no texts"),
        (b"text,label\n\xff\xfe,1\n", "is no text in UTF-8"),
    ],
)
def test_what_is_wrong_with_a_table_is_one_sentence(tmp_path: Path, content: str | bytes, reason: str | None) -> None:
    path = tmp_path / "bad.csv"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(DataError, match=reason):
        open_data(str(path), TEXT)


def test_columns_are_named_where_they_are_called_otherwise(tmp_path: Path) -> None:
    path = tmp_path / "own.csv"
    path.write_text("satz,klasse,label\n" + "".join(f"Satz {row},{row % 3},9\n" for row in range(30)))
    data = open_data(str(path), TEXT, Reading(text_column="satz", label_column="klasse"))
    assert data.classes == ("0", "1", "2")
    with pytest.raises(UnknownNameError, match="did you mean 'satz'"):
        open_data(str(path), TEXT, Reading(text_column="sats"))


def test_empty_texts_are_left_out_where_that_is_asked_for(tmp_path: Path) -> None:
    texts, labels = [text for text, _ in ROWS], [label for _, label in ROWS]
    path = as_lines(tmp_path / "a.jsonl", ["", *texts], [1, *labels])
    assert pairs(open_data(str(path), TEXT, Reading(skip_broken=True))) == {(text, str(label)) for text, label in ROWS}


@pytest.mark.parametrize("name", ["nothing.csv", "photos"])
def test_what_is_no_source_of_texts_says_what_is_one(tmp_path: Path, name: str) -> None:
    (tmp_path / "photos").mkdir()
    with pytest.raises(DataError, match=r"does not exist|holds no texts"):
        open_data(str(tmp_path / name), TEXT)


def test_texts_are_told_from_photos(tmp_path: Path, save_image) -> None:
    table = as_parquet(tmp_path / "a.parquet", ["fine", "bad"], [1, 0])
    folder = as_folders(tmp_path / "texts", ["fine", "bad"], [1, 0])
    save_image(tmp_path / "photos" / "cat" / "0.png", seed=0)
    pictures = [{"bytes": (tmp_path / "photos" / "cat" / "0.png").read_bytes()}]
    parquet.write_table(pyarrow.table({"image": pictures, "label": [0]}), tmp_path / "photos.parquet")
    for path in (table, folder):
        assert (holds_texts(path), holds_photos(path)) == (True, False)
    found = {
        name: (holds_texts(tmp_path / name), holds_photos(tmp_path / name)) for name in ("photos", "photos.parquet")
    }
    assert set(found.values()) == {(False, True)}
    assert not holds_texts("mnist")


def test_photos_may_have_a_text_or_a_table_beside_them(tmp_path: Path, save_image) -> None:
    for seed, name in enumerate(("daisy", "rose")):
        save_image(tmp_path / name / "0.png", seed=seed)
    (tmp_path / "LICENSE.txt").write_text("as you like")
    as_csv(tmp_path / "labels.csv", ["0.png"], ["daisy"])
    assert (holds_texts(tmp_path), holds_photos(tmp_path)) == (False, True)
    as_csv(tmp_path / "train.csv", ["fine", "bad"], [1, 0])  # which says what it is
    assert holds_texts(tmp_path)


def test_labels_are_numbers_or_names_in_all_files_alike(tmp_path: Path) -> None:
    as_csv(tmp_path / "train.csv", [f"text {number}" for number in range(12)], ["36", "38", "S"] * 4)
    as_csv(tmp_path / "test.csv", ["short", "long"], ["36", "38"])
    data = open_data(str(tmp_path), TEXT)
    assert data.classes == ("36", "38", "S")
    assert data.test.labels is not None
    assert [data.classes[label] for label in data.test.labels] == ["36", "38"]


def test_files_that_are_no_texts_are_left_out_where_that_is_asked_for(tmp_path: Path) -> None:
    as_folders(tmp_path, [text for text, _ in ROWS], [label for _, label in ROWS])
    for name, content in (("empty.txt", b""), ("latin.txt", "caf\xe9".encode("latin-1"))):
        (tmp_path / "0" / name).write_bytes(content)
    with pytest.raises(DataError, match=r"empty\.txt.*or leave such out with --skip-broken"):
        open_data(str(tmp_path), TEXT)
    assert pairs(open_data(str(tmp_path), TEXT, Reading(skip_broken=True))) == {
        (text, str(label)) for text, label in ROWS
    }


def test_a_label_that_is_missing_is_no_class(tmp_path: Path) -> None:
    rows = [f"text {number},{'good' if number % 2 else 'bad'}" for number in range(8)]
    (tmp_path / "train.csv").write_text("\n".join(["text,label", *rows, "another,"]))
    with pytest.raises(DataError, match="row 8 has no label; correct it, or leave such out with --skip-broken"):
        open_data(str(tmp_path), TEXT)
    assert open_data(str(tmp_path), TEXT, Reading(skip_broken=True)).classes == ("bad", "good")


def test_a_label_may_be_longer_than_a_number(tmp_path: Path) -> None:
    lines = [json.dumps({"text": f"text {number}", "label": 10**400 if number % 2 else 1}) for number in range(8)]
    (tmp_path / "train.jsonl").write_text("\n".join(lines))
    with pytest.raises(DataError, match="which is no class"):
        open_data(str(tmp_path), TEXT)
