"""One fully-connected layer: the floor that every other student must beat."""

from __future__ import annotations

import math

from torch import nn

from edgekit.zoo.blocks import Network


class MnistLinear(Network):
    """Logits are a linear function of the pixels."""

    def __init__(self, shape: tuple[int, int, int], classes: int) -> None:
        super().__init__(flatten=nn.Flatten(), head=nn.Linear(math.prod(shape), classes))
