"""CIFAR-10 as an .npz file that every command takes with --data: 48,000 / 2,000 / 10,000 images.

    python benchmarks/frontier/cifar10.py SHEETS cifar10.npz

SHEETS is a folder of {train,test}-NN.webp, 50x50 tiles of 32x32 pixels row by row (lossless), and
{train,test}-labels.npy. The validation images are 200 of each class, drawn with a fixed seed.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
from PIL import Image

from edgekit.data.dataset import hold_out

CLASSES = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")


def images(folder: Path, split: str) -> np.ndarray:
    """uint8 [N, 32, 32, 3]."""
    sheets = [np.asarray(Image.open(path).convert("RGB")) for path in sorted(folder.glob(f"{split}-*.webp"))]
    tiles = [sheet.reshape(-1, 32, sheet.shape[1] // 32, 32, 3).swapaxes(1, 2) for sheet in sheets]
    return np.concatenate([block.reshape(-1, 32, 32, 3) for block in tiles])


def main(folder: Path, out: Path) -> None:
    """Write the file."""
    labels = {split: np.load(folder / f"{split}-labels.npy").astype(np.int64) for split in ("train", "test")}
    pixels = {split: images(folder, split)[: len(labels[split])] for split in labels}
    held = hold_out(labels["train"], 0.04, seed=0)
    np.savez(
        out,
        x_train=pixels["train"][~held],
        y_train=labels["train"][~held],
        x_validation=pixels["train"][held],
        y_validation=labels["train"][held],
        x_test=pixels["test"],
        y_test=labels["test"],
        classes=np.array(CLASSES),
    )


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
