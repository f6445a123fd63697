"""The site that a browser measures at: the page's files, one job at a time, and its result.

The page is at a secret path, asks for ``job.json`` beside it and posts what it found to ``result``. The answer to that,
205, tells it to start over with the next job; it is given a moment to come.
"""

from __future__ import annotations

import asyncio
import json
import queue
import threading
import time
from collections.abc import Mapping
from http import HTTPStatus
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any

from edgekit.errors import DeviceError, UsageError
from edgekit.extras import install
from edgekit.web.page_files import HEADERS as PAGE_HEADERS

if TYPE_CHECKING:
    from starlette.applications import Starlette
    from starlette.requests import Request
    from starlette.responses import Response

PAGE = "bench.html"
JOB, RESULT = "job.json", "result"
MAX_RESULT_BYTES = 64 << 20
START_S = 10
NEXT_S = 60
"""A page is kept waiting so long for the next file, for which a runtime may be fetched or a compiler run."""
TICK_S = 0.05
HEADERS = {**PAGE_HEADERS, "Cache-Control": "no-store"}


class BenchSite:
    """A server of its own thread, on the loopback address, or with ``lan`` on the local network.

    Raises:
        UsageError: the extra ``serve`` is not installed.
    """

    def __init__(self, lan: bool) -> None:
        try:
            from edgekit.web.address import listen, new_token, url
            from edgekit.web.server import make_server

            token = new_token()
            self._server = make_server(self._app(token))
        except ModuleNotFoundError as exc:
            raise UsageError(f"Measuring in a browser needs {exc.name}; run: {install('serve')}") from exc
        self._listener = listen(0, lan)
        self.address = f"{url(self._listener, lan)}{token}/{PAGE}"
        self._files: Mapping[str, bytes] = {}
        self._job = b""
        self._number = 0
        self._closed = False
        self._fetched = threading.Event()
        self._results: queue.Queue[tuple[int, bytes]] = queue.Queue()
        self._thread = threading.Thread(target=self._server.run, args=([self._listener],), daemon=True)
        self._thread.start()
        deadline = time.monotonic() + START_S
        while not self._server.started and time.monotonic() < deadline:
            time.sleep(TICK_S)

    def offer(self, files: Mapping[str, bytes], job: Mapping[str, Any]) -> None:
        """Have the next page that comes do ``job``, with ``files`` beside it; results of earlier jobs are ignored."""
        self._fetched.clear()
        self._files, self._job = files, json.dumps(job).encode()
        self._number += 1

    def wait_for_page(self, seconds: float) -> bool:
        """Whether a page has asked for the job, within ``seconds``."""
        return self._fetched.wait(seconds)

    def result(self, seconds: float) -> dict[str, Any] | None:
        """What the page posted for the current job; None if nothing comes within ``seconds``.

        Raises:
            DeviceError: it is no JSON object.
        """
        deadline = time.monotonic() + seconds
        while (left := deadline - time.monotonic()) > 0:
            try:
                number, body = self._results.get(timeout=left)
            except queue.Empty:
                break
            if number == self._number:
                return _as_object(body)
        return None

    def close(self) -> None:
        """End the server. Closing twice does no harm."""
        self._closed = True
        self._server.should_exit = True
        self._thread.join(NEXT_S)
        self._listener.close()

    def _app(self, token: str) -> Starlette:
        from starlette.applications import Starlette
        from starlette.routing import Route

        return Starlette(
            routes=[
                Route(f"/{token}/{RESULT}", self._take_result, methods=["POST"]),
                Route(f"/{token}/{{name:path}}", self._give_file, methods=["GET"]),
            ]
        )

    async def _give_file(self, request: Request) -> Response:
        from starlette.responses import Response

        from edgekit.web.content_types import BINARY, TYPES

        name = request.path_params["name"]
        if name == JOB and self._number:
            self._fetched.set()
            return Response(self._job, media_type="application/json", headers=HEADERS)
        data = self._files.get(name)
        if data is None:
            return Response(status_code=HTTPStatus.NOT_FOUND, headers=HEADERS)
        kind = TYPES.get(PurePosixPath(name).suffix, BINARY)
        return Response(data, headers={**HEADERS, "Content-Type": kind})

    async def _take_result(self, request: Request) -> Response:
        from starlette.responses import Response

        from edgekit.web.body import BodyReader

        number = self._number
        async with BodyReader(MAX_RESULT_BYTES, MAX_RESULT_BYTES).read(request) as body:
            self._results.put((number, body))
        deadline = time.monotonic() + NEXT_S
        while self._number == number and not self._closed and time.monotonic() < deadline:
            await asyncio.sleep(TICK_S)
        has_more = self._number != number and not self._closed
        return Response(status_code=HTTPStatus.RESET_CONTENT if has_more else HTTPStatus.NO_CONTENT, headers=HEADERS)


def _as_object(body: bytes) -> dict[str, Any]:
    try:
        found = json.loads(body)
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, dict):
        raise DeviceError(
            "The page sent something that is no result; open the printed address itself, and nothing else."
        )
    return found
