"""Client of a tag that is watched: what it tells arrives in order, and what is lost is counted."""

from __future__ import annotations

import numpy as np
import pytest
from builders.watched_tag import CLASSES, WatchedTag
from hypothesis import given
from hypothesis import strategies as st

from mcukd.errors import UserError
from mcukd.harness.faults import Faults
from mcukd.harness.messages import (
    RESULT_FIELDS,
    SAMPLES_FIELDS,
    TELLS_GAP,
    TELLS_RESULT,
    TELLS_SAMPLES,
    Request,
)
from mcukd.harness.protocol import Device
from mcukd.harness.tag_log import read_time
from mcukd.harness.watching import RESULTS, SAMPLES, Told, ToldGap, ToldLost, ToldResult, ToldSamples, Watcher


def watching(tag: WatchedTag, what: int = RESULTS, seconds: int = 600) -> tuple[Device, Watcher]:
    """A client that has asked already."""
    device = tag.device()
    device.who()
    watcher = Watcher(device, tag.now_ns)
    watcher.watch(seconds, what)
    assert watcher.take() == []
    return device, watcher


def told_in(tag: WatchedTag, watcher: Watcher, seconds: float) -> list[Told]:
    until, found = tag.now + seconds, []
    while tag.now < until:
        watcher.listen(0.2)
        found += [told for _, told in watcher.take()]
    return found


def test_results_and_samples_come_as_they_were_told() -> None:
    tag = WatchedTag()
    _, watcher = watching(tag, RESULTS | SAMPLES)
    samples, result, *_ = told_in(tag, watcher, 3)
    assert isinstance(samples, ToldSamples) and isinstance(result, ToldResult)
    assert (samples.first, samples.gap, samples.counts.shape) == (0, False, (64, 3))
    assert np.array_equal(samples.counts.ravel(), np.arange(192))
    assert (result.number, result.samples, result.raw, result.behaviour) == (1, 64, 1, None)
    assert result.logits == (-5, 1, -32768)
    assert result.ticks == pytest.approx((1.28 + 100) * 32768, abs=0.1 * 32768)


def test_what_is_told_between_a_request_and_its_reply_is_kept() -> None:
    tag = WatchedTag()
    device, watcher = watching(tag)
    for lost in (3, 0):
        tag.gap(lost)
        read_time(device)
        tag.tell(TELLS_RESULT, tag.result(raw=2, behaviour=0))
    device.listen(tag.now)
    found = [told for _, told in watcher.take()]
    assert [type(told) for told in found] == [ToldGap, ToldResult] * 2
    assert [told.lost for told in found[::2]] == [3, 0]  # type: ignore[union-attr]


def test_without_a_watcher_notifications_disturb_nothing() -> None:
    tag = WatchedTag()
    device, _ = watching(tag)
    other = tag.device()
    other.who()
    for _ in range(20):
        tag.tell(TELLS_RESULT, tag.result())
        read_time(other)
    assert other.retries == device.retries == 0


@given(st.sets(st.integers(0, 39)), st.integers(0, 65535))
def test_each_lost_notification_is_counted_once(lost: set[int], first: int) -> None:
    """Also at the beginning, at the end, and where the numbers wrap."""
    tag = WatchedTag()
    tag.sequence = first
    _, watcher = watching(tag)
    for number in range(40):
        tag.through = lambda data, gone=number in lost: b"" if gone else data
        tag.gap(number + 1)
    tag.through = lambda data: data
    watcher.watch(600, RESULTS)
    found = [told for _, told in watcher.take()]
    assert [told.lost for told in found if isinstance(told, ToldGap)] == [
        number + 1 for number in range(40) if number not in lost
    ]
    assert sum(told.lost for told in found if isinstance(told, ToldLost)) == watcher.lost == len(lost)
    place = 0
    for told in found:  # each loss is told where it happened
        if isinstance(told, ToldGap):
            assert told.lost == place + 1
        place += told.lost if isinstance(told, ToldLost) else 1


def test_a_reply_that_notifications_overtake_counts_no_loss() -> None:
    tag = WatchedTag()
    _, watcher = watching(tag)
    send = tag.send

    def overtaken(data: bytes) -> None:
        send(data)
        tag.gap(1)

    tag.send = overtaken  # type: ignore[method-assign]
    watcher.watch(600, RESULTS)
    assert [type(told) for _, told in watcher.take()] == [ToldGap] and watcher.lost == 0


@pytest.mark.parametrize("faults", [Faults(drop_every=97), Faults(drop=0.01, seed=3), Faults(corrupt=0.004)])
def test_on_a_bad_line_what_arrives_is_right_and_the_rest_is_counted(faults: Faults) -> None:
    tag = WatchedTag()
    tag.through = faults.line(1)
    device = tag.device()
    device.who()
    watcher = Watcher(device, tag.now_ns)
    watcher.watch(600, RESULTS)
    results: list[int] = []
    for _ in range(30):
        results += [told.number for told in told_in(tag, watcher, 10) if isinstance(told, ToldResult)]
        watcher.watch(600, RESULTS)
        read_time(device)
    results += [told.number for _, told in watcher.take() if isinstance(told, ToldResult)]
    assert results == sorted(set(results)) and len(results) + watcher.lost == tag.sent
    assert 100 < len(results) <= tag.sent and watcher.lost + device.retries > 0


@pytest.mark.parametrize(
    ("kind", "fields"),
    [
        (TELLS_RESULT, RESULT_FIELDS.pack(1, 64, 0, 0)),
        (TELLS_RESULT, RESULT_FIELDS.pack(1, 64, 0, 0) + bytes(2 * CLASSES + 2)),
        (TELLS_SAMPLES, SAMPLES_FIELDS.pack(1, 0)),
        (TELLS_SAMPLES, SAMPLES_FIELDS.pack(1, 0) + bytes(8)),
        (TELLS_GAP, bytes(4)),
    ],
)
def test_what_the_model_does_not_explain_is_refused(kind: int, fields: bytes) -> None:
    tag = WatchedTag()
    _, watcher = watching(tag)
    tag.tell(kind, fields)
    watcher.listen(0.1)
    with pytest.raises(UserError, match="which its model does not explain"):
        watcher.take()


def test_a_crash_is_told() -> None:
    tag = WatchedTag()
    _, watcher = watching(tag)
    tag.say(b"mcukd fault 00000003 pc 00001a2c\r\n")
    with pytest.raises(UserError, match="the firmware crashed while it was watched"):
        watcher.listen(0.1)


def test_a_firmware_that_cannot_be_watched_is_told() -> None:
    device = WatchedTag(knows=False).device()
    with pytest.raises(UserError, match="does not tell what it finds as it comes"):
        Watcher(device, lambda: 0).watch(60, RESULTS)


def test_a_start_is_known_also_where_its_number_is_the_same() -> None:
    tag = WatchedTag()
    _, watcher = watching(tag)
    told_in(tag, watcher, 20)
    assert not watcher.watch(600, RESULTS).anew
    tag.start_anew()
    assert watcher.watch(600, RESULTS).anew and not watcher.watch(600, RESULTS).anew
    tag.started = 2
    assert watcher.watch(600, RESULTS).anew and watcher.lost == 0
    assert Request.WATCH in tag.asked
