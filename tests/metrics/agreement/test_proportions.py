import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binomtest

from mcukd.metrics.agreement.proportions import (
    bouts_needed,
    share_to_plan_with,
    wilson_half_width,
    wilson_interval,
)


@pytest.mark.parametrize(
    ("found", "of", "low", "high"),
    # Newcombe (1998), Statistics in Medicine 17:857, table I, method 3: score without continuity correction.
    [
        (81, 263, 0.2553, 0.3662),
        (15, 148, 0.0624, 0.1605),
        (0, 20, 0.0, 0.1611),
        (1, 29, 0.0061, 0.1718),
    ],
)
def test_newcombe_1998(found: int, of: int, low: float, high: float) -> None:
    assert wilson_interval(found, of) == pytest.approx((low, high), abs=0.00005)


@given(st.integers(1, 500).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_wilson_equals_scipys(case: tuple[int, int]) -> None:
    found, of = case
    known = binomtest(found, of).proportion_ci(0.95, "wilson")
    assert wilson_interval(found, of) == pytest.approx((known.low, known.high), abs=1e-12)


def test_nothing_has_no_interval_and_more_than_all_is_refused() -> None:
    assert wilson_interval(0, 0) is None
    with pytest.raises(ValueError, match="4 of 3"):
        wilson_interval(4, 3)


@pytest.mark.parametrize(("half_width", "needed"), [(0.10, 49), (0.05, 196)])
def test_bouts_for_a_sensitivity_of_85_per_cent(half_width: float, needed: int) -> None:
    assert bouts_needed(0.85, half_width) == needed
    # The normal formula, n = z² p (1 − p) / d² (Cochran 1977, chapter 4), gives the same here.
    assert math.ceil(1.959964**2 * 0.85 * 0.15 / half_width**2) == needed


@given(st.floats(0, 1), st.floats(0.01, 0.4), st.sampled_from([0.8, 0.95, 0.99]))
def test_so_many_bouts_suffice_and_one_fewer_does_not(share: float, half: float, level: float) -> None:
    needed = bouts_needed(share, half, level)
    assert wilson_half_width(share, needed, level) <= half * (1 + 1e-6)
    if needed > 1:
        assert wilson_half_width(share, needed - 1, level) > half * (1 - 1e-6)


def test_all_found_still_needs_some_bouts() -> None:
    assert bouts_needed(1.0, 0.1) == 16


def test_few_bouts_do_not_change_the_plan() -> None:
    assert share_to_plan_with(9, 9, 0.85) == 0.85
    assert share_to_plan_with(5, 10, 0.85) == 0.5
