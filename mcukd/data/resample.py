"""Resampling to the board's rate: polyphase, with the anti-aliasing filter that goes with it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from mcukd.data.card import Card
from mcukd.data.gaps import Cut
from mcukd.data.recordings import Recording
from mcukd.data.sections import Signal
from mcukd.errors import UserError

#: Largest factor of the polyphase filter: its length grows with it, and recordings are short.
LARGEST_FACTOR = 1000


def ratio(signal: Signal) -> Fraction:
    """Return board rate / recorded rate as a fraction; UserError where it is not one of small numbers."""
    return resampling(signal.resample_hz, signal.rate_hz)


def resampling(resample_hz: float | None, rate_hz: float) -> Fraction:
    """Return `resample_hz` / `rate_hz`, 1 where nothing is resampled; UserError as `ratio`."""
    wanted = Fraction(str(resample_hz or rate_hz)) / Fraction(str(rate_hz))
    near = wanted.limit_denominator(LARGEST_FACTOR)
    if near.numerator > LARGEST_FACTOR or near == 0 or abs(near / wanted - 1) > Fraction(1, 10_000):
        raise UserError(
            f"signal.resample_hz is {resample_hz:g} where the recordings have {rate_hz:g} Hz; "
            f"expected rates whose ratio is a fraction of numbers up to {LARGEST_FACTOR}: round one of them"
        )
    return near


def cut_of(card: Card, hop: int) -> Cut:
    """Return how the card's windows are cut, `hop` samples apart; every command counts them by it."""
    return Cut(card.window, hop, ratio(card.signal))


def resampled(card: Card, recordings: Sequence[Recording]) -> list[Recording]:
    """Resample recordings from `signal.rate_hz` to `signal.resample_hz`.

    The filter is a linear-phase FIR with a Kaiser window that cuts at the lower of the two Nyquist rates
    (scipy.signal.resample_poly). Ends are extended along the line from first to last sample: with zeros,
    gravity itself would ring there. Extra channels are resampled alike. Raises UserError for rates without a
    simple ratio.
    """
    factor = ratio(card.signal)
    return [
        replace(
            one,
            samples=resample(one.samples, factor),
            extra=None if one.extra is None else resample(one.extra, factor),
        )
        for one in recordings
    ]


def resample(samples: NDArray[np.float64], factor: Fraction) -> NDArray[np.float64]:
    """Resample one recording (n, 3) by a factor of its rate; see `resampled`."""
    from scipy.signal import resample_poly

    if factor == 1 or len(samples) < 2:
        return samples
    result: NDArray[np.float64] = resample_poly(
        samples, factor.numerator, factor.denominator, axis=0, padtype="line"
    )
    return result


def band_limit(signal: Signal) -> str | None:
    """Say what up-sampling cannot bring back; None where the source is as fast as the board."""
    if signal.resample_hz is None or signal.resample_hz <= signal.rate_hz:
        return None
    return (
        f"the recordings have {signal.rate_hz:g} Hz and nothing above {signal.rate_hz / 2:g} Hz; at "
        f"{signal.resample_hz:g} Hz the windows stay empty from there to {signal.resample_hz / 2:g} Hz, "
        "where "
        f"the board's own samples are not"
    )
