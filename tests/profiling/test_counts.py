"""From the counter's lines to counts of runs and operators."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgekit.profiling.counting import profiler_cost
from edgekit.profiling.counts import COUNTERS, InstructionCounts, assign, count_operators, count_runs


def entry(kind, nanoseconds, count):
    return kind, (nanoseconds, *[count] * len(COUNTERS))


def test_a_run_is_what_lies_between_its_marks_less_the_cost_of_marking():
    log = [entry("mark", 0, count) for count in (10, 12, 20, 122, 130, 233)]
    assert [run.integer for run in count_runs(log)] == [100, 101]


def test_the_total_is_that_of_the_instructions_and_leaves_out_the_bytes():
    assert InstructionCounts(1, 2, 3, 4, 5, 6, 7, 8, 9, 1000, 1000).total == 45


def test_each_operator_is_the_gap_between_clock_readings_that_took_as_long():
    moments = [(0, 0), (5, 1), (900_005, 500), (910_000, 510), (1_400_000, 700), (1_400_050, 701)]
    log = [
        entry("mark", *moments[0]),
        *(entry("clock", *moment) for moment in moments[1:]),
        entry("mark", 2_000_000, 9),
    ]
    first, second = count_operators(log, [("a", "Conv", 900_000.0), ("b", "Add", 490_000.0)])
    assert (first.counts.integer, second.counts.integer) == (499, 190)


def test_operators_whose_times_fit_no_gap_are_not_told():
    log = [entry("mark", 0, 0), entry("clock", 1_000_000, 10), entry("mark", 2_000_000, 20)]
    assert count_operators(log, [("a", "Conv", 9_000_000.0)]) is None
    assert count_operators(log, [("a", "Conv", 1_000_000.0)] * 3) is None


@given(st.lists(st.integers(50_000, 10**7), min_size=1, max_size=12), st.data())
def test_gaps_are_found_again_among_short_ones(times, data):
    given_gaps, places = [], []
    for time in times:
        given_gaps += [10.0] * data.draw(st.integers(0, 3))
        places.append(len(given_gaps))
        given_gaps.append(float(time))
    found = assign([float(time) for time in times], given_gaps)
    assert found is not None
    assert [given_gaps[index] for index in found] == times
    assert found == sorted(set(found))


@pytest.mark.parametrize(("operators", "whole", "cost"), [([100, 50], 120, 15), ([100, 5], 20, 5), ([10, 10], 100, 0)])
def test_the_profilers_cost_is_what_the_operators_exceed_the_whole_by(operators, whole, cost):
    assert profiler_cost(operators, whole) == cost
