"""The files of the page: EdgeKit's own and those of one runtime, and the headers that it is served with."""

from __future__ import annotations

from pathlib import Path

from edgekit.web.npm import find_package

COMPILED = "c"
"""What runs a model that is a WebAssembly module itself."""
RUNTIMES = ("litert", "ort")
"""LiteRT comes first: smaller, faster, and the same integers (docs/deploy-web.md)."""

PAGE = Path(__file__).parent / "page"
LICENCES = Path(__file__).parent / "licences"
OWN_LICENCE = "Apache-2.0"

POLICY = {
    "default-src": "'none'",
    "script-src": "'self' 'wasm-unsafe-eval'",
    **dict.fromkeys(("style-src", "img-src", "media-src", "connect-src", "worker-src", "manifest-src"), "'self'"),
    **dict.fromkeys(("base-uri", "form-action", "frame-ancestors"), "'none'"),
}
HEADERS = {
    "Content-Security-Policy": "; ".join(f"{name} {value}" for name, value in POLICY.items()),
    "Cross-Origin-Embedder-Policy": "require-corp",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(self), microphone=(), geolocation=()",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}
"""Of every response; a server finds them in the bundle's ``headers.json``."""


def own_files(runtime: str, takes: str = "") -> dict[str, bytes]:
    """EdgeKit's own files of a page; ``runtime.js`` is the one that drives a runtime, or the compiled model.

    ``takes`` is what the page asks for, the name of a folder of the page; without it, the page only measures.
    """
    folders = (PAGE, PAGE / takes) if takes else (PAGE,)
    own = {path.name: path.read_bytes() for folder in folders for path in sorted(folder.iterdir()) if path.is_file()}
    return {**own, "runtime.js": (PAGE / "runtimes" / f"{runtime}.js").read_bytes()}


def page_files(runtime: str, takes: str = "") -> dict[str, bytes]:
    """The page without a student: ``own_files``, also those that measure, and those of one runtime, if any.

    Raises:
        DeviceError: the runtime's package cannot be fetched.
    """
    own = own_files(runtime, takes)
    if runtime == COMPILED:
        return {**own, "NOTICE.txt": _notice("The model is compiled and needs no runtime.", OWN_LICENCE)}
    package = find_package(runtime)
    carried = f"{package.title}, npm package {package.package} {package.version}, licence {package.licence}"
    said = f"It runs the model with\n{carried}\n{package.holder}"
    return {**own, **package.read(), "NOTICE.txt": _notice(said, package.licence)}


def _notice(said: str, licence: str) -> bytes:
    head = f"This page was made with EdgeKit ({OWN_LICENCE}). {said}\n\n"
    return head.encode() + (LICENCES / f"{licence}.txt").read_bytes()
