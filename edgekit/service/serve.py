"""``edgekit serve``: a web bundle, or the models of a store, until a signal ends it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edgekit.catalog import RUNS
from edgekit.console import Part, Remark, say
from edgekit.errors import UsageError
from edgekit.options import Options, argument, option
from edgekit.result import Result

if TYPE_CHECKING:
    from starlette.types import ASGIApp

LEAST_MEMORY_MIB = 256
"""Less is too little for one model."""
MOST_MEMORY_MIB = 1 << 24
"""16 TiB: more than any machine has, and what a system still takes for a limit."""


@dataclass(frozen=True)
class ServeOptions(Options):
    """What to serve, and to whom."""

    path: Path | None = argument(
        "A web bundle's folder; with --store, a store's file.",
        None,
        metavar="BUNDLE",
        unset="the newest bundle; your store",
    )
    store: bool = option("Serve the models of a store.", False)
    lan: bool = option("Let the local network in, not this machine alone.", False)
    port: int = option("TCP port; 0 takes a free one.", 8000, least=0, most=65535)
    certificate: Path | None = option("Certificate for https, in PEM form.", None, metavar="FILE")
    key: Path | None = option("Its private key.", None, metavar="FILE")
    memory: int = option(
        "What a store's open models may use in all.", 1024, metavar="MIB", least=LEAST_MEMORY_MIB, most=MOST_MEMORY_MIB
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        if (self.certificate is None) != (self.key is None):
            raise UsageError("https needs both --certificate and --key; give the other one too.")


@dataclass(frozen=True)
class Serving(Result):
    """A service that is about to answer: its address, and the token that a store asks for on the local network.

    ``run`` answers until SIGTERM or SIGINT; it calls what it is given as soon as clients may come.
    """

    url: str
    path: str
    token: str
    lan: bool
    run: Callable[[Callable[[], None]], None]

    def to_dict(self) -> dict[str, Any]:
        """Plain values, for JSON."""
        return {"url": self.url, "path": self.path, "token": self.token, "lan": self.lan}

    def parts(self) -> Iterator[Part]:
        """The address, and for the local network its QR code."""
        from edgekit.web.address import qr_code

        yield f"serving {self.path} at {self.url}"
        if self.token:
            yield f"token: {self.token}    (curl -H 'Authorization: Bearer {self.token}' {self.url}models)"
        elif self.lan:
            yield qr_code(self.url).rstrip("\n")
            if self.url.startswith("http:"):
                yield Remark("a phone's browser gives the camera and offline use to https alone (--certificate, --key)")
        yield Remark("Ctrl-C ends it")

    def deliver(self, show: Callable[[], None]) -> None:
        """Answer until a signal comes."""
        self.run(show)


def serve(options: ServeOptions) -> Serving:
    """Open the socket and what is to be served.

    Raises:
        UsageError: there is nothing to serve, the port is taken, or certificate and key are no pair.
    """
    from edgekit.web import address
    from edgekit.web.server import Certificate, run

    pair = Certificate(options.certificate, options.key) if options.certificate and options.key else None
    listener = address.listen(options.port, options.lan)
    try:
        token = address.new_token() if options.store and options.lan else ""
        app, path = _store_app(options, token) if options.store else _bundle_app(options)
    except BaseException:
        listener.close()
        raise
    url = address.url(listener, options.lan, pair is not None)
    return Serving(url, str(path), token, options.lan, partial(run, app, listener, pair))


def _store_app(options: ServeOptions, token: str) -> tuple[ASGIApp, Path]:
    from edgekit.service.service import service_app
    from edgekit.store.store import Store, default_store

    path = options.path or default_store()
    if path.is_dir():
        raise UsageError(f"{path} is a folder; name a store's file, or leave out --store to serve a web bundle.")
    return service_app(Store.there(path), options.memory << 20, token), path


def _bundle_app(options: ServeOptions) -> tuple[ASGIApp, Path]:
    from edgekit.service.site import read_site, site_app

    folder = options.path or _newest_bundle()
    return site_app(read_site(folder)), folder


def _newest_bundle() -> Path:
    pages = [page for form in ("*/index.html", "*/web/index.html") for page in RUNS.glob(form)]
    manifests = [page.with_name("manifest.json") for page in pages]
    found = sorted(filter(Path.is_file, manifests), key=lambda path: path.stat().st_mtime)
    if not found:
        raise UsageError("No bundle was named, and runs/ has none; make one with 'edgekit deploy --target web'.")
    say(f"no BUNDLE named: taking the newest, {found[-1].parent}")
    return found[-1].parent
