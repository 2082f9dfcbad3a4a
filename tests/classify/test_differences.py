"""Differences of two streams of windows: what batches give is what the whole gives."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mcukd.classify.difference_facts import comparison_facts
from mcukd.classify.differences import Differences, Said, Stretch
from mcukd.metrics.agreement.track import NS, Track

FIRST, SECOND = ("rest", "walk", "graze"), ("walk", "rest", "run")


@st.composite
def accounts(draw: st.DrawFn, classes: int = 3) -> list[tuple[int, int, int]]:
    """Intervals (start, end, class) with gaps between some."""
    at, made = 0, []
    for gap, length, code in draw(
        st.lists(st.tuples(st.integers(0, 3), st.integers(1, 5), st.integers(0, classes - 1)), max_size=25)
    ):
        made.append((at + gap, at + gap + length, code))
        at += gap + length
    return made


def batches(intervals: list[tuple[int, int, int]], size: int) -> Iterator[Said]:
    for first in range(0, len(intervals), size):
        table = np.array(intervals[first : first + size], np.int64).reshape(-1, 3)
        yield Said(table[:, 0], table[:, 1], table[:, 2].astype(np.uint8))


def moments(intervals: list[tuple[int, int, int]]) -> dict[int, int]:
    return {moment: code for start, end, code in intervals for moment in range(start, end)}


@given(accounts(), accounts(), accounts(), st.integers(1, 7), st.integers(1, 7))
@settings(max_examples=150, deadline=None)
def test_any_batches_give_what_every_moment_gives(
    one: list[tuple[int, int, int]],
    other: list[tuple[int, int, int]],
    labels: list[tuple[int, int, int]],
    size: int,
    other_size: int,
) -> None:
    seen: list[Stretch] = []
    found = Differences("cow", FIRST, SECOND, ("rest", "walk", "drink"), 5, seen.append)
    table = np.array(labels, np.int64).reshape(-1, 3)
    track = Track("cow", "seen", found.truths, table[:, 0], table[:, 1], table[:, 2])
    found.add("a", batches(one, size), batches(other, other_size), track)
    expected = np.zeros((3, 3, 4), np.int64)
    said, told, true = moments(one), moments(other), moments(labels)
    differing = set()
    for moment in said.keys() & told.keys():
        expected[said[moment], told[moment], true.get(moment, 3)] += 1
        if FIRST[said[moment]] != SECOND[told[moment]]:
            differing.add(moment)
    np.testing.assert_array_equal(found.time, expected)
    assert (found.first_ns, found.second_ns) == (len(said), len(told))
    assert {m for s in seen for m in range(s.start_ns, s.end_ns)} == differing
    assert sum(s.length_ns for s in seen) == len(differing)
    for stretch in seen:
        for moment in range(stretch.start_ns, stretch.end_ns):
            assert stretch.first == FIRST[said[moment]] and stretch.second == SECOND[told[moment]]
            assert stretch.truth == (*found.truths, "")[true.get(moment, 3)]
    for before, after in zip(seen, seen[1:]):
        touching = before.end_ns == after.start_ns
        assert not touching or before.cells()[5:] != after.cells()[5:], "one stretch was told as two"
    assert found.longest == sorted(seen, key=lambda s: -s.length_ns)[:5]


def test_a_window_that_reaches_into_the_next_stretch_is_cut_there() -> None:
    found = Differences("cow", FIRST, FIRST)
    overlapping = Said(np.array([0, 10]), np.array([12, 20]), np.array([0, 1]))
    found.add("a", [overlapping], [Said(np.array([0]), np.array([20]), np.array([0]))])
    assert found.time[:, 0, 0].tolist() == [10, 10, 0]
    assert found.first_ns == 20


def test_recordings_follow_one_another_without_joining() -> None:
    found = Differences("cow", FIRST, FIRST)
    for name in ("a", "b"):
        found.add(name, [Said(*map(np.array, ([0], [5], [0])))], [Said(*map(np.array, ([0], [5], [1])))])
    assert [stretch.where for stretch in found.longest] == ["a", "b"]


def test_cells_give_utc_or_seconds_from_the_beginning() -> None:
    stretch = Stretch("cow", "a", True, 0, 2_500_000_000, "rest", "walk")
    assert stretch.cells() == (
        "cow", "a", "1970-01-01 00:00:00.000", "1970-01-01 00:00:02.500", "2.500", "rest", "walk", "",
    )  # fmt: skip
    assert Stretch("cow", "a", False, NS, 2 * NS, "rest", "walk").cells()[2:5] == (
        "+1.000 s",
        "+2.000 s",
        "1.000",
    )


def _minute(animal: str, first: list[int], second: list[int], truth: str = "") -> Differences:
    """An animal whose classes change every minute."""
    found = Differences(animal, ("rest", "walk"), ("walk", "rest", "run"), ("rest", "walk", "swim"))
    edges = np.arange(len(first) + 1) * 60 * NS
    labels = None
    if truth:
        code = np.array([found.truths.index(truth)])
        labels = Track(animal, "seen", found.truths, edges[:1], edges[-1:], code)
    said = (Said(edges[:-1], edges[1:], np.array(codes)) for codes in (first, second))
    found.add("a", [next(said)], [next(said)], labels)
    return found


def test_figures_by_hand() -> None:
    facts = comparison_facts(
        [_minute("a", [0, 0, 1, 1], [1, 0, 0, 2], "rest"), _minute("b", [0, 0], [1, 1])], top=3
    )
    assert (facts["only_a"], facts["only_b"]) == ([], ["run"])
    assert facts["shared_minutes"] == 6 and facts["same_share"] == round(4 / 6, 4)
    assert facts["table_minutes"] == {
        "rest": {"walk": 1, "rest": 3, "run": 0},
        "walk": {"walk": 1, "rest": 0, "run": 1},
    }
    days = facts["minutes_per_day"]
    assert days["rest"] == {"a": 1080, "b": 900, "change": -180, "interval": days["rest"]["interval"]}
    low, high = days["rest"]["interval"]
    assert low <= -180 <= high
    assert [one["same_share"] for one in facts["animals"]] == [0.5, 1]
    assert facts["labels"] == {
        "minutes": 4, "a_right_minutes": 2, "b_right_minutes": 1, "differing_minutes": 2,
        "differing_a_right_minutes": 1, "differing_b_right_minutes": 0,
        "differing_neither_right_minutes": 1, "unknown": ["swim"],
    }  # fmt: skip
    assert facts["differing_stretches"] == 2 and len(facts["longest"]) == 2


def test_one_animal_has_no_interval() -> None:
    facts = comparison_facts([_minute("a", [0, 1], [1, 2])], top=3)
    assert facts["minutes_per_day"]["walk"]["interval"] is None
    assert facts["same_share_by_animal"] == {"mean": pytest.approx(0.5), "interval": None}
