from __future__ import annotations

import numpy as np
import pytest
import torch
from torch.nn import functional

from edgekit.data.dataset import Dataset, Images
from edgekit.recipe import Augmentation
from edgekit.training import augment
from edgekit.training.augment import View

STRONG = Augmentation(rotate=15, shear=8, scale=0.1, shift=0.1, elastic=1.0)


def augmented_view(images: Images, augmentation: Augmentation, seed: int, view: int) -> Images:
    return View(images, None, augmentation, seed, view).images(np.arange(len(images)))


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


PHOTO = Augmentation(flip=0.5, crop=4, cutout=0.3, resized_crop=0.3, trivial=1.0, mixup=0.3, cutmix=1.0)


def photos(count: int, side: int = 32) -> Images:
    """Smooth coloured pictures, each with a shape of its own."""
    rng = np.random.default_rng(5)
    coarse = torch.from_numpy(rng.uniform(0, 255, (count, 3, 4, 4)).astype(np.float32))
    smooth = functional.interpolate(coarse, size=(side, side), mode="bilinear", align_corners=False)
    return smooth.byte().permute(0, 2, 3, 1).numpy()


def test_any_rows_of_a_view_are_those_of_the_whole() -> None:
    images, labels = photos(40), np.arange(40) % 7
    view = View(images, labels, PHOTO, 3, 1)
    rows = np.array([7, 3, 31, 3])
    np.testing.assert_array_equal(view.images(rows), view.images(np.arange(40))[rows])
    np.testing.assert_array_equal(view.targets(rows, 7), view.targets(np.arange(40), 7)[rows])
    again = View(images, labels, PHOTO, 3, 1)
    np.testing.assert_array_equal(again.images(rows), view.images(rows))


def test_rendering_leaves_the_source_alone() -> None:
    images = photos(20)
    before = images.copy()
    View(images, np.arange(20), PHOTO, 0, 0).images(np.arange(20))
    np.testing.assert_array_equal(images, before)


@pytest.mark.parametrize(
    "augmentation", [Augmentation(flip=0.5, crop=4), Augmentation(rotate=15, resized_crop=0.3), Augmentation(cutmix=1)]
)
def test_a_view_of_a_larger_rendition_shows_the_same(augmentation: Augmentation) -> None:
    small, large = photos(30, 32), photos(30, 64)
    view = View(small, np.arange(30), augmentation, 1, 2)
    shown = view.images(np.arange(30)).astype(float)
    also = view.images(np.arange(30), large).reshape(30, 32, 2, 32, 2, 3).mean((2, 4))
    assert np.abs(shown - also).mean() < 6
    assert np.abs(shown - small).mean() > 12


def test_a_crop_moves_by_whole_pixels_and_mirrors_the_border() -> None:
    image = np.arange(16, dtype=np.uint8).reshape(1, 4, 4, 1).repeat(300, 0)
    seen = {picture.tobytes() for picture in augmented_view(image, Augmentation(crop=1), 0, 0)}
    padded = np.pad(image[0, ..., 0], 1, mode="reflect")
    assert seen == {padded[y : y + 4, x : x + 4].tobytes() for y in range(3) for x in range(3)}


def test_cutout_paints_a_grey_square() -> None:
    images = np.full((200, 32, 32, 3), 7, np.uint8)
    grey = (augmented_view(images, Augmentation(cutout=0.25), 0, 0) == 128).all(3)
    assert grey.sum((1, 2)).max() == 64
    assert grey.any((1, 2)).all()


@pytest.mark.parametrize("mixing", [Augmentation(mixup=0.4), Augmentation(cutmix=1.0)])
def test_targets_are_the_shares_of_what_a_mixed_picture_shows(mixing: Augmentation) -> None:
    labels = np.arange(100) % 10
    images = np.zeros((100, 32, 32, 3), np.uint8) + labels[:, None, None, None].astype(np.uint8) * 25
    view = View(images, labels, mixing, 0, 0)
    targets = view.targets(np.arange(100), 10)
    np.testing.assert_allclose(targets.sum(1), 1, atol=1e-6)
    brightness = view.images(np.arange(100)).mean((1, 2, 3))
    np.testing.assert_allclose(brightness, targets @ (np.arange(10) * 25), atol=12)
    assert (targets.max(1) < 0.9).mean() > 0.3


def test_a_resized_crop_keeps_at_least_its_share() -> None:
    ramp = np.linspace(0, 255, 64).astype(np.uint8)
    images = np.broadcast_to(ramp[None, None, :, None], (200, 64, 64, 3)).copy()
    view = augmented_view(images, Augmentation(resized_crop=0.5), 0, 0).astype(int)
    kept = (view[:, 32, 60, 0] - view[:, 32, 3, 0]) / (57 * 255 / 63)
    assert kept.min() > 0.5 * 3 / 4
    assert kept.max() <= 1.02
    assert kept.std() > 0.05
    assert view.min() >= 0
    assert (view[:, :, 2:-2] > 0).mean() > 0.98


def test_trivial_augment_changes_each_picture_in_its_own_way() -> None:
    images = photos(1).repeat(200, 0)
    changed = augmented_view(images, Augmentation(trivial=1.0), 0, 0)
    assert len({picture.tobytes() for picture in changed}) > 100
    grey = augmented_view(images[..., :1], Augmentation(trivial=1.0), 0, 0)
    assert grey.shape == (200, 32, 32, 1)
