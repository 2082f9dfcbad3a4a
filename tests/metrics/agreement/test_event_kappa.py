import itertools

import numpy as np
import pytest
from builders.tracks import CLASSES, spelled, tracks
from hypothesis import given, settings
from hypothesis import strategies as st

from mcukd.metrics.agreement.event_kappa import aligned, event_kappa, event_kappas, event_table
from mcukd.metrics.agreement.track import NS, Track, common_spans


def weight(first: Track, second: Track, pairs: list[tuple[int, int]]) -> tuple[int, int]:
    """Return what an alignment is worth: links, those of one class twice; and shared time."""
    alike = sum(1 + int(first.behaviours[i] == second.behaviours[j]) for i, j in pairs)
    shared = sum(
        max(0, int(min(first.ends[i], second.ends[j]) - max(first.starts[i], second.starts[j])))
        for i, j in pairs
    )
    return alike, shared


def linked(first: Track, second: Track, i: int, j: int, tolerance: int, overlap: float) -> bool:
    shared = min(first.ends[i], second.ends[j]) - max(first.starts[i], second.starts[j])
    longer = max(first.durations[i], second.durations[j])
    return abs(int(first.starts[i] - second.starts[j])) <= tolerance or 0 < overlap * longer <= shared


@settings(max_examples=60)
@given(tracks(), tracks(), st.integers(0, 4), st.sampled_from([0.3, 0.5, 1.0]))
def test_the_alignment_is_the_best_of_all(
    first: Track, second: Track, tolerance: int, overlap: float
) -> None:
    first, second = first.bouts().within(np.array([[0, 11]])), second.bouts().within(np.array([[0, 11]]))
    possible = [
        (i, j)
        for i in range(len(first))
        for j in range(len(second))
        if linked(first, second, i, j, tolerance, overlap)
    ]
    best = (0, 0)
    for size in range(1, min(len(first), len(second)) + 1):
        for chosen in itertools.combinations(possible, size):
            if all(a[0] < b[0] and a[1] < b[1] for a, b in zip(chosen, chosen[1:])):
                best = max(best, weight(first, second, list(chosen)))
    found = aligned(first, second, tolerance, overlap)
    assert set(found) <= set(possible)
    assert all(a[0] < b[0] and a[1] < b[1] for a, b in zip(found, found[1:]))
    assert weight(first, second, found) == best


@settings(max_examples=40)
@given(tracks(), tracks(), st.integers(0, 4))
def test_the_table_counts_every_bout_once(first: Track, second: Track, tolerance: int) -> None:
    table = event_table(first, second, tolerance, 0.5)
    spans = common_spans(first, second)
    for one, counts in ((first, table[:-1].sum(1)), (second, table[:, :-1].sum(0))):
        bouts = one.within(spans).bouts()
        assert np.array_equal(counts, np.bincount(bouts.behaviours, minlength=3))
    assert table[-1, -1] == 0


def test_omissions_and_commissions_stand_beside_nil() -> None:
    observer, tag = spelled("ggggggwwrrrrrr"), spelled("ggggggggrrwwrr", source="tag")
    table = event_table(observer, tag, NS, 0.5)
    # Grazing is linked (6 of 8 s shared). The tag misses walking at 6 s, and reports it at 10 s. Its resting
    # from 12 s on has no partner; the one from 8 s on begins with the observer's.
    assert table.tolist() == [[1, 0, 0, 0], [0, 1, 0, 0], [0, 0, 0, 1], [0, 1, 1, 0]]


def fitted(table: np.ndarray) -> np.ndarray:
    """Return expected counts with the cell nil–nil empty, by iterative proportional fitting."""
    expected = np.ones(table.shape)
    expected[-1, -1] = 0
    for _ in range(300):
        for axis in (1, 0):
            sums = expected.sum(axis, keepdims=True)
            wanted = table.sum(axis, keepdims=True)
            expected = expected * np.divide(wanted, sums, out=np.zeros(sums.shape), where=sums > 0)
    return expected


@settings(max_examples=30)
@given(st.lists(st.lists(st.integers(0, 9), min_size=4, max_size=4), min_size=4, max_size=4))
def test_chance_is_what_iterative_proportional_fitting_gives(rows: list[list[int]]) -> None:
    table = np.array(rows)
    table[:-1, :-1] += 1
    table[-1, -1] = 0
    expected, total = fitted(table), table.sum()
    chance = np.trace(expected) / total
    agreed = np.trace(table) / total
    assert event_kappa(table) == pytest.approx((agreed - chance) / (1 - chance), abs=1e-6)


def test_without_nil_it_is_cohens_kappa() -> None:
    # Cohen (1960), table 2b: .492.
    table = np.zeros((4, 4), np.int64)
    table[:3, :3] = [[88, 14, 18], [10, 40, 10], [2, 6, 12]]
    assert event_kappa(table) == pytest.approx(0.492, abs=0.0005)


def test_nothing_linked_is_no_agreement_and_nothing_at_all_is_none() -> None:
    table = np.zeros((3, 3), np.int64)
    assert event_kappa(table) is None
    table[0, -1], table[-1, 1] = 4, 3
    assert event_kappa(table) == 0


@settings(max_examples=40)
@given(tracks(1), st.integers(0, 4))
def test_identical_tracks_agree_wholly(track: Track, tolerance: int) -> None:
    assert event_kappa(event_table(track, track, tolerance, 0.5)) in (None, pytest.approx(1.0))


@settings(max_examples=40)
@given(tracks(), tracks(), st.permutations(CLASSES))
def test_the_order_of_the_classes_is_of_no_account(first: Track, second: Track, order: list[str]) -> None:
    plain = event_kappas(event_table(first, second, 2, 0.5))
    moved = event_kappas(event_table(first.with_classes(order), second.with_classes(order), 2, 0.5))
    assert plain == pytest.approx(moved, nan_ok=True)


def test_onsets_within_the_tolerance_link_bouts_that_share_little() -> None:
    observer, tag = spelled("gggggggggw"), spelled("gwwwwwwwww", source="tag")
    assert event_table(observer, tag, 0, 0.5)[0, 0] == 1
    late, early = spelled("wggrrrrrr"), spelled("gggrrrrrr", source="tag")
    assert event_table(late, early, 0, 0.9)[0, 0] == 0
    assert event_table(late, early, NS, 0.9)[0, 0] == 1
