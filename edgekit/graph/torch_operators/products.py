"""Matrix products, reductions along axes and normalisations."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional as F

from edgekit.graph.torch_operators.call import Call, Operator

Reduction = Callable[[Tensor, tuple[int, ...], bool], Tensor]

_REDUCTIONS: dict[str, Reduction] = {
    "ReduceMean": lambda x, axes, keep: x.mean(axes, keep),
    "ReduceSum": lambda x, axes, keep: x.sum(axes, keep),
    "ReduceMax": lambda x, axes, keep: x.amax(axes, keep),
    "ReduceMin": lambda x, axes, keep: x.amin(axes, keep),
    "ReduceL1": lambda x, axes, keep: x.abs().sum(axes, keep),
    "ReduceL2": lambda x, axes, keep: x.square().sum(axes, keep).sqrt(),
    "ReduceSumSquare": lambda x, axes, keep: x.square().sum(axes, keep),
    "ReduceLogSum": lambda x, axes, keep: x.sum(axes, keep).log(),
    "ReduceProd": lambda x, axes, keep: _product(x, axes, keep),
    "ReduceLogSumExp": lambda x, axes, keep: x.logsumexp(axes, keep),
}


def _product(x: Tensor, axes: tuple[int, ...], keep: bool) -> Tensor:
    for axis in sorted((axis % x.ndim for axis in axes), reverse=True):
        x = x.prod(axis, keep)
    return x


def gemm(call: Call) -> Tensor:
    """Gemm: ``alpha · A · B + beta · C``, each of A and B transposed where the node says so."""
    left = call.x.T if call.get("transA", 0) else call.x
    right = call.input(1).T if call.get("transB", 0) else call.input(1)
    product, bias = left @ right, call.optional(2)
    alpha, beta = call.get("alpha", 1.0), call.get("beta", 1.0)
    product = product if alpha == 1 else alpha * product
    return product if bias is None else product + (bias if beta == 1 else beta * bias)


def batch_normalization(call: Call) -> Tensor:
    """BatchNormalization with the statistics that it was trained to."""
    if call.get("training_mode", 0):
        raise call.unsupported("it is in training mode")
    scale, shift, mean, variance = (call.input(position) for position in range(1, 5))
    return F.batch_norm(call.x, mean, variance, scale, shift, eps=call.get("epsilon", 1e-5))


def instance_normalization(call: Call) -> Tensor:
    """InstanceNormalization."""
    return F.instance_norm(call.x, weight=call.input(1), bias=call.input(2), eps=call.get("epsilon", 1e-5))


def layer_normalization(call: Call) -> Tensor:
    """LayerNormalization over the axes from ``axis`` on, without the statistics as outputs."""
    if call.outputs > 1:
        raise call.unsupported("its mean and deviation are read too")
    shape = call.x.shape[call.get("axis", -1) % call.x.ndim :]
    normal = F.layer_norm(call.x, shape, eps=call.get("epsilon", 1e-5)) * call.input(1)
    bias = call.optional(2)
    return normal if bias is None else normal + bias


def local_response_normalization(call: Call) -> Tensor:
    """LRN over an odd number of channels."""
    size = call.attributes["size"]
    if size % 2 == 0:
        raise call.unsupported(f"its size {size} is even")
    return F.local_response_norm(call.x, size, call.get("alpha", 1e-4), call.get("beta", 0.75), call.get("bias", 1.0))


def argument(call: Call) -> Tensor:
    """ArgMax and ArgMin."""
    if call.get("select_last_index", 0):
        raise call.unsupported("it asks for the last of several equal values")
    find = torch.argmax if call.op_type == "ArgMax" else torch.argmin
    return find(call.x, dim=call.get("axis", 0), keepdim=bool(call.get("keepdims", 1)))


def _reduction(reduce: Reduction) -> Operator:
    def operator(call: Call) -> Tensor:
        axes = call.numbers("axes", 1)
        if not axes and call.get("noop_with_empty_axes", 0):
            return call.x
        return reduce(call.x, tuple(axes or range(call.x.ndim)), bool(call.get("keepdims", 1)))

    return operator


PRODUCTS: dict[str, Operator] = {
    **{name: _reduction(reduce) for name, reduce in _REDUCTIONS.items()},
    "ArgMax": argument,
    "ArgMin": argument,
    "BatchNormalization": batch_normalization,
    "Einsum": lambda call: torch.einsum(call.attributes["equation"], *call.all()),
    "Gemm": gemm,
    "InstanceNormalization": instance_normalization,
    "LRN": local_response_normalization,
    "LayerNormalization": layer_normalization,
    "LogSoftmax": lambda call: torch.log_softmax(call.x, call.get("axis", -1)),
    "LpNormalization": lambda call: call.x / call.x.norm(call.get("p", 2), call.get("axis", -1), keepdim=True),
    "MatMul": lambda call: call.x @ call.input(1),
    "Softmax": lambda call: torch.softmax(call.x, call.get("axis", -1)),
}
