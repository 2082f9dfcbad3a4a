"""Synthetic outliers: unlike any training window, and the same for the same seed."""

from __future__ import annotations

import numpy as np
from builders.students import random_windows

from mcukd.training.outliers import movement_features, synthetic_outliers


def walkers(count: int = 300) -> np.ndarray:
    """Windows of one kind of movement, some quieter and some turned."""
    rng = np.random.default_rng(0)
    time = np.arange(40)[None, :, None] / 10
    size = rng.uniform(800, 1200, (count, 1, 3))
    phase = rng.uniform(0, 6, (count, 1, 1))
    gravity = rng.normal(size=(count, 1, 3))
    gravity *= 4096 / np.linalg.norm(gravity, axis=2, keepdims=True)
    values = gravity + size * np.sin(2 * np.pi * 1.5 * time + phase) + rng.normal(0, 30, (count, 40, 3))
    return np.rint(values).astype(np.int16)


def test_outliers_move_otherwise_than_all_that_is_known() -> None:
    known = walkers()
    found = synthetic_outliers(known, 150, seed=1)
    assert found.shape == (150, 40, 3) and found.dtype == np.int16
    features, others = movement_features(known), movement_features(found)
    scale = features.std(axis=0)
    nearest = np.array([np.sqrt((((features - one) / scale) ** 2).sum(axis=1)).min() for one in others])
    among = [np.sort(np.sqrt((((features - one) / scale) ** 2).sum(axis=1)))[1] for one in features]
    assert np.median(nearest) > 4 * np.median(among)


def test_the_same_seed_makes_the_same_windows() -> None:
    known = walkers(120)
    first, again, other = (synthetic_outliers(known, 60, seed) for seed in (3, 3, 4))
    assert np.array_equal(first, again) and not np.array_equal(first, other)


def test_features_do_not_depend_on_how_the_sensor_is_turned() -> None:
    counts = walkers(20)
    turned = counts[:, :, [1, 2, 0]] * np.array([1, -1, 1], np.int16)
    np.testing.assert_allclose(movement_features(turned), movement_features(counts), rtol=1e-9)


def test_windows_that_are_everything_leave_few_outliers_and_no_error() -> None:
    found = synthetic_outliers(random_windows(30, 20).counts, 10, seed=0)
    assert found.shape[1:] == (20, 3) and len(found) <= 10
