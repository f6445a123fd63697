"""What the drivers of browsers share: a job becomes a page's job, and what the page posts becomes the worker's answer.

A page has one thread and no profiler, so the task ``measure`` is all that it does.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from typing import Any

from edgekit.console import say
from edgekit.devices.browser.job import page_job
from edgekit.devices.browser.result import measured
from edgekit.devices.browser.site import BenchSite
from edgekit.devices.cards import DeviceCard
from edgekit.devices.device import Can, Device, Job, Watch
from edgekit.errors import UsageError
from edgekit.web.npm import find_package
from edgekit.web.page_files import COMPILED, page_files

MISSING = {
    "operators": "a browser has no profiler of operators, which --device cpu has",
    "arena": "the arena is a fact of the file, which --device cpu tells",
}


class PageDevice(Device):
    """A device whose jobs a page does. Each driver says how a page comes to the site and what its machine is."""

    abilities = Can.TIME
    lan = False

    def __init__(self, card: DeviceCard) -> None:
        super().__init__(card)
        self._site: BenchSite | None = None

    def run(self, job: Job, watch: Watch) -> dict[str, Any]:
        """Run one job. See ``Device.run``.

        Raises:
            DeviceError: the page's runtime cannot be fetched, or no page measured it.
        """
        if job.task in MISSING:
            return {"unavailable": MISSING[job.task]}
        if job.task != "measure":
            raise UsageError(
                f"--device {self.name} measures latency only; use cpu or a board of 'edgekit list devices'."
            )
        asked = page_job(job)
        files = {**page_files(job.runtime), **asked.files}
        self._site = self._site or BenchSite(self.lan)
        self._site.offer(files, asked.document)
        watch(0.0)
        found, machine = self.measure(self._site, job)
        answer = measured(found, job, _version(job.runtime), machine, asked.output)
        difference = answer["machine"]["largest_difference_from_here"]
        if difference and asked.output.dtype.kind != "f":  # floats are computed in another order there
            say(
                f"{job.named.name}: its output in the browser differs from this machine's by up to {difference:g} steps"
            )
        watch(1.0)
        return answer

    @property
    def processor(self) -> str:
        """WebAssembly's."""
        return "wasm"

    @abstractmethod
    def measure(self, site: BenchSite, job: Job) -> tuple[dict[str, Any], Mapping[str, Any]]:
        """What the page posted for the job that ``site`` offers, and what is known of its machine.

        Raises:
            DeviceError: no page came, or it did not finish in time.
        """

    def close(self) -> None:
        """End the site."""
        if self._site is not None:
            self._site.close()


def _version(runtime: str) -> str:
    return "C99" if runtime == COMPILED else find_package(runtime).version
