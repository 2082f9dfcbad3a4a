"""The collar's real image with LoRaWAN: authentic uplinks of what Python counted, never two of a number."""

from __future__ import annotations

import json

import pytest
from builders.boards import radio_of
from builders.chip_line import device_of
from builders.tag_image import TagImage, tag_image

from mcukd.chips.radios.air import LoraPacket
from mcukd.chips.tag_run import TagRun
from mcukd.harness.provisioning import read_provision, write_provision
from mcukd.radio.lora import LoraSettings
from mcukd.radio.lorawan import COUNTER_SHIFT, read_uplink, uplink
from mcukd.tag.application import EVENT
from mcukd.tag.provision import Provision, Session

pytestmark = pytest.mark.emulator
PERIOD_S = 256
TAG = f'log_pages = 2\nsmoothing = 3\nperiod_s = {PERIOD_S}\nconsole_s = 5\npayload = "period"\n'
TOLD = Provision("cow-17", session=Session(0x26011BDA, bytes(range(16)), bytes(range(100, 116))))
NO_KEYS = 24
CHANNELS = [916_800_000 + 200_000 * k for k in range(8)]


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> TagImage:
    radio = radio_of("collar").replace("duty_percent = 1.0", "duty_percent = 10.0")
    radio = radio.replace("id = 1\n", 'frame = "lorawan"\nchannels = 8\nsync_word = 0x34\n')
    return tag_image("collar", tmp_path_factory.mktemp("lorawan"), TAG, margin=200, radio=radio)


def expected(image: TagImage, run: TagRun) -> list[tuple[int, bytes]]:
    """The frame's number and the payload of each period since the latest start; all else is the reference's."""
    start = run.latest()
    outcome = image.reference(start)
    assert outcome.differences == [] and run.log() == outcome.flash.dump()
    return [(start.resumed_at + (t >> 15) >> COUNTER_SHIFT, payload) for t, payload in outcome.payloads]


def test_uplinks_are_authentic_and_never_numbered_twice(image: TagImage) -> None:
    run = image.start(image.recording())
    run.run(PERIOD_S + 30)
    assert not run.air
    events = [call.arguments for call in run.latest().observed.calls if call.kind == EVENT]
    assert {event[0] for event in events} == {NO_KEYS}
    device = device_of(run)
    write_provision(device, TOLD, read_provision(device))
    run.run(2 * PERIOD_S)
    frames = expected(image, run)
    # The supply fails and comes back: the numbers go on behind those of the start before.
    run.chip.power_on()
    run.run(2 * PERIOD_S + 30)
    frames += expected(image, run)
    assert len(frames) == 5 and TOLD.session is not None
    assert [number for number, _ in frames] == sorted({number for number, _ in frames})
    sent = [packet for packet in run.air if isinstance(packet, LoraPacket)]
    assert [packet.data for packet in sent] == [
        uplink(TOLD.session, number, 1, data) for number, data in frames
    ]
    for packet, (number, payload) in zip(sent, frames):
        found = read_uplink(packet.data, [TOLD.session])
        assert (found.address, found.counter, found.port, found.payload) == (0x26011BDA, number, 1, payload)
        (channel,) = (c for c, hertz in enumerate(CHANNELS) if abs(packet.frequency_hz - hertz) < 31)
        assert channel == packet.data[-1] % 8
        assert packet.sync_word == 0x34 and packet.airtime_ns == LoraSettings(10).airtime_ns(24)
    size = json.loads((image.elf.parent.parent / "size.json").read_text())
    assert size["flash_bytes"] < 40_960 and size["ram_bytes"] < 8192
    assert run.stack_used() <= size["stack_bound"]["bytes"] <= image.board.stack_bytes
