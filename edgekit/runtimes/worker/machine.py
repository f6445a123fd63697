"""What the machine is and how quiet it is, as far as the system tells. Everything it does not tell is None."""

from __future__ import annotations

import os
import platform
import sys
from pathlib import Path
from typing import Any

CPU0 = Path("/sys/devices/system/cpu/cpu0/cpufreq")
X86_FEATURES = ("avx2", "avx512f", "avx_vnni", "avx512_vnni", "amx_int8")
ARM_FEATURES = ("neon", "asimd", "asimddp", "i8mm", "sve")


def describe() -> dict[str, Any]:
    """The facts that a timing depends on."""
    cpuinfo = _facts("cpuinfo")
    flags = (cpuinfo.get("flags") or cpuinfo.get("Features") or "").split()
    return {
        "cpu": cpuinfo.get("model name") or cpuinfo.get("Model") or platform.processor() or platform.machine(),
        "architecture": platform.machine(),
        "features": [name for name in X86_FEATURES + ARM_FEATURES if name in flags],
        "cores": os.cpu_count(),
        "usable_cores": usable_cores(),
        "governor": text_of(CPU0 / "scaling_governor") or None,
        "clock_mhz": clock_mhz(),
        "load_average": os.getloadavg()[0] if hasattr(os, "getloadavg") else None,
        "memory_bytes": total_memory(),
        "system": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
    }


def usable_cores() -> int:
    """The cores that this process may run on."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def clock_mhz() -> float | None:
    """The clock of the first core now, in MHz."""
    kilohertz = text_of(CPU0 / "scaling_cur_freq")
    if kilohertz.isdecimal():  # a driver that cannot say it writes <unknown>
        return int(kilohertz) / 1000
    megahertz = _facts("cpuinfo").get("cpu MHz")
    return float(megahertz) if megahertz else None


def total_memory() -> int | None:
    """Physical memory in bytes."""
    return _bytes("meminfo", "MemTotal")


def stolen_ticks() -> tuple[int, int]:
    """(ticks that the hypervisor gave to others, all ticks) of all cores since boot; see ``man 5 proc_stat``."""
    line = (text_of(Path("/proc/stat")) or "cpu").splitlines()[0]
    ticks = [int(word) for word in line.split()[1:]]
    return (ticks[7], sum(ticks[:8])) if len(ticks) >= 8 else (0, 0)


def involuntary_switches() -> int:
    """How often this process was made to wait for another one since it started."""
    if sys.platform == "win32":
        return 0
    import resource

    return resource.getrusage(resource.RUSAGE_SELF).ru_nivcsw


def peak_memory() -> int | None:
    """The largest resident set of this process so far, in bytes (VmHWM; ``man 5 proc_pid_status``).

    Not ru_maxrss on Linux: that one is inherited from the process that started this one.
    """
    if sys.platform != "darwin":
        return _bytes("self/status", "VmHWM")
    import resource

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def forget_file(path: str) -> bool | None:
    """Ask the system to drop a file from its memory; whether it did, None where that cannot be known.

    A file system that lives in memory keeps it, and so does one where another process holds the file mapped.
    """
    if not hasattr(os, "posix_fadvise") or not hasattr(os, "RWF_NOWAIT"):
        return None
    with open(path, "rb") as stream:
        os.fsync(stream.fileno())  # what is not written yet cannot be dropped
        os.posix_fadvise(stream.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
        try:
            os.preadv(stream.fileno(), [bytearray(1)], 0, os.RWF_NOWAIT)  # fails rather than wait for a disk
        except BlockingIOError:
            return True
        except OSError:  # a file system that does not know the flag
            return None
    return False


def limit_memory() -> None:
    """Let an allocation beyond the physical memory fail in this process, before the system has to kill something."""
    limit = total_memory()
    if sys.platform == "win32" or limit is None:
        return
    import resource

    _, hard = resource.getrlimit(resource.RLIMIT_DATA)
    resource.setrlimit(resource.RLIMIT_DATA, (limit if hard == resource.RLIM_INFINITY else min(limit, hard), hard))


def _bytes(file: str, key: str) -> int | None:
    """What a file of /proc says in kilobytes."""
    words = _facts(file).get(key, "").split()
    return int(words[0]) * 1024 if words else None


def _facts(file: str) -> dict[str, str]:
    """The first value of each key in a file of /proc."""
    values: dict[str, str] = {}
    for line in text_of(Path("/proc") / file).splitlines():
        key, _, value = line.partition(":")
        values.setdefault(key.strip(), value.strip())
    return values


def text_of(path: Path) -> str:
    """What a file of the system says; nothing where there is none."""
    try:
        return path.read_text().strip()
    except OSError:
        return ""
