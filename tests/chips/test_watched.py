"""Real images on modelled chips while a host watches: nothing is lost, and all that is told is the reference's."""

from __future__ import annotations

import struct
from threading import Event

import numpy as np
import pytest
from builders.tag_image import TagImage, tag_image

from mcukd.chips.nordic.chip import NRF52840
from mcukd.chips.sensors.faults import with_fault
from mcukd.chips.sensors.wiring import make_sensor
from mcukd.chips.tag_run import TagRun, streamed
from mcukd.harness.messages import DeviceError, Request
from mcukd.harness.tag_log import read_status, read_time
from mcukd.harness.watching import RESULTS, SAMPLES, Told, ToldResult, ToldSamples, Watcher
from mcukd.observation import moments
from mcukd.observation.moments import ClockReading, Connected, Disconnected, Gap, Moment, Result, Samples
from mcukd.observation.sources.modelled import ChipClock, modelled_device, modelled_tag
from mcukd.tag.application import GAP, RESULT
from mcukd.tag.smoothing import Smoothing, with_unknown

pytestmark = pytest.mark.emulator
SECOND = 1_000_000_000
TICK_NS = SECOND / 32768
MARGIN, SMOOTHING = 200, 3
TAG = f"log_pages = 2\nsmoothing = {SMOOTHING}\nperiod_s = 100\nconsole_s = 20\n"


@pytest.fixture(scope="module", params=["collar", "eartag"])
def image(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> TagImage:
    return tag_image(request.param, tmp_path_factory.mktemp("tag"), TAG, margin=MARGIN)


def same_as_reference(image: TagImage, run: TagRun) -> None:
    """Every result, counter and word of flash."""
    outcome = image.reference(run.latest())
    assert outcome.differences == []
    assert run.counters() == outcome.tag.counters.payload()
    assert run.log() == outcome.flash.dump()


def watched(run: TagRun, seconds: float, watch_s: int = 60) -> tuple[ChipClock, list[Moment]]:
    """What a tag tells for some time of its chip."""
    clock, stop, found = ChipClock(run), Event(), []
    until = run.seconds + seconds
    for moment in modelled_tag(run, clock, samples=True, watch_s=watch_s).moments(stop):
        found.append(moment)
        if run.seconds > until:
            stop.set()
    return clock, found


def told_in(watcher: Watcher, run: TagRun, seconds: float) -> list[Told]:
    """What a watcher is told in some time of the chip."""
    until, told = run.seconds + seconds, []
    while run.seconds < until:
        watcher.listen(0.1)
        told += [each for _, each in watcher.take()]
    return told


def of(kind: type, found: list[Moment]) -> list:
    return [moment for moment in found if isinstance(moment, kind)]


def test_a_watched_tag_misses_no_sample_and_tells_what_it_logs(image: TagImage) -> None:
    """The watch is renewed every second, and the tag is asked for its clock: none of it costs a sample."""
    recording = image.recording()
    run, calls = image.start(recording), list[int]()
    run.on_call("tag_on_result", lambda code, _, __: calls.append(code))
    run.run(8)
    clock, found = watched(run, 50, watch_s=3)
    observed = run.latest().observed
    assert not [call for call in observed.calls if call.kind == GAP] and not of(Gap, found)
    assert np.array_equal(observed.samples, streamed(image.board, recording.expected(len(observed.samples))))
    same_as_reference(image, run)

    (connected,) = of(Connected, found)
    assert (connected.start, connected.rate_hz, connected.smoothing) == (1, 50.0, SMOOTHING)
    assert connected.model_sha256 == image.model.sha256 and connected.emulated

    told = of(Samples, found)
    for each in told:
        assert np.array_equal(each.counts, observed.samples[each.first : each.first + len(each.counts)])
    assert [each.first + len(each.counts) for each in told[:-1]] == [each.first for each in told[1:]]
    assert sum(len(each.counts) for each in told) > 50 * 48

    smoothing = Smoothing(SMOOTHING)
    made = [call for call in observed.calls if call.kind == RESULT]
    assert calls == [call.arguments[0] for call in made]
    smoothed = [
        smoothing.result(with_unknown(call.arguments[0], call.arguments[1:], MARGIN)) for call in made
    ]
    results, known, late = of(Result, found), range(len(image.model.classes)), []
    assert len(results) > 35 and [each.number for each in results] == list(
        range(results[0].number, results[-1].number + 1)
    )
    for each in results:
        call = made[each.number - 1]
        assert (each.samples, each.logits) == (call.samples, call.arguments[1:])
        raw = with_unknown(call.arguments[0], call.arguments[1:], MARGIN)
        assert each.raw == (raw if raw in known else None)
        behaviour = smoothed[each.number - 1]
        assert each.behaviour == (behaviour if behaviour in known else None)
        # The tag's clock begins with the chip's first milliseconds; a result is told at once.
        # A page of the ear tag's log takes 85 ms to be erased.
        late.append((each.received_ns - clock.start_ns - each.tag_ticks * TICK_NS) / SECOND)
    assert 0 < min(late) < max(late) < 0.15 and np.median(late) < 0.04
    assert {each.behaviour for each in results} >= {None, 0}

    readings = of(ClockReading, found)
    assert len(readings) >= 3
    for each in readings:
        off = each.host_ns - clock.start_ns - each.tag_ticks * TICK_NS
        assert abs(off) < 0.02 * SECOND and each.uncertainty_ns < 0.02 * SECOND


def test_without_renewal_the_tag_falls_back_by_itself(image: TagImage) -> None:
    run = image.start(image.recording())
    run.run(8)
    device = modelled_device(run)
    device.who()
    watcher = Watcher(device, lambda: 0)
    assert watcher.watch(15, RESULTS | SAMPLES).seconds == 15
    told = told_in(watcher, run, 20)
    assert sum(isinstance(each, ToldResult) for each in told) in (11, 12) and watcher.lost == 0
    awake, at = run.awake_seconds, run.seconds
    run.run(30)
    assert run.console.take() == b""
    assert (run.awake_seconds - awake) / (run.seconds - at) < 0.02
    heard = run.chip.uart.on if isinstance(run.chip, NRF52840) else bool(run.chip.uart.values["CTL"] & 1)
    assert not heard  # the console is off
    assert not [call for call in run.latest().observed.calls if call.kind == GAP]
    same_as_reference(image, run)


def test_what_is_not_asked_for_is_not_told_and_the_rest_of_the_protocol_goes_on(image: TagImage) -> None:
    """Also in the robust encoding, in which the notifications come then; none of it costs a sample."""
    run = image.start(image.recording())
    run.run(8)
    device = modelled_device(run)
    device.who()
    watcher = Watcher(device, lambda: 0)
    assert watcher.watch(60, RESULTS).what == RESULTS
    copies = []
    keep = device.on_told
    device.on_told = lambda message: (copies.append(message.copies), keep(message))  # type: ignore[func-returns-value]
    told = []
    for _ in range(25):
        told += told_in(watcher, run, 0.1)
        device.ethogram()
        assert read_status(device).sensor == "samples"
    assert told and all(isinstance(each, ToldResult) for each in told) and set(copies) == {0}
    copies.clear()
    with device.robustly():
        watcher.watch(60, SAMPLES)
        told = told_in(watcher, run, 2)
    assert told and all(isinstance(each, ToldSamples) for each in told) and set(copies) == {4}
    watcher.watch(60, 0)
    assert told_in(watcher, run, 2) == [] and watcher.lost == 0
    watcher.watch(0, 0)
    run.run(5)
    assert not [call for call in run.latest().observed.calls if call.kind == GAP]
    same_as_reference(image, run)


@pytest.mark.parametrize(
    ("payload", "code"),
    [(b"", 2), (b"\x0a\x00", 2), (struct.pack("<HB", 601, 1), 3), (struct.pack("<HB", 60, 4), 3)],
)
def test_a_watch_that_is_none_is_refused(image: TagImage, payload: bytes, code: int) -> None:
    run = image.start(image.recording())
    run.run(1)
    with pytest.raises(DeviceError) as caught:
        modelled_device(run).exchange(Request.WATCH, payload, 0.4)
    assert caught.value.code == code


def test_samples_that_the_sensor_loses_are_a_gap(image: TagImage) -> None:
    recording = image.recording()
    assert image.board.sensor is not None and image.board.sensor.driver is not None
    sensor = make_sensor(image.board.sensor.driver, recording)
    run = image.start(recording, with_fault(sensor, "reset", 14 * SECOND, 20 * SECOND))
    run.run(8)
    _, found = watched(run, 20)
    gaps = [call for call in run.latest().observed.calls if call.kind == GAP]
    (gap,) = of(Gap, found)
    assert (gap.what, gap.lost) == (moments.SAMPLES, gaps[0].arguments[0])
    (after,) = (each for each in of(Samples, found) if each.gap)
    assert after.first == gaps[0].samples and found.index(gap) < found.index(after)
    # No window bridges it.
    assert all(each.samples - 256 >= after.first or each.samples <= after.first for each in of(Result, found))
    same_as_reference(image, run)


def test_a_tag_that_starts_anew_is_told_and_watched_again(image: TagImage) -> None:
    run = image.start(image.recording())
    run.run(8)
    clock, stop, found = ChipClock(run), Event(), []
    for moment in modelled_tag(run, clock, watch_s=6).moments(stop):
        found.append(moment)
        if run.seconds > 14 and len(run.chip.resets) == 1:
            run.chip.reset_pin()
        if run.seconds > 30:
            stop.set()
    first, second = of(Connected, found)
    (gone,) = of(Disconnected, found)
    # Nothing was logged yet, so both have one number.
    assert (first.start, second.start) == (1, 1) and first.chip == second.chip
    assert "the tag started anew" in gone.reason
    assert found.index(first) < found.index(gone) < found.index(second)
    numbers = [each.number for each in of(Result, found[found.index(second) :])]
    assert numbers[0] < 5 and numbers == list(range(numbers[0], numbers[0] + len(numbers)))
    assert run.latest().observed.samples.size and not of(Gap, found)


def test_the_clock_is_told_as_the_log_has_it(image: TagImage) -> None:
    run = image.start(image.recording())
    run.run(8)
    device = modelled_device(run)
    device.who()
    state = Watcher(device, lambda: 0).watch(10, RESULTS)
    assert state.ticks / 32768 == pytest.approx(read_time(device).seconds, abs=0.05)
    assert state.samples == len(run.latest().observed.samples) and state.result_us == 1_280_000
