"""``edgekit doctor ssh://…``: boards by what a keeper said of them, ordinary ones and odd ones."""

import pytest

from edgekit.diagnosis.board import board_of
from edgekit.runtimes.int8_kernels import KERNELS

PI_4 = {
    "python": "3.11.2",
    "implementation": "CPython",
    "architecture": "aarch64",
    "libc": "glibc 2.36",
    "system": "Linux",
    "release": "Debian GNU/Linux 12 (bookworm)",
    "kernel": "aarch64",
    "processor": "Raspberry Pi 4 Model B Rev 1.4",
    "features": ["fp", "asimd", "evtstrm", "crc32", "cpuid"],
    "cores": 4,
    "packages": "/home/pi/.local/share/edgekit/python3.11-aarch64",
    "has_packages": False,
    "own": {},
    "sent": {},
}
PI_5 = {**PI_4, "processor": "Raspberry Pi 5 Model B Rev 1.0", "features": ["fp", "asimd", "asimddp"]}
NARROW = {**PI_4, "architecture": "armv7l", "features": ["half", "thumb", "neon", "vfpv4"]}
TRIXIE = {"python": "3.13.5", "libc": "glibc 2.41", "release": "Debian GNU/Linux 13 (trixie)"}


def index(package, python):
    """A package index whose tflite-runtime ends with Python 3.11."""
    if package.distribution == "tflite-runtime" and python.version > (3, 11):
        return "", "No matching distribution found for tflite-runtime"
    return "1.0", ""


def board(about):
    return board_of("ssh://pi@board", about, index)


def of(found):
    return {one.name: one for one in found.facilities}


def test_wheels_that_fit_are_told_with_the_command_that_sends_them():
    found = board(PI_4)
    assert set(of(found)) == {"numpy", "ai-edge-litert", "onnxruntime"}
    assert of(found)["onnxruntime"].missing == "1.0 fits, not installed"
    assert of(found)["onnxruntime"].run == "edgekit devices setup ssh://pi@board"
    assert found.refusals == ()


def test_what_is_there_is_not_looked_for():
    def never(package, python):
        raise AssertionError(package)

    there = {"own": {"numpy": "1.24.2"}, "sent": {"numpy": "2.4", "ai-edge-litert": "2.3.0", "onnxruntime": "1.31"}}
    found = board_of("ssh://pi@board", {**PI_4, **there}, never)
    assert of(found)["numpy"].found == "2.4, sent by devices setup"
    assert "Nothing is missing." in str(found)


@pytest.mark.parametrize(("about", "feature"), [(PI_4, "asimd"), (PI_5, "asimddp"), (NARROW, "neon")])
def test_the_instructions_of_the_board_are_told(about, feature):
    assert board(about).int8 == KERNELS[feature]


def test_a_32_bit_system_on_a_64_bit_board_is_told_what_it_loses():
    found = board({**NARROW, "own": {"numpy": "1.24.2"}})
    assert "32-bit system on a 64-bit board; install the 64-bit system" in found.refusals[0]
    assert of(found)["tflite-runtime"].missing == "1.0 fits, not installed"


def test_a_32_bit_board_has_the_old_runtime():
    found = board({**NARROW, "kernel": "armv7l", "own": {"numpy": "1.24.2"}})
    assert found.refusals == (
        "LiteRT and ONNX Runtime have no wheels for a 32-bit system; use --runtime tflite-runtime.",
    )


def test_python_3_13_on_a_32_bit_system_has_no_runtime_and_the_wrong_numpy():
    found = board({**NARROW, **TRIXIE, "own": {"numpy": "2.2.4"}})
    assert "no wheel for Python 3.13.5 on armv7l" in of(found)["tflite-runtime"].missing
    assert "Debian 12" in of(found)["tflite-runtime"].run
    assert "has NumPy 2.2.4" in found.refusals[-1]


def test_python_3_13_on_a_64_bit_system_works():
    found = board({**PI_5, **TRIXIE})
    assert found.refusals == ()
    assert of(found)["ai-edge-litert"].missing == "1.0 fits, not installed"


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"libc": "musl", "release": "Alpine Linux v3.20"}, "is Linux with musl"),
        ({"architecture": "armv6l", "kernel": "armv6l"}, "is armv6l, for which no runtime has wheels"),
        ({"python": "3.7.3"}, "install CPython 3.9"),
    ],
)
def test_a_board_for_which_there_is_nothing_is_told_why(change, reason):
    found = board({**PI_4, **change})
    assert reason in found.refusals[0]
    assert found.facilities == ()
    assert reason in " ".join(str(found).split())
