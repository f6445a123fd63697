"""How samples are read: the options that all commands with ``--data`` share."""

from __future__ import annotations

from dataclasses import dataclass

from edgekit.options import Options, option


@dataclass(frozen=True)
class Reading(Options):
    """What is done about samples that cannot be used, and where a table has texts and labels."""

    skip_broken: bool = option("Leave out photos that cannot be read and empty texts, and list them.", False)
    text_column: str = option("A table's column of texts.", "", unset="by the usual names", metavar="NAME")
    label_column: str = option("A table's column of labels.", "", unset="by the usual names", metavar="NAME")


STRICT = Reading()
"""A broken sample is an error."""
