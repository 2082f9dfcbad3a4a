"""Uplinks of LoRaWAN 1.0.x, unconfirmed, of a device that was activated by personalisation.

After the LoRaWAN Specification 1.0.2, sections 4.2 to 4.4. All 32 bits of the counter take part in what is
encrypted and authenticated, but only the lower 16 are sent.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from mcukd.errors import UserError
from mcukd.radio.aes import BLOCK, cmac, encrypt

_UPLINK, _HEADER_BYTES, _MIC_BYTES = 0x40, 9, 4
#: Bytes beside the payload: header, address, control, counter, port; authentication code.
EXTRA = _HEADER_BYTES + _MIC_BYTES
#: A frame's counter is the tag's clock at the period's end, in units of 2^8 seconds.
COUNTER_SHIFT = 8
_HALVES = 1 << 32 - COUNTER_SHIFT - 16


class Keys(Protocol):
    """Of a session. address: the device's, 32 bits. The keys have 16 bytes."""

    @property
    def address(self) -> int: ...  # noqa: D102
    @property
    def network_key(self) -> bytes: ...  # noqa: D102
    @property
    def application_key(self) -> bytes: ...  # noqa: D102


@dataclass(frozen=True)
class Uplink:
    """What an uplink says, once it was found authentic."""

    address: int
    counter: int
    port: int
    payload: bytes


def _block(first: int, address: int, counter: int, last: int) -> bytes:
    """Of section 4.3.3 and 4.4: both kinds of block, of uplinks."""
    return (
        bytes([first, 0, 0, 0, 0, 0])
        + address.to_bytes(4, "little")
        + counter.to_bytes(4, "little")
        + bytes([0, last])
    )


def _crypted(keys: Keys, counter: int, payload: bytes) -> bytes:
    stream = b"".join(
        encrypt(keys.application_key, _block(1, keys.address, counter, 1 + number))
        for number in range(-(-len(payload) // BLOCK))
    )
    return bytes(a ^ b for a, b in zip(payload, stream))


def _code(keys: Keys, counter: int, message: bytes) -> bytes:
    return cmac(keys.network_key, _block(0x49, keys.address, counter, len(message)) + message)[:_MIC_BYTES]


def uplink(keys: Keys, counter: int, port: int, payload: bytes) -> bytes:
    """Return the frame that a tag sends."""
    message = (
        bytes([_UPLINK])
        + keys.address.to_bytes(4, "little")
        + bytes([0])
        + (counter & 0xFFFF).to_bytes(2, "little")
        + bytes([port])
        + _crypted(keys, counter, payload)
    )
    return message + _code(keys, counter, message)


def read_uplink(data: bytes, known: Sequence[Keys], counter: int = 0) -> Uplink:
    """Return what a frame says.

    known: keys of the devices that may have sent it. counter: the device's latest known one; the frame's is
    looked for from there on, then below. Raises UserError for what is no authentic uplink of them.
    """
    if len(data) <= EXTRA or data[0] != _UPLINK or data[5] & 0x0F:
        raise UserError(
            f"a frame of {len(data)} bytes is no unconfirmed uplink of LoRaWAN with a port and a payload."
        )
    address, low = int.from_bytes(data[1:5], "little"), int.from_bytes(data[6:8], "little")
    message, code = data[:-_MIC_BYTES], data[-_MIC_BYTES:]
    mine = [keys for keys in known if keys.address == address]
    if not mine:
        raise UserError(f"the frame is of the device {address:08X}, of which no keys are known.")
    for half in range(_HALVES):
        full = ((counter >> 16) + half) % _HALVES << 16 | low
        for keys in mine:
            if _code(keys, full, message) == code:
                return Uplink(address, full, data[8], _crypted(keys, full, message[_HEADER_BYTES:]))
    raise UserError(
        f"the frame of the device {address:08X} is not authentic: its code fits none of its keys."
    )
