"""A job on a device over SSH, from connecting to nothing being left there."""

import platform
from contextlib import closing
from dataclasses import replace

from ssh_server import job, nothing

from edgekit.conversion.c.library import run_job
from edgekit.devices.device import open_device


def test_a_model_is_measured_there_and_nothing_is_left(server):
    shares = []
    with closing(open_device(server.address)) as device:
        assert (device.name, device.provenance) == (server.address, "measured")
        measured = device.run(job(), shares.append)
        assert len(list(server.there.iterdir())) == 1
    assert len(measured["samples_ns"]) >= 20
    assert measured["versions"]["litert"]
    assert server.left_behind(0) == []


def test_a_file_that_is_forgotten_is_removed_there_and_sent_again_where_it_is_named_again(server):
    with closing(open_device(server.address)) as device:
        device.run(job(), nothing)
        device.forget(job().model)
        device.run(job(), nothing)
        assert [path.parent.name for path in server.there.glob("*/files/*/*")] == ["1"]


def test_a_model_in_c_is_compiled_for_the_machine_there_and_its_library_is_forgotten(server):
    with closing(open_device(server.address)) as device:
        assert device.processor.split()[0] == platform.machine()
        assert run_job(device, replace(job(), runtime="c"), nothing)["versions"]["c"] == "C99"
        device.run(job(), nothing)
        assert [path.suffix for path in server.there.glob("*/files/*/*")] == [".tflite"]
