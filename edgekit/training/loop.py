"""The training loop of teachers and students, read from top to bottom.

One epoch is one pass over one augmented view of the training set. After each epoch the network is measured on the
validation split and the whole state is stored atomically, so that a run killed at any moment and resumed ends with
the same bytes as an undisturbed one. What depends on the clock (speed) goes to the screen and to timing.jsonl only.
"""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from edgekit.console import Bar, counted, print_part, progress, say
from edgekit.conversion.torch_onnx import example_of
from edgekit.data.balance import remarks_on_balance
from edgekit.data.dataset import Dataset, Split
from edgekit.data.factory import code_of
from edgekit.data.splits import SPLITS
from edgekit.errors import DataError, TrainingError, UsageError
from edgekit.files import remove_parts, storage_errors
from edgekit.inputs.contracts import Contract
from edgekit.recipe import TrainRecipe
from edgekit.training import checkpoint
from edgekit.training.depthwise import FastDepthwise
from edgekit.training.inputs import Inputs, in_order
from edgekit.training.losses import Loss, find_loss, needs_answers
from edgekit.training.muon import Muon
from edgekit.training.order import in_fastest_order
from edgekit.training.precision import fast_precision, has_bf16
from edgekit.training.teacher import rows_at_once
from edgekit.training.team import Team
from edgekit.training.views import Rendered, Teaching, Views

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from edgekit.training.answers.ensemble import CombinedAnswers

    Train = Callable[
        [nn.Module, Contract, Dataset, "TrainRun", CombinedAnswers], tuple[nn.Module, list["EpochMetrics"]]
    ]
    """``train``, here or elsewhere."""

TIMING = "timing.jsonl"
FIRST_STEPS = 12
"""Of a training, by which is said how long it will take."""


@dataclass(frozen=True)
class TrainRun:
    """What decides a training besides the network and the data.

    ``seed`` is that of views, order and dropout. ``folder`` is where checkpoint.pt, metrics.jsonl and timing.jsonl
    are kept; ``resume`` goes on from the checkpoint there, if there is one. ``origin`` names what the network comes
    from (its architecture, its teacher): the checkpoint of a run of another origin is not resumed. ``loss`` stands in
    for the recipe's. ``paces`` say for parameters by their names which share of the recipe's learning rate is theirs;
    1 is that of all others. ``team`` are the processes that train it.
    """

    recipe: TrainRecipe
    seed: int
    folder: Path
    origin: Mapping[str, str] = field(default_factory=dict)
    resume: bool = False
    loss: Loss | None = None
    paces: Mapping[str, float] = field(default_factory=dict)
    team: Team = field(default_factory=Team)

    def identity(self, data: Dataset) -> dict[str, object]:
        """What must be the same for a resumed run to end with the same bytes."""
        own = {"recipe": self.recipe.to_dict(), "seed": self.seed, "data": data.sha256}
        if self.loss is not None:
            own["loss"] = code_of(self.loss)
        return {**own, "threads": torch.get_num_threads(), **self.origin}


@dataclass(frozen=True)
class EpochMetrics:
    """One line of metrics.jsonl; everything in it is reproducible."""

    epoch: int
    loss: float
    train_accuracy: float
    validation_accuracy: float
    learning_rate: float


@dataclass
class _State:
    model: nn.Module
    average: AveragedModel | None
    optimizer: torch.optim.Optimizer
    learner: nn.Module
    loss_of: Loss
    epoch: int = 0
    metrics: list[EpochMetrics] = field(default_factory=list)
    best: dict[str, Tensor] | None = None

    @property
    def kept(self) -> nn.Module:
        """The network that is measured and kept: the averaged one where the recipe has an EMA."""
        return self.model if self.average is None else self.average.module


def train(
    model: nn.Module, contract: Contract, data: Dataset, run: TrainRun, answers: Teaching | None = None
) -> tuple[nn.Module, list[EpochMetrics]]:
    """Train ``model`` by the run's recipe; with ``answers``, distil the teacher that gives them.

    Args:
        model: takes real inputs [N, ...], returns logits [N, classes]; in training features may follow them.
        contract: how rows become the network's input.
        data: its training split is learned, its validation split measured after each epoch.
        run: every number that decides the outcome, and where its state is kept.
        answers: the teacher's logits, asked if the loss looks at them; None trains on the labels alone.

    Returns:
        The trained network in evaluation mode and one record per epoch.

    Raises:
        TrainingError: the loss or a weight is no longer a number; the last good checkpoint is kept.
    """
    recipe = run.recipe
    model = in_fastest_order(model, example_of(contract))
    loss_of = run.loss or find_loss(recipe.loss, len(data.classes))
    state = _State(model, _averaged(model, recipe), _optimizer(model, run), run.team.learner(model), loss_of)
    _begin(state, run, data)
    steps = len(data.train) // recipe.batch_size
    if steps == 0:
        raise TrainingError(
            f"{data.name} has {len(data.train)} training {data.kind}, fewer than one batch of {recipe.batch_size}; "
            "use a smaller --batch-size."
        )
    is_taught = run.loss is not None or needs_answers(recipe.loss)
    views = Views(data.train, recipe, run.seed, answers if is_taught else None)
    with progress("training", (recipe.epochs - state.epoch) * steps) as bar:
        display = _Display(bar, recipe, state.epoch, steps, data.kind)
        for epoch in range(state.epoch, recipe.epochs):
            started = time.perf_counter()
            loss, accuracy = _train_epoch(state, contract, data, run, views.get(epoch), display.show)
            measured = evaluate(state.kept, contract, data.validation)
            rate = _learning_rate(recipe, steps, (epoch + 1) * steps - 1)
            state.metrics.append(EpochMetrics(epoch + 1, loss, accuracy, measured, rate))
            state.epoch = epoch + 1
            if recipe.keep == "best" and kept_epoch(recipe, state.metrics).epoch == state.epoch:
                state.best = {name: value.clone() for name, value in state.kept.state_dict().items()}
            _store(state, run, data)
            seconds = time.perf_counter() - started
            _note_time(run.folder / TIMING, epoch + 1, seconds, views.answering_s)
            run.team.stored(run.folder)
            say(
                f"epoch {epoch + 1}/{recipe.epochs}: loss {loss:.4f}, train {accuracy:.2%}, "
                f"validation {measured:.2%}, {steps * recipe.batch_size / seconds:,.0f} {data.kind}/s"
            )
    if state.best is not None:
        state.kept.load_state_dict(state.best)
    return state.kept.eval(), state.metrics


def kept_epoch(recipe: TrainRecipe, metrics: Sequence[EpochMetrics]) -> EpochMetrics:
    """The epoch whose weights are kept: the last, or the last of the best by validation."""
    if recipe.keep == "last":
        return metrics[-1]
    return max(metrics, key=lambda record: (record.validation_accuracy, record.epoch))


def require_labels(data: Dataset) -> None:
    """Raise DataError unless every split has labels; say aloud what is odd about its classes."""
    for name in SPLITS:
        split = getattr(data, name)
        if split.labels is None or len(split) == 0:
            raise DataError(
                f"{data.name} has no labelled {name} {data.kind}; training needs labels, as class folders are."
            )
    assert data.train.labels is not None
    if len(np.unique(data.train.labels)) < 2:
        raise DataError(f"{data.name} has one class, so there is nothing to tell it from; add {data.kind} of others.")
    for remark in remarks_on_balance(data):
        print_part(remark)


def evaluate(model: nn.Module, contract: Contract, split: Split) -> float:
    """Top-1 accuracy in [0, 1] of a network on a labelled split."""
    return float(np.mean(logits_of(model, contract, split).argmax(1) == split.labels))


def logits_of(model: nn.Module, contract: Contract, split: Split) -> NDArray[np.float32]:
    """Logits float32 [N, classes] of a network, in evaluation mode, on a split."""
    model.eval()
    inputs = Inputs(len(split), split.images.__getitem__, contract)
    blocks = list(inputs.blocks(rows_at_once(contract)))
    with torch.inference_mode():
        return in_order(blocks, [model(torch.from_numpy(inputs[rows])).numpy() for rows in blocks])


def _train_epoch(
    state: _State,
    contract: Contract,
    data: Dataset,
    run: TrainRun,
    view: Rendered,
    show: Callable[[int, int, float, float], None],
) -> tuple[float, float]:
    recipe, seed = run.recipe, run.seed
    inputs = Inputs(len(data.train), view.images, contract)
    batches = inputs.shuffled(recipe.batch_size, np.random.default_rng((seed, 1, state.epoch)))
    torch.manual_seed(seed * 1_000_003 + state.epoch)
    steps = len(batches)
    total_loss, correct = 0.0, 0.0
    depthwise = FastDepthwise() if has_bf16() else nullcontext()
    state.model.train()
    for step, batch in enumerate(batches):
        rows = run.team.part(batch)
        targets = torch.from_numpy(view.view.targets(rows, len(data.classes)))
        for group in state.optimizer.param_groups:
            group["lr"] = group["pace"] * _learning_rate(recipe, steps, state.epoch * steps + step)
        with fast_precision(), depthwise:
            logits = state.learner(torch.from_numpy(inputs[rows]))
        logits = logits.float()
        loss = state.loss_of(logits, targets, view.answers(rows), recipe)
        if loss.ndim or not loss.requires_grad:
            raise UsageError(f"The loss gives {list(loss.shape)}; return one number with a gradient, as a mean is.")
        shown = targets if targets.ndim == 1 else targets.argmax(1)
        right = (logits[:, : len(data.classes)].argmax(1) == shown).sum()
        value, right = run.team.sum(loss.item() / run.team.size, right.item())
        if not math.isfinite(value):
            raise _diverged(f"the loss became {value} in epoch {state.epoch + 1}, step {step + 1}")
        state.optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        state.optimizer.step()
        if state.average is not None:
            state.average.update_parameters(state.model)
        total_loss += value
        correct += right
        show(state.epoch, step + 1, total_loss / (step + 1), correct / ((step + 1) * recipe.batch_size))
    if not _is_finite(state):
        raise _diverged(f"a weight is no longer a number after epoch {state.epoch + 1}")
    return total_loss / steps, correct / (steps * recipe.batch_size)


def _is_finite(state: _State) -> bool:
    """The last step of an epoch has no later loss that would tell what it did to the weights.

    Buffers may be infinite, as those of masks are.
    """
    networks = [state.model] if state.average is None else [state.model, state.average]
    weights = (value for network in networks for value in network.parameters())
    buffers = (value for network in networks for value in network.buffers())
    return all(bool(value.isfinite().all()) for value in weights) and not any(map(torch.any, map(torch.isnan, buffers)))


def _diverged(what: str) -> TrainingError:
    return TrainingError(
        f"Training diverged: {what}. Lower --learning-rate and start again; the last good checkpoint is kept."
    )


class _Display:
    """Shows how far a training is; says once, after its first steps, how long it will take."""

    def __init__(self, bar: Bar, recipe: TrainRecipe, epoch: int, steps: int, kind: str) -> None:
        self._bar, self._recipe, self._first, self._steps, self._kind = bar, recipe, epoch, steps, kind
        self._begun, self._done = 0.0, 0

    def show(self, epoch: int, step: int, loss: float, accuracy: float) -> None:
        """``step`` steps of an epoch are done, with this mean loss and accuracy."""
        now = time.perf_counter()
        self._done += 1
        if self._done == 1:
            self._begun = now  # the first step makes what all others use
            return
        pace = (now - self._begun) / (self._done - 1)
        total = (self._recipe.epochs - self._first) * self._steps
        if self._done == FIRST_STEPS and (left := pace * (total - self._done)) > 60:
            epochs = counted(self._recipe.epochs - self._first, "epochs")
            say(f"about {counted(round(left / 60), 'minutes')} for {epochs}, by the first steps")
        if step % 20 == 0:
            title, rate = f"epoch {epoch + 1}/{self._recipe.epochs}", self._recipe.batch_size / pace
            note = f"{title} loss {loss:.4f} acc {accuracy:.2%} {rate:,.0f} {self._kind}/s"
            self._bar.update((epoch - self._first) * self._steps + step, note)


def _learning_rate(recipe: TrainRecipe, steps: int, step: int) -> float:
    """Linear warm-up, then a cosine (Loshchilov and Hutter 2017) or a line to zero."""
    warmup = recipe.warmup_epochs * steps
    if step < warmup:
        return recipe.learning_rate * (step + 1) / warmup
    share = (step - warmup) / max(1.0, recipe.epochs * steps - warmup)
    left = 1 - share if recipe.schedule == "linear" else 0.5 * (1 + math.cos(math.pi * share))
    return recipe.learning_rate * left


def _optimizer(model: nn.Module, run: TrainRun) -> torch.optim.Optimizer:
    """The recipe's optimizer; weight decay on matrices and filters only, not on biases and normalisation."""
    recipe = run.recipe
    alike: dict[tuple[float, float], list[nn.Parameter]] = {}
    for name, weight in model.named_parameters():
        if weight.requires_grad:
            decay = recipe.weight_decay if weight.ndim > 1 else 0.0
            alike.setdefault((run.paces.get(name, 1.0), decay), []).append(weight)
    groups = [{"params": found, "pace": pace, "weight_decay": decay} for (pace, decay), found in alike.items()]
    if recipe.optimizer == "sgd":
        return torch.optim.SGD(groups, lr=recipe.learning_rate, momentum=0.9, nesterov=True)
    if recipe.optimizer == "muon":
        return Muon(groups, lr=recipe.learning_rate)
    return torch.optim.AdamW(groups, lr=recipe.learning_rate, fused=True)  # one pass over the weights instead of ten


def _averaged(model: nn.Module, recipe: TrainRecipe) -> AveragedModel | None:
    if recipe.ema == 0:
        return None

    def follow(averaged: Any, current: Any, count: Tensor | int) -> None:
        """An average that is young has a short memory, so that it leaves the random start behind within some steps.

        Counters, as batch normalisation has them, have no average: they are the network's. What does not change may be
        infinite, of which there is none either.
        """
        if not averaged[0].is_floating_point():
            for mine, own in zip(averaged, current, strict=True):
                mine.copy_(own)
            return
        steps = int(count)
        decay = min(recipe.ema, (1 + steps) / (10 + steps))
        changed = [pair for pair in zip(averaged, current, strict=True) if not torch.equal(*pair)]
        if changed:
            get_ema_multi_avg_fn(decay)(*map(list, zip(*changed, strict=True)), count)  # type: ignore[no-untyped-call]

    return AveragedModel(model, multi_avg_fn=follow, use_buffers=True)


def _store(state: _State, run: TrainRun, data: Dataset) -> None:
    tensors = {
        "model": state.model.state_dict(),
        "average": None if state.average is None else state.average.state_dict(),
        "optimizer": state.optimizer.state_dict(),
        "best": state.best,
    }
    metrics = [asdict(record) for record in state.metrics]
    checkpoint.save(run.folder, {"run": run.identity(data), "epoch": state.epoch, "metrics": metrics, **tensors})


def _note_time(path: Path, epoch: int, seconds: float, answering: float) -> None:
    """What an epoch took, and of that what its view's answers took."""
    times = {"epoch": epoch, "seconds": round(seconds, 3), "answering_seconds": round(answering, 3)}
    with storage_errors(path), path.open("a", encoding="utf-8") as stream:
        stream.write(json.dumps(times) + "\n")


def _begin(state: _State, run: TrainRun, data: Dataset) -> None:
    """Go on from the run's checkpoint, or from nothing: then the times of an earlier run there are not this one's."""
    remove_parts(run.folder)
    saved = checkpoint.load(run.folder, run.identity(data)) if run.resume else None
    if saved is None:
        (run.folder / TIMING).unlink(missing_ok=True)
        return
    state.model.load_state_dict(saved["model"])
    if state.average is not None:
        state.average.load_state_dict(saved["average"])
    state.optimizer.load_state_dict(saved["optimizer"])
    state.best, state.epoch = saved["best"], saved["epoch"]
    state.metrics = [EpochMetrics(**record) for record in saved["metrics"]]
    say(f"resumed after epoch {state.epoch} of {run.folder}")
