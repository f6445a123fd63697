"""``edgekit distill`` where little is named: what is taken for it, said aloud, and nothing asked.

Photos alone become a student of their own in two steps. A teacher that knows photos is fine-tuned on them, unless a run
has done that already; then channels are taken out of it until its int8 file is small, and it is distilled back. A
network that has seen a million photos keeps more of them that way than a fresh one learns from some hundreds.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from pathlib import Path

from edgekit import catalog
from edgekit.console import quiet, say
from edgekit.data import Source, holds_photos, holds_texts, is_unset, open_data, open_unlabelled
from edgekit.data.reading import Reading
from edgekit.errors import DataError, EdgekitError, UsageError
from edgekit.inputs.contract import InputContract
from edgekit.inputs.contracts import Contract
from edgekit.inputs.described import read_contract
from edgekit.inputs.text import TextContract
from edgekit.recipe import TrainRecipe
from edgekit.training import distill as distilling
from edgekit.training.distill import DistillOptions, DistillResult
from edgekit.training.shrinking.shrink import ShrinkOptions, shrink
from edgekit.training.student import is_run
from edgekit.training.teach import TeachOptions, TeachResult, teach

TEACHER, STUDENT, SIZE = "efficientnet-lite0", "mnist-tiny", "1MB"
OF_TEXTS = ("minilm", "text-m")
"""Teacher and student."""
Make = Callable[[TeachOptions], TeachResult]


def distill(options: DistillOptions, make: Make | None = None) -> DistillResult:
    """Train a student as ``edgekit.training.distill`` says, and choose what the options leave open.

    Without a student, digits get ``mnist-tiny``, and photos what ``shrink`` makes of their teacher: SIZE in int8.
    Without a teacher, photos get the newest run of ``teach`` on them, or one of TEACHER that ``teach``, or ``make``,
    makes now.

    Raises:
        UsageError: nothing suits these data; see ``edgekit.training.distill`` for the rest.
    """
    if not is_unset(options.student):
        return distilling.distill(_with_teacher(options, make))
    if is_unset(options.data) or options.data == "mnist":
        return distilling.distill(replace(options, student=STUDENT))
    if holds_texts(options.data):
        say(f"no --student named: texts are learned by {OF_TEXTS[1]}")
        return distill(replace(options, student=OF_TEXTS[1]), make)
    if not holds_photos(options.data):
        open_data(options.data, reading=options.reading)  # what cannot be opened says so itself
        raise UsageError(f"Nothing says which student learns {options.data}; name one with --student.")
    chosen = _with_teacher(options, make)
    if len(chosen.teacher) > 1:
        raise UsageError("Channels are taken out of one teacher; name a --student for several, as photo-m.")
    out = options.out or catalog.RUNS / f"{_name(options.data)}-student"
    say(f"no --student named: taking channels out of the teacher, to {SIZE}")
    own = {"teacher": chosen.teacher[0], "to": SIZE, "out": out, "seed": options.seed or 0}
    return shrink(ShrinkOptions(**options.shared_with(ShrinkOptions) | own))


def _with_teacher(options: DistillOptions, make: Make | None) -> DistillOptions:
    """The options with a teacher of the photos or texts, where none is named and no student's card names one."""
    student = options.student
    is_card = isinstance(student, str) and not is_unset(student) and not is_run(student)
    has_own = is_card and bool(catalog.network_card("students", student).teacher)
    are_texts = holds_texts(options.data)
    if has_own or options.teacher or not (are_texts or holds_photos(options.data)):
        return options
    kind, name = ("texts", OF_TEXTS[0]) if are_texts else ("photos", TEACHER)
    _require_sound(options, kind)
    run = _run_on(options.data, options.reading)
    if run is None:
        run = catalog.run_folder(None, f"{_name(options.data)}-teacher")
        say(f"no --teacher named and no run of these {kind} in runs/: fine-tuning {name} into {run}")
        wanted = TeachOptions(name, data=options.data, reading=options.reading, out=run, seed=options.seed)
        (make or teach)(replace(wanted, resume=options.resume))
    else:
        say(f"no --teacher named: taking the newest run on these {kind}, {run}")
    return replace(options, teacher=(str(run),))


def _require_sound(options: DistillOptions, kind: str) -> None:
    """Raise what is wrong with the options before a teacher, who takes minutes, is made for them."""
    if any(vars(options.details).values()):
        raise UsageError("--teacher-weights, --teacher-mean and --teacher-std describe a --teacher; name it.")
    student = options.student
    card = catalog.NetworkCard.made_up("", "", InputContract(224, 224, 3), TrainRecipe())
    if isinstance(student, str) and not is_unset(student) and not is_run(student):
        card = catalog.network_card("students", student)
        if isinstance(card.contract, TextContract) != (kind == "texts"):
            raise UsageError(f"The student {student} does not learn {kind}, which {options.data} holds; name another.")
    catalog.run_folder(options.out, card.name or "student")
    options.recipe.of(card)
    if not is_unset(options.extra):
        open_unlabelled(options.extra, card.contract, options.reading)


def _run_on(source: Source, reading: Reading, runs: Path = catalog.RUNS) -> Path | None:
    """The newest run of ``teach`` on these photos or texts; None if there is none."""
    records = sorted(runs.glob(f"*/{catalog.TEACH}"), key=lambda path: path.stat().st_mtime, reverse=True)
    are_texts = holds_texts(source)

    @cache
    def sum_as(contract: Contract) -> str:
        """The sum of the data as a network of ``contract`` takes them; empty if it cannot take them."""
        try:
            with quiet():
                return open_data(source, contract, reading).sha256
        except DataError:
            return ""

    for path in records:
        try:
            record = json.loads(path.read_text(encoding="utf-8"))
            contract, sha256 = read_contract(record["contract"]), record["data_sha256"]
        except (ValueError, KeyError, TypeError, EdgekitError):
            continue
        if isinstance(contract, TextContract) == are_texts and sum_as(contract) == sha256:
            return path.parent
    return None


def _name(source: Source) -> str:
    return Path(source).resolve().name if isinstance(source, str | Path) else "photos"
