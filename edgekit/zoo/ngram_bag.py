"""A bag of hashed n-grams: a table, a mean, and little behind it."""

from __future__ import annotations

from torch import Tensor, nn

from edgekit.zoo.blocks import Network


class NgramBag(Network):
    """The mean of all ids' rows of a table (Joulin et al. 2017), ``hidden`` features of it, and a linear layer.

    Without ``hidden`` the classes are a linear function of the mean. ``dropout`` is of the features.
    """

    def __init__(
        self, shape: tuple[int, int, int], classes: int, width: int = 16, hidden: int = 0, dropout: float = 0.0
    ) -> None:
        layers: list[nn.Module] = [Table(shape, width), Mean(1)]
        if hidden:
            layers += [nn.Linear(width, hidden), nn.ReLU()]
        super().__init__(features=nn.Sequential(*layers, nn.Dropout(dropout)), head=nn.Linear(hidden or width, classes))


class Table(nn.Embedding):
    """Ids int [N, words · ids of a word] to their rows [N, words · ids of a word, width]; that of the id 0 is zeros."""

    def __init__(self, shape: tuple[int, int, int], width: int) -> None:
        super().__init__(shape[-1], width, padding_idx=0)
        nn.init.normal_(self.weight[1:], std=0.1)


class Mean(nn.Module):
    """The mean along an axis."""

    def __init__(self, axis: int) -> None:
        super().__init__()
        self.axis = axis

    def forward(self, inputs: Tensor) -> Tensor:
        """One axis less than ``inputs``."""
        return inputs.mean(self.axis)
