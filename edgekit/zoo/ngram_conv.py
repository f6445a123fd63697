"""Depthwise-separable convolutions along the words of a text, each the mean of its hashed n-grams."""

from __future__ import annotations

from torch import Tensor, nn

from edgekit.zoo.blocks import Network, Shortcut
from edgekit.zoo.ngram_bag import Mean, Table


class NgramConv(Network):
    """A table, ``depth`` blocks of a depthwise convolution over ``kernel`` words and a pointwise one, the maximum.

    Each block adds to what it reads; the first one makes ``channels`` of the table's ``width``, without that. The
    maximum over all words is what tells classes apart (Collobert et al. 2011).
    """

    def __init__(
        self,
        shape: tuple[int, int, int],
        classes: int,
        width: int = 16,
        channels: int = 64,
        depth: int = 2,
        kernel: int = 5,
        dropout: float = 0.0,
    ) -> None:
        blocks: list[nn.Module] = [_block(width, channels, kernel)]
        blocks += [Shortcut(*_block(channels, channels, kernel)) for _ in range(depth - 1)]
        words = nn.Sequential(Table(shape, width), Words(shape), Mean(2), InARow())
        top = (nn.AdaptiveMaxPool2d(1), nn.Flatten(), nn.Dropout(dropout))
        super().__init__(features=nn.Sequential(*words, *blocks, *top), head=nn.Linear(channels, classes))


def _block(inputs: int, outputs: int, kernel: int) -> nn.Sequential:
    """Over a row of words, without changing their number."""
    depthwise = nn.Conv2d(inputs, inputs, (1, kernel), padding=(0, kernel // 2), groups=inputs, bias=False)
    pointwise = nn.Conv2d(inputs, outputs, 1, bias=False)
    return nn.Sequential(depthwise, nn.BatchNorm2d(inputs), pointwise, nn.BatchNorm2d(outputs), nn.ReLU())


class Words(nn.Module):
    """Rows [N, words · ids of a word, width] as [N, words, ids of a word, width]."""

    def __init__(self, shape: tuple[int, int, int]) -> None:
        super().__init__()
        self.sizes = shape[:2]

    def forward(self, inputs: Tensor) -> Tensor:
        """The same values with the ids of each word apart."""
        return inputs.reshape(len(inputs), *self.sizes, inputs.shape[-1])


class InARow(nn.Module):
    """Words [N, words, width] as pictures [N, width, 1, words]."""

    def forward(self, inputs: Tensor) -> Tensor:
        """The same values, channels first."""
        return inputs.transpose(1, 2).unsqueeze(2)
