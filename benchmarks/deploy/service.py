"""``edgekit serve --store`` under load on this machine: predictions a second, latency, errors and memory.

The load generator runs on the same processors. Every answer is compared with the first one to the same picture, which
is compared with ``edgekit predict``'s.
"""

from __future__ import annotations

import io
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import numpy as np
from load import Exchange, drive
from PIL import Image

sys.path.append(str(Path(__file__).resolve().parents[1]))
from record import record

from edgekit.data.mnist import open_mnist

MODEL = "mnist-tiny"
PICTURES = 200
CONNECTIONS = (1, 8, 32, 128)
LONG_CONNECTIONS = 32
LONG_REQUESTS = 100_000
PARTS = 10
"""Of the long run; memory is looked at after each."""


def main() -> None:
    quick = "--quick" in sys.argv
    with service() as (address, process):
        exchanges = digits(address)
        drive(address, exchanges, 32, 2000)
        result: dict[str, Any] = {"pictures": f"{PICTURES} test images of MNIST as PNG, 28x28"}
        for connections in CONNECTIONS:
            requests = 3000 if quick else 10_000
            before = processor_us(process)
            measured = row(address, exchanges, connections, requests)
            spent = [round((now - then) / requests) for now, then in zip(processor_us(process), before, strict=True)]
            measured["processor_us"] = dict(zip(("load", "service", "worker"), spent, strict=True))
            result[f"{connections} connections"] = measured
        drawn = [expect(address, drawing(image)) for image in open_mnist().test.images[np.arange(20)]]
        result["32 connections, drawings of 280x280"] = row(address, drawn, 32, 1000 if quick else 5000)
        result["long run"] = long_run(address, exchanges, process, 20_000 if quick else LONG_REQUESTS)
    print("\n".join(f"{k}: {v}" for k, v in result.items()))
    if not quick:
        record(__file__, result)


@contextmanager
def service() -> Iterator[tuple[tuple[str, int], int]]:
    """A service of a store with one model: its address and its process."""
    edgekit = [sys.executable, "-m", "edgekit"]
    with tempfile.TemporaryDirectory() as folder:
        store = str(Path(folder) / "store.db")
        subprocess.run([*edgekit, "store", "add", MODEL, "--store", store], check=True, stdout=subprocess.DEVNULL)
        command = [*edgekit, "serve", "--store", store, "--port", "0", "--json"]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        try:
            assert process.stdout is not None
            lines = iter(process.stdout.readline, "")
            document = json.loads("".join(_until(lines, "}")))
            host, port = document["url"].removeprefix("http://").rstrip("/").split(":")
            yield (host, int(port)), process.pid
        finally:
            process.terminate()
            process.wait()


def _until(lines: Iterator[str], last: str) -> Iterator[str]:
    for line in lines:
        yield line
        if line.rstrip() == last:
            return


def digits(address: tuple[str, int]) -> list[Exchange]:
    """Test images as they are; at least 97% of them must be read right."""
    test = open_mnist().test
    assert test.labels is not None
    exchanges = [expect(address, image) for image in test.images[np.arange(PICTURES)]]
    seen = [json.loads(exchange.answer)["guesses"][0]["label"] for exchange in exchanges]
    right = statistics.mean(label == str(true) for label, true in zip(seen, test.labels[:PICTURES], strict=True))
    assert right > 0.97, right
    return exchanges


def drawing(image: np.ndarray) -> np.ndarray:
    """A digit as it is drawn on a page: dark on light, 280 pixels a side."""
    large = Image.fromarray(255 - image[..., 0]).resize((280, 280), Image.Resampling.BICUBIC)
    return np.asarray(large)[..., None]


def expect(address: tuple[str, int], image: np.ndarray) -> Exchange:
    """A picture's request, and what the service answers to it now."""
    stream = io.BytesIO()
    Image.fromarray(image[..., 0]).save(stream, "PNG")
    body = stream.getvalue()
    path = f"/models/{MODEL}/predict"
    head = f"POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: image/png\r\nContent-Length: {len(body)}\r\n\r\n"
    with urllib.request.urlopen(f"http://{address[0]}:{address[1]}{path}", body) as response:
        return Exchange(head.encode() + body, response.read())


def row(address: tuple[str, int], exchanges: list[Exchange], connections: int, requests: int) -> dict[str, Any]:
    outcome = drive(address, exchanges, connections, requests)
    percentiles = np.percentile(outcome.latencies, [50, 99]).tolist()
    return {
        "requests": requests,
        "per_second": round(requests / outcome.seconds),
        "errors": dict(outcome.errors),
        "p50_ms": round(percentiles[0] * 1e3, 2),
        "p99_ms": round(percentiles[1] * 1e3, 2),
        "max_ms": round(max(outcome.latencies) * 1e3, 2),
    }


def long_run(address: tuple[str, int], exchanges: list[Exchange], process: int, requests: int) -> dict[str, Any]:
    memory = [memory_mib(process)]
    rows = []
    for _ in range(PARTS):
        rows.append(row(address, exchanges, LONG_CONNECTIONS, requests // PARTS))
        memory.append(memory_mib(process))
    return {
        "requests": requests,
        "connections": LONG_CONNECTIONS,
        "per_second": [part["per_second"] for part in rows],
        "errors": sum(sum(part["errors"].values()) for part in rows),
        "p99_ms": [part["p99_ms"] for part in rows],
        "max_ms": max(part["max_ms"] for part in rows),
        "memory_mib": memory,
    }


def memory_mib(process: int) -> float:
    """Proportional set size of the service and its workers."""
    lines = [line for pid in family(process) for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()]
    return round(sum(int(line.split()[1]) for line in lines if line.startswith("Pss:")) / 1024, 1)


def processor_us(process: int) -> tuple[float, float, float]:
    """Processor time of this process, of the service and of its workers so far, in microseconds."""
    used = []
    for pid in family(process):
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        used.append((int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK"))
    return time.process_time() * 1e6, used[0] * 1e6, sum(used[1:]) * 1e6


def family(process: int) -> list[int]:
    """A process and its children: a thread of it starts each."""
    found = [process]
    for task in Path(f"/proc/{process}/task").iterdir():
        with suppress(FileNotFoundError):  # the thread has just ended
            found.extend(map(int, (task / "children").read_text().split()))
    return found


if __name__ == "__main__":
    main()
