"""Six-position calibration: what is found, and what is refused."""

from __future__ import annotations

import numpy as np
import pytest

from mcukd.errors import UserError
from mcukd.tag.provision import Calibration, calibrated
from mcukd.tag.six_positions import SIDES, Rest, fit, side_of

PER_G = 8192


def rest(mean: list[float], spread: float = 0.01) -> Rest:
    return Rest(np.array(mean), np.full(3, spread))


def tilted(side: str, degrees: float, turn: float) -> np.ndarray:
    """The direction of gravity's reaction on a side that is tilted towards another axis."""
    up, sign = "xyz".index(side[1]), -1 if side[0] == "-" else 1
    direction = np.zeros(3)
    direction[up] = sign * np.cos(np.radians(degrees))
    direction[(up + 1) % 3] = np.sin(np.radians(degrees)) * np.cos(turn)
    direction[(up + 2) % 3] = np.sin(np.radians(degrees)) * np.sin(turn)
    return direction


SLANT = np.array([0.6, -0.5, np.sqrt(1 - 0.61)])


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("most_tilt", [0, 8])
def test_errors_of_the_data_sheets_size_are_found(seed: int, most_tilt: float) -> None:
    rng = np.random.default_rng(seed)
    gain, offset = 1 + rng.uniform(-0.03, 0.03, 3), rng.uniform(-1, 1, 3) * [0.06, 0.06, 0.08]

    def measure(direction: np.ndarray) -> Rest:
        return Rest(direction * gain + offset, np.full(3, 0.01))

    sides = [measure(tilted(side, most_tilt, rng.uniform(0, 6.3))) for side in SIDES]
    assert [side_of(one, SIDES[:n]) for n, one in enumerate(sides)] == list(SIDES)
    found = fit(sides, measure(SLANT), PER_G)
    assert max(map(abs, found.residual_mg)) < 0.2 and abs(found.check_mg) < 0.2
    for _ in range(200):
        direction = rng.normal(size=3)
        direction /= np.linalg.norm(direction)
        counts = np.round((direction * gain + offset) * PER_G).astype(np.int32)
        used = calibrated(counts, found.calibration, 16, 4)
        assert np.abs(used / 512 - direction).max() < 0.0015  # half a count is 1 mg


@pytest.mark.parametrize(
    ("mean", "spread", "taken", "words"),
    [
        ([0.7, 0.7, 0.1], 0.01, (), "lies on none of its six sides: it measures x \\+0.700"),
        ([0.9, 0.4, 0.1], 0.01, (), "at most 0.35 along the others"),
        ([0.5, 0.1, 0.0], 0.01, (), "none of its six sides"),
        ([1.3, 0.0, 0.0], 0.01, (), "none of its six sides"),
        ([1.0, 0.0, 0.0], 0.3, (), "the tag moved: an axis changed by 0.30 g"),
        ([0.0, -1.0, 0.0], 0.01, ("+x", "-y"), "lain on this side already: -y"),
    ],
)
def test_a_tag_that_is_held_wrong_is_refused(
    mean: list[float], spread: float, taken: tuple, words: str
) -> None:
    with pytest.raises(UserError, match=words):
        side_of(rest(mean, spread), taken)


def test_calibrations_that_cannot_be_are_refused() -> None:
    right = [rest(list(tilted(side, 0, 0))) for side in SIDES]
    assert fit(right, rest(list(SLANT)), PER_G).calibration == Calibration((0, 0, 0), (16_384,) * 3)
    with pytest.raises(UserError, match="axis x would need an offset of \\+0.250"):
        fit([Rest(one.mean + np.array([0.25, 0, 0]), one.spread) for one in right], rest(list(SLANT)), PER_G)
    with pytest.raises(UserError, match="not slanted"):
        fit(right, rest([0, 0, 1.0]), PER_G)
    with pytest.raises(UserError, match="does not hold in the check position: \\+40.0 mg"):
        fit(right, rest(list(1.04 * SLANT)), PER_G)
    with pytest.raises(UserError, match="moved"):
        fit(right, rest(list(SLANT), 0.2), PER_G)
