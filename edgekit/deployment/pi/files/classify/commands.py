"""The command line of app.py. What a command does not need is not imported: a board takes long over that."""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .model import Model

INTERRUPTED = 130
MAX_THREADS = 64
MAX_COUNT = 10**9


def main(folder: Path, words: Sequence[str]) -> int:
    """Run the app in the bundle ``folder``; the exit status."""
    takes = json.loads((folder / "model.json").read_text(encoding="utf-8"))["takes"]
    options = parser(takes).parse_args(words)
    try:
        from .model import ODD, AppError, Model
    except ModuleNotFoundError as exc:
        print(
            f"app.py: {exc.name} is not installed here; run ./install.sh, then .venv/bin/python app.py.",
            file=sys.stderr,
        )
        return 1

    try:
        if (folder / "door.json").is_file():
            from .door import Door

            model: Model = Door(folder, options.threads)
        else:
            model = Model(folder, options.threads)
        if model.complaint:
            print(f"app.py: warning: {ODD}: {model.complaint}.", file=sys.stderr)
        status: int = options.run(model, options)
        return status
    except AppError as exc:
        print(f"app.py: {exc}", file=sys.stderr)
        return 1
    except BrokenPipeError:  # whoever read our lines has gone
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except KeyboardInterrupt:
        return INTERRUPTED


def parser(takes: str) -> argparse.ArgumentParser:
    """All commands and their options, for an app that takes an ``image``, a ``text``, or both."""
    parser = argparse.ArgumentParser("app.py", description=f"Classify each {takes} with the model in this folder.")
    parser.add_argument(
        "--threads",
        type=lambda text: _positive_int(text, MAX_THREADS),
        default=0,
        help="of the runtime (default: 1, large models: 4)",
    )
    commands = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")

    predict = commands.add_parser("predict", help=f"classify each {takes}")
    predict.add_argument("samples", metavar=takes.upper(), nargs="+")
    predict.add_argument("--json", action="store_true", help="print a JSON line for each")
    predict.add_argument("--scores", action="store_true", help="with --json: also the model's raw output")
    predict.set_defaults(run=run_predict)

    watch = commands.add_parser("watch", help=f"classify every new {takes} of a folder, as JSON lines")
    watch.add_argument("folder", metavar="FOLDER", type=Path)
    watch.add_argument("--all", action="store_true", help="also those that are there already")
    watch.add_argument("--every", type=_seconds, default=0.5, metavar="S", help="look so often (default: 0.5)")
    watch.set_defaults(run=run_watch)

    if "image" in takes:
        camera = commands.add_parser("camera", help="classify what a camera sees, as JSON lines")
        camera.add_argument("--every", type=_seconds, default=1.0, metavar="S", help="look so often (default: 1)")
        camera.add_argument("--count", type=_positive_int, default=0, metavar="N", help="stop after so many pictures")
        camera.set_defaults(run=run_camera)

    serve = commands.add_parser("serve", help="classify what is sent over HTTP, and serve a page")
    serve.add_argument("--host", default="127.0.0.1", help="address to listen on; others than this one need a token")
    serve.add_argument("--port", type=int, default=8000, choices=range(65536), metavar="PORT")
    serve.add_argument("--token", default=os.environ.get("APP_TOKEN", ""), help="(default: $APP_TOKEN, or a new one)")
    serve.set_defaults(run=run_serve)
    return parser


def run_predict(model: Model, options: argparse.Namespace) -> int:
    """``predict``: 1 if a picture or text could not be classified."""
    from edgekit.inputs.error import InputError

    failed = False
    for word in options.samples:
        asked = model.named(word)
        result: dict[str, Any] = {asked.contract.INPUT: word}
        try:
            data = asked.contract.given(word)
            result.update(asked.answer(data, word))
            if options.scores:
                result["scores"] = asked.scores(data, word)
        except (OSError, InputError) as exc:
            failed = True
            result["error"] = getattr(exc, "strerror", None) or str(exc)
        if options.json:
            emit(result)
        elif "error" in result:
            print(f"app.py: {_printable(word)}: {_printable(result['error'])}", file=sys.stderr)
        else:
            guesses = [f"{guess['label']} {guess['probability']:.1%}" for guess in result["guesses"]]
            by = f"{result['expert'] or 'none is sure'}: " if "expert" in result else ""
            print(_printable(f"{word}: {by}{', '.join(guesses)}"), flush=True)
    return int(failed)


def run_watch(model: Model, options: argparse.Namespace) -> int:
    """``watch``, until it is interrupted."""
    from .watch import watch

    for result in watch(model, options.folder, options.every, options.all):
        emit(result)
    return 0


def run_camera(model: Model, options: argparse.Namespace) -> int:
    """``camera``."""
    from .camera import watch_camera

    for result in watch_camera(model, options.every, options.count):
        emit(result)
    return 0


def run_serve(model: Model, options: argparse.Namespace) -> int:
    """``serve``, until SIGTERM or Ctrl-C."""
    from .service import serve

    serve(model, options.host, options.port, options.token)
    return 0


def emit(result: dict[str, Any]) -> None:
    """One JSON line on stdout."""
    print(json.dumps(result), flush=True)


def _printable(text: str) -> str:
    """A file's name must not steer the terminal."""
    return "".join(char if char.isprintable() else ascii(char)[1:-1] for char in text)


def _positive_int(text: str, most: int = MAX_COUNT) -> int:
    if not (text.isascii() and text.isdecimal() and len(text) <= len(str(most)) and 1 <= int(text) <= most):
        raise argparse.ArgumentTypeError(f"must be a whole number, 1 to {most}")
    return int(text)


def _seconds(text: str) -> float:
    value = float(text)
    if not 0 < value <= 86_400:
        raise argparse.ArgumentTypeError("must be more than 0, and at most a day")
    return value
