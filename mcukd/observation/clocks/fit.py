"""Fit of a tag's clock: offsets of its stretches with one drift for all, and the search for jumps.

In seconds: x is the tag's time since a reference, y is what this computer's clock is ahead of that. Between
jumps y = offset + drift × x. Anchors (N,) are sorted by x and have weights w = 1 / uncertainty²; a stretch
is a range of anchors without a jump between them. The drift has a prior, which is one more observation of it.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import log

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]
#: A jump is taken where it lowers chi² by this and by 2 ln N more, as in the Bayesian information criterion,
#: which charges ln N for the jump's size and ln N for its place. 20 is what keeps an unusual drift, which two
#: anchors cannot tell from a jump, from being called one.
JUMP_CHI2 = 20.0
#: Two explanations whose chi², jumps charged, differ by less than this are both kept.
RIVAL_CHI2 = 6.0
JUMPS_MAX = 16


@dataclass(frozen=True)
class Points:
    """Anchors in seconds (N,), sorted by x, and the drift's prior: mean and standard deviation in s/s."""

    x: FloatArray
    y: FloatArray
    w: FloatArray
    drift: float
    drift_sd: float

    @property
    def jump_price(self) -> float:
        """By how much one jump more must lower chi²."""
        return JUMP_CHI2 + 2 * log(max(len(self.x), 1))


@dataclass(frozen=True)
class Fit:
    """Stretches begin at the anchors `begins` (G,), the first of which is 0.

    weights, mean_x, mean_y: (G,) sum of weights and weighted means of each stretch. drift, drift_sd: in s/s.
    chi2: of all anchors and of the prior.
    """

    begins: tuple[int, ...]
    weights: FloatArray
    mean_x: FloatArray
    mean_y: FloatArray
    drift: float
    drift_sd: float
    chi2: float
    residuals: FloatArray

    def at(self, stretch: NDArray[np.int64], x: FloatArray) -> FloatArray:
        """Return y (M,) at some x of some stretches."""
        return np.asarray(self.mean_y[stretch] + self.drift * (x - self.mean_x[stretch]))

    def sd(self, stretch: NDArray[np.int64], x: FloatArray) -> FloatArray:
        """Return the standard error (M,) of `at`, by the anchors' own uncertainties."""
        lever = (x - self.mean_x[stretch]) * self.drift_sd
        return np.asarray(np.sqrt(1 / self.weights[stretch] + lever**2))

    def jump(self, number: int) -> tuple[float, float]:
        """Return how far y jumps before stretch `number` ≥ 1, in seconds, and its standard error."""
        apart = self.mean_x[number] - self.mean_x[number - 1]
        size = self.mean_y[number] - self.mean_y[number - 1] - self.drift * apart
        variance = 1 / self.weights[number] + 1 / self.weights[number - 1] + (apart * self.drift_sd) ** 2
        return float(size), float(np.sqrt(variance))


def fit_stretches(points: Points, begins: tuple[int, ...]) -> Fit:
    """Fit one drift and an offset for each stretch by weighted least squares."""
    stretch = stretch_of(points, begins)
    count = len(begins)
    weights = np.bincount(stretch, points.w, count).astype(np.float64)
    mean_x = np.bincount(stretch, points.w * points.x, count) / weights
    mean_y = np.bincount(stretch, points.w * points.y, count) / weights
    dx, dy = points.x - mean_x[stretch], points.y - mean_y[stretch]
    precision = float(points.w @ dx**2) + points.drift_sd**-2
    drift = (float(points.w @ (dx * dy)) + points.drift * points.drift_sd**-2) / precision
    residuals = dy - drift * dx
    chi2 = float(points.w @ residuals**2) + ((drift - points.drift) / points.drift_sd) ** 2
    return Fit(begins, weights, mean_x, mean_y, drift, precision**-0.5, chi2, residuals)


def stretch_of(points: Points, begins: tuple[int, ...]) -> NDArray[np.int64]:
    """Return the number of the stretch of each anchor, (N,)."""
    return np.searchsorted(np.array(begins), np.arange(len(points.x)), side="right") - 1


def splits(points: Points, fit: Fit) -> tuple[FloatArray, FloatArray]:
    """Return for a jump before each anchor (N,) by how much it lowers chi² per s² of its size, and its size.

    Both are 0 before the first anchor of a stretch, where there is a jump already. The chi² that a jump saves
    is the first times the square of the second.
    """
    stretch = stretch_of(points, fit.begins)
    after_w, after_wx, after_wr = (
        _sum_after(values, stretch) for values in (points.w, points.w * points.x, points.w * fit.residuals)
    )
    total_w = fit.weights[stretch]
    before_w = np.maximum(total_w - after_w, 0)
    # What a step in this place has in common with a drift tells nothing of the step.
    leaning = after_wx - after_w * fit.mean_x[stretch]
    told = before_w * after_w / total_w - (leaning * fit.drift_sd) ** 2
    told[list(fit.begins)] = 0
    told = np.where(told > 1e-9 * points.w, told, 0)
    size = np.divide(after_wr, told, out=np.zeros_like(told), where=told > 0)
    return told, size


def find_jumps(points: Points, known: tuple[int, ...], smallest_s: float) -> Fit:
    """Add jumps one after another, the one that lowers chi² most first, while each is worth its price.

    known: stretches that begin for a known reason, 0 among them. smallest_s: smaller jumps are not taken.
    """
    fit = fit_stretches(points, known)
    while len(fit.begins) < len(known) + JUMPS_MAX:
        told, size = splits(points, fit)
        saved = np.where(np.abs(size) >= smallest_s, told * size**2, 0)
        best = int(np.argmax(saved))
        if saved[best] < points.jump_price:
            break
        fit = _settled(points, fit_stretches(points, _with(fit.begins, best)), known)
    return fit


def rivals(points: Points, fit: Fit, known: tuple[int, ...], smallest_s: float) -> list[Fit]:
    """Return the other fits that explain the anchors about as well: a jump elsewhere, one more, one less."""
    price = points.jump_price
    found = []
    told, size = splits(points, fit)
    more = np.flatnonzero((told * size**2 > price - RIVAL_CHI2) & (np.abs(size) >= smallest_s))
    found += [fit_stretches(points, _with(fit.begins, int(one))) for one in more]
    for begin in set(fit.begins) - set(known):
        without = fit_stretches(points, _without(fit.begins, begin))
        if without.chi2 - fit.chi2 < price + RIVAL_CHI2:
            found.append(without)
        told, size = splits(points, without)
        near = without.chi2 - told * size**2 < fit.chi2 + RIVAL_CHI2
        near[begin] = False
        found += [
            fit_stretches(points, _with(without.begins, int(one)))
            for one in np.flatnonzero(near & (told > 0))
        ]
    return found


def _settled(points: Points, fit: Fit, known: tuple[int, ...]) -> Fit:
    """Move each jump to the best place with the others held; the first was placed without the later ones."""
    for begin in sorted(set(fit.begins) - set(known)):
        without = fit_stretches(points, _without(fit.begins, begin))
        told, size = splits(points, without)
        best = int(np.argmax(told * size**2))
        moved = fit_stretches(points, _with(without.begins, best))
        if moved.chi2 < fit.chi2:
            fit = moved
    return fit


def _with(begins: tuple[int, ...], begin: int) -> tuple[int, ...]:
    return tuple(sorted({*begins, begin}))


def _without(begins: tuple[int, ...], begin: int) -> tuple[int, ...]:
    return tuple(one for one in begins if one != begin)


def _sum_after(values: FloatArray, stretch: NDArray[np.int64]) -> FloatArray:
    """Return for each anchor the sum over it and the later ones of its stretch, (N,)."""
    found = np.empty_like(values)
    for number in range(int(stretch[-1]) + 1):
        inside = stretch == number
        found[inside] = np.cumsum(values[inside][::-1])[::-1]
    return found
