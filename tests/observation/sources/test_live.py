"""A tag on a line as a source of moments: unplugged, exchanged, started anew, and its clock."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from builders.watched_tag import QuickEvent, WatchedTag

from mcukd.errors import UserError
from mcukd.harness.messages import Request
from mcukd.observation import moments
from mcukd.observation.moments import ClockReading, Connected, Disconnected, Gap, Moment, Result, Samples
from mcukd.observation.sources.live import LiveTag


def session(
    tag: WatchedTag,
    seconds: float,
    script: Callable[[Moment], None] = lambda moment: None,
    on_wait: Callable[[], None] | None = None,
    **options: Any,
) -> list[Moment]:
    """What a source tells in some time of the tag. script: sees each moment; on_wait: called at each look."""

    def looked() -> None:
        if on_wait is not None:
            on_wait()
        if tag.now > seconds:
            stop.set()

    stop, found = QuickEvent(tag, looked), []
    for moment in LiveTag("a tag", lambda: tag.connect(), tag, **options).moments(stop):
        found.append(moment)
        script(moment)
        if tag.now > seconds:
            stop.set()
    return found


def kinds(found: list[Moment]) -> list[str]:
    return [type(moment).__name__ for moment in found]


def test_a_session_is_who_it_is_then_results_with_readings_of_the_clock_around() -> None:
    tag = WatchedTag()
    found = session(tag, 100, samples=True)
    connected = found[0]
    assert isinstance(connected, Connected) and isinstance(found[1], ClockReading)
    assert (connected.chip, connected.id, connected.board) == (f"{1:016x}", "cow-17", "collar")
    assert (connected.rate_hz, connected.smoothing, connected.classes) == (50.0, 3, 3)
    assert not connected.emulated and connected.model_sha256 == "07" * 32
    assert isinstance(found[-1], ClockReading)
    results = [moment for moment in found if isinstance(moment, Result)]
    assert [result.number for result in results] == list(range(1, len(results) + 1)) and len(results) > 75
    samples = [moment for moment in found if isinstance(moment, Samples)]
    assert [each.first for each in samples] == [64 * n for n in range(len(results))]
    assert 4 <= kinds(found).count("ClockReading") <= 6
    # WATCH comes right behind WHO, so that nothing keeps the tag from its sensor; the last says: no more.
    assert tag.asked[:2] == [Request.WHO, Request.WATCH] and tag.asked[-1] == Request.WATCH
    told = tag.sent
    tag.elapse(10)
    assert tag.sent == told


@pytest.mark.parametrize("delay", [(0.0, 0.0), (0.3, 0.0), (0.0, 0.3), (0.07, 0.21)])
def test_the_tags_clock_is_within_the_uncertainty(delay: tuple[float, float]) -> None:
    """Whichever way is slow."""
    tag = WatchedTag()
    send = tag.send

    def slow(data: bytes) -> None:
        tag.now += delay[0]
        send(data)
        tag.now += delay[1]

    tag.send = slow  # type: ignore[method-assign]
    for reading in session(tag, 40):
        if isinstance(reading, ClockReading):
            error_ns = reading.host_ns - (reading.tag_ticks / 32768 - tag.clock_s) * 1e9
            assert abs(error_ns) <= reading.uncertainty_ns <= (sum(delay) / 2 + 0.001) * 1e9


def test_a_tag_that_is_unplugged_is_told_once_and_found_again() -> None:
    tag, looks = WatchedTag(), []

    def unplug(moment: Moment) -> None:
        tag.gone = tag.gone or (isinstance(moment, Result) and moment.number == 10)

    def look() -> None:
        looks.append(tag.now)
        tag.gone = len(looks) < 7

    found = session(tag, 60, unplug, look)
    gone = [moment for moment in found if isinstance(moment, Disconnected)]
    assert len(gone) == 1 and "the line was lost" in gone[0].reason
    assert [b - a for a, b in zip(looks, looks[1:])] == pytest.approx([1.0] * 6)
    after = found[found.index(gone[0]) + 1 :]
    assert kinds(after[:2]) == ["Connected", "ClockReading"]
    # What it made meanwhile is in its log, and told as missing here.
    gap = next(moment for moment in after if isinstance(moment, Gap))
    result = after[after.index(gap) + 1]
    assert isinstance(result, Result) and (gap.what, gap.lost) == (moments.RESULTS, result.number - 11)


def test_lost_messages_are_a_gap_and_their_results_are_not_told_twice() -> None:
    tag = WatchedTag()

    def lose(moment: Moment) -> None:
        if isinstance(moment, Result) and moment.number == 10:
            tag.through = once

    def once(data: bytes) -> bytes:
        tag.through = lambda data: data
        return b""

    gaps = [moment for moment in session(tag, 17, lose) if isinstance(moment, Gap)]
    assert [(gap.what, gap.lost) for gap in gaps] == [(moments.MESSAGES, 1)]


def test_another_tag_is_refused_and_never_mixed() -> None:
    tag, other = WatchedTag(), []

    def unplug(moment: Moment) -> None:
        tag.gone = tag.gone or (isinstance(moment, Result) and moment.number == 3)

    def exchange() -> None:
        tag.gone = False
        other.append(tag.now)
        tag.chip = 2 if len(other) < 4 else 1

    found = session(tag, 30, unplug, exchange)
    gone = [moment.reason for moment in found if isinstance(moment, Disconnected)]
    assert len(gone) == 2 and "the line was lost" in gone[0]
    assert f"another tag answers, with chip {2:016x} instead of {1:016x}" in gone[1]
    chips = [moment.chip for moment in found if isinstance(moment, Connected)]
    assert chips == [f"{1:016x}"] * 2


def test_the_same_chip_with_another_model_is_refused() -> None:
    tag = WatchedTag()

    def flash(moment: Moment) -> None:
        if isinstance(moment, Result) and moment.number == 3:
            tag.gone, tag.model = True, bytes([9]) * 32

    def plug() -> None:
        tag.gone = False
        if tag.now > 20:
            tag.model = bytes([7]) * 32

    found = session(tag, 30, flash, plug)
    reasons = [moment.reason for moment in found if isinstance(moment, Disconnected)]
    assert len(reasons) == 2 and "with model 0909090909090909 instead of 0707070707070707" in reasons[1]


def test_a_session_that_is_resumed_takes_its_own_tag_alone() -> None:
    connected = session(WatchedTag(), 5)[0]
    assert isinstance(connected, Connected)
    tag = WatchedTag(chip=2)

    def exchange() -> None:
        tag.chip = 1

    found = session(tag, 10, on_wait=exchange, known=connected)
    assert kinds(found[:2]) == ["Disconnected", "Connected"]


@pytest.mark.parametrize(
    ("tag", "words"),
    [
        (WatchedTag(model=9), "carries the model 0909090909090909, but 0707070707070707 is expected"),
        (WatchedTag(knows=False), "does not tell what it finds as it comes"),
    ],
)
def test_a_first_tag_that_cannot_serve_ends_the_session(tag: WatchedTag, words: str) -> None:
    with pytest.raises(UserError, match=words):
        session(tag, 10, model_sha256="07" * 32)
    told = tag.sent
    tag.elapse(100)
    assert tag.sent == told  # it is not watched on


def test_a_tag_that_starts_anew_is_told() -> None:
    tag = WatchedTag()

    def start(moment: Moment) -> None:
        if isinstance(moment, Result) and moment.number == 30 and tag.started == 1:
            tag.started = 2
            tag.start_anew()

    found = session(tag, 80, start)
    (gone,) = (moment for moment in found if isinstance(moment, Disconnected))
    assert "the tag started anew" in gone.reason
    assert [moment.start for moment in found if isinstance(moment, Connected)] == [1, 2]
    assert not [moment for moment in found if isinstance(moment, Gap)]


def test_a_start_of_which_nothing_is_logged_is_told_while_the_line_was_gone() -> None:
    tag = WatchedTag()

    def silent(data: bytes) -> bytes:
        return b""

    def unplug(moment: Moment) -> None:
        if isinstance(moment, Result) and moment.number == 30 and tag.now < 40:
            tag.through = silent

    def plug() -> None:
        if tag.through is silent:
            tag.start_anew()
            tag.through = bytes

    found = session(tag, 80, unplug, plug)
    assert [moment.anew for moment in found if isinstance(moment, Connected)] == [False, True]


def test_a_tag_that_falls_silent_is_told() -> None:
    """As a radio bridge out of reach: the port is there, and nothing comes."""
    tag = WatchedTag()

    def silence(moment: Moment) -> None:
        if isinstance(moment, Result) and moment.number == 5:
            tag.through = lambda data: b""

    found = session(tag, 60, silence)
    assert kinds(found)[-1] == "Disconnected" and kinds(found).count("Result") == 5
    assert found[-1].received_ns < 60e9  # type: ignore[union-attr]
