"""The pages of a web bundle: every file is checked once against the manifest, and served from memory.

So what is served is what was built, byte for byte, and no name in a request ever becomes a path.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from starlette.applications import Starlette
from starlette.datastructures import Headers
from starlette.responses import PlainTextResponse, Response
from starlette.routing import BaseRoute, Mount
from starlette.types import Receive, Scope, Send

from edgekit.deployment.bundle import MANIFEST, read_manifest
from edgekit.errors import UsageError
from edgekit.files import sha256_bytes
from edgekit.web.content_types import BINARY, TYPES

HEADERS = "headers.json"
NAME = re.compile(r"[A-Za-z0-9-]+")
INDEX = "index.html"
ENCODINGS = {"br": ".br", "gzip": ".gz"}
"""Endings of files that stand beside others as compressed forms of them, the smallest first."""


@dataclass(frozen=True)
class Page:
    """A file with its compressed forms by encoding, and the hash that names its contents."""

    kind: str
    tag: str
    forms: Mapping[str, bytes]

    def form(self, accepted: str) -> tuple[str, bytes]:
        """The first form that a client accepts, as it says in Accept-Encoding; ``""`` is the file itself."""
        offers = {part.strip() for part in accepted.split(",")}
        chosen = next((name for name in ENCODINGS if name in offers and name in self.forms), "")
        return chosen, self.forms[chosen]


class Site:
    """An ASGI application of the files of a bundle; ``headers`` go with every answer."""

    def __init__(self, pages: Mapping[str, Page], headers: Mapping[str, str]) -> None:
        self.pages, self.headers = pages, headers

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer GET and HEAD."""
        await self._answer(scope)(scope, receive, send)

    def _answer(self, scope: Scope) -> Response:
        common = {**self.headers, "X-Content-Type-Options": "nosniff"}
        if scope["method"] not in ("GET", "HEAD"):
            return PlainTextResponse("Only GET and HEAD are answered.", 405, {**common, "Allow": "GET, HEAD"})
        name = scope["path"].removeprefix(scope.get("root_path", "")).removeprefix("/")
        page = self.pages.get(f"{name}{INDEX}" if name.endswith("/") or not name else name)
        if page is None:
            return PlainTextResponse("There is no such page.", 404, common)
        wanted = Headers(scope=scope)
        encoding, data = page.form(wanted.get("accept-encoding", ""))
        tag = f'"{page.tag}{encoding}"'
        common |= {"ETag": tag, "Cache-Control": "no-cache", "Vary": "Accept-Encoding"}
        if wanted.get("if-none-match") == tag:
            return Response(status_code=304, headers=common)
        if encoding:
            common["Content-Encoding"] = encoding
        return Response(data, headers={**common, "Content-Type": page.kind})


def read_site(folder: Path) -> Site:
    """Read a bundle that ``edgekit deploy --target web`` wrote.

    Raises:
        UsageError: it is no web bundle, or a file is not the one that the manifest names.
    """
    if not folder.is_dir():
        raise UsageError(f"{folder} is no folder; name the bundle that 'edgekit deploy --target web' wrote.")
    files = _checked(folder)
    if INDEX not in files:
        raise UsageError(f"{folder} has no {INDEX}; make the bundle with 'edgekit deploy --target web'.")
    headers = _headers(folder, files.get(HEADERS, b"{}"))
    pages = {
        name: Page(
            kind=TYPES.get(PurePosixPath(name).suffix.lower(), BINARY),
            tag=sha256_bytes(data)[:32],
            forms={"": data, **{key: files[name + end] for key, end in ENCODINGS.items() if name + end in files}},
        )
        for name, data in files.items()
    }
    return Site(pages, headers)


def site_app(site: Site, routes: Sequence[BaseRoute] = ()) -> Starlette:
    """The ASGI application of a site, with ``routes`` of one's own before its files."""
    return Starlette(routes=[*routes, Mount("/", site)])


def _headers(folder: Path, text: bytes) -> dict[str, str]:
    """The headers of every answer, as ``headers.json`` says them."""
    try:
        headers = {str(name): str(value) for name, value in json.loads(text).items()}
    except (ValueError, AttributeError) as exc:
        raise UsageError(f"{folder / HEADERS} is no object of names and values; deploy the bundle again.") from exc
    if not all(NAME.fullmatch(name) and value.isascii() and value.isprintable() for name, value in headers.items()):
        raise UsageError(f"{folder / HEADERS} holds what cannot be a header; deploy the bundle again.")
    return headers


def _checked(folder: Path) -> dict[str, bytes]:
    """Every file that the manifest names, and the manifest."""
    sums = read_manifest(folder)
    if sums is None:
        raise UsageError(f"{folder} holds no bundle; make one with 'edgekit deploy --target web'.")
    files = {MANIFEST: (folder / MANIFEST).read_bytes()}
    for name, expected in sums.items():
        try:
            data = (folder / name).read_bytes()
        except OSError as exc:
            raise UsageError(f"{folder / name} is missing ({exc.strerror}); deploy the bundle again.") from exc
        if sha256_bytes(data) != expected:
            raise UsageError(f"{folder / name} is not as {MANIFEST} says, it was changed; deploy the bundle again.")
        files[name] = data
    return files
