"""A real sshd on loopback for each test, which finds our Python as its python3."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from ssh_server import KEYGEN, SSH, SSHD, Server, Wire, free_port, make_key


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
    if os.geteuid() == 0:
        Path("/run/sshd").mkdir(exist_ok=True)  # an empty folder that sshd shuts itself into while nobody is logged in
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


@pytest.fixture
def wire(server: Server) -> Iterator[Wire]:
    made = Wire(server.port)
    server.know(made.port)
    yield made
    made.close()
