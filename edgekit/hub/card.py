"""The card of a run: a README.md that says what its files are, how they were made and what they know.

Its head is what hubs read (Mitchell et al. 2019, "Model cards for model reporting"; the keys are Hugging Face's).
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edgekit import __version__
from edgekit.artifact import Metadata
from edgekit.catalog import DISTILL, QUANTIZE, TEACH
from edgekit.inputs.contract import InputContract
from edgekit.inputs.text import TextContract
from edgekit.modelfiles.contents import ModelContents

RECORDS = (DISTILL, TEACH, QUANTIZE)
TASKS = {
    InputContract: "image-classification",
    TextContract: "text-classification",
    type(None): "tabular-classification",
}
"""The hub's names of tasks with classes, by the kind of input."""
NOT_STATED = "Not stated."


@dataclass(frozen=True)
class CardFile:
    """A model file of the run, and what it says of itself."""

    path: Path
    contents: ModelContents
    metadata: Metadata
    sha256: str

    @property
    def figures(self) -> str:
        """What was measured of it where it was made."""
        return ", ".join(f"{key.replace('_', ' ')} {value:.4g}" for key, value in self.metadata.quality.items())


def model_card(
    title: str, files: Sequence[CardFile], records: Mapping[str, Mapping[str, Any]], licence: str, use: str
) -> str:
    """The text of README.md; ``records`` are the run's own, by the names of their files."""
    return "\n".join((*_head(title, files, records, licence), "", *_body(title, files, records, licence, use), ""))


def _head(
    title: str, files: Sequence[CardFile], records: Mapping[str, Mapping[str, Any]], licence: str
) -> Iterator[str]:
    first, data = files[0].metadata, _data(records)
    task = TASKS[type(first.contract)] if first.labels else None
    yield "---"
    yield "library_name: edgekit"
    if licence:
        yield f"license: {json.dumps(licence)}"
    if task:
        yield f"pipeline_tag: {task}"
    yield "tags: [edgekit, int8, onnx, tflite]"
    results = [
        f"    - type: accuracy\n      name: {json.dumps(f'accuracy of {file.path.name}')}\n"
        f"      value: {file.metadata.quality['test_accuracy']:.4f}"
        for file in files
        if "test_accuracy" in file.metadata.quality
    ]
    if task and data and results:
        yield f"model-index:\n- name: {json.dumps(title)}\n  results:\n  - task:\n      type: {task}"
        yield f"    dataset:\n      name: {json.dumps(data)}\n      type: {json.dumps(data)}\n    metrics:"
        yield from results
    yield "---"


def _body(
    title: str, files: Sequence[CardFile], records: Mapping[str, Mapping[str, Any]], licence: str, use: str
) -> Iterator[str]:
    first = files[0].metadata
    yield f"# {title}\n"
    yield "| file | bytes | numbers | measured | sha256 |\n|---|---|---|---|---|"
    for file in files:
        cells = (f"{file.contents.file_bytes:,}", file.contents.scheme, file.figures or "–", f"`{file.sha256[:16]}`")
        yield f"| `{file.path.name}` | {' | '.join(cells)} |"
    yield "\n## What it takes and gives\n"
    if first.pictures:
        height, width, channels = first.pictures.shape
        mean, std = (
            ", ".join(f"{value:g}" for value in values) for values in (first.pictures.mean, first.pictures.std)
        )
        yield f"An image of {height}×{width}×{channels}; pixels in [0, 1], less the mean {mean}, divided by {std}."
    elif first.contract:
        yield f"A sentence ({first.contract.summary}), which EdgeKit cuts into its ids."
    else:
        yield "Arrays; `edgekit inspect FILE` says which."
    if first.labels:
        yield f"\n{len(first.labels)} classes: {', '.join(first.labels[:100])}{', …' * (len(first.labels) > 100)}."
    yield "\n## How it was made\n"
    yield from _made(records)
    yield f"\n## Intended use\n\n{use or NOT_STATED}"
    yield f"\n## Licence\n\n{licence or NOT_STATED}"
    yield f"\n## Use\n\n```sh\npip install edgekit\nedgekit predict {files[0].path.name} FILE\n```"


def _made(records: Mapping[str, Mapping[str, Any]]) -> Iterator[str]:
    if (run := records.get(DISTILL)) is not None:
        teacher, accuracy = run.get("teacher", "?"), run.get("teacher_test_accuracy")
        knows = f" (test accuracy {accuracy:.2%})" if isinstance(accuracy, float) else ""
        into = f"{run.get('student', '?')}, {_number(run.get('parameters'))} parameters"
        yield f"- Distilled from {teacher}{knows} into {into}."
    if (run := records.get(TEACH)) is not None:
        yield f"- Trained on labels: {_number(run.get('parameters'))} parameters."
    if (run := records.get(QUANTIZE)) is not None:
        drop = run.get("drop")
        lost = f"; the drop is {drop:g} points" if isinstance(drop, int | float) else ""
        measured = f"measured on {_number(run.get('evaluation_images'))} samples"
        yield f"- Quantized by {run.get('recipe', '?')}, {measured}{lost}."
    if data := _data(records):
        yield f"- Data: {data}."
    yield f"- EdgeKit {__version__}; the records beside the files say all numbers and sums."


def _data(records: Mapping[str, Mapping[str, Any]]) -> str:
    """What the data are called: a path says less to others than its last part."""
    named = str(records.get(QUANTIZE, {}).get("data") or "")
    return Path(named).name


def _number(value: object) -> str:
    return f"{value:,}" if isinstance(value, int) else "?"
