"""The service for a store: list, card and prediction of its models over HTTP. docs/serve.md describes it.

Nothing of a model is parsed in this process, nor any picture or text: both are the affair of the model's worker.
"""

from __future__ import annotations

import asyncio
import json
import math
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

import edgekit
from edgekit.errors import DataError, EdgekitError, UnknownNameError, UsageError
from edgekit.inputs.described import is_written
from edgekit.inputs.door import Door
from edgekit.service.metrics import CONTENT_TYPE, Metrics
from edgekit.service.open_model import BusyError
from edgekit.service.pool import Pool
from edgekit.service.worker_process import Guesses, Question
from edgekit.store.behind import expert
from edgekit.store.store import Entry, Store
from edgekit.web.body import BodyReader
from edgekit.web.guard import Guard

DESCRIPTION = Path(__file__).with_name("openapi.json")
DEFAULT_TOP = 3
MAX_TOP = 1000
SENTENCES = {
    404: "There is no such address here; /models lists the models, and /openapi.json says what is answered.",
    405: "This address does not answer that method; /openapi.json says which one it does.",
}
FRESH_S = 0.05
"""How old what is known of the store may be: asking it takes as long as a tenth of a prediction."""


class Service:
    """What the routes do, over one store. What is changed in the store is followed within FRESH_S."""

    def __init__(self, store: Store, memory_bytes: int, body: BodyReader | None = None) -> None:
        self.store = store
        self.pool = Pool(store, memory_bytes)
        self.body = body or BodyReader()
        self.metrics = Metrics()
        self._entries: dict[str, Entry] = {}
        self._changes = -1
        self._looked = -math.inf

    async def health(self, request: Request) -> Response:
        """Whether the store can be read."""
        return JSONResponse({"status": "ok", "models": await asyncio.to_thread(self.store.count)})

    async def models(self, request: Request) -> Response:
        """What there is."""
        entries = await asyncio.to_thread(self.store.entries)
        return JSONResponse({"models": [_summary(entry) for entry in entries]})

    async def card(self, request: Request) -> Response:
        """All that is known of one model."""
        return JSONResponse(self._find(request.path_params["name"]).to_dict())

    async def predict(self, request: Request) -> Response:
        """What a model says of the picture or text that is the request's body."""
        entry = self._find(request.path_params["name"])
        top = _top(request.query_params.get("top"))
        async with self.body.read(request) as body:
            began = time.perf_counter()
            question = Question(body, request.headers.get("content-type", ""), top)
            chosen, guesses = await self._behind(entry, question)
        self.metrics.count_prediction(entry.name, time.perf_counter() - began)
        named = [{"label": label, "probability": probability} for label, probability in guesses]
        return JSONResponse({"model": entry.name, "sha256": entry.sha256, **chosen, "guesses": named})

    async def figures(self, request: Request) -> Response:
        """Counters and gauges."""
        pool = self.pool
        gauges = {
            "models_open": ("gauge", "Models that are open now.", len(pool.open_models)),
            "models_opened_total": ("counter", "Models opened so far.", pool.opened),
            "models_closed_total": ("counter", "Models closed so far, to make room or at a change.", pool.closed),
            "worker_crashes_total": ("counter", "Workers that ended before their time.", pool.crashes),
            "worker_memory_bytes": ("gauge", "Resident memory of all workers.", pool.used_bytes),
            "worker_memory_limit_bytes": ("gauge", "What they may use.", pool.memory_bytes),
        }
        return Response(self.metrics.text(gauges), headers={"Content-Type": CONTENT_TYPE})

    async def description(self, request: Request) -> Response:
        """The OpenAPI document of this service."""
        document = json.loads(DESCRIPTION.read_text(encoding="utf-8"))
        document["info"]["version"] = edgekit.__version__
        return JSONResponse(document)

    async def _behind(self, entry: Entry, question: Question) -> tuple[dict[str, Any], Guesses]:
        """A model's guesses; where it is a door, those of the expert that it chooses, and which that is."""
        route = entry.card.get("route")
        if route is None:
            return {}, await self.pool.predict(entry, question)
        door = Door(**route)
        choice = door.by_form(is_written(question.kind))
        if choice is None:
            ((name, sure),) = await self.pool.predict(entry, replace(question, top=1))
            choice = door.by_gate(name, sure)
        if choice.expert is None:
            return asdict(choice), []
        return asdict(choice), await self.pool.predict(expert(entry, choice.expert, self._find), question)

    def _find(self, name: str) -> Entry:
        now = time.monotonic()
        if now - self._looked > FRESH_S:
            self._looked = now
            changes = self.store.changes()
            if changes != self._changes:
                self._entries.clear()
                self._changes = changes
        if name not in self._entries:
            self._entries[name] = self.store.find(name)
        return self._entries[name]


def service_app(store: Store, memory_bytes: int, token: str = "", body: BodyReader | None = None) -> Starlette:
    """The ASGI application; ``token`` is what clients must send as a bearer token, if it is not empty."""
    service = Service(store, memory_bytes, body)

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        yield
        await service.pool.close()

    routes = [  # matched in this order, and nearly all requests are for the first
        Route("/models/{name}/predict", service.predict, methods=["POST"], name="predict"),
        Route("/health", service.health, name="health"),
        Route("/metrics", service.figures, name="metrics"),
        Route("/openapi.json", service.description, name="openapi"),
        Route("/models", service.models, name="models"),
        Route("/models/{name}", service.card, name="card"),
    ]
    guard = Middleware(Guard, token=token, count=service.metrics.count_request)
    handlers: dict[Any, Callable[..., Awaitable[Response]]] = {EdgekitError: _refuse, HTTPException: _refuse_http}
    return Starlette(routes=routes, middleware=[guard], exception_handlers=handlers, lifespan=lifespan)


def _top(text: str | None) -> int:
    if text is None:
        return DEFAULT_TOP
    if not (text.isascii() and text.isdecimal() and len(text) <= len(str(MAX_TOP))) or not 1 <= int(text) <= MAX_TOP:
        raise HTTPException(400, f"'top' is how many guesses are wanted, 1 to {MAX_TOP}.")
    return int(text)


def _summary(entry: Entry) -> dict[str, Any]:
    card, student = entry.card, entry.card["student"]
    return {
        "name": entry.name,
        "sha256": entry.sha256,
        "bytes": card["bytes"],
        "format": card["format"],
        "classes": len(student["labels"]) if student else None,
    }


async def _refuse(request: Request, exc: EdgekitError) -> Response:
    status = {UnknownNameError: 404, UsageError: 422, DataError: 422, BusyError: 503}.get(type(exc), 500)
    return JSONResponse({"error": str(exc)}, status, {"Retry-After": "1"} if status == 503 else None)


async def _refuse_http(request: Request, exc: HTTPException) -> Response:
    return JSONResponse({"error": SENTENCES.get(exc.status_code, exc.detail)}, exc.status_code, exc.headers)
