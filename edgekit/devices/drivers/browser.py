"""``--device browser``: this machine's Chromium without a window. Each job is a fresh browser."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

from edgekit.devices.browser.chromium import Browser, find_browser
from edgekit.devices.browser.page_device import PageDevice
from edgekit.devices.browser.site import BenchSite
from edgekit.devices.device import Job
from edgekit.errors import RuntimeCrashError
from edgekit.runtimes.worker import machine, throttling

PATIENCE_S = 0.5


class HeadlessBrowser(PageDevice):
    """Opens the page in a Chromium or a relative of it."""

    def measure(self, site: BenchSite, job: Job) -> tuple[dict[str, Any], Mapping[str, Any]]:
        """See ``PageDevice.measure``."""
        program = find_browser()
        facts, before = machine.describe(), throttling.state()
        deadline = time.monotonic() + job.limit_s
        with Browser(program, site.address) as browser:
            while (found := site.result(PATIENCE_S)) is None:
                browser.require_running()
                if time.monotonic() > deadline:
                    raise RuntimeCrashError(
                        f"{job.named}: the browser did not finish within {job.limit_s} s; ask for fewer --runs."
                    )
        return found, {**facts, **throttling.between(before, throttling.state()), "cores_kept_to": None}


DRIVER = HeadlessBrowser
