"""The page's modules as one script: each as it is written, in a scope of its own, behind those that it imports."""

from __future__ import annotations

import re
from collections.abc import Mapping

IMPORT = re.compile(r'^import (\{.*\}) from "\./([\w-]+\.js)";\n', re.MULTILINE)
OTHER_IMPORT = re.compile(r"^import .*\n", re.MULTILINE)
EXPORT = re.compile(r"^export (?=(?:async )?(?:function|const) (\w+))", re.MULTILINE)


def joined(modules: Mapping[str, bytes], entry: str) -> bytes:
    """A module that does what the one called ``entry`` does, of it and those of ``modules`` that it needs.

    They import each other by ``import {a, b} from "./NAME.js";`` in one line, and export functions and constants where
    these are declared. What they import from elsewhere stays at the top.
    """
    written: dict[str, str] = {}
    elsewhere: dict[str, None] = {}

    def write(name: str) -> None:
        text = modules[name].decode()
        for _, other in IMPORT.findall(text):
            if other not in written:
                write(other)
        body = IMPORT.sub(lambda line: f"const {line[1]} = {_scope(line[2])};\n", text)
        elsewhere.update(dict.fromkeys(OTHER_IMPORT.findall(body)))
        exported = ", ".join(EXPORT.findall(body))
        body = EXPORT.sub("", OTHER_IMPORT.sub("", body)).strip()
        written[name] = f"const {_scope(name)} = (() => {{\n{body}\nreturn {{{exported}}};\n}})();\n"

    write(entry)
    return "\n".join([*elsewhere, *written.values()]).encode()


def _scope(name: str) -> str:
    return f"module_{name.removesuffix('.js').replace('-', '_')}"
