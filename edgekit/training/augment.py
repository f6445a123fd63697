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
"""Images whose random numbers are drawn together."""
BLOCK_VALUES = 1 << 20
"""Of the pixels that are sampled together: float copies of more would leave the processor's caches."""


def augmented_view(images: Images, augmentation: Augmentation, seed: int, view: int) -> Images:
    """One augmented view of uint8 images [N, H, W, C], rounded back to uint8 so that every network sees the same bytes.

    Each image is sampled bilinearly through its own affine map (zeros outside) plus, where asked for, a smooth
    displacement interpolated from a random 4×4 grid.
    """
    if augmentation == Augmentation():
        return images
    rng = np.random.default_rng((seed, view))
    result = np.empty_like(images)
    block = max(1, BLOCK_VALUES // math.prod(images.shape[1:]))
    for chunk in range(0, len(images), CHUNK):
        count = min(CHUNK, len(images) - chunk)
        maps = _affine_maps(rng, count, augmentation)
        amplitude = augmentation.elastic
        coarse = rng.uniform(-amplitude, amplitude, (count, 2, 4, 4)).astype(np.float32) if amplitude else None
        for start in range(0, count, block):
            rows = slice(start, min(start + block, count))
            place = slice(chunk + rows.start, chunk + rows.stop)
            result[place] = _sampled(images[place], maps[rows], None if coarse is None else coarse[rows])
    return result


def _sampled(images: Images, maps: np.ndarray, coarse: np.ndarray | None) -> Images:
    """uint8 [n, H, W, C] through affine maps [n, 2, 3] and smooth displacements [n, 2, 4, 4] in pixels."""
    import torch
    from torch.nn import functional as F

    _, height, width, _ = images.shape
    grid = _grid(torch.from_numpy(maps), height, width)
    if coarse is not None:
        grid = grid + _displacement(torch.from_numpy(coarse), height, width)
    pixels = torch.from_numpy(images).permute(0, 3, 1, 2).contiguous().float()
    sampled = F.grid_sample(pixels, grid, mode="bilinear", padding_mode="zeros", align_corners=False)
    result: Images = sampled.round_().clamp_(0, 255).byte().permute(0, 2, 3, 1).numpy()
    return result


def _grid(maps: Tensor, height: int, width: int) -> Tensor:
    """float32 [n, H, W, 2]: where each output pixel comes from; torch's ``affine_grid`` takes ten times as long."""
    import torch

    x, y = (torch.linspace(-1, 1, size) * (size - 1) / size for size in (width, height))
    grid = maps[:, :, 0, None, None] * x + maps[:, :, 1, None, None] * y[:, None] + maps[:, :, 2, None, None]
    return grid.permute(0, 2, 3, 1)


def _affine_maps(rng: np.random.Generator, count: int, augmentation: Augmentation) -> np.ndarray:
    """float32 [count, 2, 3]: output position to input position, in [-1, 1] coordinates."""

    def uniform(half_width: float) -> np.ndarray:
        return rng.uniform(-half_width, half_width, count)

    angle = uniform(math.radians(augmentation.rotate))
    shear = np.tan(uniform(math.radians(augmentation.shear)))
    scale_x, scale_y = 1 + uniform(augmentation.scale), 1 + uniform(augmentation.scale)
    mirror = np.where(rng.random(count) < augmentation.flip, -1.0, 1.0)
    cos, sin = np.cos(angle), np.sin(angle)
    maps = (
        (mirror * cos / scale_x, (shear * cos - sin) / scale_x, 2 * uniform(augmentation.shift)),
        (mirror * sin / scale_y, (shear * sin + cos) / scale_y, 2 * uniform(augmentation.shift)),
    )
    return np.ascontiguousarray(np.moveaxis(np.asarray(maps, np.float32), -1, 0))


def _displacement(coarse: Tensor, height: int, width: int) -> Tensor:
    """float32 [n, H, W, 2]: coarse offsets in pixels [n, 2, 4, 4] as smooth ones in [-1, 1] coordinates."""
    import torch
    from torch.nn import functional as F

    smooth = F.interpolate(coarse, size=(height, width), mode="bicubic", align_corners=True)
    return smooth.permute(0, 2, 3, 1) * torch.tensor([2 / width, 2 / height])
