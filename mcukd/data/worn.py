"""Mounting of the sensors that a model was trained on, by the direction of gravity, and that of a recording.

Gravity shows axes that are swapped or point the other way where it lies on them. It does not show a turn
about the vertical, nor two axes swapped that are both level.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import permutations, product
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mcukd.data.windows import Windows

#: Where a study's manifest keeps it.
WORN = "worn"
#: A recording's gravity may lie so many degrees off the training animals' mean, or off the farthest of them.
LIMIT_DEGREES, BEYOND_FARTHEST, MOST_DEGREES = 60.0, 30.0, 85.0
#: Below this length in g a mean vector says nothing: the animal lay in every way, or was turned over.
LEAST_LENGTH = 0.35
#: Mean length of the animals' directions below which they have no direction in common.
LEAST_AGREEMENT = 0.5
_CURED = 30.0


@dataclass(frozen=True)
class Worn:
    """Axes of the training data, its mounting, and each animal's mean vector in g."""

    axes: tuple[str, ...]
    mounting: str
    gravity_g: Mapping[str, tuple[float, ...]]

    def as_dict(self) -> dict[str, Any]:
        """Return it for a manifest."""
        vectors = {animal: [round(value, 4) for value in vector] for animal, vector in self.gravity_g.items()}
        return {"axes": list(self.axes), "mounting": self.mounting, "gravity_g": vectors}


@dataclass(frozen=True)
class Fit:
    """How a recording's gravity goes with the training data's. degrees: None where it cannot be compared.

    note: what was found, as a clause. refused: whether an axis is swapped or points the other way.
    """

    degrees: float | None
    note: str
    refused: bool = False


def worn_in(windows: Windows, axes: Sequence[str], mounting: str) -> Worn:
    """Return how sensors sat in the windows (N, T, 3) a model learns from."""
    samples = windows.counts.mean(axis=1, dtype=np.float64) / windows.counts_per_g
    names = sorted(set(windows.animals.tolist()))
    return Worn(
        tuple(axes),
        mounting,
        {str(name): tuple(samples[windows.animals == name].mean(axis=0).tolist()) for name in names},
    )


def worn_from(facts: Mapping[str, Any] | None) -> Worn | None:
    """Return what `Worn.as_dict` wrote; None for nothing."""
    if facts is None:
        return None
    gravity = {str(animal): tuple(map(float, vector)) for animal, vector in facts["gravity_g"].items()}
    return Worn(tuple(facts["axes"]), str(facts["mounting"]), gravity)


def compare(worn: Worn, mean_g: NDArray[np.float64], columns: Sequence[str]) -> Fit:
    """Compare a recording's mean vector (3,) in g with the training data's.

    columns: what the recording calls its axes, in the model's order.
    """
    if worn.mounting == "any":
        return Fit(None, 'axes are not compared, for the model learned to be worn in any way ("any")')
    learned = np.array(list(worn.gravity_g.values()))
    directions = learned / np.maximum(np.linalg.norm(learned, axis=1, keepdims=True), 1e-9)
    mean = directions.mean(axis=0)
    agreement = float(np.linalg.norm(mean))
    if agreement < LEAST_AGREEMENT:
        return Fit(None, "axes are not compared, for gravity lay otherwise on each animal before")
    mean /= agreement
    length = float(np.linalg.norm(mean_g))
    if length < LEAST_LENGTH:
        return Fit(None, f"axes are not compared, for the mean vector is only {length:.2f} g long")
    own = mean_g / length
    degrees = _angle(own, mean)
    farthest = max(_angle(one, mean) for one in directions)
    if degrees <= min(MOST_DEGREES, max(LIMIT_DEGREES, farthest + BEYOND_FARTHEST)):
        return Fit(degrees, f"gravity lies {degrees:.0f}° from where it lay in the training")
    heaviest, wanted = int(np.argmax(np.abs(own))), int(np.argmax(np.abs(mean)))
    average = float(learned.mean(axis=0)[wanted])
    return Fit(
        degrees,
        f"gravity lies on {columns[heaviest]}, which reads {_signed(mean_g[heaviest])} g on average, where "
        f"the model learned it on {worn.axes[wanted]} ({_signed(average)} g; every animal within "
        f"{farthest:.0f}°), {degrees:.0f}° away; {_remedy(own, mean, columns)}",
        refused=True,
    )


def _remedy(own: NDArray[np.float64], mean: NDArray[np.float64], columns: Sequence[str]) -> str:
    """Say which swap of columns, or else which signs, would bring the gravity where the model has it."""
    swaps = sorted(
        permutations(range(3)), key=lambda order: (round(_angle(own[list(order)], mean)), _moved(order))
    )
    if _angle(own[list(swaps[0])], mean) <= _CURED:
        return f"its axes seem swapped: {','.join(columns[place] for place in swaps[0])} would fit"
    ways = [np.array(signs) for signs in product((1, -1), repeat=3)]
    fewest = [signs for signs in ways if _angle(own * signs, mean) <= _CURED]
    if fewest:
        signs = min(fewest, key=lambda one: int(np.sum(one < 0)))
        turned = [columns[place] for place in range(3) if signs[place] < 0]
        verb = "points" if len(turned) == 1 else "point"
        return (
            f"{' and '.join(turned)} {verb} the other way: turn the sign, or the sensor was worn upside down"
        )
    return "its axes are others than the model's, or the sensor was worn in another way"


def _moved(order: Sequence[int]) -> int:
    return sum(place != number for number, place in enumerate(order))


def _angle(one: NDArray[np.float64], other: NDArray[np.float64]) -> float:
    return float(np.degrees(np.arccos(np.clip(one @ other, -1, 1))))


def _signed(value: float) -> str:
    return f"{'+' if value >= 0 else '-'}{abs(value):.2f}"
