"""The two kinds of contract; what a file describes is told by ``described``."""

from __future__ import annotations

from typing import Union

from .contract import InputContract
from .text import TextContract

Contract = Union[InputContract, TextContract]
