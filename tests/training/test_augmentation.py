"""Augmentation of training windows: turns, tilts and tempo."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mcukd.training.augmentation import (
    TEMPOS,
    Augmentation,
    Augmenter,
    random_rotations,
    rotations_about,
    vertical,
)


def test_rotations_are_rotations_and_uniform():
    matrices = random_rotations(4000, np.random.default_rng(0)).astype(np.float64)
    np.testing.assert_allclose(
        matrices @ matrices.transpose(0, 2, 1), np.tile(np.eye(3), (4000, 1, 1)), atol=1e-6
    )
    np.testing.assert_allclose(np.linalg.det(matrices), 1, atol=1e-6)
    # Uniform over SO(3): every entry has mean 0 and variance 1/3.
    assert np.abs(matrices.mean(axis=0)).max() < 0.04
    np.testing.assert_allclose(matrices.var(axis=0), 1 / 3, atol=0.02)


def test_rotation_turns_a_whole_window_alike():
    windows = np.random.default_rng(1).normal(size=(20, 30, 3)).astype(np.float32)
    turned = Augmenter(windows, Augmentation(turn="vertical"))(windows, np.random.default_rng(2))
    np.testing.assert_allclose(
        windows @ windows.transpose(0, 2, 1), turned @ turned.transpose(0, 2, 1), atol=1e-4
    )
    assert np.abs(turned - windows).max() > 1


def _hanging(count: int = 400) -> np.ndarray:
    """Windows whose gravity is along −z, give or take."""
    rng = np.random.default_rng(4)
    return (np.array([0.1, -0.1, -1.0]) + 0.2 * rng.normal(size=(count, 25, 3))).astype(np.float32)


def test_turning_keeps_the_vertical_where_animals_agree_on_it():
    windows = _hanging()
    augment = Augmenter(windows, Augmentation(turn="vertical"))
    down = vertical(windows)
    assert down is not None and down[2] < -0.97
    turned = augment(windows, np.random.default_rng(0))
    np.testing.assert_allclose(turned @ down, windows @ down, atol=1e-5)
    sideways = turned.mean(axis=1) - np.outer(turned.mean(axis=1) @ down, down)
    assert np.abs(sideways.mean(axis=0)).max() < 0.02  # every heading, so they cancel


def test_turning_is_in_every_direction_where_animals_do_not_agree():
    windows = _hanging() @ random_rotations(400, np.random.default_rng(5))
    assert vertical(windows) is None
    turned = Augmenter(windows, Augmentation(turn="vertical"))(windows, np.random.default_rng(6))
    assert np.linalg.norm(turned.mean(axis=(0, 1))) < 0.15


def test_tilt_leans_by_its_angle():
    windows = _hanging(4000)
    tilted = Augmenter(windows, Augmentation(turn="none", tilt=10))(windows, np.random.default_rng(0))
    a, b = windows.mean(axis=1), tilted.mean(axis=1)
    cosine = (a * b).sum(axis=1) / np.linalg.norm(a, axis=1) / np.linalg.norm(b, axis=1)
    # A turn about an axis at angle θ to the vector moves it by sin θ of the angle; E[sin² θ] = 2/3.
    assert np.sqrt(np.mean(np.arccos(np.clip(cosine, -1, 1)) ** 2)) == pytest.approx(
        np.deg2rad(10) * np.sqrt(2 / 3), rel=0.05
    )


def test_rotation_about_an_axis_by_a_right_angle():
    turn = rotations_about(np.array([[0.0, 0.0, 2.0]]), np.array([np.pi / 2]))[0]
    np.testing.assert_allclose(turn @ [1, 0, 0], [0, 1, 0], atol=1e-12)


def test_no_augmentation_leaves_windows_alone():
    windows = np.random.default_rng(1).normal(size=(20, 30, 3)).astype(np.float32)
    np.testing.assert_array_equal(
        Augmenter(windows, Augmentation(turn="none"))(windows, np.random.default_rng(2)), windows
    )


def test_two_axes_are_not_turned():
    windows = np.random.default_rng(1).normal(size=(5, 30, 2)).astype(np.float32)
    augment = Augmenter(windows, Augmentation(tilt=10))
    np.testing.assert_array_equal(augment(windows, np.random.default_rng(2)), windows)


def test_channels_beside_the_accelerometer_turn_only_where_they_are_vectors():
    windows = np.random.default_rng(1).normal(size=(5, 30, 7)).astype(np.float32)
    turned = Augmenter(windows, Augmentation(tilt=10, extra_vectors=(1,)))(windows, np.random.default_rng(2))
    np.testing.assert_array_equal(turned[..., 3], windows[..., 3])
    for vector in (slice(0, 3), slice(4, 7)):
        assert np.abs(turned[..., vector] - windows[..., vector]).max() > 0.1
        np.testing.assert_allclose(
            np.linalg.norm(turned[..., vector], axis=2),
            np.linalg.norm(windows[..., vector], axis=2),
            rtol=1e-5,
        )


@given(st.integers(2, 40), st.floats(0.01, 0.5), st.data())
def test_stretching_plays_every_frequency_at_its_tempo(length, stretch, data):
    """What turns back at both ends of the window is played exactly, whatever its frequency."""
    halves = data.draw(st.integers(0, length - 1))

    def wave(at):
        return np.cos(np.pi * halves * (at + 0.5) / length)

    windows = np.tile(wave(np.arange(length))[None, :, None].astype(np.float32), (8, 1, 3))
    changed = Augmenter(windows, Augmentation(turn="none", stretch=stretch))(
        windows, np.random.default_rng(0)
    )
    share = np.random.default_rng(0).integers(-TEMPOS, TEMPOS, 8, endpoint=True) / TEMPOS
    middle = (length - 1) / 2
    at = (np.arange(length) - middle) * np.exp(stretch * share)[:, None] + middle
    assert changed.shape == windows.shape and changed.dtype == np.float32
    np.testing.assert_allclose(changed, np.tile(wave(at)[..., None], 3), atol=1e-4)
