"""A golden example: the same input everywhere, and what of an output is kept and compared."""

from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgekit.inputs.error import InputError
from edgekit.inputs.golden import DTYPES, MOST_VALUES, Golden, can_make, make_inputs
from edgekit.inputs.trail import STEPS, first_astray, sampled, turned
from edgekit.modelfiles.golden_maker import example


def spec(*shape, dtype="int8"):
    return SimpleNamespace(shape=shape, dtype=dtype)


def of(function, other=None):
    """The example of a model with one int8 input of 8 values."""
    return example(
        [spec(1, 8)], lambda tensors: [function(tensors[0])], lambda tensors: [(other or function)(tensors[0])]
    )


def doubled(values):
    return np.clip(2 * values.astype(int), -128, 127).astype(np.int8)


def test_the_input_is_the_finalizer_of_murmurhash3():
    def fmix32(value):
        for shift, factor in ((16, 0x85EBCA6B), (13, 0xC2B2AE35)):
            value = (value ^ value >> shift) * factor % 2**32
        return value ^ value >> 16

    (made,) = make_inputs([spec(1, 100, dtype="uint8")], seed=3)
    assert made.reshape(-1).tolist() == [fmix32(index + (3 << 24)) >> 24 for index in range(100)]


def test_the_types_of_inputs_hold_the_same_bytes_and_several_inputs_follow_each_other():
    made = {dtype: make_inputs([spec(-1, 6, dtype=dtype)], 1)[0] for dtype in DTYPES}
    assert made["uint8"].shape == (1, 6)
    np.testing.assert_array_equal(made["int8"], made["uint8"].astype(int) - 128)
    np.testing.assert_array_equal(made["float32"], made["uint8"].astype(np.float32) / np.float32(255))
    np.testing.assert_array_equal(made["int32"], made["uint8"])
    (ids,) = make_inputs([spec(1, 20, dtype="int32")], 1)
    np.testing.assert_array_equal(ids[0, 8:16], ids[0, :8])
    np.testing.assert_array_equal(ids[0, 16:], ids[0, :4])
    first, second = make_inputs([spec(1, 2, dtype="uint8"), spec(1, 4, dtype="uint8")], 1)
    np.testing.assert_array_equal(np.concatenate([first, second], axis=1), made["uint8"])


@pytest.mark.parametrize(("made", "shape"), [(True, (-1, 8)), (False, (1, -1)), (True, (1, 3, 3))])
def test_only_the_batch_may_be_open(made, shape):
    assert can_make([spec(*shape)]) == made
    assert not can_make([spec(1, 8, dtype="bool")])


def test_a_short_output_is_kept_whole_and_of_a_long_one_the_largest_values():
    assert len(of(doubled).output) == 8
    assert of(doubled).places == ()
    long = of(lambda values: np.arange(-100, 100, dtype=np.int8))
    assert long.output == tuple(range(99, 99 - MOST_VALUES, -1))
    assert long.places == tuple(range(199, 199 - MOST_VALUES, -1))


def test_what_kernels_differ_by_is_allowed_three_times():
    assert of(doubled).limit == 3
    assert of(doubled, lambda values: doubled(values) // 2 * 2 - 4 * (doubled(values) == 127)).limit >= 12


def test_an_output_that_tells_nothing_is_not_kept():
    assert of(lambda values: np.full(5, 7, np.int8)) is None
    assert of(lambda values: np.full(5, np.nan, np.float32)) is None
    assert of(doubled, lambda values: -doubled(values).astype(int)) is None


@given(st.integers(0, 7), st.integers(-60, 60))
def test_an_output_is_complained_of_beyond_the_limit_alone(place, change):
    golden = of(doubled)
    changed = np.array(golden.output)
    changed[place] += change
    assert bool(golden.complaint(changed)) == (abs(change) > golden.limit)


def test_an_output_of_another_size_or_that_is_no_number_is_complained_of():
    golden = of(doubled)
    assert golden.complaint(np.zeros(9)) == "it has 9 values instead of 8"
    assert golden.complaint(np.full(8, np.nan))
    assert of(lambda values: np.arange(100, dtype=np.int8)).complaint(np.zeros(3)) == "it has 3 values"
    assert Golden(0, (1, 2), 1, (0, 999)).complaint(np.array([1, 2])) == "it has 2 values"


def test_it_goes_through_a_dict_and_impossible_ones_are_refused():
    golden = of(doubled)
    assert Golden.from_dict(golden.to_dict()) == golden
    for change in ({"seed": -1}, {"output": []}, {"output": [0.0] * 99}, {"places": [1]}, {"limit": float("nan")}):
        with pytest.raises(InputError):
            Golden.from_dict({**golden.to_dict(), **change})


def test_the_first_operator_of_a_trail_that_differs_is_named():
    values = {1: np.arange(50, dtype=np.int8), 2: np.arange(50, dtype=np.int8)[::-1]}
    model, pointer = bytes(12), 4

    def open_cut(cut):
        return SimpleNamespace(inputs=[spec(1, 8)], run=lambda tensors: [values[cut[pointer]]])

    operators = [{"name": f"op {key}", "distance": key, "values": sampled(value)} for key, value in values.items()]
    trail = {"seed": 0, "pointer": pointer, "operators": operators}
    assert first_astray(model, trail, open_cut) == ""
    values[1] = values[1] + np.int8(STEPS)
    assert first_astray(model, trail, open_cut) == ""
    values[2] = values[2] - np.int8(STEPS + 1)
    assert first_astray(model, trail, open_cut) == "op 2"


def test_a_pointer_is_turned_in_place():
    assert turned(b"abcdefgh", 2, 258) == b"ab\x02\x01\x00\x00gh"
