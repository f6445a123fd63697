"""Channels of a network that only go together, what each is worth, and which to take out for a number of bytes.

A channel that one layer makes is read by the next; where layers are added, or work channel by channel, theirs are one.
torch-pruning finds these groups by tracing (Fang et al. 2023, "DepGraph: Towards Any Structural Pruning").

A channel is worth how far the logits move, to first order, if all layers that read it read zeros: the square of the
derivative by one mask for the whole group, averaged over images. That is Liu et al. 2021, "Group Fisher Pruning", with
the logits in place of a loss, so that no labels are needed, and a network that knows its images by heart is judged too.

Such a slope says little of many channels together: those that stay take over what the others did. So a group of
channels loses the logarithm of the share of its worth that it keeps, times how far it moves the logits as a whole.
Channels go in blocks, each time the block that costs least for each byte that it saves now.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from edgekit.errors import UsageError
from edgekit.runtimes.refusal import first_line

BLOCK = 8
"""Layers keep a multiple of it: XNNPACK computes eight channels at once."""
CHANNEL_BYTES = 12
"""Of a channel in an int8 file beside its weights: a bias, its scale, and that of the weights."""
ZERO_POINT_BYTES = 8
"""Of a channel too, but written once for all convolutions of as many channels: equal widths save bytes."""
LEAST_WORTH = 1e-30
"""Of channels that nobody hears, so that shares are numbers."""
IMAGES_AT_ONCE = 16

Worth = list[NDArray[np.float64]]
"""Of each channel [count] of each group."""


@dataclass(frozen=True)
class _Use:
    """A layer that makes or reads channels of a group: at its ``places`` [n], those ``of`` [n] the group."""

    layer: nn.Conv2d | nn.Linear
    makes: bool
    places: Tensor
    of: Tensor


@dataclass(frozen=True)
class _Group:
    """``count`` channels that go together, and all convolutions and fully-connected layers that make or read them."""

    root: Any
    cut: Any
    count: int
    uses: tuple[_Use, ...]


class Channels:
    """The channels of a network, which is cut in place. Its own outputs are not among them.

    Args:
        network: takes real inputs [N, C, H, W], returns logits [N, classes].
        image: a real input [1, C, H, W].
        weight_bytes: of each weight in the int8 file.

    Raises:
        UsageError: torch-pruning cannot follow the network.
    """

    def __init__(self, network: nn.Module, image: Tensor, weight_bytes: float = 1.0) -> None:
        import torch_pruning

        self.network, self._image = network.eval().requires_grad_(True), image
        self.weight_bytes = weight_bytes
        with self._followed():
            self._graph = torch_pruning.DependencyGraph().build_dependency(network, image, verbose=False)
            found = [self._group(group) for group in self._graph.get_all_groups()]
        self.groups = [group for group in found if group is not None]
        self._layers = [item for item in network.modules() if isinstance(item, nn.Conv2d | nn.Linear)]
        self._is_conv = [isinstance(layer, nn.Conv2d) for layer in self._layers]
        self._count_uses()

    def worth(self, images: Tensor, seed: int) -> Worth:
        """What each channel is worth, by real inputs [N, C, H, W]; the random directions of the logits are seeded."""
        with self._followed():
            shares = self._shares(images, seed)
            found = []
            for group in self.groups:
                moved = torch.zeros(len(images), group.count)
                for use in (use for use in group.uses if not use.makes):
                    moved.index_add_(1, use.of, shares[use.layer][:, use.places])
                found.append(moved.double().square().mean(0).numpy())
            return found

    def _shares(self, images: Tensor, seed: int) -> dict[nn.Module, Tensor]:
        """Of each layer [N, C]: how far its inputs, each times its slope, move the logits in a random direction."""
        shares: dict[nn.Module, list[Tensor]] = {layer: [] for layer in self._layers}
        calls: dict[nn.Module, list[Tensor]] = {layer: [] for layer in self._layers}
        hooks = [layer.register_forward_pre_hook(_recorder(calls[layer])) for layer in self._layers]
        generator = torch.Generator().manual_seed(seed)
        try:
            for start in range(0, len(images), IMAGES_AT_ONCE):
                logits = self.network.eval()(images[start : start + IMAGES_AT_ONCE].requires_grad_())
                directions = torch.randint(0, 2, logits.shape, generator=generator) * 2.0 - 1
                # What is added to all logits alike moves no answer.
                (logits * (directions - directions.mean(1, keepdim=True))).sum().backward()
                for layer, parts in calls.items():
                    if parts:  # more than one where a network looks twice, as at a mirror image
                        shares[layer].append(torch.stack(parts).sum(0))
                        parts.clear()
        finally:
            for hook in hooks:
                hook.remove()
            self.network.zero_grad(set_to_none=True)
        return {layer: torch.cat(parts) for layer, parts in shares.items() if parts}

    def bytes(self, counts: NDArray[np.int64]) -> NDArray[np.float64]:
        """Bytes of the int8 file that depend on channels, [...], for ``counts`` [..., groups] of them."""
        made, read = counts @ self._made.T + self._made_rest, counts @ self._read.T + self._read_rest
        total: NDArray[np.float64] = (made * (read * self._taps * self.weight_bytes + CHANNEL_BYTES)).sum(-1)
        widths = made[..., self._is_conv].reshape(-1, sum(self._is_conv))
        total += np.array([ZERO_POINT_BYTES * np.unique(row).sum() for row in widths]).reshape(total.shape)
        return total

    @property
    def counts(self) -> NDArray[np.int64]:
        """How many channels each group has."""
        return np.array([group.count for group in self.groups], np.int64)

    @property
    def least(self) -> NDArray[np.int64]:
        """How many channels each group keeps at least."""
        return np.minimum(self.counts, BLOCK)

    def kept(self, worth: Worth, budget: float) -> NDArray[np.int64]:
        """How many channels of each group to keep for at most ``budget`` of ``bytes``; ``least`` if that is too few.

        Blocks go until the rest fits; then those come back that still find room.
        """
        values = [_value(found) for found in worth]
        counts = self.counts
        while self.bytes(counts) > budget and (counts > self.least).any():
            counts = self._exchanged(values, counts, np.maximum((counts - 1) // BLOCK * BLOCK, self.least), math.inf)
        while True:
            grown = self._exchanged(values, counts, np.minimum((counts // BLOCK + 1) * BLOCK, self.counts), budget)
            if (grown == counts).all():
                return counts
            counts = grown

    def _exchanged(
        self, values: Worth, counts: NDArray[np.int64], others: NDArray[np.int64], budget: float
    ) -> NDArray[np.int64]:
        """``counts`` with one of ``others`` in place of its own: the cheapest loss, or the best gain, for a byte."""
        tried = np.where(np.eye(len(counts), dtype=bool), others, counts)
        sizes = self.bytes(tried)
        usable = (others != counts) & (sizes <= budget)
        if not usable.any():
            return counts
        changes = [value[other] - value[own] for value, own, other in zip(values, counts, others, strict=True)]
        prices = np.array(changes)[usable] / np.abs(sizes - self.bytes(counts))[usable]
        found: NDArray[np.int64] = tried[usable][int(np.argmax(prices))]
        return found

    def cut(self, worth: Worth, counts: NDArray[np.int64]) -> None:
        """Leave the ``counts`` [groups] channels that are worth most. Channels are to be found anew afterwards.

        Raises:
            UsageError: what is left computes nothing: the network does more with channels than tracing shows.
        """
        with self._followed():
            for group, values, count in zip(self.groups, worth, counts, strict=True):
                gone = np.sort(np.argsort(values, kind="stable")[: group.count - count]).tolist()
                if gone:
                    self._graph.get_pruning_group(group.root, group.cut, gone).prune()
            self.network(self._image)
        self.network.zero_grad(set_to_none=True)

    @contextmanager
    def _followed(self) -> Iterator[None]:
        try:
            yield
        except Exception as exc:  # the library, and the user's own code, raise what they like
            raise UsageError(
                f"Channels of {type(self.network).__name__} cannot be followed ({first_line(exc)}); shrink a network "
                "of convolutions and fully-connected layers, and distill others into a student."
            ) from exc

    def _group(self, group: Any) -> _Group | None:
        """None for what cannot be cut: the network's outputs, which no layer reads, and grouped convolutions."""
        uses = []
        for item in group:
            layer, places, of = item.dep.target.module, item.idxs, item.root_idxs
            if not isinstance(layer, nn.Conv2d | nn.Linear):
                continue
            if isinstance(layer, nn.Conv2d) and layer.groups > 1 and not _is_depthwise(layer):
                return None
            makes = _is_depthwise(layer) or self._graph.is_out_channel_pruning_fn(item.dep.handler)
            uses.append(_Use(layer, makes, torch.tensor(places), torch.tensor(of)))
        first = group[0]
        is_read = any(not use.makes for use in uses)
        return _Group(first.dep.target.module, first.dep.handler, len(first.idxs), tuple(uses)) if is_read else None

    def _count_uses(self) -> None:
        """Of each layer: how many channels it makes and reads for one of a group, and besides; its taps for each."""
        rows = {layer: place for place, layer in enumerate(self._layers)}
        self._made, self._read = np.zeros((2, len(rows), len(self.groups)))
        for column, group in enumerate(self.groups):
            for use in group.uses:
                table = self._made if use.makes else self._read
                table[rows[use.layer], column] += len(use.places) / group.count
        weights = [layer.weight for layer in self._layers]
        self._made_rest = np.array([len(weight) for weight in weights]) - self._made @ self.counts
        self._read_rest = np.array([weight.shape[1] for weight in weights]) - self._read @ self.counts
        self._taps = np.array([weight[0, 0].numel() for weight in weights])


def _value(worth: NDArray[np.float64]) -> NDArray[np.float64]:
    """What a group has of its best 0, 1, ... all channels [count + 1]; minus infinity of none."""
    kept = np.concatenate(([0.0], np.cumsum(np.sort(np.maximum(worth, LEAST_WORTH))[::-1])))
    with np.errstate(divide="ignore"):
        value: NDArray[np.float64] = np.sqrt(kept[-1]) * np.log(kept / kept[-1])
    return value


def _is_depthwise(layer: nn.Module) -> bool:
    return isinstance(layer, nn.Conv2d) and 1 < layer.groups == layer.in_channels == layer.out_channels


def _recorder(into: list[Tensor]) -> Any:
    """A hook that appends [N, C]: input times its derivative, summed over all places of a channel."""

    def record(layer: nn.Module, inputs: tuple[Tensor, ...]) -> None:
        value = inputs[0]
        channel = 1 if isinstance(layer, nn.Conv2d) else value.ndim - 1
        others = tuple(axis for axis in range(1, value.ndim) if axis != channel)

        def add(slope: Tensor) -> None:
            product = value.detach() * slope
            into.append(product.sum(others) if others else product)

        value.register_hook(add)  # type: ignore[no-untyped-call]

    return record
