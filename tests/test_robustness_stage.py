"""`mcukd robustness` end to end, on small studies whose students are random or, in one test, taught."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from factories import random_student
from report_study import whole_study
from test_distill_stage import _write_herd
from typer.testing import CliRunner, Result

from mcukd.cli.app import app
from mcukd.data.card import Card
from mcukd.data.load import load_windows
from mcukd.distill.run import EVALUATION
from mcukd.models.student import stored_weights
from mcukd.report.metrics import score
from mcukd.report.stage import report_study
from mcukd.robustness.disturb import DISTURBANCES, Sensor, chosen
from mcukd.robustness.stage import FIGURE, ROBUSTNESS
from mcukd.robustness.words import sentences
from mcukd.study import Study

SEEDS = (0, 1)


def untaught_study(path: Path, card: Card, root: Path, first: int = 0, **options: Any) -> Study:
    """A study as `distill` leaves its folds, but with random students."""
    study = Study.create(path, str(card.path), 0)
    study.data_root(root)
    windows = load_windows(card, root)
    study.file(EVALUATION).mkdir()
    outputs = []
    for seed in SEEDS:
        for number, animal in enumerate("ABC"):
            students = {
                prefix: random_student(first + 10 * seed + number + extra, classes=2)
                for prefix, extra in (("student__", 100), ("student_distilled__", 0))
            }
            arrays = {k: v for prefix, one in students.items() for k, v in one.arrays(prefix).items()}
            outputs.append(study.file(EVALUATION, f"{animal}-s{seed}.npz"))
            index = np.flatnonzero(windows.animals == animal)
            others = [other for other in "ABC" if other != animal]
            np.savez(outputs[-1], test_index=index, train_animals=others, test_animals=[animal], **arrays)
    recorded = {"split": "loao", "seeds": list(SEEDS), **options}
    study.finish("distill", inputs={"data": "0" * 64}, options=recorded, outputs=outputs)
    return study


@pytest.fixture(scope="module")
def herd(tmp_path_factory: pytest.TempPathFactory) -> tuple[Card, Path]:
    root = tmp_path_factory.mktemp("herd")
    return _write_herd(root), root


@pytest.fixture(scope="module")
def made(herd: tuple[Card, Path]) -> tuple[Study, Study, dict[str, Any]]:
    """A study, another with other students called augmented, and what the command says of both."""
    card, root = herd
    study = untaught_study(root / "runs" / "plain", card, root)
    augmented = untaught_study(root / "runs" / "augmented", card, root, 50, augment="flip")
    found = robustness(study, "--augmented", str(augmented.path), "--json")
    assert found.exit_code == 0, found.output
    return study, augmented, json.loads(found.stdout)


def robustness(study: Study, *options: str) -> Result:
    return CliRunner().invoke(app, ["robustness", "--run", str(study.path), *options])


def refused(found: Result) -> str:
    """The one sentence of a refused command."""
    from mcukd.errors import UserError

    assert isinstance(found.exception, UserError)
    said = str(found.exception)
    assert "\n" not in said
    return said


def test_scores_are_those_of_each_fold_s_own_students_on_its_own_disturbed_windows(herd, made) -> None:
    card, root = herd
    study, augmented, content = made
    windows, sensor = load_windows(card, root), Sensor.of(card)
    for model, home in (("student", study), ("student_distilled", study), ("student_augmented", augmented)):
        prefix = "student__" if model == "student" else "student_distilled__"
        for name, level in (("rotation", 45), ("noise", 100), ("flip", 2)):
            (disturbance,) = chosen([name])
            for place, seed in enumerate(SEEDS):
                labels, guesses = [], []
                for animal in "ABC":
                    own = windows.take(windows.animals == animal)
                    changed = disturbance(windows.counts, sensor, level, seed)[windows.animals == animal]
                    with np.load(home.file(EVALUATION, f"{animal}-s{seed}.npz")) as stored:
                        guesses.append(stored_weights(stored, prefix).logits(changed).argmax(axis=1))
                    labels.append(own.labels)
                truth = np.concatenate(labels)
                expected = score(truth, np.concatenate(guesses), truth.astype(str), windows.classes)["mcc"]
                table = content["disturbances"][name]
                by_seed = table["models"][model]["mcc_by_seed"][table["levels"].index(level)]
                assert by_seed[place] == pytest.approx(expected, abs=1e-12), (model, name, seed)


def test_level_0_is_the_undisturbed_score_and_mean_and_spread_are_over_seeds(made) -> None:
    _, _, content = made
    models = ["student", "student_distilled", "fixed_point_8", "student_augmented"]
    assert list(content["undisturbed"]) == models
    assert list(content["disturbances"]) == [one.name for one in DISTURBANCES]
    for table in content["disturbances"].values():
        assert len(table["levels"]) == len(table["labels"])
        for model in models:
            found = table["models"][model]
            zero = table["levels"].index(0)
            assert found["mcc_by_seed"][zero] == content["undisturbed"][model]["mcc_by_seed"]
            assert found["mcc"] == pytest.approx(np.mean(found["mcc_by_seed"], axis=1))
            assert found["mcc_sd"] == pytest.approx(np.std(found["mcc_by_seed"], axis=1, ddof=1))
    assert content["seeds"] == list(SEEDS) and content["split"] == "loao"
    assert content["augmented"] == "flip" and content["neck_axis"] == "x" and not content["simulated"]


def test_the_integer_model_follows_the_float_one(made) -> None:
    models = made[2]["disturbances"]["gain"]["models"]
    apart = np.abs(np.subtract(models["fixed_point_8"]["mcc"], models["student_distilled"]["mcc"]))
    assert apart.max() < 0.2


def test_files_are_written_and_nothing_is_done_twice(made) -> None:
    study, augmented, content = made
    assert json.loads(study.file(ROBUSTNESS).read_text()) == content
    drawn = study.file(FIGURE).read_text()
    assert drawn.startswith("<svg") and "xmlns=" in drawn
    for one in DISTURBANCES:
        assert one.title in drawn
    assert "Student, augmented" in drawn and "chance" in drawn
    Study.open(study.path).require("robustness")
    before = study.file(ROBUSTNESS).stat().st_mtime_ns
    found = robustness(study, "--augmented", str(augmented.path))
    assert found.exit_code == 0 and study.file(ROBUSTNESS).stat().st_mtime_ns == before
    assert "unseen animals" in found.stdout and "robustness.json" in found.stdout


def test_chosen_disturbances_alone_without_integers_and_a_figure_elsewhere(made, tmp_path) -> None:
    study = moved(made[0], tmp_path)
    figure = tmp_path / "figure.svg"
    options = ("--disturbances", "clip, flip", "--no-integers", "--figure", str(figure), "--json")
    content = json.loads(robustness(study, *options).stdout)
    assert list(content["disturbances"]) == ["flip", "clip"]
    assert list(content["undisturbed"]) == ["student", "student_distilled"]
    assert content["augmented"] is None and figure.read_text() == study.file(FIGURE).read_text()
    assert content["undisturbed"]["student"] == made[2]["undisturbed"]["student"]


def test_old_studies_have_no_plain_student_and_those_without_distillation_no_distilled(
    made, tmp_path
) -> None:
    for lost, left in (("student__", "student_distilled"), ("student_distilled__", "student")):
        study = moved(made[0], tmp_path / left, without=lost)
        content = json.loads(robustness(study, "--disturbances", "flip", "--json").stdout)
        assert list(content["undisturbed"]) == [left, "fixed_point_8"]
        assert sentences(content)[0].startswith("Axis with the wrong sign")


def test_sentences_say_what_is_lost_what_augmentation_saves_and_what_costs_nothing() -> None:
    def table(*mcc: float, **more: list[float]) -> dict[str, Any]:
        models = {"student_distilled": {"mcc": list(mcc)}}
        models.update({name: {"mcc": values} for name, values in more.items()})
        return {"title": "Shaking", "levels": [-1, 0, 1], "labels": ["−1", "0", "+1"], "models": models}

    content = {"disturbances": {"a": table(0.5, 0.9, 0.8, student_augmented=[0.85, 0.88, 0.87])}}
    assert sentences(content) == ["Shaking: MCC 0.500 at worst (−1), 0.900 without; augmented 0.850."]
    assert sentences({"disturbances": {"a": table(0.9, 0.9, 0.91)}}) == [
        "Shaking: costs nothing at any level tried."
    ]


def test_the_report_has_a_section_that_names_the_command_until_there_are_scores(made, tmp_path) -> None:
    study = whole_study(tmp_path / "study")
    assert "mcukd robustness --run DIR" in report_study(study).read_text()
    shutil.copy(made[0].file(ROBUSTNESS), study.file(ROBUSTNESS))
    study.finish("robustness", inputs={}, options={}, outputs=[study.file(ROBUSTNESS)])
    page = report_study(study).read_text()
    assert "robustness-caption" in page and "mcukd robustness --run DIR" not in page
    for one in sentences(made[2]):
        assert f"<li>{one}</li>" in page
    study.file(ROBUSTNESS).write_text("{}")
    with pytest.raises(Exception, match="mcukd robustness"):
        report_study(study)


def moved(study: Study, folder: Path, without: str = "") -> Study:
    """A copy of a study's folds, perhaps without the weights of one student."""
    copy = Study.create(folder / "copy", study.card, 0)
    copy.data_root(study.data_root(None))
    copy.file(EVALUATION).mkdir()
    outputs = []
    for file in sorted(study.file(EVALUATION).glob("*.npz")):
        outputs.append(copy.file(EVALUATION, file.name))
        with np.load(file) as stored:
            kept = {name: stored[name] for name in stored if not without or not name.startswith(without)}
        np.savez(outputs[-1], **kept)
    copy.finish("distill", inputs={}, options=study.options("distill"), outputs=outputs)
    return copy


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--disturbances", "rotations"), ("'rotations'", "did you mean 'rotation'", "gain-axes")),
        (("--augmented", "SELF"), ("--augmented", "without --augment")),
        (("--augmented", "OTHER"), ("other folds", "seeds 0,1", "same --split and --seeds")),
        (("--augmented", "nowhere"), ("nowhere", "no study there")),
    ],
)
def test_wrong_options_are_refused_in_one_sentence(made, tmp_path, options, words) -> None:
    study, augmented, _ = made
    copy = moved(study, tmp_path)
    other = moved(augmented, tmp_path / "other")
    lost = other.file(EVALUATION, "C-s1.npz")
    outputs = [file for file in sorted(other.file(EVALUATION).glob("*.npz")) if file != lost]
    lost.unlink()
    other.finish("distill", inputs={}, options=other.options("distill"), outputs=outputs)
    places = {"SELF": str(study.path), "OTHER": str(other.path)}
    said = refused(robustness(copy, *(places.get(option, option) for option in options)))
    for word in words:
        assert word in said
    assert not copy.file(ROBUSTNESS).exists()


def test_a_random_split_no_folds_no_weights_and_a_stale_study_are_refused(made, tmp_path) -> None:
    random = moved(made[0], tmp_path / "random")
    random.finish("distill", inputs={}, options={"split": "random", "seeds": [0]}, outputs=[])
    assert "animals never seen" in refused(robustness(random))
    empty = moved(made[0], tmp_path / "empty")
    empty.finish("distill", inputs={}, options=empty.options("distill"), outputs=[])
    for file in empty.file(EVALUATION).glob("*.npz"):
        file.unlink()
    assert "no evaluated folds" in refused(robustness(empty))
    bare = moved(made[0], tmp_path / "bare", without="student")
    assert "weights are not kept" in refused(robustness(bare))
    stale = moved(made[0], tmp_path / "stale")
    stale.file(EVALUATION, "A-s0.npz").write_bytes(b"")
    assert "A-s0.npz" in refused(robustness(stale))
    assert refused(robustness(Study(tmp_path / "none"))).startswith(f"{tmp_path / 'none'}: no study")


def test_bad_input_leaves_with_code_2_and_no_traceback(made) -> None:
    import subprocess
    import sys

    command = [sys.executable, "-m", "mcukd", "robustness", "--run", str(made[0].path)]
    found = subprocess.run([*command, "--disturbances", "wind"], capture_output=True, text=True, check=False)
    assert found.returncode == 2 and "'wind'" in found.stderr and "Traceback" not in found.stderr
    command = [sys.executable, "-m", "mcukd", "distill", "--augment", "wind", "--data", "herd-sim"]
    found = subprocess.run(command, capture_output=True, text=True, check=False)
    assert found.returncode == 2 and "--augment names 'wind'" in found.stderr
