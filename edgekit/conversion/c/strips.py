"""The loops of weighted layers: some neighbouring places of a row of the result are computed together.

What their windows cover is a strip of the image. One that lies inside is read where it is; of another a copy is read,
in which what lies outside of the image is the zero point. So weights meet every place in the same way, and the part of
the zero point is in the bias.
"""

from __future__ import annotations

from dataclasses import dataclass
from textwrap import indent

from edgekit.conversion.c.layer import Site, plus
from edgekit.conversion.c.sums import BY_FOURS, WIDTH
from edgekit.conversion.c.windows import Loops, times

COPY_STRIP = """\
/* Copies the rows and columns of an image [height, width, channels] from (top, left) on, every channel so many times;
   what lies outside is zero. */
INLINE void copy_strip(const int8_t *in, int height, int width, int channels, int top, int left, int apart, int zero,
    int8_t *strip, int rows, int columns, int times)
{
    const int first = left < 0 ? -left : 0, end = width - left < columns ? width - left : columns;
    for (int row = 0; row < rows; ++row, top += apart, strip += columns * channels * times) {
        if (top < 0 || top >= height || first > 0 || end < columns) {
            memset(strip, zero, (size_t)(columns * channels * times));
        }
        if (top < 0 || top >= height || end <= first) {
            continue;
        }
        const int8_t *const from = in + (top * width + left + first) * channels;
        if (times == 1) {
            memcpy(strip + first * channels, from, (size_t)((end - first) * channels));
        } else {
            for (int i = 0; i < (end - first) * channels * times; ++i) {
                strip[first * channels * times + i] = from[i / times];
            }
        }
    }
}
"""


@dataclass(frozen=True)
class Strips:
    """The strips of a layer.

    Attributes:
        window: what slides over the image.
        channels: of the image.
        times: how often each channel stands in a strip.
        always: if a strip inside of the image is copied too.
        several: if several blocks of channels are summed together.
    """

    window: Loops
    channels: int
    times: int = 1
    always: bool = False
    several: bool = False

    @property
    def tile(self) -> str:
        """How many places are computed together, in C."""
        return f"TILE({self.window.steps[1]})"

    @property
    def blocks(self) -> str:
        """How many blocks of channels are computed together, in C."""
        return f"BLOCKS({self.tile})" if self.several else "1"

    @property
    def count(self) -> str:
        """How many sums are added up together, in a block's function."""
        return f"blocks * {self.tile}" if self.several else self.tile

    @property
    def place(self) -> str:
        """Where sum ``p`` belongs: the place."""
        return "p / blocks" if self.several else "p"

    @property
    def first(self) -> str:
        """Where sum ``p`` belongs: its first channel."""
        return f"first + p % blocks * {WIDTH}" if self.several else "first"

    @property
    def place_step(self) -> int:
        """Values from a place's to its neighbour's."""
        return self.window.strides[1] * self.channels * self.times

    @property
    def helpers(self) -> tuple[str, ...]:
        """What the loops call."""
        return (COPY_STRIP,) if self._copies else ()

    def loops(self, site: Site) -> str:
        """The body of a layer that calls NAME_block for all places and blocks of channels."""
        window, outputs, whole = self.window, site.output.shape[-1], site.output.shape[-1] // WIDTH * WIDTH
        (rows, columns), (height, width) = window.steps, window.size

        def call(first: str, blocks: str, channels: int) -> str:
            given = [
                "pixels",
                *(["step"] if window.kernel[0] > 1 else []),
                "place",
                first,
                *([blocks] if self.several else []),
            ]
            return f"{site.name}_block({', '.join(given)}, {channels});"

        calls = ["int first = 0;"] if whole else []
        for blocks in dict.fromkeys((self.blocks, "1")) if whole else ():
            calls += [f"for (; first <= {whole} - {times(blocks, WIDTH)}; first += {times(blocks, WIDTH)}) {{"]
            calls += ["    " + call("first", blocks, WIDTH), "}"]
        if outputs > whole:
            calls += [call(str(whole), "1", outputs - whole)]
        inside = f"in + (top * {width} + left) * {self.channels}"
        copy = (
            f"copy_strip(in, {height}, {width}, {self.channels}, top, left, {window.dilations[0]},\n"
            f"    {site.quant(0).zero_point}, strip, {window.kernel[0]}, columns, {self.times});"
        )
        lines = [f"const int top = {plus(times('y', window.strides[0]), -window.before[0])};"] if rows > 1 else []
        lines += [
            f"for (int x = 0; x < {columns}; x += {self.tile}) {{",
            f"    const int from = x < {columns} - {self.tile} ? x : {columns} - {self.tile};",
            f"    const int left = {plus(times('from', window.strides[1]), -window.before[1])};",
            f"    int8_t *const place = out + {f'(y * {columns} + from)' if rows > 1 else 'from'} * {outputs};",
            f"    const int8_t *pixels = {'strip' if self._copies else inside};",
        ]
        step = width * self.channels * window.dilations[0]
        if window.kernel[0] > 1:
            lines += [f"    int step = {self._row if self._copies else step};"]
        if self.always:
            lines += [indent(copy, "    ")]
        elif self._copies:
            lines += [
                f"    if (top >= 0 && top <= {height - self._reach(0)} && left >= 0 && left <= {width} - columns) {{",
                f"        pixels = {inside};",
                *([f"        step = {step};"] if window.kernel[0] > 1 else []),
                "    } else {",
                indent(copy, " " * 8),
                "    }",
            ]
        body = "\n".join([*lines, indent("\n".join(calls), "    "), "}"])
        if rows > 1:
            body = f"for (int y = 0; y < {rows}; ++y) {{\n{indent(body, '    ')}\n}}"
        else:
            body = f"const int top = {-window.before[0]};\n{body}"
        if self._copies:
            across = f"({self.tile} - 1) * {window.strides[1]} + {self._reach(1)}"
            spare = BY_FOURS - 1
            body = (
                f"enum {{ columns = {across} }};\n"
                f"int8_t strip[{window.kernel[0]} * {self._row} + {spare}] = {{0}};\n{body}"
            )
        return indent(body, "    ") + "\n"

    @property
    def _copies(self) -> bool:
        return self.always or self.window.crosses_border

    def _reach(self, axis: int) -> int:
        return (self.window.kernel[axis] - 1) * self.window.dilations[axis] + 1

    @property
    def _row(self) -> str:
        """The values of a row of a strip, in C."""
        return times("columns", self.channels * self.times)
