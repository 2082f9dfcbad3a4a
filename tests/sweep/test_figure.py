"""Pareto figure of a sweep: which points are on the front, and the ends of its axis."""

from __future__ import annotations

from mcukd.sweep.figure import axis_range, front


def test_the_front_is_what_nothing_cheaper_beats() -> None:
    costs = [5, 1, 3, None, 3, 2, 9]
    merits = [0.9, 0.5, 0.7, 1.0, 0.8, 0.4, 0.9]
    assert front(costs, merits) == [1, 4, 0]


def test_the_figure_is_drawn_around_the_dots() -> None:
    dots = [{"mcc": 0.7, "mcc_sd": 0.05}, {"mcc": 0.85, "mcc_sd": None}]
    lines = [{"mcc": 0.9, "mcc_sd": 0.01}, {"mcc": 0.0, "mcc_sd": 0.0}]
    bottom, top = axis_range([*dots, *lines], [100.0, 200.0, None, None])
    assert 0.6 < bottom < 0.65 and 0.9 < top < 0.95
    # Where nothing has a cost, there are only lines.
    assert axis_range(lines, [None, None])[0] < 0
