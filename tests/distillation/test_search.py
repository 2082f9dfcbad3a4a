"""`distill --search`: a search reads no held-out animal, and later stages use the head it finds."""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from builders.data import write_moving_herd
from builders.students import headed_student, random_student, random_windows
from builders.training import ANIMALS, CompiledOnce, herd, job
from typer.testing import CliRunner, Result

from mcukd.boards.launch import tools_missing
from mcukd.boards.model import load_board
from mcukd.cli import app as app_module
from mcukd.data.card import Card, load_card
from mcukd.data.folds import inner_folds
from mcukd.data.load import load_windows
from mcukd.data.windows import Windows
from mcukd.distillation import head_search as searching
from mcukd.distillation.config import DistillConfig
from mcukd.distillation.fold_trainer import FoldTrainer
from mcukd.distillation.teacher import Teacher
from mcukd.distillation.training_configs import student_training_config
from mcukd.distillation.training_set import FitContext, TrainingSet
from mcukd.distillation.workers import FoldTraining
from mcukd.errors import UserError
from mcukd.evaluation.fold_students import fold_students
from mcukd.fixedpoint.model import load_model
from mcukd.fold_results import DEPLOYABLE, WEIGHT_PREFIXES
from mcukd.head_search.classifiers import CLASSIFIER_FAMILIES
from mcukd.head_search.search import OwnHeads, search_classifier
from mcukd.head_search.trials import COMBINATION, OWN
from mcukd.metrics.metrics_file import load_metrics
from mcukd.models.gru_mlp import build_student, student_weights, with_head
from mcukd.models.student import load_student, shipped_weights
from mcukd.models.weights import GruMlpWeights, Head
from mcukd.pipeline import distill as stage
from mcukd.pipeline.evaluate import evaluate_study, with_split
from mcukd.study import Study
from mcukd.training.normalization import Normalizer

NAMES = ("linear", "centroid", "hopfield")
QUICK = tuple(family for family in CLASSIFIER_FAMILIES if family.name in NAMES)
CONFIG = DistillConfig(
    method="none",
    epochs=2,
    gru_units=4,
    dense_units=4,
    mounting="any",
    search=True,
    search_trials=8,
)
SEARCHED = ("student_searched", "student_searched_deployable")


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(searching, "CLASSIFIER_FAMILIES", QUICK)


# --- A fold -------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def trainer() -> FoldTrainer:
    """A trainer whose compiled models serve all tests."""
    return CompiledOnce(herd(20), herd(20), CONFIG)


def searched(windows: Windows, path: Path, trainer: FoldTrainer) -> dict[str, Any]:
    """Train one fold on these windows and return its file's content."""
    trainer.training = trainer.evaluation = windows
    task, done = job(path), [0]
    task.path.parent.mkdir(parents=True, exist_ok=True)

    def advance(units: int) -> None:
        done[0] += units

    trainer.train_fold(task, advance)
    assert done[0] == FoldTraining(task).work(windows, CONFIG), (
        "the progress bar's length and its steps disagree"
    )
    with np.load(task.path) as stored:
        return {name: stored[name] for name in stored.files}


def test_permuting_and_leaking_held_out_labels_changes_nothing_that_a_fold_searched(
    tmp_path: Path, quick: None, trainer: FoldTrainer
) -> None:
    windows = herd(20)
    first = searched(windows, tmp_path / "a", trainer)
    held_out = np.flatnonzero(np.isin(windows.animals, ANIMALS[4:]))
    labels, counts = windows.labels.copy(), windows.counts.copy()
    labels[held_out] = np.random.default_rng(0).permutation(labels[held_out])
    counts[held_out] = 0
    counts[held_out, :, 0] = 1000 * labels[held_out, None]  # the samples give the label away
    assert np.any(labels != windows.labels)
    again = searched(replace(windows, labels=labels, counts=counts), tmp_path / "b", trainer)
    assert str(again["search"]) == str(first["search"])
    chosen = [name for name in first if "__" in name]
    assert len([name for name in chosen if name.startswith(WEIGHT_PREFIXES[DEPLOYABLE])]) >= 9
    for name in chosen:
        assert np.array_equal(again[name], first[name]), name
    # What was held out was different: it is answered differently.
    for model in SEARCHED:
        assert not np.array_equal(again[f"{model}_logits"], first[f"{model}_logits"])
    # An animal that is not held out does have a part in the choice.
    labels[:20] = np.random.default_rng(1).permutation(labels[:20])
    other = searched(replace(windows, labels=labels), tmp_path / "c", trainer)
    assert str(other["search"]) != str(first["search"])


def test_students_of_inner_folds_learn_from_other_animals_than_they_judge(
    tmp_path: Path, quick: None, trainer: FoldTrainer, monkeypatch: pytest.MonkeyPatch
) -> None:
    windows, judged = herd(20), {}

    def spy(
        student: GruMlpWeights, inner: Sequence[GruMlpWeights], windows: Windows, *rest: Any
    ) -> searching.HeadSearchResult:
        judged["inner"], judged["windows"], judged["student"] = inner, windows, student
        return searching.search_head(student, inner, windows, *rest)

    monkeypatch.setattr("mcukd.distillation.fold_trainer.search_head", spy)
    found = searched(windows, tmp_path, trainer)
    assert set(judged["windows"].animals) == set(ANIMALS[:4])
    folds = inner_folds(ANIMALS[:4])
    assert len(judged["inner"]) == len(folds) == 3
    # The same training on that fold's animals alone gives the very student.
    scale = float(judged["student"].std[0])
    own = windows.take(np.isin(windows.animals, folds[1].train_animals))
    data = TrainingSet(own, own.counts.astype(np.float32) / scale, Normalizer(3, np.full(3, scale)))
    config = student_training_config(CONFIG, windows.counts.shape[1])
    alone = trainer.train_distilled_student(None, None, data, config, FitContext(3))
    again = student_weights(trainer.on_counts("student", alone, scale))
    np.testing.assert_allclose(again.recurrent, judged["inner"][1].recurrent, atol=1e-6)
    assert not np.allclose(again.recurrent, judged["inner"][0].recurrent, atol=1e-4)
    # The student is none of them: the search left its weights as they were trained.
    np.testing.assert_array_equal(judged["student"].recurrent, shipped_weights(found).recurrent)
    for one in judged["inner"]:
        assert not np.allclose(judged["student"].recurrent, one.recurrent, atol=1e-4)


def test_an_ensemble_labels_inner_students_by_the_indices_of_their_windows() -> None:
    teacher = Teacher((None, None), out_of_fold_model=np.array([0, 1, 1, 0]))  # type: ignore[arg-type]
    about = teacher.for_subset(np.array([False, True, False, True]))
    assert about.out_of_fold_model is not None and about.out_of_fold_model.tolist() == [1, 0]
    alone = Teacher((None,))  # type: ignore[arg-type]
    assert alone.for_subset(np.array([True])) is alone


# --- The student's own head -----------------------------------------------------------------------------


def own_data(good: bool) -> tuple[np.ndarray, np.ndarray, np.ndarray, OwnHeads]:
    """Three classes that a linear classifier tells apart, and heads that know it already or know nothing."""
    rng = np.random.default_rng(0)
    labels, animals = np.arange(180) % 3, np.array([f"a{i // 30}" for i in range(180)])
    x = np.eye(3)[labels] + rng.normal(0, 0.4, (180, 3))
    # The best there is for these classes, and its opposite.
    head = Head.direct((6 if good else -6) * np.eye(3), np.zeros(3))
    return x.astype(np.float32), labels, animals, OwnHeads(head, [head] * 3)


@pytest.mark.parametrize("good", [True, False])
def test_own_head_is_kept_unless_another_is_better_on_inner_animals(good: bool) -> None:
    x, labels, animals, own = own_data(good)
    # Of those that deploy a centroid is left, which learns less well what the good head knows.
    families = [family for family in QUICK if not good or family.name != "linear"]
    found = search_classifier(x, labels, animals, "abc", trials=8, families=families, inner=[x] * 3, own=own)
    first = found.trials[0]
    guesses = own.head.logits(x).argmax(axis=1)
    assert (first.family, first.deploys, first.number) == (OWN, True, 0)
    best = max(trial.score for trial in found.trials if trial.deploys and trial.family != OWN)
    chances = found.deployable.predict_proba(x)
    if good:
        assert first.score > best > 0.5
        assert found.deployable.family == OWN and found.head is own.head
        assert np.array_equal(chances.argmax(axis=1), guesses)
        np.testing.assert_allclose(chances.sum(axis=1), 1)
    else:
        assert first.score < 0 < 0.5 < best
        assert found.deployable.family != OWN and found.deployable.score == best
        assert np.mean(chances.argmax(axis=1) == labels) > 0.9 > 0.1 > np.mean(guesses == labels)


def test_own_head_that_others_equal_stays() -> None:
    """A search that finds nothing better leaves the student as it was, whatever does as well."""
    labels, animals = np.arange(90) % 3, np.array([f"a{i // 15}" for i in range(90)])
    x = np.eye(3, dtype=np.float32)[labels]
    own = OwnHeads(Head.direct(np.eye(3), np.zeros(3)), [Head.direct(np.eye(3), np.zeros(3))] * 3)
    found = search_classifier(x, labels, animals, "abc", trials=8, families=QUICK, inner=[x] * 3, own=own)
    best = {trial.family: trial.score for trial in found.best_by_family()}
    assert best[OWN] == best["linear"] == best[COMBINATION] == pytest.approx(1)
    assert found.winner is found.deployable and found.winner.family == OWN and found.head is own.head


def test_each_inner_head_is_scored_on_its_own_network_and_combines_with_others() -> None:
    """Each inner embedding has the class in another column, which only its own head reads."""
    x, labels, animals, _ = own_data(True)
    x = x + np.random.default_rng(1).normal(0, 0.6, x.shape)
    folds, embeddings, heads = inner_folds(animals.tolist()), [], []
    for number, fold in enumerate(folds):
        kernel = np.zeros((6, 3))
        kernel[3 + number] = [-9, 0, 9]
        told = np.zeros((len(x), 3))
        new = np.isin(animals, fold.test_animals)
        # Nothing to learn from: the column is empty for the fold's training animals.
        told[new, number] = labels[new] - 1
        embeddings.append(np.hstack([x, told]))
        heads.append(Head.direct(kernel, np.array([0, 4.5, 0])))
    own = OwnHeads(Head.direct(np.ones((6, 3)), np.zeros(3)), heads)
    found = search_classifier(
        embeddings[0], labels, animals, "abc", trials=8, families=QUICK, inner=embeddings, own=own
    )
    assert found.trials[0].score == pytest.approx(1)
    others = {trial.family: trial.score for trial in found.best_by_family() if trial.family != OWN}
    mixed = [trial for trial in found.trials if trial.family == COMBINATION]
    assert max(score for family, score in others.items() if family != COMBINATION) < 0.9
    assert mixed and all(OWN in trial.settings for trial in mixed)
    # A combination may do as well, and is not better.
    assert found.winner.family == found.deployable.family == OWN and found.head is own.head
    swapped = search_classifier(
        embeddings[0],
        labels,
        animals,
        "abc",
        trials=8,
        families=QUICK,
        inner=embeddings,
        own=own._replace(inner=[*heads[1:], heads[0]]),
    )
    assert swapped.trials[0].score < 0.1 and swapped.deployable.family != OWN


def test_own_head_needs_networks_of_the_inner_folds() -> None:
    x, labels, animals, own = own_data(True)
    with pytest.raises(UserError, match="3 inner heads.*each of the 3 inner folds"):
        search_classifier(x, labels, animals, "abc", trials=8, families=QUICK, own=own)


# --- Options and files ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"student": "filter-mlp"}, "--search works with gru-mlp students"),
        ({"student": "mobilenet"}, "--search works with gru-mlp students"),
        ({"split": "random"}, "give a split by animal"),
        ({"search_trials": 7}, "--search-trials is 7, expected 8"),
    ],
)
def test_what_cannot_be_searched_is_refused_in_a_sentence(options: dict[str, Any], words: str) -> None:
    with pytest.raises(UserError, match=words):
        DistillConfig(**{"search": True, **options})


def test_options_are_recorded_only_when_asked_for() -> None:
    assert DistillConfig().options() == DistillConfig(search_trials=99).options()
    assert "search" not in DistillConfig().options()
    options = DistillConfig(search=True, search_trials=50).options()
    assert (options["search"], options["search_trials"]) == (True, 50)
    assert DistillConfig.of(options) == DistillConfig(search=True, search_trials=50)
    assert not with_split(CONFIG, "random").search and with_split(CONFIG, "loao").search


@pytest.mark.parametrize("kind", ["mlp", "linear", "prototype"])
def test_a_shipped_student_carries_any_head_through_its_file(kind: str, tmp_path: Path) -> None:
    weights = random_student() if kind == "mlp" else headed_student(kind)
    counts = random_windows(20).counts
    model = build_student(30, 3, 4, weights.mean, np.square(weights.std), units=8, dense=5)
    model.get_layer("gru").set_weights([weights.kernel, weights.recurrent, weights.bias])
    with_head(model, weights.head).save(tmp_path / "student.keras")
    loaded = load_student(tmp_path / "student.keras")
    again = student_weights(loaded)
    assert (again.head.kind, again.prototypes) == (kind, weights.prototypes)
    for name, array in weights.arrays().items():
        np.testing.assert_allclose(again.arrays()[name], array, rtol=1e-6, err_msg=name)
    np.testing.assert_allclose(
        np.asarray(loaded(counts.astype(np.float32))), weights.logits(counts), atol=1e-4
    )


# --- The whole road -------------------------------------------------------------------------------------


def in_process(
    jobs: Sequence[FoldTraining], training: Windows, evaluation: Windows, config: DistillConfig, **rest: Any
) -> None:
    """In place of worker processes, in which nothing can be forced; all students are of one shape."""
    trainer = CompiledOnce(training, evaluation, config)
    for task in jobs:
        task.fold.path.parent.mkdir(parents=True, exist_ok=True)
        trainer.train_fold(task.fold)


def study_with(family: str, split: str, root: Path, patch: pytest.MonkeyPatch) -> Study:
    """A study whose students hardly learned, so that a head of the one family that is searched is better."""
    write_moving_herd(root)
    card: Card = load_card(str(root / "card.toml"))
    patch.setattr(
        searching, "CLASSIFIER_FAMILIES", [one for one in CLASSIFIER_FAMILIES if one.name == family]
    )
    patch.setattr(stage, "run_jobs", in_process)
    study = Study.create(root / "runs" / family, str(card.path), 0)
    stage.distill(study, card, root, replace(CONFIG, epochs=1, seeds=(0,), split=split, mounting=None))
    return study


@pytest.fixture(scope="module")
def studies(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Study]:
    with pytest.MonkeyPatch.context() as patch:
        return {
            family: study_with(family, split, tmp_path_factory.mktemp(family), patch)
            for family, split in (("linear", "loao"), ("prototype", "holdout=C"))
        }


def command(study: Study, *arguments: str) -> Result:
    return CliRunner().invoke(app_module.app, [arguments[0], "--run", str(study.path), *arguments[1:]])


def quantized(study: Study, *options: str) -> Result:
    return command(study, "quantize", "--data-root", str(study.path.parents[1]), *options)


@pytest.mark.parametrize("family", ["linear", "prototype"])
def test_folds_and_shipped_student_have_the_head_found(studies: dict[str, Study], family: str) -> None:
    study = studies[family]
    root = study.path.parents[1]
    windows = load_windows(load_card(study.card), root)
    files = sorted(study.file("evaluation").glob("*.npz"))
    for file in files:
        with np.load(file) as stored:
            facts = json.loads(str(stored["search"]))
            assert set(facts["inner_mcc_by_family"]) >= {OWN, family}
            assert stored["student_searched_logits"].shape == stored["student_logits"].shape
            weights, counts = shipped_weights(stored), windows.counts[stored["test_index"]]
            logits = stored["student_searched_deployable_logits"]
            np.testing.assert_allclose(weights.logits(counts), logits, atol=1e-5)
            own = GruMlpWeights.from_arrays(stored, "student__")
            np.testing.assert_array_equal(weights.recurrent, own.recurrent)
            kind = "mlp" if facts["deployable"]["family"] == OWN else family
            assert weights.head.kind == kind
    assert student_weights(load_student(study.file("student.keras"))).head.kind == family
    models = load_metrics(study.file("metrics.json"))["models"]
    assert set(models) == {"student", *SEARCHED}
    found = models["student_searched_deployable"]
    assert sum(found["found"].values()) == len(files) == (3 if family == "linear" else 1)
    assert found["found"].get(family, 0) >= min(len(files), 2)
    assert found["mcc"] > models["student"]["mcc"] + 0.2
    largest = max(student.weights.parameters for student in fold_students(study))
    assert found["parameters"] == largest and "parameters" not in models["student_searched"]


def test_a_searched_study_is_quantized_evaluated_and_reported(studies: dict[str, Study]) -> None:
    study = studies["linear"]
    with pytest.raises(UserError, match="--qat trains the head"):
        raise quantized(study, "--qat").exception or AssertionError("not refused")
    result = quantized(study, "--bits", "8", "--no-tflite", "--json")
    assert result.exit_code == 0, result.output
    model = load_model(study.path)
    assert getattr(model, "head", None) == "linear"
    evaluated = evaluate_study(Study.open(study.path))
    models = evaluated["models"]
    assert abs(models["fixed_point_8"]["mcc"] - models["student_searched_deployable"]["mcc"]) < 0.1
    assert models["fixed_point_8"]["parameters"] == models["student_searched_deployable"]["parameters"]
    agreed = evaluated["agreement"]
    assert agreed["float_equals_integer"] > 0.95 * agreed["windows"]
    assert command(study, "report").exit_code == 0
    page = study.file("report.html").read_text()
    assert "Student, searched head" in page and "Student, any classifier" in page


def test_prototypes_go_on_without_a_tflite_file_and_say_so(studies: dict[str, Study]) -> None:
    result = quantized(studies["prototype"], "--bits", "8", "--json")
    assert result.exit_code == 0, result.output
    facts = json.loads(result.stdout)
    assert any("prototype" in remark for remark in facts["remarks"])
    assert not studies["prototype"].file("student_int8.tflite").exists()


@pytest.mark.parametrize("in_two", [True, False])
def test_linear_cell_computes_the_student(in_two: bool) -> None:
    """The float graph of which the TFLite file is made."""
    import tensorflow as tf

    from mcukd.tflite.cell import STATES, build_cell

    student, counts = headed_student("linear"), random_windows(3).counts
    cell, x = build_cell(student, in_two=in_two), (counts - student.mean) / student.std
    states = list(STATES)[: 2 if in_two else 1]
    for n, window in enumerate(x.astype(np.float32)):
        carried = [tf.zeros((1, 8))] * len(states)
        for sample in window:
            made = cell.step(tf.constant(sample[None]), *carried)
            carried = [made[STATES[name]] for name in states]
        np.testing.assert_allclose(made["logits"][0], student.logits(counts[n : n + 1])[0], atol=1e-4)


def test_a_study_distilled_again_without_search_drops_the_heads_found(
    studies: dict[str, Study], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = studies["linear"]
    shutil.copytree(first.path, tmp_path / "again")
    study, card = Study.open(tmp_path / "again"), load_card(first.card)
    monkeypatch.setattr(stage, "run_jobs", in_process)
    config = replace(CONFIG, epochs=1, seeds=(0,), split="loao", mounting=None, search=False)
    metrics = stage.distill(study, card, first.path.parents[1], config)
    assert not set(SEARCHED) & set(metrics["models"])
    assert student_weights(load_student(study.file("student.keras"))).head.kind == "mlp"


@pytest.mark.emulator
@pytest.mark.skipif(bool(tools_missing(load_board("collar-emulated"))), reason="no Arm compiler or emulator")
@pytest.mark.parametrize("family", ["linear", "prototype"])
def test_a_searched_student_is_proven_on_the_emulated_collar(studies: dict[str, Study], family: str) -> None:
    study = studies[family]
    assert quantized(study, "--bits", "8", "--no-tflite").exit_code == 0
    assert getattr(load_model(study.path), "head", None) == family
    for stage_name in ("generate", "build"):
        result = command(study, stage_name, "--board", "collar")
        assert result.exit_code == 0, result.output
    result = command(study, "validate", "--board", "collar", "--emulate", "--windows", "20", "--json")
    assert result.exit_code == 0, result.output
    facts = json.loads(result.stdout)
    assert facts["emulated"] and facts["mismatches"] == 0 and facts["windows"] >= 20
    assert facts["model_sha256"] == load_model(study.path).sha256
