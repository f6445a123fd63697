"""One function for each verb, made of the verb and the record of its options as its command is.

A function takes the record's fields as keywords, those that the command takes by their place also by their place, and
gives back the verb's result. A verb is loaded when it is called.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import MISSING, dataclass
from importlib import import_module
from inspect import Parameter, Signature
from pathlib import Path
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from edgekit.errors import UsageError
from edgekit.options import Options, build, places
from edgekit.result import Result

if TYPE_CHECKING:
    from edgekit.conversion.export import ExportResult
    from edgekit.deployment.deploy import Deployment
    from edgekit.evaluation.compare import Comparison, OutputsComparison
    from edgekit.evaluation.evaluate import EvaluateResult
    from edgekit.evaluation.inspect import InspectResult
    from edgekit.profiling.records import ProfileResult
    from edgekit.quantization.quantize import QuantizeResult
    from edgekit.search.records import SearchResult
    from edgekit.training.distill import DistillResult
    from edgekit.training.shrinking.shrink import ShrinkResult
    from edgekit.training.teach import TeachResult

T = TypeVar("T", bound=Result)
MODELS = ("model", "models", "a", "b")
"""Options that name models."""


@dataclass(frozen=True)
class Verb(Generic[T]):
    """A verb by its place, MODULE:FUNCTION, and a sentence that says what it does.

    ``takes_network``: its model may be a ``torch.nn.Module``; ``example`` is then the shape of its input, as in
    (1, 3, 224, 224), and may be left out where data say it.
    """

    place: str
    summary: str
    takes_network: bool = False

    def load(self) -> tuple[Callable[[Any], T], type[Options]]:
        """The function and the record that it takes."""
        module, _, name = self.place.partition(":")
        home = import_module(module)
        verb = getattr(home, name)
        return verb, getattr(home, verb.__annotations__["options"])  # other hints may need what is not loaded

    def __call__(self, *values: Any, **options: Any) -> T:
        """Do it.

        Raises:
            UnknownNameError: an option is none of the verb's.
            EdgekitError: as the verb does, a gate that is not met included.
        """
        verb, record = self.load()
        named = [place.item.name for place in places(record) if place.option.positional]
        if len(values) > len(named):
            raise UsageError(f"Only {', '.join(named) or 'nothing'} may be given without a name; name the others.")
        given = {**dict(zip(named, values, strict=False)), **options}
        for name in (name for name in MODELS if name in given):
            given[name] = self._model(name, given[name], given)
        result = verb(build(record, given))
        result.deliver(lambda: None)
        return result

    def _model(self, name: str, value: Any, given: dict[str, Any]) -> Any:
        """A model as a command would name it; with its runtime where one of several is named."""
        if isinstance(value, list | tuple):
            return [self._model(name, one, given) for one in value]
        if isinstance(value, str | Path):
            return str(value)
        from edgekit.api.model import Model

        if isinstance(value, Model):
            return str(value.path) if name == "model" or given.get("runtime") else value.name
        if self.takes_network:
            from edgekit.api.network import network_file

            return network_file(value, given)
        raise UsageError(f"A {type(value).__name__} is no model here; give a path, a name or an opened model.")

    @property
    def __signature__(self) -> Signature:
        found = sorted(places(self.load()[1]), key=lambda place: not place.option.positional)
        kinds = {True: Parameter.POSITIONAL_OR_KEYWORD, False: Parameter.KEYWORD_ONLY}
        return Signature(
            [
                Parameter(
                    place.item.name,
                    kinds[place.option.positional],
                    default=Parameter.empty if place.is_required else _default(place.item),
                    annotation=place.hint,
                )
                for place in found
            ]
        )

    @property
    def __doc__(self) -> str:  # type: ignore[override]
        verb, record = self.load()
        lines = [f"    {place.item.name}: {place.option.help}" for place in places(record)]
        return "\n".join((self.summary, "", "Args:", *lines, "", str(verb.__doc__)))


def _default(item: Any) -> Any:
    return item.default if item.default is not MISSING else item.default_factory()


teach: Verb[TeachResult] = Verb(
    "edgekit.training.teach:teach", "Train a teacher, or fine-tune one that knows photos or sentences."
)
distill: Verb[DistillResult] = Verb(
    "edgekit.training.natural:distill", "Distill a teacher into a student, ending in a float ONNX file."
)
shrink: Verb[ShrinkResult] = Verb(
    "edgekit.training.shrinking.shrink:shrink",
    "Take channels out of a teacher until its int8 file has a size, and distill it back.",
)
search: Verb[SearchResult] = Verb(
    "edgekit.search.search:search", "Find the best student that fits a device, distill it and quantize it."
)
quantize: Verb[QuantizeResult] = Verb(
    "edgekit.quantization.quantize:quantize", "Quantize a float model to int8 ONNX and int8 TFLite files.", True
)
export: Verb[ExportResult] = Verb(
    "edgekit.conversion.export:export",
    "Write a float model as TFLite or static ONNX with BatchNorm folded, an int8 model as C.",
    True,
)
evaluate: Verb[EvaluateResult] = Verb(
    "edgekit.evaluation.evaluate:evaluate", "Measure the accuracy of model files on the test split."
)
compare: Verb[Comparison | OutputsComparison] = Verb(
    "edgekit.evaluation.compare:compare", "Compare two files or runtimes on the same images: parity and fidelity."
)
profile: Verb[ProfileResult] = Verb(
    "edgekit.profiling.profile:profile", "Say what model files cost on a device: bytes, memory, milliseconds."
)
inspect: Verb[InspectResult] = Verb(
    "edgekit.evaluation.inspect:inspect", "Say what a model file is: tensors, operators, bytes, description."
)
deploy: Verb[Deployment] = Verb(
    "edgekit.deployment.deploy:deploy", "Make a working app of a model file: for a Raspberry Pi, or for a phone."
)
doctor: Verb[Result] = Verb(
    "edgekit.diagnosis.doctor:doctor",
    "Say what is here or on a device and what is missing, or where a model loses by int8 and what would help.",
    True,
)
