"""Augmentations of `--augment`: seeded, and each within its documented limits."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from mcukd.data.card import load_card
from mcukd.distillation.config import DistillConfig
from mcukd.distillation.option_lists import AUGMENTS
from mcukd.distillation.training_configs import augmentation
from mcukd.errors import UserError
from mcukd.pipeline.distill import for_card
from mcukd.robustness.perturbations import PERTURBATIONS
from mcukd.training.augmentation import Augmentation, Augmenter, one_g

NOTHING = Augmentation(turn="none")


def windows(count: int = 64, steps: int = 40, seed: int = 0) -> np.ndarray:
    """Windows of 1 g along z, which 2 units stand for, with movements on all axes."""
    rng = np.random.default_rng(seed)
    moves = 0.3 * np.sin(np.arange(steps)[:, None] * rng.uniform(0.2, 1.5, (count, 1, 3)))
    return ((np.array([0, 0, 1.0]) + moves) * 2).astype(np.float32)


def apart(name: str) -> Augmentation:
    """What one name in --augment does, without the turning and tilting that every training has."""
    config = DistillConfig(mounting="aligned", augment=name, neck_axis=0 if name == "rotation" else None)
    return replace(augmentation(config), tilt=0.0)


@pytest.mark.parametrize("name", AUGMENTS)
def test_each_is_seeded_changes_windows_and_keeps_shape_and_type(name: str) -> None:
    shown = windows()
    before = shown.copy()
    augment = Augmenter(shown, apart(name))
    first, again, other = (augment(shown, np.random.default_rng(seed)) for seed in (0, 0, 1))
    assert first.shape == shown.shape and first.dtype == np.float32
    np.testing.assert_array_equal(first, again)
    assert np.any(first != other) and np.any(first != before)
    np.testing.assert_array_equal(shown, before)


@pytest.mark.parametrize("name", AUGMENTS)
def test_each_works_on_a_single_axis_and_a_single_sample_too(name: str) -> None:
    for shape in ((5, 20, 1), (5, 1, 3)):
        shown = windows(5, 20)[:, : shape[1], : shape[2]]
        assert Augmenter(shown, apart(name))(shown, np.random.default_rng(0)).shape == shape


def test_without_any_the_draws_are_those_of_before() -> None:
    """Models trained before there was a choice must come out the same."""
    shown = windows()
    plain = Augmentation(turn="vertical", tilt=10.0)
    rng, own = np.random.default_rng(0), np.random.default_rng(0)
    changed = Augmenter(shown, plain)(shown, rng)
    own.uniform(0, 2 * np.pi, len(shown))
    own.normal(scale=10.0, size=len(shown))
    own.normal(size=(len(shown), 3))
    assert rng.bit_generator.state == own.bit_generator.state
    np.testing.assert_allclose(np.linalg.norm(changed, axis=2), np.linalg.norm(shown, axis=2), rtol=1e-4)


def test_rolling_turns_about_the_neck_only_and_by_any_angle() -> None:
    shown = windows(500)
    changed = Augmenter(shown, apart("rotation"))(shown, np.random.default_rng(0))
    np.testing.assert_allclose(changed[..., 0], shown[..., 0], atol=1e-5)
    np.testing.assert_allclose(np.linalg.norm(changed, axis=2), np.linalg.norm(shown, axis=2), rtol=1e-4)
    means = changed.mean(axis=1)
    quadrants = np.unique(np.sign(means[:, 1:]), axis=0, return_counts=True)[1]
    assert len(quadrants) == 4 and quadrants.min() > 80


def test_flips_reverse_no_axis_or_one_about_equally_often() -> None:
    shown = windows(2000) + 5
    signs = np.sign(Augmenter(shown, apart("flip"))(shown, np.random.default_rng(0))[:, 0])
    kinds, counts = np.unique(signs, axis=0, return_counts=True)
    assert sorted((kinds < 0).sum(axis=1)) == [0, 1, 1, 1]
    assert counts.min() > 400


def test_noise_is_measured_in_g_whatever_the_units() -> None:
    for unit in (1.0, 100.0):
        shown = windows(400) * np.float32(unit)
        assert one_g(shown) == pytest.approx(2 * unit, rel=0.05)
        noise = Augmenter(shown, apart("noise"))(shown, np.random.default_rng(0)) - shown
        deviations = noise.std(axis=(1, 2)) / one_g(shown)
        assert deviations.max() < 0.06 and deviations.min() < 0.01
        assert deviations.mean() == pytest.approx(0.025, rel=0.2)


def test_clipping_goes_from_one_g_to_eight() -> None:
    shown = np.full((500, 10, 3), 40, np.float32)
    shown[:250] = [0, 0, 2]
    changed = Augmenter(windows(500), apart("clip"))(shown, np.random.default_rng(0))
    limits = changed[250:, 0, 0] / 2
    assert limits.min() == pytest.approx(1, abs=0.15) and limits.max() == pytest.approx(8, abs=0.6)
    assert np.median(limits) == pytest.approx(np.sqrt(8), rel=0.15)


def test_lost_samples_are_at_most_three_in_ten_and_held() -> None:
    shown = np.tile(np.arange(100, dtype=np.float32)[None, :, None], (300, 1, 3))
    changed = Augmenter(shown, apart("drop"))(shown, np.random.default_rng(0))
    lost = (changed != shown).any(axis=2)
    assert lost.mean(axis=1).max() < 0.45 and lost.mean() == pytest.approx(0.15, abs=0.02)
    np.testing.assert_array_equal(changed[:, 1:][lost[:, 1:]], changed[:, :-1][lost[:, 1:]])


def test_scale_draws_a_common_gain_and_one_for_each_axis() -> None:
    shown = np.ones((4000, 2, 3), np.float32)
    gains = np.log(Augmenter(shown, apart("scale"))(shown, np.random.default_rng(0))[:, 0])
    assert gains.std(axis=0) == pytest.approx([0.0707] * 3, rel=0.1)
    assert np.corrcoef(gains.T)[0, 1] == pytest.approx(0.5, abs=0.06)


def test_names_are_put_in_order_and_all_means_all() -> None:
    assert DistillConfig(augment="flip, rotation,flip").augment == "rotation,flip"
    assert DistillConfig(augment="all").augments == AUGMENTS
    assert DistillConfig(augment="none").augments == DistillConfig(augment="").augments == ()
    for wrong in ("flipp", "all,flip", "none,flip"):
        with pytest.raises(UserError, match="--augment names '.*rotation,flip,scale"):
            DistillConfig(augment=wrong)


def test_without_augment_options_are_those_of_studies_made_before() -> None:
    card = load_card("cow-collar")
    plain = for_card(DistillConfig(augment="none"), card).options()
    assert not {"augment", "neck_axis"} & set(plain)
    flip = for_card(DistillConfig(augment="flip"), card).options()
    assert flip["augment"] == "flip" and "neck_axis" not in flip
    rolled = for_card(DistillConfig(augment="rotation"), card).options()
    assert rolled["neck_axis"] == 1
    assert for_card(DistillConfig.of(rolled), card).options() == rolled


def test_every_perturbation_can_be_trained_against() -> None:
    assert {one.against for one in PERTURBATIONS.values()} == set(AUGMENTS)
