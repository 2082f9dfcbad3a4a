"""Six-position calibration of an accelerometer: offset and gain of its axes, from rest on each of six sides.

At rest it measures 1 g whatever way it lies, so the six readings lie on a sphere once offsets and gains are
right: they are found by least squares of the readings' lengths, which no small tilt of a side disturbs (the
method of Frosio, Pedersini and Borghese 2009, doi 10.1109/TIM.2008.2006137, with a gain for each axis and no
cross-axis terms). What six readings cannot show is found at a seventh, slanted one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mcukd.errors import UserError
from mcukd.tag.provision import GAIN_ONE, OFFSET_ONE, Calibration

SIDES = ("+x", "-x", "+y", "-y", "+z", "-z")
#: In g. A data sheet's errors (gain 3 %, offset 80 mg) and a tilt of 10° leave these.
UP_LEAST, UP_MOST, ASIDE_MOST = 0.85, 1.15, 0.35
#: Between the least and the largest of an axis at rest, in g.
STILL_MOST = 0.08
#: Of a slanted position, so that two axes at least take part.
SLANTED_MOST = 0.9
OFFSET_MOST, GAIN_ERROR_MOST = 0.2, 0.1
RESIDUAL_MOST_MG, CHECK_MOST_MG = 5.0, 25.0
_ROUNDS = 50


@dataclass(frozen=True)
class Rest:
    """What a sensor measured at rest, along its own axes, in g: mean (3,), and largest less least (3,)."""

    mean: NDArray[np.float64]
    spread: NDArray[np.float64]

    @property
    def text(self) -> str:
        """The means in words."""
        return ", ".join(f"{axis} {value:+.3f}" for axis, value in zip("xyz", self.mean))


@dataclass(frozen=True)
class Fit:
    """A calibration as the tag takes it, in integers.

    residual_mg: how far each of the six lengths is from 1 g with it, in the order they were given; check_mg:
    that of the slanted position.
    """

    calibration: Calibration
    residual_mg: tuple[float, ...]
    check_mg: float


def check_still(rest: Rest) -> None:
    """Raise UserError where a sensor was moved."""
    if rest.spread.max() > STILL_MOST:
        raise UserError(
            f"the tag moved: an axis changed by {rest.spread.max():.2f} g, but at most {STILL_MOST:g} is "
            "expected; lay it down and let go of it."
        )


def check_slanted(rest: Rest) -> None:
    """Raise UserError where a sensor was moved, or one of its axes points up or down."""
    check_still(rest)
    if np.abs(rest.mean).max() > SLANTED_MOST:
        raise UserError(
            f"the check position is not slanted: it measures {rest.text} g, but at most {SLANTED_MOST:g} "
            "along each axis is expected; lean the tag on an edge."
        )


def side_of(rest: Rest, taken: Sequence[str] = ()) -> str:
    """Return the side on which a sensor lies, by the axis that points up: one of SIDES.

    taken: sides that it has lain on. Raises UserError where it moved, lies on no side, or on one of these.
    """
    check_still(rest)
    up = int(np.argmax(np.abs(rest.mean)))
    aside = np.delete(np.abs(rest.mean), up)
    if not UP_LEAST <= abs(rest.mean[up]) <= UP_MOST or aside.max() > ASIDE_MOST:
        raise UserError(
            f"the tag lies on none of its six sides: it measures {rest.text} g, but {UP_LEAST:g} to "
            f"{UP_MOST:g} along one axis and at most {ASIDE_MOST:g} along the others are expected; lay it "
            "flat."
        )
    side = f"{'-' if rest.mean[up] < 0 else '+'}{'xyz'[up]}"
    if side in taken:
        raise UserError(f"the tag has lain on this side already: {side} of its sensor points up again.")
    return side


def fit(sides: Sequence[Rest], slanted: Rest, counts_per_g: float) -> Fit:
    """Return the calibration of six positions, one a side, and how far a slanted one is from 1 g with it.

    counts_per_g: of the sensor's own counts. Raises UserError where the result is none that a sensor of its
    data sheet needs, or the slanted position is not slanted, moved, or too far off.
    """
    means = np.array([rest.mean for rest in sides])
    offset, gain = _least_squares(means)
    for axis, o, g in zip("xyz", offset, gain):
        if abs(o) > OFFSET_MOST or abs(g - 1) > GAIN_ERROR_MOST:
            raise UserError(
                f"axis {axis} would need an offset of {o:+.3f} g and a gain of {g:.3f}, more than a sound "
                f"sensor does (± {OFFSET_MOST:g} g, ± {100 * GAIN_ERROR_MOST:g} %); nothing was written."
            )
    calibration = Calibration(
        _three(np.round(offset * counts_per_g * OFFSET_ONE)), _three(np.round(gain * GAIN_ONE))
    )
    residual = _errors_mg(calibration, means, counts_per_g)
    if np.abs(residual).max() > RESIDUAL_MOST_MG:
        raise UserError(
            f"the six positions do not fit together: {np.abs(residual).max():.1f} mg are left, but at most "
            f"{RESIDUAL_MOST_MG:g} are expected; nothing was written, begin again."
        )
    check_slanted(slanted)
    check = float(_errors_mg(calibration, slanted.mean[None], counts_per_g)[0])
    if abs(check) > CHECK_MOST_MG:
        raise UserError(
            f"the calibration does not hold in the check position: {check:+.1f} mg are left, but at most "
            f"{CHECK_MOST_MG:g} are expected; nothing was written. A side may have been tilted, or the "
            "sensor's axes are not square."
        )
    return Fit(calibration, tuple(float(each) for each in residual), check)


def _least_squares(means: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return offsets in g and gains, each (3,), that bring readings (n, 3) closest to a length of 1 g."""
    largest, least = means.max(axis=0), means.min(axis=0)
    offset, gain = (largest + least) / 2, 2 / (largest - least)
    for _ in range(_ROUNDS):
        apart = means - offset
        turned = apart * gain
        length = np.linalg.norm(turned, axis=1)
        slopes = np.hstack([-turned * gain, turned * apart]) / length[:, None]
        step = np.linalg.lstsq(slopes, 1 - length, rcond=None)[0]
        offset, gain = offset + step[:3], gain + step[3:]
        if np.abs(step).max() < 1e-12:
            break
    return offset, gain


def _errors_mg(
    calibration: Calibration, means: NDArray[np.float64], counts_per_g: float
) -> NDArray[np.float64]:
    """Return how far lengths of calibrated readings (n, 3) are from 1 g, (n,) in mg."""
    offset = np.array(calibration.offset) / OFFSET_ONE / counts_per_g
    calibrated = (means - offset) * np.array(calibration.gain) / GAIN_ONE
    return 1000 * (np.linalg.norm(calibrated, axis=1) - 1)


def _three(values: NDArray[np.float64]) -> tuple[int, int, int]:
    x, y, z = values.tolist()
    return int(x), int(y), int(z)
