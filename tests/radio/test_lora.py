"""Time on air of LoRa packets against published figures, and the frame with the tag's number."""

from __future__ import annotations

import pytest

from mcukd.errors import UserError
from mcukd.radio.lora import LoraSettings, frame, split_frame

#: Spreading factor, kHz, coding rate 4/n, bytes, µs: pkg/toa/toa_test.go of The Things Stack (Apache 2.0), by
#: Semtech's LoRa modem designer's guide (AN1200.13).
THE_THINGS_STACK = [
    (7, 125, 5, 10, 41_216), (8, 125, 5, 10, 72_192), (9, 125, 5, 10, 144_384), (10, 125, 5, 10, 288_768),
    (11, 125, 5, 10, 577_536), (12, 125, 5, 10, 991_232), (7, 250, 5, 10, 20_608), (7, 500, 5, 10, 10_304),
    (7, 125, 6, 10, 45_312), (7, 125, 7, 10, 49_408), (7, 125, 8, 10, 53_504), (7, 125, 5, 13, 46_336),
    (7, 125, 5, 14, 46_336), (7, 125, 5, 15, 46_336), (7, 125, 5, 16, 51_456), (7, 125, 5, 17, 51_456),
    (7, 125, 5, 18, 51_456), (7, 125, 5, 19, 51_456),
]  # fmt: skip
#: The same with preamble, explicit header and CRC: what Semtech's "SX1261 LoRa Calculator" showed, as
#: micropython-lib's lora/tests/test_time_on_air.py (MIT) records it.
CALCULATOR = [
    (12, 500, 5, 1, 8, True, True, 206_848), (12, 500, 5, 64, 12, True, True, 649_216),
    (12, 500, 5, 1, 8, True, False, 165_888), (12, 500, 5, 192, 8, True, True, 1_476_608),
    (12, 500, 5, 16, 12, False, False, 280_576), (8, 125, 6, 1, 8, True, True, 53_760),
    (8, 125, 6, 3, 8, True, True, 66_048), (8, 125, 6, 3, 8, True, False, 53_760),
    (8, 125, 6, 253, 8, True, True, 827_904), (8, 125, 6, 5, 12, False, True, 61_952),
    (8, 125, 6, 10, 12, False, True, 86_528), (8, 125, 6, 253, 12, False, True, 823_808),
]  # fmt: skip


@pytest.mark.parametrize(("factor", "khz", "rate", "count", "microseconds"), THE_THINGS_STACK)
def test_time_on_air_is_the_published_one(
    factor: int, khz: int, rate: int, count: int, microseconds: int
) -> None:
    assert LoraSettings(factor, khz * 1000, rate).airtime_ns(count) == 1000 * microseconds


@pytest.mark.parametrize(
    ("factor", "khz", "rate", "count", "preamble", "header", "crc", "microseconds"), CALCULATOR
)
def test_time_on_air_is_that_of_semtechs_calculator(
    factor: int, khz: int, rate: int, count: int, preamble: int, header: bool, crc: bool, microseconds: int
) -> None:
    settings = LoraSettings(factor, khz * 1000, rate, preamble, header, crc)
    assert settings.airtime_ns(count) == 1000 * microseconds


def test_the_published_collar_fits_a_spreading_factor_of_12() -> None:
    """1.3189 s for 12 bytes and a header: so long are 16 to 20 bytes."""
    times = {count: LoraSettings(12).airtime_ns(count) for count in range(1, 30)}
    assert [count for count, time in times.items() if round(time / 1e9, 4) == 1.3189] == [16, 17, 18, 19, 20]


def test_low_data_rates_are_optimised_where_a_symbol_is_longer_than_16_ms() -> None:
    found = {(factor, khz) for factor in range(7, 13) for khz in (125, 250, 500)
             if LoraSettings(factor, khz * 1000).low_data_rate}  # fmt: skip
    assert found == {(11, 125), (12, 125), (12, 250)}


def test_a_frame_is_the_tags_number_and_the_payload() -> None:
    assert frame(0x1234, b"payload") == b"\x12\x34payload"
    assert split_frame(frame(513, b"x")) == ("513", b"x")
    with pytest.raises(UserError, match="the frame has 2 bytes, but more than 2"):
        split_frame(b"12")
