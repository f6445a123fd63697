"""The head of a network in seconds: logistic regression on the features of a frozen backbone.

Softmax regression with an L2 penalty is convex, so L-BFGS (Liu and Nocedal 1989) finds its one minimum. The penalty
acts on features of unit variance; its strength is chosen by the validation loss, from strong to weak, each fit
beginning where the one before it ended.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from edgekit.data.dataset import Labels
from edgekit.training.tuning.features import Features

if TYPE_CHECKING:
    from torch import Tensor, nn

STRENGTHS = (3.0, 1.0, 0.3, 0.1, 0.03, 0.01, 0.003, 0.001, 0.0003, 0.0001)
STEPS = 100
"""Of L-BFGS for each strength, at most."""
FLAT = 1e-7
"""A step that changes no more ends the search."""
SMALLEST_DEVIATION = 1e-3
"""A feature that is nearly the same in all photos is not blown up."""


@dataclass(frozen=True)
class Head:
    """A linear layer: ``weight`` float32 [classes, D], ``bias`` float32 [classes], and how it was chosen."""

    weight: NDArray[np.float32]
    bias: NDArray[np.float32]
    strength: float
    validation_loss: float
    validation_accuracy: float

    def fill(self, layer: nn.Linear) -> None:
        """Put it into a network."""
        import torch

        layer.load_state_dict({"weight": torch.from_numpy(self.weight), "bias": torch.from_numpy(self.bias)})


def find_head(
    training: tuple[Features, Labels], validation: tuple[Features, Labels], class_weights: NDArray[np.float32]
) -> Head:
    """The head of the smallest validation loss.

    Args:
        training: features [N, D] and their labels [N].
        validation: the same of other images.
        class_weights: float32 [classes], what an image of each class counts in the training.
    """
    import torch
    from torch.nn import functional as F

    inputs, labels = (torch.from_numpy(array) for array in (training[0].astype(np.float32), training[1]))
    seen, truth = (torch.from_numpy(array) for array in (validation[0].astype(np.float32), validation[1]))
    weights, deviation = torch.from_numpy(class_weights), inputs.std(0).clamp_min(SMALLEST_DEVIATION)
    centre = inputs.mean(0) / deviation
    slope = torch.zeros(len(weights), inputs.shape[1], requires_grad=True)
    level = torch.zeros(len(weights), requires_grad=True)

    def logits(images: Tensor) -> Tensor:
        """Of features of unit variance and mean zero, without a copy of all features."""
        return F.linear(images, slope / deviation, level - slope @ centre)

    best: Head | None = None
    for strength in STRENGTHS:
        optimizer = torch.optim.LBFGS(
            (slope, level), max_iter=STEPS, tolerance_change=FLAT, line_search_fn="strong_wolfe"
        )

        def penalized(optimizer: torch.optim.LBFGS = optimizer, strength: float = strength) -> Tensor:
            optimizer.zero_grad()
            loss = F.cross_entropy(logits(inputs), labels, weights) + strength / 2 * slope.square().sum()
            loss.backward()  # type: ignore[no-untyped-call]
            return loss

        optimizer.step(penalized)  # type: ignore[no-untyped-call]
        with torch.no_grad():
            answers = logits(seen)
            loss = float(F.cross_entropy(answers, truth))
            if best is not None and loss > best.validation_loss:
                break
            accuracy = float((answers.argmax(1) == truth).float().mean())
            layer = ((slope / deviation).numpy(), (level - slope @ centre).numpy())
            best = Head(*layer, strength, loss, accuracy)
    assert best is not None
    return best
