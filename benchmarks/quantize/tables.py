"""Write the tables of docs/benchmarks.md from the JSON beside the commands; a test fails when they are out of date."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).resolve().parent
PAGE = FOLDER.parents[1] / "docs" / "benchmarks.md"
MARK = re.compile(r"<!-- table: (\w+) -->\n.*?<!-- end of table -->", re.DOTALL)
TITLES = {
    "mnist-tiny": "mnist-tiny",
    "mnist-cnn": "mnist-cnn",
    "resnet56": "ResNet-56 (CIFAR-10)",
    "mobilenetv2": "MobileNetV2",
    "efficientnet_lite0": "EfficientNet-Lite0",
}
FORMS = {"onnx": "ONNX", "tflite": "TFLite"}
EDGEKIT = "edgekit"
MIB = 1 << 20
Models = dict[str, Any]


def accuracy(models: Models) -> list[str]:
    rows = ["| model | tool | file | agreement with float | logit SQNR | points lost |", "|---|---|---|--:|--:|--:|"]
    for name, entry in models.items():
        for tool, row in entry["tools"].items():
            if row["error"]:
                rows.append(f"| {TITLES[name]} | {_title(tool)} | | failed: {_cell(row['error'])} | | |")
            for form in (form for form in FORMS if form in row):
                judged = row[form]
                low, high = judged["interval"]
                lost = "" if judged["drop"] is None else f"{judged['drop']:.2f}"
                share = f"{judged['agreement']:.2%} ({low:.1%} to {high:.1%})"
                title = f"{TITLES[name]} | {_title(tool)} | {FORMS[form]}"
                rows.append(f"| {title} | {share} | {judged['sqnr_db']:.1f} dB | {lost} |")
    return rows


def anchors(models: Models) -> list[str]:
    return accuracy(models)


def size(models: Models) -> list[str]:
    rows = [
        "| model | parameters | EdgeKit TFLite | smallest peer's | ratio | EdgeKit ONNX | smallest peer's | ratio |",
        "|---|--:|--:|--:|--:|--:|--:|--:|",
    ]
    for name, entry in models.items():
        cells = []
        for form in ("tflite", "onnx"):
            sizes = {tool: count for tool, count in entry["bytes"][form].items() if count}
            own, ratio = sizes.pop(EDGEKIT, None), entry["ratio"][form]
            smallest = min(sizes, key=lambda tool: sizes[tool]) if sizes else None
            cells.append("failed" if own is None else f"{own:,} B")
            cells.append(f"{sizes[smallest]:,} B ({smallest})" if smallest else "none")
            cells.append("" if ratio is None else f"{ratio:.3f}")
        rows.append(f"| {TITLES[name]} | {entry['parameters']:,} | {' | '.join(cells)} |")
    return rows


def speed(models: Models) -> list[str]:
    rows = [
        "| model | tool | seconds | processor seconds | of them quantizing | peak memory |",
        "|---|---|--:|--:|--:|--:|",
    ]
    for name, entry in models.items():
        for tool, row in entry["tools"].items():
            used = f"{row['processor_seconds']:.1f}" if "processor_seconds" in row else ""
            memory = f"{row['peak_bytes'] / MIB:,.0f} MiB"
            cells = (TITLES[name], _title(tool), _seconds(row), used, _work(row), memory)
            rows.append(f"| {' | '.join(cells)} |")
    return rows


def memory(models: Models) -> list[str]:
    (by_tool,) = (entry["tools"] for entry in models.values())
    counts = sorted({count for row in by_tool.values() for count in row if count.isdigit()}, key=int)
    rows = [f"| tool | {' | '.join(f'{int(count):,} images' for count in counts)} |", "|---|" + "--:|" * len(counts)]
    for tool, row in by_tool.items():
        cells = [_memory(row[count]) if count in row else "" for count in counts]
        rows.append(f"| {_title(tool)} | {' | '.join(cells)} |")
    return rows


def latency(models: Models) -> list[str]:
    rows = [
        "| model | form | tool | takes, gives | median | EdgeKit / this | EdgeKit with float32 in and out / this |",
        "|---|---|---|---|--:|--:|--:|",
    ]
    for name, entry in models.items():
        for form, title in FORMS.items():
            for tool, row in entry[form].items():
                ratios = [_ratio(row.get(f"{own} / this")) for own in (EDGEKIT, f"{EDGEKIT} float32 I/O")]
                types = f"{row['takes']}, {row['gives']}"
                cells = [TITLES[name], title, _title(tool), types, f"{row['ms']:.3f} ms", *ratios]
                rows.append(f"| {' | '.join(cells)} |")
    return rows


def hard_case(models: Models) -> list[str]:
    rows = ["| MobileNetV2, one scale per weight tensor | ONNX | TFLite | of the loss recovered |", "|---|--:|--:|--:|"]
    for entry in models.values():
        ladder = {tool: row for tool, row in entry["tools"].items() if tool.startswith("per tensor, rung")}
        first, *further = ladder
        for tool, row in entry["tools"].items():
            forms = [form for form in FORMS if form in row]
            shares = [f"{row[form]['agreement']:.2%}" if form in row else "" for form in FORMS]
            # Of the agreement that the first rung loses, what a further one has back.
            still = {form: (1 - row[form]["agreement"]) / (1 - ladder[first][form]["agreement"]) for form in forms}
            back = ", ".join(f"{1 - share:.1%}" for share in still.values()) if tool in further else ""
            rows.append(f"| {_title(tool)} | {' | '.join(shares)} | {back} |")
    return rows


def normalized(models: Models) -> list[str]:
    rows = [
        "| network | file | logit or pixel SQNR | points lost | one thread | beside float TFLite |",
        "|---|---|--:|--:|--:|--:|",
    ]
    for name, entry in models.items():
        real = entry["quality"]["model.onnx"]["accuracy"]
        for form, title in FORMS.items():
            file = f"model.int8.{form}"
            judged, ratio = entry["quality"][file], entry["ratios_to_float_tflite"][file]
            lost = "" if real is None else f"{100 * (real - judged['accuracy']):.1f} of {real:.1%}"
            time, beside = entry["p50_ns"][file] / 1e6, "{:.2f} ({:.2f} to {:.2f})".format(*ratio)
            rows.append(f"| {name} | {title} | {judged['sqnr_db']:.1f} dB | {lost} | {time:.2f} ms | {beside} |")
    return rows


TABLES: dict[str, Callable[[Models], list[str]]] = {
    table.__name__: table for table in (accuracy, anchors, size, speed, memory, latency, hard_case, normalized)
}


def table(name: str) -> str:
    """One table in Markdown with the command, machine and date that it was made by, or that it is not there yet."""
    path = FOLDER / f"{name}.json"
    if not path.exists():
        return f"`python benchmarks/quantize/{name}.py --publish` has not been run yet."
    document = json.loads(path.read_text(encoding="utf-8"))
    rows = TABLES[name](document["result"]["models"])
    made = f"`{document['command']}`, {document['date']}, {document['cores']} cores of {document['processor']}"
    return "\n".join([*rows, "", f"Made by {made}.{older(document)}"])


def older(document: dict[str, Any]) -> str:
    """Which rows an earlier run made."""
    dates: dict[str, list[str]] = {}
    for entry in document["result"]["models"].values():
        for tool, row in entry.get("tools", {}).items():
            if row.get("date", document["date"]) != document["date"] and tool not in dates.setdefault(row["date"], []):
                dates[row["date"]].append(tool)
    return "".join(f" Rows of {date}: {', '.join(tools)}." for date, tools in dates.items())


def page_with_tables(text: str) -> str:
    """The page with each of its tables made anew."""
    return MARK.sub(lambda found: f"<!-- table: {found[1]} -->\n{table(found[1])}\n<!-- end of table -->", text)


def _title(tool: str) -> str:
    return f"**{tool}**" if tool.startswith(EDGEKIT) else tool


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")[:120]


def _seconds(row: dict[str, Any]) -> str:
    return f"failed: {_cell(row['error'])}" if row["error"] else f"{row['seconds']:.1f}"


def _work(row: dict[str, Any]) -> str:
    """What a peer's script timed, or what EdgeKit says of its rungs."""
    if "rungs" not in row:
        return "" if row["work_seconds"] is None else f"{row['work_seconds']:.1f}"
    return ", ".join(f"rung {rung['rung']}: {rung['seconds']:.1f}" for rung in row["rungs"] or ())


def _memory(row: dict[str, Any]) -> str:
    return f"failed: {_cell(row['error'])}" if row["error"] else f"{row['peak_bytes'] / MIB:,.0f} MiB"


def _ratio(ratio: dict[str, Any] | None) -> str:
    if ratio is None:
        return ""
    low, high = ratio["interval"]
    return f"{ratio['median']:.3f} ({low:.3f} to {high:.3f})"


if __name__ == "__main__":
    PAGE.write_text(page_with_tables(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
