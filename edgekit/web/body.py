"""Reading what a client sends: not too much, not too slowly, and not too much of all clients at once."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request

MAX_BODY_BYTES = 16 << 20
MAX_DISCARDED_BYTES = 256 << 20
MAX_HELD_BYTES = 256 << 20
BODY_S = 20.0
CLOSE = {"Connection": "close"}
BUSY = {**CLOSE, "Retry-After": "1"}


class BodyReader:
    """Bodies of at most ``max_bytes`` each, and ``max_held`` of all requests that are being worked on."""

    def __init__(
        self, max_bytes: int = MAX_BODY_BYTES, max_held: int = MAX_HELD_BYTES, seconds: float = BODY_S
    ) -> None:
        self.max_bytes, self.max_held, self.seconds = max_bytes, max_held, seconds
        self._held = 0

    @asynccontextmanager
    async def read(self, request: Request) -> AsyncIterator[bytes]:
        """The body, which counts as held until the block ends.

        Raises:
            HTTPException: 413 if it is too large, 408 if it came too slowly, 503 if too much is held already.
        """
        chunks: list[bytes] = []
        try:
            await self._receive(request, chunks)
            yield b"".join(chunks)
        finally:
            self._held -= sum(map(len, chunks))

    async def _receive(self, request: Request, chunks: list[bytes]) -> None:
        try:
            async with asyncio.timeout(self.seconds):
                async for chunk in self._chunks(request):
                    chunks.append(chunk)
                    self._held += len(chunk)
                    if self._held > self.max_held:
                        raise HTTPException(503, "The service is busy; try again in a moment.", BUSY)
        except TimeoutError as exc:
            raise HTTPException(408, f"The request took longer than {self.seconds:g} s to arrive.", CLOSE) from exc
        except ClientDisconnect as exc:
            raise HTTPException(400, "The request ended before its body did.", CLOSE) from exc

    async def _chunks(self, request: Request) -> AsyncIterator[bytes]:
        """What is received, up to the limit. More is thrown away before it is refused, or no client would see why."""
        declared = request.headers.get("content-length", "")
        says_too_much = declared.isdecimal() and len(declared) < 20 and int(declared) > self.max_bytes
        if says_too_much and "expect" in request.headers:
            raise self._too_large()
        size = 0
        async for chunk in request.stream():
            size += len(chunk)
            if size <= self.max_bytes:
                yield chunk
            elif size > MAX_DISCARDED_BYTES:
                break
        if size > self.max_bytes:
            raise self._too_large()

    def _too_large(self) -> HTTPException:
        return HTTPException(413, f"A body has at most {self.max_bytes:,} bytes; send a smaller picture.", CLOSE)
