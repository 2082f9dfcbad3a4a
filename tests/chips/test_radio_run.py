"""Real images that send, on modelled chips: what leaves the antenna is what Python counted, and when it may."""

from __future__ import annotations

import json

import numpy as np
import pytest
from builders.boards import radio_of
from builders.chip_line import device_of
from builders.tag_image import TagImage, tag_image

from mcukd.boards.radio_section import LoraRadio
from mcukd.chips.nordic.chip import NRF52840
from mcukd.chips.radios.faults import FAULTS
from mcukd.chips.radios.sx1272 import Sx1272
from mcukd.chips.radios.wiring import payload_of
from mcukd.chips.tag_run import TagRun
from mcukd.harness.provisioning import read_provision, write_provision
from mcukd.harness.tag_log import read_status
from mcukd.payload.coding import decode
from mcukd.payload.schemas import load_schema
from mcukd.payload.table import read_payloads
from mcukd.radio.ble import delays
from mcukd.radio.lora import LoraSettings
from mcukd.tag.application import EVENT
from mcukd.tag.log import read_log
from mcukd.tag.provision import Provision
from mcukd.tag.records import PERIOD

pytestmark = pytest.mark.emulator
TAG = 'log_pages = 2\nsmoothing = 3\nperiod_s = 60\nconsole_s = 10\npayload = "period"\n'
PERIODS, REPEATS = 4, 3
SECONDS = 60 * PERIODS + 20
SECOND = 1_000_000_000
#: The console is off, a packet every minute is under way: far below a second of each.
MOST_AWAKE = {"collar": 0.03, "eartag": 0.012}


def changed(name: str) -> str:
    """The bundled board's radio, so that it may send every minute."""
    text = (
        radio_of(name)
        .replace("duty_percent = 1.0", "duty_percent = 10.0")
        .replace("\nid = 1\n", "\nid = 513\n")
    )
    return text.replace("repeats = 10", f"repeats = {REPEATS}").replace(
        "interval_ms = 1000", "interval_ms = 100"
    )


@pytest.fixture(scope="module", params=["collar", "eartag"])
def image(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> TagImage:
    folder = tmp_path_factory.mktemp("radio")
    return tag_image(request.param, folder, TAG, margin=200, radio=changed(request.param))


@pytest.fixture(scope="module")
def run(image: TagImage) -> TagRun:
    """Four periods, without any fault."""
    run = image.start(image.recording())
    run.run(SECONDS)
    assert run.latest().battery_mv == {"collar": 3000, "eartag": 2999}[image.board.name]
    return run


def same_as_reference(image: TagImage, run: TagRun) -> list[tuple[int, bytes]]:
    """Every result and word of flash; returns the payloads that were to be sent."""
    outcome = image.reference(run.latest())
    assert outcome.differences == [] and run.log() == outcome.flash.dump()
    return outcome.payloads


def test_every_payload_on_the_air_is_the_references(image: TagImage, run: TagRun) -> None:
    expected = same_as_reference(image, run)
    assert len(expected) == PERIODS
    times = 1 if image.board.name == "collar" else 3 * REPEATS
    found = [payload_of(packet) for packet in run.air]
    assert [payload for _, payload in found] == [payload for _, payload in expected for _ in range(times)]
    who = "513" if image.board.name == "collar" else run.chip.address  # type: ignore[attr-defined]
    assert {tag for tag, _ in found} == {who}
    # What is decoded is what the log holds of each period: these counts are below 2^8, so they are exact.
    periods = [each.record for each in read_log(run.log()).records if each.record.kind == PERIOD]
    for (_, payload), record in zip(expected, periods):
        assert decode(payload, load_schema("period")).results == record.payload[3:]
        assert sum(record.payload[3:]) > 30
        assert decode(payload, load_schema("period")).values["battery_mv"] == 3000
    assert run.chip.resets == ["power"] and not [c for c in run.latest().observed.calls if c.kind == EVENT]


def test_a_tag_that_is_told_a_number_sends_under_it(image: TagImage) -> None:
    run = image.start(image.recording())
    run.run(5)
    device = device_of(run)
    assert read_status(device).battery_mv == run.latest().battery_mv
    write_provision(device, Provision(radio_id=0xBEEF), read_provision(device))
    run.run(70)
    expected = same_as_reference(image, run)
    found = [payload_of(packet) for packet in run.air]
    assert expected and {payload for _, payload in found} == {payload for _, payload in expected}
    who = str(0xBEEF) if image.board.name == "collar" else run.chip.address  # type: ignore[attr-defined]
    assert {tag for tag, _ in found} == {who}


def test_they_leave_at_once_when_a_period_ends(image: TagImage, run: TagRun) -> None:
    ends = [ticks / 32768 for ticks, _ in image.reference(run.latest()).payloads]
    began = np.array([packet.time_ns for packet in run.air]) / SECOND
    if image.board.name == "collar":
        assert np.all(began - ends > 0) and np.all(began - ends < 0.05)
        return
    began = began.reshape(PERIODS, REPEATS, 3)
    assert np.all(began[:, 0, 0] - ends > 0) and np.all(began[:, 0, 0] - ends < 0.05)
    # The channels follow each other; then 100 ms and a delay as the reference draws it, and the time to wake.
    assert np.allclose(np.diff(began, axis=2), 295e-6, atol=5e-6)
    low = int(run.chip.address.replace(":", "")[4:], 16)  # type: ignore[attr-defined]
    late = np.array(delays(low, PERIODS * (REPEATS - 1))).reshape(PERIODS, REPEATS - 1) / 32768
    # From the last packet of one to the first of the next.
    gaps = began[:, 1:, 0] - began[:, :-1, 2]
    assert np.all(gaps - late - 0.1 > 0) and np.all(gaps - late - 0.1 < 0.003)


def test_the_settings_are_those_of_the_board_file(image: TagImage, run: TagRun) -> None:
    section = image.board.radio
    if isinstance(section, LoraRadio):
        for packet in run.air:
            assert packet.settings == section.settings == LoraSettings(10)  # type: ignore[union-attr]
            assert (packet.power_dbm, packet.sync_word) == (14, 0x12)  # type: ignore[union-attr]
            assert abs(packet.frequency_hz - section.frequency_hz) < 31  # type: ignore[union-attr]
    else:
        assert [p.frequency_mhz for p in run.air] == [2402, 2426, 2480] * PERIODS * REPEATS  # type: ignore[union-attr]
        assert {packet.power_dbm for packet in run.air} == {0}


def test_radio_and_crystal_sleep_in_between(image: TagImage, run: TagRun) -> None:
    if isinstance(run.chip, NRF52840):
        assert not run.chip.clock.hf_crystal and run.chip.radio.read_STATE(0) == 0
    else:
        assert sum(packet.airtime_ns for packet in run.air) == PERIODS * LoraSettings(10).airtime_ns(13)
    assert run.awake_seconds / run.seconds < MOST_AWAKE[image.board.name]
    size = json.loads((image.elf.parent.parent / "size.json").read_text())
    assert run.stack_used() <= size["stack_bound"]["bytes"] <= image.board.stack_bytes
    # The whole firmware of a collar that samples, classifies, logs and sends.
    assert size["flash_bytes"] < 40_960 and size["ram_bytes"] < 8192 and 500 < size["flash"]["radio"] < 2500


def test_what_is_received_is_told_lost_or_repeated(image: TagImage, run: TagRun) -> None:
    """The third payload is lost; of the ear tag's repetitions some come, as in the field."""
    payloads = [payload_of(packet)[1] for packet in run.air]
    each = len(payloads) // PERIODS
    received = [p for number, p in enumerate(payloads) if number // each != 2]
    texts = [(payload.hex(), f"payload {n}") for n, payload in enumerate(received)]
    told = [
        (row["reception"], row["lost_before"]) for row in read_payloads(texts, [load_schema("period")]).rows
    ]
    repeated = [("repeated", 0)] * (each - 1)
    assert told == [("first", 0), *repeated, ("next", 0), *repeated, ("lost before", 1), *repeated]


# --- The SX1272's faults ----------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def collar(tmp_path_factory: pytest.TempPathFactory) -> TagImage:
    folder = tmp_path_factory.mktemp("faults")
    return tag_image(
        "collar", folder, TAG.replace("console_s = 10", "console_s = 2"), radio=changed("collar")
    )


CODES = {"absent": 18, "absent-high": 18, "wrong-version": 19, "forgets": 20, "never-done": 21}


@pytest.mark.parametrize("name", FAULTS)
def test_a_radio_with_a_fault_is_told_and_sends_when_it_is_over(collar: TagImage, name: str) -> None:
    """There from before the first period's end until the second's; what came in between is the newest."""
    radio = FAULTS[name](50 * SECOND, 100 * SECOND)
    run = collar.start(collar.recording(), radio=radio)
    run.run(200)
    expected = [payload for _, payload in same_as_reference(collar, run)]
    events = [call.arguments for call in run.latest().observed.calls if call.kind == EVENT]
    assert [event[0] for event in events if event[0] == CODES[name]]
    assert events[-1][0] == 22 and {event[0] for event in events} == {CODES[name], 22}
    assert (CODES[name] != 19 or events[0][1] == 0x12) and (CODES[name] != 20 or events[0][1] == 0x06)
    sent = [payload_of(packet)[1] for packet in run.air]
    assert set(sent) <= set(expected) and sent[-1] == expected[-1] and len(set(sent)) >= 2
    assert run.chip.resets == ["power"] and radio.slept_from is not None


def test_a_radio_that_never_answers_costs_little(collar: TagImage) -> None:
    run = collar.start(collar.recording(), radio=FAULTS["absent"]())
    run.run(40)
    awake, at = run.awake_seconds, run.seconds
    run.run(90)
    same_as_reference(collar, run)
    assert not run.air and run.latest().observed.samples.size
    assert (run.awake_seconds - awake) / (run.seconds - at) < 0.03


def test_the_duty_cycle_delays_and_a_newer_payload_takes_the_place(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    """After a start the tag waits as if it had just sent all that it may.

    At 3 % those are 373 packets in an hour, eight in each of 46 windows of 78 s, and 5 % more.
    """
    folder = tmp_path_factory.mktemp("duty")
    radio = changed("collar").replace("duty_percent = 10.0", "duty_percent = 3.0")
    image = tag_image("collar", folder, TAG.replace("period_s = 60", "period_s = 40"), radio=radio)
    run = image.start(image.recording(), radio=Sx1272())
    run.run(130)
    expected = [payload for _, payload in same_as_reference(image, run)]
    sent = [payload_of(packet)[1] for packet in run.air]
    began = [packet.time_ns / SECOND for packet in run.air]
    assert 82 < began[0] < 82.5 and sent == expected[1:] and len(sent) == 2
