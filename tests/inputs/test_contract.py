"""What a model eats, as a record: what it refuses, how it travels as JSON, what it computes."""

from __future__ import annotations

import io
import json
import subprocess
import sys
from dataclasses import asdict
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from edgekit.inputs.contract import InputContract
from edgekit.inputs.domains import domains
from edgekit.inputs.error import InputError

FULL = InputContract(8, 9, 3, mean=(0.1, 0.2, 0.3), std=(0.5,), domain="digit")


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"domain": "foto"}, "No input domain is called 'foto'; did you mean 'photo'"),
        ({"domain": "xyz"}, "known: digit, photo"),
        ({"std": (0.0,)}, "std .* must be positive"),
        ({"mean": (0.0, 0.0)}, "one number, or one per channel"),
        ({"mean": (float("nan"),)}, "one number, or one per channel"),
        ({"height": 0}, "is not an image"),
        ({"width": 1 << 30}, "is not an image"),
    ],
)
def test_what_is_impossible_is_refused(values: dict[str, object], message: str) -> None:
    with pytest.raises(InputError, match=message):
        InputContract(**{"height": 4, "width": 4, "channels": 3, **values})


@pytest.mark.parametrize("contract", [FULL, InputContract(4, 5, 1)])
def test_a_contract_comes_back_from_json_in_both_forms(contract: InputContract) -> None:
    for form in (contract.to_dict(), asdict(contract)):
        assert InputContract.from_dict(json.loads(json.dumps(form))) == contract


def test_defaults_are_not_written() -> None:
    assert InputContract(4, 5, 1).to_dict() == {"shape": (4, 5, 1)}


def test_the_domains_are_the_files_of_their_folder() -> None:
    assert domains() == ("digit", "photo")


def test_a_picture_becomes_the_tensor_of_a_file() -> None:
    pixels = np.arange(4 * 5 * 3, dtype=np.uint8).reshape(4, 5, 3)
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, "PNG")
    spec = SimpleNamespace(dtype="int8", scale=1 / 255, zero_point=-128)
    tensor = InputContract(4, 5, 3).tensor(stream.getvalue(), "x.png", spec, "NCHW")
    assert np.array_equal(tensor, (pixels.transpose(2, 0, 1)[None].astype(int) - 128).astype(np.int8))


def test_pictures_forgets_the_normalization_alone() -> None:
    assert FULL.plain == InputContract(8, 9, 3, domain="digit")


def test_a_description_needs_no_decoder() -> None:
    code = "import sys, edgekit.artifact; sys.exit('PIL' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
