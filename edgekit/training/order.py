"""The order in memory in which a network is given pictures: channels last, in which convolutions are fastest.

A network that calls ``view`` on a picture, as many do before their first linear layer, cannot have it so.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn


def in_fastest_order(network: nn.Module, example: Tensor) -> nn.Module:
    """The network itself, with its filters channels last; or one that puts what it is given into rows first.

    ``example`` is a picture [1, C, H, W]; what it takes of other samples has one order.
    """
    if example.ndim != 4:
        return network
    training = network.training
    try:
        with torch.inference_mode():
            network.eval()(channels_last(example))
    except RuntimeError:
        if in_rows_first not in network._forward_pre_hooks.values():
            network.register_forward_pre_hook(in_rows_first)
        return network
    finally:
        network.train(training)
    return network.to(memory_format=torch.channels_last)  # type: ignore[call-overload, no-any-return]


def channels_last(pictures: Tensor) -> Tensor:
    """Pictures [N, C, H, W] with the channels of a pixel beside one another."""
    return pictures.clone(memory_format=torch.channels_last)


def in_rows(pictures: Tensor) -> Tensor:
    """Pictures [N, C, H, W] in rows, also of one channel, whose order torch would otherwise take for another one."""
    return pictures.clone(memory_format=torch.contiguous_format)


def in_rows_first(network: nn.Module, given: tuple[Any, ...]) -> tuple[Any, ...]:
    """What torch calls before ``forward``."""
    return tuple(map(in_rows, given))
