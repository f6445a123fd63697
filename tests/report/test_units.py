from __future__ import annotations

import pytest

from edgekit.report.units import bytes_text, share_text, time_text


@pytest.mark.parametrize(
    ("nanoseconds", "text"),
    [
        (12, "12 ns"),
        (1_000, "1.00 µs"),
        (23_449, "23.4 µs"),
        (999_960, "1.00 ms"),
        (412_000, "412 µs"),
        (2.5e9, "2.50 s"),
    ],
)
def test_times_have_three_digits_and_a_unit(nanoseconds: float, text: str) -> None:
    assert time_text(nanoseconds) == text


@pytest.mark.parametrize(
    ("count", "text"), [(0, "0 B"), (812, "812 B"), (11_208, "11.2 kB"), (999_999, "1.00 MB"), (827_386, "827 kB")]
)
def test_sizes_have_three_digits_and_a_unit(count: int, text: str) -> None:
    assert bytes_text(count) == text


@pytest.mark.parametrize(("share", "text"), [(1.0, "100%"), (0.99996, ">99.99%"), (0.9994, "99.94%"), (0.0, "0.00%")])
def test_a_share_is_100_percent_only_where_it_is_all(share: float, text: str) -> None:
    assert share_text(share) == text
