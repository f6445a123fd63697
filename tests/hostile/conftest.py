from __future__ import annotations

from collections.abc import Iterator

import pytest
from rehearsal import Rehearsal

from edgekit.sandbox import Limits


@pytest.fixture(scope="session")
def rehearse() -> Iterator[Rehearsal]:
    """Opens and runs a file in a worker process with 2 GiB and half a minute."""
    rehearsal = Rehearsal(Limits(seconds=30, memory_bytes=2 << 30))
    yield rehearsal
    rehearsal.close()
