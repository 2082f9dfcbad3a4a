"""The session's clock never goes back, goes on through steps of the wall clock, and notes them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mcukd.errors import UserError
from mcukd.observation.clocks.session_clock import BEHIND_NS, NOTED_NS, NS, FastClock, HostClock
from mcukd.platforms import elapsed_ns

START = 1_780_000_000 * NS


class Clocks:
    """A wall clock and an elapsed one, set by hand."""

    def __init__(self):
        self.wall, self.elapsed = START, 5 * NS

    def pass_ns(self, ns, step=0):
        self.wall += ns + step
        self.elapsed += ns


def host(clocks, **options):
    return HostClock(wall=lambda: clocks.wall, elapsed=lambda: clocks.elapsed, **options)


@given(st.lists(st.tuples(st.integers(0, 3600 * NS), st.integers(-3600 * NS, 3600 * NS))))
def test_it_shows_what_has_elapsed_whatever_the_wall_clock_does(passes):
    clocks = Clocks()
    clock = host(clocks)
    elapsed = 0
    for ns, step in passes:
        clocks.pass_ns(ns, step)
        elapsed += ns
        assert clock.now_ns() == START + elapsed
    total, noted = sum(step for _, step in passes), sum(step.by_ns for step in clock.steps)
    assert abs(total - noted) <= NOTED_NS


def test_a_step_is_noted_once_with_its_moment_and_direction():
    clocks = Clocks()
    clock = host(clocks)
    clocks.pass_ns(10 * NS)
    clock.now_ns()
    clocks.pass_ns(NS, step=-2 * NS)
    clock.now_ns()
    clocks.pass_ns(NS)
    clock.now_ns()
    (step,) = clock.steps
    assert (step.at_ns, step.by_ns) == (START + 11 * NS, -2 * NS)
    assert "set back by 2.0 s" in step.sentence


def test_a_resumed_session_holds_at_its_last_event_until_a_clock_slightly_behind_has_caught_up():
    clocks = Clocks()
    clock = host(clocks, not_before_ns=START + BEHIND_NS)
    assert clock.now_ns() == START + BEHIND_NS
    clocks.pass_ns(3 * NS)
    assert clock.now_ns() == START + 3 * NS


def test_a_clock_far_behind_the_last_event_is_refused_with_both_times():
    with pytest.raises(UserError, match="60 s before the last event") as failure:
        host(Clocks(), not_before_ns=START + 60 * NS)
    assert str(failure.value).count("UTC") == 2


def test_the_computers_own_clocks_go_on():
    clock = HostClock()
    times = [clock.now_ns() for _ in range(100)]
    assert times == sorted(times) and elapsed_ns() <= elapsed_ns()
    assert clock.steps == ()


def test_a_fast_clock_runs_faster_and_says_how_long_to_wait():
    clocks = Clocks()
    clock = FastClock(60, START, elapsed=lambda: clocks.elapsed)
    clocks.pass_ns(2 * NS)
    assert clock.now_ns() == START + 120 * NS
    assert clock.waiting_s(START + 240 * NS) == pytest.approx(2)
    assert clock.waiting_s(START) == 0
    with pytest.raises(ValueError, match="above 0"):
        FastClock(0, START)
