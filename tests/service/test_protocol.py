"""Clients that are slow, that say too much, or that speak no HTTP."""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from served import running
from starlette.responses import PlainTextResponse
from starlette.types import Receive, Scope, Send

from edgekit.service.service import service_app
from edgekit.store.store import Store
from edgekit.web import protocol
from edgekit.web.body import BodyReader

PATIENCE_S = 0.3


@pytest.fixture
def address(store_file: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[str, int]]:
    """A service that loses its patience soon; it still answers when the test is over."""
    monkeypatch.setattr(protocol, "HEAD_S", PATIENCE_S)
    app = service_app(Store(store_file), 1 << 30, body=BodyReader(seconds=PATIENCE_S))
    with running(app) as url:
        yield "127.0.0.1", int(url.rstrip("/").rpartition(":")[2])
        assert httpx.get(f"{url}health").json()["status"] == "ok"


def said(client: socket.socket) -> bytes:
    """Everything until the service closes the connection."""
    client.settimeout(20)
    parts = []
    try:
        while part := client.recv(1 << 16):
            parts.append(part)
    except ConnectionResetError:
        pass
    return b"".join(parts)


def test_a_connection_that_asks_nothing_is_closed(address: tuple[str, int]) -> None:
    with socket.create_connection(address) as client:
        assert said(client) == b""


def test_a_head_that_trickles_in_is_cut_off(address: tuple[str, int]) -> None:
    with socket.create_connection(address) as client:
        client.sendall(b"GET /health HTTP/1.1\r\nHost: localhost\r\n")
        with pytest.raises((BrokenPipeError, ConnectionResetError)):
            trickle(client, 20)


def trickle(client: socket.socket, seconds: float) -> None:
    """A byte now and then."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        client.sendall(b"X")
        time.sleep(0.05)


def test_a_second_head_on_the_same_connection_is_cut_off_too(address: tuple[str, int]) -> None:
    with socket.create_connection(address) as client:
        client.sendall(b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\nGET /health HTTP/1.1\r\n")
        assert said(client).count(b"HTTP/1.1 200 OK") == 1


def test_a_second_head_that_waits_does_not_cost_the_first_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    async def slow(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            await asyncio.sleep(4 * PATIENCE_S)
            await PlainTextResponse("late")(scope, receive, send)

    monkeypatch.setattr(protocol, "HEAD_S", PATIENCE_S)
    with running(slow) as url, socket.create_connection(("127.0.0.1", int(url[:-1].rpartition(":")[2]))) as client:
        client.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\nGET / HTTP/1.1\r\n")
        assert said(client).endswith(b"late")


def test_many_that_wait_do_not_keep_others_from_being_served(address: tuple[str, int]) -> None:
    waiting = [socket.create_connection(address) for _ in range(200)]
    for client in waiting:
        client.sendall(b"POST /models/tiny/predict HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\n")
    assert httpx.get(f"http://127.0.0.1:{address[1]}/health").status_code == 200
    for client in waiting:
        assert b" 408 " in said(client)
        client.close()


def test_a_head_without_end_is_refused(address: tuple[str, int]) -> None:
    with socket.create_connection(address) as client:
        client.sendall(b"GET /health HTTP/1.1\r\nHost: localhost\r\nX: ")
        try:
            for _ in range(100):
                client.sendall(b"y" * 1024)
        except (BrokenPipeError, ConnectionResetError):
            return
        assert b" 400 " in said(client)


def test_a_slow_body_is_refused(address: tuple[str, int]) -> None:
    with socket.create_connection(address) as client:
        client.sendall(b"POST /models/tiny/predict HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\nabc")
        assert b"HTTP/1.1 408 " in said(client)


def test_a_client_that_hangs_up_in_the_middle_costs_nothing(address: tuple[str, int]) -> None:
    for _ in range(20):
        with socket.create_connection(address) as client:
            client.sendall(b"POST /models/tiny/predict HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\nabc")


@pytest.mark.parametrize(
    "text",
    [
        b"\x16\x03\x01\x02\x00\x01\x00",
        b"GET\r\n\r\n",
        b"GET /health HTTP/9.9\r\n\r\n",
        b"GET / HTTP/1.1\r\nContent-Length: -5\r\n\r\n",
        b"GET / HTTP/1.1\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\n",
        b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        bytes(1000),
    ],
)
def test_what_is_no_http_is_refused(address: tuple[str, int], text: bytes) -> None:
    with socket.create_connection(address) as client:
        client.sendall(text)
        answer = said(client)
        assert answer == b"" or b" 400 " in answer or b" 421 " in answer
