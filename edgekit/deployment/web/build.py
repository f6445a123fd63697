"""The bundle of ``--target web``: the page, the model, the runtime if it needs one, and what makes it work offline."""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from edgekit.console import say
from edgekit.conversion.c import c_program
from edgekit.conversion.c.build import build as compile_c
from edgekit.deployment.bundle import Bundle, json_bytes
from edgekit.deployment.web.joined import joined
from edgekit.errors import EdgekitError, UsageError
from edgekit.files import sha256_bytes
from edgekit.modelfiles.model_ref import parted
from edgekit.web.compress import compressed_copies
from edgekit.web.icons import BACKGROUND, SIZES, icon
from edgekit.web.page_files import COMPILED, HEADERS, page_files
from edgekit.web.page_files import RUNTIMES as PAGE_RUNTIMES

if TYPE_CHECKING:
    from edgekit.deployment.app_door import AppDoor
    from edgekit.deployment.app_model import AppModel
    from edgekit.deployment.deploy import DeployOptions

RUNTIMES = (COMPILED, *PAGE_RUNTIMES)

WORKER = "sw.js"
"""The script of the service worker, which is no module."""


def settled(model: AppModel, options: DeployOptions) -> AppModel:
    """The model as the page runs it: compiled if it is a .tflite file that C takes, and nobody chose otherwise.

    Raises:
        EdgekitError: it was to be compiled, and C does not take it or there is no compiler.
    """
    _, named = parted(options.model, options.runtime)
    if model.runtime != "litert" or named == "litert":
        return model
    try:
        program = _compiled(model)
    except EdgekitError as exc:
        if named == COMPILED:
            raise
        why = exc if isinstance(exc, UsageError) else str(exc).partition(";")[0]
        say(f"the page carries LiteRT.js: {why}")
        return model
    say("the model is compiled, and the page needs no runtime")
    return replace(model, runtime=COMPILED, file="model.wasm", data=program)


def _compiled(model: AppModel) -> bytes:
    """The WebAssembly module of a model."""
    program = c_program(model.path, model.golden, model.name)
    with TemporaryDirectory() as folder:
        return compile_c(program, "wasm", Path(folder)).path.read_bytes()


def build(model: AppModel, options: DeployOptions) -> Bundle:
    """The page's files for a model.

    Raises:
        DeviceError: the runtime's package cannot be fetched.
    """
    student = {model.file: model.data, "model.json": json_bytes(model.to_dict())}
    icons = {f"icons/{size}.png": icon(size) for size in SIZES}
    page = {
        **page_files(model.runtime, model.contract.INPUT),
        **student,
        **icons,
        "app.webmanifest": json_bytes(_web_manifest(model.name)),
    }
    scripts = [name for name in page if name.endswith(".js") and "/" not in name and name != WORKER]
    page["app.js"] = joined({name: page.pop(name) for name in scripts}, "app.js")
    del page["bench.html"]  # `edgekit profile` adds it to a page; an app does not need it
    page["index.html"] = page["index.html"].replace(b"<!-- question -->\n", page.pop("question.html"))
    page["index.html"] = _with_preloads(page, model.file)
    page["precache.js"] = _precache(page)
    served = {**page, **compressed_copies(page)}
    return Bundle({**served, "headers.json": json_bytes(HEADERS)})


def build_door(door: AppDoor) -> Bundle:
    """There is no page of a door.

    Raises:
        UsageError: always.
    """
    raise UsageError(f"'{door.gate.name}' is a door, of which there is no page yet; choose --target pi.")


def next_commands(folder: Path, name: str) -> tuple[str, ...]:
    """Look at it here, and from a phone."""
    return tuple(f"edgekit serve {shlex.quote(str(folder))}{option}" for option in ("", " --lan"))


def _with_preloads(page: Mapping[str, bytes], model: str) -> bytes:
    """The page's HTML, which tells the browser at once what else it needs, so that all is fetched side by side."""
    fetched = [name for name in page if name.endswith(".wasm") or name in (model, "model.json")]
    links = [f'<link rel="preload" as="fetch" crossorigin href="{name}">' for name in fetched]
    return page["index.html"].replace(b"<!-- preloads -->", "\n".join(links).encode())


def _web_manifest(name: str) -> dict[str, Any]:
    icons = [
        {"src": f"icons/{size}.png", "sizes": f"{size}x{size}", "type": "image/png", "purpose": purpose}
        for size in SIZES[1:]
        for purpose in ("any", "maskable")
    ]
    return {
        "name": name,
        "short_name": name[:12],
        "id": "./",
        "start_url": "./",
        "scope": "./",
        "display": "standalone",
        "background_color": BACKGROUND,
        "theme_color": BACKGROUND,
        "icons": icons,
    }


def _precache(files: Mapping[str, bytes]) -> bytes:
    """A script for the service worker: which files it keeps, by their SHA-256, and a version that changes with them.

    A browser looks for a new service worker in its scripts only, so this cannot be a JSON file.
    """
    sums = {name: sha256_bytes(data) for name, data in sorted(files.items()) if name != WORKER}
    version = sha256_bytes(json.dumps(sums).encode())[:16]
    document = json.dumps({"version": version, "files": sums}, indent=1)
    return f"self.PRECACHE = {document};\n".encode()
