"""``ssh://user@host[:port]``: the address of a device."""

from __future__ import annotations

import re
from dataclasses import dataclass

from edgekit.errors import UsageError

SCHEME = "ssh://"
# Neither part may begin with a dash: ssh would read it as an option.
ADDRESS = re.compile(
    r"ssh://(?:(?P<user>[A-Za-z0-9_][^@:/\s]*)@)?(?P<host>[A-Za-z0-9_][\w.-]*|\[[0-9a-fA-F:.]+(?:%\w+)?\])"
    r"(?::(?P<port>\d{1,5}))?/?",
    re.ASCII,
)
PASSWORD = re.compile(r"ssh://[^@/]*:[^@/]*@")


@dataclass(frozen=True)
class SshAddress:
    """Where to log in. What is None, the user's SSH configuration says."""

    host: str
    user: str | None = None
    port: int | None = None

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{SCHEME}{f'{self.user}@' if self.user else ''}{host}{f':{self.port}' if self.port else ''}"

    @property
    def arguments(self) -> tuple[str, ...]:
        """The address as arguments of ``ssh``."""
        port = ("-p", str(self.port)) if self.port else ()
        user = ("-l", self.user) if self.user else ()
        return (*port, *user, self.host)


def parse_address(text: str) -> SshAddress:
    """Read an address.

    Raises:
        UsageError: it is not of the form ``ssh://user@host[:port]``, or holds a password.
    """
    if PASSWORD.match(text):
        raise UsageError(
            "--device ssh://…: a password on a command line can be read by everybody on this machine; leave it out and "
            "copy a key there with 'ssh-copy-id'."
        )
    found = ADDRESS.fullmatch(text)
    port = int(found["port"]) if found and found["port"] else None
    if not found or (port is not None and not 0 < port < 65536):
        raise UsageError(f"--device {text} is no address; write ssh://user@host or ssh://user@host:port.")
    return SshAddress(found["host"].strip("[]"), found["user"], port)
