"""The offset of two ethograms from their agreement, exact on intervals, or what is missing for it."""

import numpy as np
import pytest
from builders.ethogram_pairs import CLASSES, START, animal, moved, tag_of
from hypothesis import given, settings
from hypothesis import strategies as st

from mcukd.metrics.agreement.track import Track, shared_time
from mcukd.observation.clocks.ethograms import (
    NS,
    EthogramOffset,
    NotEnough,
    agreement_by_lag,
    find_offset,
    offsets_of_halves,
)


@given(st.integers(0, 10_000), st.lists(st.integers(-400, 400), min_size=1, max_size=8))
@settings(max_examples=40)
def test_the_agreement_at_any_lag_is_what_the_tracks_share_when_moved_by_it(seed, lags):
    rng = np.random.default_rng(seed)
    first, second = animal(rng, 12), animal(rng, 9)
    second = second.within(np.array([[START, START + 100 * NS], [START + 140 * NS, START + 900 * NS]]))
    at, known, agreed = agreement_by_lag(first, second, -400 * NS, 400 * NS)
    for lag in lags:
        table = shared_time(first, moved(second, lag * NS))
        assert np.interp(lag * NS, at, known) == pytest.approx(table.sum(), abs=100)
        assert np.interp(lag * NS, at, agreed) == pytest.approx(np.trace(table), abs=100)


@given(st.integers(0, 10_000), st.floats(-900, 900))
@settings(max_examples=25)
def test_the_offset_is_found_to_two_seconds_or_not_at_all(seed, lag):
    rng = np.random.default_rng(seed)
    truth = animal(rng)
    found = find_offset(truth, tag_of(truth, rng, lag))
    if isinstance(found, EthogramOffset):
        assert abs(found.lag_s - lag) < 2
        assert found.agreement > found.elsewhere


def test_an_hour_of_sixty_bouts_is_enough():
    rng = np.random.default_rng(1)
    truth = animal(rng)
    found = find_offset(truth, tag_of(truth, rng, 123.4))
    assert isinstance(found, EthogramOffset)
    assert abs(found.lag_s - 123.4) < 1 and found.uncertainty_s < 0.5 and found.changes > 30


@given(st.integers(0, 10_000))
@settings(max_examples=25)
def test_accounts_of_two_animals_that_have_nothing_in_common_are_not_enough(seed):
    rng = np.random.default_rng(seed)
    assert isinstance(find_offset(animal(rng), tag_of(animal(rng), rng, 0)), NotEnough)


def test_few_changes_are_said_with_the_number_needed():
    rng = np.random.default_rng(2)
    truth = animal(rng, 5)
    found = find_offset(truth, tag_of(truth, rng, 3))
    assert isinstance(found, NotEnough)
    assert "4 changes" in found.why and "8 are needed" in found.why


def test_an_animal_that_alternates_evenly_fits_at_many_offsets():
    edges = START + np.arange(61) * 60 * NS
    even = Track("cow", "the observer", CLASSES, edges[:-1], edges[1:], np.arange(60) % 2)
    found = find_offset(even, moved(even, -7 * NS))
    assert isinstance(found, NotEnough) and "120 s away" in found.why


def test_tracks_that_do_not_meet_are_said():
    rng = np.random.default_rng(4)
    truth = animal(rng)
    found = find_offset(truth, moved(tag_of(truth, rng, 0), 10**6 * NS))
    assert isinstance(found, NotEnough) and "half of the shorter" in found.why


def test_two_halves_show_the_drift():
    rng = np.random.default_rng(5)
    truth = animal(rng, 240)
    drift = 4 / 3600
    tag = tag_of(truth, rng, 20, drift, right=0.97)
    whole = find_offset(truth, tag)
    assert isinstance(whole, EthogramOffset)
    one, two = offsets_of_halves(truth, tag, whole)
    assert one is not None and two is not None
    hours = (two.middle_ns - one.middle_ns) / NS / 3600
    assert (two.lag_s - one.lag_s) / hours == pytest.approx(4, abs=1)
