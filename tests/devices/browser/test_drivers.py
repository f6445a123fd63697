"""``--device browser`` and ``--device phone``, in a real headless Chromium; for the phone it is sent to the address."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest
from typer.testing import CliRunner

from edgekit.cli.main import app
from edgekit.devices.browser.chromium import Browser, find_browser
from edgekit.devices.device import Job, open_device
from edgekit.devices.drivers import phone as phone_module
from edgekit.errors import DeviceError, UsageError
from edgekit.modelfiles.model_ref import ModelRef
from edgekit.profiling.profile import profile_on
from edgekit.profiling.records import ProfileOptions, ProfileResult

STUDENT = Path(__file__).parents[3] / "students" / "mnist-tiny"
MODEL = STUDENT / "model.int8.tflite"
QUICK = ["--runs", "5", "--seconds", "0.05"]


@pytest.mark.usefixtures("chromium", "pages")
def test_a_model_is_measured_in_this_machines_browser() -> None:
    done = CliRunner().invoke(app, ["profile", str(MODEL), "--device", "browser", "--json", *QUICK])
    assert done.exit_code == 0, done.output
    document = json.loads(done.stdout)
    (model,) = document["models"]
    assert document["provenance"] == "measured"
    assert len(model["samples_ns"]) >= 5
    assert min(model["samples_ns"]) > 0
    assert model["load"]["cold_ns"] > model["load"]["warm_ns"] > 0
    assert "Chrome" in model["machine"]["user_agent"]
    assert model["machine"]["cross_origin_isolated"] is True
    assert model["machine"]["largest_difference_from_here"] == 0  # the same integers as here
    assert set(model["missing"]) == {"operators", "arena"}


@pytest.mark.usefixtures("chromium")
def test_a_model_that_is_compiled_is_measured_in_a_page_without_a_runtime() -> None:
    done = CliRunner().invoke(app, ["profile", f"{MODEL}@c", "--device", "browser", "--json", *QUICK])
    assert done.exit_code == 0, done.output
    (model,) = json.loads(done.stdout)["models"]
    assert model["runtime_version"].startswith("C99 in ")
    assert model["file"] == str(MODEL)
    assert len(model["samples_ns"]) >= 5
    assert model["machine"]["largest_difference_from_here"] == 0


@pytest.mark.usefixtures("chromium", "pages")
def test_a_phone_that_opens_the_printed_address_measures_every_file(monkeypatch: pytest.MonkeyPatch) -> None:
    opened: list[Browser] = []
    monkeypatch.setattr(phone_module, "_invite", lambda address: opened.append(Browser(find_browser(), address)))
    device = open_device("phone")
    try:
        files = [ModelRef(MODEL, "litert"), ModelRef(STUDENT / "model.int8.onnx", "ort")]
        result = profile_on(device, files, ProfileOptions(device=("phone",), runs=5, seconds=0.05))
    finally:
        device.close()
        for browser in opened:
            browser.close()
    assert [model.runtime for model in result.models] == ["litert", "ort"]
    assert len(opened) == 1
    assert all(len(model.timing.samples_ns) >= 5 for model in result.models)
    assert all("Chrome" in model.timing.machine["user_agent"] for model in result.models)
    assert "do not take turns" in result.no_ratios
    assert "headless" in str(ProfileResult((result,)))


def test_the_address_is_printed_with_a_code_for_the_camera(capsys: pytest.CaptureFixture[str]) -> None:
    phone_module._invite("http://192.168.1.2:8000/secret/bench.html")
    printed = capsys.readouterr()
    assert printed.out == ""
    assert "http://192.168.1.2:8000/secret/bench.html" in printed.err
    assert "▀" in printed.err
    assert "warning" not in printed.err


def test_without_a_network_it_says_that_no_phone_can_come(capsys: pytest.CaptureFixture[str]) -> None:
    phone_module._invite("http://127.0.0.1:8000/secret/bench.html")
    assert "this machine has no address on a network" in capsys.readouterr().err


@pytest.mark.usefixtures("pages")
def test_a_phone_that_does_not_come_is_not_waited_for_longer_than_said(monkeypatch: pytest.MonkeyPatch) -> None:
    device = open_device("phone")
    monkeypatch.setattr(device, "open_s", 0.2)
    try:
        with pytest.raises(
            DeviceError, match=r"Nobody opened http.* within 0.2 s; check that the phone is in the same"
        ):
            device.run(Job("measure", "litert", MODEL), lambda share: None)
    finally:
        device.close()


@pytest.mark.usefixtures("pages")
def test_a_browser_that_ends_by_itself_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = tmp_path / "browser"
    program.write_text("#!/bin/sh\necho no display >&2\nexit 3\n")
    program.chmod(0o755)
    monkeypatch.setenv("EDGEKIT_BROWSER", str(program))
    device = open_device("browser")
    try:
        with pytest.raises(DeviceError, match=r"ended with status 3 \(no display\); name another one"):
            device.run(Job("measure", "litert", MODEL), lambda share: None)
    finally:
        device.close()


def test_a_browser_is_found_by_its_variable_or_said_to_be_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EDGEKIT_BROWSER", "sh")
    assert find_browser().endswith("/sh")
    monkeypatch.setenv("EDGEKIT_BROWSER", "/nowhere/chromium")
    with pytest.raises(UsageError, match="EDGEKIT_BROWSER is /nowhere/chromium, which is no program"):
        find_browser()
    monkeypatch.delenv("EDGEKIT_BROWSER")
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(UsageError, match="install one, or name it"):
        find_browser()


def test_no_process_and_no_file_of_a_browser_outlives_it(chromium: str) -> None:
    with Browser(chromium, "about:blank") as browser:
        assert within_seconds(60, lambda: is_up(browser.folder))
    assert not browser.folder.exists()
    assert within_seconds(60, lambda: not processes_with(browser.folder))


def test_a_browser_ends_when_the_process_that_started_it_is_killed(chromium: str) -> None:
    code = (
        "from edgekit.devices.browser.chromium import Browser\n"
        f"browser = Browser({chromium!r}, 'about:blank')\n"
        "print(browser.folder, flush=True)\n"
        "input()\n"
    )
    command = [sys.executable, "-c", code]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as starter:
        assert starter.stdout
        folder = Path(starter.stdout.readline().strip())
        try:
            assert within_seconds(60, lambda: is_up(folder))
        finally:
            starter.kill()
    assert within_seconds(60, lambda: not processes_with(folder))
    shutil.rmtree(folder)


def test_a_browser_runs_where_the_folder_for_temporary_files_has_a_long_name(
    chromium: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    long = tmp_path / ("x" * 100)
    long.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(long))
    with Browser(chromium, "about:blank") as browser:
        assert within_seconds(60, lambda: is_up(browser.folder))
        browser.require_running()


def is_up(folder: Path) -> bool:
    """Whether a browser has taken its profile and opened the socket at which it hears of other starts."""
    return (folder / "profile" / "SingletonSocket").exists()


def within_seconds(seconds: float, holds: Callable[[], bool]) -> bool:
    """Whether something becomes true in that time."""
    deadline = time.monotonic() + seconds
    while not holds():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return True


def processes_with(folder: Path) -> list[str]:
    """The commands of running processes that name a folder; one that has ended has no command any more."""
    commands = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        with suppress(OSError):
            commands.append(path.read_text(errors="replace"))
    return [command for command in commands if str(folder) in command]


@pytest.mark.usefixtures("chromium")
def test_with_json_nothing_but_the_document_is_on_stdout() -> None:
    command = ["profile", str(MODEL), "--device", "browser", "--threads", "2", "--json"]
    done = subprocess.run([sys.executable, "-m", "edgekit", *command], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (2, "")
    assert "--threads 2" in done.stderr
