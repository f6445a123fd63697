"""Whatever goes wrong on the way to a device or there: one clear error, and no folder stays behind."""

from __future__ import annotations

import getpass
import os
import signal
import subprocess
import sys
import time
import venv
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
from ssh_server import MODEL, job, make_key, nothing

from edgekit.devices import process
from edgekit.devices.cards import DeviceCard
from edgekit.devices.device import open_device
from edgekit.devices.drivers.ssh import SshDevice
from edgekit.devices.ssh import connection
from edgekit.errors import DeviceError, ModelError, RuntimeCrashError, StorageError, UsageError


def run_at(address, job, watch=nothing):
    with closing(open_device(address)) as device:
        return device.run(job, watch)


def test_an_unknown_host_is_refused_and_gets_nothing(server):
    (server.folder / "known_hosts").write_text("")
    with pytest.raises(DeviceError, match=rf"not a known host.*log in once with 'ssh -p {server.port} -l \w+ 127"):
        run_at(server.address, job())
    assert server.left_behind(0) == []
    assert (server.folder / "known_hosts").read_text() == ""


def test_an_unknown_host_is_refused_also_where_the_users_configuration_would_accept_it(server):
    (server.folder / "known_hosts").write_text("")
    with (server.folder / "ssh_config").open("a") as stream:
        stream.write("StrictHostKeyChecking accept-new\n")
    with pytest.raises(DeviceError, match="not a known host"):
        run_at(server.address, job())


def test_a_wrong_host_key_is_refused_and_gets_nothing(server):
    make_key(server.folder / "other")
    other = (server.folder / "other.pub").read_text().rsplit(maxsplit=1)[0]
    (server.folder / "known_hosts").write_text(f"[127.0.0.1]:{server.port} {other}\n")
    with pytest.raises(DeviceError, match=r"another host key than the known one, so nothing was sent.*ssh-keygen -R"):
        run_at(server.address, job())
    assert server.left_behind(0) == []


def test_a_key_that_is_not_accepted_is_an_error_and_nobody_is_asked_for_a_password(server):
    (server.folder / "user.pub").write_text("")
    with pytest.raises(DeviceError, match=r"accepts none of your keys.*ssh-copy-id"):
        run_at(server.address, job())


def test_a_port_where_nobody_listens_is_an_error(server):
    server.stop()
    with pytest.raises(DeviceError, match="Connection refused"):
        run_at(server.address, job())


def test_a_device_without_python_is_an_error_with_the_package_to_install(server):
    empty = server.folder / "empty"
    empty.mkdir()
    (empty / "sh").symlink_to("/bin/sh")
    server.environment["PATH"] = str(empty)
    server.start()
    with pytest.raises(DeviceError, match="has no python3; install it there"):
        run_at(server.address, job())


def test_a_device_that_does_not_answer_in_time_is_an_error(server, monkeypatch):
    monkeypatch.setattr(connection, "READY_S", 0.5)
    Path(server.environment["HOME"], ".bashrc").write_text("sleep 3\n")
    with pytest.raises(DeviceError, match="did not answer in time"):
        run_at(server.address, job())


@pytest.fixture
def bare_python(server):
    """There python3 is one without any packages."""
    venv.create(server.folder / "bare", symlinks=True)
    server.environment["PATH"] = f"{server.folder}/bare/bin:/usr/bin:/bin"
    server.start()


@pytest.mark.usefixtures("bare_python")
def test_a_device_without_numpy_is_an_error_that_names_the_setup(server):
    with pytest.raises(UsageError, match=rf"has no NumPy; .*'edgekit devices setup {server.address}'"):
        run_at(server.address, job())
    assert server.left_behind(0) == []


@pytest.mark.usefixtures("bare_python")
def test_a_missing_runtime_is_an_error_that_names_the_setup(server):
    site = server.folder / "site"
    site.mkdir()
    installed = Path(np.__file__).parents[1]
    for name in ("numpy", "numpy.libs"):
        (site / name).symlink_to(installed / name)
    server.environment["PYTHONPATH"] = str(site)
    server.start()
    with pytest.raises(UsageError, match=rf"LiteRT is needed .*'edgekit devices setup {server.address}'"):
        run_at(server.address, job())
    assert server.left_behind(0) == []


def test_a_file_that_the_runtime_refuses_is_the_files_fault_and_the_next_job_runs(server, tmp_path):
    broken = tmp_path / "broken.tflite"
    broken.write_bytes(MODEL.read_bytes()[:500])
    with closing(open_device(server.address)) as device:
        with pytest.raises(ModelError, match=r"broken\.tflite is not a model that LiteRT runs"):
            device.run(job(model=broken), nothing)
        assert device.run(job(), nothing)["samples_ns"]
    assert server.left_behind(0) == []


@pytest.fixture
def device_with(server, tmp_path):
    """The device with a worker that has the given body in place of the real one."""

    def make(body):
        worker = tmp_path / "worker"
        worker.mkdir()
        head = "import json, os, sys, time\nrequest = json.loads(sys.stdin.readline())\n"
        (worker / "__main__.py").write_text(head + body)
        return closing(SshDevice(DeviceCard(server.address, "", "ssh"), worker))

    return make


def test_a_crash_there_is_an_error_and_the_next_job_runs(device_with):
    body = "if request['runs'] == 1:\n    os.kill(os.getpid(), 4)\nprint(json.dumps({'result': {'ok': 1}}))\n"
    with device_with(body) as device:
        with pytest.raises(RuntimeCrashError, match=r"ended by SIGILL .*illegal instruction"):
            device.run(job(runs=1), nothing)
        assert device.run(job(), nothing) == {"ok": 1}


def test_a_hang_there_ends_with_the_time_limit(device_with, server, monkeypatch):
    monkeypatch.setattr(process, "GRACE_S", 0.5)
    with device_with("time.sleep(60)") as device, pytest.raises(RuntimeCrashError, match="did not finish within 1 s"):
        device.run(job(limit_s=1), nothing)
    assert server.left_behind() == []


def test_what_a_worker_started_ends_with_it(device_with, server):
    body = "os.fork()\nprint(json.dumps({'progress': 0.5}), flush=True)\ntime.sleep(60)\n"

    def leave(share):
        raise KeyboardInterrupt

    began = time.monotonic()
    with device_with(body) as device, pytest.raises(KeyboardInterrupt):
        device.run(job(), leave)
    assert time.monotonic() - began < 30
    assert server.left_behind(0) == []


@pytest.mark.parametrize("how", ["cut", "go_dead"])
def test_a_connection_lost_in_the_middle_is_an_error_here_and_leaves_nothing_there(server, wire, how, monkeypatch):
    monkeypatch.setattr(connection, "SILENCE_S", 3)
    monkeypatch.setattr(connection, "HEARTBEAT_S", 0.5)
    began = []

    def lose(share):
        if not began:
            began.append(len(server.left_behind(0)))
            getattr(wire, how)()

    with pytest.raises(DeviceError, match="no connection, or it was lost"):
        run_at(server.address_at(wire.port), job(seconds=60), lose)
    assert began == [1]
    assert server.left_behind() == []


def test_a_worker_that_says_much_into_a_dead_connection_holds_nothing_up(server, wire, monkeypatch, tmp_path):
    monkeypatch.setattr(connection, "SILENCE_S", 3)
    (tmp_path / "worker").mkdir()
    (tmp_path / "worker" / "__main__.py").write_text(
        "import json, time\nprint(json.dumps({'progress': 0.5}), flush=True)\ntime.sleep(1)\n"
        "while True:\n    print('x' * 1_000_000)\n"
    )
    device = SshDevice(DeviceCard(server.address_at(wire.port), "", "ssh"), tmp_path / "worker")
    with closing(device), pytest.raises(DeviceError, match="lost"):
        device.run(job(), lambda share: wire.go_dead())
    assert server.left_behind() == []


def test_a_connection_lost_while_a_model_is_sent_leaves_nothing(server, wire, monkeypatch, tmp_path):
    big = tmp_path / "big.tflite"
    with big.open("wb") as stream:
        stream.truncate(20 << 20)
    with closing(open_device(server.address_at(wire.port))) as device:
        device.run(job("measure"), nothing)
        monkeypatch.setattr(connection.Connection, "_write", cutting(connection.Connection._write, wire))
        with pytest.raises(DeviceError, match="lost"):
            device.run(job(model=big), nothing)
    assert server.left_behind() == []


def cutting(write, wire):
    """``write`` on a connection that is cut when half of a large file is sent."""

    def half(self, data, watch=None):
        if len(data) > 1 << 20:
            write(self, data[: len(data) // 2])
            wire.cut()
            data = data[len(data) // 2 :]
        write(self, data)

    return half


def test_ctrl_c_ends_the_command_and_leaves_nothing(server):
    command = [sys.executable, "-m", "edgekit", "profile", str(MODEL), "--device", server.address, "--seconds", "60"]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, start_new_session=True)
    until = time.monotonic() + 30
    while not list(server.there.glob("*/files/*/*")) and time.monotonic() < until:
        time.sleep(0.05)
    assert list(server.there.glob("*/files/*/*"))
    os.killpg(process.pid, signal.SIGINT)  # as a terminal does: to all of its processes
    _, said = process.communicate(timeout=30)
    assert (process.returncode, server.left_behind(0)) == (130, []), said
    assert "interrupted" in said


def test_a_killed_command_leaves_nothing(server):
    command = [sys.executable, "-m", "edgekit", "profile", str(MODEL), "--device", server.address, "--seconds", "60"]
    process = subprocess.Popen(command, stderr=subprocess.DEVNULL)
    until = time.monotonic() + 30
    while not list(server.there.glob("*/files/*/*")) and time.monotonic() < until:
        time.sleep(0.05)
    process.kill()
    process.wait()
    assert server.left_behind() == []


@pytest.fixture
def small_disk(server):
    """The server's temporary folder on a disk of 300 kB; where none can be mounted, writing beyond that fails alike."""
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=300k", "tmpfs", str(server.there)], capture_output=True, check=False
    )
    if mounted.returncode:
        site = server.folder / "site"
        site.mkdir()
        (site / "sitecustomize.py").write_text(FULL_AFTER)
        server.environment["PYTHONPATH"] = str(site)
        server.start()
    yield
    if not mounted.returncode:
        subprocess.run(["umount", "-l", str(server.there)], check=True)


FULL_AFTER = """
import errno, io, pathlib
class Small(io.FileIO):
    def write(self, data):
        if self.tell() + len(data) > 150_000:
            raise OSError(errno.ENOSPC, "No space left on device")
        return super().write(data)
plain = pathlib.Path.open
def opened(self, mode="r", *arguments, **options):
    return io.BufferedWriter(Small(str(self), "wb")) if mode == "wb" else plain(self, mode, *arguments, **options)
pathlib.Path.open = opened
"""


@pytest.mark.usefixtures("small_disk")
def test_a_full_disk_there_is_an_error_that_leaves_nothing_and_room_for_a_smaller_model(server, tmp_path):
    big = tmp_path / "big.tflite"
    big.write_bytes(bytes(1 << 20))
    with closing(open_device(server.address)) as device:
        with pytest.raises(StorageError, match="the disk there is full"):
            device.run(job(model=big), nothing)
        assert device.run(job(), nothing)["samples_ns"], "a smaller model still fits"
    assert server.left_behind(0) == []


def test_a_device_where_no_temporary_folder_can_be_written_says_so(server):
    site = server.folder / "site"
    site.mkdir()
    (site / "sitecustomize.py").write_text(
        "import errno, tempfile\n"
        "def mkdtemp(**options):\n    raise FileNotFoundError(errno.ENOENT, 'No usable temporary directory found')\n"
        "tempfile.mkdtemp = mkdtemp\n"
    )
    server.environment["PYTHONPATH"] = str(site)
    server.start()
    with pytest.raises(StorageError, match="No usable temporary directory"):
        run_at(server.address, job())


def test_a_folder_that_a_power_cut_left_is_removed_next_time_and_one_in_use_is_not(server):
    for name in ("edgekit-abandoned", "other"):
        (server.there / name).mkdir()
        (server.there / name / "lock").touch()
    with closing(open_device(server.address)) as first, closing(open_device(server.address)) as second:
        first.run(job("measure"), nothing)
        second.run(job("measure"), nothing)
        assert len(list(server.there.iterdir())) == 3
        assert first.run(job(), nothing)["samples_ns"]
    assert [path.name for path in server.left_behind(0)] == ["other"]


def test_what_a_login_script_prints_does_no_harm(server):
    home = Path(server.environment["HOME"])
    (home / ".bashrc").write_text("echo Welcome to the board\necho '{\"odd\": 1}'\n")
    assert run_at(server.address, job())["samples_ns"]


def test_a_machine_without_ssh_says_what_to_install(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(UsageError, match="install it"):
        run_at(f"ssh://{getpass.getuser()}@localhost", job())
