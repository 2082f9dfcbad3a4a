"""Bits of Bluetooth advertisements: published packets, check values, the specification's definition."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mcukd.errors import UserError
from mcukd.radio.ble import (
    CHANNELS,
    Advertisement,
    advertisement,
    crc24,
    delays,
    on_air,
    received,
    split_pdu,
    whiten,
)

#: PDU, CRC and whitened bytes on channel 37 as btle_tx (a sender for software radios, checked by its author
#: with a commercial sniffer) prints them: hackrf-dev mailing list, 8 November 2015.
PUBLISHED = [
    (
        "00119992b1ebd7900201050702031802180418",
        "a85def",
        "8dc3ce338c4cb1207730144f9474e0e15eedb378c3bc",
    ),
    (
        "05225f96ea3018009992b1ebd7901b0a8560a77b22020f0050000000d007ffffffff1fa9",
        "48da02",
        "88f00837d7977eb0eca3a0a341e7e3e9c3890cabbc513cd8ea9808241b3c038e5c0b4ac187731b",
    ),
]
#: An advertisement with its CRC as a maker of Bluetooth chips (WCH) recorded it.
RECORDED = "200d020203e4c28402010603" + "02e0ff", "8ed27f"


@pytest.mark.parametrize(("pdu", "crc", "whitened"), PUBLISHED)
def test_published_packets_are_made_and_read(pdu: str, crc: str, whitened: str) -> None:
    data = bytes.fromhex(pdu)
    assert crc24(data).to_bytes(3, "little").hex() == crc
    packet = on_air(data, 37)
    assert packet.hex() == "aad6be898e" + whitened
    assert received(packet, 37) == data


def test_the_crc_has_the_check_value_of_the_catalogue() -> None:
    """CRC-24/BLE in G. Cook's Catalogue of parametrised CRC algorithms; and a recorded packet."""
    assert crc24(b"123456789") == 0xC25A56
    assert crc24(bytes.fromhex(RECORDED[0])).to_bytes(3, "little").hex() == RECORDED[1]


def test_whitening_begins_as_the_specification_shows_it() -> None:
    """Core Specification, volume 6, part C, section 4.1: 64 bits of channel 0."""
    assert whiten(bytes(8), 0).hex() == "40b2bcc31f374a5f"


def crc_by_definition(data: bytes) -> bytes:
    """Section 3.1.1 word by word: the register as a polynomial, divided by long division."""
    generator = sum(1 << power for power in (24, 10, 9, 6, 4, 3, 1, 0))
    message = 0
    for byte in data:
        for bit in range(8):
            message = message << 1 | (byte >> bit & 1)
    # A register that begins with a value is one that has divided that value before.
    number = (message << 24) ^ (0x555555 << 8 * len(data))
    for power in range(8 * len(data) + 23, 23, -1):
        if number >> power & 1:
            number ^= generator << (power - 24)
    bits = [number >> position & 1 for position in range(23, -1, -1)]
    return bytes(sum(bits[8 * k + bit] << bit for bit in range(8)) for k in range(3))


def whitening_by_definition(count: int, channel: int) -> list[int]:
    """Section 3.2: positions 6, 5, 4 come out as they were set, what follows is fed back by x⁷ + x⁴ + 1."""
    position = [1, *(channel >> bit & 1 for bit in (5, 4, 3, 2, 1, 0))]
    out = [position[6], position[5], position[4]]
    for at in (3, 2, 1, 0):
        out.append(position[at] ^ out[-3])
    while len(out) < count:
        out.append(out[-3] ^ out[-7])
    return out[:count]


@given(st.binary(min_size=2, max_size=39), st.integers(0, 39))
def test_crc_and_whitening_are_those_of_the_definition(data: bytes, channel: int) -> None:
    assert crc24(data).to_bytes(3, "little") == crc_by_definition(data)
    bits = whitening_by_definition(8 * len(data), channel)
    mask = bytes(sum(bits[8 * k + bit] << bit for bit in range(8)) for k in range(len(data)))
    assert whiten(data, channel) == bytes(a ^ b for a, b in zip(data, mask))


@given(st.binary(min_size=1, max_size=27), st.sampled_from(sorted(CHANNELS)), st.integers(0, 8 * 45))
def test_an_advertisement_comes_back_and_a_flipped_bit_does_not(
    payload: bytes, channel: int, flipped: int
) -> None:
    pdu = advertisement("C0:11:22:33:44:55", 0xFFFF, payload)
    packet = on_air(pdu, channel)
    assert split_pdu(received(packet, channel)) == Advertisement("C0:11:22:33:44:55", 0xFFFF, payload)
    at = 8 + flipped % (8 * (len(packet) - 1))
    damaged = bytearray(packet)
    damaged[at // 8] ^= 1 << at % 8
    with pytest.raises(UserError):
        received(bytes(damaged), channel)


def test_a_packet_as_worked_by_hand() -> None:
    """Type 2 with a random address, the address low byte first, the element, the company low byte first."""
    pdu = advertisement("C0:11:22:33:44:55", 0x0059, b"\x01\x02")
    assert pdu.hex() == "420c" + "5544332211c0" + "05ff5900" + "0102"
    assert on_air(pdu, 39)[:5].hex() == "aad6be898e" and len(on_air(pdu, 39)) == 1 + 4 + 14 + 3


def test_what_is_no_such_advertisement_is_refused() -> None:
    pdu = advertisement("C0:11:22:33:44:55", 0xFFFF, b"\x01")
    for wrong, words in (
        (pdu[:-1], "which its second one, the length, does not say"),
        (bytes([0x40]) + pdu[1:], "is of type 0"),
        (bytes([0x42, 9]) + pdu[2:8] + b"\x02\x01\x06", "carries no data of a company"),
        (advertisement("C0:11:22:33:44:55", 0xFFFF, b""), "carries no data of a company"),
    ):
        with pytest.raises(UserError, match=words):
            split_pdu(wrong)
    with pytest.raises(UserError, match="access address"):
        received(b"\xaa" + bytes(30), 37)
    # Other elements before it are passed over.
    with_flags = bytes([0x42, pdu[1] + 3]) + pdu[2:8] + b"\x02\x01\x06" + pdu[8:]
    assert split_pdu(with_flags).payload == b"\x01"


def test_delays_are_up_to_ten_milliseconds() -> None:
    found = delays(0x12345678, 20_000)
    assert min(found) == 0 and max(found) == 327 and 160 < sum(found) / len(found) < 168
