"""Advertisements of Bluetooth Low Energy as bits on the air, and back.

Bits are grouped in bytes, the first bit on the air being the lowest: a packet on the air is preamble, access
address, PDU and CRC, the last two whitened. This is the receiver's side; the modelled radio of the nRF52840
makes its bits by itself, from its registers. Sections are those of the Bluetooth Core Specification 5.4,
volume 6, part B.
"""

from __future__ import annotations

from dataclasses import dataclass

from mcukd.errors import UserError

#: Frequencies in MHz of the channels for advertising, by their index (section 1.4.1).
CHANNELS = {37: 2402, 38: 2426, 39: 2480}
ACCESS_ADDRESS = 0x8E89BED6
CRC_INIT = 0x555555
#: x²⁴ + x¹⁰ + x⁹ + x⁶ + x⁴ + x³ + x + 1 with its bits in the order of the air (section 3.1.1).
_POLYNOMIAL = 0xDA6000
#: PDU type of an advertisement that nobody can connect to or scan, and the bit of a random address.
NONCONNECTABLE, RANDOM_ADDRESS = 0x02, 0x40
#: Type of the element of data that carries a company's own, and the number for what has no company.
MANUFACTURER_DATA, NO_COMPANY = 0xFF, 0xFFFF
#: The most that `AdvData` holds, and what comes before the payload in its element.
ADV_DATA_MAX, ELEMENT_BYTES = 31, 4
_HEADER_BYTES, _ADDRESS_BYTES, _CRC_BYTES = 2, 6, 3
#: Bytes of a tag's PDU beside the payload.
PDU_EXTRA = _HEADER_BYTES + _ADDRESS_BYTES + ELEMENT_BYTES


def crc24(data: bytes, init: int = CRC_INIT) -> int:
    """Return the CRC of a PDU; its bytes go on the air low byte first."""
    crc = int(f"{init:024b}"[::-1], 2)
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (_POLYNOMIAL if crc & 1 else 0)
    return crc


def whiten(data: bytes, channel: int) -> bytes:
    """Return data whitened for a channel; whitening again gives it back (section 3.2).

    The register's position 0 is 1, positions 1 to 6 are the channel's index, the highest bit first.
    """
    register = [1, *(channel >> bit & 1 for bit in (5, 4, 3, 2, 1, 0))]
    out = bytearray()
    for byte in data:
        whitened = 0
        for bit in range(8):
            last = register[6]
            register = [last, *register[:6]]
            register[4] ^= last
            whitened |= (byte >> bit & 1 ^ last) << bit
        out.append(whitened)
    return bytes(out)


def on_air(pdu: bytes, channel: int) -> bytes:
    """Return the packet of a PDU on an advertising channel, at 1 Mbit/s."""
    preamble = 0x55 if ACCESS_ADDRESS & 1 else 0xAA
    body = whiten(pdu + crc24(pdu).to_bytes(_CRC_BYTES, "little"), channel)
    return bytes([preamble]) + ACCESS_ADDRESS.to_bytes(4, "little") + body


def received(packet: bytes, channel: int) -> bytes:
    """Return the PDU of a packet on the air; UserError for what a receiver would not take."""
    if packet[1:5] != ACCESS_ADDRESS.to_bytes(4, "little"):
        raise UserError(f"the packet's access address is not {ACCESS_ADDRESS:#x}, that of advertisements.")
    body = whiten(packet[5:], channel)
    length = _HEADER_BYTES + (body[1] if len(body) > 1 else 0)
    pdu, rest = body[:length], body[length:]
    if rest != crc24(pdu).to_bytes(_CRC_BYTES, "little"):
        raise UserError(f"the packet on channel {channel} has a wrong CRC; a receiver discards it.")
    return pdu


@dataclass(frozen=True)
class Advertisement:
    """What an advertisement of a tag says. address: six bytes, the highest first, in hexadecimal."""

    address: str
    company: int
    payload: bytes


def address_bytes(address: str) -> bytes:
    """Return the bytes of "C0:12:34:56:78:9A" as they go on the air, the lowest first."""
    return bytes.fromhex(address.replace(":", ""))[::-1]


def advertisement(address: str, company: int, payload: bytes) -> bytes:
    """Return the PDU of an advertisement that nobody can connect to, from a static random address."""
    element = bytes([len(payload) + ELEMENT_BYTES - 1, MANUFACTURER_DATA]) + company.to_bytes(2, "little")
    body = address_bytes(address) + element + payload
    return bytes([NONCONNECTABLE | RANDOM_ADDRESS, len(body)]) + body


def split_pdu(pdu: bytes) -> Advertisement:
    """Return what a PDU says; UserError where it is no advertisement with a company's data."""
    if len(pdu) < _HEADER_BYTES or len(pdu) != _HEADER_BYTES + pdu[1]:
        raise UserError(f"the PDU has {len(pdu)} bytes, which its second one, the length, does not say.")
    if pdu[0] & 0x0F != NONCONNECTABLE or len(pdu) < _HEADER_BYTES + _ADDRESS_BYTES:
        raise UserError(
            f"the PDU is of type {pdu[0] & 0x0F}, but an advertisement without connection (2) is expected."
        )
    address = ":".join(f"{byte:02X}" for byte in pdu[7:1:-1])
    at = _HEADER_BYTES + _ADDRESS_BYTES
    while at < len(pdu) and pdu[at]:
        length, kind = pdu[at], pdu[at + 1 : at + 2]
        element = pdu[at + 2 : at + 1 + length]
        if kind == bytes([MANUFACTURER_DATA]) and len(element) == length - 1 > 2:
            return Advertisement(address, int.from_bytes(element[:2], "little"), element[2:])
        at += 1 + length
    raise UserError(f"the advertisement of {address} carries no data of a company.")


def delays(seed: int, count: int) -> list[int]:
    """Return ticks of 1/32768 s by which advertisements are late, at random up to 10 ms, as the tag has them.

    seed: the low 32 bits of its address. Every packet of a tag goes on where the one before ended.
    """
    found = []
    for _ in range(count):
        seed = (seed * 1664525 + 1013904223) % (1 << 32)
        found.append((seed >> 16) * 328 >> 16)
    return found
