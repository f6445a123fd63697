"""Operator times without what the profiler adds to them or cuts off."""

import pytest

from edgekit.runtimes.worker.operators import summarize


def times(result):
    return [operator["mean_ns"] for operator in result["operators"]]


def run(*nanoseconds):
    return [(f"operator {place}", "Conv", time) for place, time in enumerate(nanoseconds)]


def test_what_the_profiler_costs_is_taken_off_every_operator_alike():
    result = summarize([run(14_000.0, 24_000.0, 5_000.0)] * 4, 31_000.0)
    assert times(result) == [10_000, 20_000, 1_000]
    assert (result["profiled_ns"], result["total_ns"]) == (43_000, 31_000)


def test_what_is_still_too_much_then_is_taken_off_in_proportion():
    assert times(summarize([run(13_000.0, 21_000.0, 1_000.0)] * 4, 16_000.0)) == [6_000, 10_000, 0]


def test_what_the_clock_cuts_off_is_added_up_to_a_microsecond_and_what_lacks_then_belongs_to_no_operator():
    assert times(summarize([run(0.0, 3_000.0)] * 4, 4_000.0)) == [500, 3_500]
    assert times(summarize([run(0.0, 3_000.0)] * 4, 9_000.0)) == [1_000, 4_000]


def test_fast_and_slow_runs_are_left_out_of_the_mean():
    runs = [run(10_000.0), run(90_000.0), run(1_000.0), run(12_000.0)]
    assert times(summarize(runs, 11_000.0)) == [11_000]
    assert summarize(runs, 11_000.0)["runs"] == 2


def test_runs_with_other_operators_are_left_out():
    assert summarize([run(1_000.0), run(1_000.0, 5_000.0), run(1_000.0)], 1_000.0)["runs"] == 2


@pytest.mark.parametrize("runs", [[], [[]]])
def test_no_operators_are_no_answer(runs):
    assert "no operators" in summarize(runs, 1_000.0)["unavailable"]
