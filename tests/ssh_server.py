"""A real sshd on loopback with its own configuration, keys and port, and an ssh that knows only it.

What a test changes there (environment, host key, the connection itself) stays in its temporary folder.
"""

from __future__ import annotations

import getpass
import os
import random
import shutil
import socket
import subprocess
import threading
import time
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from edgekit.catalog import resolve_model
from edgekit.devices.device import Job

SSHD = shutil.which("sshd", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin")
KEYGEN, SSH = shutil.which("ssh-keygen"), shutil.which("ssh")


MODEL = resolve_model("mnist-tiny", ".int8.tflite")


def job(task: str = "measure", model: Path = MODEL, **changes: Any) -> Job:
    """A short job with a small model."""
    return Job(task, "litert", model, **{"runs": 20, "seconds": 0.05, **changes})


def nothing(share: float) -> None:
    """Watch no progress."""


def make_key(path: Path) -> None:
    subprocess.run([str(KEYGEN), "-q", "-t", "ed25519", "-N", "", "-f", str(path)], check=True)


def free_port() -> int:
    """A port below those that the system gives to whoever asks for any, so that no other test is given it meanwhile."""
    while True:
        port = random.SystemRandom().randrange(20_000, 32_000)
        with socket.socket() as probe, suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port


@dataclass
class Server:
    """``there`` is the temporary folder of whoever logs in; ``environment`` is what a login gets."""

    folder: Path
    there: Path
    port: int
    environment: dict[str, str] = field(default_factory=dict)
    process: subprocess.Popen[bytes] | None = None

    @property
    def address(self) -> str:
        return self.address_at(self.port)

    def address_at(self, port: int) -> str:
        return f"ssh://{getpass.getuser()}@127.0.0.1:{port}"

    def left_behind(self, patience_s: float = 10.0) -> list[Path]:
        """What is still in ``there`` after the keeper had some time to tidy up."""
        until = time.monotonic() + patience_s
        while list(self.there.iterdir()) and time.monotonic() < until:
            time.sleep(0.02)
        return list(self.there.iterdir())

    def know(self, *ports: int) -> None:
        """Make this host known to the client, under its own port and others."""
        key = (self.folder / "host.pub").read_text().split(maxsplit=2)[:2]
        lines = [f"[127.0.0.1]:{port} {' '.join(key)}\n" for port in (self.port, *ports)]
        (self.folder / "known_hosts").write_text("".join(lines))

    def start(self) -> None:
        """(Re)start it with the environment of now."""
        self.stop()
        values = " ".join(f'"{name}={value}"' for name, value in self.environment.items())
        (self.folder / "sshd_config").write_text(
            f"ListenAddress 127.0.0.1:{self.port}\nHostKey {self.folder}/host\nPidFile none\nUsePAM no\n"
            f"AuthorizedKeysFile {self.folder}/user.pub\nStrictModes no\nPasswordAuthentication no\n"
            f"PermitRootLogin prohibit-password\nSetEnv {values}\n"
        )
        log = (self.folder / "sshd.log").open("ab")
        command = [str(SSHD), "-D", "-e", "-f", str(self.folder / "sshd_config")]
        self.process = subprocess.Popen(command, stderr=log, stdin=subprocess.DEVNULL)
        log.close()
        for _ in range(500):
            if self._greets():
                return
            assert self.process.poll() is None, (self.folder / "sshd.log").read_text()
            time.sleep(0.01)
        raise AssertionError("sshd does not answer")

    def _greets(self) -> bool:
        """Whether it is sshd that answers there, not another test's server that was given the same free port."""
        try:
            with socket.create_connection(("127.0.0.1", self.port), timeout=2) as probe:
                return probe.recv(4) == b"SSH-"
        except OSError:
            return False

    def stop(self) -> None:
        if self.process is not None:
            self.process.terminate()
            self.process.wait()
            self.process = None


class Wire:
    """A port in front of the server's, whose connections can be cut: told to both ends, or to neither."""

    def __init__(self, target: int) -> None:
        self._target = target
        self._dead, self._over = threading.Event(), threading.Event()
        self._ends: list[socket.socket] = []
        self._carrying: list[threading.Thread] = []
        self._door = socket.create_server(("127.0.0.1", 0))
        self.port = self._door.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def cut(self) -> None:
        """Close both ends."""
        for end in self._ends:
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)

    def go_dead(self) -> None:
        """Carry nothing any more and tell nobody, as when a radio link breaks."""
        self._dead.set()

    def close(self) -> None:
        self._door.close()
        self.cut()
        self._over.set()
        for thread in self._carrying:
            thread.join()
        for end in self._ends:
            end.close()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                near, _ = self._door.accept()
                far = socket.create_connection(("127.0.0.1", self._target))
                self._ends += [near, far]
                ways = ((near, far), (far, near))
                started = [threading.Thread(target=self._carry, args=way, daemon=True) for way in ways]
                self._carrying += started
                for thread in started:
                    thread.start()

    def _carry(self, source: socket.socket, sink: socket.socket) -> None:
        with suppress(OSError):
            while data := source.recv(1 << 16):
                if self._dead.is_set():
                    self._over.wait()
                sink.sendall(data)
            sink.shutdown(socket.SHUT_WR)
