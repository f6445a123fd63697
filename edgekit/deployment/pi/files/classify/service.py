"""The model over HTTP, with the standard library alone: POST /predict takes a picture or text, GET / is a page.

Made for a board in a home: a few requests at once, each with limits on its bytes and its time. Whoever connects from
elsewhere needs the token. It speaks no HTTPS; put it behind a proxy that does where the network is not trusted.
"""

from __future__ import annotations

import hmac
import io
import ipaddress
import json
import secrets
import signal
import socket
import sys
import threading
import time
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import quote

from edgekit.inputs.error import InputError

from .model import AppError, Model

MAX_BODY_BYTES = 16 << 20
REQUEST_S = 15.0
"""A request must have arrived within this time, and its answer must have been taken within it."""
MAX_CONNECTIONS = 8
BUSY_S = 2.0
DECODERS = 1
"""Samples in memory at once: see MAX_PIXELS."""
MIN_TOKEN = 8
UNREAD = (401, 403, 404, 408, 411, 413)
"""Statuses of requests that were refused before their body was read."""
PAGE = Path(__file__).parent / "page"
FILES = {
    "/": ("index.html", "text/html; charset=utf-8"),
    "/page.js": ("page.js", "text/javascript; charset=utf-8"),
    "/style.css": ("style.css", "text/css; charset=utf-8"),
}
HEADERS = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src blob:; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
}


def serve(model: Model, host: str, port: int, token: str) -> None:
    """Serve until SIGTERM or SIGINT.

    Raises:
        AppError: the address cannot be used, or the token is too short.
    """
    is_local = is_loopback(host)
    if not is_local and not token:
        token = secrets.token_urlsafe(16)
    if token and len(token) < MIN_TOKEN:
        raise AppError(f"the token has {len(token)} characters; give one of {MIN_TOKEN} or more, or none to get one.")
    if not (token.isascii() and token.isprintable()):
        raise AppError("the token has characters that no header can carry; give one of letters, digits and signs.")
    try:
        server = Server(model, host, port, token)
    except (OSError, OverflowError) as exc:
        raise AppError(f"{host}:{port} cannot be listened on ({exc}); choose another --host or --port.") from exc
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: threading.Thread(target=server.shutdown).start())
    address = shown_address(host)
    suffix = f"#{quote(token)}" if token else ""
    print(f"serving on http://{address}:{server.server_port}/{suffix}", file=sys.stderr, flush=True)
    with server:
        server.serve_forever(poll_interval=0.2)


def is_loopback(host: str) -> bool:
    """True if an address can be reached from this machine only."""
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host == "localhost"


def shown_address(host: str) -> str:
    """What to type into a browser to reach what listens on ``host``."""
    if host == "0.0.0.0":
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
            try:
                probe.connect(("192.0.2.1", 9))  # sends nothing, but chooses the network
                return str(probe.getsockname()[0])
            except OSError:
                return host
    return f"[{host}]" if ":" in host else host


class Server(ThreadingHTTPServer):
    """A thread for each connection, at most MAX_CONNECTIONS of them."""

    daemon_threads = True
    request_queue_size = 64

    def __init__(self, model: Model, host: str, port: int, token: str) -> None:
        if ":" in host:
            self.address_family = socket.AF_INET6
        super().__init__((host, port), Handler)
        self.model, self.token = model, token
        self.decoders = threading.BoundedSemaphore(DECODERS)
        self._free = threading.BoundedSemaphore(MAX_CONNECTIONS)

    def server_bind(self) -> None:
        """Without the base's look-up of this machine's name, which may take long."""
        socket.socket.setsockopt(self.socket, socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.socket.bind(self.server_address)
        self.server_name, self.server_port = self.socket.getsockname()[:2]

    def process_request(self, request: Any, client_address: Any) -> None:
        """Start a thread, or turn the client away where all stay busy."""
        if self._free.acquire(timeout=BUSY_S):
            super().process_request(request, client_address)
            return
        with suppress(OSError):
            request.settimeout(0)
            request.send(b"HTTP/1.0 503 Service Unavailable\r\nRetry-After: 5\r\nContent-Length: 0\r\n\r\n")
        self.shutdown_request(request)

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        """Handle one connection."""
        try:
            super().process_request_thread(request, client_address)
        finally:
            self._free.release()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that has gone is no error of ours; anything else is logged in one line."""
        error = sys.exc_info()[1]
        if not isinstance(error, OSError):
            print(f"app.py: {type(error).__name__} in a request: {error}", file=sys.stderr, flush=True)


class TimedReader(io.RawIOBase):
    """A socket's bytes until a deadline, so that a client that sends a byte now and then cannot stay."""

    def __init__(self, connection: socket.socket, deadline: float) -> None:
        self._connection, self._deadline = connection, deadline

    def readable(self) -> bool:
        """It is."""
        return True

    def readinto(self, buffer: Any) -> int:
        """Receive some bytes."""
        left = self._deadline - time.monotonic()
        if left <= 0:
            raise socket.timeout("the request took too long")
        self._connection.settimeout(left)
        return self._connection.recv_into(buffer)


class Refusal(Exception):
    """A request that is answered with an error: HTTP status and sentence."""

    def __init__(self, status: int, text: str) -> None:
        super().__init__(text)
        self.status = status


class Handler(BaseHTTPRequestHandler):
    """One request; the connection is closed after it."""

    server: Server
    server_version = "edgekit-app"
    sys_version = ""

    def setup(self) -> None:
        """Read within the time limit."""
        super().setup()
        self.rfile = io.BufferedReader(TimedReader(self.connection, time.monotonic() + REQUEST_S))

    def do_GET(self) -> None:
        """The page, its description of the model, and a sign of life."""
        self._answer(self._get)

    def do_POST(self) -> None:
        """A picture or text."""
        self._answer(self._post)

    def _get(self) -> tuple[bytes, str]:
        path = self.path.partition("?")[0]
        if path in FILES:
            name, kind = FILES[path]
            return (PAGE / name).read_bytes(), kind
        if path == "/health":
            return _json({"status": "ok"})
        if path == "/model.json":
            model = self.server.model
            about = {name: model.about[name] for name in ("name", "takes")}
            return _json({**about, "domain": model.contract.domain, "labels": model.labels})
        raise Refusal(404, f"there is nothing of that name; POST a {self._called} to /predict, or open / in a browser.")

    def _post(self) -> tuple[bytes, str]:
        if self.path.partition("?")[0] != "/predict":
            raise Refusal(404, f"there is nothing of that name; POST a {self._called} to /predict.")
        self._require_token()
        body, model = self._body(), self.server.model
        with self.server.decoders:
            try:
                kind = self.headers.get("Content-Type", "")
                asked = model.sent(kind)
                data = asked.contract.received(body, kind)
                return _json(asked.answer(data, f"the {self._called}", top=10))
            except InputError as exc:
                raise Refusal(400, str(exc)) from exc

    @property
    def _called(self) -> str:
        """What the model takes, in a word."""
        return self.server.model.called

    def _require_token(self) -> None:
        if not self.server.token:
            # A page elsewhere may have made its own name stand for this machine (DNS rebinding).
            host = self.headers.get("Host", "")
            if not is_loopback(host.rpartition(":")[0] if host.rpartition(":")[2].isdigit() else host):
                raise Refusal(403, "without a token only this machine is served, under 127.0.0.1 or localhost.")
            return
        given = self.headers.get("Authorization", "").encode()
        if not hmac.compare_digest(given, f"Bearer {self.server.token}".encode()):
            raise Refusal(401, "the token is missing or wrong; send the header 'Authorization: Bearer TOKEN'.")

    def _body(self) -> bytes:
        length = self.headers.get("Content-Length", "")
        if not (length.isascii() and length.isdigit()) or "Transfer-Encoding" in self.headers:
            raise Refusal(411, f"send the {self._called} as the body, with its Content-Length.")
        if len(length) > 12 or int(length) > MAX_BODY_BYTES:
            raise Refusal(413, f"a {self._called} may have {MAX_BODY_BYTES >> 20} MiB; shrink it.")
        try:
            data = self.rfile.read(int(length))
        except socket.timeout as exc:
            raise Refusal(408, f"the {self._called} did not arrive within {REQUEST_S:g} s; send it faster.") from exc
        if len(data) < int(length):
            raise Refusal(400, "the body ended before its Content-Length.")
        return data

    def _answer(self, make: Any) -> None:
        try:
            status, (body, kind) = 200, make()
        except Refusal as exc:
            status, (body, kind) = exc.status, _json({"error": str(exc)})
        except Exception as exc:  # a runtime may raise anything; the next request shall be served
            print(f"app.py: {type(exc).__name__} in a request: {exc}", file=sys.stderr, flush=True)
            status, (body, kind) = 500, _json({"error": f"the app failed over this {self._called}; its log says why."})
        self._reply(status, body, kind)
        if status in UNREAD:
            self._drain()

    def _reply(self, status: int, body: bytes, kind: str) -> None:
        self.connection.settimeout(REQUEST_S)
        self.send_response(status)
        for name, value in {**HEADERS, "Content-Type": kind, "Content-Length": str(len(body))}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def _drain(self) -> None:
        """Take what a refused client still sends, for a moment: closing at once would drop our answer on its way."""
        self.connection.shutdown(socket.SHUT_WR)
        end = time.monotonic() + BUSY_S
        self.connection.settimeout(BUSY_S)
        while time.monotonic() < end and self.connection.recv(1 << 16):
            pass

    def send_error(self, code: int, message: str | None = None, explain: str | None = None) -> None:
        """The base calls this for what is no request of ours."""
        self.close_connection = True
        self._reply(code, *_json({"error": message or self.responses.get(code, ("error", ""))[0]}))
        self._drain()

    def log_message(self, format: str, *args: Any) -> None:
        """Who asked for what, without the query; strangers' bytes as ASCII."""
        line = ascii(" ".join(str(arg) for arg in args).partition("?")[0][:200])
        print(f"{self.client_address[0]} {line}", file=sys.stderr, flush=True)


def _json(value: Any) -> tuple[bytes, str]:
    return json.dumps(value).encode(), "application/json"
