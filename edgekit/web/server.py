"""Running an ASGI application until a signal says that it is enough."""

from __future__ import annotations

import signal
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edgekit.errors import UsageError
from edgekit.files import require_file

if TYPE_CHECKING:
    import uvicorn
    from starlette.types import ASGIApp

MAX_CONNECTIONS = 1024
IDLE_S = 20
FAREWELL_S = 5
"""How long requests that have begun may go on after a signal to end."""


@dataclass(frozen=True)
class Certificate:
    """Files of a TLS certificate, its chain included, and its private key; both in PEM form."""

    certificate: Path
    key: Path

    def __post_init__(self) -> None:
        import ssl

        for path in (self.certificate, self.key):
            require_file(path, UsageError)
        try:
            ssl.create_default_context(ssl.Purpose.CLIENT_AUTH).load_cert_chain(self.certificate, self.key)
        except (ssl.SSLError, OSError) as exc:
            raise UsageError(
                f"{self.certificate} and {self.key} are no certificate and its key in PEM form ({exc}); check both."
            ) from exc


def run(
    app: ASGIApp,
    listener: socket.socket,
    certificate: Certificate | None = None,
    announce: Callable[[], None] = lambda: None,
) -> None:
    """Serve ``app`` on a listening socket until SIGTERM or SIGINT; requests that have begun are answered.

    ``announce`` is called as soon as a signal ends it well and clients may come.

    Raises:
        ModuleNotFoundError: uvicorn is not installed.
    """
    server = make_server(app, certificate)
    with _ending_quietly(server):
        announce()
        server.run(sockets=[listener])


def make_server(app: ASGIApp, certificate: Certificate | None = None) -> uvicorn.Server:
    """Uvicorn with limits for strangers, and no words of its own but errors."""
    import uvicorn

    from edgekit.web.protocol import PatientProtocol

    secure: dict[str, Any] = {}
    if certificate is not None:
        secure = {"ssl_certfile": certificate.certificate, "ssl_keyfile": certificate.key}
    config = uvicorn.Config(
        app,
        http=PatientProtocol,
        ws="none",
        lifespan="on",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        limit_concurrency=MAX_CONNECTIONS,
        timeout_keep_alive=IDLE_S,
        timeout_graceful_shutdown=FAREWELL_S,
        **secure,
    )
    return uvicorn.Server(config)


@contextmanager
def _ending_quietly(server: uvicorn.Server) -> Iterator[None]:
    """Signals end the server also before it has begun to listen to them itself, and a second one like the first.

    When it has ended, uvicorn raises the signal once more for whoever listened before, and nobody need be told.
    """

    def end(*_: object) -> None:
        server.should_exit = True

    server.handle_exit = end  # type: ignore[assignment]  # uvicorn's own leaves all as it is at a second Ctrl-C
    signals = (signal.SIGINT, signal.SIGTERM)
    before = [signal.signal(number, end) for number in signals]
    try:
        yield
    finally:
        for number, handler in zip(signals, before, strict=True):
            signal.signal(number, handler)
