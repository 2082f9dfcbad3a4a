"""Fitting of a refusal rule: thresholds as integers, and the distance from each class's training windows."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mcukd.fixedpoint.model import IntegerModel
from mcukd.fixedpoint.refusal import (
    DISTANCE_LENGTH,
    LIMIT_MOST,
    LIMITS,
    MARGIN_MOST,
    MARGINS,
    MEANS,
    SHIFT,
    WHITENING,
    distances_of,
    margins_of,
    sum_bound,
    whitened,
    with_rule,
)

#: Share of the mean variance that is added to every axis's, so that axes in which training windows hardly
#: scatter do not decide alone.
SHRINKAGE = 0.05


def margin_mantissas(margins: Sequence[float], fractional_length: int) -> NDArray[np.int32]:
    """Return margins of logits as mantissas, rounded up: what lies between two integers is refused."""
    scaled = [math.ceil(math.ldexp(max(margin, 0.0), fractional_length)) for margin in margins]
    return np.array([min(one, MARGIN_MOST) for one in scaled], np.int32)


def limit_mantissas(limits: Sequence[float]) -> NDArray[np.uint32]:
    """Return limits of squared distances, in variances of the training windows, as integers rounded down.

    An infinite limit refuses nothing.
    """
    unit = float(1 << 2 * DISTANCE_LENGTH)
    scaled = [LIMIT_MOST if math.isinf(one) else math.floor(max(one, 0.0) * unit) for one in limits]
    return np.array([min(one, LIMIT_MOST) for one in scaled], np.uint32)


def distance_arrays(
    model: IntegerModel, state: NDArray[np.int16], labels: NDArray[np.int64]
) -> dict[str, NDArray[Any]]:
    """Return whitening, its shift and the means of the classes, with limits that refuse nothing.

    state: (N, H) of the model's training windows, whose labels are (N,). Axes are those of the covariance
    about the class's mean, pooled over classes, and shrunk by SHRINKAGE; along each the training windows have
    a deviation of 2^DISTANCE_LENGTH. Raises ValueError where a class has no window.
    """
    length, units = model.length("h"), state.shape[1]
    values = state.astype(np.float64) * math.ldexp(1.0, -length)
    counts = np.bincount(labels, minlength=len(model.classes))
    if len(counts) != len(model.classes) or not counts.all():
        raise ValueError("every class needs a window to measure distances from")
    means = np.stack([values[labels == k].mean(axis=0) for k in range(len(model.classes))])
    spread = values - means[labels]
    covariance = spread.T @ spread / len(spread)
    # Half a step of the state at least, so that a unit which never moves has a finite scale.
    least = math.ldexp(1.0, -2 * length - 2)
    covariance += (SHRINKAGE * np.trace(covariance) / units + least) * np.eye(units)
    variances, axes = np.linalg.eigh(covariance)
    # The sign of an axis is arbitrary; fixed, so that every computer makes the same model.
    axes = axes * np.where(axes[np.abs(axes).argmax(axis=0), np.arange(units)] < 0, -1.0, 1.0)
    whitening, shift = _as_integers((axes / np.sqrt(variances)).T, length)
    y = whitened(whitening, shift, state)
    centres = [np.floor(y[labels == k].mean(axis=0) + 0.5) for k in range(len(model.classes))]
    return {
        WHITENING: whitening,
        SHIFT: np.array([shift], np.int32),
        MEANS: np.stack(centres).astype(np.int16),
        LIMITS: np.full(len(model.classes), LIMIT_MOST, np.uint32),
    }


def _as_integers(weights: NDArray[np.float64], state_length: int) -> tuple[NDArray[np.int16], int]:
    """Return weights (H, H) as mantissas at the longest length that is proven, and the sums' shift."""
    for shift in range(31, -1, -1):
        mantissas = np.floor(weights * math.ldexp(1.0, shift + DISTANCE_LENGTH - state_length) + 0.5)
        fits = np.abs(mantissas).max() <= 32767
        if fits and sum_bound(mantissas.astype(np.int16), shift) < 1 << 31:
            return mantissas.astype(np.int16), shift
    raise ValueError("no length keeps the sums of the whitening within 32 bits")


def measured_rule(
    model: IntegerModel, logits: NDArray[Any], state: NDArray[np.int16]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return margins (N,) in units of the logits, and squared distances (N,) in variances.

    model: with a rule; without a distance in it, distances are 0. Variances are of the training windows. Both
    are of the class of the largest logit, and are what the integers give, so that a threshold on them is one
    that a device has.
    """
    margins = margins_of(logits) * math.ldexp(1.0, -model.length("logits"))
    classes = np.argmax(logits, axis=1)
    if WHITENING not in model.arrays:
        return margins, np.zeros(len(margins))
    squared = distances_of(model, classes, state) * math.ldexp(1.0, -2 * DISTANCE_LENGTH)
    return margins, squared


def with_thresholds(
    model: IntegerModel,
    margins: Sequence[float],
    limits: Sequence[float] = (),
    distance: dict[str, NDArray[Any]] | None = None,
) -> IntegerModel:
    """Return a model with a refusal rule.

    margins: by class, in units of the logits. distance: of `distance_arrays`, with limits by class in
    variances of the training windows; None: margins alone.
    """
    arrays: dict[str, NDArray[Any]] = {MARGINS: margin_mantissas(margins, model.length("logits"))}
    if distance is not None:
        arrays.update(distance)
        arrays[LIMITS] = limit_mantissas(limits)
    return with_rule(model, arrays)
