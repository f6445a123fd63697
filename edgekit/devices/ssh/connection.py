"""One SSH connection with a keeper at its other end: files go there, lines come back, nothing stays.

The system's own OpenSSH does the talking, so the user's configuration, agent and known hosts hold. It never asks for
anything, and refuses a host that it does not know.
"""

from __future__ import annotations

import json
import shlex
import subprocess
import tempfile
import threading
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from shutil import which
from typing import IO, Any

from edgekit.closing import Closing
from edgekit.devices.conversation import as_message, deadline
from edgekit.devices.device import Watch
from edgekit.devices.ssh.address import SshAddress
from edgekit.errors import DeviceError, EdgekitError, StorageError, UsageError

KEEPER = Path(__file__).parent / "keeper.py"
NO_PYTHON, OLD_PYTHON = 127, 126
OLDEST_PYTHON = (3, 9)
SSH_FAILED = 255

HEARTBEAT_S = 5.0
SILENCE_S = 30
"""After so long without a word each side takes the connection for dead."""
CLOSE_S = 10.0
"""How long the keeper may take to remove its folder before we stop waiting for it."""
READY_S = 60.0
CHUNK = 1 << 18


class Connection(Closing):
    """An open connection; a context manager that closes it.

    Raises:
        DeviceError: no connection comes about, or there is no Python there.
        StorageError: the disk there is full.
        UsageError: this machine has no ssh.
    """

    def __init__(self, address: SshAddress) -> None:
        self.address = address
        source = KEEPER.read_bytes()
        words = command(address, len(source))
        self._noise: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115  (closed with the connection)
        self._turn = threading.Lock()
        self._closed = threading.Event()
        # In a session of its own, so that Ctrl-C does not cut the connection before the folder there is removed.
        self._process = subprocess.Popen(
            words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self._noise, start_new_session=True
        )
        try:
            self._write(source)
            self.about = self._wait_until_ready()
        except BaseException:
            self.close()
            raise
        threading.Thread(target=self._keep_alive, daemon=True).start()

    def ask(self, message: dict[str, Any], payload: bytes = b"", watch: Watch | None = None) -> dict[str, Any]:
        """Send a message, with raw bytes after it, and return its answer; ``watch`` is told the share that is sent.

        Raises:
            DeviceError: the connection was lost, or the system there refuses.
            StorageError: the disk there is full.
        """
        self._write(json.dumps({**message, "bytes": len(payload)}).encode() + b"\n" + payload, watch)
        for line in self.lines():
            answer = as_message(line)
            if "refused" in answer:
                raise self._refusal(answer["refused"])
            if answer:
                return answer
        raise self.lost()

    def tell(self, message: dict[str, Any]) -> None:
        """Send a message that is not answered by one line."""
        self._write(json.dumps(message).encode() + b"\n")

    def lines(self) -> Iterator[str]:
        """Lines from there, until the connection ends."""
        assert self._process.stdout is not None
        for line in self._process.stdout:
            yield line.decode(errors="replace")

    def abort(self) -> None:
        """Cut the connection at once; the keeper notices."""
        self._process.kill()

    def close(self) -> None:
        """Tell the keeper to end and wait until it has removed its folder."""
        self._closed.set()
        if self._process.stdin is not None:
            with suppress(OSError):
                self._process.stdin.close()
        try:
            self._process.wait(CLOSE_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        if self._process.stdout is not None:
            self._process.stdout.close()
        self._noise.close()

    def lost(self) -> EdgekitError:
        """Why the connection ended, as an error."""
        if self._closed.is_set():
            return DeviceError(f"{self.address}: the connection was closed before it was done; try it again.")
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(CLOSE_S)
        self._noise.seek(0)
        noise = self._noise.read().decode(errors="replace").strip()
        return connection_error(self.address, self._process.returncode, noise)

    def _wait_until_ready(self) -> dict[str, Any]:
        with deadline(READY_S, self.abort):
            for line in self.lines():  # a login script may have something to say first
                message = as_message(line)
                if "refused" in message:
                    raise self._refusal(message["refused"])
                if "ready" in message:
                    about: dict[str, Any] = message["ready"]
                    return about
        raise self.lost()

    def _refusal(self, refused: dict[str, str]) -> EdgekitError:
        if refused["kind"] == "disk":
            return StorageError(f"{self.address}: the disk there is full ({refused['text']}); free some space on it.")
        return DeviceError(f"{self.address}: the system there refuses a file ({refused['text']}); check its folders.")

    def _write(self, data: bytes, watch: Watch | None = None) -> None:
        assert self._process.stdin is not None
        # Whoever reads next finds the end of a connection that is gone.
        with self._turn, suppress(OSError, ValueError):
            for start in range(0, len(data), CHUNK):
                self._process.stdin.write(data[start : start + CHUNK])
                self._process.stdin.flush()
                if watch is not None:
                    watch(min(1.0, (start + CHUNK) / len(data)))

    def _keep_alive(self) -> None:
        while not self._closed.wait(HEARTBEAT_S):
            self._write(b"{}\n")


def require_ssh() -> str:
    """Where this machine's ssh is.

    Raises:
        UsageError: it has none.
    """
    ssh = which("ssh")
    if ssh is None:
        raise UsageError("Devices over ssh:// need OpenSSH's ssh; install it (Debian: apt install openssh-client).")
    return ssh


def command(address: SshAddress, source_bytes: int) -> list[str]:
    """The command line of ``ssh`` that starts a keeper whose source of ``source_bytes`` bytes comes first.

    Raises:
        UsageError: there is no ssh.
    """
    ssh = require_ssh()
    # Before the keeper, which an older Python cannot read.
    start = (
        f"import sys; sys.version_info < {OLDEST_PYTHON} and sys.exit({OLD_PYTHON}); "
        f"exec(compile(sys.stdin.buffer.read({source_bytes}), 'keeper', 'exec'))"
    )
    script = f"command -v python3 >/dev/null || exit {NO_PYTHON}; exec python3 -c {shlex.quote(start)} {SILENCE_S}"
    options = {
        "BatchMode": "yes",
        "StrictHostKeyChecking": "yes",
        "ConnectTimeout": "15",
        "ServerAliveInterval": str(max(1, SILENCE_S // 3)),
        "ServerAliveCountMax": "3",
        "ControlMaster": "no",  # a master that stays behind would hold our pipes open
        "ClearAllForwardings": "yes",
        "ForwardAgent": "no",
        "ForwardX11": "no",
        "RemoteCommand": "none",
        "LogLevel": "ERROR",
    }
    words = [word for key, value in options.items() for word in ("-o", f"{key}={value}")]
    return [ssh, "-T", *words, *address.arguments, "exec sh -c " + shlex.quote(script)]


def connection_error(address: SshAddress, status: int | None, noise: str) -> EdgekitError:
    """What ssh's exit status and its last words mean, as an error with the way out."""
    login = " ".join(("ssh", *address.arguments))
    last = noise.splitlines()[-1].strip().rstrip(".") if noise else "no message"
    if status == NO_PYTHON:
        return DeviceError(f"{address} has no python3; install it there (Debian: sudo apt install python3).")
    if status == OLD_PYTHON:
        return DeviceError(f"{address} has a python3 that is older than 3.9; install a newer system or CPython there.")
    if status is None or status < 0:  # ended by us
        return DeviceError(f"{address} did not answer in time; see with '{login}' what keeps it busy.")
    if status != SSH_FAILED:
        return DeviceError(f"{address}: the connection ended with status {status} ({last}); try it again.")
    if "HOST IDENTIFICATION HAS CHANGED" in noise:
        return DeviceError(
            f"{address} shows another host key than the known one, so nothing was sent; if it was installed anew, "
            f"forget the old key with 'ssh-keygen -R' and log in once with '{login}', else somebody is in between."
        )
    if "Host key verification failed" in noise:
        return DeviceError(
            f"{address} is not a known host, so nothing was sent; log in once with '{login}' and check its key."
        )
    if "Permission denied" in noise:
        return DeviceError(f"{address} accepts none of your keys ({last}); copy one there with ssh-copy-id.")
    return DeviceError(f"{address}: no connection, or it was lost ({last}); check the network and try '{login}'.")
