"""Simulated tag at the far end of a line, with a log in memory, for tests and measurements.

What is simulated: the tag's answers to WHO, STATUS and FETCH, and the line, which takes no time. The client,
the encodings and the file are the real ones; `line_seconds` is what the bytes would take at a baud rate.
"""

from __future__ import annotations

from mcukd.harness import frames
from mcukd.harness.messages import (
    ERROR,
    ERROR_FIELDS,
    FETCH_FIELDS,
    FETCH_REQUEST,
    NO_CLASS,
    REPLY,
    STATUS_FIELDS,
    WHO_FIELDS,
    Request,
)

_READ = 512


class SimulatedTag:
    """A link (`transport.Link`) to a tag. pages: of its log, by number, each of the same size.

    chip: the factory's number. bytes_sent, bytes_received: by the host. requests: that it took, FETCH alone.
    """

    url = "simulated"

    def __init__(self, pages: dict[int, bytes], classes: int, chip: int = 1) -> None:
        self.pages, self.classes, self.chip = pages, classes, chip
        self.bytes_sent = self.bytes_received = self.requests = 0
        self._deframer = frames.Deframer()
        self._pending = bytearray()

    def line_seconds(self, baud_rate: int) -> float:
        """Return how long the bytes so far take on a line, ten bits each, one direction at a time."""
        return 10 * (self.bytes_sent + self.bytes_received) / baud_rate

    def send(self, data: bytes) -> None:
        """Take bytes of the host."""
        self.bytes_sent += len(data)
        for message in self._deframer.feed(data):
            for kind, payload in self._answers(message):
                answer = frames.pack(kind, message.sequence, payload)
                plain = message.copies == 0
                self._pending += (
                    frames.encode_plain(answer) if plain else frames.encode_robust(answer, message.copies)
                )

    def receive(self, deadline: float) -> bytes:
        """Return some of what it has answered, as much at once as a serial driver gives."""
        data = bytes(self._pending[:_READ])
        del self._pending[:_READ]
        self.bytes_received += len(data)
        return data

    def _answers(self, message: frames.Message) -> list[tuple[int, bytes]]:
        if message.kind == Request.WHO:
            who = WHO_FIELDS.pack(bytes(32), bytes(32), 256, 64, 16, 3, self.classes, 1, 0, 0)
            return [(Request.WHO | REPLY, who + b"simulated")]
        size = len(next(iter(self.pages.values()))) // 4
        if message.kind == Request.STATUS:
            least, most = min(self.pages), max(self.pages)
            numbers = (1, 0, 0, len(self.pages), size, least, most, 0, 0)
            return [
                (Request.STATUS | REPLY, STATUS_FIELDS.pack(self.chip, *numbers, NO_CLASS, 0, 0, 0, 0xFFFF))
            ]
        if message.kind == Request.FETCH:
            self.requests += 1
            return [(Request.FETCH | REPLY, each) for each in self._fetched(message.payload, size)]
        return [(ERROR, ERROR_FIELDS.pack(1, message.kind))]

    def _fetched(self, asked: bytes, size: int) -> list[bytes]:
        number, first, words, most = FETCH_REQUEST.unpack(asked)
        later = (each for each in self.pages if each >= number)
        found = number if number in self.pages else min(later, default=0)
        if found != number:
            return [FETCH_FIELDS.pack(found, first, size if found else 0)]
        newest = found + 1 not in self.pages
        until = -(-len(self.pages[found].rstrip(b"\xff")) // 4) if newest else size
        end = min(first + words, until)
        return [
            FETCH_FIELDS.pack(found, at, until) + self.pages[found][4 * at : 4 * min(at + most, end)]
            for at in range(first, end, most)
        ] or [FETCH_FIELDS.pack(found, first, until)]
