"""What pip installed and what it could: the packages that EdgeKit asks for, by the extra that brings them."""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, distribution, requires, version
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit
from urllib.request import url2pathname

if TYPE_CHECKING:
    from packaging.requirements import Requirement

EXTRAS = {
    "train": "teach, distill, shrink, demo, quantize --rungs 5",
    "pretrained": "teachers that know ImageNet (teach efficientnet-lite0)",
    "hub": "pull, push, teachers of a hub (hf:ORG/NAME)",
    "search": "search",
    "cluster": "search --ray, distill --ray",
    "sklearn": "export FILE.skops, estimators of scikit-learn",
    "report": "the reports of demo, teach and quantize",
    "c": "--runtime c, export --to c --build, deploy --target web",
    "micro": "--runtime tflm, arena bytes",
    "parquet": "--data FILE.parquet",
    "serve": "serve, deploy --target web, --device browser and phone",
}
"""What each extra is for. Which packages it brings, pyproject.toml says."""


def install(extra: str) -> str:
    """The command that brings an extra, from where EdgeKit itself came: an index, a checkout, or an address.

    pip writes down what it was given where that was no name of an index (PEP 610).
    """
    try:
        text = distribution("edgekit").read_text("direct_url.json")
    except PackageNotFoundError:
        text = None
    if text is None:
        return f"pip install 'edgekit[{extra}]'"
    came = json.loads(text)
    url, folder = came["url"], came.get("dir_info")
    if folder is None:
        vcs = came.get("vcs_info")
        exact = f"{vcs['vcs']}+{url}@{vcs['commit_id']}" if vcs else url
        return f"pip install {shlex.quote(f'edgekit[{extra}] @ {exact}')}"
    path = Path(url2pathname(urlsplit(url).path))
    here = "." if path == Path.cwd() else str(path)
    return f"pip install {'-e ' * folder.get('editable', False)}{shlex.quote(f'{here}[{extra}]')}"


def packages(extra: str = "") -> tuple[Requirement, ...]:
    """What an extra asks for, or EdgeKit itself; nothing where it runs without being installed."""
    from packaging.requirements import Requirement

    try:
        found = [Requirement(text) for text in requires("edgekit") or ()]
    except PackageNotFoundError:
        return ()
    own = [one for one in found if _is_asked(one, "")]
    return tuple(one for one in found if one not in own and _is_asked(one, extra)) if extra else tuple(own)


def _is_asked(requirement: Requirement, extra: str) -> bool:
    return requirement.marker is None or requirement.marker.evaluate({"extra": extra})


def extra_of(module: str) -> str | None:
    """The extra that brings a module; None if none does. Each module is called as its package, but for dashes."""
    from packaging.utils import canonicalize_name as canonical

    return next((name for name in EXTRAS if canonical(module) in {canonical(one.name) for one in packages(name)}), None)


def lacking(requirement: Requirement) -> str:
    """What is wrong with a package that is asked for; empty if nothing is."""
    found = installed(requirement.name)
    if not found:
        return f"no {requirement.name}"
    fits = requirement.specifier.contains(found, prereleases=True)
    return "" if fits else f"{requirement.name} {found} is not {requirement.specifier}"


def installed(name: str) -> str:
    """The version of a package; empty if it is not installed."""
    try:
        return version(name)
    except PackageNotFoundError:
        return ""


def versions(extra: str = "") -> Iterator[tuple[str, str]]:
    """The packages of an extra that are installed, each with its version."""
    yield from ((one.name, found) for one in packages(extra) if (found := installed(one.name)))
