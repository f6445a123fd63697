"""``edgekit serve``: a web bundle, or the models of a store, until a signal ends it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edgekit.console import say
from edgekit.errors import UsageError

if TYPE_CHECKING:
    import socket

    from starlette.types import ASGIApp

    from edgekit.web.server import Certificate

DEFAULT_PORT = 8000
DEFAULT_MEMORY_MIB = 1024
LEAST_MEMORY_MIB = 256
MOST_MEMORY_MIB = 1 << 24
"""16 TiB: more than any machine has, and what a system still takes for a limit."""


@dataclass(frozen=True)
class ServeOptions:
    """What to serve, and to whom.

    Attributes:
        path: the folder of a web bundle, or the file of a store; None takes the newest bundle or the user's store.
        store: whether a store is served.
        lan: whether the local network is let in; only this machine otherwise.
        port: TCP port; 0 takes a free one.
        certificate: for https.
        memory_mib: what the workers of a store's open models may use in all.
    """

    path: Path | None = None
    store: bool = False
    lan: bool = False
    port: int = DEFAULT_PORT
    certificate: Certificate | None = None
    memory_mib: int = DEFAULT_MEMORY_MIB

    def __post_init__(self) -> None:
        if self.memory_mib < LEAST_MEMORY_MIB:
            raise UsageError(
                f"--memory {self.memory_mib} is too little for one model; give {LEAST_MEMORY_MIB} or more."
            )
        if self.memory_mib > MOST_MEMORY_MIB:
            raise UsageError(f"--memory {self.memory_mib} is in MiB, and too much; give {MOST_MEMORY_MIB} or less.")


@dataclass(frozen=True)
class Serving:
    """A service that is about to answer: its address, and the token that a store asks for on the local network."""

    url: str
    path: str
    token: str
    lan: bool

    def to_dict(self) -> dict[str, Any]:
        """Plain values, for JSON."""
        return asdict(self)


def certificate_of(certificate: Path | None, key: Path | None) -> Certificate | None:
    """The pair of --certificate and --key, or neither.

    Raises:
        UsageError: one is missing, or they are not a pair.
    """
    from edgekit.web.server import Certificate

    if certificate is None and key is None:
        return None
    if certificate is None or key is None:
        raise UsageError("https needs both --certificate and --key; give the other one too.")
    return Certificate(certificate, key)


class Server:
    """An application and the socket that it will answer on."""

    def __init__(self, options: ServeOptions) -> None:
        from edgekit.web import address

        self.options = options
        self.listener: socket.socket = address.listen(options.port, options.lan)
        try:
            token = address.new_token() if options.store and options.lan else ""
            self.app, path = _store_app(options, token) if options.store else _bundle_app(options)
        except BaseException:
            self.listener.close()
            raise
        url = address.url(self.listener, options.lan, options.certificate is not None)
        self.serving = Serving(url, str(path), token, options.lan)

    def run(self, announce: Callable[[], None]) -> None:
        """Answer until SIGTERM or SIGINT; ``announce`` tells whoever waits for it that clients may come."""
        from edgekit.web.server import run

        run(self.app, self.listener, self.options.certificate, announce)


def show(result: Serving) -> None:
    """Print the address, and for the local network its QR code."""
    from edgekit.web.address import qr_code

    print(f"serving {result.path} at {result.url}", flush=True)
    if result.token:
        print(f"token: {result.token}    (curl -H 'Authorization: Bearer {result.token}' {result.url}models)")
    elif result.lan:
        print(qr_code(result.url), end="")
        if result.url.startswith("http:"):
            say("a phone's browser gives the camera and offline use to https alone (--certificate, --key)")
    say("Ctrl-C ends it")


def _store_app(options: ServeOptions, token: str) -> tuple[ASGIApp, Path]:
    from edgekit.service.service import service_app
    from edgekit.store.store import Store, default_store

    path = options.path or default_store()
    if path.is_dir():
        raise UsageError(f"{path} is a folder; name a store's file, or leave out --store to serve a web bundle.")
    if not path.is_file():
        raise UsageError(f"There is no store {path} yet; make it with 'edgekit store add MODEL --store {path}'.")
    return service_app(Store(path), options.memory_mib << 20, token), path


def _bundle_app(options: ServeOptions) -> tuple[ASGIApp, Path]:
    from edgekit.service.site import read_site, site_app

    folder = options.path or _newest_bundle()
    return site_app(read_site(folder)), folder


def _newest_bundle() -> Path:
    pages = [page for form in ("*/index.html", "*/web/index.html") for page in Path("runs").glob(form)]
    manifests = [page.with_name("manifest.json") for page in pages]
    found = sorted(filter(Path.is_file, manifests), key=lambda path: path.stat().st_mtime)
    if not found:
        raise UsageError("No bundle was named, and runs/ has none; make one with 'edgekit deploy --target web'.")
    say(f"no BUNDLE named: taking the newest, {found[-1].parent}")
    return found[-1].parent
