"""Images of noise, where a test of calibration needs no more than values that vary."""

from __future__ import annotations

import numpy as np

from edgekit.data.dataset import Split
from edgekit.data.intake import Pictures
from edgekit.inputs.contract import InputContract
from edgekit.quantization.calibrate import RealInputs

SIZE, CHANNELS = 8, 3
CONTRACT = InputContract(SIZE, SIZE, CHANNELS)


def random_split(count: int = 16, classes: int | None = None, seed: int = 0) -> Split:
    """Smooth spots of random colours [count, 8, 8, 3], with random labels if there are ``classes``."""
    generator = np.random.default_rng(seed)
    coarse = generator.integers(0, 200, (count, SIZE // 2, SIZE // 2, CHANNELS))
    images = coarse.repeat(2, axis=1).repeat(2, axis=2) + generator.integers(0, 56, (count, SIZE, SIZE, CHANNELS))
    labels = None if classes is None else generator.integers(0, classes, count)
    return Split(images.astype(np.uint8), labels)


def random_inputs(count: int = 16, contract: InputContract = CONTRACT, seed: int = 0) -> RealInputs:
    """The same as real inputs [1, 3, 8, 8]."""
    return RealInputs(random_split(count, seed=seed), np.arange(count), Pictures(contract))
