"""BERT (Devlin et al. 2019): a Transformer's encoder (Vaswani et al. 2017) over the pieces of a sentence."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from edgekit.errors import UnknownNameError
from edgekit.zoo.blocks import PADDING, Network, without_padding

NEVER = -1e4
"""The score of what must not be looked at; an infinite one would make a row of padding alone no number."""
EPS = 1e-12
POOLS = ("mean", "first")


class Bert(Network):
    """Encoder of width 384 and six layers, as MiniLM (Wang et al. 2020); it takes ids [N, L], of any L ≤ ``positions``.

    ``pool`` makes one vector of a sentence's: the ``mean`` of its pieces (Reimers and Gurevych 2019), or the ``first``,
    which is BERT's [CLS].
    """

    def __init__(
        self,
        shape: tuple[int, ...],
        classes: int,
        width: int = 384,
        layers: int = 6,
        heads: int = 12,
        hidden: int = 1536,
        positions: int = 512,
        dropout: float = 0.1,
        pool: str = "mean",
    ) -> None:
        embeddings = Embeddings(shape[-1], positions, width, dropout)
        encoder = Encoder(embeddings, *(Layer(width, heads, hidden, dropout) for _ in range(layers)), pool=pool)
        super().__init__(features=encoder, head=nn.Linear(width, classes))

    @staticmethod
    def published(name: str) -> str:
        """What the checkpoints of BERT's authors call the parameter ``name`` of ``features``."""
        number, part = name.split(".", 1)
        module, kind = part.rsplit(".", 1)
        place = f"encoder.layer.{int(number) - 1}." if int(number) else "embeddings."
        return f"{place}{PUBLISHED[module]}.{kind}"


PUBLISHED = {
    "words": "word_embeddings",
    "positions": "position_embeddings",
    "types": "token_type_embeddings",
    "norm": "LayerNorm",
    "attention.query": "attention.self.query",
    "attention.key": "attention.self.key",
    "attention.value": "attention.self.value",
    "attention.output": "attention.output.dense",
    "attention_norm": "attention.output.LayerNorm",
    "wide": "intermediate.dense",
    "narrow": "output.dense",
    "narrow_norm": "output.LayerNorm",
}


class Encoder(nn.Sequential):
    """Embeddings and layers, one after the other: ids int [N, L] to features [N, width]."""

    def __init__(self, *parts: nn.Module, pool: str) -> None:
        super().__init__(*parts)
        if pool not in POOLS:
            raise UnknownNameError("pool", pool, POOLS)
        self.pool = pool

    def extra_repr(self) -> str:
        """What no part of it says."""
        return self.pool

    def forward(self, ids: Tensor) -> Tensor:
        """What a sentence's pieces become in the last layer, as one vector; padding changes nothing."""
        embeddings, *layers = self
        ids = without_padding(ids)
        is_piece = ids != PADDING
        states: Tensor = embeddings(ids)
        for layer in layers:
            states = layer(states, is_piece)
        if self.pool == "first":
            return states[:, 0]
        weights = is_piece.unsqueeze(2).to(states.dtype)
        return (states * weights).sum(1) / weights.sum(1).clamp(min=1)


class Embeddings(nn.Module):
    """The sum of what a piece, its position and its sentence's type are; here all are of the first sentence."""

    def __init__(self, vocabulary: int, positions: int, width: int, dropout: float) -> None:
        super().__init__()
        self.words = nn.Embedding(vocabulary, width)
        self.positions = nn.Embedding(positions, width)
        self.types = nn.Embedding(2, width)
        self.norm = nn.LayerNorm(width, EPS)
        self.dropout = nn.Dropout(dropout)

    def forward(self, ids: Tensor) -> Tensor:
        """States [N, L, width] of ids [N, L]."""
        states = self.words(ids) + self.positions.weight[: ids.shape[1]] + self.types.weight[0]
        normal: Tensor = self.dropout(self.norm(states))
        return normal


class Layer(nn.Module):
    """Attention and two linear layers, each added to what it takes and normalised after it (post-norm)."""

    def __init__(self, width: int, heads: int, hidden: int, dropout: float) -> None:
        super().__init__()
        self.attention = Attention(width, heads, dropout)
        self.attention_norm = nn.LayerNorm(width, EPS)
        self.wide, self.narrow = nn.Linear(width, hidden), nn.Linear(hidden, width)
        self.narrow_norm = nn.LayerNorm(width, EPS)
        self.dropout = nn.Dropout(dropout)

    def forward(self, states: Tensor, is_piece: Tensor) -> Tensor:
        """States [N, L, width], of such states and which of them stand for pieces, bool [N, L]."""
        states = self.attention_norm(states + self.dropout(self.attention(states, is_piece)))
        normal: Tensor = self.narrow_norm(states + self.dropout(self.narrow(F.gelu(self.wide(states)))))
        return normal


class Attention(nn.Module):
    """Each piece takes a mean of all pieces' values, weighed by how its query goes with their keys, in each head."""

    def __init__(self, width: int, heads: int, dropout: float) -> None:
        super().__init__()
        self.heads, self.dropout = heads, nn.Dropout(dropout)
        self.query, self.key, self.value = (nn.Linear(width, width) for _ in range(3))
        self.output = nn.Linear(width, width)

    def forward(self, states: Tensor, is_piece: Tensor) -> Tensor:
        """States [N, L, width], of such states and which of them stand for pieces, bool [N, L]."""
        query, key, value = (self._divided(part(states)) for part in (self.query, self.key, self.value))
        scores = query @ key.transpose(2, 3) / query.shape[-1] ** 0.5
        scores = scores + (~is_piece[:, None, None]).to(scores.dtype) * NEVER
        attended = self.dropout(torch.softmax(scores, 3)) @ value
        result: Tensor = self.output(attended.transpose(1, 2).flatten(2))
        return result

    def _divided(self, states: Tensor) -> Tensor:
        """[N, L, width] to [N, heads, L, width / heads]."""
        return states.reshape(*states.shape[:2], self.heads, -1).transpose(1, 2)
