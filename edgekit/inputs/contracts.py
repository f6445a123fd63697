"""The two kinds of contract, of pictures and of text, and the one place that tells which a description is."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Union

from .contract import InputContract
from .text import TextContract

Contract = Union[InputContract, TextContract]


def read_contract(values: Mapping[str, Any]) -> Contract:
    """Read what ``to_dict`` or ``describe`` of either made, also after JSON.

    Raises:
        InputError: the values are impossible.
        KeyError, TypeError, ValueError: a key is missing, unknown or of the wrong type.
    """
    return TextContract.from_dict(values) if "tokenizer" in values else InputContract.from_dict(values)
