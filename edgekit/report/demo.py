"""``edgekit demo``: the main job on digits or photos, from a teacher to a verified int8 file and a report of it."""

from __future__ import annotations

import shlex
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

from edgekit import __version__
from edgekit.catalog import FLOAT_ONNX, INT8_ONNX, INT8_TFLITE, REPORT, RUNS
from edgekit.console import Part, Remark, Table, Warn, say
from edgekit.data import open_data
from edgekit.data.dataset import Dataset
from edgekit.evaluation.compare import CompareOptions, Comparison, compare_samples
from edgekit.evaluation.evaluate import accuracy_of
from edgekit.files import require_writable, write_json, write_text
from edgekit.graph.load import load_onnx
from edgekit.graph.metadata import read_metadata
from edgekit.options import ANY_SEED, LARGEST_SEED, Options, option
from edgekit.profiling.profile import profile
from edgekit.profiling.records import ProfileOptions, ProfileResult
from edgekit.quantization.options import QuantizeOptions
from edgekit.quantization.quantize import quantize
from edgekit.report.assemble import context_of, model_row, parity_of, pictures_of, warnings_of
from edgekit.report.html import parity_text, render
from edgekit.report.record import ModelRow, Report
from edgekit.report.subjects import TEACHER_FILE, Digits, Photos, Subject
from edgekit.report.svg import require_matplotlib
from edgekit.report.units import bytes_text, time_text
from edgekit.result import Result
from edgekit.tasks.classification import Classified
from edgekit.training.distill import DistillResult

IO = "int8"
STUDENT_FILES = {
    FLOAT_ONNX: "student, float ONNX",
    INT8_ONNX: "student, int8 ONNX",
    INT8_TFLITE: "student, int8 TFLite",
}
RECORD_FILE = "demo.json"


@dataclass(frozen=True)
class DemoOptions(Options):
    """What the demo does. ``subject`` stands in for the usual one; ``profile_seconds`` is spent sampling each file."""

    out: Path = option("Folder for the results.", RUNS / "demo", metavar="DIR")
    photos: bool = option("Photos of clothes in place of digits: takes some minutes.", False)
    seed: int = option(ANY_SEED, 0, least=0, most=LARGEST_SEED)
    subject: Subject | None = None
    profile_seconds: float = 1.0

    @property
    def about(self) -> Subject:
        """What it is about."""
        return self.subject or (Photos() if self.photos else Digits())


@dataclass(frozen=True)
class DemoResult(Result):
    """What the demo found. ``steps`` are seconds by step; ``profile`` holds every raw latency sample."""

    folder: Path
    seed: int
    report: Report
    profile: ProfileResult
    comparison: Comparison
    steps: dict[str, float]

    @property
    def page(self) -> Path:
        """The report."""
        return self.folder / REPORT

    def parts(self) -> Iterator[Part]:
        """The table, whether the int8 files agree, and where the report is."""
        report = self.report
        columns = ("model", "file", "accuracy", "bytes", "memory", "arena", "latency p50")
        rows = [_table_row(model) for model in report.models]
        yield Table(f"{report.data}, {report.images:,} test images", columns, rows)
        if report.parity is not None:
            yield parity_text(report.parity)
        yield from map(Warn, report.warnings)
        yield Remark(f"{sum(self.steps.values()):.0f} s in all; open {self.page} in a browser.")

    def to_dict(self) -> dict[str, Any]:
        """Plain values, for JSON."""
        return {
            "report": str(self.page),
            "seed": self.seed,
            "data": self.report.data,
            "images": self.report.images,
            "models": [_plain(model) for model in self.report.models],
            "comparison": self.comparison.to_dict(),
            "mistakes": self.report.mistakes_total,
            "warnings": list(self.report.warnings),
            "context": dict(self.report.context),
            "commands": list(self.report.commands),
            "seconds": self.steps,
            "profile": self.profile.to_dict(),
        }


@dataclass
class _Clock:
    """Says each step as it begins, with the seconds since the start, and remembers how long it took."""

    total: int
    started: float = field(default_factory=time.perf_counter)
    steps: dict[str, float] = field(default_factory=dict)

    @contextmanager
    def step(self, name: str, text: str) -> Iterator[None]:
        begun = time.perf_counter()
        say(f"[{begun - self.started:5.1f} s] step {len(self.steps) + 1} of {self.total}: {text}")
        yield
        self.steps[name] = round(time.perf_counter() - begun, 2)

    @property
    def seconds(self) -> float:
        return time.perf_counter() - self.started


def demo(options: DemoOptions) -> DemoResult:
    """Distill, quantize, verify and profile; write the models, demo.json and report.html into the folder.

    Raises:
        ModelError: the teacher has no weights.
        UsageError: matplotlib or a runtime is not installed.
        StorageError: the folder cannot be written.
    """
    require_matplotlib()
    folder = require_writable(options.out)
    for name in (REPORT, RECORD_FILE):
        (folder / name).unlink(missing_ok=True)  # no report may lie beside models that it is not about
    subject = options.about
    clock = _Clock(total=subject.steps + 4)
    distilled = subject.make(folder, options.seed, clock.step)
    with clock.step("quantize", "the student in int8, as ONNX and as TFLite"):
        quantize(QuantizeOptions(str(folder), subject.data, folder, io=IO, seed=options.seed))
    with clock.step("verify", "the files against the labels and against each other"):
        metadata = read_metadata(load_onnx(folder / FLOAT_ONNX), FLOAT_ONNX)
        data = open_data(subject.data, metadata.pictures)
        evaluations = {name: accuracy_of(folder / name, data.test) for name in STUDENT_FILES}
        onnx, tflite = (str(folder / name) for name in (INT8_ONNX, INT8_TFLITE))
        comparison = compare_samples(CompareOptions(onnx, tflite, subject.data))
        assert isinstance(comparison, Comparison)
    with clock.step("profile", "size, memory and latency of every file, each in processes of its own"):
        files = [str(folder / name) for name in (TEACHER_FILE, *STUDENT_FILES)]
        measured = profile(ProfileOptions(tuple(files), seconds=options.profile_seconds, turns=False))
    with clock.step("report", f"{REPORT} and {RECORD_FILE}"):
        report = _report(options, data, distilled, evaluations, comparison, measured, clock.seconds)
        result = DemoResult(folder, options.seed, report, measured, comparison, clock.steps)
        write_text(result.page, render(report))
    say(f"[{clock.seconds:5.1f} s] done")
    write_json(folder / RECORD_FILE, result.to_dict())
    return result


def commands(subject: Subject, folder: Path, seed: int) -> tuple[str, ...]:
    """What makes the demo's files and figures again: at once, and step by step."""
    out = shlex.quote(str(folder))
    return (
        f"edgekit demo {subject.option}--seed {seed} --out {out}",
        "",
        "# the same, step by step",
        *subject.commands(folder, seed),
        f"edgekit quantize --int8 {out} --io {IO} --data {subject.data} --seed {seed} --out {out}",
        f"edgekit evaluate {out} --data {subject.data}",
        f"edgekit compare {out}/{INT8_ONNX} {out}/{INT8_TFLITE} --data {subject.data}",
        f"edgekit profile {out} --device cpu",
    )


def _report(
    options: DemoOptions,
    data: Dataset,
    distilled: DistillResult,
    evaluations: dict[str, Classified],
    comparison: Comparison,
    measured: ProfileResult,
    seconds: float,
) -> Report:
    teacher, *students = measured.models
    known = (distilled.teacher_test_accuracy, len(data.test))
    rows = [model_row(f"teacher, {distilled.teacher}", teacher, known)]
    for profiled, (name, role) in zip(students, STUDENT_FILES.items(), strict=True):
        rows.append(model_row(role, profiled, evaluations[name]))
    shipped = evaluations[INT8_TFLITE]
    return Report(
        title=f"{distilled.teacher} → {distilled.student}, int8",
        summary=_summary(options, distilled, rows, seconds),
        data=data.name,
        images=len(data.test),
        classes=data.classes,
        models=tuple(rows),
        parity=parity_of(comparison),
        mistakes=pictures_of(shipped, data.test),
        mistakes_total=shipped.images - shipped.correct,
        context=context_of(measured, _versions(measured)),
        warnings=warnings_of(measured),
        commands=() if options.subject else commands(options.about, options.out, options.seed),
    )


def _summary(options: DemoOptions, distilled: DistillResult, rows: list[ModelRow], seconds: float) -> str:
    drop = round(100 * (rows[1].accuracy - rows[-1].accuracy), 2)
    change = f"{abs(drop):.2f} points {'less' if drop > 0 else 'more'} than in float" if drop else "as in float"
    return (
        f"The teacher {distilled.teacher} was distilled into a student of {distilled.parameters:,} parameters. In int8 "
        f"the student is right on {rows[-1].accuracy:.2%} of the test images, {change}. "
        f"Made in {seconds:.0f} s with seed {options.seed}, {datetime.now(UTC):%Y-%m-%d %H:%M} UTC."
    )


def _versions(measured: ProfileResult) -> dict[str, str]:
    runtimes = {
        name: number for model in measured.models if model.timing for name, number in model.timing.versions.items()
    }
    return {"edgekit": __version__, "torch (training, teacher's accuracy)": version("torch"), **runtimes}


def _plain(model: ModelRow) -> dict[str, Any]:
    """A row for JSON; its samples are in the profile."""
    document = asdict(model)
    if document["latency"] is not None:
        del document["latency"]["samples_ns"]
    return document


def _table_row(model: ModelRow) -> tuple[str, ...]:
    latency = f"{time_text(model.latency.p50_ns)} {model.latency.provenance}" if model.latency else "–"
    memory = "–" if model.memory_bytes is None else bytes_text(model.memory_bytes)
    arena = "–" if model.arena_bytes is None else f"{model.arena_bytes:,} B"
    return (model.role, model.file, f"{model.accuracy:.2%}", f"{model.file_bytes:,}", memory, arena, latency)
