"""The loops of a window that slides over an image [1, height, width, channels]: convolution and pooling."""

from __future__ import annotations

from dataclasses import dataclass, replace
from textwrap import dedent, indent

from edgekit.conversion.c.layer import Site, ctype
from edgekit.operators.windows import SAME, Window

TAPS = """\
/* Of taps that are step pixels apart, the first that is not before the image, and the one behind the last in it. */
static inline int first_tap(int start, int step)
{
    return start < 0 ? (step - 1 - start) / step : 0;
}

static inline int end_tap(int start, int step, int taps, int size)
{
    const int end = (size - start + step - 1) / step;
    return end < taps ? end : taps;
}
"""


@dataclass(frozen=True)
class Loops(Window):
    """A window with the loops that bring it to every place of an image, whose values are of ``kind``."""

    kind: str = "int8_t"

    @classmethod
    def over(cls, site: Site, kernel: tuple[int, int]) -> Loops:
        """The window of an operator on one image."""
        source, target = site.inputs[0].shape, site.output.shape
        if source[0] != 1:
            raise site.refusal(f"has a batch of {source[0]}")
        found = cls(
            size=(source[1], source[2]),
            kernel=kernel,
            strides=(site.option("StrideH"), site.option("StrideW")),
            dilations=(site.option("DilationHFactor", 1), site.option("DilationWFactor", 1)),
            steps=(target[1], target[2]),
            before=(0, 0),
            kind=ctype(site.output),
        )
        below, beside = found.after  # all that is missing, while nothing is before the image
        return replace(found, before=(below // 2, beside // 2)) if site.option("Padding") == SAME else found

    @property
    def note(self) -> str:
        """The window in words."""
        spread = f", taps {self.dilations[0]} x {self.dilations[1]} apart" if max(self.dilations) > 1 else ""
        return f"window {self.kernel[0]} x {self.kernel[1]}, stride {self.strides[0]} x {self.strides[1]}{spread}"

    @property
    def helpers(self) -> tuple[str, ...]:
        """What the loops call."""
        return (TAPS,) if self.crosses_border else ()

    def loops(self, site: Site) -> str:
        """The body that calls the layer's function for one place at every place.

        Inside the image the ranges of taps are constants, so that the compiler makes a copy without checks.
        """
        channels, size = site.output.shape[-1], self.size
        reach = [(taps - 1) * step + 1 for taps, step in zip(self.kernel, self.dilations, strict=True)]
        inside = f"{site.name}_at(in, place, top, left, 0, {self.kernel[0]}, 0, {self.kernel[1]});"
        call = inside
        if self.crosses_border:
            rows, columns = (
                f"first_tap({start}, {self.dilations[axis]}), "
                f"end_tap({start}, {self.dilations[axis]}, {self.kernel[axis]}, {size[axis]})"
                for axis, start in enumerate(("top", "left"))
            )
            call = dedent(f"""\
                if (top >= 0 && top <= {size[0] - reach[0]} && left >= 0 && left <= {size[1] - reach[1]}) {{
                    {inside}
                }} else {{
                    {site.name}_at(in, place, top, left, {rows},
                        {columns});
                }}""")
        return (
            f"    for (int y = 0; y < {self.steps[0]}; ++y) {{\n"
            f"        const int top = y * {self.strides[0]} - {self.before[0]};\n"
            f"        for (int x = 0; x < {self.steps[1]}; ++x) {{\n"
            f"            const int left = x * {self.strides[1]} - {self.before[1]};\n"
            f"            {self.kind} *const place = out + (y * {self.steps[1]} + x) * {channels};\n"
            f"{indent(call, ' ' * 12)}\n"
            "        }\n"
            "    }\n"
        )

    def place(self, site: Site, body: str) -> str:
        """The function for one place: ``body`` reads pixels by ``pixel_at`` and writes ``out``."""
        return (
            f"INLINE void {site.name}_at(\n"
            f"    const {self.kind} *restrict in, {self.kind} *restrict out, int top, int left,\n"
            f"    int first_row, int end_row, int first_column, int end_column)\n{{\n{body}}}\n"
        )

    def taps(self, channels: int, body: str) -> str:
        """The loops over a window's taps, in which ``pixel`` is what lies under each of them."""
        rows, columns = (times(name, step) for name, step in zip(("row", "column"), self.dilations, strict=True))
        return (
            "for (int row = first_row; row < end_row; ++row) {\n"
            "    for (int column = first_column; column < end_column; ++column) {\n"
            f"        const {self.kind} *const pixel =\n"
            f"            in + ((top + {rows}) * {self.size[1]} + left + {columns}) * {channels};\n"
            f"{indent(body, ' ' * 8)}"
            "    }\n"
            "}\n"
        )

    @property
    def crosses_border(self) -> bool:
        """True if a place of the window goes beyond the image."""
        return any(
            before > 0 or (steps - 1) * stride - before + (taps - 1) * step + 1 > size
            for before, steps, stride, taps, step, size in zip(
                self.before, self.steps, self.strides, self.kernel, self.dilations, self.size, strict=True
            )
        )


def times(name: str, step: int) -> str:
    """The C expression of a product with a number."""
    return name if step == 1 else f"{name} * {step}"
