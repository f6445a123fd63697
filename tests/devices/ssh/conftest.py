"""A real sshd on loopback with its own configuration, keys and port, and an ssh that knows only it.

What a test changes there (environment, host key, the connection itself) stays in its temporary folder.
"""

from __future__ import annotations

import getpass
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

SSHD = shutil.which("sshd", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin")
KEYGEN, SSH = shutil.which("ssh-keygen"), shutil.which("ssh")


def make_key(path: Path) -> None:
    subprocess.run([str(KEYGEN), "-q", "-t", "ed25519", "-N", "", "-f", str(path)], check=True)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
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
        return f"ssh://{getpass.getuser()}@127.0.0.1:{self.port}"

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
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", self.port)) == 0:
                    return
            assert self.process.poll() is None, (self.folder / "sshd.log").read_text()
            time.sleep(0.01)
        raise AssertionError("sshd does not answer")

    def stop(self) -> None:
        if self.process is not None:
            self.process.terminate()
            self.process.wait()
            self.process = None


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    """An sshd that lets us in, finds our Python as its python3, and is known."""
    if SSHD is None or SSH is None or KEYGEN is None:
        pytest.skip("needs OpenSSH's sshd, ssh and ssh-keygen (Debian: apt install openssh-server)")
    folder, there, home, path = (tmp_path / name for name in ("sshd", "there", "home", "bin"))
    for made in (folder, there, home, path):
        made.mkdir()
    make_key(folder / "host")
    make_key(folder / "user")
    Path("/run/sshd").mkdir(exist_ok=True)  # where sshd wants to drop its privileges
    (path / "ssh").write_text(f'#!/bin/sh\nexec {SSH} -F {folder}/ssh_config "$@"\n')
    (path / "ssh").chmod(0o755)
    (path / "python3").write_text(f'#!/bin/sh\nexec {sys.executable} "$@"\n')
    (path / "python3").chmod(0o755)
    (folder / "ssh_config").write_text(
        f"UserKnownHostsFile {folder}/known_hosts\nGlobalKnownHostsFile /dev/null\n"
        f"IdentityFile {folder}/user\nIdentitiesOnly yes\n"
    )
    monkeypatch.setenv("PATH", f"{path}:{os.environ['PATH']}")
    environment = {"PATH": f"{path}:/usr/bin:/bin", "TMPDIR": str(there), "HOME": str(home)}
    made = Server(folder, there, free_port(), environment)
    made.know()
    made.start()
    yield made
    made.stop()
