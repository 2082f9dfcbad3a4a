"""Head search: trials, scores on inner animals, heads, prototypes, and leaks."""

from __future__ import annotations

import sys
from dataclasses import replace

import numpy as np
import pytest
from builders.students import random_student, random_windows
from scipy.optimize import approx_fprime

from mcukd.data.folds import Fold, inner_folds, make_folds
from mcukd.data.windows import Windows
from mcukd.errors import UserError
from mcukd.head_search import search, trials
from mcukd.head_search.classifiers import CLASSIFIER_FAMILIES, Fitted, fit
from mcukd.head_search.proposals import COMBINED
from mcukd.head_search.prototypes import Prototypes
from mcukd.head_search.search import Found, search_classifier
from mcukd.head_search.student import search_fold, search_student
from mcukd.head_search.trials import COMBINATION
from mcukd.metrics import confusion as merit
from mcukd.models.weights import HEADS

NAMES = ("graze", "ruminate", "walk")
#: Fast to fit; one that does not deploy, so that there are combinations.
QUICK = tuple(
    family for family in CLASSIFIER_FAMILIES if family.name in ("linear", "prototype", "centroid", "hopfield")
)
DEPLOYING = [family for family in CLASSIFIER_FAMILIES if family.deploys]


def blobs(
    count: int = 240, width: int = 6, animals: int = 6, noise: float = 0.7, seed: int = 0
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Embeddings of three classes of two blobs each, which a linear classifier cannot tell apart well."""
    rng = np.random.default_rng(seed)
    labels = np.arange(count) % 3
    centres = rng.normal(size=(3, 2, width))
    centres[:, 1] = -centres[:, 0]
    x = centres[labels, rng.integers(0, 2, count)] + rng.normal(0, noise, (count, width))
    return x.astype(np.float32), labels, np.array([f"a{i // 3 % animals}" for i in range(count)])


def searched(x: np.ndarray, labels: np.ndarray, animals: np.ndarray, **options: object) -> Found:
    return search_classifier(x, labels, animals, NAMES, **{"trials": 8, "families": QUICK, **options})


def outcome(found: Found) -> tuple[object, ...]:
    """All that a search decides, to compare exactly."""
    arrays = [
        getattr(found.head, name).tobytes() for name in ("dense_kernel", "output_kernel", "output_bias")
    ]
    return found.trials, found.winner.family, found.winner.settings, arrays


@pytest.fixture(scope="module")
def found() -> Found:
    return searched(*blobs(), trials=12)


def test_search_tries_every_family_and_finds_one_that_fits_the_data(found: Found) -> None:
    names = {trial.family for trial in found.trials}
    assert names == {family.name for family in QUICK} | {COMBINATION}
    scores = {trial.family: trial.score for trial in found.best_by_family()}
    # Two blobs per class on opposite sides: several patterns hold them, one boundary or one mean does not.
    assert found.deployable.family == "prototype"
    assert scores["prototype"] > max(scores["linear"], scores["centroid"]) + 0.2
    assert found.winner.score == max(trial.score for trial in found.trials) >= found.deployable.score
    assert len(found.trials) == 12 + 3


def test_all_families_of_the_list_can_be_searched_and_combined() -> None:
    x, labels, animals = blobs(90, noise=1.0)
    all_of_them = search_classifier(x, labels, animals, NAMES, trials=10)
    assert {trial.family for trial in all_of_them.trials} == {f.name for f in CLASSIFIER_FAMILIES} | {
        COMBINATION
    }
    weights = [t.settings for t in all_of_them.trials if t.family == COMBINATION]
    assert all(len(w) == COMBINED and abs(sum(w.values()) - 1) < 1e-9 for w in weights)


def test_search_with_a_seed_is_deterministic_and_another_seed_tries_other_things(found: Found) -> None:
    assert outcome(searched(*blobs(), trials=12)) == outcome(found)
    assert searched(*blobs(), trials=12, seed=1).trials != found.trials


def test_score_of_a_trial_is_the_pooled_mcc_over_inner_animals(found: Found) -> None:
    """Recomputed here from folds, fits and confusion matrix."""
    x, labels, animals = blobs()
    trial = next(trial for trial in found.trials if trial.family == "linear")
    family = next(family for family in QUICK if family.name == "linear")
    confusion = np.zeros((3, 3), np.int64)
    for fold in inner_folds(list(animals)):
        train, test = (np.isin(animals, part) for part in (fold.train_animals, fold.test_animals))
        guess = (
            fit(family, trial.settings, x[train], labels[train], 3, 0).predict_proba(x[test]).argmax(axis=1)
        )
        np.add.at(confusion, (labels[test], guess), 1)
    assert trial.score == pytest.approx(float(merit.mcc(confusion)), abs=1e-12)


@pytest.mark.parametrize("family", DEPLOYING, ids=lambda family: family.name)
@pytest.mark.parametrize("classes", [2, 3])
def test_head_of_a_deploying_family_is_the_classifier_itself(family: object, classes: int) -> None:
    x, labels, _ = blobs(noise=1.0)
    made = fit(family, {**family.defaults}, x[labels < classes], labels[labels < classes], classes, seed=3)
    head = made.head()
    assert head.kind in HEADS
    logits = head.logits(x)
    chances = np.exp(logits - logits.max(axis=1, keepdims=True))
    chances /= chances.sum(axis=1, keepdims=True)
    np.testing.assert_allclose(chances, made.predict_proba(x), atol=1e-5)


def test_families_without_an_integer_form_give_no_head() -> None:
    x, labels, _ = blobs(60)
    machine = next(family for family in CLASSIFIER_FAMILIES if family.name == "svm")
    with pytest.raises(ValueError, match="no integer form"):
        fit(machine, machine.defaults, x, labels, 3, 0).head()


@pytest.mark.parametrize("reading", ["max", "sum"])
def test_learning_moves_patterns_to_a_smaller_cross_entropy(reading: str) -> None:
    x, labels, _ = blobs(noise=1.0)
    x = x.astype(np.float64)

    def loss(passes: int) -> float:
        made = Prototypes(2, reading, passes, pull=0.0).fit(x, labels)
        return float(-np.log(made.predict_proba(x)[np.arange(len(x)), labels]).mean())

    assert loss(40) < loss(0) - 0.03


@pytest.mark.parametrize("reading", ["max", "sum"])
def test_gradient_of_prototypes_is_that_of_their_loss(reading: str) -> None:
    x, labels, _ = blobs(40)
    rng = np.random.default_rng(1)
    start, values = rng.normal(size=(3, 2, 6)), rng.normal(0, 0.5, 36 + 1 + 3)
    loss = Prototypes(2, reading, pull=0.3).loss(x.astype(np.float64), labels, start)
    numerical = approx_fprime(values, lambda v: loss(v)[0], 1e-7)
    np.testing.assert_allclose(loss(values)[1], numerical, atol=1e-5)


def test_patterns_of_a_class_with_fewer_rows_than_patterns_repeat() -> None:
    x = np.array([[0.0, 0], [1, 1], [1, 1], [5, 5], [5, 6], [6, 5]])
    made = Prototypes(3, passes=0).fit(x, np.array([0, 0, 0, 1, 1, 1]))
    assert made.kernel_.shape == (2, 6)
    assert made.predict_proba(x).argmax(axis=1).tolist() == [0, 0, 0, 1, 1, 1]


def test_an_inner_fold_with_one_class_still_gets_an_answer() -> None:
    x = blobs(60)[0]
    for family in CLASSIFIER_FAMILIES:
        made = fit(family, family.defaults, x, np.full(60, 1), 3, 0)
        assert isinstance(made, Fitted)
        assert made.predict_proba(x).tolist() == [[0, 1, 0]] * 60


# --- Held-out animals -----------------------------------------------------------------------------------


def leaky_data(held_out: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Embeddings that tell nothing, but for a column which gives the held-out animal's labels away."""
    rng = np.random.default_rng(5)
    labels = np.arange(180) % 3
    animals = np.array([f"a{i // 30}" for i in range(180)])
    x = rng.normal(size=(180, 5)).astype(np.float32)
    leak = np.where(animals == held_out, 10.0 * (labels - 1), 0.0)
    return np.column_stack([x, leak]).astype(np.float32), labels, animals


def test_a_label_leak_planted_in_the_held_out_fold_is_worth_nothing_to_the_search() -> None:
    x, labels, animals = leaky_data("a0")
    seen, unseen = animals != "a0", animals == "a0"
    clean = x.copy()
    clean[:, 5] = 0
    with_leak = searched(x[seen], labels[seen], animals[seen], trials=12)
    without = searched(clean[seen], labels[seen], animals[seen], trials=12)
    assert outcome(with_leak) == outcome(without)
    assert max(trial.score for trial in with_leak.trials) < 0.3
    for classifier in (with_leak.winner, with_leak.deployable):
        assert np.mean(classifier.predict(x[unseen]) == labels[unseen]) < 0.7
    # The leak is one: who reads the held-out rows profits from it.
    told = searched(x[unseen], labels[unseen], np.array([f"b{i // 6}" for i in range(30)]), trials=12)
    assert told.winner.score > 0.8


def test_inner_validation_does_not_profit_from_a_leak_either() -> None:
    """A column that gives away the labels of one training animal only: its inner fold did not train on it."""
    x, labels, animals = leaky_data("a3")
    plain = x.copy()
    plain[:, 5] = 0
    gain = searched(x, labels, animals).winner.score - searched(plain, labels, animals).winner.score
    assert gain < 0.3


def windows_of_animals() -> Windows:
    windows = random_windows(90, steps=12, classes=3)
    # Labels that can be learned: how strong the movement is.
    strength = windows.counts.astype(np.float64).std(axis=1).sum(axis=1)
    return replace(windows, labels=np.searchsorted(np.quantile(strength, (1 / 3, 2 / 3)), strength))


def test_a_callers_search_is_the_same_whatever_the_held_out_animal_does() -> None:
    windows, student = windows_of_animals(), random_student(3, hidden=6, classes=3)
    fold = make_folds(windows, "loao")[1]
    held_out = np.flatnonzero(np.isin(windows.animals, fold.test_animals))
    assert len(held_out)
    rng = np.random.default_rng(0)
    labels, counts = windows.labels.copy(), windows.counts.copy()
    labels[held_out] = rng.permutation(labels[held_out])
    counts[held_out] = 0
    counts[held_out, :, 0] = 1000 * labels[held_out, None]  # a leak, too
    assert np.any(labels != windows.labels)
    options = {"trials": 8, "families": QUICK}
    found, student_with_head = search_student(student, windows, fold, **options)
    again, also = search_student(student, replace(windows, labels=labels, counts=counts), fold, **options)
    assert outcome(found) == outcome(again)
    for name, array in student_with_head.arrays().items():
        assert np.array_equal(array, also.arrays()[name]), name


def test_embedding_is_asked_for_training_animals_only() -> None:
    windows = windows_of_animals()
    fold = make_folds(windows, "loao")[0]
    asked: list[np.ndarray] = []

    def embed(counts: np.ndarray) -> np.ndarray:
        asked.append(counts)
        return counts.astype(np.float32).std(axis=1)

    search_fold(embed, windows, fold, trials=8, families=QUICK)
    training = np.isin(windows.animals, fold.train_animals)
    assert np.array_equal(np.concatenate(asked), windows.counts[training])


def test_student_with_the_head_found_classifies_as_the_search_said() -> None:
    windows, student = windows_of_animals(), random_student(3, hidden=6, classes=3)
    fold = make_folds(windows, "loao")[1]
    found, student_with_head = search_student(student, windows, fold, trials=8, families=QUICK)
    expected = found.deployable.predict(student.state(windows.counts).astype(np.float32))
    assert np.array_equal(student_with_head.logits(windows.counts).argmax(axis=1), expected)


def test_inner_networks_keep_the_search_from_trusting_an_embedding_that_learned_the_labels() -> None:
    """As a network does with its training animals: a column holds the labels of all of them."""
    x, labels, animals = leaky_data("none")
    learned = x.copy()
    learned[:, 5] = 10.0 * (labels - 1)
    honest = []
    for fold in inner_folds(list(animals)):
        one = learned.copy()
        one[np.isin(animals, fold.test_animals), 5] = np.random.default_rng(1).choice([-10, 0, 10], 60)
        honest.append(one)
    assert searched(learned, labels, animals).deployable.score > 0.9
    assert searched(learned, labels, animals, inner=honest).winner.score < 0.3
    # What is read without `inner` is the embedding itself in every fold.
    assert outcome(searched(x, labels, animals, inner=[x] * 3)) == outcome(searched(x, labels, animals))


def test_inner_students_embed_training_animals_for_their_fold() -> None:
    windows = windows_of_animals()
    fold = make_folds(windows, "loao")[1]
    students = [random_student(seed, hidden=6, classes=3) for seed in range(4)]
    options = {"trials": 8, "families": QUICK}
    found, _ = search_student(students[0], windows, fold, inner=students[1:], **options)
    seen = windows.take(np.isin(windows.animals, fold.train_animals))
    states = [student.state(seen.counts).astype(np.float32) for student in students]
    expected = search_classifier(
        states[0], seen.labels, seen.animals, seen.classes, inner=states[1:], **options
    )
    assert outcome(found) == outcome(expected)
    assert found.trials != search_student(students[0], windows, fold, **options)[0].trials


# --- Bounds and mistakes --------------------------------------------------------------------------------


def test_rows_bound_what_trials_see_and_every_class_keeps_some(monkeypatch: pytest.MonkeyPatch) -> None:
    x, labels, animals = blobs(600)
    labels = np.where(np.arange(600) % 150 == 0, 2, np.minimum(labels, 1))
    seen: list[int] = []

    def counting(family: object, settings: object, x: np.ndarray, y: np.ndarray, *rest: int) -> Fitted:
        seen.append(len(x))
        return fit(family, settings, x, y, *rest)

    for module in (search, trials):
        monkeypatch.setattr(module, "fit", counting)
    found = searched(x, labels, animals, rows=60)
    folds = 3
    assert max(seen[: folds * 8]) <= 62 < 290 < max(seen[folds * 8 :]) <= 302
    assert found.deployable.members[0][1].estimator.classes_.tolist() == [0, 1, 2]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"trials": 3}, "3 trials cannot try 4 families; give 6 or more"),
        ({"families": QUICK[3:]}, "needs a family that deploys"),
        ({"labels": np.full(240, 7)}, "label 7 is none of the 3 classes graze, ruminate, walk"),
        ({"labels": np.arange(240) % 2}, "have none of walk: hold out other animals"),
        ({"animals": np.full(240, "a0")}, "one training animal, a0"),
        ({"animals": np.full(9, "a0")}, r"embedding of shape \(240, 6\), 240 labels and 9 animals"),
        ({"x": np.full((240, 6), np.nan)}, "embedding's row 0 is not finite"),
        (
            {"inner": [np.zeros((240, 6))] * 2},
            r"shapes \(240, 6\), \(240, 6\); expected 3, one",
        ),
        ({"inner": [np.full((240, 6), np.inf)] * 3}, "an inner embedding is not finite"),
    ],
)
def test_mistakes_are_told_in_one_sentence(change: dict[str, object], message: str) -> None:
    x, labels, animals = blobs()
    data = {"x": x, "labels": labels, "animals": animals, **change}
    with pytest.raises(UserError, match=message):
        searched(data.pop("x"), data.pop("labels"), data.pop("animals"), **data)


def test_a_random_split_is_refused() -> None:
    fold = Fold("random1", ("a0", "a1"), ("a0", "a1"), (0, 1))
    with pytest.raises(UserError, match="needs a split by animal"):
        search_fold(lambda counts: counts[:, 0], windows_of_animals(), fold)


def test_search_without_optuna_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "optuna", None)
    with pytest.raises(UserError, match=r"pip install 'mcukd\[search\]'"):
        searched(*blobs())
