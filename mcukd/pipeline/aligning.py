"""Aligning: moves a tag's times to where its account agrees best with an observer's, where nobody tapped."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from mcukd.errors import UserError
from mcukd.metrics.agreement.track import Track
from mcukd.observation.clocks.clock_map import COVERAGE
from mcukd.observation.clocks.ethograms import NS, EthogramOffset, NotEnough, find_offset, offsets_of_halves
from mcukd.text import listed

#: A tag of half and half of the time moved by this many of their uncertainties is said to drift.
_DRIFTS = 3.0


def aligned(labels: Sequence[Track], tags: Sequence[Track]) -> tuple[list[Track], float, list[str]]:
    """Return the tags' tracks, moved; by how much their times may be off now, in s; and notes.

    Each tag is moved by the offset at which it agrees best with the labels of its animal. Raises UserError
    where the accounts do not tell an offset, or where two observers' do not tell the same.
    """
    moved, notes, tolerance = [], [], 0.0
    for tag in tags:
        found = [_offset(track, tag) for track in labels if track.animal == tag.animal]
        best = min(found, key=lambda one: one.uncertainty_s)
        _refuse_apart(tag, found)
        lag = round(best.lag_s * NS)
        moved.append(replace(tag, starts=tag.starts + lag, ends=tag.ends + lag))
        tolerance = max(tolerance, COVERAGE * best.uncertainty_s)
        notes.append(
            f"{tag.animal or 'the animal'}: {best.lag_s:+.1f} s are added to the tag's times, ± "
            f"{COVERAGE * best.uncertainty_s:.1f} s, where both agree in {best.agreement:.0%} of the time; "
            f"at any other offset it is {best.elsewhere:.0%} at most. An observer's delay is part of it, and "
            "agreement after such a move is a little too good, as the move was chosen by it."
        )
        notes += _drift(labels, tag, best)
    return moved, tolerance, notes


def _offset(labels: Track, tag: Track) -> EthogramOffset:
    found = find_offset(labels, tag)
    if isinstance(found, NotEnough):
        raise UserError(f"{tag.animal or 'the animal'}: --align finds no offset: {found.why}")
    return found


def _refuse_apart(tag: Track, found: Sequence[EthogramOffset]) -> None:
    lags = [one.lag_s for one in found]
    if max(lags) - min(lags) > COVERAGE * sum(one.uncertainty_s for one in found):
        said = listed(f"{lag:+.1f} s" for lag in lags)
        raise UserError(
            f"{tag.animal or 'the animal'}: --align finds other offsets with each observer: {said}; compare "
            "with one observer at a time, or give --offset."
        )


def _drift(labels: Sequence[Track], tag: Track, whole: EthogramOffset) -> list[str]:
    """Say where the offsets of the two halves differ, which one offset for all does not put right."""
    track = next(one for one in labels if one.animal == tag.animal)
    one, two = offsets_of_halves(track, tag, whole)
    if one is None or two is None:
        return []
    apart, hours = two.lag_s - one.lag_s, (two.middle_ns - one.middle_ns) / NS / 3600
    if hours <= 0 or abs(apart) < _DRIFTS * (one.uncertainty_s**2 + two.uncertainty_s**2) ** 0.5:
        return []
    # A clock that is slow needs more and more added.
    return [
        f"{tag.animal or 'the animal'}: in the second half of the time it is {apart:+.1f} s more than in the "
        f"first: the tag's clock drifts by about {apart / hours:.2f} s/h or jumped; "
        f"--drift {-apart / hours / 3600 * 1e6:.0f} takes a drift out."
    ]
