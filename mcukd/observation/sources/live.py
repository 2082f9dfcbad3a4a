"""Tag on a serial line as a source of moments: results, readings of its clock, lost and new connections."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, suppress
from functools import partial
from threading import Event

from mcukd.errors import UserError
from mcukd.harness.messages import UNKNOWN_REQUEST, DeviceError
from mcukd.harness.protocol import Device, open_device
from mcukd.harness.provisioning import read_provision
from mcukd.harness.tag_log import read_status, read_time
from mcukd.harness.transport import BAUD_RATE
from mcukd.harness.watching import RESULTS as TELLS_RESULTS
from mcukd.harness.watching import SAMPLES as TELLS_SAMPLES
from mcukd.harness.watching import STARTS_S, Told, ToldGap, ToldLost, ToldResult, Watched, Watcher
from mcukd.observation.moments import (
    MESSAGES,
    RESULTS,
    SAMPLES,
    ClockReading,
    Connected,
    Disconnected,
    Gap,
    Moment,
    Result,
    Samples,
    SessionClock,
)
from mcukd.tag.records import TICKS_PER_SECOND

_NS = 1_000_000_000
#: A tag is watched for so long, is asked again after a third of it, and for its clock so often, in seconds.
WATCH_S, CLOCK_S = 60, 30
#: Exchanges of a reading of the clock; the shortest counts.
_EXCHANGES = 5
#: The longest wait for what a tag tells, and between two looks for one that is gone, in seconds.
_LISTEN_S, _LOOK_S = 0.2, 1.0


class LiveTag:
    """A tag on a line.

    name: in words for people. connect: opens the line and gives a client of the tag. clock: the session's.
    samples: whether it tells them too. model_sha256: of the model it has to carry; None: any. known: the tag
    of a session that is resumed; None: the first one that answers is the session's. Another tag is refused.
    watch_s: it goes on telling so long, by its own clock, where this computer is gone. emulated: whether a
    model stands in for it.
    """

    def __init__(
        self,
        name: str,
        connect: Callable[[], AbstractContextManager[Device]],
        clock: SessionClock,
        *,
        samples: bool = False,
        model_sha256: str | None = None,
        known: Connected | None = None,
        watch_s: int = WATCH_S,
        emulated: bool = False,
    ) -> None:
        self.name = name
        self._connect, self._clock, self._emulated = connect, clock, emulated
        self._what = TELLS_RESULTS | (TELLS_SAMPLES if samples else 0)
        self._watch_s, self._model = watch_s, model_sha256
        self._known = known
        self._results: int | None = None
        self._anew, self._samples = False, 0
        self._told_lost = False
        self._ticks = 0

    def moments(self, stop: Event) -> Iterator[Moment]:
        """Yield what the tag tells until `stop` is set.

        Raises UserError where the first tag that answers has another model, or a firmware that cannot be
        watched.
        """
        told = reason = ""
        while not stop.is_set():
            try:
                with self._connect() as device:
                    for moment in self._connected(device, stop):
                        told = ""
                        yield moment
            except _Wrong as error:
                if self._known is None:
                    raise UserError(str(error)) from error
                reason = str(error)
            except UserError as error:
                reason = str(error)
            if stop.is_set():
                return
            if reason != told:
                told = reason
                yield Disconnected(self._clock.now_ns(), reason)
            stop.wait(_LOOK_S)

    def _connected(self, device: Device, stop: Event) -> Iterator[Moment]:
        """Yield what the tag tells while the line holds. Raises UserError where it does not."""
        device.who()
        watcher = Watcher(device, self._clock.now_ns)
        watched = self._begin(watcher)
        answers = True
        try:
            yield self._identified(device, watched)
            yield self._clock_reading(device)
            yield from self._watched(device, watcher, stop)
            yield self._clock_reading(device)
        except UserError as error:
            answers = isinstance(error, _Wrong)
            raise
        finally:
            if answers:  # one that is gone falls back by itself
                with suppress(UserError):
                    watcher.watch(0, 0)

    def _begin(self, watcher: Watcher) -> Watched:
        """Ask to be told before anything else, so that nothing else keeps the tag from its sensor."""
        try:
            watched = watcher.watch(self._watch_s, self._what)
        except UserError as error:
            cause = error.__cause__
            if isinstance(cause, DeviceError) and cause.code == UNKNOWN_REQUEST:
                raise _Wrong(str(error)) from error
            raise
        self._ticks = watched.ticks
        # A start of which nothing is logged yet has the number of the one before, but counts samples anew.
        self._anew = self._anew or watched.samples < self._samples
        self._samples = watched.samples
        if watched.sensor != "samples":
            watcher.pause(STARTS_S)
        return watched

    def _identified(self, device: Device, watched: Watched) -> Connected:
        """Return who the tag is. Raises UserError where it is not the session's."""
        who, url = device.identity, device.link.url
        assert who is not None
        status, told = read_status(device), read_provision(device)
        if self._model is not None and who.model_sha256 != self._model:
            raise _Wrong(
                f"{url}: the tag carries the model {who.model_sha256[:16]}, but {self._model[:16]} is "
                "expected; flash it with the study's firmware, or name its study with --run."
            )
        before = self._known
        if before is not None:
            for what, is_, was in (
                ("chip", status.chip, before.chip),
                ("model", who.model_sha256[:16], before.model_sha256[:16]),
            ):
                if is_ != was:
                    raise _Wrong(
                        f"{url}: another tag answers, with {what} {is_} instead of {was}; connect the tag "
                        "with which the session began."
                    )
        anew = before is not None and (self._anew or before.start != watched.start)
        self._anew = False
        if anew:
            self._results = None
        rate_hz = who.hop * 1e6 / watched.result_us
        self._known = Connected(
            self._clock.now_ns(),
            status.chip,
            told.provision.id,
            watched.start,
            who.board,
            who.firmware_sha256,
            who.model_sha256,
            who.classes,
            who.window,
            who.hop,
            rate_hz,
            self._emulated or who.emulated,
            watched.smoothing,
            anew,
        )
        return self._known

    def _watched(self, device: Device, watcher: Watcher, stop: Event) -> Iterator[Moment]:
        renew_ns, clock_ns = self._watch_s * _NS // 3, CLOCK_S * _NS
        renewed = asked = self._clock.now_ns()
        while not stop.is_set():
            watcher.listen(_LISTEN_S)
            for arrived, told in watcher.take():
                yield from self._moments_of(arrived, told)
            now = self._clock.now_ns()
            if now - renewed >= renew_ns:
                renewed = now
                if watcher.watch(self._watch_s, self._what).anew:
                    self._anew = True
                    raise UserError(f"{device.link.url}: the tag started anew; its log may say why.")
            if now - asked >= clock_ns:
                asked = now
                yield self._clock_reading(device)

    def _clock_reading(self, device: Device) -> ClockReading:
        """Return the tag's clock in the middle of the shortest of some exchanges."""
        readings = []
        for _ in range(_EXCHANGES):
            before = self._clock.now_ns()
            ticks = round(read_time(device).seconds * TICKS_PER_SECOND)
            half = (self._clock.now_ns() - before + 1) // 2
            readings.append(ClockReading(ticks, before + half, half + _NS // TICKS_PER_SECOND + 1))
        return min(readings, key=lambda reading: reading.uncertainty_ns)

    def _moments_of(self, arrived: int, told: Told) -> Iterator[Moment]:
        if isinstance(told, ToldLost):
            self._told_lost = True
            yield Gap(arrived, self._ticks, told.lost, MESSAGES)
            return
        self._ticks = told.ticks
        if isinstance(told, ToldGap):
            yield Gap(arrived, told.ticks, told.lost, SAMPLES)
        elif isinstance(told, ToldResult):
            missing = 0 if self._results is None else told.number - self._results - 1
            self._results, self._samples = told.number, told.samples
            if missing > 0 and not self._told_lost:
                yield Gap(arrived, told.ticks, missing, RESULTS)
            self._told_lost = False
            yield Result(
                arrived,
                told.number,
                told.ticks,
                told.raw,
                told.behaviour,
                told.logits,
                told.samples,
                told.state,
            )
        else:
            yield Samples(arrived, told.first, told.ticks, told.counts, told.gap)


def tag_at_port(
    port: str,
    clock: SessionClock,
    *,
    baud_rate: int = BAUD_RATE,
    samples: bool = False,
    model_sha256: str | None = None,
    known: Connected | None = None,
) -> LiveTag:
    """Return the tag at a serial port, or any URL that pyserial opens; options as of `LiveTag`."""
    connect = partial(open_device, port, baud_rate)
    return LiveTag(port, connect, clock, samples=samples, model_sha256=model_sha256, known=known)


class _Wrong(UserError):
    """What answers is not the session's tag, or cannot be watched; looking again changes nothing."""
