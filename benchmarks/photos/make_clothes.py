"""Make the photos of clothes that the package carries (``--data clothes``) from the data set that they come from.

    python benchmarks/photos/make_clothes.py FOLDER

The data set is clothing-dataset-small by Alexey Grigorev and contributors (CC0): folders train, val and test of class
folders. Of each class of each split some photos are drawn, so that no photo changes its split, cut to a square around
the centre and stored as JPEG.
"""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

import numpy as np
from PIL import Image

from edgekit.data.clothes import FOLDER
from edgekit.data.files import prepare
from edgekit.inputs.contract import InputContract

SIDE, QUALITY, SEED = 96, 85, 0
PER_CLASS = {"train": 80, "val": 12, "test": 12}


def main(source: Path) -> None:
    shutil.rmtree(FOLDER, ignore_errors=True)
    for split, count in PER_CLASS.items():
        for folder in sorted((source / split).iterdir()):
            photos = sorted(folder.glob("*.jpg"))
            chosen = np.random.default_rng(SEED).choice(len(photos), count, replace=False)
            target = FOLDER / split / folder.name
            target.mkdir(parents=True)
            for number, index in enumerate(sorted(chosen)):
                pixels = prepare(photos[index], InputContract(SIDE, SIDE, 3))
                Image.fromarray(pixels).save(target / f"{number:02d}.jpg", quality=QUALITY, optimize=True)
    files = [*FOLDER.rglob("*.jpg")]
    print(f"{len(files):,} photos, {sum(path.stat().st_size for path in files):,} bytes in {FOLDER}")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
