"""A plain static host on loopback: right MIME types, the bundle's headers, compressed copies, and nothing else."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

TYPES = {
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".mjs": "text/javascript; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".json": "application/json",
    ".webmanifest": "application/manifest+json",
    ".wasm": "application/wasm",
    ".png": "image/png",
    ".txt": "text/plain; charset=utf-8",
}


class Site:
    """A folder at an address; ``sent`` has the name and bytes on the wire of each response, ``posted`` what came in."""

    def __init__(self, folder: Path, url: str) -> None:
        self.folder = folder
        self.url = url
        self.sent: list[tuple[str, int]] = []
        self.posted: list[bytes] = []
        # Browsers ask for it where a page names no icon.
        self.extra: dict[str, bytes] = {"favicon.ico": b""}


@contextmanager
def serving(folder: Path) -> Iterator[Site]:
    headers = json.loads((folder / "headers.json").read_text())

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            name = self.path.split("?")[0].lstrip("/") or "index.html"
            path = site.folder / name
            if name in site.extra:
                self.reply(200, name, site.extra[name])
            elif not path.is_file():
                self.reply(404, name, b"")
            elif "br" in self.headers.get("Accept-Encoding", "") and path.with_name(f"{path.name}.br").is_file():
                self.reply(200, name, path.with_name(f"{path.name}.br").read_bytes(), "br")
            else:
                self.reply(200, name, path.read_bytes())

        def do_POST(self) -> None:
            site.posted.append(self.rfile.read(int(self.headers["Content-Length"])))
            self.reply(204, "", b"")

        def reply(self, status: int, name: str, data: bytes, encoding: str = "") -> None:
            self.send_response(status)
            self.send_header("Content-Type", TYPES.get(Path(name).suffix, "application/octet-stream"))
            self.send_header("Content-Length", str(len(data)))
            self.send_header("Cache-Control", "max-age=60" if name.endswith(".wasm") else "no-cache")
            if encoding:
                self.send_header("Content-Encoding", encoding)
            for key, value in headers.items():
                self.send_header(key, value)
            self.end_headers()
            self.wfile.write(data)
            site.sent.append((name, len(data)))

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    site = Site(folder, f"http://127.0.0.1:{server.server_port}/")
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield site
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
