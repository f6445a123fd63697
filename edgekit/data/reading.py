"""How photos are read: the options that all commands with ``--data`` share."""

from __future__ import annotations

from dataclasses import dataclass

from edgekit.options import Options, option


@dataclass(frozen=True)
class Reading(Options):
    """What is done about photos that cannot be used."""

    skip_broken: bool = option("Leave out photos that cannot be read, and list them.", False)


STRICT = Reading()
"""A broken photo is an error."""
