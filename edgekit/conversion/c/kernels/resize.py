"""RESIZE_NEAREST_NEIGHBOR and RESIZE_BILINEAR of images: where a step reads is known when the program is written."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from edgekit.conversion.c.layer import Layer, Site, array
from edgekit.operators.resize import nearest_places

SHARE_BITS = 10
"""Behind the point of a place between two pixels."""
ONE = 1 << SHARE_BITS


@dataclass(frozen=True)
class Between:
    """Of each step along an axis the pixels before and behind it, and the way from the one to the other."""

    before: list[int]
    behind: list[int]
    way: list[int]

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

    def arrays(self, name: str) -> Iterator[str]:
        """Their definitions."""
        for part, values in (("before", self.before), ("behind", self.behind), ("way", self.way)):
            yield array("int16_t", f"{name}_{part}", np.array(values))


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
        f"            memcpy(out, in + (row * {width} + {site.name}_column[x]) * {channels}, {channels});\n"
        "        }\n"
        "    }\n"
    )
    return Layer(body, tuple(array("int16_t", f"{site.name}_{part}", found) for part, found in places.items()))


def resize_bilinear(site: Site) -> Layer:
    """RESIZE_BILINEAR: four pixels by 20 bits of their shares, rounded to the nearest, halves away from zero."""
    batch, height, width, channels = _image(site)
    _, rows, columns, _ = site.output.shape
    options = (bool(site.option("AlignCorners")), bool(site.option("HalfPixelCenters")))
    name = site.name
    constants = (
        *Between.along(height, rows, *options).arrays(f"{name}_row"),
        *Between.along(width, columns, *options).arrays(f"{name}_column"),
    )
    body = f"""\
    for (int y = 0; y < {batch * rows}; ++y) {{
        const int8_t *const image = in + y / {rows} * {height * width * channels};
        const int8_t *const above = image + {name}_row_before[y % {rows}] * {width * channels};
        const int8_t *const below = image + {name}_row_behind[y % {rows}] * {width * channels};
        const int32_t down = {name}_row_way[y % {rows}];
        for (int x = 0; x < {columns}; ++x) {{
            const int left = {name}_column_before[x] * {channels}, right = {name}_column_behind[x] * {channels};
            const int32_t across = {name}_column_way[x];
            for (int c = 0; c < {channels}; ++c) {{
                const int32_t sum = above[left + c] * ({ONE} - down) * ({ONE} - across) +
                    below[left + c] * down * ({ONE} - across) + above[right + c] * ({ONE} - down) * across +
                    below[right + c] * down * across;
                *out++ = (int8_t)((sum + (sum > 0 ? {ONE * ONE // 2} : -{ONE * ONE // 2})) / {ONE * ONE});
            }}
        }}
    }}
"""
    return Layer(body, constants)


def _image(site: Site) -> tuple[int, ...]:
    if site.quant(0) != site.quant():
        raise site.refusal("has another scale behind it than before it")
    return site.inputs[0].shape


KERNELS = {"RESIZE_NEAREST_NEIGHBOR": resize_nearest_neighbor, "RESIZE_BILINEAR": resize_bilinear}
