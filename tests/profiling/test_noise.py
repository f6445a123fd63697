import numpy as np
import pytest

from edgekit.devices.drivers.null import ANSWERS, MACHINE
from edgekit.profiling.noise import find_noise
from edgekit.profiling.statistics import summarize

QUIET = ANSWERS["measure"]
STEADY = QUIET["samples_ns"]


def kinds(samples=STEADY, threads=1, **changes):
    machine = {**MACHINE, **{key: value for key, value in changes.items() if key in MACHINE}}
    measured = {**QUIET, **{key: value for key, value in changes.items() if key not in MACHINE}, "machine": machine}
    return {warning.kind for warning in find_noise(samples, summarize(samples), measured, threads)}


def test_a_quiet_machine_gives_no_warning():
    assert kinds() == set()


def test_facts_that_the_system_does_not_tell_give_no_warning():
    assert kinds(governor=None, clock_mhz=None, clock_mhz_after=None, load_average=None) == set()


@pytest.mark.parametrize(
    ("kind", "changes"),
    [
        ("load", {"load_average": 3.0}),
        ("switches", {"involuntary_switches": 50}),
        ("stolen", {"stolen_share": 0.2}),
        ("governor", {"governor": "powersave"}),
        ("throttled", {"throttled": ["throttling"]}),
        ("clock", {"clock_mhz_after": 600.0}),
        ("threads", {"threads": 8}),
        ("tail", {"samples": [*STEADY[:80], *[5_000_000] * 20]}),
        ("drift", {"samples": [*STEADY, *[time * 2 for time in STEADY]]}),
        ("short", {"samples": [time // 1000 for time in STEADY]}),
    ],
)
def test_each_disturbance_is_named(kind, changes):
    assert kind in kinds(**changes)


def test_a_wide_interval_is_named():
    samples = np.random.default_rng(0).integers(1_000_000, 2_000_000, 50).tolist()
    assert "interval" in kinds(samples)


@pytest.mark.parametrize(("reason", "remedy"), [("under-voltage", "power supply"), ("throttling", "cool it")])
def test_a_board_that_slowed_itself_down_is_helped_by_what_it_lacks(reason, remedy):
    measured = {**QUIET, "machine": {**MACHINE, "throttled": [reason]}}
    (warning,) = find_noise(STEADY, summarize(STEADY), measured, threads=1)
    assert reason in warning.text
    assert remedy in warning.remedy


def test_a_warning_says_which_option_helps():
    (warning,) = find_noise(STEADY, summarize(STEADY), QUIET, threads=8)
    assert warning.text == "8 threads share 4 cores"
    assert warning.remedy == "use --threads 4"


def test_only_a_machine_that_became_slower_is_to_cool_down():
    for samples, remedy in (
        ([*STEADY, *[time * 2 for time in STEADY]], "let the machine cool down and measure longer with --seconds 10"),
        ([*[time * 2 for time in STEADY], *STEADY], "measure longer with --seconds 10"),
    ):
        found = find_noise(samples, summarize(samples), QUIET, threads=1)
        assert next(warning.remedy for warning in found if warning.kind == "drift") == remedy
