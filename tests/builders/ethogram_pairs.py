"""Accounts of one animal by an observer and by a tag whose clock is off."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from mcukd.metrics.agreement.track import NS, Track

CLASSES = ("grazing", "walking", "resting")
START = 1_780_000_000 * NS


def animal(rng, bouts=60, mean_s=60.0):
    """An observer's account of an animal."""
    lengths = (5 + rng.exponential(mean_s, bouts)) * NS
    edges = START + np.append(0, np.cumsum(lengths)).astype(np.int64)
    behaviours = np.cumsum(rng.integers(1, len(CLASSES), bouts)) % len(CLASSES)
    return Track("cow", "the observer", CLASSES, edges[:-1], edges[1:], behaviours)


def tag_of(truth, rng, lag_s, drift=0.0, hop_s=2.0, right=0.9):
    """What a tag says whose clock is behind by lag_s, with `right` of its results right."""
    ends = np.arange(START, truth.ends[-1], round(hop_s * NS))
    said = truth.at(ends)
    wrong = rng.random(len(said)) > right
    said = np.where(wrong, rng.integers(0, len(CLASSES), len(said)), said)
    ends = ends - round(lag_s * NS) - ((ends - START) * drift).astype(np.int64)
    return Track("cow", "the tag", CLASSES, ends[:-1], ends[1:], said[:-1]).bouts()


def moved(track, lag):
    return replace(track, starts=track.starts + lag, ends=track.ends + lag)
