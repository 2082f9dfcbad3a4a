"""Client of a tag that tells what it finds as it comes: WATCH and notifications of `docs/protocol.md`."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mcukd.harness.frames import Message
from mcukd.harness.line_errors import malformed
from mcukd.harness.messages import (
    GAP_FIELDS,
    RESULT_FIELDS,
    SAMPLES_FIELDS,
    TELLS_GAP,
    TELLS_RESULT,
    TELLS_SAMPLES,
    TOLD_FIELDS,
    WATCH_FIELDS,
    WATCH_REQUEST,
    Request,
)
from mcukd.harness.protocol import Device
from mcukd.harness.tag_log import SENSOR_STATES, ask
from mcukd.tag.records import TICKS_PER_SECOND

RESULTS, SAMPLES = 1, 2
#: The longest time that a tag lets itself be watched, and how long one is that starts its sensor, in seconds.
MOST_S, STARTS_S = 600, 2.0
#: A tag that is watched is asked so often before it is taken for gone.
_ATTEMPTS = 8


@dataclass(frozen=True)
class Watched:
    """The reply to WATCH.

    ticks: of the tag's clock. seconds: that it will be watched. what: is told, of `RESULTS` and `SAMPLES`.
    sensor: as in `TagStatus`. sequence: of the next notification. start: number of this start. results,
    samples: since then. result_us: from one result to the next. smoothing: results in a majority. anew: the
    tag has started since the reply before, so it counts anew; a start of which nothing was logged yet has the
    number of the one before.
    """

    ticks: int
    seconds: int
    what: int
    sensor: str
    sequence: int
    start: int
    results: int
    samples: int
    result_us: int
    smoothing: int
    anew: bool


@dataclass(frozen=True)
class ToldResult:
    """A result, as it was told. ticks: of the tag's clock. raw, behaviour: None where unknown.

    state: (H,) that it was computed from, where that is carried on; else None.
    """

    ticks: int
    number: int
    samples: int
    raw: int | None
    behaviour: int | None
    logits: tuple[int, ...]
    state: tuple[int, ...] | None = None


@dataclass(frozen=True)
class ToldSamples:
    """Samples, as they were told. counts: (n, C). first: samples before them. gap: some were lost there."""

    ticks: int
    first: int
    gap: bool
    counts: NDArray[np.int16]


@dataclass(frozen=True)
class ToldGap:
    """Samples were lost; 0 where it is not known how many. samples: since the start."""

    ticks: int
    lost: int
    samples: int


@dataclass(frozen=True)
class ToldLost:
    """So many notifications did not arrive."""

    lost: int


Told = ToldResult | ToldSamples | ToldGap | ToldLost


class Watcher:
    """A tag that is watched.

    now_ns: the clock by which arrivals are noted. A device has one watcher. lost: notifications that did not
    arrive.
    """

    def __init__(self, device: Device, now_ns: Callable[[], int]) -> None:
        self._device, self._now_ns = device, now_ns
        #: Notifications, and, where a reply said so, the sequence number that the next one has.
        self._arrived: deque[tuple[int, Message | int]] = deque()
        self._start = self._expected = self._samples = -1
        self.lost = 0
        device.on_told = self._keep

    def watch(self, seconds: int, what: int) -> Watched:
        """Ask to be told for some seconds from now; 0: no more.

        Raises UserError where the tag does not know how, or stopped answering.
        """
        payload = WATCH_REQUEST.pack(seconds, what)
        lacks = "does not tell what it finds as it comes"
        reply = ask(self._device, Request.WATCH, payload, lacks, _ATTEMPTS)
        if len(reply) != WATCH_FIELDS.size:
            raise malformed(self._device.link.url, Request.WATCH, len(reply))
        whole, part, seconds, what, sensor, sequence, start, results, samples, result_us, smoothing = (
            WATCH_FIELDS.unpack(reply)
        )
        state = SENSOR_STATES[sensor] if sensor < len(SENSOR_STATES) else f"state {sensor}"
        behind = (sequence - self._expected) & 0xFFFF >= 1 << 15
        anew = self._start >= 0 and (start != self._start or samples < self._samples or behind)
        if anew or self._start < 0:
            self._expected = sequence
            self._arrived.clear()
        self._start, self._samples = start, samples
        self._arrived.append((self._now_ns(), sequence))
        return Watched(
            whole * TICKS_PER_SECOND + part,
            seconds,
            what,
            state,
            sequence,
            start,
            results,
            samples,
            result_us,
            smoothing,
            anew,
        )

    def take(self) -> list[tuple[int, Told]]:
        """Return what was told and when it arrived, in order, with what was lost on the way in between."""
        found: list[tuple[int, Told]] = []
        while self._arrived:
            arrived, message = self._arrived.popleft()
            sequence = message if isinstance(message, int) else message.sequence
            lost = (sequence - self._expected) & 0xFFFF
            if lost >= 1 << 15:  # a reply that others overtook
                continue
            if lost:
                self.lost += lost
                found.append((arrived, ToldLost(lost)))
            self._expected = sequence
            if not isinstance(message, int):
                self._expected = (sequence + 1) & 0xFFFF
                found.append((arrived, self._parsed(message)))
        return found

    def listen(self, seconds: float) -> None:
        """Wait for what is told, at most some seconds. Raises UserError where the line is gone."""
        if not self._arrived:
            self._device.listen(self._device.now() + seconds)

    def pause(self, seconds: float) -> None:
        """Ask nothing for some seconds; what is told meanwhile is kept. Raises UserError as `listen`."""
        deadline = self._device.now() + seconds
        while self._device.now() < deadline:
            self._device.listen(deadline)

    def _keep(self, message: Message) -> None:
        if self._start >= 0:  # before, it is of a host that asked before this one
            self._arrived.append((self._now_ns(), message))

    def _parsed(self, message: Message) -> Told:
        """Return what a notification says. Raises UserError where the tag's model does not explain it."""
        who = self._device.identity or self._device.who()
        size = {
            TELLS_RESULT: RESULT_FIELDS.size + 2 * who.classes,
            TELLS_SAMPLES: SAMPLES_FIELDS.size,
            TELLS_GAP: GAP_FIELDS.size,
        }[message.kind]
        payload = message.payload
        left = len(payload) - TOLD_FIELDS.size - size
        fits = left == 0 or (message.kind == TELLS_RESULT and left == 2 * who.hidden)
        if message.kind == TELLS_SAMPLES:
            fits = left > 0 and left % (2 * who.channels) == 0
        if not fits:
            raise malformed(self._device.link.url, Request.WATCH, len(payload))
        whole, part = TOLD_FIELDS.unpack(payload[: TOLD_FIELDS.size])
        ticks, payload = whole * TICKS_PER_SECOND + part, payload[TOLD_FIELDS.size :]
        if message.kind == TELLS_GAP:
            return ToldGap(ticks, *GAP_FIELDS.unpack(payload))
        if message.kind == TELLS_SAMPLES:
            first, gap = SAMPLES_FIELDS.unpack(payload[: SAMPLES_FIELDS.size])
            counts = np.frombuffer(payload[SAMPLES_FIELDS.size :], "<i2").astype(np.int16)
            return ToldSamples(ticks, first, bool(gap), counts.reshape(-1, who.channels))
        number, samples, *classes = RESULT_FIELDS.unpack(payload[: RESULT_FIELDS.size])
        raw, behaviour = (None if found >= who.classes else found for found in classes)
        values = np.frombuffer(payload[RESULT_FIELDS.size :], "<i2").tolist()
        logits, state = tuple(values[: who.classes]), tuple(values[who.classes :])
        return ToldResult(ticks, number, samples, raw, behaviour, logits, state or None)
