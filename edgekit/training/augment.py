"""Random views of a training set, each a pure function of (seed, number): a view can be made again, in any part.

What is random of a view is drawn when it is opened, a few numbers an image; pixels are rendered when they are asked
for. The same view can be rendered from another rendition of the same pictures, as a teacher wants them at another size.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from edgekit.recipe import Augmentation
from edgekit.training.trivial import trivially_changed

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from torch import Tensor

    from edgekit.data.dataset import ImageArray, Images, Labels

CHUNK = 4096
"""Images whose random numbers are drawn together."""
BLOCK_VALUES = 1 << 20
"""Of the pixels that are sampled together: float copies of more would leave the processor's caches."""


class View:
    """One augmented view of uint8 images [N, H, W, C] and their labels [N] (None if there are none).

    Pictures are rounded back to uint8, so that every network sees the same bytes. Each is changed as
    ``edgekit.recipe.Augmentation`` says, in this order: sampled bilinearly through an affine map (zeros outside) and a
    smooth displacement interpolated from a random 4×4 grid; shifted by whole pixels; one operation of TrivialAugment;
    cutout; mixed with another picture of the view.
    """

    def __init__(
        self, images: ImageArray, labels: Labels | None, augmentation: Augmentation, seed: int, number: int
    ) -> None:
        self.source, self.labels, self.augmentation, self.number = images, labels, augmentation, number
        self._share: NDArray[np.float32] | None = None
        self._draw(len(images), np.random.default_rng((seed, number)), np.random.default_rng((seed, number, 1)))

    def __len__(self) -> int:
        return len(self.source)

    def images(self, rows: NDArray[np.int64], source: ImageArray | None = None) -> Images:
        """uint8 [n, H, W, C]: the pictures of ``rows``, rendered from ``source``, which may have another H and W."""
        source = self.source if source is None else source
        changed = self._changed(rows, source)
        if self._share is not None:
            mixed = np.flatnonzero(self._share[rows] < 1)
            if len(mixed):
                others = self._changed(self._partner[rows[mixed]], source)
                changed[mixed] = self._mixed(changed[mixed], others, rows[mixed])
        return changed

    def targets(self, rows: NDArray[np.int64], classes: int) -> Labels | NDArray[np.float32]:
        """What ``rows`` show: int64 [n], or float32 [n, classes] shares where the view mixes pictures."""
        assert self.labels is not None
        if self._share is None:
            return self.labels[rows]
        shares = np.zeros((len(rows), classes), np.float32)
        own, place = self._share[rows], np.arange(len(rows))
        np.add.at(shares, (place, self.labels[rows]), own)
        np.add.at(shares, (place, self.labels[self._partner[rows]]), 1 - own)
        return shares

    def _draw(self, count: int, rng: np.random.Generator, second: np.random.Generator) -> None:
        """The numbers of all images; ``second`` gives those that a view without pixel shifts and mixing has not."""
        chosen, side = self.augmentation, self.source.shape[1]
        maps, coarse = [], []
        for start in range(0, count, CHUNK):
            size = min(CHUNK, count - start)
            maps.append(_affine_maps(rng, size, chosen))
            if chosen.elastic:
                amplitude = chosen.elastic / side
                coarse.append(rng.uniform(-amplitude, amplitude, (size, 2, 4, 4)).astype(np.float32))
        self._maps = np.concatenate(maps)
        self._coarse = np.concatenate(coarse) if coarse else None
        if chosen.resized_crop:
            self._maps = _cropped(self._maps, second, chosen.resized_crop)
        self._offsets = second.integers(-chosen.crop, chosen.crop, (count, 2), endpoint=True) / side
        self._trivial = np.where(second.random(count) < chosen.trivial, second.integers(1, 1 << 32, count), 0)
        self._holes = second.random((count, 2))
        if chosen.mixup or chosen.cutmix:
            self._draw_mixing(count, second)

    def _draw_mixing(self, count: int, rng: np.random.Generator) -> None:
        chosen = self.augmentation
        self._partner = rng.permutation(count)
        cut = rng.random(count) < (0.5 if chosen.mixup and chosen.cutmix else bool(chosen.cutmix))
        share = np.where(cut, _beta(rng, chosen.cutmix, count), _beta(rng, chosen.mixup, count))
        half, middle = np.sqrt(1 - share)[:, None] / 2, rng.random((count, 2))
        self._boxes = np.concatenate((middle - half, middle + half), 1).clip(0, 1)
        area = np.prod(self._boxes[:, 2:] - self._boxes[:, :2], axis=1)
        self._boxes[~cut] = -1
        self._share = np.where(cut, 1 - area, share).astype(np.float32)

    def _changed(self, rows: NDArray[np.int64], source: ImageArray) -> Images:
        """The pictures of ``rows`` before they are mixed; never the source's own memory."""
        chosen, pictures = self.augmentation, source[rows]
        if chosen.samples:
            block = max(1, BLOCK_VALUES // math.prod(pictures.shape[1:]))
            parts = (slice(start, start + block) for start in range(0, len(rows), block))
            pictures = np.concatenate([self._sampled(pictures[part], rows[part]) for part in parts])
        if chosen.crop or (chosen.flip and not chosen.samples):
            mirror = self._maps[rows, 0, 0] < 0
            pictures = _shifted(pictures, self._offsets[rows], np.zeros_like(mirror) if chosen.samples else mirror)
        if chosen.trivial:
            pictures = np.stack([trivially_changed(*pair) for pair in zip(pictures, self._trivial[rows], strict=True)])
        if chosen.cutout:
            _cut_out(pictures, self._holes[rows], chosen.cutout)
        return pictures

    def _sampled(self, pictures: Images, rows: NDArray[np.int64]) -> Images:
        import torch
        from torch.nn import functional as F

        _, height, width, _ = pictures.shape
        grid = _grid(torch.from_numpy(self._maps[rows]), height, width)
        if self._coarse is not None:
            grid = grid + _displacement(torch.from_numpy(self._coarse[rows]), height, width)
        pixels = torch.from_numpy(pictures).permute(0, 3, 1, 2).contiguous().float()
        sampled = F.grid_sample(pixels, grid, mode="bilinear", padding_mode="zeros", align_corners=False)
        result: Images = sampled.round_().clamp_(0, 255).byte().permute(0, 2, 3, 1).numpy()
        return result

    def _mixed(self, pictures: Images, others: Images, rows: NDArray[np.int64]) -> Images:
        assert self._share is not None
        result = pictures.copy()
        boxes = self._boxes[rows]
        blend = boxes[:, 0] < 0
        share = self._share[rows[blend], None, None, None]
        result[blend] = np.rint(share * pictures[blend] + (1 - share) * others[blend]).astype(np.uint8)
        height, width = pictures.shape[1:3]
        edges = np.rint(boxes * (height, width, height, width)).astype(int)
        for place in np.flatnonzero(~blend):
            top, left, bottom, right = edges[place]
            result[place, top:bottom, left:right] = others[place, top:bottom, left:right]
        return result


def _grid(maps: Tensor, height: int, width: int) -> Tensor:
    """float32 [n, H, W, 2]: where each output pixel comes from; torch's ``affine_grid`` takes much longer."""
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


def _cropped(maps: np.ndarray, rng: np.random.Generator, least: float) -> np.ndarray:
    """Affine maps [n, 2, 3] that are applied to a random part of the picture: its area at least the share ``least``."""
    area = rng.uniform(least, 1, len(maps))
    stretch = np.exp(rng.uniform(-1, 1, len(maps)) * math.log(4 / 3) / 2)
    sides = np.sqrt(area)[:, None] * np.stack((stretch, 1 / stretch), 1)
    sides = sides.clip(0, 1)
    middle = (1 - sides) * rng.uniform(-1, 1, sides.shape)
    inner = maps.copy()
    inner *= sides[:, :, None]
    inner[:, :, 2] += middle
    return inner.astype(np.float32)


def _displacement(coarse: Tensor, height: int, width: int) -> Tensor:
    """float32 [n, H, W, 2]: coarse offsets as shares of the side [n, 2, 4, 4] as smooth ones in [-1, 1] coordinates."""
    from torch.nn import functional as F

    return 2 * F.interpolate(coarse, size=(height, width), mode="bicubic", align_corners=True).permute(0, 2, 3, 1)


def _shifted(pictures: Images, offsets: np.ndarray, mirror: np.ndarray) -> Images:
    """Pictures moved by whole pixels, ``offsets`` [n, 2] as shares of the side; what comes in mirrors the border."""
    places = []
    for axis, size in enumerate(pictures.shape[1:3]):
        place = np.arange(size) + np.rint(offsets[:, axis, None] * size).astype(int)
        place = (size - 1) - np.abs((size - 1) - np.abs(place).clip(max=2 * (size - 1)))
        places.append(place)
    vertical, horizontal = places
    horizontal = np.where(mirror[:, None], horizontal[:, ::-1], horizontal)
    moved: Images = pictures[np.arange(len(pictures))[:, None, None], vertical[:, :, None], horizontal[:, None, :]]
    return moved


def _cut_out(pictures: Images, middles: np.ndarray, share: float) -> None:
    """Paint a grey square of ``share`` of the side into each picture, around ``middles`` [n, 2] in [0, 1]."""
    sides = np.asarray(pictures.shape[1:3])
    for picture, middle in zip(pictures, middles, strict=True):
        top, left = np.rint(sides * (middle - share / 2)).astype(int).clip(0)
        bottom, right = np.rint(sides * (middle + share / 2)).astype(int)
        picture[top:bottom, left:right] = 128


def _beta(rng: np.random.Generator, parameter: float, count: int) -> np.ndarray:
    return rng.beta(parameter, parameter, count) if parameter else np.ones(count)
