"""``edgekit doctor``: one verb for a machine, a board and a model."""

from __future__ import annotations

from dataclasses import dataclass

from edgekit.devices.ssh.address import SCHEME, parse_address
from edgekit.diagnosis.here import look_here
from edgekit.errors import UsageError
from edgekit.options import Options, argument
from edgekit.result import Result


@dataclass(frozen=True)
class DoctorOptions(Options):
    """What to look at."""

    subject: str = argument("A device, as in ssh://user@host.", "", metavar="DEVICE", unset="this machine")


def doctor(options: DoctorOptions) -> Result:
    """What a machine has and lacks, and for which command; nothing is changed there or fetched here.

    Raises:
        UsageError: it is no device that can be asked.
        DeviceError: there is no connection, or no python3 there.
    """
    if not options.subject:
        return look_here()
    if not options.subject.startswith(SCHEME):
        raise UsageError(f"{options.subject} is no device that can be asked; give ssh://user@host, or nothing.")
    from edgekit.diagnosis.board import look_at

    return look_at(parse_address(options.subject))
