"""Taps on a tag, found in its samples by the spacing of the observer's presses."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mcukd.observation.clocks.anchors import NS
from mcukd.observation.clocks.taps import (
    NoTaps,
    TapSamples,
    TapsFound,
    find_taps,
    press_groups,
    samples_of,
)
from mcukd.observation.moments import Samples

RATE = 25.0
TICKS = 32768
HOST = 1_780_000_000 * NS
TAG = 500_000 * TICKS
SPACED = (0.0, 0.7, 1.9)


def herd(seconds=120, seed=0):
    """A head that sways and chews, with the sensor's noise, counts of 1/512 g."""
    rng = np.random.default_rng(seed)
    t = np.arange(int(seconds * RATE)) / RATE
    counts = np.stack([40 * np.sin(2 * np.pi * t), 512 + 25 * np.sin(7 * t), 30 * np.cos(1.3 * t)], axis=1)
    return counts + rng.normal(0, 4, counts.shape)


def tap(counts, at_s, g=2.0):
    """Add an impulse at a moment, shared by the two samples around it."""
    place, part = divmod(at_s * RATE, 1)
    for side, share in ((0, 1 - part), (1, part)):
        counts[int(place) + side] += 512 * g * share * np.array([0.3, 0.9, 0.2])


def samples(counts):
    step = np.rint(np.arange(len(counts)) * TICKS / RATE).astype(np.int64)
    return TapSamples(TAG + step, np.clip(np.rint(counts), -2048, 2047).astype(np.int16), RATE)


def presses(times):
    return [HOST + round(t * NS) for t in times]


def tapped(times, presses_s=None, **options):
    counts = herd(**options)
    for t in times:
        tap(counts, t)
    return samples(counts), presses(times if presses_s is None else presses_s)


@given(st.floats(5, 100), st.lists(st.floats(0.4, 1.5), min_size=2, max_size=4), st.integers(0, 1000))
def test_the_offset_is_that_of_the_taps_to_less_than_a_sample(start, gaps, seed):
    times = np.concatenate([[start], start + np.cumsum(gaps)])
    found = find_taps(*tapped(times.tolist(), seed=seed))
    assert isinstance(found, TapsFound)
    anchor = found.anchor
    offset = (anchor.host_ns - HOST) / NS - (anchor.tag_ticks - TAG) / TICKS
    assert abs(offset) < 0.5 / RATE
    assert 0.03 <= found.uncertainty_s < 0.06


def test_presses_that_scatter_are_told_by_a_larger_uncertainty():
    steady = find_taps(*tapped([30, 30.7, 31.9]))
    loose = find_taps(*tapped([30, 30.7, 31.9], presses_s=[30.1, 30.65, 31.95]))
    assert isinstance(steady, TapsFound) and isinstance(loose, TapsFound)
    assert loose.uncertainty_s > 2 * steady.uncertainty_s
    assert loose.residuals_s.sum() == pytest.approx(0, abs=1e-9)


def test_no_taps_are_no_offset():
    found = find_taps(samples(herd()), presses([30, 30.7, 31.9]))
    assert isinstance(found, NoTaps) and "tap harder" in found.why


def test_two_groups_that_fit_are_ambiguous_and_a_hint_where_to_look_decides():
    times = [30, 30.7, 31.9]
    taken, pressed = tapped([*times, *(t + 40 for t in times)], presses_s=times)
    found = find_taps(taken, pressed)
    assert isinstance(found, NoTaps) and "40.0 s apart" in found.why
    found = find_taps(taken, pressed, between_ticks=(TAG + 60 * TICKS, TAG + 80 * TICKS))
    assert isinstance(found, TapsFound)
    assert (found.tap_ticks[0] - TAG) / TICKS == pytest.approx(70, abs=0.03)


def test_a_fourth_tap_at_even_intervals_is_ambiguous():
    found = find_taps(*tapped([30, 31, 32, 33], presses_s=[30, 31, 32]))
    assert isinstance(found, NoTaps) and "uneven" in found.why


def test_single_knocks_elsewhere_do_not_matter():
    times = [30, 30.7, 31.9]
    found = find_taps(*tapped([*times, 50, 64.2, 80], presses_s=times))
    assert isinstance(found, TapsFound)
    assert (found.tap_ticks[0] - TAG) / TICKS == pytest.approx(30, abs=0.03)


@pytest.mark.parametrize(
    ("times", "word"), [([1, 2], "2 times"), ([1], "1 time:"), ([1, 1.1, 2], "more slowly")]
)
def test_presses_that_cannot_be_matched_are_said(times, word):
    found = find_taps(samples(herd()), presses(times))
    assert isinstance(found, NoTaps) and word in found.why


def test_too_few_samples_hold_no_taps():
    empty = TapSamples(np.zeros(0, np.int64), np.zeros((0, 3), np.int16), RATE)
    assert isinstance(find_taps(empty, presses(SPACED)), NoTaps)


def test_a_difference_across_lost_samples_is_no_tap():
    times = [30, 30.7, 31.9]
    counts = herd()
    taken = samples(counts)
    cut = np.ones(len(counts), bool)
    for t in times:
        cut[int(t * RATE) : int(t * RATE) + 12] = False
    gaps = replace(
        taken, ticks=taken.ticks[cut], counts=taken.counts[cut] + (np.cumsum(~cut)[cut] * 20)[:, None]
    )
    assert isinstance(find_taps(gaps, presses(times)), NoTaps)


def test_presses_are_grouped_by_the_pauses_between_them():
    groups = press_groups(presses([0, 1, 2, 60, 61, 62.5]))
    assert [len(one) for one in groups] == [3, 3]
    assert press_groups([]) == []


def test_the_samples_of_a_stream_have_times_between_those_that_the_tag_told():
    def batch(first, tick, count=25, gap=False):
        return Samples(HOST, first, tick, np.zeros((count, 3), np.int16), gap)

    second = round(TICKS * 1.002)
    stream = [batch(0, TAG), batch(25, TAG + second), batch(80, TAG + 4 * second, gap=True)]
    taken = samples_of(stream, RATE)
    assert len(taken.ticks) == 75
    assert taken.ticks[24] == TAG and taken.ticks[49] == TAG + second and taken.ticks[74] == TAG + 4 * second
    assert taken.ticks[0] == TAG - round(24 * TICKS / RATE)
    assert np.ptp(np.diff(taken.ticks[24:50])) <= 1
    assert taken.ticks[50] == TAG + 4 * second - round(24 * TICKS / RATE)
    assert len(samples_of([], RATE).ticks) == 0
