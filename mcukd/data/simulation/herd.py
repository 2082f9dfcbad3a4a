"""A simulated herd: labelled bouts of triaxial acceleration from a collar or an ear tag.

SIMULATED: no animal wore it. For development, demonstrations and tests where no data may travel. Scores on
it say nothing about real animals.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from mcukd.data.counts import count_limits, to_counts
from mcukd.data.raw_segments import RawSegment
from mcukd.data.sections import Signal
from mcukd.data.simulation.motion import BEHAVIOURS, Motion, Traits, draw_traits, ear_flicks
from mcukd.errors import UserError

# Part of a data set's identity: raise it with every change that moves a sample.
SIMULATOR_VERSION = 2

# Share of an animal's time, and the shortest and longest bout in seconds. Drinking and walking get more
# than the 5 % and 8 % of the Armidale collars, so that a held-out animal has enough windows of each.
SHARES = {"grazing": 0.38, "walking": 0.12, "ruminating": 0.20, "resting": 0.20, "drinking": 0.10}
BOUT_SECONDS = {
    "grazing": (20, 90),
    "walking": (10, 35),
    "ruminating": (15, 60),
    "resting": (15, 60),
    "drinking": (10, 35),
}
NOISE_G = 0.003


def simulate_herd(
    card: str, animals: int, minutes_per_animal: float, position: str, signal: Signal, seed: int
) -> Iterator[RawSegment]:
    """Yield the bouts of a herd, animal by animal, in g and in steps of the sensor.

    card: name for messages. position: "collar" or "eartag". The same arguments give the same samples; animals
    are drawn independently, so a larger herd begins with the smaller one. Raises UserError for another
    position.
    """
    if position == "other":
        raise UserError(f'card {card}: position is "other", but the simulator makes "collar" or "eartag"')
    for number in range(animals):
        rng = np.random.default_rng([seed, number, position == "eartag"])
        yield from _animal(position, signal, f"sim{number + 1:03d}", minutes_per_animal * 60, rng)


def _animal(
    position: str, signal: Signal, name: str, seconds: float, rng: np.random.Generator
) -> Iterator[RawSegment]:
    traits = draw_traits(rng)
    mounting = rng.normal(0, (12, 8, 8))  # roll, pitch, yaw of the sensor on this animal, degrees
    gain, offset = rng.normal(1, 0.015, 3), rng.normal(0, 0.01, 3)
    slip = 0.0
    for number, (behaviour, bout_seconds) in enumerate(_bouts(seconds, rng), start=1):
        n = int(bout_seconds * signal.rate_hz)
        slip_after = 0.8 * slip + rng.normal(0, 4)
        make = _ear_tag if position == "eartag" else _collar
        acceleration = make(traits, behaviour, rng, n, signal.rate_hz)
        # A strap turns about the neck, an ear tag about its pin: both about x, slowly.
        roll = mounting[0] + np.linspace(slip, slip_after, n)
        acceleration = _mounted(acceleration, roll, mounting[1], mounting[2])
        acceleration = acceleration * gain + offset + rng.normal(0, NOISE_G, acceleration.shape)
        samples = to_counts(acceleration, signal.counts_per_g, count_limits(signal)) / signal.counts_per_g
        origin = f"simulated bout {number} of animal {name}"
        # Bouts follow each other without a gap: together they are one recording of the animal.
        yield RawSegment(name, behaviour, f"simulated animal {name}", samples, None, origin)
        slip = slip_after


def _bouts(seconds: float, rng: np.random.Generator) -> list[tuple[str, float]]:
    """Draw bouts of every behaviour until its share of the time is full, in random order."""
    bouts = []
    for behaviour, share in SHARES.items():
        left = share * seconds
        shortest, longest = BOUT_SECONDS[behaviour]
        while left > 0:
            length = min(rng.uniform(shortest, longest), max(left, shortest))
            bouts.append((behaviour, float(length)))
            left -= length
    return [bouts[number] for number in rng.permutation(len(bouts))]


def _posture(
    traits: Traits, behaviour: str, rng: np.random.Generator, motion: Motion
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Add the animal's and the bout's posture; return pitch and roll in radians."""
    pitch = motion.pitch + traits.pitch[behaviour] + rng.normal(0, 6)
    return np.radians(pitch), np.radians(motion.roll + rng.normal(0, 6))


def _collar(
    traits: Traits, behaviour: str, rng: np.random.Generator, n: int, rate_hz: float
) -> NDArray[np.float64]:
    """Acceleration (n, 3) in g at the neck: z is about -1, and x grows as the head goes down."""
    motion = BEHAVIOURS[behaviour](traits, rng, n, rate_hz)
    pitch, roll = _posture(traits, behaviour, rng, motion)
    gravity = np.stack([np.sin(pitch), np.cos(pitch) * np.sin(roll), -np.cos(pitch) * np.cos(roll)], axis=1)
    return gravity + motion.linear


def _ear_tag(
    traits: Traits, behaviour: str, rng: np.random.Generator, n: int, rate_hz: float
) -> NDArray[np.float64]:
    """Acceleration (n, 3) in g at a hanging ear: x is mostly along gravity, and the ear flicks."""
    motion = BEHAVIOURS[behaviour](traits, rng, n, rate_hz)
    pitch, roll = _posture(traits, behaviour, rng, motion)
    tilt = np.radians(15) + 0.35 * pitch
    turn = np.radians(25) + roll
    gravity = np.stack([np.cos(tilt), np.sin(tilt) * np.sin(turn), np.sin(tilt) * np.cos(turn)], axis=1)
    # The ear hangs down where the neck points forward, so forward becomes its z and up its x.
    linear = 0.8 * motion.linear[:, [2, 1, 0]]
    return gravity + linear + ear_flicks(traits, behaviour, rng, n, rate_hz)


def _mounted(
    acceleration: NDArray[np.float64],
    roll_degrees: NDArray[np.float64],
    pitch_degrees: float,
    yaw_degrees: float,
) -> NDArray[np.float64]:
    """Turn (n, 3) by a constant yaw and pitch and a slowly changing roll (n,) about x."""
    a, b = np.radians(pitch_degrees), np.radians(yaw_degrees)
    tilt = np.array([[np.cos(a), 0, np.sin(a)], [0, 1, 0], [-np.sin(a), 0, np.cos(a)]])
    swing = np.array([[np.cos(b), -np.sin(b), 0], [np.sin(b), np.cos(b), 0], [0, 0, 1]])
    x, y, z = (acceleration @ (tilt @ swing).T).T
    cos, sin = np.cos(np.radians(roll_degrees)), np.sin(np.radians(roll_degrees))
    return np.stack([x, cos * y - sin * z, sin * y + cos * z], axis=1)
