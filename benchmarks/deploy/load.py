"""A load generator: many connections to one HTTP service from one thread, each answer compared with what is expected.

It reads and writes plain sockets, since it shares the processors with the service that it measures.
"""

from __future__ import annotations

import selectors
import socket
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

END_OF_HEAD = b"\r\n\r\n"
LENGTH = b"content-length: "


@dataclass(frozen=True)
class Exchange:
    """A request as it goes over the wire, and the body that must come back."""

    request: bytes
    answer: bytes


@dataclass
class Outcome:
    """Latencies in seconds in the order of the answers, the wall time, and what went wrong, counted by its kind."""

    latencies: list[float] = field(default_factory=list)
    seconds: float = 0.0
    errors: Counter[str] = field(default_factory=Counter)


class Connection:
    """One connection that has one request under way."""

    def __init__(self, address: tuple[str, int]) -> None:
        self.socket = socket.create_connection(address, timeout=30)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.received = b""
        self.exchange = Exchange(b"", b"")
        self.began = 0.0

    def ask(self, exchange: Exchange) -> None:
        """Send a request."""
        self.exchange, self.received, self.began = exchange, b"", time.perf_counter()
        self.socket.sendall(exchange.request)

    def error(self) -> str | None:
        """Take in what has come; None while more is to come, an empty text if the answer is right."""
        data = self.socket.recv(1 << 16)
        if not data:
            return "closed"
        self.received += data
        head, found, body = self.received.partition(END_OF_HEAD)
        if not found:
            return None
        start = head.index(LENGTH) + len(LENGTH)
        if len(body) < int(head[start:].split(b"\r\n", 1)[0]):
            return None
        status = head[9:12].decode()
        if status != "200":
            return status
        return "" if body == self.exchange.answer else "another answer"


def drive(address: tuple[str, int], exchanges: Sequence[Exchange], connections: int, requests: int) -> Outcome:
    """Make ``requests`` requests, the ``exchanges`` in turn, with ``connections`` of them under way at any time."""
    outcome = Outcome()
    selector = selectors.DefaultSelector()
    asked = 0
    began = time.perf_counter()
    for _ in range(min(connections, requests)):
        connection = Connection(address)
        selector.register(connection.socket, selectors.EVENT_READ, connection)
        connection.ask(exchanges[asked % len(exchanges)])
        asked += 1
    answered = 0
    while answered < requests:
        for key, _ in selector.select():
            connection = key.data
            error = connection.error()
            if error is None:
                continue
            answered += 1
            outcome.latencies.append(time.perf_counter() - connection.began)
            if error:
                outcome.errors[error] += 1
            if error == "closed":
                selector.unregister(connection.socket)
                connection.socket.close()
                connection = Connection(address)
                selector.register(connection.socket, selectors.EVENT_READ, connection)
            if asked < requests:
                connection.ask(exchanges[asked % len(exchanges)])
                asked += 1
    outcome.seconds = time.perf_counter() - began
    for key in list(selector.get_map().values()):
        key.data.socket.close()
    selector.close()
    return outcome
