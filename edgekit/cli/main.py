"""The command line: its commands, each made of a verb when it is asked for, so that ``--help`` loads nothing heavy."""

from __future__ import annotations

import sys
from dataclasses import replace
from io import TextIOWrapper
from typing import NoReturn

from edgekit.api import verbs
from edgekit.api.verbs import Verb
from edgekit.cli.derive import Group, app_of, with_version

STORE = "edgekit.store.commands"
INTERRUPTED = 130
"""The exit status that typer gives to Ctrl-C."""

COMMANDS = Group(
    "From a trained teacher network to a verified int8 student file on a device, and what it costs there.",
    {
        "doctor": verbs.doctor,
        "demo": Verb("edgekit.report.demo:demo", "MNIST from teacher to report: distill, quantize, verify, profile."),
        "teach": replace(verbs.teach, place="edgekit.report.teaching:teach"),
        "distill": replace(verbs.distill, place="edgekit.report.teaching:distill"),
        "shrink": verbs.shrink,
        "search": replace(verbs.search, place="edgekit.report.searching:search"),
        "quantize": replace(verbs.quantize, place="edgekit.report.quantization:quantize"),
        "export": verbs.export,
        "evaluate": verbs.evaluate,
        "compare": verbs.compare,
        "profile": verbs.profile,
        "predict": Verb(
            "edgekit.evaluation.predict:predict",
            "Say what a model makes of pictures or arrays: labels with probabilities.",
        ),
        "inspect": verbs.inspect,
        "list": Verb("edgekit.cli.listing:listing", "List the catalog, or the models in runs/."),
        "pull": Verb("edgekit.hub.pull:pull", "Fetch the files of a model on the hub, and note where they are from."),
        "push": Verb("edgekit.hub.push:push", "Give a run away, with a card: into a folder or onto the hub."),
        "deploy": verbs.deploy,
        "serve": Verb(
            "edgekit.service.serve:serve", "Serve a web bundle to browsers, or the models of a store to programs."
        ),
        "store": Group(
            "Keep model files by content hash with their cards, under names, for 'edgekit serve --store'.",
            {
                "add": Verb(f"{STORE}:add", "Keep model files, each checked and described once."),
                "list": Verb(f"{STORE}:list_", "List the models of the store."),
                "show": Verb(f"{STORE}:show", "Show the card of a model."),
                "export": Verb("edgekit.store.export:export", "Write a model as files, a door with all behind it."),
                "remove": Verb(f"{STORE}:remove", "Forget names; the files stay until gc."),
                "gc": Verb(
                    f"{STORE}:gc", "Remove the files that no name stands for, and check the bytes of all others."
                ),
            },
        ),
        "route": Verb(
            "edgekit.routing.route:route", "Make one door of several stored models: a gate chooses who answers."
        ),
        "devices": Group(
            "Prepare devices: an emulated board, one over SSH, and what their figures are predicted from.",
            {
                "setup": Verb(
                    "edgekit.devices.setup:set_up",
                    "Prepare a device once: the emulator of a board, or the runtimes on a device over SSH.",
                ),
                "calibrate": Verb(
                    "edgekit.profiling.calibrate:calibrate",
                    "Measure small networks on a device for some minutes, so that other networks can be predicted "
                    "there.",
                ),
            },
        ),
    },
)

app = app_of("edgekit", COMMANDS, with_version)


def main() -> None:
    """Run the command line; an EdgekitError becomes one line on stderr and its exit status."""
    from edgekit.errors import EdgekitError

    if isinstance(sys.stdout, TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")  # a stranger's label may be no text of this terminal
    try:
        app()
    except EdgekitError as exc:
        _fail(str(exc), exc.exit_status)
    except ModuleNotFoundError as exc:
        from edgekit.extras import extra_of, install

        extra = extra_of(exc.name or "")
        if extra is None:
            raise
        _fail(f"this command needs {exc.name}, which is not installed; run: {install(extra)}", 1)
    except OSError as exc:
        _fail(f"{exc.filename or 'the system'}: {exc.strerror or exc}; check the path and its permissions.", 1)
    except SystemExit as exc:
        if exc.code == INTERRUPTED:
            _fail("interrupted; nothing half-written is left.", INTERRUPTED)
        raise


def _fail(text: str, status: int) -> NoReturn:
    from edgekit.console import say

    say(f"edgekit: {text}")
    sys.exit(status)
