"""The verb ``profile``: what model files cost on devices, of which each gives what it can.

A device that times gives bytes, memory and milliseconds, an emulated board exact counts, a card with latency tables a
prediction. Devices elsewhere work side by side, those that take this machine's time in turn.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from dataclasses import replace
from functools import partial
from pathlib import Path

from edgekit.catalog import taken
from edgekit.console import progress, say
from edgekit.devices.cards import DeviceCard
from edgekit.devices.device import Can, Device, open_device
from edgekit.devices.latency.predict import predict
from edgekit.errors import EdgekitError, ModelError, UsageError
from edgekit.files import require_file
from edgekit.graph.isolated import model_sha256
from edgekit.modelfiles.model_ref import ModelRef, find_models
from edgekit.modelfiles.runtime_choice import default_runtime, find_runtime
from edgekit.modelfiles.session import vet
from edgekit.profiling.budget import read_budget
from edgekit.profiling.counting import count_file
from edgekit.profiling.ratio import compare_latency
from edgekit.profiling.records import DeviceProfile, ModelProfile, ProfileOptions, ProfileResult
from edgekit.profiling.steps import Report, Steps
from edgekit.profiling.timing import time_file

SHARE = 1000
"""Steps of the progress display for each device."""


def profile(options: ProfileOptions) -> ProfileResult:
    """Profile models, each ``MODEL`` or ``MODEL@RUNTIME`` as ``find_models`` reads it, on the devices of the options.

    Of several devices one that fails costs its own figures only; what is wrong then, ``ProfileResult.deliver`` raises.

    Raises:
        UsageError: an option or a name is unknown, a device is named twice or cannot count what the budget limits.
        EdgekitError: as ``profile_on``, for a single device.
    """
    devices = [open_device(name) for name in options.device]
    names = [device.name for device in devices]  # an address may be written in two ways
    if twice := [name for name in names if names.count(name) > 1]:
        raise UsageError(f"--device {twice[0]} is named twice; name each device once.")
    if options.budget and not all(Can.COUNT in device.can for device in devices):
        raise UsageError(
            "--budget limits what is counted exactly: give it with an emulated board, as in --device raspberry-pi-4b."
        )
    if options.clock and not all(Can.PREDICT in device.can for device in devices):
        raise UsageError("--clock is what a board is predicted at; leave it out where latency is measured.")
    files = [file for model in options.models or (taken(""),) for file in find_models(model, options.runtime)]
    for file in files:
        require_file(file.path)
        if not find_runtime(file.runtime).is_timed:
            usual = default_runtime(file.path)
            raise UsageError(f"--runtime {file.runtime} is not timed here; use {usual}, with it comes the arena.")
    with progress("profiling", len(devices) * SHARE) as bar:
        turn, done = threading.Lock(), dict.fromkeys(names, 0.0)

        def report(device: str, share: float, note: str) -> None:
            """Each device fills its share of the one bar."""
            with turn:
                done[device] = share
                where = f"{note} on {device}" if len(done) > 1 else note
                bar.update(int(sum(done.values()) * SHARE), where)

        def work(device: Device) -> DeviceProfile:
            return profile_on(device, files, options, partial(report, device.name))

        if len(devices) > 1:
            found = _each(devices, work)
        else:
            with closing(devices[0]):
                found = [work(devices[0])]
    return ProfileResult(tuple(found), read_budget(options.budget))


def profile_on(
    device: Device, files: Sequence[ModelRef], options: ProfileOptions, report: Report = lambda share, note: None
) -> DeviceProfile:
    """Profile files on one opened device; ``report`` is told the progress.

    Raises:
        UsageError: the runtime is not installed there, or the device can say nothing of these files.
        ModelError: a file is missing, broken, or not of a kind that a runtime opens.
        RuntimeCrashError: a native runtime crashed, hung or ran out of memory on a file.
        DeviceError: the device cannot be reached.
    """
    turns = len(files) if Can.TURN in device.can and options.turns and len(files) > 1 else 0
    each = (3 if Can.TIME in device.can else 0) + (2 if Can.COUNT in device.can else 0)
    steps = Steps(each * len(files) + turns, report)
    models: list[ModelProfile] = []
    uncounted = ""
    for file in files:
        model = ModelProfile(str(file.path), model_sha256(file.path), file.runtime, vet(file.path))
        if Can.PREDICT in device.can:
            model = _predict(model, device.card, options)
        if Can.TIME in device.can:
            model = time_file(device, model, options, steps)
        if Can.COUNT in device.can and not uncounted:
            try:
                model = _recounted(count_file(device, model, options, steps))
            except UsageError as exc:  # it is not set up here, which no prediction needs
                if options.budget:
                    raise
                uncounted = str(exc)
        models.append(model)
    if not any(model.timing or model.counting or model.predictions or model.finding for model in models):
        if uncounted:
            say(f"{device.name} is not emulated either: {uncounted}")
        raise UsageError(f"{models[0].missing['predictions']}.")
    result = DeviceProfile(
        device.name,
        device.provenance if device.can & (Can.TIME | Can.COUNT) and not uncounted else "predicted",
        device.card.emulator.cpu if device.card.emulator else "",
        tuple(models),
        uncounted=uncounted,
    )
    return _compared(result, device, files, options, steps) if Can.TIME in device.can else result


def _predict(model: ModelProfile, card: DeviceCard, options: ProfileOptions) -> ModelProfile:
    try:
        return replace(model, predictions=predict(Path(model.file), card, model.runtime, options.shape, options.clock))
    except (UsageError, ModelError) as exc:
        return model.lacks("predictions", str(exc))


def _recounted(model: ModelProfile) -> ModelProfile:
    """The file with its predictions resting on the instructions that it executes, rather than on what its layers do."""
    if model.counting is None:
        return model
    total = model.counting.counts.total
    return replace(model, predictions=tuple(one.counted(total) for one in model.predictions))


def _compared(
    result: DeviceProfile, device: Device, files: Sequence[ModelRef], options: ProfileOptions, steps: Steps
) -> DeviceProfile:
    """The result with the ratios of its files, where they are wanted and can take turns."""
    if not options.turns or len(files) < 2:
        return result
    if Can.TURN not in device.can:
        return replace(result, no_ratios=f"on {device.name} files do not take turns, each was measured alone")
    try:
        return replace(result, ratios=compare_latency(files, device, options, steps.next("taking turns", len(files))))
    except EdgekitError as exc:  # each file alone was measured: that stands
        return replace(result, no_ratios=str(exc))


def _each(devices: Sequence[Device], work: Callable[[Device], DeviceProfile]) -> list[DeviceProfile]:
    """The work done on every device, in order, or the error that it failed with there.

    Those that take none of this machine's time work at once. Ctrl-C closes them first, which ends their work.
    """

    def outcome(device: Device) -> DeviceProfile:
        try:
            return work(device)
        except EdgekitError as exc:
            return DeviceProfile(device.name, error=str(exc))

    aside = [device for device in devices if Can.ASIDE in device.can]
    with ThreadPoolExecutor(max(1, len(aside)), "device") as pool, ExitStack() as opened:
        for device in aside:
            opened.enter_context(closing(device))
        futures = {device.name: pool.submit(outcome, device) for device in aside}
        found = {name: future.result() for name, future in futures.items()}
    for device in devices:
        if device.name not in found:
            with closing(device):
                found[device.name] = outcome(device)
    return [found[device.name] for device in devices]
