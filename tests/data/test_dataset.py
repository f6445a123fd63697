import numpy as np
import pytest

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
    kept, held = hold_out(split_of([0] * 40 + [1] * 80), 1 / 4, seed=1)
    assert kept.labels is not None
    assert held.labels is not None
    assert np.bincount(held.labels).tolist() == [10, 20]
    assert np.bincount(kept.labels).tolist() == [30, 60]


def test_holding_out_keeps_every_image_in_exactly_one_half() -> None:
    kept, held = hold_out(split_of([0, 1] * 20), 1 / 5, seed=1)
    first_pixels = [int(image[0, 0, 0]) for part in (kept, held) for image in part.images[:]]
    assert sorted(first_pixels) == list(range(40))


def test_holding_out_keeps_a_class_of_one_image_in_training() -> None:
    kept, _ = hold_out(split_of([0, 0, 0, 1]), 1 / 4, seed=1)
    assert kept.labels is not None
    assert 1 in kept.labels


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
