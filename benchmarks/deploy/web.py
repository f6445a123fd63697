"""The runtimes that a page can have, side by side in Chromium: what is downloaded, how soon it answers, how fast it is.

Claim: the page of a compiled model is a visit of 40 KB and answers in 0.3 s; LiteRT.js is smaller than ONNX Runtime
Web, starts sooner and is faster; an int8 file gives TFLite Micro's integers compiled, and LiteRT's in LiteRT.js. Each
first visit is in a browser profile that has seen nothing, over loopback; the screen and the touch are those of a phone,
the processor is this machine's. What is sent is counted at the server until the page says that it works offline.

    python benchmarks/deploy/web.py [--runs 5]
"""

from __future__ import annotations

import argparse
import json
import shutil
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import uvicorn
from playwright.sync_api import Browser, sync_playwright
from starlette.types import ASGIApp, Message, Receive, Scope, Send

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from record import record

from edgekit.data.mnist import open_mnist
from edgekit.deployment.bundle import MANIFEST
from edgekit.deployment.deploy import COPIES, DeployOptions, deploy
from edgekit.evaluation.classifier import Classifier
from edgekit.service.site import HEADERS as HEADERS_FILE
from edgekit.service.site import Page, Site, read_site, site_app
from edgekit.web.page_files import HEADERS, own_files

STUDENT = Path(__file__).resolve().parents[2] / "students" / "mnist-tiny"
FILES = {
    "compiled, int8": ("model.int8.tflite", "c", "tflm"),
    "LiteRT, int8": ("model.int8.tflite", "litert", "litert"),
    "ONNX Runtime, int8": ("model.int8.onnx", "ort", "ort"),
    "ONNX Runtime, float": ("model.onnx", "ort", "ort"),
}
"""What runs in the page, and with what of this machine it is compared."""
PHONE = {"viewport": {"width": 390, "height": 844}, "device_scale_factor": 2, "has_touch": True, "is_mobile": True}
IMAGES = 500


class Counted:
    """An ASGI application that counts its answers and their bytes: bodies, and headers as HTTP/1.1 writes them."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app
        self.answers = self.bodies = self.headers = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer as the application does."""

        async def count(message: Message) -> None:
            if message["type"] == "http.response.start":
                self.answers += 1
                self.headers += sum(len(name) + len(value) + len(": \r\n") for name, value in message["headers"])
            self.bodies += len(message.get("body", b""))
            await send(message)

        await self.app(scope, receive, count)


@contextmanager
def served(app: ASGIApp) -> Iterator[str]:
    config = uvicorn.Config(app, host="127.0.0.1", port=0, log_level="error")
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        time.sleep(0.01)
    yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}/"
    server.should_exit = True
    thread.join()


def visits(browser: Browser, url: str, sent: Counted) -> dict[str, float]:
    """Milliseconds until the page answers: a first visit (and what was sent), a second, and one without a network."""
    context = browser.new_context(**PHONE)
    page = context.new_page()
    found = {}
    for name in ("first_visit_ms", "second_visit_ms", "offline_ms"):
        context.set_offline(name == "offline_ms")
        page.goto(url)
        page.wait_for_selector("html[data-ready]")
        page.wait_for_selector("html[data-offline=ready]")
        found[name] = float(page.get_attribute("html", "data-ready") or "nan")
        if name == "first_visit_ms":
            found |= {"answers": sent.answers, "bodies_bytes": sent.bodies, "headers_bytes": sent.headers}
    context.close()
    return found


def measured(browser: Browser, url: str, folder: Path, file: Path, host: str) -> dict[str, Any]:
    """Latency as `edgekit profile --device browser` takes it, and the output integers of IMAGES test images."""
    description = json.loads((folder / "model.json").read_text())
    page = browser.new_context(**PHONE).new_page()
    page.goto(f"{url}NOTICE.txt")
    script = """async (description) => (await import("./bench.js")).measure(
        {model: description.file, description, runs: 300, seconds: 3, warmup: 200})"""
    found = page.evaluate(script, description)
    images = open_mnist().test.images[np.arange(IMAGES)]
    with Classifier(file, runtime=host, threads=1) as classifier:
        expected = classifier.stored(images)
    script = """async (images) => {
        const student = await (await import("./student.js")).openStudent();
        const results = [];
        for (const data of images) {
            const {output} = await student.look({width: 28, height: 28, channels: 1, data: Uint8Array.from(data)});
            results.push(Array.from(output));
        }
        return results;
    }"""
    seen = np.array(page.evaluate(script, images.reshape(IMAGES, -1).tolist()))
    page.context.close()
    samples = found["samples_ms"]
    return {
        "latency_ms": {"median": statistics.median(samples), "p95": statistics.quantiles(samples, n=20)[-1]},
        "load_ms": found["load_ms"],
        "images": IMAGES,
        "largest_difference_from_host": float(np.abs(seen - expected.astype(np.float64)).max()),
        "user_agent": found["user_agent"],
    }


def sizes(folder: Path) -> dict[str, int]:
    """Bytes of the files that a visit needs: raw, and with each in its smallest form."""
    left_out = (*COPIES.values(), MANIFEST, HEADERS_FILE)
    files = [path for path in folder.rglob("*") if path.is_file() and not path.name.endswith(left_out)]
    forms = {"raw": "", "gzip": ".gz", "brotli": ".br"}
    return {
        name: sum(
            min(p.stat().st_size for p in (path, path.with_name(path.name + end)) if p.is_file()) for path in files
        )
        for name, end in forms.items()
    }


def table(runtimes: dict[str, Any]) -> str:
    """The table of docs/deploy-web.md."""
    lines = {
        "first visit, raw": lambda found: f"{found['bytes']['raw'] / 1e6:.2f} MB",
        "… gzip": lambda found: f"{found['bytes']['gzip'] / 1e6:.2f} MB",
        "… Brotli": lambda found: f"{found['bytes']['brotli'] / 1e6:.2f} MB",
        "first visit until it answers": lambda found: f"{found['first_visit_ms'] / 1000:.1f} s",
        "without a network, until it answers": lambda found: f"{found['offline_ms'] / 1000:.1f} s",
        "one inference, median": lambda found: f"{found['latency_ms']['median']:.2f} ms",
        f"largest difference from the host, {IMAGES} images": lambda found: (
            f"{found['largest_difference_from_host']:.0g}"
        ),
    }
    rows = [["", *runtimes], ["---"] * (len(runtimes) + 1)]
    rows += [[name, *(text(found) for found in runtimes.values())] for name, text in lines.items()]
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--runs", type=int, default=5)
    runs = parser.parse_args().runs
    result: dict[str, Any] = {}
    program = shutil.which("chromium")
    with tempfile.TemporaryDirectory() as home, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=["--no-sandbox", "--disable-gpu"])
        for title, (name, runtime, host) in FILES.items():
            folder = Path(home) / title
            deploy(DeployOptions(str(STUDENT / name), "web", folder, runtime=runtime))
            site = read_site(folder)
            modules = {name: data for name, data in own_files(runtime, "image").items() if name.endswith(".js")}
            called = {name: Page("text/javascript", name, {"": data}) for name, data in modules.items()}
            times = []
            for _ in range(runs):
                sent = Counted(site_app(site))
                with served(sent) as url:
                    times.append(visits(browser, url, sent))
            with served(site_app(Site({**site.pages, **called}, HEADERS))) as url:
                result[title] = {
                    "bytes": sizes(folder),
                    **{key: statistics.median(time[key] for time in times) for key in times[0]},
                    **measured(browser, url, folder, STUDENT / name, host),
                }
            print(title, json.dumps(result[title]), flush=True)
        browser.close()
    record(__file__, {"runs": runs, "runtimes": result})
    print(table(result))


if __name__ == "__main__":
    main()
