"""Clock map: converts the tag's clock to this computer's and back, with the uncertainty."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from mcukd.observation.clocks.anchors import NS, Anchor
from mcukd.observation.clocks.fit import Fit, FloatArray
from mcukd.tag.records import TICKS_PER_SECOND

IntArray = NDArray[np.int64]
HOUR_S = 3600.0
#: A drift is steady to this, s/h: the spread within one tag (White and Lauder 2024).
STEADY_S_PER_H = 0.001
#: Tolerances are this many standard uncertainties: about 95 % where errors are normal.
COVERAGE = 2.0
_BEGINNING = -(1 << 62)


@dataclass(frozen=True)
class Stretches:
    """Which stretch of a fit holds when. ticks: (S,) at which pieces begin; stretch: (S,), -1 for none known.

    doubt: (J, 2) ticks between which a jump lies, and jump: (J,) the stretch that begins with it.
    """

    ticks: IntArray
    stretch: IntArray
    doubt: IntArray
    jump: IntArray

    @classmethod
    def of(cls, anchors: Sequence[Anchor], begins: Sequence[int], restarts: Sequence[int]) -> Stretches:
        """Return the pieces between restarts of the tag, in ticks, and found jumps."""
        times = np.array([one.tag_ticks for one in anchors], np.int64)
        pieces: list[tuple[int, int]] = []
        doubt: list[tuple[int, int, int]] = []
        edges = [_BEGINNING, *restarts]
        for low, high in zip(edges, [*edges[1:], 1 << 62]):
            inside = [g for g, k in enumerate(begins) if low <= times[k] < high]
            pieces.append((low, inside[0] if inside else -1))
            for g in inside[1:]:
                before, after = int(times[begins[g] - 1]), int(times[begins[g]])
                # Nothing tells where between the two it jumped; in the middle the error is least.
                pieces.append(((before + after + 1) // 2, g))
                doubt.append((before, after, g))
        of_pieces, of_doubt = np.array(pieces, np.int64), np.array(doubt, np.int64).reshape(-1, 3)
        return cls(of_pieces[:, 0], of_pieces[:, 1], of_doubt[:, :2], of_doubt[:, 2])

    def at(self, ticks: IntArray) -> IntArray:
        """Return the stretch at some ticks, -1 where none is known."""
        return self.stretch[np.searchsorted(self.ticks, ticks, side="right") - 1]


@dataclass(frozen=True)
class ClockMap:
    """A tag's clock and this computer's, as `mcukd.observation.clocks.drift.fit_clock` found them.

    anchors: those used, sorted; left_out: those that the others contradict. rivals: other fits that explain
    the anchors about as well. restarts: ticks at which the tag started anew. scale: by how much the anchors
    scatter more than their uncertainties say, 1 where they do not. unnoticed_jump_s: a smaller jump than this
    would not have been found. prior: mean and standard deviation of the drift beforehand, s/s.
    """

    anchors: tuple[Anchor, ...]
    left_out: tuple[Anchor, ...]
    fit: Fit
    rivals: tuple[Fit, ...]
    restarts: tuple[int, ...]
    scale: float
    unnoticed_jump_s: float
    prior: tuple[float, float]

    @property
    def drift_s_per_h(self) -> float:
        """By how much this computer's clock gains on the tag's."""
        return self.fit.drift * HOUR_S

    @property
    def drift_uncertainty_s_per_h(self) -> float:
        """Standard uncertainty of the drift, that between rival explanations included."""
        others = [np.hypot(one.drift - self.fit.drift, self.scale * one.drift_sd) for one in self.rivals]
        return float(max([self.scale * self.fit.drift_sd, *others])) * HOUR_S

    @property
    def drift_measured(self) -> bool:
        """Whether the anchors tell the drift, rather than what was known beforehand."""
        return self.drift_uncertainty_s_per_h < 0.5 * self.prior[1] * HOUR_S

    @property
    def jumps(self) -> tuple[tuple[int, int, float, float], ...]:
        """Jumps found: ticks of the anchors before and after, size in s (host less tag), its uncertainty."""
        parts = self._stretches(self.fit)
        found = []
        for (before, after), number in zip(parts.doubt.tolist(), parts.jump.tolist()):
            size, sd = self.fit.jump(number)
            found.append((before, after, size, self.scale * sd))
        return tuple(found)

    def knows(self, tag_ticks: ArrayLike) -> NDArray[np.bool_]:
        """Whether an anchor ties the tag's clock at some ticks: not after a restart that none followed."""
        return np.asarray(self._stretches(self.fit).at(np.asarray(tag_ticks, np.int64)) >= 0)

    def to_host_ns(self, tag_ticks: ArrayLike) -> IntArray:
        """Return ns since 1970, UTC, of some ticks; what `knows` denies goes on from the stretch before."""
        ticks = np.asarray(tag_ticks, np.int64)
        since = ticks - self.anchors[0].tag_ticks
        whole, part = np.divmod(since, TICKS_PER_SECOND)
        y = self._y(self.fit, ticks)
        passed = whole * NS + part * NS // TICKS_PER_SECOND
        return np.asarray(self.anchors[0].host_ns + passed + np.rint(y * NS).astype(np.int64))

    def to_tag(self, host_ns: ArrayLike) -> IntArray:
        """Return the ticks at some ns since 1970, UTC.

        Times that a jump left out have the ticks at which it jumped; of times that it gave twice the earlier.
        """
        host = np.asarray(host_ns, np.int64)
        parts = self._stretches(self.fit)
        ends = np.append(parts.ticks[1:], 1 << 62)
        found = np.full(host.shape, ends[-1], np.int64)
        for low, high, stretch in reversed(list(zip(parts.ticks, ends, parts.stretch))):
            stretch = max(int(stretch), 0)
            whole, part = np.divmod(host - self.anchors[0].host_ns, NS)
            seconds = whole + part / NS
            # host = x + a + d (x - m), solved for x.
            a, m, d = self.fit.mean_y[stretch], self.fit.mean_x[stretch], self.fit.drift
            lag = (a + d * (seconds - m)) / (1 + d)
            ticks = self.anchors[0].tag_ticks + np.rint(
                whole * TICKS_PER_SECOND + (part / NS - lag) * TICKS_PER_SECOND
            ).astype(np.int64)
            found = np.where(ticks < high, np.maximum(ticks, low), found)
        return found

    def uncertainty_s(self, tag_ticks: ArrayLike) -> FloatArray:
        """Return the standard uncertainty of `to_host_ns` in seconds, infinite where `knows` denies.

        Never below that of the best anchor, as what all anchors share shows in none.
        """
        ticks = np.asarray(tag_ticks, np.int64)
        mine = self._y(self.fit, ticks)
        found = self._sd(self.fit, ticks)
        for one in self.rivals:
            found = np.maximum(found, np.hypot(self._sd(one, ticks), self._y(one, ticks) - mine))
        found = np.maximum(found, self.scale * min(one.uncertainty_s for one in self.anchors))
        away = np.min([np.abs(ticks - one.tag_ticks) for one in self._ends()], axis=0) / TICKS_PER_SECOND
        inside = (ticks >= self.anchors[0].tag_ticks) & (ticks <= self.anchors[-1].tag_ticks)
        found = np.hypot(found, np.where(inside, 0, away) * STEADY_S_PER_H / HOUR_S)
        return np.where(self.knows(ticks), found, np.inf)

    def tolerance_s(self, first_ns: int, last_ns: int) -> float:
        """Return `COVERAGE` times the largest uncertainty from one time to another, for an agreement.

        Of what `knows` denies nothing is said; infinite where that is all.
        """
        low, high = (int(one) for one in self.to_tag([first_ns, last_ns]))
        edges = [low, high, *(one.tag_ticks for one in self.anchors)]
        edges += [tick for pair in self._stretches(self.fit).doubt.tolist() for tick in (pair[0] + 1,)]
        edges += [tick - side for tick in self.restarts for side in (0, 1)]
        inside = [tick for tick in edges if low <= tick <= high]
        found = self.uncertainty_s(inside)
        found = found[np.isfinite(found)]
        return COVERAGE * float(found.max()) if len(found) else np.inf

    def _ends(self) -> tuple[Anchor, Anchor]:
        return self.anchors[0], self.anchors[-1]

    def _stretches(self, fit: Fit) -> Stretches:
        return Stretches.of(self.anchors, fit.begins, self.restarts)

    def _y(self, fit: Fit, ticks: IntArray) -> FloatArray:
        parts = self._stretches(fit)
        place = np.searchsorted(parts.ticks, ticks, side="right") - 1
        # Where no stretch is known, the nearest one before goes on, or the first one.
        known = np.maximum.accumulate(np.where(parts.stretch >= 0, parts.stretch, 0))
        return fit.at(known[place], (ticks - self.anchors[0].tag_ticks) / TICKS_PER_SECOND)

    def _sd(self, fit: Fit, ticks: IntArray) -> FloatArray:
        parts = self._stretches(fit)
        stretch = np.maximum(parts.at(ticks), 0)
        found = self.scale * fit.sd(stretch, (ticks - self.anchors[0].tag_ticks) / TICKS_PER_SECOND)
        for (before, after), number in zip(parts.doubt.tolist(), parts.jump.tolist()):
            between = (ticks > before) & (ticks < after)
            found = np.where(between, np.hypot(found, fit.jump(number)[0]), found)
        return np.asarray(found)
