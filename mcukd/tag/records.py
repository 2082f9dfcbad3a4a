"""Records of the log as words of flash: format, kinds, encoding and checking. docs/tag.md describes them.

A record is a header, its sequence number, the tag's seconds, up to 63 words of payload, a CRC-32 (zlib's)
over all of these in little-endian order, and a commit word. Words are 32 bits. `tag_log.c` writes the same
words.
"""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

FORMAT = 1
COMMITTED = 0x3C5AA5C3
BLANK = 0xFFFFFFFF
#: Words before the payload, and around it.
PAYLOAD_AT, OVERHEAD = 3, 5
PAYLOAD_MAX = 63

PAGE, BOOT, PERIOD, BOUT, TIME, RATE, EVENT, READ = range(1, 9)
#: In a ring of its own (`provision.py`).
PROVISION = 9
#: Words of the payload by kind; a period's has a counter for each class and one for unknown results more.
FIELDS: dict[int, tuple[str, ...]] = {
    PAGE: ("first_sequence", "read_sequence", "boots", "erases", "format"),
    BOOT: ("boots", "reset_cause", "started", "firmware", "model", "result_us", "period_s"),
    PERIOD: ("start", "gaps", "lost"),
    BOUT: ("start", "class_and_end", "length"),
    TIME: ("utc", "utc_fraction", "fraction", "source"),
    RATE: ("samples", "took_s", "took_fraction"),
    EVENT: ("code", "detail"),
    READ: ("sequence",),
}
NAMES = {
    PAGE: "page", BOOT: "boot", PERIOD: "period", BOUT: "bout", TIME: "time", RATE: "rate", EVENT: "event",
    READ: "read",
}  # fmt: skip
TICKS_PER_SECOND = 1 << 15
#: Who set the time.
SOURCES = {1: "host", 2: "radio"}
#: Codes of event records, as in tag.h.
EVENTS = {
    1: "the sensor does not answer",
    2: "the sensor has another identity",
    3: "the sensor's self-test failed",
    4: "the sensor gives the same sample again and again",
    5: "the sensor lost samples: its FIFO was full",
    6: "the sensor was reset",
    7: "the bus is stuck",
    8: "the supply is low",
    9: "the sensor refuses what is sent to it",
    10: "a transfer on the bus did not end",
    11: "the sensor's settings do not read back as written",
    12: "the sensor gave no samples",
    13: "the sensor's FIFO held what is no sample",
    14: "samples are missing by the sensor's own clock",
    15: "the sensor is at an end of its range",
    16: "the sensor's rate is off",
    17: "the sensor gives samples again",
    18: "the radio does not answer",
    19: "the radio is another part",
    20: "the radio's settings do not read back as written",
    21: "the radio did not send in time",
    22: "the radio sends again",
    23: "the tag was provisioned",
    24: "the tag was told no keys for its radio",
}
#: Those that say that the sensor has failed: neither its return nor samples that were lost.
SENSOR_FAILURES = frozenset({1, 2, 3, 4, 6, 7, 9, 10, 11, 12, 13, 15, 16})

_TRUSTED = 0x4000
_WORDS_SHIFT, _WORDS_MASK = 8, 0x3F

#: What lies at a word: no header, a header alone, a record that is whole.
NOTHING, BEGUN, WHOLE = range(3)


@dataclass(frozen=True)
class Record:
    """One record. kind: of `NAMES`. trusted: whether the clock was set since the tag's start.

    sequence: its number; of a page's header, the number of the page. seconds: of the tag's clock when it was
    written. payload: 32-bit words.
    """

    kind: int
    trusted: bool
    sequence: int
    seconds: int
    payload: tuple[int, ...]

    @property
    def length(self) -> int:
        """Words of flash that it takes."""
        return OVERHEAD + len(self.payload)


def header(kind: int, trusted: bool, words: int) -> int:
    """Return the header of a record: 16 bits, and above them their complement.

    Programming clears bits and is interrupted with some left at 1, in which case some pair does not differ.
    """
    low = kind | words << _WORDS_SHIFT | (_TRUSTED if trusted else 0)
    return low | (low ^ 0xFFFF) << 16


def encode(record: Record) -> list[int]:
    """Return the words of a record in the order in which they are programmed."""
    words = [
        header(record.kind, record.trusted, len(record.payload)),
        record.sequence,
        record.seconds,
        *record.payload,
    ]
    return [*words, crc32(words), COMMITTED]


def crc32(words: Sequence[int]) -> int:
    """Return the CRC-32 (zlib's) over words in little-endian order."""
    return zlib.crc32(b"".join(word.to_bytes(4, "little") for word in words))


def look(words: Sequence[int], at: int, end: int) -> tuple[int, int, Record]:
    """Return what lies at a word, the first word behind it, and the record.

    words: of the flash. at: the word; end: the first word behind its page.
    The record is empty where there is no header, and its payload where it is not committed.
    """
    found = words[at]
    if (found ^ found >> 16) & 0xFFFF != 0xFFFF:
        return NOTHING, at + 1, _NO_RECORD
    count = found >> _WORDS_SHIFT & _WORDS_MASK
    kind, trusted = found & 0xFF, bool(found & _TRUSTED)
    crc_at = at + PAYLOAD_AT + count
    behind = crc_at + 2
    if behind > end or words[crc_at + 1] != COMMITTED:
        return BEGUN, behind, Record(kind, trusted, 0, 0, ())
    body = [int(word) for word in words[at:crc_at]]
    record = Record(kind, trusted, body[1], body[2], tuple(body[PAYLOAD_AT:]))
    return (WHOLE if crc32(body) == words[crc_at] else BEGUN), behind, record


def look_page(words: Sequence[int], start: int, end: int, form: int = FORMAT) -> tuple[bool, int, Record]:
    """Return whether a page has a header that counts, the first word behind it, and the header.

    form: the format that it has to be of.
    """
    state, behind, record = look(words, start, end)
    counts = (
        state == WHOLE
        and record.kind == PAGE
        and len(record.payload) == len(FIELDS[PAGE])
        and record.payload[-1] & 0xFF == form
    )
    return counts, behind, record


def field(record: Record, name: str) -> int:
    """Return a word of a record's payload by its name in `FIELDS`."""
    return record.payload[FIELDS[record.kind].index(name)]


def words_of(dump: bytes) -> NDArray[np.uint32]:
    """Return the 32-bit words of a flash dump, low byte first; bytes over at its end are left out."""
    return np.frombuffer(dump, "<u4", len(dump) // 4).astype(np.uint32)


_NO_RECORD = Record(0, False, 0, 0, ())
