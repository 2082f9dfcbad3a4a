"""Metrics of many matrices, intervals over animals, and corrected time budgets."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from sklearn.metrics import cohen_kappa_score, f1_score, matthews_corrcoef

from mcukd.metrics import confusion as merit
from mcukd.metrics.bootstrap import drawn_weights, interval, intervals, seed_mean
from mcukd.metrics.calibration import calibration
from mcukd.metrics.metric import softmax
from mcukd.metrics.scores import combine_seeds, score
from mcukd.metrics.time_budget import corrected_budget, corrected_excess_minutes, corrected_shares

counts = hnp.arrays(np.int64, (3, 4, 4), elements=st.integers(0, 30))


def windows_of(matrix: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Labels and predictions that have this confusion matrix."""
    truth, guess = np.indices(matrix.shape)
    return np.repeat(truth.ravel(), matrix.ravel()), np.repeat(guess.ravel(), matrix.ravel())


@settings(max_examples=60, deadline=None)
@pytest.mark.filterwarnings("ignore")
@given(counts)
def test_many_matrices_score_as_scikit_learn_scores_their_windows(many: np.ndarray) -> None:
    found = {name: getattr(merit, name)(many) for name in ("mcc", "kappa", "macro_f1", "accuracy")}
    for n, matrix in enumerate(many):
        labels, guesses = windows_of(matrix)
        if not len(labels):
            assert all(np.isnan(values[n]) for values in found.values())
            continue
        assert found["accuracy"][n] == pytest.approx(np.mean(labels == guesses))
        assert found["macro_f1"][n] == pytest.approx(f1_score(labels, guesses, average="macro"))
        if len(set(labels)) > 1:
            assert found["mcc"][n] == pytest.approx(matthews_corrcoef(labels, guesses), abs=1e-9)
            assert found["kappa"][n] == pytest.approx(cohen_kappa_score(labels, guesses), abs=1e-9)
        else:
            assert np.isnan(found["mcc"][n])


@given(counts)
def test_excess_minutes_sum_to_nought(many: np.ndarray) -> None:
    excess = merit.excess_minutes(many)
    for n, matrix in enumerate(many):
        assert np.isnan(excess[n]).all() if not matrix.sum() else abs(excess[n].sum()) < 1e-6


def test_animals_are_counted_apart_and_unknown_ones_refused() -> None:
    labels, guesses = np.array([0, 1, 1]), np.array([0, 0, 1])
    found = merit.confusion_by_animal(labels, guesses, np.array(["b", "a", "a"]), ["a", "b"], 2)
    assert found.tolist() == [[[0, 0], [1, 1]], [[1, 0], [0, 0]]]
    with pytest.raises(ValueError, match="'a' is not among"):
        merit.confusion_by_animal(labels, guesses, np.array(["b", "a", "a"]), ["b"], 2)


def test_every_draw_takes_as_many_animals_as_there_are_and_the_same_each_time() -> None:
    weights = drawn_weights(7, 500)
    assert (weights.sum(axis=1) == 7).all()
    assert np.array_equal(weights, drawn_weights(7, 500))
    assert not np.array_equal(weights, drawn_weights(7, 500, seed=1))


@settings(max_examples=20, deadline=None)
@given(hnp.arrays(np.int64, (2, 5, 3, 3), elements=st.integers(1, 40)))
def test_intervals_hold_the_figure_of_the_herd(by_animal: np.ndarray) -> None:
    found = intervals(by_animal, ("a", "b", "c"))
    assert found is not None
    herd = by_animal.sum(axis=1)
    for name in ("mcc", "accuracy", "macro_f1", "kappa"):
        low, high = found[name]
        assert low - 1e-9 <= np.mean(getattr(merit, name)(herd)) <= high + 1e-9
    recall = np.mean(merit.recall(herd), axis=0)
    for k, name in enumerate(("a", "b", "c")):
        low, high = found["per_class"][name]["recall"]
        assert low - 1e-9 <= recall[k] <= high + 1e-9


def test_animals_all_alike_leave_nothing_to_doubt_and_one_animal_everything() -> None:
    same = np.tile([[8, 2], [1, 9]], (1, 6, 1, 1))
    found = intervals(same, ("a", "b"))
    assert found is not None
    assert found["accuracy"] == pytest.approx([0.85, 0.85])
    assert intervals(same[:, :1], ("a", "b")) is None


def test_a_class_that_one_animal_alone_shows_has_an_interval_only_while_most_draws_have_it() -> None:
    by_animal = np.zeros((1, 10, 2, 2), int)
    by_animal[0, :, 0, 0] = 5
    by_animal[0, 0, 1] = [2, 3]  # drawn in 65 % of the samples
    found = intervals(by_animal, ("a", "b"))
    assert found is not None and found["per_class"]["b"]["recall"] == pytest.approx([0.6, 0.6])
    by_animal = np.tile(by_animal, (1, 1, 1, 1))
    by_animal[0, 0, 1] = 0
    found = intervals(by_animal, ("a", "b"))
    assert found is not None and found["per_class"]["b"]["recall"] is None and found["mcc"] is None


def test_two_samples_of_ten_animals_out_of_a_known_herd_are_covered_as_often_as_said() -> None:
    """Coverage: animals differ in how well they are recognised; 95 % intervals must hold the herd's mean."""
    rng = np.random.default_rng(5)
    covered, trials, windows = 0, 400, 60
    for _ in range(trials):
        skill = rng.beta(8, 2, 10)  # the herd's mean accuracy is .8
        right = rng.binomial(windows, skill)
        by_animal = np.zeros((1, 10, 2, 2))
        by_animal[0, :, 0, 0], by_animal[0, :, 0, 1] = right, windows - right
        values = merit.accuracy(np.einsum("ba,aij->bij", drawn_weights(10, 400), by_animal[0]))
        low, high = interval(values, 10)  # type: ignore[misc]
        covered += low <= 0.8 <= high
    assert 0.91 <= covered / trials <= 0.99


def test_resampling_windows_instead_of_animals_would_feign_precision() -> None:
    """The trap this is for: with animals that differ, the naive interval is several times too narrow."""
    rng = np.random.default_rng(0)
    right = rng.binomial(500, rng.beta(8, 2, 10))
    by_animal = np.zeros((1, 10, 2, 2))
    by_animal[0, :, 0, 0], by_animal[0, :, 0, 1] = right, 500 - right
    found = intervals(by_animal, ("a", "b"))
    assert found is not None
    low, high = found["accuracy"]
    naive = 2 * 1.96 * np.sqrt(0.8 * 0.2 / 5000)
    assert high - low > 4 * naive


def test_the_mean_over_seeds_leaves_out_what_is_undefined() -> None:
    values = np.array([[1.0, np.nan], [np.nan, np.nan], [1.0, 3.0]])
    np.testing.assert_array_equal(seed_mean(values), [1.0, np.nan, 2.0])


budgets = st.lists(st.integers(5, 60), min_size=3, max_size=3)


@settings(max_examples=50, deadline=None)
@given(budgets, st.integers(0, 2**31 - 1))
def test_correction_recovers_a_known_budget(true: list[int], seed: int) -> None:
    rng = np.random.default_rng(seed)
    chances = 0.7 * np.eye(3) + 0.3 * rng.dirichlet(np.ones(3), 3)
    shares = np.array(true) / np.sum(true)
    found = corrected_shares(shares @ chances, 10_000 * chances)
    np.testing.assert_allclose(found, shares, atol=1e-6)


@given(hnp.arrays(np.int64, (3, 3), elements=st.integers(0, 30)), budgets)
def test_a_corrected_budget_is_always_a_budget(confusion: np.ndarray, predicted: list[int]) -> None:
    found = corrected_shares(np.array(predicted), confusion)
    assert (found >= 0).all() and found.sum() == pytest.approx(1)


def test_correction_undoes_a_bias_that_all_animals_share() -> None:
    """Half of every animal's drinking is taken for grazing: raw budgets are far off, corrected ones right."""
    by_animal = np.array(
        [[[[80, 0], [10, 10]], [[60, 0], [20, 20]], [[40, 0], [30, 30]]]]
    )  # grazing, drinking; 80, 60 and 40 of 100 windows graze
    raw = np.abs(merit.excess_minutes(by_animal[0])).mean(axis=0)
    found = corrected_budget(by_animal, ("grazing", "drinking"))
    assert raw[1] > 250
    assert found["time_budget_corrected_error_min_per_day"]["drinking"] == pytest.approx(0, abs=1e-6)


def test_an_animal_never_enters_its_own_correction() -> None:
    """Change the truth behind animal a's predictions: its corrected shares must stay what they were."""
    others = [[[50, 10], [5, 35]], [[30, 5], [20, 45]]]
    for own in ([[40, 0], [0, 60]], [[0, 60], [40, 0]]):  # predicted 40/60 and 40/60
        own_true = np.sum(own, axis=1) / 100
        excess = corrected_excess_minutes(np.array([own, *others]))[0] / 1440
        found = excess + own_true
        expected = corrected_shares(np.array([40, 60]), np.sum(others, axis=0))
        np.testing.assert_allclose(found, expected, atol=1e-12)


def test_budgets_of_a_single_animal_cannot_be_corrected() -> None:
    found = combine_seeds([score([0, 1], [0, 0], ["a", "a"], ("x", "y"))])
    assert found["time_budget_corrected_error_min_per_day"] is None
    assert found["intervals"] is None


def test_calibration_of_a_model_that_knows_what_it_knows() -> None:
    rng = np.random.default_rng(0)
    chances = rng.dirichlet((1, 1, 1), 40_000)
    labels = np.array([rng.choice(3, p=p) for p in chances])
    honest = calibration(softmax(np.log(chances)), labels)
    assert honest["ece"] < 0.01
    assert honest["confidence"] == pytest.approx(honest["accuracy"], abs=0.01)
    boasting = calibration(softmax(3 * np.log(chances)), labels)
    assert boasting["ece"] > 0.15 and boasting["confidence"] > boasting["accuracy"]
    assert sum(one["windows"] for one in boasting["bins"]) == len(labels)
    assert boasting["brier"] > honest["brier"]


@given(hnp.arrays(np.float64, (5, 3), elements=st.floats(-700, 700)))
def test_probabilities_are_probabilities_at_any_size_of_logits(logits: np.ndarray) -> None:
    chances = softmax(logits)
    assert (chances >= 0).all() and np.allclose(chances.sum(axis=1), 1)
