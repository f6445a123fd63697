"""Write the results table of README.md from the benchmarks' JSON; tests/test_docs.py fails when it is out of date."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parent
README = FOLDER.parent / "README.md"
BEGIN, END = "<!-- results: made by benchmarks/table.py -->", "<!-- end of results -->"
TITLES = {
    "model.onnx": "mnist-tiny, float ONNX",
    "model.int8.onnx": "mnist-tiny, int8 ONNX",
    "model.int8.tflite": "mnist-tiny, int8 TFLite",
}
PHOTOS = {
    "cifar-s": "cifar-s: 10,000 of CIFAR-10",
    "cifar-xs": "cifar-xs: the same",
    "fashion-s": "fashion-s: 10,000 of Fashion-MNIST",
    "clothing-1MB": "EfficientNet-Lite0 shrunk to 1 MB: 372 of clothes",
    "clothing-300KB": "the same, to 300 KB",
}
"""Results of benchmarks/frontier."""
SENTENCES = {"text-m": "text-m: 1,821 sentences of SST-2", "text-s": "text-s: the same", "text-xs": "text-xs: the same"}


def document_of(benchmark: str) -> dict[str, Any]:
    """What a benchmark wrote beside its command."""
    document: dict[str, Any] = json.loads((FOLDER / f"{benchmark}.json").read_text(encoding="utf-8"))
    return document


def result_of(benchmark: str) -> dict[str, Any]:
    """The result of a benchmark."""
    result: dict[str, Any] = document_of(benchmark)["result"]
    return result


def machine_of(benchmark: str) -> str:
    """Where it ran."""
    document = document_of(benchmark)
    return f"{document['cores']} cores ({document['processor']})"


def table() -> str:
    """The table in Markdown, with the commands that made it."""
    teacher = result_of("teachers")["mnist-cnn"]
    students, conformance = result_of("students"), result_of("conformance")
    costs = {model["file"]: model for model in result_of("costs")["models"]}
    rows = [
        "| MNIST, 10,000 test images | accuracy | file | arena | p50 (measured) |",
        "|---|--:|--:|--:|--:|",
        f"| teacher mnist-cnn, float | {teacher['test_accuracy']:.2%} | {teacher['weights_bytes']:,} B | | |",
    ]
    for name, title in TITLES.items():
        file, cost = students["mnist-tiny"]["files"][name], costs[name]
        arena = f"{cost['arena']['arena_bytes']:,} B" if cost["arena"] else ""
        latency = f"{cost['latency']['p50_ns'] / 1000:.0f} µs"
        rows.append(f"| {title} | {file['test_accuracy']:.2%} | {file['file_bytes']:,} B | {arena} | {latency} |")
    for name, entry in students.items():
        if name != "mnist-tiny":
            file = entry["files"]["model.int8.tflite"]
            rows.append(f"| {name}, int8 TFLite | {file['test_accuracy']:.2%} | {file['file_bytes']:,} B | | |")
    four = result_of("frontier/four_bits")["files"]["model.int8.tflite"]
    title = "a wider mnist-xs, int4 weights, int8 TFLite"
    rows.append(f"| {title} | {four['test_accuracy']:.2%} | {four['bytes']:,} B | | |")
    against = conformance["mnist-tiny"]["litert / int8 ONNX in ort"]
    demo = result_of("demo")
    short = next(model["accuracy"] for model in demo["demo"]["models"] if model["role"].endswith("int8 TFLite"))
    rows.append(
        f"\nLatency: one thread of {machine_of('costs')}. Int8 ONNX and int8 TFLite give "
        f"the same top answer on {against['top1_agreement']:.2%} of the test images. Arena: working memory in TFLite "
        "Micro; p50: median of an inference, where networks this small are [no faster in integers]"
        f"(docs/quantize.md#time-in-onnx-runtime). `make demo` takes {demo['seconds']:.0f} s "
        f"on {machine_of('demo')} after installation and trains its student for less long, to {short:.1%}. "
        "Made by `python benchmarks/{teachers,students,costs,conformance,demo,frontier/four_bits}.py`; "
        "see [benchmarks](benchmarks/README.md)."
    )
    return "\n".join([*rows, "", *others()])


def others() -> list[str]:
    """The rows of the students for photos and for sentences."""
    rows = ["| test photos or sentences | int8 TFLite | file | float student | its teacher |", "|---|--:|--:|--:|--:|"]
    of_sentences = result_of("frontier/sentences_teacher")["full"]["test_accuracy"]
    for name, title in {**PHOTOS, **SENTENCES}.items():
        result = result_of(f"frontier/{name}")
        real, file = (result["files"][form] for form in ("model.onnx", "model.int8.tflite"))
        shares = (real["test_accuracy"], result.get("teacher_test_accuracy", of_sentences))
        cells = (title, f"{file['test_accuracy']:.2%}", f"{file['bytes']:,} B", *(f"{share:.2%}" for share in shares))
        rows.append(f"| {' | '.join(cells)} |")
    return rows


def readme_with_table(text: str) -> str:
    """The README with its table made anew."""
    before, rest = text.split(BEGIN)
    return f"{before}{BEGIN}\n{table()}\n{END}{rest.split(END)[1]}"


if __name__ == "__main__":
    README.write_text(readme_with_table(README.read_text(encoding="utf-8")), encoding="utf-8")
