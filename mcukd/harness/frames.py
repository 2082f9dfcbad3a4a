"""Messages as bytes on a serial line, in the two encodings of `docs/protocol.md`. Pure functions.

A message is version, type, sequence number (2 bytes), payload and CRC-32 (4 bytes), all little-endian.
The plain encoding is COBS between zero bytes. The robust one numbers its bytes and repeats the message,
so that a receiver sees which bytes were lost and takes them from another copy.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field

from cobs import cobs

VERSION = 1
HEADER = struct.Struct("<BBH")
CRC = struct.Struct("<I")
OVERHEAD = HEADER.size + CRC.size

#: Largest message, CRC included, that a device takes in the robust encoding; replies may be longer.
ROBUST_REQUEST_MAX = 64
ROBUST_MESSAGE_MAX = 0xFFF
COPIES_MIN, COPIES_MAX = 2, 4

DELIMITER = b"\x00"
ROBUST_DELIMITER = b"\x00\x00\x00"
#: How a firmware that crashed begins its last words.
FAULT = b"mcukd fault "
_HEADER_REPEATS = 3
_HEADER_NIBBLES = 5
_HEADER_POSITIONS = _HEADER_REPEATS * _HEADER_NIBBLES
_FILLER_MAX = 15
#: A chunk longer than any frame is noise; it is dropped rather than kept growing.
_CHUNK_MAX = 64 * 1024


@dataclass(frozen=True)
class Message:
    """One message whose CRC was right. copies: 0 when it came in the plain encoding."""

    version: int
    kind: int
    sequence: int
    payload: bytes
    copies: int = 0


def pack(kind: int, sequence: int, payload: bytes) -> bytes:
    """Return a whole message: header, payload and CRC-32."""
    body = HEADER.pack(VERSION, kind, sequence) + payload
    return body + CRC.pack(zlib.crc32(body))


def unpack(message: bytes, copies: int = 0) -> Message | None:
    """Return the parts of a message, or None where its CRC is wrong or it is too short."""
    if len(message) < OVERHEAD or zlib.crc32(message[:-4]) != CRC.unpack(message[-4:])[0]:
        return None
    version, kind, sequence = HEADER.unpack(message[:4])
    return Message(version, kind, sequence, message[4:-4], copies)


def encode_plain(message: bytes) -> bytes:
    """Return `message` in COBS between two zero bytes."""
    return DELIMITER + cobs.encode(message) + DELIMITER


def encode_robust(message: bytes, copies: int = COPIES_MIN, attempt: int = 0) -> bytes:
    """Return `message` as numbered half bytes, `copies` times.

    Copies begin a number of positions apart that 2, 3, 5 and 7 do not divide, so that no loss of a
    period up to ten bytes takes the same half byte twice; `attempt` chooses among such distances.
    Raises ValueError for a message over 4095 bytes or copies outside 2…4.
    """
    if len(message) > ROBUST_MESSAGE_MAX or not COPIES_MIN <= copies <= COPIES_MAX:
        raise ValueError(f"{len(message)} bytes in {copies} copies do not fit a robust frame")
    body = [nibble for byte in message for nibble in (byte >> 4, byte & 15)]
    filler = _filler(len(body), attempt)
    size = len(message)
    header = (size >> 8, size >> 4 & 15, size & 15, copies, filler)
    nibbles = [nibble for nibble in header for _ in range(_HEADER_REPEATS)] + body
    for _ in range(copies - 1):
        nibbles += [0] * filler + body
    numbered = bytes(0x80 | (position & 7) << 4 | nibble for position, nibble in enumerate(nibbles))
    return ROBUST_DELIMITER + numbered + ROBUST_DELIMITER


def decode(chunk: bytes) -> Message | None:
    """Return the message in the bytes between two zeros, whichever its encoding, or None."""
    if chunk and all(byte & 0x80 for byte in chunk):
        found = _decode_robust(chunk)
        if found is not None:
            return found
    try:
        return unpack(cobs.decode(chunk))
    except cobs.DecodeError:
        return None


def _decode_robust(chunk: bytes) -> Message | None:
    received = list(_positions(chunk))
    header: dict[int, int] = {}
    for position, nibble in received:
        if position < _HEADER_POSITIONS:
            header.setdefault(position // _HEADER_REPEATS, nibble)
    if len(header) < _HEADER_NIBBLES:
        return None
    size = header[0] << 8 | header[1] << 4 | header[2]
    copies, stride = header[3], 2 * size + header[4]
    if size < OVERHEAD or not COPIES_MIN <= copies <= COPIES_MAX:
        return None
    body: dict[int, int] = {}
    for position, nibble in received:
        copy, index = divmod(position - _HEADER_POSITIONS, stride)
        if 0 <= copy < copies and index < 2 * size:
            body.setdefault(index, nibble)
    if len(body) < 2 * size:
        return None
    return unpack(bytes(body[i] << 4 | body[i + 1] for i in range(0, 2 * size, 2)), copies)


def _positions(chunk: bytes) -> Iterator[tuple[int, int]]:
    """Yield (position, half byte), taking each jump of the position mod 8 for that many lost bytes."""
    position = 0
    for byte in chunk:
        position += ((byte >> 4) - position) & 7
        yield position, byte & 15
        position += 1


def _filler(nibbles: int, attempt: int) -> int:
    choices = [f for f in range(_FILLER_MAX + 1) if all((nibbles + f) % prime for prime in (2, 3, 5, 7))]
    return choices[attempt % len(choices)]


@dataclass
class Deframer:
    """Takes bytes as they arrive and gives messages.

    noise: number of bytes so far in chunks that were no message; sample: the first of them. fault: what the
    firmware said, in plain text, as it crashed.
    """

    noise: int = 0
    sample: bytes = b""
    fault: str = ""
    _partial: bytearray = field(default_factory=bytearray)

    def feed(self, received: bytes) -> list[Message]:
        """Return the messages that `received` completes."""
        *chunks, rest = received.split(DELIMITER)
        messages = []
        for chunk in chunks:
            self._partial += chunk
            messages += self._end_of_chunk()
        self._partial += rest
        if len(self._partial) > _CHUNK_MAX:
            self._drop()
        return messages

    @property
    def pending(self) -> bytes:
        """The bytes after the last zero."""
        return bytes(self._partial)

    def _end_of_chunk(self) -> list[Message]:
        if not self._partial:
            return []
        message = decode(bytes(self._partial))
        if message is None:
            self._drop()
            return []
        self._partial.clear()
        return [message]

    def _drop(self) -> None:
        if self._partial.startswith(FAULT):
            self.fault = bytes(self._partial[len(FAULT) :]).decode("ascii", "replace").strip()
        self.noise += len(self._partial)
        self.sample = self.sample or bytes(self._partial[:32])
        self._partial.clear()
