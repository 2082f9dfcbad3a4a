"""Buses and the interface of devices on them."""

from __future__ import annotations

import pytest
from builders.bus_devices import Inverter, Memory

from mcukd.chips.bus import BusDevice, I2CBus, SPIBus
from mcukd.errors import UserError


def test_registers_are_written_and_read_with_a_repeated_start() -> None:
    bus = I2CBus([Memory()])
    assert bus.start(0x50, True) and bus.write(b"\x03\xaa\xbb")
    bus.stop()
    assert bus.start(0x50, True) and bus.write(b"\x02")
    assert bus.start(0x50, False)
    assert bus.read(4) == b"\x02\xaa\xbb\x05"


def test_nobody_answers_an_address_without_device() -> None:
    bus = I2CBus([Memory()])
    assert not bus.start(0x51, True)
    assert not bus.write(b"\x00")
    assert bus.read(2) == b"\xff\xff"


def test_a_stuck_bus_is_freed_by_pulses() -> None:
    memory = Memory()
    memory.stuck_pulses = 9
    bus = I2CBus([memory])
    for _ in range(9):
        assert not bus.start(0x50, True)
        bus.clock_pulse()
    assert bus.start(0x50, True)


def test_two_devices_of_one_address_are_refused() -> None:
    with pytest.raises(UserError, match=r"0x50 is taken by memory"):
        I2CBus([Memory(), Memory()])


def test_pins_report_changes_only_and_levels_at_the_start() -> None:
    device = BusDevice()
    device.set_pin("INT1", True)
    heard: list[tuple[str, bool]] = []
    device.on_pin(lambda name, level: heard.append((name, level)))
    device.set_pin("INT1", True)
    device.set_pin("INT1", False)
    assert heard == [("INT1", True), ("INT1", False)]


def test_time_never_falls() -> None:
    device = BusDevice()
    device.advance(5)
    device.advance(5)
    with pytest.raises(ValueError, match="from 5 to 4 ns"):
        device.advance(4)


def test_spi_reaches_the_chosen_device_alone() -> None:
    bus, device = SPIBus(), Inverter()
    bus.attach(7, device)
    assert bus.transfer(b"\x00") == b"\xff"
    bus.select(6, False)
    bus.select(7, False)
    bus.select(7, False)
    assert bus.transfer(b"\x01\x02") == b"\xfe\xfd"
    bus.select(7, True)
    assert device.chosen == [True, False]
    bus.attach(8, Inverter())
    bus.select(7, False)
    bus.select(8, False)
    with pytest.raises(ValueError, match="2 devices are chosen"):
        bus.transfer(b"\x00")
