"""What a model file says of itself: its input's contract, labels, recipe, quality, lineage.

ONNX files carry it in ``metadata_props`` under the key ``edgekit``, TFLite files in the metadata buffer named
``edgekit``: the same compact JSON in both, so that ``predict`` and ``deploy`` need only the file.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgekit.errors import ModelError
from edgekit.inputs import tensors
from edgekit.inputs.contract import InputContract
from edgekit.inputs.contracts import Contract
from edgekit.inputs.described import read_contract
from edgekit.inputs.error import InputError
from edgekit.inputs.golden import Golden

METADATA_KEY = "edgekit"

Array = NDArray[Any]


@dataclass(frozen=True)
class TensorSpec:
    """Name, shape and type of one input or output of a model file.

    ``scale`` and ``zero_point`` are those of a quantized tensor, ``real = scale * (q - zero_point)``;
    ``scale`` is None for a float tensor. Dimensions that the file leaves open are -1.
    """

    name: str
    shape: tuple[int, ...]
    dtype: str
    scale: float | None = None
    zero_point: int = 0

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> TensorSpec:
        """Of what ``dataclasses.asdict`` made, also after JSON."""
        return cls(**{**values, "shape": tuple(values["shape"])})

    def quantize(self, real: Array) -> Array:
        """Real values to this tensor's type: rounded half to even, saturated; a cast if it is not quantized."""
        return tensors.quantize(real, self.dtype, self.scale, self.zero_point)

    def dequantize(self, stored: Array) -> NDArray[np.float32]:
        """Stored values to real ones."""
        return tensors.dequantize(stored, self.scale, self.zero_point)


@dataclass(frozen=True)
class Metadata:
    """The self-description that is written into a file; every field may be absent in a third-party file.

    ``tensors`` is true for a file that was calibrated on arrays as they are, so that nothing is known of pictures.
    ``rest`` says what an app has to do with the results, where the model was ended early.
    ``golden`` is what the file answered to a made-up input where it was written.
    """

    contract: Contract | None = None
    labels: tuple[str, ...] = ()
    recipe: str = ""
    quality: Mapping[str, float] = field(default_factory=dict)
    parents: Mapping[str, str] = field(default_factory=dict)
    tensors: bool = False
    rest: str = ""
    golden: Golden | None = None

    @property
    def pictures(self) -> InputContract | None:
        """The contract, if it is one of pictures."""
        return self.contract if isinstance(self.contract, InputContract) else None

    def to_json(self) -> str:
        """Compact JSON; absent fields and defaults are left out, since the bytes count on a device."""
        document: dict[str, Any] = {}
        if self.contract is not None:
            document["contract"] = self.contract.to_dict()
        for name in ("labels", "recipe", "quality", "parents", "tensors", "rest"):
            if value := getattr(self, name):
                document[name] = dict(value) if isinstance(value, Mapping) else value
        if self.golden is not None:
            document["golden"] = self.golden.to_dict()
        return json.dumps(document, separators=(",", ":"), ensure_ascii=False)

    @classmethod
    def from_json(cls, text: str, source: str) -> Metadata:
        """Read what ``to_json`` wrote.

        Raises:
            ModelError: the text in file ``source`` is not such a document.
        """
        try:
            document = json.loads(text)
            json.dumps(document, ensure_ascii=False).encode()  # half a surrogate pair could be written nowhere
            contract, golden = document.get("contract"), document.get("golden")
            return cls(
                contract=None if contract is None else read_contract(contract),
                labels=tuple(str(label) for label in document.get("labels", ())),
                recipe=str(document.get("recipe", "")),
                quality={str(k): float(v) for k, v in document.get("quality", {}).items()},
                parents={str(k): str(v) for k, v in document.get("parents", {}).items()},
                tensors=bool(document.get("tensors", False)),
                rest=str(document.get("rest", "")),
                golden=None if golden is None else Golden.from_dict(golden),
            )
        except InputError as exc:
            raise ModelError(f"{source} has an impossible 'edgekit' description: {exc}") from exc
        except (ValueError, TypeError, KeyError, AttributeError, OverflowError, RecursionError) as exc:
            raise ModelError(f"{source} has an unreadable 'edgekit' description; export the file again.") from exc
