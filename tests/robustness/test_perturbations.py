"""Perturbations: identities, invariants and seeds."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mcukd.data.card import load_card
from mcukd.data.counts import count_limits
from mcukd.errors import UserError
from mcukd.robustness.perturbations import (
    PERTURBATIONS,
    Perturbation,
    Sensor,
    at_rate,
    chosen,
    clipped,
    flipped,
    lossy,
    noisy,
    scaled,
    turned,
)

SENSOR = Sensor(counts_per_g=4096, range_g=8, neck_axis=1)
COUNTS_PER_G = 4096
BY_NAME = PERTURBATIONS
angles = st.floats(-720, 720)
seeds = st.integers(0, 10_000)


def windows(seed: int, count: int = 4, steps: int = 30, reach: float = 1.5) -> np.ndarray:
    """Counts within `reach` g, far from the limits."""
    rng = np.random.default_rng(seed)
    return np.round(rng.uniform(-reach, reach, (count, steps, 3)) * COUNTS_PER_G).astype(np.int16)


def lengths(counts: np.ndarray) -> np.ndarray:
    return np.linalg.norm(counts.astype(np.float64), axis=2)


@pytest.mark.parametrize("perturbation", PERTURBATIONS.values(), ids=lambda one: one.name)
def test_level_0_is_identity_and_every_level_keeps_shape_type_and_input(perturbation: Perturbation) -> None:
    counts = windows(1)
    counts[0, 0] = -32768
    before = counts.copy()
    assert 0 in perturbation.levels and list(perturbation.levels) == sorted(perturbation.levels)
    np.testing.assert_array_equal(perturbation(counts, SENSOR, 0), before)
    for level in perturbation.levels:
        changed = perturbation(counts, SENSOR, level, seed=3)
        assert changed.shape == counts.shape and changed.dtype == np.int16
        np.testing.assert_array_equal(changed, perturbation(counts, SENSOR, level, seed=3))
        if level and perturbation.name != "clip":
            assert np.any(changed != before), level
        assert perturbation.label(level, SENSOR)
    np.testing.assert_array_equal(counts, before)


def test_only_noise_and_losses_depend_on_the_seed_and_levels_draw_anew() -> None:
    counts = windows(2)
    for one in PERTURBATIONS.values():
        first, second = (one(counts, SENSOR, one.levels[-1], seed) for seed in (0, 1))
        assert np.array_equal(first, second) == (one.name not in ("noise", "drop")), one.name
    noise = BY_NAME["noise"]
    small, large = (noise(counts, SENSOR, level, 0).astype(int) - counts for level in (50, 100))
    assert abs(np.corrcoef(small.ravel(), large.ravel())[0, 1]) < 0.3


@given(seeds, angles)
def test_turning_conserves_length_within_rounding_and_the_neck_axis_exactly(seed: int, angle: float) -> None:
    counts = windows(seed)
    changed = turned(counts, SENSOR, angle)
    assert np.abs(lengths(changed) - lengths(counts)).max() <= np.sqrt(2) / 2 + 1e-6
    np.testing.assert_array_equal(changed[..., 1], counts[..., 1])


@given(seeds, angles)
def test_turning_back_and_by_whole_turns_is_identity_within_rounding(seed: int, angle: float) -> None:
    counts = windows(seed).astype(np.int64)
    there = turned(counts.astype(np.int16), SENSOR, angle)
    assert np.abs(turned(there, SENSOR, -angle) - counts).max() <= 2
    for whole in (360.0, -360.0, 720.0):
        np.testing.assert_array_equal(turned(counts.astype(np.int16), SENSOR, whole), counts)


def test_a_quarter_turn_about_y_takes_x_to_minus_z_and_half_a_turn_reverses_both() -> None:
    counts = np.array([[[1000, 200, 0]]], np.int16)
    np.testing.assert_array_equal(np.abs(turned(counts, SENSOR, 90)), [[[0, 200, 1000]]])
    np.testing.assert_array_equal(turned(counts, SENSOR, 180), [[[-1000, 200, 0]]])
    with pytest.raises(ValueError, match="2 axes"):
        turned(counts[..., :2], SENSOR, 90)


@given(seeds, st.integers(0, 2))
def test_flipping_twice_is_identity_and_conserves_energy(seed: int, axis: int) -> None:
    counts = windows(seed)
    once = flipped(counts, SENSOR, axis)
    np.testing.assert_array_equal(flipped(once, SENSOR, axis), counts)
    np.testing.assert_array_equal(lengths(once), lengths(counts))
    others = [other for other in range(3) if other != axis]
    np.testing.assert_array_equal(once[..., others], counts[..., others])
    np.testing.assert_array_equal(once[..., axis], -counts[..., axis])


def test_the_lowest_count_has_no_opposite_and_flips_to_the_highest() -> None:
    lowest = np.full((1, 2, 3), -32768, np.int16)
    assert flipped(lowest, SENSOR, 0)[0, 0].tolist() == [32767, -32768, -32768]


@given(seeds, st.floats(-20, 20))
def test_gain_scales_each_axis_within_rounding(seed: int, percent: float) -> None:
    counts = windows(seed)
    changed = scaled(counts, SENSOR, [percent, 0, -percent])
    wanted = counts * (1 + np.array([percent, 0, -percent]) / 100)
    assert np.abs(changed - wanted).max() <= 0.5 + 1e-9


def test_counts_saturate_at_the_sensor_s_range_not_at_16_bits() -> None:
    small = Sensor(counts_per_g=512, range_g=4)
    assert small.limits(4) == count_limits(load_card("herd-sim").signal) == (-2048, 2047)
    counts = np.array([[[2000, -2000, 100]]], np.int16)
    assert scaled(counts, small, [20, 20, 20])[0, 0].tolist() == [2047, -2048, 120]
    assert Sensor.of(load_card("cow-collar")).neck_axis == 1


@settings(deadline=None)
@given(seeds, st.integers(2, 80))
def test_no_rate_error_is_identity(seed: int, steps: int) -> None:
    counts = windows(seed, steps=steps)
    np.testing.assert_array_equal(at_rate(counts, SENSOR, 0), counts)


@settings(deadline=None)
@given(st.floats(0.2, 3.0), st.floats(0, 6), st.sampled_from([-10, -5, 5, 10]))
def test_a_rate_error_scales_frequencies_and_keeps_their_height(hz: float, phase: float, error: int) -> None:
    """Straight lines between samples would lose a fifth of a 3 Hz movement at 10 Hz."""
    time = (np.arange(60) - 29.5) / 10
    counts = np.round(4000 * np.sin(2 * np.pi * hz * time + phase)).astype(np.int16)
    changed = at_rate(np.tile(counts[None, :, None], (1, 1, 3)), SENSOR, error)[0, :, 0]
    wanted = 4000 * np.sin(2 * np.pi * hz / (1 + error / 100) * time + phase)
    assert np.abs(changed - wanted)[15:-15].max() < 4000 * 0.12


def test_a_rate_error_conserves_the_energy_of_broad_noise_and_constants() -> None:
    counts = np.round(np.random.default_rng(0).normal(0, 1000, (400, 50, 3))).astype(np.int16)
    for error in (-20, -2, 2, 20):
        assert at_rate(counts, SENSOR, error).std() == pytest.approx(counts.std(), rel=0.03), error
        constant = np.full((1, 50, 3), 1234, np.int16)
        np.testing.assert_array_equal(at_rate(constant, SENSOR, error), constant)


def test_noise_has_the_stated_rms_and_no_mean() -> None:
    counts = np.zeros((200, 100, 3), np.int16)
    noise = noisy(counts, SENSOR, 50, np.random.default_rng(0)) / COUNTS_PER_G * 1000
    assert noise.std() == pytest.approx(50, rel=0.02)
    assert abs(noise.mean()) < 1


@given(seeds, st.integers(0, 100))
def test_lost_samples_are_held_whole_and_counted(seed: int, percent: int) -> None:
    steps = 400
    counts = (np.arange(steps)[None, :, None] + np.array([0, 1000, 2000])).astype(np.int16)
    changed = lossy(counts, percent, np.random.default_rng(seed))[0]
    lost = changed[:, 0] != np.arange(steps)
    # Every lost sample is the one before it as handed out, on all axes at once.
    np.testing.assert_array_equal(changed[1:][lost[1:]], changed[:-1][lost[1:]])
    np.testing.assert_array_equal(changed - changed[:, :1], np.tile([0, 1000, 2000], (steps, 1)))
    assert not lost[0]
    assert abs(lost[1:].mean() - percent / 100) < 0.13
    assert percent not in (0, 100) or lost[1:].mean() == percent / 100


def test_clipping_cuts_at_the_halved_range_and_nothing_else() -> None:
    counts = windows(5, reach=7.9)
    for halvings in (1, 2, 3):
        limit = 8 * COUNTS_PER_G // 2**halvings
        changed = clipped(counts, SENSOR, halvings)
        assert changed.min() == -limit and changed.max() == limit - 1
        inside = (counts >= -limit) & (counts < limit)
        np.testing.assert_array_equal(changed[inside], counts[inside])
    assert BY_NAME["clip"].label(2, SENSOR) == "±2 g"
    assert BY_NAME["flip"].label(2, replace(SENSOR, axes=("a", "b", "c"))) == "axis b"
    assert BY_NAME["rotation"].label(-45, SENSOR) == "−45°"
    assert BY_NAME["gain"].label(5, SENSOR) == "+5 %"


def test_perturbations_are_chosen_by_name_and_a_wrong_one_is_named() -> None:
    assert chosen([]) == list(PERTURBATIONS.values())
    assert [one.name for one in chosen(["clip", "flip"])] == ["flip", "clip"]
    with pytest.raises(UserError, match="'rotatoin' .did you mean 'rotation'.*gain-axes"):
        chosen(["rotatoin"])
