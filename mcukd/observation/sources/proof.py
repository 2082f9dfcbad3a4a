"""Proof of a tag's results as it tells them: the integer reference runs again on its samples."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from mcukd.fixedpoint.model import IntegerModel
from mcukd.fixedpoint.reference import run, run_stream
from mcukd.observation.moments import Connected, Moment, Result, Samples

#: What is said of a result: its class and logits are the reference's; they are not; samples of its window, or
#: of its state since one that is known, are missing here, so nothing can be said.
EQUAL, DIFFERENT, MISSING = "equal", "different", "samples missing"


@dataclass
class StreamProof:
    """Compares each result with the integer reference on the samples that it is of, bit for bit.

    A state that is carried on is known from the tag's start or a gap on, or from one that was told with a
    result; the next result's state and logits have to be what the reference makes of it.
    model: the study's. said: how often each was said of a result.
    """

    model: IntegerModel
    said: dict[str, int] = field(default_factory=lambda: {EQUAL: 0, DIFFERENT: 0, MISSING: 0})
    _counts: list[NDArray[np.int16]] = field(default_factory=list)
    _first: int = 0
    _next: int = -1
    #: Before sample `_first`; None where it is not known.
    _state: NDArray[np.int16] | None = None

    def take(self, moment: Moment) -> str | None:
        """Take a moment; return what is said of it where it is a result, and None of others."""
        if isinstance(moment, Connected):
            self._next, self._state = -1, None
        elif isinstance(moment, Samples):
            self._keep(moment)
        elif isinstance(moment, Result):
            verdict = self._of_state(moment) if self.model.stream else self._of_window(moment)
            self.said[verdict] += 1
            return verdict
        return None

    def _keep(self, samples: Samples) -> None:
        """Keep samples that follow those before: a window of them, or all since a known state."""
        if samples.gap or samples.first != self._next:
            self._counts, self._first = [], samples.first
            anew = samples.gap or samples.first == 0
            self._state = np.zeros(self.model.state_halfwords, np.int16) if anew else None
        self._counts.append(samples.counts)
        self._next = samples.first + len(samples.counts)
        if self.model.stream and self._state is not None:
            return
        while self._next - self._first - len(self._counts[0]) >= self.model.window:
            self._first += len(self._counts.pop(0))

    def _of_window(self, result: Result) -> str:
        begin = -1 if result.samples is None else result.samples - self.model.window
        if begin < self._first or result.samples != self._next:
            return MISSING
        window = np.concatenate(self._counts)[-self.model.window :]
        expected = run(self.model, window[None])
        return _verdict(result, int(expected.classes[0]), expected.logits[0])

    def _of_state(self, result: Result) -> str:
        state, verdict = self._state, MISSING
        if result.samples != self._next:
            state = None
        if state is not None and self._counts:
            # A result with each sample, of which the last one counts.
            counts = np.concatenate(self._counts)
            found = run_stream(self.model, counts, 1, state, self.model.window)
            verdict, state = _verdict(result, int(found.classes[-1]), found.logits[-1]), found.last
            if result.state is not None and result.state != tuple(state.tolist()):
                verdict = DIFFERENT
        if result.state is not None and result.samples == self._next:
            state = np.array(result.state, np.int16)
        self._counts, self._first, self._state = [], self._next, state
        return verdict


def _verdict(result: Result, class_found: int, logits: NDArray[np.int32]) -> str:
    same = result.logits == tuple(logits.tolist()) and result.raw in (class_found, None)
    return EQUAL if same else DIFFERENT
