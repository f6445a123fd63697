from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from edgekit.data import open_data
from edgekit.data.dataset import Dataset, Split, divide, hold_out, require_shape
from edgekit.errors import DataError


def split_of(labels: list[int] | None, count: int = 0) -> Split:
    count = count if labels is None else len(labels)
    images = np.arange(count, dtype=np.uint8)[:, None, None, None] * np.ones((1, 4, 4, 1), np.uint8)
    return Split(images, None if labels is None else np.array(labels, np.int64))


def test_a_split_needs_one_label_per_image() -> None:
    with pytest.raises(DataError, match="4 images have 3 labels"):
        Split(np.zeros((4, 2, 2, 1), np.uint8), np.zeros(3, np.int64))


def test_a_split_needs_four_dimensions() -> None:
    with pytest.raises(DataError, match=r"\[N, height, width, channels\]"):
        Split(np.zeros((4, 2, 2), np.uint8))


def test_batches_cover_every_image_once_and_in_order() -> None:
    sizes, seen = [], []
    for images, labels in split_of([0, 1, 2, 3, 4]).batches(2):
        assert labels is not None
        sizes.append(len(images))
        seen += labels.tolist()
    assert sizes == [2, 2, 1]
    assert seen == [0, 1, 2, 3, 4]


def test_a_sample_is_without_repetition_and_repeatable() -> None:
    split = split_of([0] * 50)
    rows = split.sample(20, seed=3)
    assert len(np.unique(rows)) == 20
    assert np.array_equal(rows, split.sample(20, seed=3))
    assert not np.array_equal(rows, split.sample(20, seed=4))


def test_a_view_reads_its_rows_when_they_are_asked_for() -> None:
    split = split_of([4, 5, 6])
    view = split.view(np.array([2, 0]))
    assert view.labels is not None
    assert view.labels.tolist() == [6, 4]
    split.images[0] = 77  # type: ignore[index]
    assert (view.images[np.array([1])] == 77).all()
    assert len(view) == 2


def test_a_sample_larger_than_the_split_is_all_of_it() -> None:
    assert sorted(split_of([0, 1, 2]).sample(10, seed=0)) == [0, 1, 2]


def test_the_first_of_a_sample_are_of_all_classes_though_the_source_is_sorted_by_class() -> None:
    split = split_of([0] * 100 + [1] * 100 + [2] * 100)
    assert split.labels is not None
    first = split.labels[split.sample(200, seed=0)[:30]]
    assert set(first.tolist()) == {0, 1, 2}


def test_holding_out_takes_the_share_of_each_class() -> None:
    labels = np.array([0] * 40 + [1] * 80)
    held = hold_out(labels, 1 / 4, seed=1)
    assert np.bincount(labels[held]).tolist() == [10, 20]


def test_holding_out_keeps_a_class_of_one_image_in_training() -> None:
    assert not hold_out(np.array([0, 0, 0, 1]), 1 / 4, seed=1)[3]
    assert not hold_out(np.array([0, 0, 0, 1]), 1 / 4, seed=1, contents="abcd")[3]


ROWS = st.lists(st.tuples(st.integers(0, 2), st.integers(0, 30)), min_size=1, max_size=60)
"""Classes and what their rows hold; some hold the same."""


@given(ROWS, st.integers(1, 2))
def test_some_of_each_class_are_held_out_and_enough_are_kept(rows: list[tuple[int, int]], keep: int) -> None:
    labels = np.array([label for label, _ in rows])
    held = hold_out(labels, 1 / 6, 1, [f"{content}" for _, content in rows], keep)
    for label, count in zip(*np.unique(labels, return_counts=True), strict=True):
        own = held[labels == label]
        assert own.any() == (count > 1)
        assert (~own).sum() >= min(keep, count - 1 if count > 1 else 1)


DIFFERENT = st.lists(st.tuples(st.integers(0, 2), st.integers(0, 30)), max_size=40, unique=True)


@given(DIFFERENT, DIFFERENT)
def test_rows_that_are_added_to_large_classes_change_nothing_for_the_others(
    rows: list[tuple[int, int]], added: list[tuple[int, int]]
) -> None:
    many = [(label, 1000 + number) for label in range(3) for number in range(100)]
    before, after = ([*many, *own] for own in (rows, [*rows, *added]))
    held = [
        hold_out(np.array([label for label, _ in own]), 1 / 6, 1, [f"{label} {content}" for label, content in own])
        for own in (before, after)
    ]
    assert held[1][: len(before)].tolist() == held[0].tolist()


def test_rows_that_hold_the_same_are_on_one_side() -> None:
    contents = [f"{number // 4}" for number in range(400)]
    held = hold_out(np.zeros(400, int), 1 / 6, 1, contents).reshape(100, 4)
    assert (held.all(1) | ~held.any(1)).all()
    assert 8 < held.all(1).sum() < 28


def test_what_most_rows_of_a_class_hold_is_learned() -> None:
    held = hold_out(np.zeros(60, int), 1 / 6, 1, ["ok"] * 50 + [f"{number}" for number in range(10)])
    assert not held[:50].any()
    assert held.any()


def test_photos_that_are_added_leave_the_test_photos_what_they_were(tmp_path: Path) -> None:
    rng, found = np.random.default_rng(0), []
    for first in (0, 40):
        for name in "ab":
            (tmp_path / name).mkdir(exist_ok=True)
            for number in range(first, first + 40):
                Image.fromarray(rng.integers(0, 256, (8, 8, 3), np.uint8)).save(tmp_path / name / f"{number:03}.png")
        found.append({image.tobytes() for image in open_data(tmp_path).test.images[:]})
    assert found[0]
    assert found[0] < found[1]


def test_missing_splits_are_held_out_of_the_training_data() -> None:
    parts = divide("data", {"train": split_of([0, 1] * 36)}, "ab")
    assert [len(parts[name]) for name in ("train", "validation", "test")] == [56, 4, 12]


def test_a_given_test_split_stays_as_it_is() -> None:
    test = split_of([1, 0])
    parts = divide("data", {"train": split_of([0, 1] * 12), "test": test}, "ab")
    assert parts["test"] is test
    assert len(parts["train"]) + len(parts["validation"]) == 24


def test_unlabelled_data_stay_in_the_training_split() -> None:
    parts = divide("data", {"train": split_of(None, count=5)}, "ab")
    assert [len(parts[name]) for name in ("train", "validation", "test")] == [5, 0, 0]


@pytest.mark.parametrize(
    ("given", "labels", "message"),
    [
        ([], [0, 0, 0, 1], r"class 'b' \(1\) to hold some out for test and validation; add images, to 3 at least"),
        ([], [0, 0, 1, 1, 1], r"class 'a' \(2\) to hold some out for test and validation"),
        (["test"], [0, 1], r"class 'a' \(1\) to hold some out for validation; add images, to 2 at least"),
    ],
)
def test_a_class_of_too_few_images_to_be_divided_is_named(given: list[str], labels: list[int], message: str) -> None:
    parts = {"train": split_of(labels), **{name: split_of([0, 1]) for name in given}}
    with pytest.raises(DataError, match=message):
        divide("data", parts, "ab")


def test_a_class_of_one_image_will_do_where_there_is_a_test_split() -> None:
    parts = divide("data", {"train": split_of([0, 0, 1]), "test": split_of([0, 1])}, "ab")
    assert [len(parts[name]) for name in ("train", "validation", "test")] == [2, 1, 2]


def test_a_class_of_one_image_will_do_where_nothing_is_divided() -> None:
    parts = {name: split_of([0, 0, 1]) for name in ("train", "validation", "test")}
    assert divide("data", parts, "ab") == parts


@pytest.mark.parametrize("label", [-1, 2])
def test_labels_out_of_range_are_refused(label: int) -> None:
    good, bad = split_of([0, 1]), split_of([0, label])
    with pytest.raises(DataError, match=r"the test labels run from .* but there are 2 classes"):
        Dataset("data", ("a", "b"), good, good, bad, "")


def test_images_of_another_shape_than_the_model_needs_are_refused() -> None:
    split = split_of([0, 1])
    with pytest.raises(DataError, match="holds 4x4x1 images and the model needs 8x8x3"):
        require_shape(Dataset("data", ("a", "b"), split, split, split, ""), (8, 8, 3))


def test_class_names_that_are_no_text_are_refused() -> None:
    split = split_of([0, 0])
    with pytest.raises(DataError, match=r"'caf\\udce9' is not valid text"):
        Dataset("bytes", ("caf\udce9",), split, split, split, "")
