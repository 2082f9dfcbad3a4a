"""Each fault does what its sentence says, in its time and not outside it."""

from __future__ import annotations

import numpy as np
import pytest
from builders.sensors import MS, SECOND, Wire, random_recording

from mcukd.chips.sensors.bma400 import BMA400, NORMAL
from mcukd.chips.sensors.faults import FAULTS, with_fault
from mcukd.chips.sensors.mpu9250 import MPU9250
from mcukd.chips.sensors.registers import RegisterSensor
from mcukd.chips.sensors.sources import at_rest

BEGIN, END = 2 * SECOND, 4 * SECOND


def sampling(fault: str, sensor: RegisterSensor) -> Wire:
    """A BMA400 with a fault from 2 s to 4 s that fills its FIFO at 50 Hz."""
    wire = Wire(with_fault(sensor, fault, BEGIN, END))
    wire.wait(5 * MS)
    wire.write(0x1A, 0x47)
    wire.write(0x26, 0xE0)
    wire.write(0x27, 70)
    wire.write(0x21, 0x40)
    wire.write(0x1F, 0x40)
    wire.write(0x19, NORMAL)
    return wire


def until(wire: Wire, time_ns: int) -> None:
    wire.wait(time_ns - wire.time_ns)


def test_there_are_at_least_twenty_and_each_says_what_it_is() -> None:
    assert len(FAULTS) >= 20
    assert len({fault.what for fault in FAULTS.values()}) == len(FAULTS)
    assert all(fault.what.endswith(".") for fault in FAULTS.values())


@pytest.mark.parametrize("name", FAULTS)
@pytest.mark.parametrize("part", [BMA400, MPU9250])
def test_before_its_time_the_sensor_is_whole(name: str, part: type[RegisterSensor]) -> None:
    sensor, plain = part(at_rest(), part(at_rest()).address), part(at_rest())  # type: ignore[call-arg]
    wire, other = Wire(with_fault(sensor, name, SECOND)), Wire(plain)
    for each in (wire, other):
        each.wait(200 * MS)
    assert wire.read(0x00, 0x20) == other.read(0x00, 0x20)
    assert wire.read(0x75) == other.read(0x75)


def test_it_does_not_answer() -> None:
    wire = sampling("absent", BMA400(at_rest()))
    until(wire, BEGIN)
    assert not wire.write(0x00)
    until(wire, END)
    assert wire.read(0x00) == b"\x90"


def test_it_refuses_data() -> None:
    wire = sampling("refuses-data", BMA400(at_rest()))
    until(wire, BEGIN)
    assert wire.bus.start(0x14, True) and not wire.bus.write(b"\x00")


@pytest.mark.parametrize("name", ["holds-bus", "holds-bus-for-good"])
def test_it_holds_the_bus_until_nine_pulses_or_for_good(name: str) -> None:
    wire = sampling(name, BMA400(at_rest()))
    until(wire, BEGIN)
    assert wire.bus.stuck and not wire.write(0x00)
    for _ in range(8):
        wire.bus.clock_pulse()
    assert wire.bus.stuck
    wire.bus.clock_pulse()
    assert wire.bus.stuck == (name == "holds-bus-for-good")
    until(wire, END)
    assert not wire.bus.stuck


@pytest.mark.parametrize(
    ("name", "alter"),
    [
        ("frozen", lambda rows: np.broadcast_to(rows[0], rows.shape)),
        ("saturated", lambda rows: np.full_like(rows, 2047)),
        ("stuck-axis", lambda rows: rows * [1, 0, 1]),
    ],
)
def test_it_measures_what_is_not_there(name: str, alter) -> None:  # type: ignore[no-untyped-def]
    source = random_recording(500, 12)
    sensor = BMA400(source)
    wire = sampling(name, sensor)
    until(wire, BEGIN - 1)
    taken = source.taken
    wire.write(0x7E, 0xB0)
    until(wire, BEGIN + SECOND)
    data = np.frombuffer(wire.read(0x14, sensor.fifo_length), np.uint8).reshape(-1, 7).astype(int)
    found = data[:, 1::2] | data[:, 2::2] << 4
    found = np.where(found > 2047, found - 4096, found)
    assert np.array_equal(found, alter(source.expected(source.taken)[taken:])) and len(found) >= 50


def test_the_fifo_runs_over_at_once() -> None:
    sensor = BMA400(at_rest())
    wire = sampling("overrun", sensor)
    until(wire, BEGIN - 1)
    assert not sensor.dropped
    until(wire, BEGIN)
    assert sensor.dropped and sensor.fifo_length == 1022


def test_it_has_another_identity() -> None:
    wire = sampling("wrong-identity", BMA400(at_rest()))
    until(wire, BEGIN)
    assert wire.read(0x00) == b"\x55" and wire.read(0x1A) == b"\x47"


def test_it_resets_once_or_again_and_again() -> None:
    wire = sampling("reset", BMA400(at_rest()))
    until(wire, BEGIN + 10 * MS)
    assert wire.read(0x19) == b"\x00" and wire.read(0x1A) == b"\x49"
    sensor = BMA400(at_rest())
    wire = sampling("resets-again-and-again", sensor)
    until(wire, BEGIN)
    for _ in range(10):
        wire.read(0x00)
    assert not sensor.ready


@pytest.mark.parametrize(("name", "error"), [("wrong-rate", 0.1), ("slow-clock", -0.3)])
def test_its_clock_is_wrong_for_a_time(name: str, error: float) -> None:
    source = random_recording(10, 12)
    wire = sampling(name, BMA400(source))
    until(wire, BEGIN)
    start = source.taken
    until(wire, END)
    middle = source.taken
    until(wire, END + 2 * SECOND)
    assert middle - start == pytest.approx(100 * (1 + error), abs=2)
    assert source.taken - middle == pytest.approx(100, abs=2)


def test_its_pins_stay_as_they_are_or_rise_and_catch_up() -> None:
    for name, level in (("dropped-interrupt", False), ("stuck-interrupt", True)):
        sensor = BMA400(at_rest())
        wire = sampling(name, sensor)
        until(wire, BEGIN - 1)
        wire.read(0x14, sensor.fifo_length)
        assert not wire.device.pins["INT1"]
        until(wire, BEGIN + SECOND)
        assert sensor.pins["INT1"] and wire.device.pins["INT1"] == level
        until(wire, END)
        assert wire.device.pins["INT1"]


def test_noise_flips_bits_and_a_short_read_ends_in_ones() -> None:
    sensor = BMA400(at_rest())
    wire = sampling("noise-burst", sensor)
    until(wire, BEGIN)
    data = wire.read(0x14, 500)
    clean = (data[:7] * 72)[:500]
    assert 1 <= sum(a != b for a, b in zip(data[:490], clean)) <= 40
    wire = sampling("short-reads", BMA400(at_rest()))
    until(wire, BEGIN)
    assert wire.read(0x14, 35)[20:] == b"\xff" * 15


def test_it_is_silent_until_the_fault_is_over() -> None:
    source = random_recording(10, 12)
    wire = sampling("silent", BMA400(source))
    until(wire, BEGIN)
    before = source.taken
    wire.write(0x1A, 0x48)
    until(wire, END)
    assert source.taken == before
    until(wire, END + SECOND)
    assert source.taken - before == pytest.approx(100, abs=2)


def test_settings_are_lost_flipped_or_switched_off() -> None:
    wire = sampling("lost-settings", BMA400(at_rest()))
    until(wire, BEGIN)
    assert wire.write(0x1A, 0x08) and wire.read(0x1A) == b"\x47"
    wire = sampling("flipped-setting", BMA400(at_rest()))
    until(wire, BEGIN)
    assert wire.read(0x1A) == b"\xc7"
    wire = sampling("fifo-off", BMA400(at_rest()))
    until(wire, BEGIN)
    assert wire.read(0x26) == b"\x00"


def test_the_length_is_wrong() -> None:
    sensor = BMA400(at_rest())
    wire = sampling("wrong-length", sensor)
    until(wire, BEGIN)
    wire.read(0x14, sensor.fifo_length - 14)
    assert wire.read(0x12)[0] == 14 + 37 and wire.read(0x0A, 10)[8] == 14 + 37


def test_it_starts_up_late() -> None:
    wire = Wire(with_fault(BMA400(at_rest()), "slow-start"))
    wire.wait(15 * MS - 1)
    assert not wire.write(0x00)
    wire.wait(1)
    assert wire.write(0x00)


@pytest.mark.parametrize(("name", "ratio"), [("dead-self-test", 0), ("weak-self-test", 1 / 3)])
def test_the_self_test_of_one_axis_is_weak_or_dead(name: str, ratio: float) -> None:
    sensor, other = BMA400(at_rest()), MPU9250(at_rest())
    Wire(with_fault(sensor, name))
    Wire(with_fault(other, name))
    assert sensor.self_test_mg[1] == pytest.approx(1700 * ratio) and sensor.self_test_mg[0] == 2000
    assert other.self_test_ratio == (1, pytest.approx(ratio), 1)
