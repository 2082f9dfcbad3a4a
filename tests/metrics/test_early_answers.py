"""Early answers: thresholds by part of the window, and what they cost."""

from __future__ import annotations

import math

import numpy as np
import pytest

from mcukd.metrics.early_answers import EarlyResults, answered_at, early_figures, early_margins


def results(count: int = 600, seed: int = 0) -> EarlyResults:
    """Windows whose class becomes surer with each quarter; small margins are often of another class."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, 3, count)
    margins = np.stack([rng.exponential(part, count) for part in (2, 4, 8, 60)])
    off = rng.random((4, count)) < 0.5 * np.exp(-margins)
    classes = np.where(off, (labels + 1) % 3, labels)
    return EarlyResults((0.25, 0.5, 0.75, 1.0), classes, margins, labels, np.arange(count) % 6)


def test_a_threshold_keeps_its_rate_among_the_windows_that_are_left() -> None:
    found, rate = results(), 0.97
    margins = early_margins(found, rate)
    part = answered_at(found, margins)
    for number, margin in enumerate(margins):
        here = part == number
        assert here.any() and (found.margins[number][here] >= margin).all()
        assert (found.classes[number][here] == found.classes[-1][here]).mean() >= rate
    assert (part == 3).any()


def test_where_no_margin_keeps_the_rate_nothing_is_answered_early() -> None:
    found = results(60)
    opposite = EarlyResults(
        found.fractions, np.stack([found.classes[-1] + 1] * 3 + [found.classes[-1]]), found.margins,
        found.labels, found.animals,
    )  # fmt: skip
    assert early_margins(opposite, 0.9) == (math.inf, math.inf, math.inf)
    figures = early_figures(opposite, 0.9)
    assert (figures["samples"], figures["equal"], figures["answered"]) == (1, 1, [0, 0, 0, 1])
    assert figures["margins"] == [None, None, None]


def test_an_animals_windows_are_answered_by_the_others_thresholds() -> None:
    found = results()
    figures = early_figures(found, 0.97)
    parts = np.zeros(len(found.labels), int)
    for animal in range(6):
        own = found.animals == animal
        parts[own] = answered_at(found.take(own), early_margins(found.take(~own), 0.97))
    said = found.classes[parts, np.arange(len(parts))]
    assert figures["answered"] == pytest.approx(
        (np.bincount(parts, minlength=4) / len(parts)).tolist(), abs=1e-6
    )
    assert figures["equal"] == pytest.approx((said == found.classes[-1]).mean(), abs=1e-6)
    assert (
        figures["samples"] == pytest.approx(((parts + 1) / 4).mean(), abs=1e-6) and figures["samples"] < 0.9
    )
    assert figures["wrong_full"] == pytest.approx((found.classes[-1] != found.labels).mean(), abs=1e-6)
    with pytest.raises(ValueError, match="one animal alone"):
        early_figures(found.take(found.animals == 0), 0.97)


def test_a_higher_rate_answers_later() -> None:
    assert early_figures(results(), 0.995)["samples"] > early_figures(results(), 0.95)["samples"]
