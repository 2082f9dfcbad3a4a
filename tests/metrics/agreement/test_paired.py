import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mcukd.metrics.agreement import paired
from mcukd.metrics.agreement.paired import Sums, sums_of

# Bland and Altman (1986), Lancet 327:307, table 1: peak expiratory flow in l/min, the first reading of 17
# people with the Wright and with the mini Wright meter.
WRIGHT = (494, 395, 516, 434, 476, 557, 413, 442, 650, 433, 417, 656, 267, 478, 178, 423, 427)
MINI = (512, 430, 520, 428, 500, 600, 364, 380, 658, 445, 432, 626, 260, 477, 259, 350, 451)
# Shrout and Fleiss (1979), table 2: six targets, four judges.
JUDGES = ((9, 2, 5, 8), (6, 1, 3, 2), (8, 4, 6, 8), (7, 1, 2, 6), (10, 5, 6, 9), (6, 2, 4, 7))
# The data set `reps` of the R package SimplyAgree (Caldwell 2022, doi 10.21105/joss.04148): complete pairs.
REPS_X = "7.83 7.42 7.89 7.12 6.16 7.26 6.71 4.75 5.24 4.86 4.78 6.05 5.42 4.21 3.61 3.72 3.87 3.92"
REPS_Y = "6.57 5.62 6.90 6.57 4.06 4.29 4.26 4.71 5.50 5.08 5.02 6.01 5.67 4.14 4.20 4.61 4.68 5.04"


def test_bland_and_altman_1986() -> None:
    # The paper: mean difference, large minus mini, −2.1; standard deviation 38.8; limits, with 2 for 1.96 and
    # from these rounded figures, −79.7 and 75.5; interval of the bias −22.0 to 17.8.
    sums = sums_of(np.stack([MINI, WRIGHT], axis=1))
    bias, spread = float(paired.bias(sums)), float(paired.spread(sums))
    assert round(bias, 1) == -2.1
    assert round(spread, 1) == 38.8
    assert round(round(bias, 1) - 2 * round(spread, 1), 1) == -79.7
    assert round(round(bias, 1) + 2 * round(spread, 1), 1) == 75.5
    assert paired.limits(sums) == pytest.approx([bias - 1.959964 * spread, bias + 1.959964 * spread])
    assert paired.bias_interval(sums) == pytest.approx((-22.0, 17.8), abs=0.1)
    # The intervals of the limits after Bland and Altman (1999) reach up to 109 in SimplyAgree's tests.
    assert round(float(paired.limits(sums)[1]) + paired.limit_half_width(sums)) == 109


def test_shrout_and_fleiss_1979() -> None:
    # Tables 3 and 4: mean squares 11.24, 32.49 and 1.02; ICC(2,1) .29, ICC(3,1) .71.
    sums = sums_of(np.array(JUDGES))
    assert [round(float(each), 2) for each in paired.mean_squares(sums)] == [11.24, 32.49, 1.02]
    assert round(float(paired.icc_2_1(sums)), 2) == 0.29
    assert round(float(paired.icc_3_1(sums)), 2) == 0.71
    # The intervals are those that R's psych::ICC prints for this table.
    assert paired.icc_intervals(sums)[0] == pytest.approx((0.019, 0.761), abs=0.0005)
    assert paired.icc_intervals(sums)[1] == pytest.approx((0.342, 0.946), abs=0.0005)


def test_lins_coefficient_equals_that_of_simply_agree() -> None:
    # Its page on agreement tests prints CCC .4791, interval .1276 to .7237; bias .4383, −.1669 to 1.0436.
    sums = sums_of(np.array([[float(value) for value in each.split()] for each in (REPS_Y, REPS_X)]).T)
    assert float(paired.concordance(sums)) == pytest.approx(0.4791, abs=0.00005)
    assert paired.concordance_interval(sums) == pytest.approx((0.1276, 0.7237), abs=0.00005)
    assert float(paired.bias(sums)) == pytest.approx(0.4383, abs=0.00005)
    assert paired.bias_interval(sums) == pytest.approx((-0.1669, 1.0436), abs=0.00005)
    # Its tests: 95 % limits of agreement −1.9470156 and 2.8236823.
    assert paired.limits(sums) == pytest.approx([-1.9470156, 2.8236823], abs=1e-6)


pairs = st.lists(st.tuples(st.floats(0, 60), st.floats(0, 60)), min_size=3, max_size=20)


@settings(max_examples=40)
@given(pairs)
def test_concordance_is_one_minus_the_squared_distance_over_that_by_chance(
    values: list[tuple[float, float]],
) -> None:
    # Lin (1989), section 2: 1 − E(x − y)² / E(x − y)² of x and y that are independent.
    x, y = np.array(values).T
    independent = np.mean((x[:, None] - y[None, :]) ** 2)
    found = float(paired.concordance(sums_of(np.array(values))))
    if np.var(x) + np.var(y) > 1e-3:
        assert found == pytest.approx(1 - np.mean((x - y) ** 2) / independent, abs=1e-6)


@settings(max_examples=40)
@given(pairs)
def test_means_squares_are_those_of_the_table_of_variance(values: list[tuple[float, float]]) -> None:
    table = np.array(values)
    n, k = table.shape
    mean = table.mean()
    of_targets = k * ((table.mean(1) - mean) ** 2).sum()
    of_methods = n * ((table.mean(0) - mean) ** 2).sum()
    residual = ((table - table.mean(1, keepdims=True) - table.mean(0) + mean) ** 2).sum()
    expected = [of_targets / (n - 1), of_methods / (k - 1), residual / (n - 1) / (k - 1)]
    found = [float(each) for each in paired.mean_squares(sums_of(table))]
    assert found == pytest.approx(expected, abs=1e-6)


@settings(max_examples=40)
@given(pairs, st.integers(0, 2**32 - 1))
def test_weights_are_how_often_a_group_stands_there(values: list[tuple[float, float]], seed: int) -> None:
    table, rng = np.array(values), np.random.default_rng(seed)
    groups = [sums_of(each) for each in np.array_split(table, 3)]
    stacked = Sums(*(np.stack([getattr(one, key) for one in groups]) for key in Sums.__dataclass_fields__))
    weights = rng.integers(1, 3, size=3)
    repeated = np.concatenate([np.tile(one, (w, 1)) for one, w in zip(np.array_split(table, 3), weights)])
    drawn, whole = stacked.weighted(weights[None]), sums_of(repeated)
    for statistic in (paired.bias, paired.spread, paired.limits, paired.concordance, paired.icc_2_1):
        assert statistic(drawn)[0] == pytest.approx(statistic(whole), abs=1e-5, nan_ok=True)


def test_the_same_measured_twice_agrees_wholly() -> None:
    sums = sums_of(np.array([[1.0, 1.0], [4.0, 4.0], [9.0, 9.0]]))
    assert float(paired.concordance(sums)) == pytest.approx(1)
    assert float(paired.icc_2_1(sums)) == pytest.approx(1)
    assert float(paired.icc_3_1(sums)) == pytest.approx(1)
    assert paired.limits(sums) == pytest.approx([0, 0])
    assert paired.concordance_interval(sums) is None and paired.icc_intervals(sums) == (None, None)


def test_a_constant_bias_lowers_concordance_and_not_consistency() -> None:
    sums = sums_of(np.array([[1.0, 6.0], [4.0, 9.0], [9.0, 14.0]]))
    assert float(paired.icc_3_1(sums)) == pytest.approx(1)
    assert float(paired.concordance(sums)) < 0.5 and float(paired.icc_2_1(sums)) < 0.7
    assert float(paired.bias(sums)) == 5


def test_what_does_not_vary_has_no_coefficient() -> None:
    sums = sums_of(np.array([[2.0, 2.0], [2.0, 2.0], [2.0, 2.0]]))
    for statistic in (paired.concordance, paired.icc_2_1, paired.icc_3_1):
        assert np.isnan(statistic(sums))


def test_one_target_has_a_bias_and_nothing_else() -> None:
    sums = sums_of(np.array([[2.0, 3.0]]))
    assert float(paired.bias(sums)) == 1
    assert np.isnan(paired.limits(sums)).all() and np.isnan(paired.concordance(sums))
    assert paired.bias_interval(sums) is None and paired.limit_half_width(sums) is None


@settings(max_examples=40)
@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3)), min_size=1, max_size=6))
def test_intervals_are_finite_or_there_is_none(values: list[tuple[int, int]]) -> None:
    sums = sums_of(np.array(values, float))
    for bounds in (*paired.icc_intervals(sums), paired.concordance_interval(sums)):
        assert bounds is None or np.isfinite(bounds).all()
