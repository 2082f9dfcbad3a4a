"""Scripted observer: presses the keys that someone would who sees a simulated animal, with mistakes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mcukd.metrics.agreement.track import Track
from mcukd.observation.script import Command

NS = 1_000_000_000


@dataclass(frozen=True)
class Habits:
    """How an observer errs. reaction_s: mean time from a change to the key, spread_s: standard deviation.

    missed: share of bouts whose begin is not noticed, so that the behaviour before seems to go on. wrong:
    share of bouts told as another behaviour. seed: the same habits press the same keys.
    """

    reaction_s: float = 0.8
    spread_s: float = 0.3
    missed: float = 0.03
    wrong: float = 0.03
    seed: int = 0


@dataclass(frozen=True)
class Keys:
    """What a scripted observer presses, in order of time, and how many bouts were missed or wrong."""

    commands: tuple[Command, ...]
    bouts: int
    missed: int
    wrong: int


def keys_for(truth: Track, began_ns: int, habits: Habits) -> Keys:
    """Return the keys that an observer presses who watches an animal.

    truth: what it does. began_ns: begin of the session. The session ends with the truth. A key that would
    come after the next bout has begun is pressed just before that.
    """
    rng = np.random.default_rng(habits.seed)
    bouts = truth.bouts()
    commands, missed, wrong = [], 0, 0
    for number in range(len(bouts)):
        start, end, code = (int(part[number]) for part in (bouts.starts, bouts.ends, bouts.behaviours))
        delay = max(0.0, rng.normal(habits.reaction_s, habits.spread_s))
        draws, other = rng.random(2), int(rng.integers(1, max(len(truth.classes), 2)))
        at_s = (start - began_ns) / NS + min(delay, 0.9 * (end - start) / NS)
        if number and draws[0] < habits.missed:
            missed += 1
        else:
            is_wrong = draws[1] < habits.wrong and len(truth.classes) > 1
            wrong += int(is_wrong)
            told = truth.classes[(code + other) % len(truth.classes) if is_wrong else code]
            commands.append(Command(at_s, "b", (truth.animal, told), f"bout {number + 1}"))
        gap = number + 1 == len(bouts) or int(bouts.starts[number + 1]) > end
        if gap and number + 1 < len(bouts):
            commands.append(Command((end - began_ns) / NS, "o", (truth.animal,), f"bout {number + 1}"))
    if len(bouts):
        commands.append(Command((int(bouts.ends[-1]) - began_ns) / NS, "end", (), "the end"))
    return Keys(tuple(commands), len(bouts), missed, wrong)
