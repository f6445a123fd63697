"""The ladder: from static ranges to fine-tuning, one rung after the other, until the gate is met.

Each rung is judged on the same images by how close its scores stay to the float model's, and says what it cost and
what it gained. Where the gate is met on these few images, the files have the last word on all. Without a gate the
ladder ends with the best of the rungs that leave everything in 8 bits and train nothing.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from edgekit.console import counted, say
from edgekit.data.dataset import Split
from edgekit.data.intake import Intake, Pictures, Tensors
from edgekit.errors import DataError, UnsupportedError
from edgekit.extras import install
from edgekit.quantization.calibrate import SMALL_SAMPLE, RealInputs, calibrate
from edgekit.quantization.channel_statistics import channel_statistics
from edgekit.quantization.judge import Judge
from edgekit.quantization.plan import Plan
from edgekit.quantization.ranges import AUTO, METHODS
from edgekit.quantization.rungs.absorb import absorb_high_biases
from edgekit.quantization.rungs.equalize import equalize
from edgekit.quantization.rungs.mixed_precision import fewest_floats, with_stored_weights
from edgekit.quantization.rungs.raw_input import raw_input
from edgekit.quantization.rungs.reconstruct import correct_biases, reconstruct
from edgekit.quantization.rungs.scaled_features import scaled_features
from edgekit.quantization.running_sums import running_sums
from edgekit.quantization.tensor_groups import Group, affines_by, sparing_floats, tie_groups
from edgekit.quantization.weighted_layers import with_float_layers, with_own_constants
from edgekit.tasks.quality import Quality

if TYPE_CHECKING:
    from onnx import ModelProto

    from edgekit.quantization.options import QuantizeOptions
    from edgekit.quantization.rungs.finetune import Lesson

RUNGS = ("ranges", "equalization", "rounding", "mixed precision", "fine-tuning")
MIXED = 4
TRAINS_NOTHING = 3
"""Without a gate the ladder ends here: the next rungs cost speed, or need training."""
CHANNEL_IMAGES, RANGE_IMAGES, BIAS_IMAGES, ROUNDING_IMAGES = (16, 128), (32, 256), (8, 48), (160, 192)
"""Calibration images that these steps look at, of usual size and small ones; more change little."""
FOLDING_IMAGES = (8, 32)
QUICK_IMAGES = (24, 128)
"""Judging images that decide within a rung, of usual size and small ones."""
SCALING_DB = 6.0
"""What scaling the features of a table must gain: a bit. It costs two operators in float and eight bytes a feature."""
MIN_GAIN_DB = 0.3
"""What equalization must gain to be kept: it rests on what a few images have reached."""


@dataclass(frozen=True)
class Candidate:
    """A float model and the plan of its quantization: all that a file is written from.

    ``exact`` computes what the original does, in the same units as ``model``, whose biases are corrected.
    """

    model: ModelProto
    plan: Plan
    intake: Intake
    groups: tuple[Group, ...]
    exact: ModelProto


@dataclass(frozen=True)
class RungRecord:
    """What one rung cost and gained, on the judging images; ``kept`` is True for the rung that the files come from."""

    rung: int
    name: str
    seconds: float
    verdict: Quality
    detail: str = ""
    kept: bool = False

    def to_dict(self) -> dict[str, Any]:
        """Plain values, for JSON."""
        found = {**self.verdict.to_dict(), "sqnr_db": self.verdict.sqnr_db, "drop": self.verdict.drop}
        verdict = {name: round(value, 6) if isinstance(value, float) else value for name, value in found.items()}
        return {**vars(self), "seconds": round(self.seconds, 2), "verdict": verdict}

    def cells(self) -> tuple[str, ...]:
        """A row of the table of rungs."""
        kept = " (kept)" if self.kept else ""
        return (f"{self.rung} {self.name}{kept}", str(self.verdict), f"{self.seconds:.1f} s", self.detail)


@dataclass
class Ladder:
    """One climb; ``records`` fills up rung by rung. A ``lesson`` is what the last rung learns.

    ``passes`` says of what has met the gate here whether its files meet it; those that do not are ``refused``.
    """

    inputs: RealInputs
    judge: Judge
    options: QuantizeOptions
    lesson: Lesson | None = None
    passes: Callable[[Candidate], bool] = lambda found: True
    records: list[RungRecord] = field(default_factory=list)
    candidates: list[Candidate] = field(default_factory=list)
    uncorrected: Candidate | None = None
    method: str = ""
    refused: set[int] = field(default_factory=set)

    def climb(self, model: ModelProto, intake: Intake) -> tuple[Candidate, tuple[RungRecord, ...]]:
        """The best candidate found for a prepared float model, and what each rung did."""
        rungs = (self._ranges, self._equalize, self._round, self._mix, self._finetune)
        start = Candidate(model, Plan({}), intake, (), model)
        last = self.options.rungs or (TRAINS_NOTHING if self.options.max_drop is None else len(RUNGS))
        for number, (name, rung) in enumerate(zip(RUNGS[:last], rungs, strict=False), start=1):
            begun = time.perf_counter()
            found = rung(start if number == 1 else self._best()[1])
            if found is None:
                continue
            (candidate, detail), seconds = found, time.perf_counter() - begun
            verdict = self.judge.judge(candidate.model, candidate.plan, candidate.intake)
            self.records.append(RungRecord(number, name, seconds, verdict, detail))
            self.candidates.append(candidate)
            say(f"rung {number}, {name}: {verdict} ({seconds:.1f} s){': ' + detail if detail else ''}")
            if self._is_met(verdict):
                if self.passes(candidate):
                    break
                self.refused.add(len(self.records) - 1)
        index, best = self._best()
        records = tuple(replace(record, kept=place == index) for place, record in enumerate(self.records))
        return best, records

    def _is_met(self, verdict: Quality) -> bool:
        gate = self.options.max_drop
        return gate is not None and verdict.drop <= gate

    def _best(self) -> tuple[int, Candidate]:
        """The last rung that meets the gate, otherwise the one closest to the float model; none that was refused.

        What has learned a lesson of its own is kept: it was chosen by that, and is not to be like the float model.
        """
        if self.lesson is not None and self.records[-1].rung == len(RUNGS):
            return len(self.records) - 1, self.candidates[-1]
        places = range(len(self.records))
        left = [place for place in places if place not in self.refused] or places
        met = [place for place in left if self._is_met(self.records[place].verdict)]
        index = met[-1] if met else max(left, key=lambda place: self.records[place].verdict.sqnr_db)
        return index, self.candidates[index]

    def _by_method(self, model: ModelProto, inputs: RealInputs, methods: Iterable[str]) -> dict[str, Candidate]:
        """A model whose ranges all come from one range method, for each of ``methods``."""
        groups = tie_groups(model, inputs.intake)
        histograms = calibrate(model, [name for group in groups for name in group.tensors], inputs)
        floats = running_sums(model) | sparing_floats(model)
        plans = {
            method: Plan(affines_by(method, groups, histograms), floats=floats, scheme=self.options.weights)
            for method in methods
        }
        return {name: Candidate(model, plan, inputs.intake, groups, model) for name, plan in plans.items()}

    def _inputs(self, intake: Intake, counts: tuple[int, int] | None = None) -> RealInputs:
        """The samples, as ``intake`` feeds them: a few, see ``RealInputs.few``, or all."""
        found = self.inputs.taken_by(intake)
        return found if counts is None else found.few(counts)

    def _ranges(self, start: Candidate) -> tuple[Candidate, str]:
        model, intake, detail = start.model, start.intake, ""
        # Files with float ends keep taking what the float model took.
        if self.options.io != "float32" and isinstance(intake, Pictures):
            folded = raw_input(model, intake, self._inputs(intake, FOLDING_IMAGES))
            if folded is not None:
                model, intake = folded
                detail = "; the input's normalization is in the first layer, raw pixels go in"
        found = self._ranged(model, intake)
        if isinstance(intake, Tensors) and (scaled := scaled_features(model, self._inputs(intake))) is not None:
            method, tried = self.method, self._ranged(scaled, intake)
            if self._sqnr(tried) - self._sqnr(found) > SCALING_DB:
                return tried, f"{self.method}; features are scaled in float before they are rounded"
            self.method = method
        return found, self.method + detail

    def _ranged(self, model: ModelProto, intake: Intake) -> Candidate:
        """By the range method that was asked for, or the one that ends closest to the float model; it is kept."""
        asked = tuple(METHODS) if self.options.ranges == AUTO else (self.options.ranges,)
        found = self._by_method(model, self._inputs(intake), asked)
        self.method = max(found, key=lambda method: self._sqnr(found[method])) if len(found) > 1 else asked[0]
        return found[self.method]

    def _equalize(self, before: Candidate) -> tuple[Candidate, str]:
        own = with_own_constants(before.model)
        before = replace(before, model=own, exact=own)
        equalized = self._equalized(before)
        # What equalization is worth shows when biases are right, in both.
        inputs = self._inputs(before.intake, BIAS_IMAGES)
        corrected, left_out = (
            replace(found, model=correct_biases(found.model, found.plan, inputs)) for found in (equalized, before)
        )
        gained = self._sqnr(corrected) - self._sqnr(left_out)
        kept = gained > MIN_GAIN_DB
        # The next rung corrects biases itself, and starts from them as they were.
        self.uncorrected = equalized if kept else before
        note = "channels equalized" if kept else f"equalization left out ({gained:+.1f} dB)"
        return corrected if kept else left_out, f"biases corrected, {note}"

    def _equalized(self, before: Candidate) -> Candidate:
        inputs = self._inputs(before.intake, CHANNEL_IMAGES)
        channels = channel_statistics(before.model, inputs)
        model, absorbed = absorb_high_biases(before.model, channels)
        if absorbed:
            channels = channel_statistics(model, inputs)
        model = equalize(model, channels, self.options.weights)
        return self._by_method(model, self._inputs(before.intake, RANGE_IMAGES), [self.method])[self.method]

    def _round(self, before: Candidate) -> tuple[Candidate, str]:
        start = self.uncorrected or before
        inputs = self._inputs(start.intake, ROUNDING_IMAGES)
        found = {}
        for ranges, groups in (("ranges kept", ()), ("ranges tuned", start.groups)):
            model, plan = reconstruct(start.model, start.plan, inputs, groups)
            found[ranges] = replace(start, model=model, plan=plan)
        best = max(found, key=lambda ranges: self._sqnr(found[ranges]))
        return found[best], f"{counted(len(found[best].plan.weights), 'layers')} rounded, {best}"

    def _mix(self, before: Candidate) -> tuple[Candidate, str] | None:
        gate = self.options.max_drop
        if gate is None:
            return None
        exact = with_stored_weights(before.exact, before.plan, self._inputs(before.intake, BIAS_IMAGES))
        floats = fewest_floats(before.model, exact, before.plan, before.intake, self.judge, gate)
        model = with_float_layers(before.model, exact, floats)
        detail = f"{len(floats)} of {len(model.graph.node)} operators in float"
        return replace(before, model=model, plan=before.plan.with_floats(floats)), detail

    def _finetune(self, before: Candidate) -> tuple[Candidate, str] | None:
        try:
            from edgekit.quantization.rungs.finetune import FinetuneOptions, finetune
        except ImportError:
            say(f"rung 5, fine-tuning, is left out: it needs torch; run: {install('train')}")
            return None
        # It starts from the best candidate with no more in float than the first.
        pairs, least = zip(self.records, self.candidates, strict=True), self.candidates[0].plan.floats
        ranked = [(record.verdict.sqnr_db, found) for record, found in pairs if found.plan.floats == least]
        start = max(ranked, key=lambda pair: pair[0])[1]
        if lesson := self.lesson:
            inputs = RealInputs(Split(lesson.images), np.arange(len(lesson.images)), start.intake)
            tuned = finetune(start.model, start.plan, inputs, lesson.options, lesson.targets, lesson.loss)
        else:
            options = FinetuneOptions(seed=self.options.seed)
            try:
                tuned = finetune(start.model, start.plan, self._inputs(start.intake), options)
            except (UnsupportedError, DataError) as exc:
                if self.options.rungs == len(RUNGS):
                    raise
                say(f"rung 5, fine-tuning, is left out: {exc}")
                return None
        return replace(start, model=tuned.model, plan=tuned.plan), f"epoch {tuned.kept} of {len(tuned.epochs) - 1} kept"

    def _sqnr(self, candidate: Candidate) -> float:
        """A quick look on few images, to compare two candidates within a rung."""
        few = self.judge.first(QUICK_IMAGES[candidate.intake.size <= SMALL_SAMPLE])
        return few.judge(candidate.model, candidate.plan, candidate.intake).sqnr_db
