"""English without labels: adjectives, adverbs and verbs of WordNet with their definitions and examples, as a table.

    python benchmarks/text/glosses.py TEXTS

WordNet 3.0 (Fellbaum 1998) is Debian's package wordnet-base.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
from pyarrow import parquet

WORDNET = Path("/usr/share/wordnet")
MARKER = re.compile(r"\((a|p|ip)\)$")
"""Where in a sentence an adjective stands."""


def texts(part: str) -> Iterator[str]:
    """The words of a part of speech, their examples, and but for verbs their definitions."""
    for line in (WORDNET / f"data.{part}").read_text(encoding="utf-8", errors="replace").splitlines():
        if line.startswith("  "):  # the licence
            continue
        synset, _, gloss = line.partition("|")
        fields = synset.split()
        yield from (MARKER.sub("", fields[4 + 2 * index]).replace("_", " ") for index in range(int(fields[3], 16)))
        yield from re.findall(r'"([^"]+)"', gloss)
        if part != "verb":
            yield from re.sub(r'"[^"]*"|\([^)]*\)', "", gloss).split(";")


def main(folder: Path) -> None:
    """Write each text once."""
    found = {text.strip(" ;:").lower() for part in ("adj", "adv", "verb") for text in texts(part)} - {""}
    folder.mkdir(parents=True, exist_ok=True)
    parquet.write_table(pa.table({"sentence": sorted(found)}), folder / "train.parquet")
    print(f"{len(found):,} texts in {folder}")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
