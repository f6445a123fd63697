"""The results of the verbs as the records of a report."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from edgekit.data.dataset import Split
from edgekit.evaluation.compare import Comparison
from edgekit.profiling.records import ModelProfile, ProfileResult, Timing
from edgekit.report.record import Latency, ModelRow, Parity, Picture
from edgekit.runtimes import RUNTIMES
from edgekit.tasks.classification import Classified, wilson_interval


def model_row(role: str, profile: ModelProfile, quality: Classified | tuple[float, int]) -> ModelRow:
    """One file's row: its profile, timed, with what it did on labelled images, or (accuracy, images) if that is all."""
    if isinstance(quality, Classified):
        accuracy, interval, per_class = quality.accuracy, quality.interval, quality.per_class
    else:
        accuracy, images = quality
        interval, per_class = wilson_interval(round(accuracy * images), images), ()
    timing = _timing(profile)
    latency = timing.latency
    return ModelRow(
        role=role,
        file=Path(profile.file).name,
        sha256=profile.sha256,
        file_bytes=profile.contents.file_bytes,
        accuracy=accuracy,
        interval=interval,
        latency=Latency(
            p50_ns=latency.p50_ns,
            interval_ns=(latency.p50_low_ns, latency.p50_high_ns),
            samples_ns=timing.samples_ns,
            runtime=f"{RUNTIMES[profile.runtime].title} {profile.runtime_version}",
            threads=timing.threads,
            provenance=timing.provenance,
        ),
        weight_bytes=profile.contents.weight_bytes,
        memory_bytes=timing.memory.model_bytes,
        arena_bytes=timing.arena.arena_bytes if timing.arena else None,
        per_class=per_class,
        operators=tuple((item.name, item.mean_ns) for item in timing.operators.operators) if timing.operators else (),
    )


def parity_of(comparison: Comparison) -> Parity:
    """What two files have in common, as the report says it; their outputs must lie on one 8-bit scale."""
    assert comparison.fidelity.parity is not None
    return Parity(
        first=Path(comparison.reference.model).name,
        second=Path(comparison.other.model).name,
        images=comparison.images,
        equal_share=comparison.fidelity.parity.equal_share,
        max_steps=comparison.fidelity.parity.largest,
        same_answer_share=comparison.agreement,
    )


def pictures_of(evaluation: Classified, split: Split) -> tuple[Picture, ...]:
    """The images behind an evaluation's worst mistakes, from the split that it was made on."""
    names = evaluation.classes
    return tuple(
        Picture(split.images[one.index], names[one.label], names[one.guess], one.probability, one.label_probability)
        for one in evaluation.mistakes
    )


def warnings_of(result: ProfileResult) -> tuple[str, ...]:
    """The doubts about the measurements, one text for each kind: what was seen in which file, and what helps."""
    seen: dict[str, list[str]] = {}
    for model in result.models:
        for warning in _timing(model).warnings:
            seen.setdefault(warning.remedy, []).append(f"{Path(model.file).name}: {warning.text}")
    return tuple(f"{'; '.join(texts)}. What helps: {remedy}." for remedy, texts in seen.items())


def context_of(result: ProfileResult, versions: Mapping[str, str]) -> dict[str, str]:
    """The machine that the measurements come from and the ``versions`` of what ran there, for people."""
    machine = _timing(result.models[0]).machine
    cores = f"{machine['usable_cores']} of {machine['cores']} cores usable"
    features = ", ".join(machine["features"]) or "none that matter here"
    clock = f"{machine['clock_mhz']:.0f} MHz" if machine["clock_mhz"] else "unknown"
    memory = f"{machine['memory_bytes'] / 2**30:.1f} GiB" if machine["memory_bytes"] else "unknown"
    return {
        "device": ", ".join(one.device for one in result.devices),
        "processor": f"{machine['cpu']} ({machine['architecture']}), {cores}",
        "kernel features": features,
        "governor": machine["governor"] or "unknown",
        "clock": clock,
        "memory": memory,
        "system": f"{machine['system']}, Python {machine['python']}",
        "threads": ", ".join(dict.fromkeys(str(_timing(model).threads) for model in result.models)),
        "samples": ", ".join(f"{Path(model.file).name} {_timing(model).latency.n:,}" for model in result.models),
        **versions,
    }


def _timing(model: ModelProfile) -> Timing:
    assert model.timing is not None, "a report is of files that were timed"
    return model.timing
