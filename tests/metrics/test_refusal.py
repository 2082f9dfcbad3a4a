"""Refused results: thresholds, curves, cross-fitting, and what holds for a new animal."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mcukd.metrics.refusal import (
    CURVE,
    HeldOutResults,
    Thresholds,
    cross_fitted,
    limit_for_animals,
    limit_for_share,
    margin_for_risk,
    margin_for_share,
    refusal_figures,
    risk_coverage,
)

NUMBERS = st.lists(st.sampled_from([0.0, 0.5, 1.0, 1.5, 2.0, 7.25]), min_size=1, max_size=40)


def results(count: int = 400, animals: int = 5, seed: int = 0) -> HeldOutResults:
    """Results whose errors have small margins; one animal is worse than the others."""
    rng = np.random.default_rng(seed)
    margins = rng.exponential(1, count)
    who = np.arange(count) % animals
    labels = rng.integers(0, 3, count)
    wrong = rng.random(count) < np.where(who == 0, 0.8, 0.4) * np.exp(-2 * margins)
    classes = np.where(wrong, (labels + 1) % 3, labels)
    return HeldOutResults(
        labels, classes, margins, rng.chisquare(4, count), np.char.add("a", who.astype(str))
    )


@given(NUMBERS, st.floats(0, 0.99))
def test_a_margin_refuses_no_more_than_the_share_and_the_next_one_would(
    values: list[float], share: float
) -> None:
    margins = np.array(values)
    margin = margin_for_share(margins, share)
    assert (margins < margin).mean() <= share + 1e-9
    larger = margins[margins > margin]
    assert not len(larger) or (margins < larger.min()).mean() > share


@given(NUMBERS, st.floats(0, 0.99))
def test_a_limit_refuses_no_more_than_the_share_and_the_next_one_would(
    values: list[float], share: float
) -> None:
    distances = np.array(values)
    limit = limit_for_share(distances, share)
    assert (distances > limit).mean() <= share + 1e-9
    smaller = distances[distances < limit]
    assert not len(smaller) or (distances > smaller.max()).mean() > share


@given(NUMBERS, st.integers(0, 2**20), st.floats(0, 1))
def test_a_margin_for_a_risk_is_the_least_that_keeps_it(values: list[float], seed: int, risk: float) -> None:
    margins = np.array(values)
    wrong = np.random.default_rng(seed).random(len(margins)) < 0.4
    found = margin_for_risk(margins, wrong, risk)
    candidates = [0.0, *sorted(set(values))]
    fits = [m for m in candidates if wrong[margins >= m].mean() <= risk]
    assert (found is None) == (not fits)
    if found is not None:
        assert wrong[margins >= found].mean() <= risk
        assert (margins < found).sum() == (margins < fits[0]).sum()


def test_no_results_have_no_threshold() -> None:
    for choose in (margin_for_share, limit_for_share):
        with pytest.raises(ValueError, match="no results"):
            choose(np.zeros(0), 0.1)


def test_an_animals_thresholds_are_chosen_on_the_others() -> None:
    """Trap: thresholds chosen on all animals know the errors that they are judged by."""
    seen = []

    def choose(some: HeldOutResults) -> Thresholds:
        seen.append(set(some.animals.tolist()))
        return Thresholds(margin_for_share(some.margins, 0.1))

    found = results()
    refused = cross_fitted(found, choose)
    everyone = set(found.animals.tolist())
    assert [everyone - some for some in seen] == [{name} for name in sorted(everyone)]
    for name in everyone:
        own = found.animals == name
        margin = margin_for_share(found.margins[~own], 0.1)
        assert np.array_equal(refused[own], found.margins[own] < margin)
    with pytest.raises(ValueError, match="one animal alone"):
        cross_fitted(found.take(found.animals == "a0"), choose)


def test_figures_count_what_is_refused_and_what_is_wrong() -> None:
    found = HeldOutResults(
        labels=np.array([0, 0, 1, 1]),
        classes=np.array([0, 1, 1, 0]),
        margins=np.array([2.0, 0.1, 3.0, 1.0]),
        distances=np.array([0.0, 0.0, 9.0, 0.0]),
        animals=np.array(["a", "a", "b", "b"]),
    )
    refused = Thresholds(0.5, 8.0).refuses(found)
    assert refused.tolist() == [False, True, True, False]
    figures = refusal_figures(found, refused, ("x", "y", "z"))
    assert (figures["coverage"], figures["wrong"], figures["wrong_answered"]) == (0.5, 0.5, 0.5)
    assert figures["by_behaviour"]["x"] == {
        "windows": 2, "refused": 0.5, "named": 2, "wrong": 0.5, "wrong_answered": 0.5,
    }  # fmt: skip
    assert figures["by_behaviour"]["y"]["wrong_answered"] is None
    assert figures["by_behaviour"]["z"] == {
        "windows": 0, "refused": None, "named": 0, "wrong": None, "wrong_answered": None,
    }  # fmt: skip
    assert figures["by_animal"]["a"] == {"windows": 2, "refused": 0.5, "wrong": 0.5, "wrong_answered": 0.0}


def test_a_curve_falls_where_errors_have_small_margins() -> None:
    found = results()
    curve = risk_coverage(found)
    assert [point["share"] for point in curve] == list(CURVE)
    assert curve[0] == {"share": 0.0, "coverage": pytest.approx(1, abs=0.02), "risk": pytest.approx(
        found.wrong.mean(), abs=0.02
    )}  # fmt: skip
    assert curve[-1]["risk"] < curve[4]["risk"] < curve[0]["risk"]
    everything = risk_coverage(found, np.ones(len(found), bool))
    assert everything == []


def test_too_few_animals_have_no_limit_for_a_new_one() -> None:
    scores, animals = np.arange(40.0), np.repeat([f"a{k}" for k in range(4)], 10)
    assert limit_for_animals(scores, animals, 0.1, 0.9) is None
    # Three of four new animals: the fourth smallest of four limits; each leaves one of ten results above.
    assert limit_for_animals(scores, animals, 0.1, 0.8) == 38.0
    assert limit_for_animals(scores, animals, 0.1, 0.6) == 28.0
    assert limit_for_animals(scores, animals, 1.0, 0.0) == 0.0


@settings(max_examples=5, deadline=None)
@given(st.integers(0, 10**6))
def test_the_limit_for_animals_holds_for_new_animals_as_often_as_it_says(seed: int) -> None:
    """Simulated: animals differ, their windows are alike; nine animals, confidence .8."""
    rng = np.random.default_rng(seed)
    kept, trials = 0, 400
    for _ in range(trials):
        level = rng.normal(0, 2, 10)
        scores = level[:, None] + rng.normal(0, 1, (10, 50))
        limit = limit_for_animals(scores[:9].ravel(), np.repeat(np.arange(9), 50), 0.1, 0.8)
        assert limit is not None
        kept += (scores[9] > limit).mean() <= 0.1
    assert kept / trials > 0.8 - 4 * math.sqrt(0.16 / trials)
