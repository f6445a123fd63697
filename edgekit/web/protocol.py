"""HTTP by uvicorn, for clients that are slow or say too much before they ask for anything.

uvicorn waits for the rest of a request's head for ever and keeps all of it; a few thousand such connections are an
attack that needs no bandwidth (slowloris). Bodies are the affair of ``body.py``.
"""

from __future__ import annotations

import asyncio
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

HEAD_S = 10.0
MAX_HEAD_BYTES = 32 << 10


class PatientProtocol(HttpToolsProtocol):
    """A connection whose requests must have their heads complete within HEAD_S seconds and MAX_HEAD_BYTES."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._deadline: asyncio.TimerHandle | None = None
        self._head_bytes = 0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Expect a head."""
        super().connection_made(transport)
        self._expect_head()

    def connection_lost(self, exc: Exception | None) -> None:
        """Expect nothing any more."""
        self._end_head()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Refuse a head that is too long."""
        super().data_received(data)
        if self._deadline is not None:
            self._head_bytes += len(data)
            if self._head_bytes > MAX_HEAD_BYTES and not self.transport.is_closing():
                self._end_head()
                self.send_400_response("The request's head is too long.")

    def on_message_begin(self) -> None:
        """Expect the head of the next request on this connection."""
        super().on_message_begin()
        if self._deadline is None:
            self._expect_head()

    def on_headers_complete(self) -> None:
        """The head is complete."""
        self._end_head()
        super().on_headers_complete()

    def _expect_head(self) -> None:
        self._head_bytes = 0
        self._deadline = self.loop.call_later(HEAD_S, self._give_up)

    def _end_head(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _give_up(self) -> None:
        self._deadline = None
        if self.cycle is not None and not self.cycle.response_complete:
            # What was asked before this head is still being answered: closing now would throw that answer away.
            self._deadline = self.loop.call_later(HEAD_S, self._give_up)
        elif not self.transport.is_closing():
            self.transport.close()
