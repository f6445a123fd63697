"""What an object file takes on a board, by its sections."""

from __future__ import annotations

import struct
from dataclasses import dataclass

PROGBITS, NOBITS = 1, 8
WRITE, ALLOC = 1, 2


@dataclass(frozen=True)
class Sizes:
    """Bytes of flash (code, constants, initial values) and of RAM (variables, the memory that layers share).

    The stack and what is linked beside the object come on top.
    """

    flash: int
    ram: int


def sizes_of(data: bytes) -> Sizes:
    """The sizes of a little-endian ELF file of 32 bits (Tool Interface Standard, 1995), of what is loaded."""
    (start,) = struct.unpack_from("<I", data, 32)
    step, count = struct.unpack_from("<HH", data, 46)
    flash = ram = 0
    for number in range(count):
        _, kind, flags, _, _, size = struct.unpack_from("<6I", data, start + number * step)
        if flags & ALLOC:
            flash += size * (kind == PROGBITS)
            ram += size * (kind in (PROGBITS, NOBITS) and bool(flags & WRITE))
    return Sizes(flash, ram)
