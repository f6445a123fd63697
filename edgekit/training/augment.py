"""Random affine and elastic views of images, a pure function of (seed, view): a view can be made again."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from edgekit.recipe import Augmentation

if TYPE_CHECKING:
    from torch import Tensor

    from edgekit.data.dataset import Images

CHUNK = 4096


def augmented_view(images: Images, augmentation: Augmentation, seed: int, view: int) -> Images:
    """One augmented view of uint8 images [N, H, W, C], rounded back to uint8 so that every network sees the same bytes.

    Each image is sampled bilinearly through its own affine map (zeros outside) plus, where asked for, a smooth
    displacement interpolated from a random 4×4 grid.
    """
    import torch
    from torch.nn import functional as F

    if augmentation == Augmentation():
        return images
    rng = np.random.default_rng((seed, view))
    result = np.empty_like(images)
    for start in range(0, len(images), CHUNK):
        block = images[start : start + CHUNK]
        count, height, width, _ = block.shape
        grid = F.affine_grid(
            torch.from_numpy(_affine_maps(rng, count, augmentation)), [count, 1, height, width], align_corners=False
        )
        if augmentation.elastic:
            grid = grid + _displacement(rng, count, height, width, augmentation.elastic)
        pixels = torch.from_numpy(block).permute(0, 3, 1, 2).float()
        sampled = F.grid_sample(pixels, grid, mode="bilinear", padding_mode="zeros", align_corners=False)
        result[start : start + CHUNK] = sampled.round_().clamp_(0, 255).byte().permute(0, 2, 3, 1).numpy()
    return result


def _affine_maps(rng: np.random.Generator, count: int, augmentation: Augmentation) -> np.ndarray:
    """float32 [count, 2, 3]: output position to input position, in [-1, 1] coordinates."""

    def uniform(half_width: float) -> np.ndarray:
        return rng.uniform(-half_width, half_width, count)

    angle = uniform(math.radians(augmentation.rotate))
    shear = np.tan(uniform(math.radians(augmentation.shear)))
    scale_x, scale_y = 1 + uniform(augmentation.scale), 1 + uniform(augmentation.scale)
    mirror = np.where(rng.random(count) < augmentation.flip, -1.0, 1.0)
    cos, sin = np.cos(angle), np.sin(angle)
    maps = np.empty((count, 2, 3), np.float32)
    maps[:, 0, 0] = mirror * cos / scale_x
    maps[:, 0, 1] = (shear * cos - sin) / scale_x
    maps[:, 1, 0] = mirror * sin / scale_y
    maps[:, 1, 1] = (shear * sin + cos) / scale_y
    maps[:, 0, 2] = 2 * uniform(augmentation.shift)
    maps[:, 1, 2] = 2 * uniform(augmentation.shift)
    return maps


def _displacement(rng: np.random.Generator, count: int, height: int, width: int, amplitude: float) -> Tensor:
    """float32 [count, H, W, 2]: a smooth random offset of about ``amplitude`` pixels, in [-1, 1] coordinates."""
    import torch
    from torch.nn import functional as F

    coarse = torch.from_numpy(rng.uniform(-amplitude, amplitude, (count, 2, 4, 4)).astype(np.float32))
    smooth = F.interpolate(coarse, size=(height, width), mode="bicubic", align_corners=True)
    return smooth.permute(0, 2, 3, 1) * torch.tensor([2 / width, 2 / height])
