"""RESIZE_NEAREST_NEIGHBOR and RESIZE_BILINEAR of images: where a step reads is known when the program is written."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import chain

import numpy as np

from edgekit.conversion.c.layer import Layer, Site, array, ctype, real
from edgekit.operators.resize import kernel_scale, nearest_places

SHARE_BITS = 10
"""Behind the point of a place between two pixels."""
ONE = 1 << SHARE_BITS


@dataclass(frozen=True)
class Between:
    """Of each step along an axis the pixels before and behind it, and the way from the one to the other."""

    before: list[int]
    behind: list[int]
    way: list[int] | list[float]

    @classmethod
    def of_reals(cls, size: int, steps: int, align_corners: bool, half_pixel_centers: bool) -> Between:
        """As TFLite's float kernel computes it."""
        scale = np.float32(kernel_scale(size, steps, {"AlignCorners": align_corners}))
        shift = np.float32(0.5 if half_pixel_centers else 0)
        places = ((np.arange(steps, dtype=np.float32) + shift) * scale - shift).tolist()
        before = [max(math.floor(place), 0) for place in places]
        behind = [min(math.ceil(place), size - 1) for place in places]
        return cls(before, behind, [place - first for place, first in zip(places, before, strict=True)])

    @classmethod
    def along(cls, size: int, steps: int, align_corners: bool, half_pixel_centers: bool) -> Between:
        """As TFLite's integer kernel computes it."""
        scale = (ONE * size + steps // 2) // steps
        if align_corners and steps > 1:
            scale = (ONE * (size - 1) + (steps - 1) // 2) // (steps - 1)
        shift = scale // 2 - ONE // 2 if half_pixel_centers else 0
        places = [step * scale + shift for step in range(steps)]
        before = [max(place, 0) // ONE for place in places]
        behind = [min(max(place + ONE - 1, 0) // ONE, size - 1) for place in places]
        return cls(before, behind, [place - ONE * first for place, first in zip(places, before, strict=True)])

    def arrays(self, name: str, kind: str) -> Iterator[str]:
        """Their definitions; ways are of this kind."""
        for part, values in (("before", self.before), ("behind", self.behind)):
            yield array("int16_t", f"{name}_{part}", np.array(values))
        yield array(kind, f"{name}_way", [real(way) if kind == "float" else str(way) for way in self.way])


def resize_nearest_neighbor(site: Site) -> Layer:
    """RESIZE_NEAREST_NEIGHBOR."""
    batch, height, width, channels = _image(site)
    _, rows, columns, _ = site.output.shape
    fields = {
        "AlignCorners": bool(site.option("AlignCorners")),
        "HalfPixelCenters": bool(site.option("HalfPixelCenters")),
    }
    places = {
        part: nearest_places(size, steps, fields)
        for part, size, steps in (("row", height, rows), ("column", width, columns))
    }
    body = (
        f"    for (int y = 0; y < {batch * rows}; ++y) {{\n"
        f"        const int row = y / {rows} * {height} + {site.name}_row[y % {rows}];\n"
        f"        for (int x = 0; x < {columns}; ++x, out += {channels}) {{\n"
        f"            memcpy(out, in + (row * {width} + {site.name}_column[x]) * {channels}, {channels * site.item});\n"
        "        }\n"
        "    }\n"
    )
    return Layer(body, tuple(array("int16_t", f"{site.name}_{part}", found) for part, found in places.items()))


def resize_bilinear(site: Site) -> Layer:
    """RESIZE_BILINEAR: four pixels by 20 bits of their shares, rounded to the nearest, halves away from zero."""
    _image(site)
    half = ONE * ONE // 2
    rounded = f"(int8_t)((sum + (sum > 0 ? {half} : -{half})) / {ONE * ONE})"
    return Layer(four_pixels(site, "int32_t", str(ONE), rounded), ways(site, Between.along, "int16_t"))


def ways(site: Site, between: Callable[[int, int, bool, bool], Between], kind: str) -> tuple[str, ...]:
    """The arrays of an image's rows and columns; ways are of this kind."""
    options = (bool(site.option("AlignCorners")), bool(site.option("HalfPixelCenters")))
    axes = zip(("row", "column"), site.inputs[0].shape[1:3], site.output.shape[1:3], strict=True)
    parts = (between(size, steps, *options).arrays(f"{site.name}_{axis}", kind) for axis, size, steps in axes)
    return tuple(chain.from_iterable(parts))


def four_pixels(site: Site, kind: str, one: str, result: str) -> str:
    """The loops that make each ``result`` of a ``sum``, of this kind, of four pixels by parts of ``one``."""
    batch, height, width, channels = site.inputs[0].shape
    _, rows, columns, _ = site.output.shape
    name, value = site.name, ctype(site.output)
    return f"""\
    for (int y = 0; y < {batch * rows}; ++y) {{
        const {value} *const image = in + y / {rows} * {height * width * channels};
        const {value} *const above = image + {name}_row_before[y % {rows}] * {width * channels};
        const {value} *const below = image + {name}_row_behind[y % {rows}] * {width * channels};
        const {kind} down = {name}_row_way[y % {rows}];
        for (int x = 0; x < {columns}; ++x) {{
            const int left = {name}_column_before[x] * {channels}, right = {name}_column_behind[x] * {channels};
            const {kind} across = {name}_column_way[x];
            for (int c = 0; c < {channels}; ++c) {{
                const {kind} sum = above[left + c] * ({one} - down) * ({one} - across) +
                    below[left + c] * down * ({one} - across) + above[right + c] * ({one} - down) * across +
                    below[right + c] * down * across;
                *out++ = {result};
            }}
        }}
    }}
"""


def _image(site: Site) -> tuple[int, ...]:
    if site.changes_scale():
        raise site.refusal("has another scale behind it than before it")
    return site.inputs[0].shape


KERNELS = {"RESIZE_NEAREST_NEIGHBOR": resize_nearest_neighbor, "RESIZE_BILINEAR": resize_bilinear}
