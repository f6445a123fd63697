"""What holds a process, a connection or a file until its ``with`` block ends."""

from __future__ import annotations

from typing import Self


class Closing:
    """Base of what has a ``close``, which the end of a ``with`` block calls."""

    def close(self) -> None:
        """Let go of what is held."""
        raise NotImplementedError

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()
