"""Simulated tag at the far end of a line that can be watched, in a time of its own."""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Event
from typing import cast

from mcukd.errors import UserError
from mcukd.harness import frames
from mcukd.harness.messages import (
    ERROR,
    ERROR_FIELDS,
    GAP_FIELDS,
    PROVISION_FIELDS,
    REPLY,
    RESULT_FIELDS,
    SAMPLES_FIELDS,
    STATUS_FIELDS,
    TELLS_GAP,
    TELLS_RESULT,
    TELLS_SAMPLES,
    TIME_FIELDS,
    TOLD_FIELDS,
    UNKNOWN_REQUEST,
    WATCH_FIELDS,
    WATCH_REQUEST,
    WHO_FIELDS,
    Request,
)
from mcukd.harness.protocol import Device
from mcukd.harness.transport import Link
from mcukd.tag.provision import Provision, encode

CLASSES = 3
_STEP_S, _RESULT_S = 0.05, 1.28


class WatchedTag:
    """A link (`transport.Link`) to a tag that makes a result every 1.28 s, of samples that are their number.

    now: seconds; they pass while the host waits. clock_s: what the tag's clock shows more than `now`. gone:
    the line is lost. knows: whether its firmware can be watched. through: the line from the tag to the host.
    sent: notifications that it sent.
    """

    url = "simulated"

    def __init__(self, chip: int = 1, model: int = 7, started: int = 1, knows: bool = True) -> None:
        self.chip, self.model, self.started, self.knows = chip, bytes([model]) * 32, started, knows
        self.now, self.clock_s, self.gone, self.id = 0.0, 100.0, False, "cow-17"
        self.through: Callable[[bytes], bytes] = lambda data: data
        self.bytes_sent = self.bytes_received = self.sent = self.sequence = self.results = self.samples = 0
        self.asked: list[int] = []
        self._until, self._what, self._copies, self._pending = 0.0, 0, 0, bytearray()
        self._deframer = frames.Deframer()

    # The host's side

    def device(self, timeout: float = 0.4) -> Device:
        """A client of the tag, on the tag's time."""
        return Device(cast(Link, self), timeout, 100_000_000, now=lambda: self.now)

    @contextmanager
    def connect(self) -> Iterator[Device]:
        """What a source opens."""
        self._check()
        yield self.device()

    def now_ns(self) -> int:
        """A session's clock."""
        return round(self.now * 1e9)

    def send(self, data: bytes) -> None:
        self._check()
        for message in self._deframer.feed(data):
            self.asked.append(message.kind)
            kind, payload = self._answer(message)
            if message.kind == Request.WATCH:
                self._copies = message.copies
            self._put(frames.pack(kind, message.sequence, payload), message.copies)

    def receive(self, deadline: float) -> bytes:
        self._check()
        if not self._pending:
            self.elapse(min(_STEP_S, max(deadline - self.now, 0.001)))
        data, self._pending = bytes(self._pending), bytearray()
        return data

    def _check(self) -> None:
        if self.gone:
            raise UserError("simulated: the line was lost; check the cable or the device and run again.")

    # The tag's side

    def elapse(self, seconds: float) -> None:
        """Let time pass; results are made, and told while somebody watches."""
        self.now += seconds
        while (self.results + 1) * _RESULT_S <= self.now:
            self.results += 1
            self.samples += 64
            if self._what & 2:
                counts = struct.pack(
                    "<192h", *(n % 30_000 for n in range(3 * self.samples - 192, 3 * self.samples))
                )
                self.tell(TELLS_SAMPLES, SAMPLES_FIELDS.pack(self.samples - 64, 0) + counts)
            if self._what & 1:
                self.tell(TELLS_RESULT, self.result())

    def result(self, raw: int = 1, behaviour: int = CLASSES) -> bytes:
        """The fields of the latest result."""
        fields = RESULT_FIELDS.pack(self.results, self.samples, raw, behaviour)
        return fields + struct.pack(f"<{CLASSES}h", -5, self.results & 0x7FFF, -32768)

    def tell(self, kind: int, fields: bytes) -> None:
        """Send a notification, where somebody watches."""
        if self.now < self._until:
            payload = TOLD_FIELDS.pack(*self._clock()) + fields
            self._put(frames.pack(kind, self.sequence, payload), self._copies)
            self.sequence, self.sent = (self.sequence + 1) & 0xFFFF, self.sent + 1

    def gap(self, lost: int) -> None:
        self.tell(TELLS_GAP, GAP_FIELDS.pack(lost, self.samples))

    def say(self, text: bytes) -> None:
        """Send bytes that are no message."""
        self._pending += b"\0" + text + b"\0"

    def start_anew(self) -> None:
        """As after a reset of which nothing is logged yet."""
        self.sequence = self.results = self.samples = 0
        self._until = 0.0

    def _put(self, message: bytes, copies: int) -> None:
        encoded = frames.encode_robust(message, copies) if copies else frames.encode_plain(message)
        self._pending += self.through(encoded)

    def _clock(self) -> tuple[int, int]:
        ticks = int((self.now + self.clock_s) * 32768)
        return ticks >> 15, ticks & 0x7FFF

    def _answer(self, message: frames.Message) -> tuple[int, bytes]:
        if message.kind == Request.WATCH and not self.knows:
            return ERROR, ERROR_FIELDS.pack(UNKNOWN_REQUEST, message.kind)
        answers: dict[int, Callable[[bytes], bytes]] = {
            Request.WHO: self._who,
            Request.WATCH: self._watch,
            Request.STATUS: self._status,
            Request.PROVISION: lambda _: PROVISION_FIELDS.pack(1, encode(Provision(self.id), False)[:56]),
            Request.TIME: lambda _: TIME_FIELDS.pack(*self._clock(), 0, 0, 0, 0, 0),
        }
        return message.kind | REPLY, answers[message.kind](message.payload)

    def _who(self, _: bytes) -> bytes:
        return WHO_FIELDS.pack(bytes(32), self.model, 256, 64, 16, 3, CLASSES, 0, 0, 0) + b"collar"

    def _status(self, _: bytes) -> bytes:
        return STATUS_FIELDS.pack(self.chip, self.started, 0, 0, 2, 1024, 0, 0, 0, 0, 255, 2, 0, 0, 0xFFFF)

    def _watch(self, asked: bytes) -> bytes:
        seconds, self._what = WATCH_REQUEST.unpack(asked)
        self._until = self.now + seconds
        counted = self.sequence, self.started, self.results, self.samples, 1_280_000, 3
        return WATCH_FIELDS.pack(*self._clock(), seconds, self._what, 2, *counted)


class QuickEvent(Event):
    """An event that is waited for in the time of a tag."""

    def __init__(self, tag: WatchedTag, on_wait: Callable[[], None] | None = None) -> None:
        super().__init__()
        self._tag, self._on_wait = tag, on_wait

    def wait(self, timeout: float | None = None) -> bool:
        self._tag.elapse(timeout or 0.0)
        if self._on_wait is not None:
            self._on_wait()
        return self.is_set()
