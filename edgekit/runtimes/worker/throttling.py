"""How hot the processor is and whether it was slowed down for that, or for want of power, as far as the system tells.

A Raspberry Pi's firmware counts this in bits: 0 to 3 say what holds now, 16 to 19 what has held since it was started
(Raspberry Pi documentation, "vcgencmd", get_throttled). What a system does not tell is None.
"""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path
from typing import Any

from .machine import text_of

ZONES = Path("/sys/class/thermal")
FIRMWARE = Path("/sys/devices/platform/soc/soc:firmware/get_throttled")
REASONS = ("under-voltage", "capped clock", "throttling", "soft temperature limit")
SINCE_START = 16
ANSWER_S = 5


def state() -> dict[str, Any]:
    """``temperature_c`` in °C, and the firmware's bits ``throttled``."""
    return {"temperature_c": temperature_c(), "throttled": throttled_bits()}


def between(before: dict[str, Any], after: dict[str, Any]) -> dict[str, Any]:
    """Two states as facts of what was measured between them.

    ``throttled`` names what held before or after, or began between; ``throttled_earlier`` what had held before that.
    """
    first, last = before["throttled"], after["throttled"]
    known = first is not None and last is not None
    return {
        "temperature_c": before["temperature_c"],
        "temperature_c_after": after["temperature_c"],
        "throttled": _names(first | last | (last & ~first) >> SINCE_START) if known else None,
        "throttled_earlier": _names(first >> SINCE_START) if known else None,
    }


def temperature_c() -> float | None:
    """The processor's temperature: of the first thermal zone that is called after it, else of the first one."""
    zones = sorted(ZONES.glob("thermal_zone*"))
    named = [
        zone for zone in zones if any(word in text_of(zone / "type").lower() for word in ("cpu", "soc", "x86_pkg"))
    ]
    for zone in named + zones:
        millidegrees = text_of(zone / "temp")
        if millidegrees.lstrip("-").isdecimal():
            return int(millidegrees) / 1000
    return None


def throttled_bits() -> int | None:
    """What the firmware of a Raspberry Pi says of throttling; None on any other machine."""
    program = shutil.which("vcgencmd")
    text = text_of(FIRMWARE)
    if program:
        try:
            command = [program, "get_throttled"]
            text = subprocess.run(command, capture_output=True, text=True, timeout=ANSWER_S).stdout
        except (OSError, subprocess.SubprocessError):
            pass
    try:
        return int(text.strip().rpartition("=")[2], 16)  # "throttled=0x50005", from the file without the name
    except ValueError:
        return None


def _names(bits: int) -> list[str]:
    return [name for position, name in enumerate(REASONS) if bits >> position & 1]
