import errno
import os
import warnings
from pathlib import Path

import numpy as np
import pytest

from edgekit.data.files import prepare
from edgekit.data.folder import open_folder
from edgekit.errors import DataError
from edgekit.inputs.contract import InputContract


def test_class_folders_become_classes_and_three_splits(flowers: Path) -> None:
    data = open_folder(flowers)
    assert data.name == "flowers"
    assert data.classes == ("rose", "tulip")
    assert data.image_shape == (10, 12, 3)
    assert sum(len(split) for split in (data.train, data.validation, data.test)) == 24
    for split in (data.train, data.validation, data.test):
        assert split.labels is not None
        assert set(split.labels.tolist()) == {0, 1}


def test_pixels_and_labels_belong_together(flowers: Path) -> None:
    data = open_folder(flowers)
    names = {prepare(path, InputContract(10, 12, 3)).tobytes(): path.parent.name for path in flowers.rglob("*.png")}
    for split in (data.train, data.validation, data.test):
        assert split.labels is not None
        for image, label in zip(split.images[:], split.labels, strict=True):
            assert names.pop(image.tobytes()) == data.classes[label]
    assert not names


@pytest.mark.parametrize("validation", ["val", "valid", "validation", "dev"])
def test_split_folders_are_taken_as_they_are(tmp_path: Path, save_image, validation: str) -> None:
    for split, count in (("train", 5), (validation, 2), ("test", 3)):
        for name in ("a", "b"):
            for index in range(count):
                save_image(tmp_path / split / name / f"{index}.jpg", seed=index)
    data = open_folder(tmp_path)
    assert [len(split) for split in (data.train, data.validation, data.test)] == [10, 4, 6]


def test_train_may_be_the_name_of_a_class(tmp_path: Path, save_image) -> None:
    for name in ("bus", "train"):
        for index in range(4):
            save_image(tmp_path / name / f"{index}.png", seed=index)
    assert open_folder(tmp_path).classes == ("bus", "train")


def test_numbered_classes_are_in_numeric_order(tmp_path: Path, save_image) -> None:
    for name in ("10", "9", "0"):
        for index in range(4):
            save_image(tmp_path / name / f"{index}.png", seed=index)
    assert open_folder(tmp_path).classes == ("0", "9", "10")


def test_images_without_class_folders_have_no_labels(tmp_path: Path, save_image) -> None:
    for index in range(3):
        save_image(tmp_path / f"{index}.png", seed=index)
    data = open_folder(tmp_path)
    assert data.train.labels is None
    assert [len(split) for split in (data.train, data.validation, data.test)] == [3, 0, 0]


def test_photos_of_any_mode_and_size_are_fitted(tmp_path: Path, save_image) -> None:
    for index, (mode, suffix) in enumerate([("L", "png"), ("P", "gif"), ("CMYK", "jpg"), ("RGBA", "webp")]):
        save_image(tmp_path / f"{index}.{suffix}", (20 + 7 * index, 31), mode)
    images = open_folder(tmp_path, InputContract(8, 6, 3)).train.images
    assert images.shape == (4, 8, 6, 3)
    assert images[:].shape == (4, 8, 6, 3)


def test_images_of_different_sizes_need_a_shape(tmp_path: Path, save_image) -> None:
    save_image(tmp_path / "a.png", (10, 10))
    save_image(tmp_path / "b.png", (11, 10))
    with pytest.raises(DataError, match=r"a\.png is 10x10 pixels and .*b\.png is 10x11"):
        open_folder(tmp_path)


def test_indexing_is_that_of_an_array(flowers: Path) -> None:
    images = open_folder(flowers).train.images
    everything = images[:]
    mask = np.arange(len(images)) % 2 == 0
    assert np.array_equal(images[3], everything[3])
    assert np.array_equal(images[-1], everything[-1])
    assert np.array_equal(images[2:5], everything[2:5])
    assert np.array_equal(images[np.array([4, 1, 1])], everything[[4, 1, 1]])
    assert np.array_equal(images[mask], everything[mask])


def test_the_content_hash_changes_with_a_file_a_class_or_the_shape(flowers: Path, save_image) -> None:
    seen = {open_folder(flowers).sha256, open_folder(flowers, InputContract(5, 5, 3)).sha256}
    save_image(flowers / "rose" / "0.png", seed=999)
    seen.add(open_folder(flowers).sha256)
    (flowers / "rose").rename(flowers / "peony")
    seen.add(open_folder(flowers).sha256)
    assert len(seen) == 4
    assert open_folder(flowers).sha256 in seen


def test_hidden_and_other_files_are_left_out(flowers: Path) -> None:
    before = open_folder(flowers).sha256
    (flowers / "rose" / "Thumbs.db").write_bytes(b"x")
    (flowers / "rose" / "._1.png").write_bytes(b"x")
    (flowers / ".cache").mkdir()
    assert open_folder(flowers).sha256 == before


@pytest.mark.parametrize("content", [b"", b"text", b"\x89PNG\r\n\x1a\n broken"])
def test_one_unreadable_image_is_named(flowers: Path, content: bytes) -> None:
    (flowers / "tulip" / "7.png").write_bytes(content)
    with pytest.raises(DataError, match=r"tulip/7\.png"):
        open_folder(flowers)


def test_an_unsupported_form_is_named_and_not_left_out(flowers: Path) -> None:
    (flowers / "tulip" / "phone.heic").write_bytes(b"\x00\x00\x00\x18ftypheic" + bytes(64))
    with pytest.raises(DataError, match=r"phone\.heic is not an image of a known form"):
        open_folder(flowers)


def test_pixels_are_those_of_the_files_when_they_were_opened(flowers: Path) -> None:
    images = open_folder(flowers).train.images
    before = images[:]
    for path in flowers.rglob("*.png"):
        path.unlink()
    assert np.array_equal(images[:], before)


@pytest.fixture
def no_room(monkeypatch: pytest.MonkeyPatch) -> None:
    """The disk has no room for decoded pixels."""
    monkeypatch.setattr("edgekit.data.photo_cache.SPARE_BYTES", 1 << 60)


@pytest.mark.usefixtures("no_room")
def test_without_room_for_pixels_they_are_decoded_when_asked_for(flowers: Path, monkeypatch) -> None:
    images = open_folder(flowers).train.images[:]
    monkeypatch.undo()
    assert np.array_equal(images, open_folder(flowers).train.images[:])


def test_a_disk_that_fills_up_costs_no_image(flowers: Path, monkeypatch: pytest.MonkeyPatch, capsys) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("edgekit.data.decoding.write_shard", full)
    images = open_folder(flowers).train.images[:]
    assert capsys.readouterr().err.count("set EDGEKIT_CACHE to a folder on another disk") == 1
    monkeypatch.undo()
    assert np.array_equal(images, open_folder(flowers).train.images[:])


@pytest.mark.usefixtures("no_room")
def test_a_file_that_vanishes_after_opening_is_named(flowers: Path) -> None:
    data = open_folder(flowers)
    for path in flowers.rglob("*.png"):
        path.unlink()
    with pytest.raises(DataError, match="does not exist"):
        data.train.images[0]


def test_reading_a_folder_restores_what_the_program_says_of_warnings(flowers: Path) -> None:
    before = list(warnings.filters)
    open_folder(flowers)
    assert list(warnings.filters) == before


def test_an_empty_class_is_named(flowers: Path) -> None:
    (flowers / "daisy").mkdir()
    with pytest.raises(DataError, match="daisy holds no images"):
        open_folder(flowers)


def test_an_empty_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="holds no images and no class folders"):
        open_folder(tmp_path)


@pytest.mark.parametrize(("classes", "message"), [("a", "no class folder 'b'"), ("abc", "a class 'c'")])
def test_splits_must_have_the_same_classes(tmp_path: Path, save_image, classes: str, message: str) -> None:
    for split, names in (("train", "ab"), ("test", classes)):
        for name in names:
            for index in range(3):
                save_image(tmp_path / split / name / f"{index}.png", seed=index)
    with pytest.raises(DataError, match=message):
        open_folder(tmp_path)


@pytest.mark.parametrize("other", ["other", "not-cat"])
def test_is_it_or_is_it_not_are_two_classes_of_which_one_may_hold_folders(tmp_path: Path, save_image, other) -> None:
    for index in range(6):
        save_image(tmp_path / "cat" / f"{index}.png", seed=index)
        save_image(tmp_path / other / f"set-{index % 2}" / f"{index}.png", seed=20 + index)
    data = open_folder(tmp_path)
    assert data.classes == ("cat", other)
    assert sum(len(split) for split in (data.train, data.validation, data.test)) == 12


def test_one_class_alone_is_told_what_it_needs(tmp_path: Path, save_image) -> None:
    for index in range(6):
        save_image(tmp_path / "cat" / f"{index}.png", seed=index)
    with pytest.raises(
        DataError, match=r"one class, 'cat'; put other images, .* into a folder beside it \(other, say\)"
    ):
        open_folder(tmp_path)


def test_classes_that_differ_in_case_alone_are_refused_unless_they_are_letters(tmp_path: Path, save_image) -> None:
    for name in ("A", "a"):
        for index in range(3):
            save_image(tmp_path / name / f"{index}.png", seed=index)
    assert open_folder(tmp_path).classes == ("A", "a")
    for name in ("Rose", "rose"):
        (tmp_path / name).mkdir()
    with pytest.raises(DataError, match=r"Rose and .*rose differ in case alone; make them one folder"):
        open_folder(tmp_path)


def test_a_folder_for_test_alone_is_for_evaluation(tmp_path: Path, save_image) -> None:
    for name in ("cat", "dog"):
        save_image(tmp_path / "test" / name / "0.png")
    data = open_folder(tmp_path)
    assert data.classes == ("cat", "dog")
    assert [len(split) for split in (data.train, data.validation, data.test)] == [0, 0, 2]


def test_two_folders_for_one_split_are_refused(tmp_path: Path, save_image) -> None:
    for split in ("train", "val", "valid"):
        save_image(tmp_path / split / "a" / "0.png")
    with pytest.raises(DataError, match="are both a validation split"):
        open_folder(tmp_path)


def test_images_directly_in_split_folders_are_refused(tmp_path: Path, save_image) -> None:
    for split in ("train", "test"):
        for index in range(4):
            save_image(tmp_path / split / f"{index}.png", seed=index)
    with pytest.raises(DataError, match="put them in class folders"):
        open_folder(tmp_path)


def test_a_pipe_named_like_an_image_is_refused_and_not_waited_for(flowers: Path) -> None:
    os.mkfifo(flowers / "rose" / "pipe.png")
    with pytest.raises(DataError, match=r"pipe\.png is not a file"):
        open_folder(flowers)


def test_folders_and_images_that_count_for_nothing_are_named(
    tmp_path: Path, save_image, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("bus", "train/steam", "train/diesel", "test/steam", "test/diesel"):
        for number in range(3):
            save_image(tmp_path / name / f"{number}.png")
    save_image(tmp_path / "train" / "loose.png")
    assert open_folder(tmp_path).classes == ("diesel", "steam")
    said = capsys.readouterr().err
    assert "bus left out, beside the folders of the splits" in said
    assert "1 image beside the class folders left out" in said
