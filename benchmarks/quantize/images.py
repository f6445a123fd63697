"""The benchmarks' images as .npy files, so that every tool calibrates on the same pixels and is judged on the same.

Of each set there are three parts, uint8 [N, H, W, C]: ``calibration``, ``development`` (for choices made while the
tools are being written) and ``test`` (for the figures that are published; looked at once).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from places import DATA, SHARED

from edgekit.data import open_data
from edgekit.data.dataset import Split
from edgekit.data.files import prepare
from edgekit.inputs.contract import InputContract

PARTS = ("calibration", "development", "test")
CLOTHES = InputContract(224, 224, 3)
CLOTHES_CALIBRATION, CLOTHES_TEST = 200, 500
CIFAR_DEVELOPMENT, MNIST_CALIBRATION = 5000, 500
MOST_DEGREES = 20
SEED = 0
MANY = 2000

Pixels = NDArray[np.uint8]


@dataclass(frozen=True)
class Part:
    """Images uint8 [N, H, W, C], with labels int64 [N] where they are classes of the network's."""

    images: Pixels
    labels: NDArray[np.int64] | None


def part_of(images: str, part: str) -> Part:
    """A part of the set ``clothes``, ``cifar10`` or ``mnist``; the set's files are made if they are not there."""
    folder = DATA / images
    if not (folder / "test.npy").exists():
        _write(folder, MAKERS[images]())
    labels = folder / f"{part}.labels.npy"
    return Part(np.load(folder / f"{part}.npy", mmap_mode="r"), np.load(labels) if labels.exists() else None)


@dataclass(frozen=True)
class Many:
    """The same 2,000 photos twice: ``pixels`` [N, H, W, C] in an .npy file, and links to the JPEGs in a ``folder``."""

    pixels: Path
    folder: Path


def many_clothes() -> Many:
    """2,000 photos of clothes: for how memory grows with the number of calibration images."""
    many = Many(DATA / "clothes" / "many.npy", DATA / "clothes" / "many")
    if not many.pixels.exists():
        photos = sorted((SHARED / "data" / "clothing" / "train").rglob("*.jpg"))
        chosen = np.random.default_rng(SEED).permutation(len(photos))[:MANY]
        many.folder.mkdir(parents=True, exist_ok=True)
        pixels = np.lib.format.open_memmap(many.pixels, "w+", np.uint8, (MANY, *CLOTHES.shape))
        for row, photo in enumerate(chosen):
            (many.folder / f"{row:04}.jpg").symlink_to(photos[photo])
            pixels[row] = prepare(photos[photo], CLOTHES)
    return many


def _write(folder: Path, parts: dict[str, Part]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name, part in parts.items():
        if part.labels is not None:
            np.save(folder / f"{name}.labels.npy", part.labels)
        np.save(folder / f"{name}.npy", part.images)


def _clothes() -> dict[str, Part]:
    """Photos without ImageNet's labels: judged by agreement with the float network alone."""
    data = open_data(str(SHARED / "data" / "clothing"), CLOTHES)
    calibration = data.train.sample(CLOTHES_CALIBRATION, SEED)
    others = np.setdiff1d(np.arange(len(data.train)), calibration)
    extra = np.random.default_rng(SEED).choice(others, CLOTHES_TEST - len(data.test), replace=False)
    test = np.concatenate((data.test.images[:], data.train.images[np.sort(extra)]))
    return {
        "calibration": Part(data.train.images[calibration], None),
        "development": Part(data.validation.images[:], None),
        "test": Part(test, None),
    }


def _cifar10() -> dict[str, Part]:
    """The calibration images are those of MLPerf Tiny.

    The network knows its training images by heart, and any int8 file does. Turned by up to 20 degrees they are as hard
    for it as the test images are (93.5% right), so that they tell quantizers apart.
    """
    folder = SHARED / "data" / "cifar10"
    train, test = (_cifar10_split(folder, name) for name in ("train", "test"))
    calibration = np.load(folder / "calibration_samples_idxs.npy")
    others = np.setdiff1d(np.arange(len(train)), calibration)
    development = np.sort(np.random.default_rng(SEED).choice(others, CIFAR_DEVELOPMENT, replace=False))
    return {
        "calibration": _part(train, calibration),
        "development": _turned(_part(train, development)),
        "test": _part(test, np.arange(len(test))),
    }


def _turned(part: Part) -> Part:
    from PIL import Image

    angles = np.random.default_rng(SEED).uniform(-MOST_DEGREES, MOST_DEGREES, len(part.images))
    wide = np.pad(part.images, ((0, 0), (8, 8), (8, 8), (0, 0)), mode="reflect")
    turned = [
        np.asarray(Image.fromarray(image).rotate(angle, Image.Resampling.BILINEAR))[8:-8, 8:-8]
        for image, angle in zip(wide, angles, strict=True)
    ]
    return Part(np.stack(turned), part.labels)


def _cifar10_split(folder: Path, name: str) -> Split:
    from PIL import Image

    def sheets() -> Iterator[Any]:
        for path in sorted(folder.glob(f"{name}-*.webp")):
            tiles = np.asarray(Image.open(path).convert("RGB")).reshape(50, 32, 50, 32, 3)
            yield tiles.transpose(0, 2, 1, 3, 4).reshape(-1, 32, 32, 3)

    return Split(np.concatenate(list(sheets())), np.load(folder / f"{name}-labels.npy").astype(np.int64))


def _mnist() -> dict[str, Part]:
    data = open_data("mnist")
    return {
        "calibration": _part(data.train, data.train.sample(MNIST_CALIBRATION, SEED)),
        "development": _part(data.validation, np.arange(len(data.validation))),
        "test": _part(data.test, np.arange(len(data.test))),
    }


def _part(split: Split, rows: NDArray[np.int64]) -> Part:
    taken = split.take(rows)
    assert isinstance(taken.images, np.ndarray)
    return Part(taken.images, taken.labels)


MAKERS = {"clothes": _clothes, "cifar10": _cifar10, "mnist": _mnist}
