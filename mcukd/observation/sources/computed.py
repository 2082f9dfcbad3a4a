"""Source that computes what a tag would tell, by the integer reference on this computer, without any chip.

For demonstrations where no image can be built or run, and for tests. It has the results that a tag with this
model gives of these samples; of the chip, its sensor and its line there is nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from threading import Event

import numpy as np
from numpy.typing import NDArray

from mcukd.fixedpoint.model import IntegerModel
from mcukd.inference.batch import classify_stream, run_stream_fast
from mcukd.observation.moments import ClockReading, Connected, Moment, Result
from mcukd.tag.records import TICKS_PER_SECOND
from mcukd.tag.smoothing import Smoothing, with_unknown

NS = 1_000_000_000
#: Windows that are computed at once, and results between two readings of the clock.
_BATCH, _READING = 32, 24


class ComputedTag:
    """A tag's results, computed from samples that begin at `started_ns`; the first row follows the last.

    counts: (n, C) int16 of the model's scale and rate. smoothing, unknown_margin: as of `TagConfig`.
    wait_until: returns when the session's clock shows a time in ns, or earlier where it is to stop.
    """

    name = "integer reference on this computer, no tag"

    def __init__(
        self,
        model: IntegerModel,
        counts: NDArray[np.int16],
        started_ns: int,
        wait_until: Callable[[int], None],
        smoothing: int = 1,
        unknown_margin: int = 0,
    ) -> None:
        self._model, self._counts, self._started = model, counts, started_ns
        self._wait_until = wait_until
        self._smoothing, self._margin = smoothing, unknown_margin
        # A state that is carried on, and the samples that are part of it.
        self._state: NDArray[np.int16] | None = None
        self._taken = 0

    def moments(self, stop: Event) -> Iterator[Moment]:
        """Yield a result each hop, and now and then the clock, until `stop` is set."""
        model, smoothed = self._model, Smoothing(self._smoothing)
        self._state, self._taken = None, 0
        facts = (len(model.classes), model.window, model.hop, model.rate_hz)
        yield Connected(self._started, "", "", 1, "computed", "", model.sha256, *facts, True, self._smoothing)
        number = 0
        while not stop.is_set():
            for raw, logits in zip(*self._computed(number)):
                samples = number * model.hop + model.window
                at = self._started + round(samples / model.rate_hz * NS)
                self._wait_until(at)
                if stop.is_set():
                    return
                ticks = round((at - self._started) * TICKS_PER_SECOND / NS)
                if number % _READING == 0:
                    yield ClockReading(ticks, at, NS // TICKS_PER_SECOND)
                told = with_unknown(raw, logits, self._margin)
                majority = smoothed.result(told)
                yield Result(at, number, ticks, _known(told, model), _known(majority, model), tuple(logits))
                number += 1

    def _computed(self, first: int) -> tuple[list[int], list[list[int]]]:
        """Return classes and logits of a batch of results, the first of which has the number `first`."""
        model = self._model
        begin, end = first * model.hop, (first + _BATCH - 1) * model.hop + model.window
        if model.stream:
            fresh = self._counts[np.arange(self._taken, end) % len(self._counts)]
            found = run_stream_fast(model, fresh, model.hop, self._state, self._taken)
            self._state, self._taken = found.last, end
            return found.classes.tolist(), found.logits.tolist()
        logits = np.zeros((_BATCH, len(model.classes)), np.int16)
        samples = self._counts[np.arange(begin, end) % len(self._counts)]
        return classify_stream(model, samples, logits=logits).tolist(), logits.tolist()


def _known(code: int, model: IntegerModel) -> int | None:
    return None if code == len(model.classes) else code
