"""What the shipped files of mnist-tiny cost on this machine: latency, memory, tensor arena."""

from __future__ import annotations

from record import record

from edgekit.profiling.profile import profile
from edgekit.profiling.records import ProfileOptions


def main() -> None:
    result = profile(ProfileOptions(("mnist-tiny",), seconds=3.0, turns=False)).to_dict()
    for model in result["models"]:
        model["file"] = model["file"].rsplit("/", 1)[-1]
        model.pop("samples_ns")
    record(__file__, result)


if __name__ == "__main__":
    main()
