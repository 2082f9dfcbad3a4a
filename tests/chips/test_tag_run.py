"""Real images that sample by themselves, on modelled chips with modelled sensors, against the Python reference."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from builders.tag_image import TagImage, tag_image

from mcukd.chips.chip import Chip
from mcukd.chips.nordic.chip import NRF52840
from mcukd.chips.sensors.faults import with_fault
from mcukd.chips.sensors.wiring import make_sensor
from mcukd.chips.tag_run import TagRun, streamed
from mcukd.harness.frames import encode_plain, pack
from mcukd.tag.application import EVENT, GAP, RESULT, SAMPLES
from mcukd.tag.log import read_log
from mcukd.tag.records import BOOT, BOUT, PERIOD, RATE

pytestmark = pytest.mark.emulator
TAG = "log_pages = 2\nsmoothing = 3\nperiod_s = 100\nconsole_s = 20\n"
MOST_AWAKE = {"collar": 0.02, "eartag": 0.008}
#: Of 75 s with the console on at first and two self-tests.
AWAKE_WITH_TWO_STARTS = {"collar": 0.03, "eartag": 0.012}
SECONDS = 400
SECOND = 1_000_000_000
STACK_BYTES = 1024


@pytest.fixture(scope="module", params=["collar", "eartag"])
def image(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> TagImage:
    return tag_image(request.param, tmp_path_factory.mktemp("tag"), TAG, margin=200)


def request(kind: int) -> bytes:
    """A request without payload, as it is sent over the line."""
    return encode_plain(pack(kind, 7, b""))


def same_as_reference(image: TagImage, run: TagRun) -> None:
    """Every result, counter and word of flash."""
    outcome = image.reference(run.latest())
    assert outcome.differences == []
    assert run.counters() == outcome.tag.counters.payload()
    assert run.log() == outcome.flash.dump()


def test_every_class_counter_and_record_is_the_references(image: TagImage) -> None:
    recording = image.recording()
    run = image.start(recording)
    run.run(30)
    awake, at = run.awake_seconds, run.seconds
    run.run(SECONDS - 30)
    observed = run.latest().observed
    assert np.array_equal(observed.samples, streamed(image.board, recording.expected(len(observed.samples))))
    # Samples wait in the FIFO until its watermark.
    assert 0 <= recording.taken - len(observed.samples) < 66
    assert len(observed.samples) == pytest.approx(50 * (SECONDS - 3), abs=80)
    assert not [call for call in observed.calls if call.kind in (GAP, EVENT)]
    assert sum(call.kind == RESULT for call in observed.calls) == (len(observed.samples) - 256) // 64 + 1
    assert sum(call.arguments[0] for call in observed.calls if call.kind == SAMPLES) == len(observed.samples)
    same_as_reference(image, run)
    kinds = [each.record.kind for each in read_log(run.log()).records]
    assert kinds[0] == BOOT and kinds.count(PERIOD) == SECONDS // 100 - 1 and RATE in kinds and BOUT in kinds
    assert run.chip.resets == ["power"]
    assert 300 < run.stack_used() < STACK_BYTES  # of 2,048
    assert (run.awake_seconds - awake) / (run.seconds - at) < MOST_AWAKE[image.board.name]


@pytest.mark.parametrize("name", ["collar", "eartag"])
def test_what_the_model_refuses_is_counted_and_logged_as_unknown(name: str, tmp_path: Path) -> None:
    image = tag_image(name, tmp_path, TAG.replace("smoothing = 3", "smoothing = 1"), margin=50, refuses=True)
    run = image.start(image.recording())
    run.run(150)
    told = [call.arguments[0] for call in run.latest().observed.calls if call.kind == RESULT]
    assert 5 in told and len(set(told)) > 1  # of the model itself, before the board's margin
    same_as_reference(image, run)
    periods = [each.record for each in read_log(run.log()).records if each.record.kind == PERIOD]
    assert periods and periods[0].payload[-1] + run.counters()[-1] >= told.count(5)


def listens(chip: Chip) -> bool:
    """Whether the chip's UART hears its line."""
    return chip.uart.on if isinstance(chip, NRF52840) else bool(chip.uart.values["CTL"] & 1)


def test_the_console_is_off_until_a_byte_calls_and_answers_then(image: TagImage) -> None:
    """On after a start, then off; the byte that calls is lost, so the host repeats its request."""
    run = image.start(image.recording())
    run.run(18)
    assert listens(run.chip)
    run.run(6)
    assert not listens(run.chip)
    for _ in range(2):
        run.chip.send(request(0x01))
        run.run(1)
    assert len(run.console.take()) > 80 and listens(run.chip)
    run.run(25)
    assert not listens(run.chip) and run.latest().observed.samples.size
    # A call without a message: on for a few seconds.
    run.chip.send(b"\0")
    run.run(1)
    assert listens(run.chip)
    run.run(6)
    assert not listens(run.chip)
    same_as_reference(image, run)


@pytest.mark.parametrize(
    ("fault", "told"), [("absent", {1, 5, 17}), ("stuck-interrupt", set()), ("frozen", {4}), ("reset", {6})]
)
def test_a_fault_is_told_and_the_tag_goes_on(image: TagImage, fault: str, told: set[int]) -> None:
    recording = image.recording()
    assert image.board.sensor is not None and image.board.sensor.driver is not None
    device = with_fault(make_sensor(image.board.sensor.driver, recording), fault, 20 * SECOND, 45 * SECOND)
    run = image.start(recording, device)
    run.run(55)
    before = len(run.latest().observed.samples)
    run.run(15)
    observed = run.latest().observed
    gaps = [call for call in observed.calls if call.kind == GAP]
    assert {call.arguments[0] for call in observed.calls if call.kind == EVENT} == told
    assert len(gaps) == (fault in ("absent", "reset"))
    assert len(observed.samples) - before == pytest.approx(15 * 50, abs=130)
    if image.board.name == "eartag" and fault == "absent":
        at, lost = gaps[0].samples, gaps[0].arguments[0]
        rows = streamed(image.board, recording.expected(recording.taken))
        assert lost > 900 and np.array_equal(
            observed.samples[at:], rows[at + lost :][: len(observed.samples) - at]
        )
    same_as_reference(image, run)
    assert run.chip.resets == ["power"]
    assert run.awake_seconds / run.seconds < AWAKE_WITH_TWO_STARTS[image.board.name]


@pytest.mark.parametrize("fault", ["dead-self-test", "wrong-identity", "absent"])
def test_a_tag_without_a_usable_sensor_sleeps(image: TagImage, fault: str) -> None:
    """It looks for its sensor again and again, less and less often; the drivers' waits are slept through."""
    recording = image.recording()
    assert image.board.sensor is not None and image.board.sensor.driver is not None
    device = with_fault(make_sensor(image.board.sensor.driver, recording), fault, 0, 1000 * SECOND)
    run = image.start(recording, device)
    run.run(120)
    assert run.latest().observed.samples.size == 0
    assert run.awake_seconds / run.seconds < MOST_AWAKE[image.board.name]


def test_a_tag_that_hangs_is_reset_by_its_watchdog_and_goes_on(image: TagImage) -> None:
    """The function that feeds the watchdog does nothing: the image is changed in two bytes."""
    run = image.start(image.recording())
    feed = run.image.symbols["port_watchdog_feed"] & ~1
    run.chip.core.write_memory(feed, b"\x70\x47")  # bx lr
    run.chip.core.forget_code(feed, 2)
    run.run(75)
    assert run.chip.resets == ["power", "watchdog"]
    (first,), second = run.starts, run.latest()
    assert 50 < len(first.observed.samples) / 50 < 65 and second.reason == "watchdog"
    # The sensor goes on through the reset and its pin calls, but the tag sleeps until it looks for the sensor.
    assert run.awake_seconds / run.seconds < AWAKE_WITH_TWO_STARTS[image.board.name]
    # No sample of the second start is in a window of the first.
    assert second.observed.samples.size and second.resumed_at > 0
    cause = 2 if isinstance(run.chip, NRF52840) else 7
    outcome = image.reference(second, cause)
    assert outcome.differences == [] and run.log() == outcome.flash.dump()


def test_the_sensor_is_left_alone_while_a_host_talks(image: TagImage) -> None:
    recording = image.recording()
    run = image.start(recording)
    run.run(5)
    for _ in range(8):
        run.chip.send(request(0x01))
        run.run(1)
    assert len(run.console.take()) > 8 * 80
    run.run(10)
    calls = run.latest().observed.calls
    gaps = [call for call in calls if call.kind == GAP]
    assert len(gaps) == 1 and [call.arguments[0] for call in calls if call.kind == EVENT] == [5]
    # The FIFO holds 2.9 s of the ear tag's samples and 1.7 s of the collar's.
    if image.board.name == "eartag":
        samples = run.latest().observed.samples
        at, lost = gaps[0].samples, gaps[0].arguments[0]
        rows = streamed(image.board, recording.expected(recording.taken))
        assert lost > 200 and np.array_equal(samples[at:], rows[at + lost : len(samples) + lost])
    same_as_reference(image, run)
