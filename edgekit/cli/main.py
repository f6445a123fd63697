"""The command line: its commands, each made of a verb when it is asked for, so that ``--help`` loads nothing heavy."""

from __future__ import annotations

import sys
from io import TextIOWrapper
from typing import NoReturn

from edgekit.cli.derive import Command, Group, app_of

STORE = "edgekit.store.commands"
INTERRUPTED = 130
"""The exit status that typer gives to Ctrl-C."""
EXTRAS = {
    **dict.fromkeys(("torch", "onnxscript", "safetensors"), "train"),
    **dict.fromkeys(("starlette", "uvicorn", "httptools", "segno", "brotli"), "serve"),
}
"""Packages that not every command needs, and the extra that brings them."""

COMMANDS = Group(
    "From a trained teacher network to a verified int8 student file on a device, and what it costs there.",
    {
        "demo": Command(
            "edgekit.report.demo:demo", "MNIST from teacher to report: distill, quantize, verify, profile."
        ),
        "teach": Command("edgekit.training.teach:teach", "Train a teacher from its card."),
        "distill": Command(
            "edgekit.training.distill:distill",
            "Distill a teacher into a student, ending in a float ONNX file.",
        ),
        "quantize": Command(
            "edgekit.report.quantization:quantize",
            "Quantize a float ONNX model to int8 ONNX and int8 TFLite files.",
        ),
        "export": Command(
            "edgekit.conversion.export:export",
            "Write a float model as TFLite, or as static ONNX with BatchNorm folded.",
        ),
        "evaluate": Command(
            "edgekit.evaluation.evaluate:evaluate", "Measure the accuracy of model files on the test split."
        ),
        "compare": Command(
            "edgekit.evaluation.compare:compare",
            "Compare two files or runtimes on the same images: parity and fidelity.",
        ),
        "profile": Command(
            "edgekit.profiling.profile:profile", "Say what model files cost on a device: bytes, memory, milliseconds."
        ),
        "predict": Command("edgekit.evaluation.predict:predict", "Classify pictures: labels with probabilities."),
        "inspect": Command(
            "edgekit.evaluation.inspect:inspect", "Say what a model file is: tensors, operators, bytes, description."
        ),
        "list": Command(
            "edgekit.cli.listing:listing",
            "List the catalog: teachers, students, devices or recipes.",
        ),
        "deploy": Command(
            "edgekit.deployment.deploy:deploy",
            "Make a working app of a model file: for a Raspberry Pi, or for a phone.",
        ),
        "serve": Command(
            "edgekit.service.serve:serve",
            "Serve a web bundle to browsers, or the models of a store to programs.",
        ),
        "store": Group(
            "Keep model files by content hash with their cards, under names, for 'edgekit serve --store'.",
            {
                "add": Command(f"{STORE}:add", "Keep model files, each checked and described once."),
                "list": Command(f"{STORE}:list_", "List the models of the store."),
                "show": Command(f"{STORE}:show", "Show the card of a model."),
                "remove": Command(f"{STORE}:remove", "Forget names; the files stay until gc."),
                "gc": Command(
                    f"{STORE}:gc",
                    "Remove the files that no name stands for, and check the bytes of all others.",
                ),
            },
        ),
        "devices": Group(
            "Prepare devices: an emulated board, one over SSH, and what their figures are predicted from.",
            {
                "setup": Command(
                    "edgekit.devices.setup:set_up",
                    "Prepare a device once: the emulator of a board, or the runtimes on a device over SSH.",
                ),
                "calibrate": Command(
                    "edgekit.profiling.calibrate:calibrate",
                    "Measure small networks on a device for some minutes, so that other networks can be predicted "
                    "there.",
                ),
            },
        ),
    },
)

app = app_of("edgekit", COMMANDS)


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
        if exc.name not in EXTRAS:
            raise
        _fail(
            f"this command needs {exc.name}, which is not installed; run: pip install 'edgekit[{EXTRAS[exc.name]}]'", 1
        )
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
