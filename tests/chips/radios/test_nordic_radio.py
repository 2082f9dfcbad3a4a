"""The modelled radio of the nRF52840: bits as its registers say, and what the firmware must not do."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from mcukd.chips.nordic.chip import NRF52840
from mcukd.chips.stop import ChipStop
from mcukd.radio.ble import advertisement, on_air, received

RADIO = 0x40001000
RAM = 0x20000100
SETTINGS = {
    0x510: 3, 0x514: 0x108, 0x518: 0x02030025, 0x51C: 0x89BED600, 0x524: 0x8E, 0x534: 0x103, 0x538: 0x65B,
    0x53C: 0x555555, 0x504: RAM, 0x508: 2, 0x554: 37, 0x200: 3, 0x50C: 0xF4, 0x650: 0x201,
}  # fmt: skip
PDU = advertisement("C0:11:22:33:44:55", 0xFFFF, bytes(range(11)))


class Registers:
    """A chip whose registers are written from outside, as a program would."""

    def __init__(self, crystal: bool = True) -> None:
        self.chip = NRF52840()
        self.chip.clock.hf_crystal = crystal
        self.chip.core.write_memory(RAM, PDU)
        for at, value in SETTINGS.items():
            self.write(at, value)

    def write(self, at: int, value: int) -> None:
        self.chip.space.write(RADIO + at, 4, value)

    def read(self, at: int) -> int:
        return self.chip.space.read(RADIO + at, 4)

    def send(self, microseconds: int = 1000) -> None:
        """Start, and let some time pass."""
        self.write(0x000, 1)
        core = self.chip.core
        end = core.cycles + 64 * microseconds
        while core.events.next_at() <= end:
            core.cycles = core.events.next_at()
            event = core.events.pop_due(core.cycles)
            assert event is not None
            if event.action:
                event.action()
        core.cycles = end


@pytest.mark.parametrize(("channel", "megahertz"), [(37, 2402), (38, 2426), (39, 2480)])
def test_the_packet_is_that_of_the_specification(channel: int, megahertz: int) -> None:
    registers = Registers()
    registers.write(0x508, megahertz - 2400)
    registers.write(0x554, channel)
    registers.send()
    (packet,) = registers.chip.radio.air
    assert packet.data == on_air(PDU, channel) and received(packet.data, channel) == PDU
    assert (packet.frequency_mhz, packet.power_dbm, packet.airtime_ns) == (
        megahertz,
        -12,
        8000 * (8 + len(PDU)),
    )
    assert packet.time_ns == 40_000 and registers.read(0x110) == 1 and registers.read(0x550) == 0


def test_the_slow_start_takes_140_us_and_the_end_6() -> None:
    registers = Registers()
    registers.write(0x650, 0x200)
    registers.send(140 + 8 * (8 + len(PDU)) + 5)
    assert registers.chip.radio.air[0].time_ns == 140_000 and registers.read(0x550) == 12
    registers = Registers()
    registers.write(0x650, 0x200)
    registers.send(140 + 8 * (8 + len(PDU)) + 6)
    assert registers.read(0x550) == 0


@pytest.mark.parametrize(
    ("at", "value", "words"),
    [
        (0x510, 0, "RADIO.MODE is 0x0"),
        (0x514, 0x107, "RADIO.PCNF0 is 0x107"),
        (0x518, 0x00030025, "RADIO.PCNF1"),
        (0x518, 0x02030005, "more than RADIO.PCNF1.MAXLEN"),
        (0x534, 0x003, "RADIO.CRCCNF is 0x3"),
        (0x504, 0x1000, "DMA reaches RAM only"),
        (0x508, 0x102, "RADIO.FREQUENCY.MAP"),
        (0x50C, 0x01, "RADIO.TXPOWER is 0x01"),
    ],
)
def test_other_settings_stop_the_model(at: int, value: int, words: str) -> None:
    registers = Registers()
    registers.write(at, value)
    with pytest.raises(ChipStop, match=words):
        registers.send()


@pytest.mark.parametrize(
    ("does", "words"),
    [
        (lambda one: one.write(0x004, 1), "TASKS_RXEN is not modelled"),
        (lambda one: one.write(0x008, 1), "TASKS_START in the state 0"),
        (lambda one: (one.write(0x000, 1), one.write(0x000, 1)), "TASKS_TXEN in the state 9"),
        (lambda one: (one.send(100), one.write(0x010, 1)), "while a packet is sent"),
    ],
)
def test_tasks_at_the_wrong_time_stop_the_model(does: Callable[[Registers], object], words: str) -> None:
    with pytest.raises(ChipStop, match=words):
        does(Registers())


def test_the_radio_needs_the_crystal_to_the_end() -> None:
    with pytest.raises(ChipStop, match="while the crystal"):
        Registers(crystal=False).send()
    registers = Registers()
    registers.send(100)
    registers.chip.clock.hf_crystal = False
    with pytest.raises(ChipStop, match="while the crystal"):
        registers.chip.core.events.pop_due(1 << 40).action()  # type: ignore[union-attr,misc]


def test_the_factorys_address_is_static_and_random() -> None:
    found = {NRF52840(seed=seed).address for seed in range(5)}
    assert len(found) == 5 and all(int(address[:2], 16) >= 0xC0 for address in found)
