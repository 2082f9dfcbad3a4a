"""The modelled MPU-9250 against the facts of its register map."""

from __future__ import annotations

import numpy as np
import pytest
from builders.sensors import MS, SECOND, Wire, random_recording
from hypothesis import given
from hypothesis import strategies as st

from mcukd.chips.sensors.mpu9250 import CYCLE_RATES, MPU9250
from mcukd.chips.sensors.registers import SensorAccessError
from mcukd.chips.sensors.sources import Recording, at_rest

CYCLE = 0x20


def awake(sensor: MPU9250, divider: int = 19, power: int = 0x01, stop_on_full: bool = True) -> Wire:
    """A sensor in normal mode at 1 kHz / (1 + divider), gyroscopes off, its accelerometer in the FIFO."""
    wire = Wire(sensor)
    wire.wait(100 * MS)
    wire.write(0x19, divider)
    wire.write(0x1A, 0x44 if stop_on_full else 0x04)
    wire.write(0x1C, 1 << 3)
    wire.write(0x1D, 0x08 if power & CYCLE else 0x04)
    wire.write(0x6C, 0x07)
    wire.write(0x6B, power)
    wire.wait(20 * MS)
    wire.write(0x23, 0x08)
    wire.write(0x6A, 0x44)
    return wire


def count(wire: Wire) -> int:
    return int.from_bytes(wire.read(0x72, 2), "big")


def test_identity_and_the_hundred_milliseconds_of_a_reset() -> None:
    wire = Wire(MPU9250(at_rest()))
    assert not wire.write(0x75)
    wire.wait(100 * MS)
    assert wire.read(0x75) == b"\x71" and wire.read(0x6B) == b"\x01"
    wire.write(0x1C, 0x18)
    wire.write(0x6B, 0x80)
    assert not wire.write(0x75)
    wire.wait(100 * MS)
    assert wire.read(0x1C) == b"\x00" and wire.read(0x6B) == b"\x01"


@given(st.sampled_from([0, 9, 19, 99]), st.integers(0, 2**31))
def test_every_count_comes_out_of_the_fifo_big_end_first(divider: int, seed: int) -> None:
    source = random_recording(200, 16, seed)
    wire = awake(MPU9250(source), divider)
    samples: list[list[int]] = []
    while len(samples) < 200:
        wire.wait(50 * (divider + 1) * MS)
        samples += np.frombuffer(wire.read(0x74, count(wire)), ">i2").reshape(-1, 3).tolist()
    assert samples == source.expected(len(samples)).tolist()


def test_the_divider_works_with_the_low_pass_filter_only() -> None:
    sensor = MPU9250(at_rest())
    wire = awake(sensor)
    assert sensor.rate_hz == 50
    wire.write(0x1A, 0x40)
    assert sensor.rate_hz == 1000
    wire.write(0x1D, 0x08)
    assert sensor.rate_hz == 4000


def test_the_count_is_latched_by_its_high_byte() -> None:
    wire = awake(MPU9250(at_rest()))
    wire.wait(SECOND)
    assert count(wire) in (48 * 6, 49 * 6, 50 * 6)
    before = wire.read(0x73)
    wire.wait(SECOND)
    assert wire.read(0x73) == before and count(wire) > 290


def test_a_fifo_that_stops_keeps_whole_frames_and_one_that_overwrites_loses_its_place() -> None:
    source = random_recording(300, 16)
    wire = awake(MPU9250(source))
    wire.wait(3 * SECOND)
    assert count(wire) == 512 and wire.read(0x3A)[0] & 0x10 and not wire.read(0x3A)[0] & 0x10
    samples = np.frombuffer(wire.read(0x74, 510), ">i2").reshape(-1, 3)
    assert samples.tolist() == source.expected(85).tolist()
    source = random_recording(300, 16)
    wire = awake(MPU9250(source), stop_on_full=False)
    wire.wait(3 * SECOND)
    samples = np.frombuffer(wire.read(0x74, 510), ">i2").reshape(-1, 3)
    assert samples.tolist() != source.expected(source.taken)[-85:].tolist()


def test_there_is_no_watermark_but_an_overflow_and_data_ready() -> None:
    sensor = MPU9250(at_rest())
    wire = awake(sensor)
    wire.write(0x37, 0x20)
    wire.write(0x38, 0x10)
    moment = sensor.next_event()
    assert moment is not None and 1.7e9 < moment - wire.time_ns < 1.73e9
    wire.wait(moment - wire.time_ns)
    assert sensor.pins["INT"]
    wire.read(0x3A)
    assert not sensor.pins["INT"]
    wire.write(0x38, 0x01)
    wire.write(0x37, 0x00)
    levels: list[bool] = []
    sensor.on_pin(lambda _, level: levels.append(level))
    for _ in range(6):
        wire.wait((sensor.next_event() or 0) - wire.time_ns)
    assert levels == [True, False, True, False, True, False]


@pytest.mark.parametrize("code", range(12))
def test_the_duty_cycled_mode_has_its_own_rates_and_tolerance(code: int) -> None:
    assert round(CYCLE_RATES[0], 2) == 0.24 and CYCLE_RATES[7] == 31.25 and CYCLE_RATES[11] == 500
    for error in (-0.15, 0.0, 0.15):
        source = Recording([[1, 2, 3]])
        sensor = MPU9250(source, cycle_error=error)
        wire = awake(sensor, power=CYCLE)
        wire.write(0x1E, code)
        before = source.taken
        seconds = max(20, 20 / CYCLE_RATES[code])
        wire.wait(seconds * SECOND)
        assert source.taken - before == pytest.approx(seconds * CYCLE_RATES[code] * (1 + error), abs=1.5)
    with pytest.raises(ValueError, match="at most"):
        MPU9250(at_rest(), cycle_error=0.2)


def test_the_filter_in_the_duty_cycled_mode_spoils_what_is_measured() -> None:
    wire = awake(MPU9250(at_rest(0, 0, 1)), power=CYCLE)
    wire.write(0x1E, 7)
    wire.wait(SECOND)
    assert wire.read(0x3F, 2) == (8192).to_bytes(2, "big")
    wire.write(0x1D, 0x04)
    wire.wait(SECOND)
    assert int.from_bytes(wire.read(0x3F, 2), "big") == round(8192 * 336 / 3890)


def test_a_fifo_may_be_said_not_to_fill_in_the_duty_cycled_mode() -> None:
    wire = awake(MPU9250(at_rest(), fifo_in_cycle=False), power=CYCLE)
    wire.write(0x1E, 7)
    wire.wait(SECOND)
    assert count(wire) == 0 and wire.read(0x3A)[0] & 1


def test_self_test_answers_by_the_factorys_codes() -> None:
    sensor = MPU9250(at_rest(), self_test_codes=(100, 0, 200))
    wire = awake(sensor)
    assert list(wire.read(0x0D, 3)) == [100, 0, 200]
    wire.write(0x1C, 0x00)
    wire.wait(50 * MS)
    rest = np.frombuffer(wire.read(0x3B, 6), ">i2").astype(int)
    wire.write(0x1C, 0xE0)
    wire.wait(50 * MS)
    moved = np.frombuffer(wire.read(0x3B, 6), ">i2").astype(int) - rest
    assert moved.tolist() == [round(2620 * 1.01**99), round(0.45 * 16384), 16383]  # z is at the range's end


def test_sleep_and_a_closed_bus() -> None:
    source = random_recording(100, 16)
    wire = awake(MPU9250(source))
    wire.write(0x6B, 0x40)
    before = source.taken
    wire.wait(SECOND)
    assert source.taken == before
    wire.write(0x6A, 0x10)
    assert not wire.write(0x75)


def test_writes_of_what_is_not_modelled_are_errors() -> None:
    wire = awake(MPU9250(at_rest()))
    with pytest.raises(SensorAccessError, match="0x23, which has no bits 0x70"):
        wire.write(0x23, 0x78)
    with pytest.raises(SensorAccessError, match="0x24, which this model cannot write"):
        wire.write(0x24, 1)
