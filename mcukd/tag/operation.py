"""Reference of `tag.c`: given the same results, it logs the same records as the tag."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from mcukd.tag.bouts import GAP, STOPPED, Bout, Bouts
from mcukd.tag.clock import Clock, Rate
from mcukd.tag.counters import Counters
from mcukd.tag.log_writer import Flash, LogWriter
from mcukd.tag.records import BOOT, BOUT, EVENT, PERIOD, RATE, READ, SENSOR_FAILURES, TIME
from mcukd.tag.smoothing import Smoothing, with_unknown

NO_CLASS = 255
#: Code of the event.
PROVISIONED = 23


@dataclass(frozen=True)
class TagConfig:
    """Parameters, as `tag_config.h` holds them.

    smoothing: results in a majority. unknown_margin: between the two largest logits, in their format; 0: no
    result is unknown. result_us: from one result to the next. period_s: of the counters. bout_results:
    shorter bouts are not logged; 0: none is. log_pages, page_words: the ring in flash.
    """

    classes: int
    log_pages: int
    smoothing: int = 1
    unknown_margin: int = 0
    result_us: int = 1_280_000
    period_s: int = 3600
    bout_results: int = 1
    page_words: int = 1024


class Tag:
    """A tag since a start. ticks: reads the low-frequency counter, modulo 2³².

    firmware, model: the first four bytes of their SHA-256 as a big-endian number. on_period: called when a
    period has ended and is logged, while its counters are there. period_s: that the tag was provisioned with;
    0: the configuration's. sensor_failed: whether an event has said so.
    """

    def __init__(
        self,
        config: TagConfig,
        flash: Flash,
        ticks: Callable[[], int],
        reset_cause: int = 0,
        firmware: int = 0,
        model: int = 0,
        on_period: Callable[[Tag], None] | None = None,
        period_s: int = 0,
    ) -> None:
        self._config, self._ticks, self._on_period = config, ticks, on_period
        self.period_s = period_s or config.period_s
        self.log = LogWriter(flash, config.log_pages, config.page_words, config.classes)
        self.clock = Clock(self.log.seconds, ticks())
        self.rate, self.bouts, self.smoothing = Rate(), Bouts(), Smoothing(config.smoothing)
        self.counters = Counters(config.classes, self.clock.seconds)
        self.latest_class, self.records_lost = NO_CLASS, 0
        self.sensor_failed = False
        self._boot = (reset_cause, self.clock.seconds, firmware, model)
        self._boot_logged = False

    @property
    def starts(self) -> int:
        """Number of this start, as its record in the log has it or will have it."""
        return self.log.boots + (not self._boot_logged)

    @property
    def model(self) -> int:
        """The first four bytes of the model's SHA-256 as a big-endian number."""
        return self._boot[3]

    def on_tick(self) -> None:
        """Let time pass; end the period where it is over."""
        self.clock.advance(self._ticks())
        if self.clock.seconds - self.counters.start >= self.period_s:
            self._end_period()

    def on_result(self, class_found: int, logits: Sequence[int]) -> None:
        """Take a result of the model."""
        self.on_tick()
        found = self.smoothing.result(with_unknown(class_found, logits, self._config.unknown_margin))
        self.latest_class = found
        ended = self.bouts.result(found, self.clock.seconds)
        if ended is not None:
            self._end_bout(*ended)
        if not self.counters.result(found):
            self._end_period()
            self.counters.result(found)

    def on_gap(self, samples_lost: int) -> None:
        """Samples were lost; 0 where it is not known how many."""
        self.on_tick()
        bout = self.bouts.end()
        if bout is not None:
            self._end_bout(bout, GAP)
        self.smoothing.reset()
        self.rate.reset()
        if not self.counters.gap(samples_lost):
            self._end_period()
            self.counters.gap(samples_lost)

    def on_samples(self, samples: int) -> None:
        """Samples were read from the sensor."""
        self.clock.advance(self._ticks())
        self.rate.samples(self.clock, samples)

    def on_event(self, code: int, detail: int) -> None:
        """Log what happened; codes are those of `records.EVENTS`."""
        self.on_tick()
        self._record(EVENT, (code, detail))
        self.sensor_failed |= code in SENSOR_FAILURES

    def on_provision(self, generation: int, period_s: int) -> None:
        """The tag was provisioned anew; period_s: of the counters from now on, 0: the configuration's."""
        self.on_event(PROVISIONED, generation)
        self.period_s = period_s or self._config.period_s

    def set_time(self, utc: int, fraction: int, source: int) -> None:
        """Set the time of day; source as in `records.SOURCES`."""
        self.on_tick()
        self.clock.set(utc, fraction)
        self._record(TIME, (utc, fraction, self.clock.fraction, source))

    def utc(self) -> tuple[int, bool]:
        """Return Unix seconds and whether they may be trusted, as `Clock.utc`."""
        self.on_tick()
        return self.clock.utc()

    def set_read(self, sequence: int) -> None:
        """The host has confirmed all records below a sequence number."""
        self.on_tick()
        self._record(READ, (sequence,))

    def stop(self) -> None:
        """Log the bout and the period under way, as before the supply fails."""
        self.on_tick()
        bout = self.bouts.end()
        if bout is not None:
            self._end_bout(bout, STOPPED)
        self._end_period()

    def _end_period(self) -> None:
        self._record(PERIOD, self.counters.payload())
        if self._on_period is not None:
            self._on_period(self)
        self.counters = Counters(self._config.classes, self.clock.seconds)
        taken = self.rate.take()
        if taken is not None:
            self._record(RATE, taken)

    def _end_bout(self, bout: Bout, why: int) -> None:
        if self._config.bout_results and bout.length >= self._config.bout_results:
            self._record(BOUT, (bout.start, bout.class_found | why << 8, bout.length))

    def _record(self, kind: int, payload: Sequence[int]) -> None:
        # A tag that starts again and again without a result does not overwrite its history with boots.
        if not self._boot_logged:
            self._boot_logged = True
            period = self._config.result_us, self.period_s
            self._append(BOOT, (self.log.boots + 1, *self._boot, *period))
        self._append(kind, payload)

    def _append(self, kind: int, payload: Sequence[int]) -> None:
        if not self.log.append(kind, self.clock.set_since_start, self.clock.seconds, payload):
            self.records_lost += 1
