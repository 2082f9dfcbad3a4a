"""Proof of a tag's results as it tells them: the integer reference runs again on its samples."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Optional

import numpy as np
from numpy.typing import NDArray

from mcukd.fixedpoint.model import IntegerModel
from mcukd.fixedpoint.reference import run
from mcukd.observation.moments import Connected, Moment, Result, Samples

#: What is said of a result: its class and logits are the reference's; they are not; samples of its window are
#: missing here, so nothing can be said.
EQUAL, DIFFERENT, MISSING = "equal", "different", "samples missing"


@dataclass
class StreamProof:
    """Compares each result with the integer reference on the window that it is of, bit for bit.

    model: the study's. said: how often each was said of a result.
    """

    model: IntegerModel
    said: dict[str, int] = field(default_factory=lambda: {EQUAL: 0, DIFFERENT: 0, MISSING: 0})
    _counts: list[NDArray[np.int16]] = field(default_factory=list)
    _first: int = 0
    _next: int = -1

    def take(self, moment: Moment) -> Optional[str]:
        """Take a moment; return what is said of it where it is a result, and None of others."""
        if isinstance(moment, Connected):
            self._next = -1
        elif isinstance(moment, Samples):
            self._keep(moment)
        elif isinstance(moment, Result):
            verdict = self._verdict(moment)
            self.said[verdict] += 1
            return verdict
        return None

    def _keep(self, samples: Samples) -> None:
        """Keep samples that follow those before without a gap, and at least a window of them."""
        if samples.gap or samples.first != self._next:
            self._counts, self._first = [], samples.first
        self._counts.append(samples.counts)
        self._next = samples.first + len(samples.counts)
        while self._next - self._first - len(self._counts[0]) >= self.model.window:
            self._first += len(self._counts.pop(0))

    def _verdict(self, result: Result) -> str:
        begin = -1 if result.samples is None else result.samples - self.model.window
        if begin < self._first or result.samples != self._next:
            return MISSING
        window = np.concatenate(self._counts)[-self.model.window :]
        expected = run(self.model, window[None])
        class_found, logits = int(expected.classes[0]), tuple(expected.logits[0].tolist())
        return EQUAL if result.logits == logits and result.raw in (class_found, None) else DIFFERENT
