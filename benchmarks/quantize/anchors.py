"""Accuracy of AIMET's and MCT's files, on the images of accuracy.py."""

from __future__ import annotations

from dataclasses import replace

from accuracy import rows
from command import choose, publish
from tools import ANCHORS

SLOW = {"AIMET AdaRound": ("mnist-tiny",), "AIMET SeqMSE": ("mnist-tiny",)}
"""Tools that are asked for these networks alone: each layer of a larger one takes them minutes on one core."""


def main() -> None:
    choice = choose(__doc__, ("mobilenetv2", "mnist-tiny"), tuple(ANCHORS))
    result = {}
    for name in choice.models:
        tools = tuple(tool for tool in choice.tools if name in SLOW.get(tool, choice.models))
        result[name] = rows(name, replace(choice, tools=tools))
    publish(__file__, choice, result)


if __name__ == "__main__":
    main()
