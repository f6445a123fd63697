import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgekit.data.balance import class_weights, remarks_on_balance
from edgekit.data.dataset import Dataset, Split


def data_of(*counts: list[int]) -> Dataset:
    """Data with so many images of each class in the training, validation and test splits."""
    splits = [
        Split(np.zeros((sum(count), 1, 1, 1), np.uint8), np.repeat(np.arange(len(count)), count)) for count in counts
    ]
    return Dataset("pets", tuple("abc"[: len(counts[0])]), *splits, sha256="")


@given(st.lists(st.integers(0, 4), min_size=1))
def test_every_class_weighs_the_same_and_an_image_one_on_average(labels: list[int]) -> None:
    numbers = np.array(labels)
    weights = class_weights(numbers, 5)
    assert weights.dtype == np.float32
    assert weights[numbers].mean() == pytest.approx(1)
    totals = np.bincount(numbers, weights[numbers], minlength=5)
    assert totals[totals > 0] == pytest.approx(totals.max())


def test_classes_of_about_one_size_need_no_remark() -> None:
    assert list(remarks_on_balance(data_of([70, 10], [7, 1], [7, 1]))) == []


def test_a_hundred_to_one_is_said_with_the_counts() -> None:
    (remark,) = remarks_on_balance(data_of([1000, 10], [7, 1], [7, 1]))
    assert "1,000 training images of 'a', but 10 of 'b'" in remark


def test_a_class_without_test_images_is_named() -> None:
    (remark,) = remarks_on_balance(data_of([9, 9, 9], [1, 1, 1], [2, 0, 2]))
    assert remark == "pets has no test images of the class 'b'; add some."
