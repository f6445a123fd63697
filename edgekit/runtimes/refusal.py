"""Why a model cannot be opened or a task not be done, in a form that crosses the process border."""

from __future__ import annotations

import re
import textwrap

MAX_CHARACTERS = 160


class Refusal(Exception):
    """It cannot be done; ``kind`` says why: the ``model``, a missing ``runtime``, or an impossible ``option``."""

    def __init__(self, kind: str, text: str) -> None:
        super().__init__(text)
        self.kind = kind


def first_line(exc: BaseException) -> str:
    """The beginning of a native runtime's complaint, as a part of a sentence of ours.

    Of a failed node's, ONNX Runtime's preamble of a hundred characters goes but for the node's name.
    """
    text = str(exc).strip() or type(exc).__name__
    text = re.sub(r"^\[ONNXRuntimeError\].*? Name:'(.*?)' Status Message: ", r"\1: ", text.splitlines()[0])
    return textwrap.shorten(text.removeprefix(": "), MAX_CHARACTERS, placeholder=" ...").rstrip(". ")
