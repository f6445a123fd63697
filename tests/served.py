"""``edgekit serve`` as a program, an application on a free port, and pictures to send."""

from __future__ import annotations

import io
import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
from PIL import Image
from starlette.types import ASGIApp

from edgekit.web import address
from edgekit.web.server import Certificate, make_server


def png(image: np.ndarray[Any, Any]) -> bytes:
    """A picture file of uint8 [H, W, 1]."""
    stream = io.BytesIO()
    Image.fromarray(image[..., 0]).save(stream, "PNG")
    return stream.getvalue()


@contextmanager
def running(app: ASGIApp, certificate: Certificate | None = None) -> Iterator[str]:
    """An application on a free port of this machine: its address."""
    listener = address.listen(0, lan=False)
    server = make_server(app, certificate)
    server.capture_signals = _no_signals  # type: ignore[method-assign]
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
    thread.start()
    try:
        yield address.url(listener, False, certificate is not None)
    finally:
        server.should_exit = True
        thread.join()


@contextmanager
def _no_signals() -> Iterator[None]:
    yield


@contextmanager
def edgekit_serve(*options: str) -> Iterator[tuple[dict[str, Any], subprocess.Popen[str]]]:
    """The program on a free port: what it says of itself, and its process, which must end well."""
    command = [sys.executable, "-m", "edgekit", "serve", *options, "--port", "0", "--json"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    try:
        lines = []
        for line in process.stdout:
            lines.append(line)
            if line.rstrip() == "}":
                break
        yield json.loads("".join(lines)), process
    finally:
        process.terminate()
        process.stdout.close()
        assert process.wait(30) == 0
