"""Limits on what a file may cost."""

import pytest

from edgekit.errors import GateError, UnknownNameError, UsageError
from edgekit.profiling.budget import check_budget, read_budget


def test_limits_are_read_by_name():
    assert read_budget("instructions=2e6, size=16000") == {"instructions": 2e6, "size": 16000}
    assert read_budget("") == {}


def test_an_unknown_limit_is_refused_with_the_nearest_one():
    with pytest.raises(UnknownNameError, match="did you mean 'instructions'"):
        read_budget("instruction=1")


@pytest.mark.parametrize("text", ["size", "size=", "size=0", "size=-1", "size=many", "size=inf", "size=nan"])
def test_a_limit_is_a_positive_number(text):
    with pytest.raises(UsageError, match="has no positive number"):
        read_budget(text)


def test_a_file_within_its_budget_passes():
    check_budget({"size": 100}, [("a", {"size": 100, "instructions": 9})])


def test_every_figure_over_its_limit_is_named():
    with pytest.raises(
        GateError,
        match=r"a takes 103 bytes of file, 3\.0% over size=100; b takes 8 instructions a run .* 100\.0% over",
    ):
        check_budget(
            {"size": 100, "instructions": 4},
            [("a", {"size": 103, "instructions": 1}), ("b", {"size": 1, "instructions": 8})],
        )


def test_a_figure_that_is_not_there_is_no_pass():
    with pytest.raises(UsageError, match="has no such figure here"):
        check_budget({"memory": 5}, [("a", {"size": 1})])
