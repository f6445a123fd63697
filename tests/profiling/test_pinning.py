import os

import pytest

from edgekit.devices.device import Job
from edgekit.devices.drivers.local import LocalDevice
from edgekit.errors import UsageError
from edgekit.profiling.records import ProfileOptions
from edgekit.runtimes.worker import pinning

USABLE = sorted(os.sched_getaffinity(0))


@pytest.fixture
def system(tmp_path, monkeypatch):
    """A processor: per core its capacity and the hardware threads of its physical core."""

    def describe(*cores):
        for number, (capacity, siblings) in enumerate(cores):
            folder = tmp_path / f"cpu{number}"
            (folder / "topology").mkdir(parents=True)
            (folder / "cpu_capacity").write_text(f"{capacity}\n")
            (folder / "topology" / "thread_siblings_list").write_text(f"{siblings}\n")
        kept = []
        monkeypatch.setattr(pinning, "SYSTEM", tmp_path)
        monkeypatch.setattr(os, "sched_getaffinity", lambda process: set(range(len(cores))))
        monkeypatch.setattr(os, "sched_setaffinity", lambda process, chosen: kept.append(chosen))
        return kept

    return describe


def test_a_thread_keeps_to_the_last_of_equal_cores(system):
    kept = system(*[(1024, str(core)) for core in range(4)])
    assert pinning.pin("auto", 1) == [3]
    assert kept == [[3]]


def test_large_cores_come_before_small_ones(system):
    system((1024, "0"), (1024, "1"), (300, "2"), (300, "3"))
    assert pinning.pin("auto", 2) == [0, 1]
    assert pinning.pin("auto", 3) == [0, 1, 3]


@pytest.mark.parametrize("siblings", [("0-1", "2-3"), ("0,1", "2,3")])
def test_two_threads_do_not_share_a_physical_core(system, siblings):
    first, second = siblings
    system((1024, first), (1024, first), (1024, second), (1024, second))
    assert pinning.pin("auto", 2) == [0, 2]


def test_more_threads_than_cores_use_them_all(system):
    system((1024, "0"), (1024, "1"))
    assert pinning.pin("auto", 8) == [0, 1]


def test_cores_can_be_named(system):
    system(*[(1024, str(core)) for core in range(4)])
    assert pinning.pin("2,0", 1) == [0, 2]


def test_off_leaves_the_cores_to_the_system(system):
    kept = system((1024, "0"))
    assert pinning.pin("off", 1) is None
    assert kept == []


def test_the_process_stays_on_its_core_and_says_which(onnx_file):
    job = Job("measure", "ort", onnx_file, runs=1, seconds=0.0, pin=str(USABLE[0]))
    machine = LocalDevice().run(job, lambda share: None)["machine"]
    assert machine["cores_kept_to"] == [USABLE[0]]
    assert machine["usable_cores"] == len(USABLE)


def test_a_core_that_is_not_there_is_a_clear_error(onnx_file):
    with pytest.raises(UsageError, match="--pin 4096: there is no core 4096 to use there; it has"):
        LocalDevice().run(Job("measure", "ort", onnx_file, pin="4096"), lambda share: None)


@pytest.mark.parametrize("pin", ["", "all", "1;2", "-1", "1,"])
def test_an_impossible_choice_is_refused(pin):
    with pytest.raises(UsageError, match="--pin"):
        ProfileOptions(pin=pin)
