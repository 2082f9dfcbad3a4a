"""The modelled BMA400 against the facts of its data sheet, register by register."""

from __future__ import annotations

import numpy as np
import pytest
from builders.sensors import MS, SECOND, Wire, random_recording
from hypothesis import given
from hypothesis import strategies as st

from mcukd.chips.bus import SPIBus
from mcukd.chips.sensors.bma400 import BMA400, LOW_POWER, NORMAL, RATES, SLEEP
from mcukd.chips.sensors.registers import SensorAccessError, SensorOverSPI
from mcukd.chips.sensors.sources import Recording, at_rest


def awake(sensor: BMA400, rate: int = 7, range_code: int = 1) -> Wire:
    """A sensor in normal mode with all axes in its FIFO; rate 7 is 50 Hz, range 1 is ± 4 g."""
    wire = Wire(sensor)
    wire.wait(5 * MS)
    wire.write(0x1A, range_code << 6 | rate)
    wire.write(0x26, 0xE0)
    wire.write(0x19, NORMAL)
    return wire


def unpacked(data: bytes, width: int = 7) -> np.ndarray:
    """Samples of 12-bit frames, by the data sheet: low 4 bits first, then the upper 8."""
    frames = np.frombuffer(data, np.uint8).reshape(-1, width)
    assert (frames[:, 0] == 0x9E).all()
    counts = frames[:, 1::2].astype(int) & 0x0F | frames[:, 2::2].astype(int) << 4
    return np.where(counts > 2047, counts - 4096, counts)


def test_identity_reset_values_and_the_five_milliseconds_of_a_reset() -> None:
    wire = Wire(BMA400(at_rest()))
    assert not wire.write(0x00)
    wire.wait(5 * MS)
    assert wire.read(0x00) == b"\x90" and wire.read(0x1A) == b"\x49"
    assert wire.read(0x0D) == b"\x01" and wire.read(0x0D) == b"\x00"
    wire.write(0x1A, 0x47)
    wire.write(0x7E, 0xB6)
    wire.wait(5 * MS - 1)
    assert not wire.write(0x00)
    wire.wait(1)
    assert wire.read(0x1A) == b"\x49"


def test_the_fifo_fills_in_normal_mode_only() -> None:
    sensor = BMA400(random_recording(100, 12))
    wire = awake(sensor)
    for mode in (SLEEP, LOW_POWER):
        wire.write(0x19, mode)
        wire.write(0x7E, 0xB0)
        wire.wait(SECOND)
        assert wire.read(0x12, 2) == b"\x00\x00" and wire.read(0x03)[0] >> 1 & 3 == mode
    wire.write(0x19, NORMAL)
    wire.wait(SECOND)
    assert int.from_bytes(wire.read(0x12, 2), "little") == 7 * 50


@pytest.mark.parametrize("code", RATES)
def test_samples_come_at_the_rate_and_on_ticks_of_sensor_time(code: int) -> None:
    wire = awake(BMA400(at_rest()), code)
    first = wire.device.next_event()
    assert first is None  # no interrupt is enabled
    before = int.from_bytes(wire.read(0x0A, 3), "little")
    wire.wait(10 * SECOND)
    after = int.from_bytes(wire.read(0x0A, 3), "little")
    assert after - before == 32_000
    wire.write(0x7E, 0xB0)
    wire.wait(SECOND)
    assert int.from_bytes(wire.read(0x12, 2), "little") == min(1022, 7 * int(RATES[code])) or code == 5
    sensor = wire.device
    assert isinstance(sensor, BMA400)
    ticks = 3200 / RATES[code]
    wire.wait(sensor.sample_time() - wire.time_ns)
    assert sensor.sensor_time % ticks == 0


@given(st.integers(1, 3), st.integers(5, 11), st.integers(0, 2**31))
def test_every_count_comes_out_of_the_fifo(range_code: int, rate: int, seed: int) -> None:
    source = random_recording(300, 12, seed)
    wire = awake(BMA400(source), rate, range_code)
    samples = []
    while len(samples) < 300:
        wire.wait(100 / RATES[rate] * SECOND)
        length = int.from_bytes(wire.read(0x12, 2), "little")
        samples += unpacked(wire.read(0x14, length)).tolist()
    assert samples == source.expected(len(samples)).tolist()


def test_the_fifo_has_another_order_of_bits_than_the_data_registers() -> None:
    wire = awake(BMA400(Recording([[0x123, -1, -2048]])))
    wire.wait(30 * MS)
    assert wire.read(0x04, 6) == bytes([0x23, 0x01, 0xFF, 0x0F, 0x00, 0x08])
    assert wire.read(0x14, 7) == bytes([0x9E, 0x03, 0x12, 0x0F, 0xFF, 0x00, 0x80])


def test_eight_bits_and_single_axes_have_their_own_headers() -> None:
    wire = Wire(BMA400(Recording([[0x123, -1, -2048]])))
    wire.wait(5 * MS)
    wire.write(0x1A, 0x47)
    wire.write(0x26, 0xF0)
    wire.write(0x19, NORMAL)
    wire.wait(30 * MS)
    assert wire.read(0x14, 4) == bytes([0x8E, 0x12, 0xFF, 0x80])
    wire.write(0x7E, 0xB0)
    wire.write(0x26, 0x40)
    wire.wait(20 * MS)
    assert wire.read(0x14, 3) == bytes([0x94, 0x0F, 0xFF])


def test_a_frame_read_in_part_comes_again_and_reading_beyond_shows_time_then_empty_frames() -> None:
    source = random_recording(10, 12)
    wire = awake(BMA400(source))
    wire.write(0x26, 0xE4)
    wire.wait(60 * MS)
    half = wire.read(0x14, 10)
    assert half[7:10] == wire.read(0x14, 7)[:3]
    rest = wire.read(0x14, 20)
    assert rest[7] == 0xA0 and set(rest[11:]) == {0x80}
    assert int.from_bytes(rest[8:11], "little") == wire.device.sensor_time  # type: ignore[attr-defined]


def test_a_change_of_settings_leaves_a_control_frame() -> None:
    wire = awake(BMA400(at_rest()))
    wire.wait(30 * MS)
    wire.write(0x1A, 0x87)
    data = wire.read(0x14, 9)
    assert data[7:] == bytes([0x48, 0x04])


def test_the_oldest_frames_give_way_or_the_newest_where_it_stops_on_full() -> None:
    source = random_recording(400, 12)
    sensor = BMA400(source)
    wire = awake(sensor)
    wire.wait(4 * SECOND)
    taken = source.taken
    assert sensor.fifo_length == 146 * 7 and sensor.dropped == taken - 146
    assert unpacked(wire.read(0x14, 1022)).tolist() == source.expected(taken)[-146:].tolist()
    source = random_recording(400, 12)
    wire = awake(BMA400(source))
    wire.write(0x26, 0xE2)
    wire.wait(4 * SECOND)
    assert unpacked(wire.read(0x14, 1022)).tolist() == source.expected(146).tolist()


def test_the_watermark_raises_its_pin_at_the_very_sample_and_holds_it_until_read() -> None:
    sensor = BMA400(at_rest())
    wire = awake(sensor)
    wire.write(0x27, 70, 0)
    wire.write(0x21, 0x40)
    wire.write(0x1F, 0x40)
    levels: list[tuple[str, bool]] = []
    sensor.on_pin(lambda name, level: levels.append((name, level)))
    moment = sensor.next_event()
    assert moment is not None
    wire.wait(moment - wire.time_ns - 1)
    assert ("INT1", True) not in levels and sensor.fifo_length == 63
    wire.wait(1)
    assert levels[-1] == ("INT1", True) and sensor.fifo_length == 70 and sensor.next_event() is None
    assert wire.read(0x0E)[0] & 0x40 and levels[-1] == ("INT1", True)
    wire.read(0x14, 70)
    assert levels[-1] == ("INT1", False)
    wire.write(0x24, 0x20)  # active low
    assert sensor.pins["INT1"] is True


def test_data_ready_and_full_interrupts() -> None:
    sensor = BMA400(at_rest())
    wire = awake(sensor)
    wire.write(0x22, 0x80)
    wire.write(0x21, 0x20)
    wire.write(0x1F, 0xA0)
    wire.wait((sensor.next_event() or 0) - wire.time_ns)
    assert sensor.pins["INT2"] and not sensor.pins["INT1"]
    assert wire.read(0x0E)[0] == 0x80 and not sensor.pins["INT2"]
    wire.wait(4 * SECOND)
    assert sensor.pins["INT1"] and wire.read(0x0E)[0] == 0xA0


def test_self_test_moves_each_axis_by_more_than_its_limit() -> None:
    wire = awake(BMA400(at_rest()), 8)
    wire.write(0x1A, 0x78)
    values = []
    for excitation in (0x07, 0x0F):
        wire.write(0x7D, excitation)
        wire.wait(50 * MS)
        raw = np.frombuffer(wire.read(0x04, 6), "<i2").astype(int)
        values.append(np.where(raw > 2047, raw - 4096, raw))
    assert (values[0] - values[1] > [768, 614, 128]).all()


def test_sensor_time_follows_its_own_clock_which_may_change() -> None:
    sensor = BMA400(at_rest(), rate_error=0.05)
    wire = awake(sensor)
    wire.wait(100 * SECOND)
    before = sensor.sensor_time
    assert before == pytest.approx(3200 * 1.05 * 100.005, abs=1)
    sensor.change_clock(-0.5)
    assert abs(sensor.sensor_time - before) <= 1
    wire.wait(10 * SECOND)
    assert sensor.sensor_time - before == pytest.approx(16_000, abs=1)


def test_writes_of_what_the_part_does_not_have_are_errors() -> None:
    wire = Wire(BMA400(at_rest()))
    wire.wait(5 * MS)
    with pytest.raises(SensorAccessError, match=r"0x19, which has no bits 0x04"):
        wire.write(0x19, 0x06)
    with pytest.raises(SensorAccessError, match="0x12, which this model cannot write"):
        wire.write(0x12, 1)


def test_spi_has_a_dummy_byte_and_a_dummy_read_after_reset() -> None:
    sensor = BMA400(at_rest())
    bus = SPIBus()
    device = SensorOverSPI(sensor)
    bus.attach(3, device)
    device.advance(5 * MS)

    def exchange(*data: int) -> bytes:
        bus.select(3, False)
        answer = bus.transfer(bytes(data))
        bus.select(3, True)
        return answer

    assert exchange(0x80, 0, 0) == b"\xff\xff\xff"
    assert exchange(0x80, 0, 0) == b"\xff\xff\x90"
    exchange(0x1A, 0x47)
    assert exchange(0x9A, 0, 0)[2] == 0x47
    exchange(0x7E, 0xB6)
    device.advance(10 * MS)
    assert exchange(0x80, 0, 0)[2] == 0xFF and exchange(0x80, 0, 0)[2] == 0x90
