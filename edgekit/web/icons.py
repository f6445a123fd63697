"""The page's icons, drawn: a stroke of a pen inside a chip."""

from __future__ import annotations

import io
from itertools import pairwise

BACKGROUND, CHIP, PEN = "#12324a", "#1d5c86", "#ffffff"
SIZES = (180, 192, 512)
"""What iOS and Android ask for, in pixels."""

# Drawn larger and shrunk, which smooths the edges: between two colours by so many steps, so that a file is small.
OVERSAMPLING = 4
STEPS = 4


def icon(size: int) -> bytes:
    """A PNG of ``size`` x ``size`` pixels; all that matters is inside the middle 80 %, so that it may be masked."""
    from PIL import Image, ImageDraw

    side = size * OVERSAMPLING
    image = Image.new("RGB", (side, side), BACKGROUND)
    draw = ImageDraw.Draw(image)

    def at(x: float, y: float) -> tuple[float, float]:
        return x * side, y * side

    for i in range(4):
        place = 0.32 + 0.12 * i
        draw.line([at(place, 0.14), at(place, 0.86)], fill=CHIP, width=round(0.045 * side))
        draw.line([at(0.14, place), at(0.86, place)], fill=CHIP, width=round(0.045 * side))
    draw.rounded_rectangle([at(0.22, 0.22), at(0.78, 0.78)], radius=0.08 * side, fill=CHIP)
    stroke = [at(0.36, 0.36), at(0.64, 0.36), at(0.46, 0.67)]
    width = round(0.075 * side)
    draw.line(stroke, fill=PEN, width=width, joint="curve")
    for x, y in stroke:
        draw.ellipse([x - width / 2, y - width / 2, x + width / 2, y + width / 2], fill=PEN)
    stream = io.BytesIO()
    palette = Image.new("P", (1, 1))
    palette.putpalette(_colours())
    small = image.resize((size, size), Image.Resampling.LANCZOS)
    small.quantize(palette=palette, dither=Image.Dither.NONE).save(stream, "PNG", optimize=True)
    return stream.getvalue()


def _colours() -> list[int]:
    """Red, green and blue of each colour: from the background's to the chip's, and on to the pen's."""
    ends = [bytes.fromhex(colour[1:]) for colour in (BACKGROUND, CHIP, PEN)]
    return [
        round(start + (end - start) * step / STEPS)
        for first, second in pairwise(ends)
        for step in range(STEPS + 1)
        for start, end in zip(first, second, strict=True)
    ]
