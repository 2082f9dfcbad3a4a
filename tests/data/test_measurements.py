"""Rows that are no measurement: which are found, and that animals at rest are not among them."""

from __future__ import annotations

import math

import numpy as np
import pytest

from mcukd.data.measurements import (
    frozen_length,
    frozen_rows,
    grain,
    repeated_runs,
    sentinel_rows,
    sentinel_values,
    suspect_rows,
    zero_rows,
)


def recording(rows: int = 3000, noise: float = 0.01, seed: int = 0, scale: float = 1.0) -> np.ndarray:
    """Half grazing, half at rest, in g times `scale`: (rows, 3)."""
    rng = np.random.default_rng(seed)
    time = np.arange(rows) / 10
    lively = (np.arange(rows) % 600 < 300)[:, None]
    swing = 0.4 * np.sin(2 * np.pi * 1.3 * time)[:, None] * np.array([1.0, 0.2, 0.1])
    return scale * (np.array([0.1, 0.2, -0.95]) + lively * swing + rng.normal(0, noise, (rows, 3)))


def coarsely(samples: np.ndarray, step: float) -> np.ndarray:
    return np.round(samples / step) * step


def test_zeros_are_told_on_all_axes_only() -> None:
    samples = np.array([[0.0, 0, 0], [-0.0, 0, 0], [0, 0, 1], [1e-9, 0, 0]])
    assert zero_rows(samples).tolist() == [True, True, False, False]


@pytest.mark.parametrize(
    ("step", "scale", "length"),
    [(1e-4, 1.0, 15), (1e-3, 1.0, 60), (0.01, 9.81, 60), (1.0, 1000.0, 60), (1.0, 4096.0, 15)],
)
def test_a_sensor_that_stands_still_is_told(step: float, scale: float, length: int) -> None:
    samples = coarsely(recording(scale=scale), step)
    samples[700 : 700 + length] = samples[700]
    mask = frozen_rows(samples, 10.0)
    assert mask.sum() == length - 1 and mask[701 : 700 + length].all()


@pytest.mark.parametrize("step", [1 / 64, 1 / 16, 0.05, 0.1, 0.01, 1 / 256])
@pytest.mark.parametrize("noise", [0.0005, 0.002, 0.004])
@pytest.mark.parametrize("centred", [True, False])
def test_an_animal_at_rest_on_a_coarse_sensor_is_kept(step: float, noise: float, centred: bool) -> None:
    samples = coarsely(recording(noise=noise), step)
    if centred:
        rest = np.arange(len(samples)) % 600 >= 300
        samples[rest] = np.round(np.array([0.1, 0.2, -0.95]) / step) * step
    assert not frozen_rows(samples, 10.0).any()


def test_a_coarse_rest_that_lasts_is_told_as_a_suspicion() -> None:
    samples = coarsely(recording(noise=0.001), 0.05)
    rest = np.arange(len(samples)) % 600 >= 300
    samples[rest] = samples[400]
    # The first reading of each rest is one; a swing may pass the same values before or after.
    assert abs(suspect_rows(samples, 10.0).sum() - (rest.sum() - 5)) <= 5
    assert not suspect_rows(recording(), 10.0).any()


def test_a_coarse_sensor_that_scatters_even_at_rest_is_frozen_after_half_a_minute() -> None:
    samples = coarsely(recording(noise=0.006), 0.004)
    samples[700:1100] = samples[700]
    assert frozen_rows(samples, 10.0).sum() == 399
    samples[1200:1400] = samples[1200]
    assert frozen_rows(samples, 10.0)[1200:1400].sum() == 0


def test_a_slow_sensor_in_fast_rows_is_not_frozen() -> None:
    held = np.repeat(recording(300), 20, axis=0)
    assert not frozen_rows(held, 200.0).any()


def test_a_recording_of_one_value_says_nothing_of_its_grain() -> None:
    assert math.isinf(frozen_length(grain(np.ones((500, 3)))))
    assert math.isinf(frozen_length(grain(np.empty((0, 3)))))


def test_runs_are_found_at_both_ends() -> None:
    samples = np.array([[1.0, 1, 1]] * 3 + [[2.0, 1, 1]] + [[3.0, 1, 1]] * 4)
    assert repeated_runs(samples, 3).tolist() == [[0, 3], [4, 8]]
    assert repeated_runs(np.empty((0, 3)), 3).tolist() == []


@pytest.mark.parametrize(
    ("scale", "value"),
    [(1.0, -9999.0), (1.0, 999.0), (9.81, 999.0), (1000.0, 65535.0), (256.0, -32768.0), (1.0, 12345678.0)],
)
@pytest.mark.parametrize("axes", [slice(None), slice(1, 2)])
def test_values_that_stand_for_missing_are_told(scale: float, value: float, axes: slice) -> None:
    samples = recording(scale=scale)
    samples[::97, axes] = value
    assert sentinel_values(samples) == (value,)
    assert sentinel_rows(samples, (value,)).sum() == len(samples[::97])


@pytest.mark.parametrize("scale", [2048.0, 4096.0, 16384.0])
def test_the_end_of_a_sensors_range_is_a_reading(scale: float) -> None:
    samples = np.clip(np.round(recording(noise=6.0, scale=scale)), -32768, 32767)
    assert (np.abs(samples) >= 32767).any() or scale < 16384
    assert sentinel_values(samples) == ()


def test_gravity_in_mg_is_no_sentinel() -> None:
    samples = np.round(recording(scale=1000.0))
    samples[5] = [10.0, 20.0, 999.0]
    samples[6] = [10.0, 20.0, -999.0]
    assert sentinel_values(samples) == ()


@pytest.mark.parametrize(
    ("value", "times", "told"),
    [(-9999.0, 5, True), (-9999.0, 1, False), (999.0, 50, False)],
)
def test_a_value_for_missing_near_the_range_is_told_by_its_repeats(
    value: float, times: int, told: bool
) -> None:
    """−9999 in mg is 10 g, which a single reading may be; 999 is gravity."""
    samples = np.random.default_rng(0).normal((100, 200, -950), 20, (400, 3))
    samples[10 : 10 + times, 0] = value
    assert sentinel_values(samples) == ((value,) if told and times > 1 else ())


def test_a_sensor_at_its_end_with_values_near_it_is_no_value_for_missing() -> None:
    samples = np.random.default_rng(0).normal((100, 200, -950), 20, (400, 3))
    samples[10:60, 0] = np.linspace(2000, 7999, 50)
    samples[60:65, 0] = 7999
    assert sentinel_values(samples) == ()
