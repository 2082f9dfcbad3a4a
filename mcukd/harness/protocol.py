"""Client of the device's serial protocol (`docs/protocol.md`).

Every request may be repeated without harm, so a lost request or reply is simply asked for again. The client
begins with the plain encoding and, after a few failures of one request, stays with the robust one.
"""

from __future__ import annotations

import struct
import time
import zlib
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mcukd.errors import UserError
from mcukd.harness import frames
from mcukd.harness.line_errors import crashed, malformed, never_answered, only_echo, stopped_answering
from mcukd.harness.messages import (
    COUNTER_KINDS,
    ERROR,
    ERROR_FIELDS,
    NO_CLASS,
    NOTIFICATIONS,
    REPLY,
    RUN_FIELDS,
    SELFTEST_FIELDS,
    STREAM_FIELDS,
    TRACE_FIELDS,
    U32,
    WHO_FIELDS,
    WINDOW_CRC,
    DeviceError,
    Identity,
    Request,
    SelfTest,
    StreamState,
    WindowResult,
)
from mcukd.harness.transport import BAUD_RATE, Link, open_link

#: Data bytes of one WRITE or PUSH, by encoding.
PLAIN_CHUNK, ROBUST_CHUNK = 240, 48
PLAIN_ATTEMPTS, ROBUST_ATTEMPTS = 3, 20
#: A line on which nothing has been answered yet is given up sooner.
FIRST_ATTEMPTS = PLAIN_ATTEMPTS + 5
#: Copies in the robust encoding after each failure, round and round; 0 is a short plain frame, which fares
#: best where bytes are not lost but damaged.
_LEVELS = (2, 3, 4, 4, 0)
_LEAST_PATIENCE_S, _MOST_PATIENCE_S = 0.15, 3.0


class _Shrink(Exception):
    """The request is too long for the encoding now in use."""


class Device:
    """A device on an open line.

    retries: how often a request was sent again. timeout: seconds a short request may take, beyond the
    time its bytes are on the line, which is that of its baud_rate. now: reads the clock of deadlines, in
    seconds. on_told: called with each notification of a tag that is watched, as it arrives.
    """

    def __init__(
        self,
        link: Link,
        timeout: float = 0.4,
        baud_rate: int = BAUD_RATE,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self.link = link
        self.now = now
        self.on_told: Callable[[frames.Message], None] = lambda message: None
        self.timeout = timeout
        self.baud_rate = baud_rate
        self.retries = 0
        self.robust = False
        self._level = 0
        self._sequence = 0
        self._answered = False
        self._echoed = 0
        self._deframer = frames.Deframer()
        self._arrived: deque[frames.Message] = deque()
        self._slowest: dict[Request, float] = {}
        self.identity: Identity | None = None

    def who(self) -> Identity:
        """Ask the device who it is. Raises UserError where nothing sensible answers."""
        reply = self.exchange(Request.WHO, b"", self.timeout)
        if len(reply) < WHO_FIELDS.size:
            raise self._malformed(Request.WHO, reply)
        firmware, model, window, hop, hidden, channels, classes, emulated, kind, scale = WHO_FIELDS.unpack(
            reply[: WHO_FIELDS.size]
        )
        kind = COUNTER_KINDS[kind] if kind < len(COUNTER_KINDS) else "none"
        said = reply[WHO_FIELDS.size :].decode(errors="replace")
        name = "".join(c if c.isprintable() else "?" for c in said)  # it is shown on a terminal
        self.identity = Identity(
            name,
            firmware.hex(),
            model.hex(),
            window,
            hop,
            hidden,
            channels,
            classes,
            bool(emulated),
            kind,
            scale,
        )
        return self.identity

    def answers_within(self, seconds: float) -> bool:
        """Ask once who the device is, in the plain encoding; return whether it answers in so many seconds.

        For a program that may still be starting: no question counts as a retry. Raises UserError where the
        line is gone.
        """
        self._sequence = (self._sequence + 1) & 0xFFFF
        self.link.send(frames.encode_plain(frames.pack(Request.WHO, self._sequence, b"")))
        return self._await(Request.WHO, self.now() + seconds) is not None

    def run_window(self, window: NDArray[np.int16]) -> WindowResult:
        """Send a window of counts (T, C) int16 and run it twice, checked and timed.

        Raises DeviceError for an error reply, UserError where the device stops answering.
        """
        data = np.ascontiguousarray(window, "<i2").tobytes()
        for _ in range(3):
            self.write(data)
            try:
                reply = self.exchange(Request.RUN, U32.pack(zlib.crc32(data)), self._passes(2))
                break
            except DeviceError as error:
                if error.code != WINDOW_CRC:
                    raise
                # The device has forgotten the window (a restart); every byte is sent again.
                self.retries += 1
                failure = error
        else:
            raise failure
        class_index, state_crc, ticks, stack = self._fields(Request.RUN, RUN_FIELDS, reply)
        identity = self._known()
        counts = identity.counter_kind != "none"
        return WindowResult(
            class_index,
            self._values(Request.RUN, reply[RUN_FIELDS.size :], identity.classes),
            state_crc,
            ticks * identity.counter_scale if counts else None,
            stack or None,
        )

    def trace_step(self, step: int, tensor: int) -> NDArray[np.int64]:
        """Return a tensor at a step of the window sent last, by its place in the model's `trace_tensors`."""
        parts: list[NDArray[np.int64]] = []
        found, values = 0, 1
        while found < values:
            values, reply = self._trace(step, tensor, found)
            if not reply or len(reply) % 2:
                raise self._malformed(Request.TRACE, reply)
            part = np.frombuffer(reply, "<i2")
            parts.append(part.astype(np.int64))
            found += len(part)
        return np.concatenate(parts)

    def trace_digest(self, step: int) -> int:
        """Return the CRC-32 over all tensors of a step, in their order, as little-endian int16."""
        return int(self._fields(Request.TRACE, U32, self._trace(step, 255, 0)[1])[0])

    def selftest(self) -> SelfTest:
        """Let the device compute its known answers."""
        reply = self.exchange(Request.SELFTEST, b"", self._passes(4))
        answers, logits, states = self._fields(Request.SELFTEST, SELFTEST_FIELDS, reply)

        def numbers(mask: int) -> tuple[int, ...]:
            return tuple(n for n in range(answers) if mask >> (n & 31) & 1)

        return SelfTest(answers, numbers(logits), numbers(states))

    def reset_stream(self) -> StreamState:
        """Forget all streamed samples and the ethogram."""
        return self._stream(self.exchange(Request.RESET, b"", self.timeout))

    def push(self, index: int, samples: NDArray[np.int16]) -> Iterator[StreamState]:
        """Stream samples (n, C), the first of which has the number `index`; yield after each request.

        Samples the device has already are ignored there. A request never spans more than one hop, so that
        every result is seen.
        """
        sample_bytes = 2 * samples.shape[1]
        done = 0
        while done < len(samples):
            size = ROBUST_CHUNK if self.robust else PLAIN_CHUNK
            count = max(1, min(size // sample_bytes, self._known().hop))
            part = np.ascontiguousarray(samples[done : done + count], "<i2")
            payload = U32.pack(index + done) + part.tobytes()
            try:
                reply = self.exchange(Request.PUSH, payload, self._passes(1))
            except _Shrink:
                continue
            done += len(part)
            yield self._stream(reply)

    @contextmanager
    def robustly(self) -> Iterator[None]:
        """Use the robust encoding with most copies inside the block, whatever the line needs."""
        before = self.robust, self._level
        self.robust, self._level = True, _LEVELS.index(max(_LEVELS))
        try:
            yield
        finally:
            self.robust, self._level = before

    def ethogram(self) -> NDArray[np.int64]:
        """Return the number of streamed windows per class, (K,)."""
        reply = self.exchange(Request.ETHOGRAM, b"", self.timeout)
        return np.frombuffer(reply[4:], "<u4").astype(np.int64)

    def write(self, data: bytes) -> None:
        """Send the bytes of a window, in requests as long as the encoding allows."""
        offset = 0
        while offset < len(data):
            part = data[offset : offset + (ROBUST_CHUNK if self.robust else PLAIN_CHUNK)]
            try:
                self.exchange(Request.WRITE, U32.pack(offset) + part, self.timeout)
            except _Shrink:
                continue
            offset += len(part)

    def _trace(self, step: int, tensor: int, offset: int) -> tuple[int, bytes]:
        """Return how many values the tensor has, and those from `offset` on, as many as come at once."""
        asked = TRACE_FIELDS.pack(step, tensor, offset)
        reply = self.exchange(Request.TRACE, asked, self._passes(1))
        if reply[: TRACE_FIELDS.size] != asked or len(reply) < TRACE_FIELDS.size + 2:
            raise self._malformed(Request.TRACE, reply)
        values = int.from_bytes(reply[TRACE_FIELDS.size : TRACE_FIELDS.size + 2], "little")
        return values, reply[TRACE_FIELDS.size + 2 :]

    def _stream(self, reply: bytes) -> StreamState:
        samples, results, latest = self._fields(Request.PUSH, STREAM_FIELDS, reply)
        logits = self._values(Request.PUSH, reply[STREAM_FIELDS.size :], self._known().classes)
        return StreamState(samples, results, None if latest == NO_CLASS else latest, logits)

    def _fields(self, request: Request, fields: struct.Struct, reply: bytes) -> tuple[Any, ...]:
        if len(reply) < fields.size:
            raise self._malformed(request, reply)
        return fields.unpack(reply[: fields.size])

    def _values(self, request: Request, raw: bytes, count: int) -> NDArray[np.int64]:
        if len(raw) != 2 * count:
            raise self._malformed(request, raw)
        return np.frombuffer(raw, "<i2").astype(np.int64)

    def _known(self) -> Identity:
        return self.identity or self.who()

    def _passes(self, passes: int) -> float:
        """Return the seconds to allow for passes over a window, at a slow 1 µs per multiplication."""
        identity = self._known()
        per_step = 3 * identity.hidden * (identity.channels + identity.hidden)
        return 1.0 + passes * identity.window * per_step * 1e-6

    def exchange(self, request: Request, payload: bytes, wait: float, attempts: int | None = None) -> bytes:
        """Send a request until its reply comes; return the reply's payload. attempts: at most."""
        self._sequence = (self._sequence + 1) & 0xFFFF
        message = frames.pack(request, self._sequence, payload)
        limit = attempts or (PLAIN_ATTEMPTS + ROBUST_ATTEMPTS if self._answered else FIRST_ATTEMPTS)
        for attempt in range(limit):
            if attempt:
                self.retries += 1
            self._choose_encoding(attempt, len(message))
            encoded = self._encode(message, attempt)
            start = self.now()
            self.link.send(encoded)
            full = wait + self._line_seconds(len(encoded))
            reply = self._await(request, start + self._patience(request, full, attempt))
            if reply is not None:
                self._slowest[request] = max(self._slowest.get(request, 0.0), self.now() - start)
                return reply
        raise self._silence(request, limit)

    def replies(self, request: Request, payload: bytes, wait: float) -> Iterator[bytes]:
        """Send a request once, in the plain encoding, and yield the payloads of its replies as they come.

        Ends when none has come for `wait` seconds, beyond the time that the bytes are on the line; behind the
        first one, for eight times the longest time between two.
        """
        self._sequence = (self._sequence + 1) & 0xFFFF
        encoded = frames.encode_plain(frames.pack(request, self._sequence, payload))
        self.link.send(encoded)
        before, longest = self.now(), 0.0
        deadline = before + wait + self._line_seconds(len(encoded))
        while True:
            reply = self._await(request, deadline)
            if reply is None:
                return
            now = self.now()
            before, longest = now, max(longest, now - before)
            yield reply
            patience = min(wait, max(_LEAST_PATIENCE_S, 8 * longest))
            deadline = self.now() + patience + self._line_seconds(0)

    def _patience(self, request: Request, full: float, attempt: int) -> float:
        """Return the seconds to wait for a reply; `full` is what it may take at worst.

        A line that has been good so far gets longer where it is slow (an emulator on a busy computer). On one
        that loses bytes waiting is dear: what has been answered before is waited for only a few times as
        long as it took then.
        """
        known = 8 * self._slowest.get(request, 0.0)
        if not self.robust:
            return max(full, min(known, _MOST_PATIENCE_S)) * (1 + attempt / 2)
        if known:
            full = min(full, max(_LEAST_PATIENCE_S, known))
        return min(full * float(1 << attempt // 4), 10.0)

    @property
    def copies(self) -> int:
        """Copies of a message in the encoding that is in use; 0 in the plain one."""
        return _LEVELS[self._level] if self.robust else 0

    def _choose_encoding(self, attempt: int, size: int) -> None:
        if self.robust and attempt:
            self._level = (self._level + 1) % len(_LEVELS)
        elif attempt >= PLAIN_ATTEMPTS:
            if self._echoed and not self._answered:
                raise only_echo(self.link.url)
            self.robust = True
        if self.robust and size > frames.ROBUST_REQUEST_MAX:
            raise _Shrink

    def _encode(self, message: bytes, attempt: int) -> bytes:
        if self.copies:
            return frames.encode_robust(message, self.copies, attempt)
        return frames.encode_plain(message)

    def _line_seconds(self, size: int) -> float:
        """Return the time a request and a long reply spend on the line, at ten bits a byte."""
        return 10 * (size + 200 * max(1, 2 * self.copies)) / self.baud_rate

    def _await(self, request: Request, deadline: float) -> bytes | None:
        while True:
            while self._arrived:
                message = self._arrived.popleft()
                if message.kind == request:
                    self._echoed += 1
                elif message.sequence == self._sequence and message.kind == ERROR:
                    self._answered = True
                    code, detail = self._fields(request, ERROR_FIELDS, message.payload)
                    raise DeviceError(self.link.url, request, code, detail)
                elif message.sequence == self._sequence and message.kind == request | REPLY:
                    self._answered = True
                    return message.payload
            if self._deframer.fault:
                raise crashed(self.link.url, f"in {request.name}", self._deframer.fault)
            if self.now() >= deadline:
                return None
            self._receive(deadline)

    def listen(self, deadline: float) -> None:
        """Take what arrives without being asked for until something does, or until `deadline`.

        Raises UserError where the line is gone or the firmware crashed.
        """
        self._receive(deadline)
        if self._deframer.fault:
            raise crashed(self.link.url, "while it was watched", self._deframer.fault)

    def _receive(self, deadline: float) -> None:
        for message in self._deframer.feed(self.link.receive(deadline)):
            if message.kind in NOTIFICATIONS:
                self.on_told(message)
            else:
                self._arrived.append(message)

    def _silence(self, request: Request, attempts: int) -> UserError:
        if self._echoed and not self._answered:
            return only_echo(self.link.url)
        if self._answered:
            return stopped_answering(self.link.url, request, attempts, self.retries)
        noise = self._deframer.sample or self._deframer.pending
        return never_answered(self.link.url, attempts, self.link.bytes_received, noise)

    def _malformed(self, request: Request, reply: bytes) -> UserError:
        return malformed(self.link.url, request, len(reply))


@contextmanager
def open_device(url: str, baud_rate: int = BAUD_RATE) -> Iterator[Device]:
    """Open a port and give a client of the device behind it. Raises UserError where it does not open."""
    with open_link(url, baud_rate) as link:
        yield Device(link, baud_rate=baud_rate)
