"""Evaluating and comparing studies end to end: baselines, kept predictions, findings, commands."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from builders.data import write_card
from builders.students import random_student, random_windows
from typer.testing import CliRunner

from mcukd.cli.app import app
from mcukd.data.card import load_card
from mcukd.data.load import load_windows
from mcukd.distillation.config import DistillConfig
from mcukd.errors import UserError
from mcukd.evaluation.compare import compare, paired
from mcukd.evaluation.predictions import Predictions, stored_predictions
from mcukd.evaluation.warmup import settling_samples, stepwise_classes, warm_up
from mcukd.metrics.confusion import one_answer
from mcukd.metrics.metrics_file import TRANSDUCTIVE, add_findings, load_metrics
from mcukd.metrics.scores import combine_seeds
from mcukd.pipeline.evaluate import (
    compare_studies,
    evaluate_study,
    forget_baselines,
    split_optimism,
    train_baselines,
    usual_baselines,
    with_split,
)
from mcukd.report.findings import baseline_sentence, sentences
from mcukd.study import Study

CONFIG = DistillConfig(split="loao", seeds=(0, 1), jobs=1)
MODELS = ("majority", "random_forest")


def write_herd(folder: Path, animals: str = "ABCD") -> Any:
    """Each animal grazes with a swing of its own strength and rests without."""
    rng = np.random.default_rng(0)
    for number, animal in enumerate(animals):
        for label, swing in (("graze", 0.3 + 0.1 * number), ("rest", 0.02)):
            samples = [0.1, -0.2, -0.95] + swing * np.sin(np.arange(300)[:, None] * [0.9, 1.1, 0.7])
            samples = samples + 0.05 * rng.normal(size=(300, 3))
            path = folder / label / f"{animal}1.csv"
            path.parent.mkdir(exist_ok=True)
            path.write_text("x,y,z\n" + "".join(f"{x:.4f},{y:.4f},{z:.4f}\n" for x, y, z in samples))
    return write_card(folder)


@pytest.fixture(scope="module", autouse=True)
def few_trees() -> Any:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("mcukd.distillation.forest.TREES", 15)
        yield


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Any:
    root = tmp_path_factory.mktemp("herd")
    card = write_herd(root)
    study = Study.create(root / "runs" / "small", str(card.path), 0)
    study.data_root(root)
    train_baselines(study, card, root, CONFIG, MODELS)
    return study, card, root


def test_baselines_stand_in_metrics_with_intervals_and_calibration(made: Any) -> None:
    study, _, _ = made
    metrics = evaluate_study(study)
    assert list(metrics["models"]) == list(MODELS)
    for one in metrics["models"].values():
        assert one["intervals"]["animals"] == 4 and one["calibration"]["ece"] >= 0
        assert "never saw" in one["scored_on"] and len(one["mcc_by_seed"]) == 2
    assert metrics["models"]["majority"]["mcc"] == 0
    assert metrics["models"]["random_forest"]["mcc"] > 0.8
    assert load_metrics(study.file("metrics.json")) == metrics
    study.require("evaluate")


def test_nothing_is_trained_twice_and_what_is_lost_comes_back_the_same(made: Any) -> None:
    study, card, root = made
    files = sorted(study.path.glob("evaluation/baselines/*/*.npz"))
    assert len(files) == 2 * 2 * 4
    before = {file: file.stat().st_mtime_ns for file in files}
    train_baselines(study, card, root, CONFIG, MODELS)
    assert {file: file.stat().st_mtime_ns for file in files} == before
    lost = next(file for file in files if file.parent.name == "random_forest")
    with np.load(lost) as stored:
        arrays = {name: stored[name] for name in stored}
    lost.write_bytes(b"damaged")
    train_baselines(study, card, root, CONFIG, MODELS)
    with np.load(lost) as stored:
        for name, array in arrays.items():
            np.testing.assert_array_equal(stored[name], array)
    assert all(file.stat().st_mtime_ns == before[file] for file in files if file != lost)


def test_the_tested_folds_hold_out_their_animal(made: Any) -> None:
    study, card, root = made
    evaluation = load_windows(card, root)
    for file in study.path.glob("evaluation/baselines/*/*.npz"):
        with np.load(file) as stored:
            tested = set(evaluation.animals[stored["test_index"]])
            assert tested == {file.stem[0]} and not tested & set(stored["train_animals"])


def test_predictions_of_other_data_are_refused(made: Any) -> None:
    study, card, root = made
    evaluation = load_windows(card, root)
    other = replace(evaluation, labels=1 - evaluation.labels)
    with pytest.raises(UserError, match="made from other windows"):
        stored_predictions(study.path, MODELS, other)


def test_a_forest_is_better_than_the_majority_and_says_so(made: Any) -> None:
    study, _, _ = made
    found = compare_studies(study, study, ("random_forest", "majority"))
    assert found.verdict == "better" and found.low is not None and found.low > 0
    assert found.sentence().startswith("The random forest is better than the majority class: pooled MCC +")
    same = compare_studies(study, study, ("random_forest", "random_forest"))
    assert same.difference == 0 and same.verdict == "no difference shown"
    with pytest.raises(UserError, match=r"no predictions of 'random_forst'.*did you mean 'random_forest'"):
        compare_studies(study, study, ("random_forst", "majority"))


def test_a_random_split_is_shown_beside_the_honest_one(made: Any) -> None:
    study, card, root = made
    other = Study.create(study.path.with_name("small-random"), study.card, 0)
    train_baselines(other, card, root, with_split(CONFIG, "random"), MODELS)
    evaluate_study(other, root)
    found = split_optimism(other, study, root)
    assert set(found) == set(MODELS)
    assert found["random_forest"]["points"] == pytest.approx(
        100 * (found["random_forest"]["mcc_random"] - found["random_forest"]["mcc"])
    )
    for place in (study, other):
        assert load_metrics(place.file("metrics.json"))["random_split"]["models"] == found
    assert "flatters" in load_metrics(other.file("metrics.json"))["models"]["majority"]["scored_on"]
    assert any("points of optimism" in one for one in sentences(load_metrics(study.file("metrics.json"))))


def test_commands_print_tables_json_and_sentences(made: Any) -> None:
    study, _, _ = made
    run = CliRunner().invoke(app, ["evaluate", "--run", str(study.path), "--json"])
    assert run.exit_code == 0, run.output
    assert set(json.loads(run.stdout)["models"]) == set(MODELS)
    run = CliRunner().invoke(app, ["evaluate", "--run", str(study.path)])
    assert run.exit_code == 0 and "random_forest" in run.stdout and "time budget" in run.stdout
    run = CliRunner().invoke(
        app, ["evaluate", "compare", str(study.path), "--models", "random_forest,majority", "--json"]
    )
    assert run.exit_code == 0 and json.loads(run.stdout)["verdict"] == "better"
    run = CliRunner().invoke(app, ["evaluate", "compare", str(study.path)])
    assert isinstance(run.exception, UserError) and "two studies" in str(run.exception)


def test_groups_of_animals_are_a_study_of_their_own(made: Any, tmp_path: Path) -> None:
    _, card, root = made
    arguments = ["evaluate", "--data", str(card.path), "--data-root", str(root), "--split", "animals=2"]
    arguments += ["--models", "majority", "--seeds", "1", "--run", str(tmp_path / "groups"), "--json"]
    run = CliRunner().invoke(app, arguments)
    assert run.exit_code == 0, run.output
    assert json.loads(run.stdout)["split"] == "animals=2"


def test_an_unknown_baseline_and_short_windows_are_sentences(made: Any) -> None:
    study, card, root = made
    with pytest.raises(UserError, match="no baseline 'forest'"):
        train_baselines(study, card, root, CONFIG, ("forest",))
    with pytest.raises(UserError, match="too short for the filter-MLP"):
        train_baselines(study, card, root, CONFIG, ("filter_mlp",))
    assert usual_baselines(card) == MODELS
    assert usual_baselines(load_card("cow-collar")) == ("majority", "random_forest", "filter_mlp")


def test_baselines_can_be_forgotten(tmp_path: Path) -> None:
    card = write_herd(tmp_path)
    study = Study.create(tmp_path / "run", str(card.path), 0)
    train_baselines(study, card, tmp_path, replace(CONFIG, seeds=(0,)), ("majority",))
    forget_baselines(study)
    assert load_metrics(study.file("metrics.json"))["models"] == {}
    assert "evaluate" not in Study.open(study.path).manifest["stages"]


def matrices(skill: float, seed: int, animals: int = 10) -> np.ndarray:
    """Confusion matrices (3, A, 2, 2): 50 windows of each class, animals that differ alike for all models."""
    rng = np.random.default_rng(seed)
    hard = np.random.default_rng(0).normal(0, 0.05, animals)
    right = rng.binomial(50, np.clip(skill + hard, 0, 1)[None, :, None], (3, animals, 2))
    return np.stack(
        [
            np.stack([right[..., 0], 50 - right[..., 0]], -1),
            np.stack([50 - right[..., 1], right[..., 1]], -1),
        ],
        axis=-2,
    )


def test_pairing_finds_what_separate_intervals_would_hide() -> None:
    better, worse = matrices(0.85, 1), matrices(0.8, 2)
    found = paired(better, worse, ("student_distilled", "student"))
    assert found.verdict == "better" and found.sentence().startswith("Distillation helps: pooled MCC +")
    assert "by chance" not in found.sentence()
    few = paired(matrices(0.95, 1)[:, :5], matrices(0.6, 2)[:, :5], ("student_distilled", "student"))
    assert few.verdict == "better"
    assert few.sentence().endswith("; fewer than 6 animals may agree by chance.")
    mirrored = paired(worse, better, ("student_distilled", "student"))
    assert mirrored.difference == pytest.approx(-found.difference)
    assert mirrored.verdict == "worse" and "hurts" in mirrored.sentence()


def test_two_models_of_the_same_worth_are_seldom_told_apart() -> None:
    told_apart = sum(
        paired(matrices(0.8, 2 * n + 10), matrices(0.8, 2 * n + 11), ("a", "b"), draws=400).verdict
        != "no difference shown"
        for n in range(100)
    )
    assert told_apart <= 12


def test_models_scored_on_other_windows_are_not_compared() -> None:
    with pytest.raises(ValueError, match="same windows"):
        paired(matrices(0.8, 1), matrices(0.8, 1)[:, :5], ("a", "b"))


def test_one_animal_cannot_decide() -> None:
    found = paired(matrices(0.9, 1, 1), matrices(0.5, 2, 1), ("a", "b"))
    assert found.low is None and "one animal cannot tell" in found.sentence()


def test_a_winning_baseline_is_the_first_thing_said() -> None:
    models = {"student_distilled": {"mcc": 0.80}, "random_forest": {"mcc": 0.86}, "majority": {"mcc": 0.0}}
    said = baseline_sentence({"models": models})
    assert said is not None and said.startswith("A baseline wins") and "random forest" in said
    assert sentences({"models": models})[0] == said
    models["random_forest"]["mcc"] = 0.7
    assert baseline_sentence({"models": models}) is None


def test_settling_is_counted_as_a_loop_counts_it() -> None:
    student, counts = random_student(3), random_windows(30, steps=25).counts
    classes = stepwise_classes(student, counts)
    np.testing.assert_array_equal(classes[:, -1], student.logits(counts).argmax(axis=1))
    found = settling_samples(student, counts)
    for n, row in enumerate(classes):
        settled = next(t for t in range(25) if all(c == row[-1] for c in row[t:]))
        assert found[n] == settled + 1
    facts = warm_up([found[:10], found[10:]], 25)
    assert facts["worst_samples"] == found.max() and facts["windows"] == 30
    assert facts["median_samples"] == np.median(found) <= facts["p95_samples"] <= facts["worst_samples"]


def test_a_model_that_learned_nothing_with_a_seed_is_said_beside_its_difference() -> None:
    """Distillation would seem to help."""
    evaluation = random_windows(60, 8, classes=3)
    index, right = np.arange(60), np.eye(3)[evaluation.labels]
    # Of each animal one class, though not the same: every fold has a student of its own.
    nothing = np.eye(3)[[int(animal[1:]) % 3 for animal in evaluation.animals]]
    distilled = Predictions("student_distilled", (0, 4), (index, index), (right, right))
    plain = Predictions("student", (0, 4), (index, index), (right, nothing))
    found = compare(distilled, plain, evaluation)
    assert len(found.caveats) == 1 and "not on an equal footing" in found.verdict
    assert found.caveats[0].startswith("The plain student learned nothing with seed 4: it gives all windows")
    assert combine_seeds(plain.scores(evaluation))["one_answer_by_seed"] == [False, True]
    assert "one_answer_by_seed" not in combine_seeds(distilled.scores(evaluation))
    assert compare(distilled, replace(plain, logits=(right, right)), evaluation).caveats == ()
    majority = replace(plain, model="majority", logits=(nothing, nothing))
    assert compare(distilled, majority, evaluation).caveats == ()


def test_one_answer_for_each_animal_may_be_the_right_one() -> None:
    """Five animals were seen in one behaviour each, the sixth in a second one for a moment."""
    matrices = np.zeros((6, 3, 3), np.int64)
    for animal, k in enumerate((0, 1, 2, 0, 1)):
        matrices[animal, k, k] = 100
    matrices[5, :2, 0] = 95, 2
    assert not one_answer(matrices)
    matrices[:, :, 0], matrices[:, :, 1:] = matrices.sum(-1), 0
    assert one_answer(matrices)
    assert not one_answer(np.zeros((2, 3, 3), np.int64))


def another(made: Any, folder: Path, card: Any = None, seed: int = 0, **options: Any) -> Study:
    """A second study with the majority class only, of the same herd unless told."""
    _, same, root = made
    card = card or same
    study = Study.create(folder / "second", str(card.path), seed)
    study.data_root(root)
    train_baselines(study, card, root, replace(CONFIG, **options), ("majority",))
    return study


def test_studies_with_other_folds_say_so_in_the_verdict(made: Any, tmp_path: Path) -> None:
    other = another(made, tmp_path, split="animals=2")
    found = compare_studies(made[0], other, ("random_forest", "majority"))
    assert found.shown == "better" and found.verdict == "better, but not on an equal footing"
    assert len(found.caveats) == 1
    for words in ("split loao, on 3 animals", "split animals=2, on 2 animals", "4 of 4 animals tested"):
        assert words in found.caveats[0]
    assert "(not on an equal footing)" in found.sentence() and found.sentence().endswith(found.caveats[0])
    facts = found.facts()
    assert facts["caveats"] == list(found.caveats) and facts["verdict"] == found.verdict
    said = CliRunner().invoke(
        app, ["evaluate", "compare", str(made[0].path), str(other.path), "--model", "majority"]
    )
    assert said.exit_code == 0 and "not trained on the same animals" in said.stdout


def test_studies_with_the_same_folds_have_no_caveat(made: Any, tmp_path: Path) -> None:
    found = compare_studies(made[0], another(made, tmp_path), ("random_forest", "majority"))
    assert found.caveats == () and found.verdict == "better" and "caveats" not in found.facts()


def test_a_study_that_knew_the_animals_recordings_is_not_on_an_equal_footing(
    made: Any, tmp_path: Path
) -> None:
    other = another(made, tmp_path)
    add_findings(other.file("metrics.json"), {"majority": {"scored_on": TRANSDUCTIVE}})
    found = compare_studies(made[0], other, ("random_forest", "majority"))
    assert len(found.caveats) == 1 and found.caveats[0].startswith("majority of second had learned from rec")
    assert compare_studies(other, other, ("majority", "majority")).caveats == ()


def test_animals_and_seeds_that_one_study_lacks_are_said_to_be_left_out(made: Any, tmp_path: Path) -> None:
    other = another(made, tmp_path, split="holdout=A,B", seeds=(1, 2))
    found = compare_studies(made[0], other, ("random_forest", "majority"))
    assert (found.animals, found.seeds) == (2, 1)
    told = " ".join(found.caveats)
    for words in ("seeds 0", "seeds 2", "animals C, D", "on 3 animals", "on 2 animals"):
        assert words in told
    none = another(made, tmp_path / "none", seeds=(7,))
    with pytest.raises(UserError, match=r"share no seed \(0, 1 and 7\)"):
        compare_studies(made[0], none, ("majority", "majority"))


def test_a_study_dealt_at_random_is_said_to_be_flattered(made: Any, tmp_path: Path) -> None:
    other = another(made, tmp_path, split="random")
    found = compare_studies(made[0], other, ("majority", "majority"))
    assert found.caveats == ("majority of second had seen the animals it was tested on, which flatters it.",)


def test_studies_of_other_data_are_refused_with_the_true_reason(made: Any, tmp_path: Path) -> None:
    study, card, root = made
    text = card.path.read_text()

    def refusal(name: str, old: str, new: str) -> str:
        assert old in text
        path = tmp_path / name / "card.toml"
        path.parent.mkdir()
        path.write_text(text.replace(old, new).replace('folder = "."', f'folder = "{root}"'))
        other = Study.create(tmp_path / name / "run", str(path), 0)
        other.data_root(root)
        other.finish("evaluate", inputs={"data": "0" * 64}, options=CONFIG.options(), outputs=[])
        with pytest.raises(UserError) as caught:
            compare_studies(study, other, ("majority", "majority"))
        return str(caught.value)

    assert "models of different data have no window in common" in refusal("name", f'"{card.name}"', '"cats"')
    length = f"length = {card.window}"
    assert f"windows of {card.window} and {card.window + 2} samples" in refusal(
        "window", length, f"length = {card.window + 2}"
    )
    assert "made from other samples, or another version of card" in refusal("samples", length, length)


def test_simulated_herds_of_other_seeds_are_other_animals(tmp_path: Path) -> None:
    studies = [Study.create(tmp_path / str(seed), "herd-sim", seed) for seed in (0, 1)]
    with pytest.raises(UserError, match="simulated with seeds 0 and 1, which are different animals"):
        compare_studies(studies[0], studies[1], ("student", "student"))


def test_a_stale_study_is_not_compared(made: Any, tmp_path: Path) -> None:
    other = another(made, tmp_path)
    next(other.path.glob("evaluation/baselines/majority/*.npz")).unlink()
    with pytest.raises(UserError, match="missing or changed since 'evaluate' wrote it"):
        compare_studies(made[0], other, ("majority", "majority"))


@pytest.mark.parametrize("models", ["student,forest", "randomforest"])
def test_unknown_models_are_refused_before_anything_is_begun(
    made: Any, tmp_path: Path, models: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, card, root = made
    monkeypatch.setattr("mcukd.pipeline.distill.distill", None)
    run = tmp_path / "new"
    arguments = ["evaluate", "--data", str(card.path), "--data-root", str(root), "--run", str(run)]
    done = CliRunner().invoke(app, [*arguments, "--models", models])
    assert isinstance(done.exception, UserError) and "there is no model" in str(done.exception)
    assert not run.exists()
    done = CliRunner().invoke(app, [*arguments, "--models", "student,filter_mlp"])
    assert isinstance(done.exception, UserError) and "too short for the filter-MLP" in str(done.exception)
    assert not run.exists()
