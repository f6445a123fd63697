from __future__ import annotations

import numpy as np
import pytest
import torch
from torch.nn import functional

from edgekit.data.dataset import Dataset
from edgekit.recipe import Augmentation
from edgekit.training import augment
from edgekit.training.augment import augmented_view

STRONG = Augmentation(rotate=15, shear=8, scale=0.1, shift=0.1, elastic=1.0)


def test_a_view_is_a_function_of_seed_and_number(mnist: Dataset) -> None:
    images = mnist.train.images[np.arange(200)]
    first = augmented_view(images, STRONG, seed=3, view=1)
    assert first.dtype == np.uint8
    assert first.shape == images.shape
    np.testing.assert_array_equal(first, augmented_view(images, STRONG, seed=3, view=1))
    assert (first != augmented_view(images, STRONG, seed=3, view=2)).any()
    assert (first != augmented_view(images, STRONG, seed=4, view=1)).any()


def test_a_view_does_not_depend_on_how_many_images_are_sampled_together(
    mnist: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    images = mnist.train.images[np.arange(50)]
    together = augmented_view(images, STRONG, seed=3, view=1)
    monkeypatch.setattr("edgekit.training.augment.BLOCK_VALUES", 7 * 28 * 28)
    np.testing.assert_array_equal(augmented_view(images, STRONG, seed=3, view=1), together)


def test_the_grid_is_that_of_torch() -> None:
    maps = torch.from_numpy(np.random.default_rng(0).normal(0, 1, (6, 2, 3)).astype(np.float32))
    torch.testing.assert_close(
        augment._grid(maps, 9, 14), functional.affine_grid(maps, [6, 1, 9, 14], align_corners=False)
    )


def test_no_augmentation_leaves_the_images_alone(mnist: Dataset) -> None:
    images = mnist.train.images[np.arange(5)]
    np.testing.assert_array_equal(augmented_view(images, Augmentation(), 0, 0), images)


def test_a_full_flip_mirrors(mnist: Dataset) -> None:
    images = mnist.train.images[np.arange(5)]
    np.testing.assert_array_equal(augmented_view(images, Augmentation(flip=1.0), 0, 0), images[:, :, ::-1])


def test_a_shift_moves_ink_without_making_any() -> None:
    images = np.zeros((50, 28, 28, 1), np.uint8)
    images[:, 12:16, 12:16] = 255
    moved = augmented_view(images, Augmentation(shift=0.1), 0, 0).astype(int)
    mass = moved.sum((1, 2, 3))
    np.testing.assert_allclose(mass, 16 * 255, rtol=0.02)
    columns = (moved.sum((1, 3)) * np.arange(28)).sum(1) / mass
    assert columns.min() >= 13.5 - 2.9
    assert columns.max() <= 13.5 + 2.9
    assert columns.std() > 1
