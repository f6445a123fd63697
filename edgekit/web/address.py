"""Where a server is reached: this machine's address on the local network, a QR code for it, and a token."""

from __future__ import annotations

import io
import os
import secrets
import socket

from edgekit.errors import UsageError

LOOPBACK = "127.0.0.1"
EVERYWHERE = "0.0.0.0"
ELSEWHERE = ("192.0.2.1", 9)
"""An address that nobody has (RFC 5737). Connecting a UDP socket to it sends nothing, and says which of this machine's
addresses would be used."""


def lan_address() -> str:
    """This machine's address on the local network; the loopback address where there is no network."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(ELSEWHERE)
            return str(probe.getsockname()[0])
        except OSError:
            return LOOPBACK


def listen(port: int, lan: bool) -> socket.socket:
    """A listening TCP socket on the loopback address, or with ``lan`` on every network; port 0 takes a free one.

    Raises:
        UsageError: the port is in use, or may not be used.
    """
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    if os.name == "posix":  # elsewhere it would let two listen to one port
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((EVERYWHERE if lan else LOOPBACK, port))
        listener.listen(1024)
    except (OSError, OverflowError) as exc:
        listener.close()
        reason = getattr(exc, "strerror", None) or exc
        raise UsageError(f"Port {port} cannot be used ({reason}); choose another --port.") from exc
    return listener


def url(listener: socket.socket, lan: bool, secure: bool = False) -> str:
    """What to type into a browser for a socket of ``listen``."""
    host = lan_address() if lan else LOOPBACK
    return f"{'https' if secure else 'http'}://{host}:{listener.getsockname()[1]}/"


def new_token() -> str:
    """A secret that cannot be guessed: 128 bits as text that is safe in an address."""
    return secrets.token_urlsafe(16)


def qr_code(text: str) -> str:
    """Lines of half-block characters that a phone's camera reads from a terminal.

    Raises:
        ModuleNotFoundError: segno is not installed.
    """
    import segno

    lines = io.StringIO()
    segno.make(text, error="m", micro=False).terminal(out=lines, compact=True)
    return lines.getvalue()
