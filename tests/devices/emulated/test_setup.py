"""Setting up: what is said when something is missing, and that nothing half-made is left."""

from pathlib import Path

import pytest

from edgekit.devices.cards import device_card
from edgekit.devices.device import Job, open_device
from edgekit.devices.emulated import parts, setup, tools
from edgekit.errors import EdgekitError, UsageError

BOARD = "raspberry-pi-4b"


@pytest.fixture
def tools_are_there(monkeypatch):
    monkeypatch.setattr(setup, "require_tools", lambda *programs: None)
    monkeypatch.setattr(setup, "qemu_version", lambda: "7.2")
    monkeypatch.setattr(setup, "run_tool", lambda *words, **options: "")


def maker(text):
    def make(folder, scratch):
        scratch.mkdir()
        (folder / "made").write_text(text)
        return {text: "0" * 64}

    return make


def test_a_missing_program_is_named_with_the_package_that_has_it(monkeypatch):
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(UsageError, match=r"need qemu-aarch64, cc, .*: sudo apt-get install qemu-user gcc"):
        tools.require_tools("qemu-aarch64", "cc")


def test_a_system_that_is_not_linux_cannot_emulate(monkeypatch):
    monkeypatch.setattr("sys.platform", "darwin")
    with pytest.raises(UsageError, match="need Linux"):
        tools.require_tools("qemu-aarch64")


def test_a_board_that_is_not_set_up_says_which_command_does_it(tools_are_there):
    with pytest.raises(
        UsageError, match=r"\(system, runtimes, plugin missing\); run: edgekit devices setup raspberry-pi-4b"
    ):
        open_device(BOARD).run(Job("count", "litert", Path("model.tflite")), lambda share: None)


def test_this_machine_is_not_emulated():
    with pytest.raises(UsageError, match="cpu is not emulated"):
        setup.set_up(device_card("cpu"))


def test_what_is_made_once_is_kept_with_its_checksums(tools_are_there, monkeypatch):
    for name in ("system", "runtimes", "plugin"):
        monkeypatch.setattr(parts, f"make_{name}", maker(name))
    first, second = open_device(BOARD).set_up(), open_device(BOARD).set_up()
    assert first.made == ("system", "runtimes", "plugin")
    assert second.made == ()
    assert set(second.checksums) == {"system", "runtimes", "plugin"}
    found = setup.installation(device_card(BOARD))
    assert (found.system / "proc" / "cpuinfo").read_text() == device_card(BOARD).emulator.cpuinfo
    assert (found.system / "sys/devices/system/cpu/possible").read_text() == "0-3\n"
    assert found.python.name == "python3.11"


def test_runtimes_that_do_not_load_show_at_setup(tools_are_there, monkeypatch, tmp_path):
    def fail(command, purpose, environment):
        assert command[:3] == ["qemu-aarch64", "-cpu", "cortex-a72"]
        raise EdgekitError(f"Could not {purpose}: SIGILL")

    monkeypatch.setenv("EDGEKIT_CACHE", str(tmp_path))
    monkeypatch.setattr(setup, "run_tool", fail)
    for name in ("system", "runtimes", "plugin"):
        monkeypatch.setattr(parts, f"make_{name}", maker(name))
    with pytest.raises(EdgekitError, match="load the runtimes on it: SIGILL"):
        open_device(BOARD).set_up()


def test_a_part_that_fails_leaves_nothing(tools_are_there, monkeypatch, tmp_path):
    def fail(folder, scratch):
        (folder / "half").write_text("")
        raise EdgekitError("no network")

    monkeypatch.setenv("EDGEKIT_CACHE", str(tmp_path))
    monkeypatch.setattr(parts, "make_system", fail)
    with pytest.raises(EdgekitError, match="no network"):
        open_device(BOARD).set_up()
    assert list((tmp_path / "emulated").iterdir()) == []


def test_a_tool_that_fails_is_quoted():
    with pytest.raises(EdgekitError, match=r"Could not list it: ls says: .*nowhere"):
        tools.run_tool(["ls", "/nowhere"], "list it")


@pytest.mark.parametrize("said", ["4.2.0", "10.0.2"])
def test_a_qemu_with_another_plugin_interface_is_refused(monkeypatch, said):
    monkeypatch.setattr(tools, "run_tool", lambda *_: f"qemu-aarch64 version {said} (Debian) -plugin")
    with pytest.raises(UsageError, match=r"cannot count .* install QEMU 5\.2 to 8\.2 with plugins"):
        tools.qemu_version()


def test_a_qemu_that_was_built_without_plugins_is_refused(monkeypatch):
    monkeypatch.setattr(tools, "run_tool", lambda *_: "qemu-aarch64 version 7.2.22 (Debian)")
    with pytest.raises(UsageError, match="with plugins"):
        tools.qemu_version()
