"""The options that the benchmark commands share, and where their results go."""

from __future__ import annotations

import argparse
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from environments import PACKAGES
from models import MODEL_NAMES
from places import PRODUCTS, ROOT
from tools import ANCHORS, OWN, PEERS, PER_TENSOR, TOOLS

from edgekit.files import write_json

sys.path.append(str(ROOT / "benchmarks"))
from record import record


@dataclass(frozen=True)
class Choice:
    """What is measured: tools' files of models, judged on ``images`` images of a split (None: on all of them).

    ``again`` are tools whose files are made anew. ``publish`` is true for the run whose figures go beside the command.
    """

    split: str
    images: int | None
    models: tuple[str, ...]
    tools: tuple[str, ...]
    again: tuple[str, ...]
    publish: bool


def choose(description: str | None, models: tuple[str, ...], tools: tuple[str, ...] = TOOLS) -> Choice:
    """Read the command line; without options all is measured on the development images."""
    known = (*OWN, *PEERS, *ANCHORS, *PER_TENSOR)
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--split", choices=("development", "test"), default="development")
    parser.add_argument("--images", type=int, help="judge on the first so many images of the split only")
    parser.add_argument("--models", type=_names(MODEL_NAMES), default=models, metavar="NAME,...")
    parser.add_argument("--tools", type=_names(known), default=tools, metavar="NAME,...")
    parser.add_argument("--again", type=_names(known), default=(), metavar="NAME,...", help="make these files anew")
    parser.add_argument("--publish", action="store_true", help="the whole table on the test images, beside the command")
    options = parser.parse_args()
    if options.publish:
        return Choice("test", None, models, tools, options.again, publish=True)
    return Choice(options.split, options.images, options.models, options.tools, options.again, publish=False)


def _names(known: tuple[str, ...]) -> Any:
    def read(text: str) -> tuple[str, ...]:
        names = known if text == "all" else tuple(text.split(","))
        if unknown := set(names) - set(known):
            raise argparse.ArgumentTypeError(f"{', '.join(unknown)} is none of {', '.join(known)}")
        return names

    return read


def publish(command: str, choice: Choice, result: dict[str, Any]) -> None:
    """Write the result, by model, beside the command if it is the published run, below runs/ otherwise."""
    if choice.publish:
        record(command, {"peers": PACKAGES, "models": result}, "--publish")
        return
    path = PRODUCTS / f"{Path(command).stem}.{choice.split}.json"
    write_json(path, result)
    print(f"wrote {path}")
