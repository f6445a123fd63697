"""``edgekit doctor``: one verb for a machine, a board and a model."""

from __future__ import annotations

from dataclasses import dataclass

from edgekit.data import Source, is_unset
from edgekit.data.reading import Reading
from edgekit.devices.ssh.address import SCHEME, parse_address
from edgekit.errors import UsageError
from edgekit.evaluation.input_options import InputOptions
from edgekit.options import LARGEST_SEED, SAMPLES, Options, argument, group, option
from edgekit.result import Result


@dataclass(frozen=True)
class DoctorOptions(Options):
    """What to look at; all but ``model`` is for models."""

    model: str = argument(
        "A device, as in ssh://user@host; or a float model: an .onnx file, a run folder or a student's name.",
        "",
        metavar="SUBJECT",
        unset="this machine",
    )
    data: Source = option(SAMPLES, "", metavar="SRC", unset="mnist")
    rungs: int = option("Rungs of the ladder that are climbed before each layer is looked at.", 1, least=1, most=3)
    calibration: int = option("Samples to calibrate on.", 200, least=1)
    input: InputOptions = group(InputOptions)
    reading: Reading = group(Reading)
    seed: int = option("Seed of the choice of samples.", 0, least=0, most=LARGEST_SEED)


def doctor(options: DoctorOptions) -> Result:
    """What a machine has and lacks and for which command, or where a model loses by quantization and what would help.

    Nothing is changed, fetched or written.

    Raises:
        UsageError: data are named, but no model.
        DeviceError: there is no connection to a device, or no python3 there.
        ModelError, DataError, UnknownNameError: see ``edgekit.diagnosis.model.diagnose``.
    """
    is_model = bool(options.model) and not options.model.startswith(SCHEME)
    if not is_model and not is_unset(options.data):
        raise UsageError("--data is for the doctor of a model; name one.")
    if not options.model:
        from edgekit.diagnosis.here import look_here

        return look_here()
    if not is_model:
        from edgekit.diagnosis.board import look_at

        return look_at(parse_address(options.model))
    from edgekit.diagnosis.model import diagnose
    from edgekit.quantization.options import QuantizeOptions

    return diagnose(QuantizeOptions(int8=True, **vars(options)))
