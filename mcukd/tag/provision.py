"""Provisioning of a tag: its id, axes, calibration and keys in flash. docs/provisioning.md specifies it.

Records of a ring of their own, in the pages behind the log's, hold it: the newest committed one counts, so
that a power failure leaves the one before or the new one. `tag_provision.c` reads and writes the same words,
and `sensor.c` applies the calibration in the same arithmetic.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from mcukd.errors import UserError
from mcukd.tag.log_writer import Flash, LogWriter
from mcukd.tag.records import PAGE, PROVISION, WHOLE, look, look_page

PAGES = 2
#: Of the pages' headers, and of a record's first word.
RING_FORMAT, FORMAT = 2, 1
WORDS = 22
HAS_KEYS, KEEPS_KEYS, HAS_RADIO_ID = 0x100, 0x200, 0x400
ID_BYTES = 16
PERIOD_MOST = 31_622_400
#: Of offsets in counts, and of gains.
OFFSET_ONE, GAIN_ONE = 16, 1 << 14
OFFSET_MOST, GAIN_LEAST, GAIN_MOST = 1 << 19, 12_288, 20_480
_SHIFT = 18
_WORDS = struct.Struct("<I16s3bx3i3iII16s16s")


@dataclass(frozen=True)
class Calibration:
    """Offset and gain of the sensor's own axes x, y, z: (count − offset / 16) · gain / 2^14."""

    offset: tuple[int, int, int]
    gain: tuple[int, int, int]


@dataclass(frozen=True)
class Session:
    """Of a LoRaWAN device that is activated by personalisation. Keys are 16 bytes and never shown.

    address: the device's, 32 bits.
    """

    address: int
    network_key: bytes = field(repr=False)
    application_key: bytes = field(repr=False)


@dataclass(frozen=True)
class Provision:
    """What a tag is told.

    id: up to 16 bytes of UTF-8. axes: the sensor's axis, from 1 on, that is the model's x, y, z, negative for
    turned round; None: the board's. period_s: of counters and payloads; 0: the firmware's. radio_id: its
    number on the air, 0 to 65,535; None: the board's.
    """

    id: str = ""
    axes: tuple[int, int, int] | None = None
    calibration: Calibration | None = None
    period_s: int = 0
    session: Session | None = None
    radio_id: int | None = None


def check(provision: Provision) -> None:
    """Raise UserError, naming the field, where a tag would not take it."""
    told = provision.id.encode(errors="replace")  # bytes that are no text are not printable
    if len(told) > ID_BYTES or not provision.id.isprintable():
        raise UserError(
            f"id is {provision.id!r}, but at most {ID_BYTES} bytes of printable text are expected "
            f"({len(told)} were found)."
        )
    if provision.axes is not None and sorted(map(abs, provision.axes)) != [1, 2, 3]:
        raise UserError(f"axes are {provision.axes}, but each of the sensor's is expected once.")
    if not 0 <= provision.period_s <= PERIOD_MOST:
        raise UserError(f"period_s is {provision.period_s}, but 1 to {PERIOD_MOST} s are expected.")
    if provision.radio_id is not None and not 0 <= provision.radio_id < 1 << 16:
        raise UserError(f"radio_id is {provision.radio_id}, but 0 to 65535 is expected.")
    if provision.calibration is not None:
        for name, values, least, most in (
            ("offset", provision.calibration.offset, -OFFSET_MOST, OFFSET_MOST),
            ("gain", provision.calibration.gain, GAIN_LEAST, GAIN_MOST),
        ):
            wrong = [value for value in values if not least <= value <= most]
            if wrong or len(values) != 3:
                raise UserError(
                    f"calibration.{name} is {list(values)}, but three numbers from {least} to {most} are "
                    "expected."
                )
    if provision.session is not None:
        for what, key in (
            ("network_key", provision.session.network_key),
            ("application_key", provision.session.application_key),
        ):
            if len(key) != 16:
                raise UserError(f"lorawan.{what} has {len(key)} bytes, but 16 are expected.")
        if not 0 <= provision.session.address < 1 << 32:
            raise UserError("lorawan.device_address is expected to have 8 hexadecimal digits.")


def encode(provision: Provision, keep_keys: bool = False) -> bytes:
    """Return the words of a record's payload, low byte first.

    keep_keys: let the tag keep address and keys that it has. Raises UserError as `check`.
    """
    check(provision)
    session = provision.session or Session(0, bytes(16), bytes(16))
    flags = KEEPS_KEYS if keep_keys else HAS_KEYS if provision.session else 0
    if provision.radio_id is not None:
        flags |= HAS_RADIO_ID | provision.radio_id << 16
    calibration = provision.calibration or Calibration((0, 0, 0), (0, 0, 0))
    return _WORDS.pack(
        FORMAT | flags,
        provision.id.encode(),
        *(provision.axes or (0, 0, 0)),
        *calibration.offset,
        *calibration.gain,
        provision.period_s,
        session.address,
        session.network_key,
        session.application_key,
    )


def decode(words: bytes) -> tuple[Provision, bool]:
    """Return what a payload's words say, and whether the tag has keys; words that are left out count as 0."""
    values = _WORDS.unpack(words.ljust(_WORDS.size, b"\0"))
    first, told, axes, offset, gain = values[0], values[1], values[2:5], values[5:8], values[8:11]
    period, address, network, application = values[11:]
    keys = bool(first & HAS_KEYS)
    provision = Provision(
        told.rstrip(b"\0").decode(errors="replace"),
        axes if any(axes) else None,
        Calibration(offset, gain) if any(gain) else None,
        period,
        Session(address, network, application) if keys else None,
        first >> 16 if first & HAS_RADIO_ID else None,
    )
    return provision, keys


def newest(words: Sequence[int], first_page: int, page_words: int = 1024) -> tuple[int, Provision] | None:
    """Return how often a tag was provisioned, and what the newest record says; None where there is none.

    words: of the flash, the pages of provisioning from `first_page` on. A record of a format that is not
    known says nothing.
    """
    found: tuple[int, Provision] | None = None
    pages = []
    for page in range(first_page, first_page + PAGES):
        at, end = page * page_words, (page + 1) * page_words
        counts, behind, header = look_page(words, at, end, RING_FORMAT)
        if counts:
            pages.append((header.sequence, behind, end))
    for _, behind, end in sorted(pages):
        at = behind
        while at < end:
            state, behind, record = look(words, at, end)
            if state == WHOLE and record.kind == PROVISION:
                payload = b"".join(word.to_bytes(4, "little") for word in record.payload[:WORDS])
                known = len(record.payload) >= WORDS and payload[0] == FORMAT
                found = record.sequence + 1, decode(payload)[0] if known else Provision()
            at = behind if state == WHOLE and record.kind != PAGE else at + 1
    return found


def write(
    flash: Flash, first_page: int, provision: Provision, trusted: bool, seconds: int, page_words: int = 1024
) -> bool:
    """Append a record as the tag does; return whether it is committed."""
    ring = LogWriter(flash, PAGES, page_words, 0, first_page, RING_FORMAT)
    words = struct.unpack(f"<{WORDS}I", encode(provision))
    return ring.append(PROVISION, trusted, seconds, words)


def calibrated(
    counts: NDArray[np.integer], calibration: Calibration | None, bits: int, shift: int
) -> NDArray[np.int16]:
    """Return the counts that are used of a sensor's own (…, 3), of `bits` bits; its own axes.

    shift: bits of a count that are not used. Without a calibration they are cut off; with one, what was
    measured is rounded, and stays within the range.
    """
    if calibration is None:
        return (counts.astype(np.int64) >> shift).astype(np.int16)
    offset, gain = (np.array(part, np.int64) for part in (calibration.offset, calibration.gain))
    product = (counts.astype(np.int64) * OFFSET_ONE - offset) * gain
    half = 1 << (_SHIFT + shift - 1)
    end = 1 << (bits - 1 - shift)
    return np.clip((product + half) >> (_SHIFT + shift), -end, end - 1).astype(np.int16)


def parse_key(text: str) -> bytes:
    """Return a key of 32 hexadecimal digits; ValueError, which does not show it, for anything else."""
    if not re.fullmatch(r"[0-9a-fA-F]{32}", text):
        raise ValueError("32 hexadecimal digits are expected")
    return bytes.fromhex(text)
