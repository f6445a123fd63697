"""Losses, one file each, found by name and summed by weight: what a step of training makes smaller.

Each file has a function ``loss(logits, labels, answers, recipe)``, whose further arguments are numbers with defaults;
or ``around(loss)``, which makes a loss of another. A loss whose first argument is called ``features`` gets those of the
student [N, D] there, and the teacher's as ``answers``. A text says which are meant: ``0.1*cross_entropy + 0.9*kd``,
``cross_entropy + dkd(beta=2)``, ``0.1*cross_entropy + 9*standardized(kd)``, ``0.1*cross_entropy + 0.9*kd + 2*hint``.
"""

from __future__ import annotations

import ast
import inspect
import math
from collections.abc import Callable, Iterator
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from edgekit.errors import UnknownNameError, UsageError
from edgekit.recipe import TrainRecipe

if TYPE_CHECKING:
    from torch import Tensor

Loss = Callable[..., "Tensor"]
"""(logits float32 [N, classes], labels, the teacher's answers float32 [N, classes], the recipe) -> a scalar with a
gradient. Labels are int64 [N], or float32 [N, classes], the classes' shares of mixed pictures.
A function of the user's own is also asked where there is no teacher: then the answers are None."""


def losses() -> tuple[str, ...]:
    """The names of all losses, sorted."""
    return tuple(sorted(path.stem for path in Path(__file__).parent.glob("[a-z]*.py")))


def find_loss(text: str, classes: int | None = None) -> Loss:
    """The sum of losses that a text says; where there is no teacher the labels' cross-entropy alone.

    ``classes`` is how many columns of what the loss is given are logits, where features follow them.

    Raises:
        UnknownNameError: a loss, or an argument of one, is not known.
        UsageError: the text is no sum of losses, or none that a head learns by.
    """
    terms = _parsed(text)
    if all(_is_of_features(term) for _, term in terms):
        raise UsageError(f"Nothing in the loss '{text}' teaches the student's head; add to it, as in kd + 2*hint.")

    seen = [slice(classes, None) if _is_of_features(term) else slice(classes) for _, term in terms]

    def total(logits: Tensor, labels: Tensor, answers: Tensor | None, recipe: TrainRecipe) -> Tensor:
        if answers is None:
            return cast("Tensor", _member("cross_entropy", "loss")(logits, labels, None, recipe))
        values = [
            weight * term(logits[:, columns], labels, answers[:, columns], recipe)
            for (weight, term), columns in zip(terms, seen, strict=True)
        ]
        return sum(values[1:], start=values[0])

    return total


def needs_features(text: str) -> bool:
    """Whether a sum of losses compares features of the student and its teacher. Errors as above."""
    return any(_is_of_features(term) for _, term in _parsed(text))


def needs_answers(text: str) -> bool:
    """Whether a sum of losses looks at a teacher's answers, and not at labels alone. Errors as above."""
    return any(term is not _member("cross_entropy", "loss") for _, term in _parsed(text))


def _parsed(text: str) -> list[tuple[float, Loss]]:
    try:
        return [(weight, _loss(term, text)) for weight, term in _terms(ast.parse(text.strip(), mode="eval").body)]
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        raise _unreadable(text) from None


def _is_of_features(term: Loss) -> bool:
    return next(iter(inspect.signature(term).parameters)) == "features"


def _terms(node: ast.expr) -> Iterator[tuple[float, ast.expr]]:
    """The summands with their weights."""
    match node:
        case ast.BinOp(left, ast.Add(), right):
            yield from _terms(left)
            yield from _terms(right)
        case ast.BinOp(ast.Constant(weight), ast.Mult(), term):
            yield _number(weight), term
        case _:
            yield 1.0, node


def _loss(node: ast.expr, text: str) -> Any:
    match node:
        case ast.Name(name):
            return _member(name, "loss")
        case ast.Call(ast.Name(name), [], arguments):
            found = _member(name, "loss")
            known = {key for key, item in inspect.signature(found).parameters.items() if item.kind is item.KEYWORD_ONLY}
            for argument in arguments:
                if argument.arg not in known:
                    raise UnknownNameError(f"argument of the loss {name}", str(argument.arg), known)
            return partial(found, **{str(item.arg): _number(ast.literal_eval(item.value)) for item in arguments})
        case ast.Call(ast.Name(name), [inner], []):
            around, loss = _member(name, "around"), _loss(inner, text)
            if _is_of_features(loss):
                raise UsageError(f"The loss {name} is about logits; write what compares features beside it.")
            return around(loss)
        case _:
            raise _unreadable(text)


def _member(name: str, function: str) -> Any:
    """A function of the file ``name``: ``loss``, or ``around`` where it is given a loss."""
    if name not in losses():
        raise UnknownNameError("loss", name, losses())
    found = getattr(import_module(f"{__name__}.{name}"), function, None)
    if found is None:
        takes = "is made of another: write" if function == "loss" else "takes no other: leave out"
        raise UsageError(f"The loss {name} {takes} {name}(kd).")
    return found


def _number(value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < math.inf:
        raise ValueError
    return value


def _unreadable(text: str) -> UsageError:
    return UsageError(
        f"The loss '{text}' cannot be read; write names of losses with weights, as in 0.1*cross_entropy + 0.9*kd."
    )
