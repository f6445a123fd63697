"""The options that the benchmark commands share, and where their results go."""

from __future__ import annotations

import argparse
import json
import re
import shlex
import sys
from dataclasses import dataclass
from datetime import UTC, datetime
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

    ``again`` are tools whose files are made anew. ``publish`` is true for the run whose figures go beside the command;
    of ``some`` models or tools alone, the others' rows there stay.
    """

    split: str
    images: int | None
    models: tuple[str, ...]
    tools: tuple[str, ...]
    again: tuple[str, ...]
    publish: bool
    some: bool = False


def choose(description: str | None, models: tuple[str, ...], tools: tuple[str, ...] = TOOLS) -> Choice:
    """Read the command line; without options all is measured on the development images."""
    known = (*OWN, *PEERS, *ANCHORS, *PER_TENSOR)
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--split", choices=("development", "test"), default="development")
    parser.add_argument("--images", type=int, help="judge on the first so many images of the split only")
    parser.add_argument("--models", type=_names(MODEL_NAMES), default=models, metavar="NAME,...")
    parser.add_argument("--tools", type=_names(known), default=tools, metavar="NAME,...")
    parser.add_argument("--again", type=_names(known), default=(), metavar="NAME,...", help="make these files anew")
    parser.add_argument(
        "--publish", action="store_true", help="on the test images, beside the command: all, or --models, --tools"
    )
    options = parser.parse_args()
    if options.publish:
        some = (options.models, options.tools) != (models, tools)
        return Choice("test", None, options.models, options.tools, options.again, publish=True, some=some)
    return Choice(options.split, options.images, options.models, options.tools, options.again, publish=False)


def _names(known: tuple[str, ...]) -> Any:
    def read(text: str) -> tuple[str, ...]:
        # A comma before a space is part of a name.
        names = known if text == "all" else tuple(re.split(",(?! )", text))
        if unknown := set(names) - set(known):
            raise argparse.ArgumentTypeError(f"{', '.join(unknown)} is none of {', '.join(known)}")
        return names

    return read


def publish(command: str, choice: Choice, result: dict[str, Any]) -> None:
    """Write the result, by model, beside the command if it is the published run, below runs/ otherwise.

    Rows that were not asked for keep their place, with the day that they are of.
    """
    if choice.publish:
        options, before = "--publish", Path(command).with_suffix(".json")
        if choice.some:
            options += f" --models {','.join(choice.models)} --tools {shlex.quote(','.join(choice.tools))}"
            if before.exists():
                result = with_earlier_rows(result, json.loads(before.read_text(encoding="utf-8")))
        record(command, {"peers": PACKAGES, "models": result}, options)
        return
    path = PRODUCTS / f"{Path(command).stem}.{choice.split}.json"
    write_json(path, result)
    print(f"wrote {path}")


def with_earlier_rows(result: dict[str, Any], before: dict[str, Any]) -> dict[str, Any]:
    """An earlier document's models and rows of tools, those of ``result`` in their place; each row says its day."""
    today, former = datetime.now(UTC).date().isoformat(), before["result"]["models"]
    merged = {}
    for name in dict.fromkeys((*former, *result)):
        old, new = former.get(name, {}), result.get(name, {})
        rows = {tool: {"date": before["date"], **row} for tool, row in old.get("tools", {}).items()}
        rows |= {tool: {"date": today, **row} for tool, row in new.get("tools", {}).items()}
        merged[name] = {**old, **new, "tools": rows}
    return merged
