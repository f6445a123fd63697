"""The two kinds of contract; what a file describes is told by ``described``.

Both say the same of a sample. ``read`` makes a row of its bytes, and rows are what a data source holds; ``real`` makes
of rows what a network was trained on, ``encode`` what a file's input tensor takes. ``shape`` is what a network is
built for, ``blank`` are rows of a sample that shows nothing, ``plain`` is what decides the rows, ``sized_as`` that for
another model of the same samples, and INPUT what the input is called in files. Apps take ``given``, a word of a command
line, or ``received``, a body of HTTP, to ``tensor``, and call a sample CALLED.
"""

from __future__ import annotations

from typing import Union

from .contract import InputContract
from .text import TextContract

Contract = Union[InputContract, TextContract]
