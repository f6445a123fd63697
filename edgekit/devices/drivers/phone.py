"""``--device phone``: any browser on the local network. It is told an address, and whoever opens it is measured."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import Any

from edgekit.console import say, warn
from edgekit.devices.browser.page_device import PageDevice
from edgekit.devices.browser.result import system_name
from edgekit.devices.browser.site import START_S, BenchSite
from edgekit.devices.cards import DeviceCard
from edgekit.devices.device import Job
from edgekit.errors import DeviceError

OPEN_S = 300
UNKNOWN = ("architecture", "governor", "clock_mhz", "load_average", "memory_bytes", "cores_kept_to", "temperature_c")
"""Facts of a machine that a page is not told."""


class Phone(PageDevice):
    """Waits ``open_s`` seconds for the page to be opened; the same page then does all jobs."""

    lan = True
    open_s = OPEN_S

    def __init__(self, card: DeviceCard) -> None:
        super().__init__(card)
        self._invited = False

    def measure(self, site: BenchSite, job: Job) -> tuple[dict[str, Any], Mapping[str, Any]]:
        """See ``PageDevice.measure``."""
        if not (self._invited and site.wait_for_page(START_S)):
            _invite(site.address)  # again, where the page was closed meanwhile
            self._invited = True
            if not site.wait_for_page(self.open_s):
                raise DeviceError(
                    f"Nobody opened {site.address} within {self.open_s:g} s; check that the phone is in the same "
                    "network as this machine and that no firewall is between them, and try again."
                )
        say(f"the phone is measuring {job.named.name}")
        found = site.result(job.limit_s)
        if found is None:
            raise DeviceError(
                f"The phone did not finish {job.named.name} within {job.limit_s} s; keep the page in front and the "
                "screen on, and try again."
            )
        system = system_name(str(found.get("user_agent", ""))) or "unknown"
        return found, {**dict.fromkeys(UNKNOWN), "cpu": system, "system": system}


def _invite(address: str) -> None:
    from edgekit.web.address import LOOPBACK, qr_code

    if f"//{LOOPBACK}:" in address:
        warn("this machine has no address on a network, so only its own browsers can open the page")
    say(f"Open this address on the phone, which must be in the same network as this machine:\n\n  {address}\n")
    print(qr_code(address), file=sys.stderr, flush=True)


DRIVER = Phone
