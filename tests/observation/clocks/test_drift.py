"""Drift and jumps of a tag's clock from anchors, and what they leave unknown."""

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mcukd.errors import UserError
from mcukd.observation.clocks.anchors import NS, Anchor, anchor_of
from mcukd.observation.clocks.drift import SAME_KIND_S_PER_H, DriftSettings, fit_clock
from mcukd.observation.clocks.facts import clock_facts
from mcukd.observation.moments import ClockReading

TICKS = 32768
HOST = 1_780_000_000 * NS
TAG = 77_000 * TICKS


def true_host(tag_s, drift_s_per_h=0.0, jump_s=0.0, jump_at_s=0.0):
    """Return the computer's ns at some seconds of the tag since TAG."""
    ahead = tag_s * drift_s_per_h / 3600 + (jump_s if tag_s >= jump_at_s else 0)
    return HOST + round((tag_s + ahead) * NS)


def anchors(times, u=0.03, noise=(), **truth):
    noise = [*noise, *[0.0] * len(times)]
    return [
        Anchor(TAG + round(t * TICKS), true_host(t, **truth) + round(e * NS), u, "taps")
        for t, e in zip(times, noise)
    ]


def error_s(clock, tag_s, **truth):
    return abs(int(clock.to_host_ns(TAG + round(tag_s * TICKS))) - true_host(tag_s, **truth)) / NS


def test_nothing_to_go_by_is_said_with_what_to_do():
    with pytest.raises(UserError, match="tap the tag three times"):
        fit_clock([])


def test_an_anchor_without_uncertainty_is_refused():
    with pytest.raises(ValueError, match="above 0"):
        Anchor(0, 0, 0.0, "taps")
    assert anchor_of(ClockReading(5, 6, 0)).uncertainty_s > 0


def test_one_anchor_gives_the_offset_and_the_uncertainty_grows_by_what_is_known_of_such_clocks():
    clock = fit_clock(anchors([100]))
    assert error_s(clock, 100) < 1e-6
    hour = clock.uncertainty_s(TAG + 3700 * TICKS)
    assert hour == pytest.approx(np.hypot(0.54, 0.03), rel=0.01)
    same_kind = fit_clock(anchors([100]), settings=DriftSettings(0.3, SAME_KIND_S_PER_H))
    assert same_kind.uncertainty_s(TAG + 3700 * TICKS) == pytest.approx(np.hypot(0.02, 0.03), rel=0.01)
    assert same_kind.drift_s_per_h == pytest.approx(0.3)
    assert not clock.drift_measured and "not measured" in " ".join(clock_facts(clock)["sentences"])


def test_two_anchors_give_the_drift_and_say_that_they_cannot_tell_it_from_a_jump():
    clock = fit_clock(anchors([0, 7200], drift_s_per_h=0.54))
    assert clock.drift_s_per_h == pytest.approx(0.54, abs=0.01)
    assert clock.drift_measured and not clock.jumps
    assert error_s(clock, 3600, drift_s_per_h=0.54) < 0.02
    assert clock.unnoticed_jump_s > 3
    assert "cannot tell a drift from a jump" in " ".join(clock_facts(clock)["sentences"])


def test_two_anchors_show_a_jump_where_the_drift_of_the_kind_is_known():
    known = DriftSettings(0.54, SAME_KIND_S_PER_H)
    clock = fit_clock(anchors([0, 7200], drift_s_per_h=0.54, jump_s=3, jump_at_s=4000), settings=known)
    ((before, after, size, _),) = clock.jumps
    assert (before, after) == (TAG, TAG + 7200 * TICKS)
    assert size == pytest.approx(3, abs=0.05)
    # Where it jumped nobody knows, so that between the anchors the time is known to 3 s only.
    assert clock.uncertainty_s(TAG + 3600 * TICKS) > 3
    assert clock.uncertainty_s(TAG) < 0.05


def test_drift_and_jump_are_told_apart_by_taps_before_and_after_it():
    truth = {"drift_s_per_h": 0.54, "jump_s": -3, "jump_at_s": 3700}
    noise = (0.02, -0.03, 0.03, -0.01)
    clock = fit_clock(anchors([0, 3600, 3800, 7200], noise=noise, **truth))
    ((before, after, size, sd),) = clock.jumps
    assert (before, after) == (TAG + 3600 * TICKS, TAG + 3800 * TICKS)
    assert abs(size + 3) < 0.1 and 0 < sd < 0.1
    assert clock.drift_s_per_h == pytest.approx(0.54, abs=0.1)
    for t in (0, 1800, 3600, 3800, 5000, 7200):
        assert error_s(clock, t, **truth) < 0.1
    assert clock.uncertainty_s(TAG + 3700 * TICKS) > 2.9
    assert any("jumped forward by 2.9" in one for one in clock_facts(clock)["sentences"])


def test_three_anchors_leave_open_between_which_two_it_jumped_and_the_uncertainty_covers_both():
    truth = {"jump_s": 0.6, "jump_at_s": 5000}
    clock = fit_clock(anchors([0, 3600, 7200], **truth))
    assert clock.rivals
    for t in (1800, 3600, 5400, 7200):
        assert error_s(clock, t, **truth) < 3 * clock.uncertainty_s(TAG + t * TICKS)
    assert "do not tell where" in " ".join(clock_facts(clock)["sentences"])


@given(
    st.floats(-2, 2),
    st.lists(st.tuples(st.integers(2, 117), st.floats(0.5, 100), st.booleans()), max_size=3),
    st.integers(0, 2**32 - 1),
)
def test_readings_every_minute_find_each_jump_and_nothing_else(drift, jumps, seed):
    steps = {}
    for minute, size, back in jumps:
        if all(abs(minute - other) > 2 for other in steps):
            steps[minute] = -size if back else size
    rng = np.random.default_rng(seed)
    minutes = np.arange(120)
    ahead = minutes * drift / 60 + sum(
        (np.where(minutes >= m, size, 0) for m, size in steps.items()), np.zeros(120)
    )
    host = [
        HOST + round((60 * m + a + rng.uniform(-0.01, 0.01)) * NS) for m, a in zip(minutes.tolist(), ahead)
    ]
    readings = [ClockReading(TAG + 60 * m * TICKS, h, 10_000_000) for m, h in zip(minutes.tolist(), host)]
    clock = fit_clock([anchor_of(one) for one in readings])
    assert clock.drift_s_per_h == pytest.approx(drift, abs=0.02)
    found = {(after - TAG) // TICKS // 60: size for _, after, size, _ in clock.jumps}
    assert found == pytest.approx(steps, abs=0.05)
    times = TAG + np.arange(0, 119 * 60, 37) * TICKS
    assert np.all(np.abs(clock.to_tag(clock.to_host_ns(times)) - times) <= 1) or any(
        size < 0 for size in steps.values()
    )


def test_a_stray_group_of_taps_is_left_out_and_said():
    times = [0, 1200, 2400, 3600, 4800, 6000, 7200]
    given_anchors = anchors(times, noise=(0, 0, 0, 4.0))
    clock = fit_clock(given_anchors)
    assert not clock.jumps and clock.left_out == (given_anchors[3],)
    assert any("contradict" in one for one in clock_facts(clock)["sentences"])
    assert error_s(clock, 3600) < 0.05


def test_a_restart_may_jump_and_without_an_anchor_after_it_nothing_is_claimed():
    restart = TAG + 3600 * TICKS
    truth = {"drift_s_per_h": 0.2, "jump_s": 41.5, "jump_at_s": 3600}
    clock = fit_clock(anchors([0, 3000, 4000, 7200], **truth), restarts=[restart])
    assert error_s(clock, 3599, **truth) < 0.05 and error_s(clock, 3601, **truth) < 0.05
    assert not clock.jumps
    half = fit_clock(anchors([0, 3000], **truth), restarts=[restart])
    assert half.knows([restart - 1, restart]).tolist() == [True, False]
    assert np.isinf(half.uncertainty_s(restart))
    # The tolerance is that of what is known; nothing counts that is not.
    ends = (true_host(0), true_host(7200))
    assert half.tolerance_s(*ends) < 0.5 and np.isinf(half.tolerance_s(ends[1], ends[1]))
    assert "No anchor follows" in " ".join(clock_facts(half)["sentences"])


def test_the_tolerance_is_twice_the_worst_uncertainty_within_the_time_asked_for():
    truth = {"jump_s": 3, "jump_at_s": 3700}
    clock = fit_clock(anchors([0, 3600, 3800, 7200], **truth))
    first, jump, last = (true_host(t, **truth) for t in (0, 3700, 7200))
    assert clock.tolerance_s(first, last) > 6
    assert clock.tolerance_s(first, jump - 110 * NS) < 0.2
    later = true_host(20_000, **truth)
    assert clock.tolerance_s(last, later) > clock.tolerance_s(last, last)


def test_anchors_that_scatter_more_than_they_say_widen_the_uncertainty():
    rng = np.random.default_rng(1)
    times = list(range(0, 7200, 600))
    quiet = fit_clock(anchors(times, noise=rng.normal(0, 0.03, len(times))))
    loud = fit_clock(anchors(times, noise=rng.normal(0, 0.09, len(times))))
    assert quiet.scale < 1.5 < loud.scale
    assert loud.uncertainty_s(TAG) > quiet.uncertainty_s(TAG)


def test_times_that_a_jump_left_out_go_back_to_the_moment_it_jumped():
    clock = fit_clock(anchors([0, 1800, 3600, 3800, 5400, 7200], jump_s=3, jump_at_s=3700))
    left_out = true_host(3700) + NS  # 1 s after the jump began by the computer's clock
    assert int(clock.to_tag(left_out)) == TAG + 3700 * TICKS
    assert int(clock.to_tag(true_host(100))) == pytest.approx(TAG + 100 * TICKS, abs=2)


def test_the_facts_are_json():
    facts = clock_facts(fit_clock(anchors([0, 3600, 3800, 7200], jump_s=3, jump_at_s=3700)))
    assert json.loads(json.dumps(facts)) == facts
