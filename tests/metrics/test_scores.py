"""Scores: agreement with scikit-learn, invariants, seeds and JSON."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import f1_score, matthews_corrcoef, precision_score, recall_score

from mcukd.errors import UserError
from mcukd.metrics.metrics_file import load_metrics, update_metrics
from mcukd.metrics.scores import combine_seeds, score

CLASSES = ("grazing", "resting", "walking", "drinking")

windows = st.lists(
    st.tuples(st.integers(0, 3), st.integers(0, 3), st.sampled_from(["a", "b", "c"])), min_size=1, max_size=60
)


def split(rows):
    labels, predictions, animals = zip(*rows)
    return np.array(labels), np.array(predictions), np.array(animals)


@settings(max_examples=30, deadline=None)
@pytest.mark.filterwarnings("ignore:A single label")
@given(windows)
def test_agrees_with_scikit_learn(rows):
    labels, predictions, animals = split(rows)
    found = score(labels, predictions, animals, CLASSES)
    assert found["mcc"] == pytest.approx(matthews_corrcoef(labels, predictions), abs=1e-9)
    assert found["macro_f1"] == pytest.approx(f1_score(labels, predictions, average="macro", zero_division=0))
    assert found["accuracy"] == pytest.approx(np.mean(labels == predictions))
    for k, name in enumerate(CLASSES):
        one = found["per_class"][name]
        expected = {"precision": precision_score, "recall": recall_score, "f1": f1_score}
        for key, function in expected.items():
            value = function(labels == k, predictions == k, zero_division=math.nan)
            if one[key] is None:
                assert math.isnan(value) or not np.any(labels == k) or not np.any(predictions == k)
            else:
                assert one[key] == pytest.approx(value)


@given(windows)
def test_the_confusion_matrix_counts_every_window_once(rows):
    labels, predictions, animals = split(rows)
    found = score(labels, predictions, animals, CLASSES)
    matrix = np.array(found["confusion"])
    assert matrix.sum() == len(rows)
    assert matrix.sum(axis=1).tolist() == [found["per_class"][name]["support"] for name in CLASSES]
    assert matrix.sum(axis=0).tolist() == [int(np.sum(predictions == k)) for k in range(4)]
    assert sum(one["windows"] for one in found["per_animal"].values()) == len(rows)


@given(windows)
def test_a_perfect_prediction_scores_one_and_shifts_no_minute(rows):
    labels, _, animals = split(rows)
    found = score(labels, labels, animals, CLASSES)
    assert found["accuracy"] == found["macro_f1"] == 1
    assert found["mcc"] == pytest.approx(1 if len(set(labels)) > 1 else 0)
    assert set(found["time_budget_error_min_per_day"].values()) == {0.0}


@given(windows, st.randoms(use_true_random=False))
def test_the_order_of_windows_does_not_matter(rows, random):
    shuffled = list(rows)
    random.shuffle(shuffled)
    assert score(*split(rows), CLASSES) == score(*split(shuffled), CLASSES)


@given(windows)
def test_everything_is_json_without_nan(rows):
    found = score(*split(rows), CLASSES)
    assert json.loads(json.dumps(found, allow_nan=False)) == found


@given(windows)
def test_minutes_too_many_of_one_behaviour_are_minutes_too_few_of_others(rows):
    found = score(*split(rows), CLASSES)
    assert sum(found["time_budget_bias_min_per_day"].values()) == pytest.approx(0, abs=1e-6)
    for name in CLASSES:
        error = found["time_budget_error_min_per_day"][name]
        assert error >= abs(found["time_budget_bias_min_per_day"][name]) - 1e-9
        assert error <= 1440


def test_the_time_budget_error_is_the_mean_over_animals_not_over_windows():
    # Animal a (2 windows): half a day of resting becomes grazing, +720 min. Animal b (8): none.
    labels = np.array([0, 1] + [0, 1] * 4)
    predictions = np.array([0, 0] + [0, 1] * 4)
    found = score(labels, predictions, ["a"] * 2 + ["b"] * 8, ("grazing", "resting"))
    assert found["time_budget_error_min_per_day"] == {"grazing": 360.0, "resting": 360.0}
    assert found["time_budget_bias_min_per_day"] == {"grazing": 360.0, "resting": -360.0}


def test_opposite_errors_of_two_animals_cancel_in_the_bias_only():
    found = score([0, 1, 0, 1], [0, 0, 1, 1], ["a", "a", "b", "b"], ("grazing", "resting"))
    assert found["time_budget_bias_min_per_day"]["grazing"] == 0
    assert found["time_budget_error_min_per_day"]["grazing"] == 720


def test_an_animal_seen_in_one_behaviour_has_no_mcc_rather_than_zero():
    found = score([0, 0, 0, 1], [0, 0, 0, 1], ["a", "a", "b", "b"], ("grazing", "resting"))
    assert found["per_animal"]["a"]["mcc"] is None
    assert found["per_animal"]["b"]["mcc"] == pytest.approx(1)


def test_always_the_same_answer_is_worth_an_mcc_of_zero():
    found = score([0, 1, 0, 1], [0, 0, 0, 0], ["a"] * 4, ("grazing", "resting"))
    assert found["mcc"] == 0
    assert found["per_animal"]["a"]["mcc"] == 0
    assert found["per_class"]["resting"] == {
        "precision": None,
        "recall": 0.0,
        "f1": 0.0,
        "mcc": 0.0,
        "support": 2,
    }


def test_mcc_of_many_windows_does_not_overflow():
    labels = np.tile([0, 1], 3_000_000)
    predictions = labels.copy()
    predictions[:2_000_000] = 0
    found = score(labels, predictions, np.full(len(labels), "a"), ("grazing", "resting"))
    assert found["mcc"] == pytest.approx(0.7071, abs=1e-4)


@pytest.mark.parametrize(
    ("labels", "predictions", "animals"),
    [
        ([0, 1], [0], ["a", "a"]),
        ([0], [0], ["a", "b"]),
        ([], [], []),
        ([0], [9], ["a"]),
        ([-1], [0], ["a"]),
        ([0.0], [0], ["a"]),
    ],
)
def test_arrays_that_do_not_fit_are_refused(labels, predictions, animals):
    with pytest.raises(ValueError):
        score(labels, predictions, animals, CLASSES)


@given(st.lists(windows, min_size=1, max_size=4))
def test_seeds_are_averaged_and_their_spread_kept(runs):
    scores = [score(*split(rows), CLASSES) for rows in runs]
    combined = combine_seeds(scores)
    values = [one["mcc"] for one in scores]
    assert combined["mcc"] == pytest.approx(np.mean(values))
    assert combined["mcc_by_seed"] == values
    if len(values) > 1:
        assert combined["mcc_sd"] == pytest.approx(np.std(values, ddof=1))
    else:
        assert combined["mcc_sd"] is None
    assert np.sum(combined["confusion"]) == sum(len(rows) for rows in runs)
    json.dumps(combined, allow_nan=False)


def test_a_figure_that_one_seed_lacks_is_the_mean_of_the_others():
    full = score([0, 1], [0, 1], ["a", "a"], ("grazing", "resting"))
    never = score([0, 1], [0, 0], ["a", "a"], ("grazing", "resting"))
    assert combine_seeds([full, never])["per_class"]["resting"]["precision"] == 1
    assert combine_seeds([never, never])["per_class"]["resting"]["precision"] is None
    assert combine_seeds([full, full])["per_animal"]["a"]["windows"] == 2


def test_metrics_are_merged_and_keep_the_order_of_keys(tmp_path):
    path = tmp_path / "metrics.json"
    update_metrics(path, data="cows", split="loao", seeds=[0, 1], models={"teacher": {"mcc": 0.9}})
    update_metrics(path, data="cows", split="loao", seeds=[0, 1], models={"fixed_point_8": {"mcc": 0.8}})
    content = json.loads(path.read_text())
    assert list(content) == ["data", "split", "seeds", "models"]
    assert content["models"] == {"teacher": {"mcc": 0.9}, "fixed_point_8": {"mcc": 0.8}}
    assert [file.name for file in tmp_path.iterdir()] == ["metrics.json"]


def test_scores_of_another_split_are_not_kept_beside_new_ones(tmp_path):
    path = tmp_path / "metrics.json"
    update_metrics(path, data="cows", split="holdout", seeds=[0], models={"teacher": {"mcc": 0.99}})
    update_metrics(path, data="cows", split="loao", seeds=[0], models={"student": {"mcc": 0.8}})
    assert list(load_metrics(path)["models"]) == ["student"]


@pytest.mark.parametrize(
    "content", ["", "[]", "{}", '{"data": "cows", "split": "loao", "seeds": 3, "models": {}}']
)
def test_a_damaged_metrics_file_is_a_sentence_and_stays_as_it_was(tmp_path, content):
    path = tmp_path / "metrics.json"
    path.write_text(content)
    with pytest.raises(UserError, match=r"metrics\.json"):
        update_metrics(path, data="cows", split="loao", seeds=[0], models={})
    assert path.read_text() == content


def test_nan_never_reaches_the_file(tmp_path):
    path = tmp_path / "metrics.json"
    with pytest.raises(ValueError):
        update_metrics(path, data="cows", split="loao", seeds=[0], models={"teacher": {"mcc": math.nan}})
    assert not path.exists()


def test_time_budgets_agree_over_animals_in_minutes_per_hour():
    # True minutes per hour of grazing of three animals: 30, 15, 45; predicted: 30, 30, 60.
    labels = [0, 0, 1, 1, 0, 1, 1, 1, 0, 0, 0, 1]
    predictions = [1, 0, 0, 1, 0, 1, 0, 1, 0, 0, 0, 0]
    animals = [animal for animal in "abc" for _ in range(4)]
    combined = combine_seeds([score(labels, predictions, animals, ("grazing", "resting"))] * 2)
    found = combined["time_budget_agreement"]["grazing"]
    assert found["targets"] == 3
    assert found["bias"]["value"] == pytest.approx(10)
    assert found["limits"]["high"]["value"] == pytest.approx(10 + 1.959964 * np.std([0, 15, 15], ddof=1))
    assert combined["time_budget_agreement"]["resting"]["bias"]["value"] == pytest.approx(-10)
    json.dumps(combined, allow_nan=False)


def test_animals_that_a_seed_lacks_are_the_mean_of_the_others():
    one = score([0, 1, 0, 1], [0, 1, 0, 0], ["a", "a", "b", "b"], ("grazing", "resting"))
    other = score([0, 1], [0, 1], ["a", "a"], ("grazing", "resting"))
    found = combine_seeds([one, other])["time_budget_agreement"]["grazing"]
    assert found["targets"] == 2 and found["bias"]["value"] == pytest.approx(15)
