"""Quantization-aware fine-tuning: the QDQ graph is trained to answer as the float model (or a teacher) does.

Needs torch, no training code of the model's, and no labels. The file that follows from the result computes what was
trained: rounding, scales and biases are simulated as they are stored.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from edgekit.console import progress, say
from edgekit.errors import DataError, TrainingError, UnsupportedError, UsageError
from edgekit.graph.torch_module import GraphModule
from edgekit.inputs.tensors import are_probabilities
from edgekit.quantization.rungs.fake_quantized import QuantizedModule
from edgekit.tasks.divergence import divergence

if TYPE_CHECKING:
    from onnx import ModelProto

    from edgekit.data.dataset import ImageArray
    from edgekit.quantization.calibrate import RealInputs
    from edgekit.quantization.plan import Plan

Scores = NDArray[np.float32]
EVALUATION_BATCH = 100
MEMORY = 1 << 30
"""Bytes that the values of the samples in work may take. A batch beyond it is worked on in parts, whose gradients add
up to the same: nothing in a prepared graph depends on the other samples of a batch."""
BYTES_A_VALUE = 12
"""Of memory for each value that the float graph computes of a sample, with what its gradient needs (measured)."""
WARMUP_SHARE = 0.1
"""Of all steps: Adam's first ones know little of the gradients' sizes and would break what is there."""


@dataclass(frozen=True)
class FinetuneOptions:
    """Everything that decides a fine-tuning.

    Attributes:
        epochs: passes over the images.
        batch_size: images a step.
        learning_rate: the share of a tensor's largest value that a first step of Adam changes; it falls to zero.
        scale_rate: the same for scales, as a share of each; 0 leaves them as the plan has them.
        temperature: of the distillation loss; a higher one weighs the wrong answers' scores more.
        held_out: the share of the images that is not learned but chooses among the epochs.
        seed: of the order of the images.
    """

    epochs: int = 6
    batch_size: int = 32
    learning_rate: float = 5e-4
    scale_rate: float = 5e-3
    temperature: float = 2.0
    held_out: float = 0.1
    seed: int = 0

    def __post_init__(self) -> None:
        if self.epochs < 1 or self.batch_size < 1:
            raise UsageError(f"Fine-tuning takes whole epochs and batches, not {self.epochs} of {self.batch_size}.")
        if not (0 < self.learning_rate < 1 and 0 <= self.scale_rate < 1):
            raise UsageError(
                f"Learning rates are shares below 1 of what they change, not {self.learning_rate:g} and "
                f"{self.scale_rate:g}."
            )
        if not (self.temperature > 0 and math.isfinite(self.temperature)):
            raise UsageError(f"A temperature is positive, not {self.temperature}.")
        if not 0 < self.held_out <= 0.5:
            raise UsageError(f"The held-out share is in (0, 0.5], not {self.held_out:g}.")


@dataclass(frozen=True)
class Lesson:
    """What is learned where a teacher has more to say than the float model about the images that calibrate.

    Attributes:
        images: uint8 [N, H, W, C].
        targets: the teacher's scores for them, float32 [N, ...].
        loss: what training makes smaller, of the answers float32 [n, ...] to the images at ``rows``: a scalar.
        options: how to train.
    """

    images: ImageArray
    targets: Scores
    loss: Callable[[Tensor, NDArray[np.int64]], Tensor]
    options: FinetuneOptions


@dataclass(frozen=True)
class Epoch:
    """What was measured after an epoch; epoch 0 is the start.

    ``loss`` is the mean over the epoch's steps (None at the start), ``held_out_loss`` and ``agreement`` are of the
    images that are not learned: the share whose top answer is the target's (None where the output is not a score).
    """

    epoch: int
    loss: float | None
    held_out_loss: float
    agreement: float | None


@dataclass(frozen=True)
class Finetuned:
    """A float model with new weights, the plan that stores them, and how it went; ``kept`` is the epoch they are of."""

    model: ModelProto
    plan: Plan
    epochs: tuple[Epoch, ...]
    kept: int
    images: int

    def to_dict(self) -> dict[str, Any]:
        """The record without model and plan, as plain values for JSON."""
        return {"epochs": [asdict(epoch) for epoch in self.epochs], "kept": self.kept, "images": self.images}


def finetune(
    model: ModelProto,
    plan: Plan,
    inputs: RealInputs,
    options: FinetuneOptions | None = None,
    targets: Scores | None = None,
    loss: Callable[[Tensor, NDArray[np.int64]], Tensor] | None = None,
) -> Finetuned:
    """Train a prepared float model as it is quantized under ``plan``.

    Args:
        model: prepared float ONNX with one input; its first output is trained.
        plan: where to start from. Scales of inputs and of fixed outputs stay.
        inputs: the images.
        options: how to train.
        targets: a teacher's scores float32 [N, ...] for the inputs in order; None takes the float model's own.
        loss: see ``Lesson``; None takes the distance to the targets.

    Returns:
        The best epoch by the held-out images, the start among them: nothing is made worse there.

    Raises:
        UnsupportedError: the model has several inputs, or an operator that cannot be trained.
        DataError: too few images, or targets of another number or size.
        TrainingError: the loss is no longer a number.
    """
    options = options or FinetuneOptions()
    if len(model.graph.input) != 1:
        names = ", ".join(item.name for item in model.graph.input)
        raise UnsupportedError(f"Fine-tuning is for models of one input, not of {names}; quantize without it.")
    student = QuantizedModule(model, plan)
    task = _Task.of(model, inputs, options, targets, loss)
    return _Loop(student, task, options).run()


@dataclass(frozen=True)
class _Task:
    """The inputs with what is to be answered: ``rows`` to learn, ``held`` to choose by."""

    inputs: RealInputs
    targets: Scores
    rows: NDArray[np.int64]
    held: NDArray[np.int64]
    at_once: int
    options: FinetuneOptions
    own_loss: Callable[[Tensor, NDArray[np.int64]], Tensor] | None

    @classmethod
    def of(
        cls,
        model: ModelProto,
        inputs: RealInputs,
        options: FinetuneOptions,
        targets: Scores | None,
        loss: Callable[[Tensor, NDArray[np.int64]], Tensor] | None,
    ) -> _Task:
        count = len(inputs)
        if count < 2:
            images = "is 1 image" if count else "are no images"
            raise DataError(f"There {images} to fine-tune on; give --data at least some hundreds.")
        at_once = _at_once(model)
        if targets is None:
            targets = _answers(GraphModule(model), inputs, np.arange(count), at_once)
        shape = tuple(dim.dim_value for dim in model.graph.output[0].type.tensor_type.shape.dim)
        if targets.shape != (count, *shape[1:]):
            raise DataError(
                f"The teacher's scores are {list(targets.shape)} and the model's {[count, *shape[1:]]}; take a teacher "
                "with the same classes."
            )
        order = np.random.default_rng((options.seed, 0)).permutation(count)
        held = max(1, round(count * options.held_out))
        return cls(inputs, targets, np.sort(order[held:]), np.sort(order[:held]), at_once, options, loss)

    @property
    def are_scores(self) -> bool:
        """True if the targets are one row of unbounded scores per image, whose largest is the answer."""
        return self.targets.ndim == 2 and self.targets.shape[1] > 1 and not are_probabilities(self.targets)

    def loss(self, answers: Tensor, rows: NDArray[np.int64]) -> Tensor:
        """How far the answers to the inputs at ``rows`` are from what they should be: a scalar."""
        if self.own_loss is not None:
            return self.own_loss(answers, rows)
        wanted = torch.from_numpy(self.targets[rows])
        if self.are_scores:
            return divergence(answers, wanted, self.options.temperature)
        return F.mse_loss(answers, wanted) / (float(self.targets.var()) or 1.0)


class _Loop:
    """Adam with a cosine schedule; the epoch with the lowest held-out loss is kept."""

    def __init__(self, student: QuantizedModule, task: _Task, options: FinetuneOptions) -> None:
        self.student, self.task, self.options = student, task, options
        self.batches = -(-len(task.rows) // options.batch_size)
        weights, scales = options.learning_rate, options.scale_rate
        groups = [
            {"params": [item.parameter], "peak": (scales if item.is_scale else weights) * item.size}
            for item in student.trainables(scales > 0)
        ]
        self.optimizer = torch.optim.Adam(groups, betas=(0.9, 0.99))

    def run(self) -> Finetuned:
        """All epochs, then the best of them."""
        history = [self._measure(0, None)]
        best = self._state()
        with progress("fine-tuning", self.options.epochs * self.batches) as bar:
            for number in range(1, self.options.epochs + 1):
                started = time.perf_counter()
                loss = self._epoch(number - 1, bar.update)
                history.append(self._measure(number, loss))
                if history[-1].held_out_loss <= min(epoch.held_out_loss for epoch in history):
                    best = self._state()
                say(self._line(history[-1], time.perf_counter() - started))
        self.student.load_state_dict(best)
        kept = min(reversed(history), key=lambda epoch: epoch.held_out_loss).epoch
        model, plan = self.student.read_out()
        return Finetuned(model, plan, tuple(history), kept, len(self.task.rows))

    def _epoch(self, number: int, show: Any) -> float:
        order = np.random.default_rng((self.options.seed, 1, number)).permutation(self.task.rows)
        total = 0.0
        for step, rows in enumerate(_parts(order, self.options.batch_size)):
            done = number * self.batches + step
            self._set_rate((done + 0.5) / (self.options.epochs * self.batches))
            self.optimizer.zero_grad(set_to_none=True)
            value = sum(self._gradient(part, len(rows)) for part in _parts(rows, self.task.at_once))
            if not math.isfinite(value):
                raise TrainingError("Fine-tuning diverged: the loss is no longer a number. Lower the learning rate.")
            self.optimizer.step()
            self.student.settle()
            total += value
            show(done + 1, f"epoch {number + 1}/{self.options.epochs} loss {value:.4f}")
        return total / self.batches

    def _gradient(self, rows: NDArray[np.int64], batch: int) -> float:
        """Add the gradient of a part of a batch; return its share of the loss."""
        loss = self.task.loss(self.student(_batch(self.task.inputs, rows))[0], rows) * (len(rows) / batch)
        loss.backward()  # type: ignore[no-untyped-call]
        return loss.item()

    def _set_rate(self, share: float) -> None:
        """Up in a line, then a cosine to zero (Loshchilov and Hutter 2017)."""
        cosine = 0.5 * (1 + math.cos(math.pi * (share - WARMUP_SHARE) / (1 - WARMUP_SHARE)))
        for group in self.optimizer.param_groups:
            group["lr"] = group["peak"] * (share / WARMUP_SHARE if share < WARMUP_SHARE else cosine)

    @torch.no_grad()
    def _measure(self, number: int, loss: float | None) -> Epoch:
        rows = self.task.held
        answers = _answers(self.student, self.task.inputs, rows, self.task.at_once)
        held_out = self.task.loss(torch.from_numpy(answers), rows).item()
        agreement = None
        if answers.ndim == 2 and answers.shape[1] > 1:
            agreement = float(np.mean(answers.argmax(1) == self.task.targets[rows].argmax(1)))
        return Epoch(number, loss, held_out, agreement)

    def _state(self) -> dict[str, Tensor]:
        return {name: value.clone() for name, value in self.student.state_dict().items()}

    def _line(self, epoch: Epoch, seconds: float) -> str:
        agreement = "" if epoch.agreement is None else f", agreement {epoch.agreement:.2%}"
        rate = len(self.task.rows) / seconds
        return (
            f"fine-tuning epoch {epoch.epoch}/{self.options.epochs}: loss {epoch.loss:.4f}, held out "
            f"{epoch.held_out_loss:.4f}{agreement}, {rate:,.0f} images/s"
        )


@torch.no_grad()
def _answers(module: GraphModule, inputs: RealInputs, rows: NDArray[np.int64], at_once: int) -> Scores:
    """The module's first output for the inputs at ``rows``, float32 [N, ...]."""
    parts = _parts(rows, min(at_once, EVALUATION_BATCH))
    module.eval()
    found: Scores = np.concatenate([module(_batch(inputs, part))[0].numpy() for part in parts])
    module.train()
    return found


def _at_once(model: ModelProto) -> int:
    """How many samples can be in work together."""
    shapes = ([dim.dim_value for dim in item.type.tensor_type.shape.dim] for item in model.graph.value_info)
    return max(1, MEMORY // (BYTES_A_VALUE * (1 + sum(map(math.prod, shapes)))))


def _parts(rows: NDArray[np.int64], size: int) -> list[NDArray[np.int64]]:
    """The rows in parts of nearly the same length, none longer than ``size``."""
    return np.array_split(rows, -(-len(rows) // size))


def _batch(inputs: RealInputs, rows: NDArray[np.int64]) -> Tensor:
    """The real inputs at ``rows``, [N, ...]."""
    (real,) = inputs.intake.real(inputs.split.images[inputs.indices[rows]])
    return torch.from_numpy(real)
