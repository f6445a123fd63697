"""What runs on the device: keeps one private folder there, runs the worker in it, and removes it whatever happens.

Floor: Python 3.9 on a POSIX system, standard library only. The other side sends this text over the connection and then
JSON lines, each perhaps followed by raw bytes; JSON lines go back.

    {"put": PATH, "bytes": N} and N bytes   {"stored": PATH} or {"refused": {"kind": "disk", "text": ...}}
    {"remove": PATH}                        no answer
    {"run": REQUEST, "worker": MODULE}      the worker's own lines, then {"ended": {"status": N, "noise": TEXT}}
    {"packages": "", "bytes": N, "imports": [MODULE]} and N bytes of .tar.gz    {"installed": {...}} or {"refused": ...}
    {}                                      no answer: it says that the other side is still there

It ends, and the folder goes, when the input ends, when nothing is heard for as many seconds as the first argument says
(a connection may be cut without either end being told), and on a signal. A folder that a power cut left behind is
removed by the next keeper: the lock in it is free then.
"""

from __future__ import annotations

import errno
import fcntl
import json
import os
import platform
import shutil
import signal
import struct
import subprocess
import sys
import tarfile
import tempfile
import threading
from contextlib import suppress
from importlib.metadata import distributions
from pathlib import Path
from typing import Any, BinaryIO

PREFIX = "edgekit-"
LOCK = "lock"
CHUNK = 1 << 16
NOISE_CHARACTERS = 4000
STOP_S = 2.0
PACKAGES = ("numpy", "ai-edge-litert", "onnxruntime", "tflite-runtime")
FULL = (errno.ENOSPC, errno.EDQUOT)

Message = dict[str, Any]


class Keeper:
    """One connection's folder, and the worker that runs in it."""

    def __init__(self, folder: Path, incoming: BinaryIO, outgoing: BinaryIO, silence_s: int) -> None:
        self._folder, self._incoming, self._outgoing, self._silence_s = folder, incoming, outgoing, silence_s
        self._worker: subprocess.Popen[bytes] | None = None
        self._turn = threading.Lock()
        self._relay: threading.Thread | None = None

    def serve(self) -> None:
        """Answer until the input ends."""
        self.say(ready={"folder": str(self._folder), **describe()})
        while True:
            signal.alarm(self._silence_s)
            line = self._incoming.readline()
            if not line:
                return
            message = json.loads(line)
            try:
                if "put" in message:
                    self._put(message)
                elif "remove" in message:
                    with suppress(OSError):
                        (self._folder / message["remove"]).unlink()
                elif "run" in message:
                    self._run(message["run"], message["worker"])
                elif "packages" in message:
                    self._install(message)
            except OSError as exc:
                kind = "disk" if exc.errno in FULL else "system"
                self.say(refused={"kind": kind, "text": exc.strerror or str(exc)})

    def say(self, **message: Any) -> None:
        """Send one line."""
        self._pass_on(json.dumps(message).encode() + b"\n")

    def _pass_on(self, line: bytes) -> None:
        """Send a line whole, whichever thread it comes from."""
        with self._turn:
            self._outgoing.write(line)
            self._outgoing.flush()

    def stop(self) -> bool:
        """End the worker and all that it started; whether nothing is left that waits for the other side."""
        if self._worker is not None:
            with suppress(OSError):
                os.killpg(self._worker.pid, signal.SIGKILL)
            self._worker.wait()
        if self._relay is None:
            return True
        self._relay.join(STOP_S)  # it may be stuck in a line that nobody takes
        return not self._relay.is_alive()

    def _put(self, message: Message) -> None:
        path = self._folder / message["put"]
        self._receive(path, message["bytes"])
        self.say(stored=message["put"])

    def _receive(self, path: Path, left: int) -> None:
        """Write ``left`` bytes of the input to a file; all are read, also if they cannot be written."""
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with path.open("wb") as stream:
                while left:
                    data = self._chunk(left)
                    left -= len(data)
                    stream.write(data)
        except OSError:
            with suppress(OSError):  # half a file takes room that a smaller one may fit into
                path.unlink()
            raise
        finally:
            self._pass_over(left)

    def _pass_over(self, left: int) -> None:
        while left:
            left -= len(self._chunk(left))

    def _chunk(self, most: int) -> bytes:
        signal.alarm(self._silence_s)
        data = self._incoming.read(min(CHUNK, most))
        if not data:
            raise SystemExit(1)
        return data

    def _run(self, request: Message, module: str) -> None:
        noise = tempfile.TemporaryFile(dir=self._folder)  # noqa: SIM115  (closed when the worker has ended)
        paths = [str(packages_folder())] if packages_folder().is_dir() else []
        if os.environ.get("PYTHONPATH"):
            paths.append(os.environ["PYTHONPATH"])
        self._worker = subprocess.Popen(
            [sys.executable, "-B", "-m", module],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=noise,
            cwd=str(self._folder),
            env={**os.environ, "TMPDIR": str(self._folder), "PYTHONPATH": os.pathsep.join(paths)},
            start_new_session=True,
        )
        assert self._worker.stdin is not None
        with suppress(BrokenPipeError):  # if it is dead already, its exit status tells why
            self._worker.stdin.write(json.dumps(request).encode() + b"\n")
            self._worker.stdin.close()
        self._relay = threading.Thread(target=self._follow, args=(self._worker, noise), daemon=True)
        self._relay.start()

    def _follow(self, worker: Any, noise: BinaryIO) -> None:
        """Send the worker's lines as they come, then how it ended."""
        try:
            for line in worker.stdout:
                self._pass_on(line if line.endswith(b"\n") else line + b"\n")
            status = worker.wait()
            with noise:
                noise.seek(0)
                text = noise.read().decode(errors="replace")
            self.say(ended={"status": status, "noise": text[-NOISE_CHARACTERS:]})
        except OSError:  # nobody listens any more; the input ends too
            pass

    def _install(self, message: Message) -> None:
        """Unpack packages into a folder of their own, and put it in place if one of the modules can be imported."""
        home = packages_folder()
        try:
            home.parent.mkdir(parents=True, exist_ok=True)
            scratch = Path(tempfile.mkdtemp(prefix=".new-", dir=str(home.parent)))
        except OSError:
            self._pass_over(message["bytes"])
            raise
        for left in home.parent.glob(".new-*"):  # by a power cut
            if left != scratch:
                shutil.rmtree(str(left), ignore_errors=True)
        try:
            self._receive(scratch / "packages.tar.gz", message["bytes"])
            signal.alarm(0)  # unpacking to an SD card takes minutes, and nothing is read meanwhile
            with tarfile.open(str(scratch / "packages.tar.gz")) as archive:
                archive.extractall(str(scratch / "packages"))
            failures = try_imports(scratch / "packages", message["imports"])
            works = len(failures) < len(message["imports"])
            if works:
                shutil.rmtree(str(home), ignore_errors=True)
                os.replace(str(scratch / "packages"), str(home))
            self.say(installed={"folder": str(home) if works else "", "failures": failures})
        finally:
            shutil.rmtree(str(scratch), ignore_errors=True)


def try_imports(packages: Path, modules: list[str]) -> Message:
    """What goes wrong when each module is imported in a process of its own with ``packages`` on its path."""
    failures = {}
    for module in modules:
        done = subprocess.run(
            [sys.executable, "-B", "-c", "import " + module],
            env={**os.environ, "PYTHONPATH": str(packages)},
            stderr=subprocess.PIPE,
        )
        if done.returncode < 0:
            failures[module] = "ended by " + signal.Signals(-done.returncode).name
        elif done.returncode:
            failures[module] = (done.stderr.decode(errors="replace").strip().splitlines() or ["no message"])[-1]
    return failures


def describe() -> Message:
    """What wheels must fit: the interpreter, its architecture and its C library; and what else the machine is."""
    try:
        libc = os.confstr("CS_GNU_LIBC_VERSION") or ""
    except (ValueError, OSError):
        libc = ""
    cpuinfo = facts(Path("/proc/cpuinfo"), ":")
    return {
        "python": platform.python_version(),
        "implementation": platform.python_implementation(),
        "architecture": architecture(),
        "libc": libc or ("musl" if any(Path("/lib").glob("ld-musl-*")) else ""),
        "system": platform.system(),
        "release": facts(Path("/etc/os-release"), "=").get("PRETTY_NAME", "").strip('"'),
        "kernel": platform.machine(),
        "processor": cpuinfo.get("Model") or cpuinfo.get("model name") or "",
        "features": (cpuinfo.get("Features") or cpuinfo.get("flags") or "").split(),
        "cores": os.cpu_count(),
        "packages": str(packages_folder()),
        "has_packages": packages_folder().is_dir(),
        "own": versions(sys.path),
        "sent": versions([str(packages_folder())]),
    }


def facts(file: Path, mark: str) -> dict[str, str]:
    """The last value of each key of a file of lines; nothing where there is none."""
    try:
        lines = file.read_text(errors="replace").splitlines()
    except OSError:
        return {}
    pairs = (line.partition(mark) for line in lines)
    return {key.strip(): value.strip() for key, _, value in pairs}


def versions(folders: list[str]) -> dict[str, str]:
    """Those of PACKAGES that are installed in some folders."""
    found = {name: next(iter(distributions(name=name, path=folders)), None) for name in PACKAGES}
    return {name: one.version for name, one in found.items() if one is not None}


def architecture() -> str:
    """The interpreter's: a 32-bit one on a 64-bit kernel, as on many a Raspberry Pi, is told the kernel's."""
    machine = platform.machine()
    if struct.calcsize("P") == 4:
        return {"aarch64": "armv7l", "armv8l": "armv7l", "x86_64": "i686"}.get(machine, machine)
    return machine


def packages_folder() -> Path:
    """Where ``edgekit devices setup`` puts packages for just this interpreter."""
    data = os.environ.get("XDG_DATA_HOME") or os.path.join(os.path.expanduser("~"), ".local", "share")
    interpreter = f"python{sys.version_info[0]}.{sys.version_info[1]}-{architecture()}"
    return Path(data) / "edgekit" / interpreter


def remove_abandoned(parent: Path) -> None:
    """Remove this user's folders whose keeper is dead."""
    for folder in parent.glob(PREFIX + "*"):
        try:
            if folder.is_symlink() or folder.stat().st_uid != os.getuid():
                continue
            with (folder / LOCK).open("rb") as lock:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                shutil.rmtree(str(folder), ignore_errors=True)
        except OSError:  # it lives, or is none of ours
            continue


def end(number: int, frame: Any) -> None:
    """Leave from wherever the main thread is; what is to be removed is removed on the way out."""
    raise SystemExit(128 + number)


def main(incoming: BinaryIO, silence_s: int) -> None:
    """Serve one connection."""
    endings = (signal.SIGHUP, signal.SIGINT, signal.SIGTERM, signal.SIGALRM)
    for number in endings:
        signal.signal(number, end)
    outgoing = os.fdopen(os.dup(1), "wb")
    folder, keeper = None, None
    try:
        folder = Path(tempfile.mkdtemp(prefix=PREFIX))
        remove_abandoned(folder.parent)
        with (folder / LOCK).open("wb") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            keeper = Keeper(folder, incoming, outgoing, silence_s)
            keeper.serve()
    except BrokenPipeError:
        pass
    except OSError as exc:
        # Python tries every temporary folder and finds none that it can write to: that is ENOENT.
        full = folder is None or exc.errno in FULL
        text = json.dumps({"refused": {"kind": "disk" if full else "system", "text": exc.strerror or str(exc)}})
        outgoing.write(text.encode() + b"\n")
        outgoing.flush()
    finally:
        for number in endings:
            signal.signal(number, signal.SIG_IGN)
        free = keeper is None or keeper.stop()
        if folder is not None:
            shutil.rmtree(str(folder), ignore_errors=True)
        if not free:
            os._exit(1)  # an ordinary end would wait for the thread that is stuck


if __name__ == "__main__":
    main(sys.stdin.buffer, int(sys.argv[1]))
