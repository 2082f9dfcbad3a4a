"""`mcukd robustness` end to end, on small studies with random students and one trained study."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from builders.data import write_moving_herd
from builders.report_study import whole_study
from builders.students import random_student
from typer.testing import CliRunner, Result

from mcukd.cli.app import app
from mcukd.data.card import Card
from mcukd.data.load import load_windows
from mcukd.distillation.qat import read_qat_result, widths_folder
from mcukd.fixedpoint.quantize import QuantizeConfig, quantize
from mcukd.fold_results import EVALUATION
from mcukd.inference.batch import classes_of
from mcukd.metrics.scores import score
from mcukd.models.student import stored_weights
from mcukd.pipeline.report import report_study
from mcukd.pipeline.robustness import FIGURE, ROBUSTNESS
from mcukd.robustness.perturbations import PERTURBATIONS, Sensor, chosen
from mcukd.robustness.text import sentences
from mcukd.study import Study

SEEDS = (0, 1)


def random_study(path: Path, card: Card, root: Path, first: int = 0, **options: Any) -> Study:
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
    return write_moving_herd(root), root


@pytest.fixture(scope="module")
def made(herd: tuple[Card, Path]) -> tuple[Study, Study, dict[str, Any]]:
    """A study, another with other students called augmented, and what the command says of both."""
    card, root = herd
    study = random_study(root / "runs" / "plain", card, root)
    augmented = random_study(root / "runs" / "augmented", card, root, 50, augment="flip")
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


def test_scores_are_those_of_each_fold_s_own_students_on_its_own_perturbed_windows(herd, made) -> None:
    card, root = herd
    study, augmented, content = made
    windows, sensor = load_windows(card, root), Sensor.of(card)
    for model, home in (("student", study), ("student_distilled", study), ("student_augmented", augmented)):
        prefix = "student__" if model == "student" else "student_distilled__"
        for name, level in (("rotation", 45), ("noise", 100), ("flip", 2)):
            (perturbation,) = chosen([name])
            for place, seed in enumerate(SEEDS):
                labels, guesses = [], []
                for animal in "ABC":
                    own = windows.take(windows.animals == animal)
                    changed = perturbation(windows.counts, sensor, level, seed)[windows.animals == animal]
                    with np.load(home.file(EVALUATION, f"{animal}-s{seed}.npz")) as stored:
                        guesses.append(stored_weights(stored, prefix).logits(changed).argmax(axis=1))
                    labels.append(own.labels)
                truth = np.concatenate(labels)
                expected = score(truth, np.concatenate(guesses), truth.astype(str), windows.classes)["mcc"]
                table = content["disturbances"][name]
                by_seed = table["models"][model]["mcc_by_seed"][table["levels"].index(level)]
                assert by_seed[place] == pytest.approx(expected, abs=1e-12), (model, name, seed)


def test_level_0_is_the_unperturbed_score_and_mean_and_spread_are_over_seeds(made) -> None:
    _, _, content = made
    models = ["student", "student_distilled", "fixed_point_8", "student_augmented"]
    assert list(content["undisturbed"]) == models
    assert list(content["disturbances"]) == list(PERTURBATIONS)
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
    for one in PERTURBATIONS.values():
        assert one.title in drawn
    assert "Student, augmented" in drawn and "chance" in drawn
    Study.open(study.path).require("robustness")
    before = study.file(ROBUSTNESS).stat().st_mtime_ns
    found = robustness(study, "--augmented", str(augmented.path))
    assert found.exit_code == 0 and study.file(ROBUSTNESS).stat().st_mtime_ns == before
    assert "held-out animals" in found.stdout and "robustness.json" in found.stdout


def test_chosen_perturbations_alone_without_integers_and_a_figure_elsewhere(made, tmp_path) -> None:
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
        content = json.loads(robustness(study, "--perturbations", "flip", "--json").stdout)
        assert list(content["undisturbed"]) == [left, "fixed_point_8"]
        assert sentences(content)[0].startswith("Axis with the wrong sign")


def test_sentences_say_what_is_lost_what_augmentation_saves_and_what_costs_nothing() -> None:
    def table(*mcc: float, **more: list[float]) -> dict[str, Any]:
        models = {"student_distilled": {"mcc": list(mcc)}}
        models.update({name: {"mcc": values} for name, values in more.items()})
        return {"title": "Shaking", "levels": [-1, 0, 1], "labels": ["−1", "0", "+1"], "models": models}

    content = {"disturbances": {"a": table(0.5, 0.9, 0.8, student_augmented=[0.85, 0.88, 0.87])}}
    assert sentences(content) == ["Shaking: MCC 0.500 at worst (−1), 0.900 without; augmented 0.850."]
    below = sentences({"disturbances": {"a": table(-0.1, 0.9, 0.8)}})
    assert below == ["Shaking: MCC −0.100 at worst (−1), 0.900 without."]
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
        (("--perturbations", "rotations"), ("'rotations'", "did you mean 'rotation'", "gain-axes")),
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
    found = subprocess.run([*command, "--perturbations", "wind"], capture_output=True, text=True, check=False)
    assert found.returncode == 2 and "'wind'" in found.stderr and "Traceback" not in found.stderr
    command = [sys.executable, "-m", "mcukd", "distill", "--augment", "wind", "--data", "herd-sim"]
    found = subprocess.run(command, capture_output=True, text=True, check=False)
    assert found.returncode == 2 and "--augment names 'wind'" in found.stderr


def quantized(study: Study, **options: Any) -> None:
    """Record a quantize stage with these options, as `mcukd quantize` leaves it."""
    file = study.file("fixedpoint.npz")
    file.write_bytes(json.dumps(options).encode())
    study.finish("quantize", inputs={}, options=options, outputs=[file])


def integer_scores(study: Study, herd: tuple[Card, Path], configs: dict[str, QuantizeConfig]) -> list[float]:
    """MCC by seed of integer models with these widths for each fold, or with the weights trained for them."""
    card, root = herd
    windows, training = load_windows(card, root), load_windows(card, root, training=True)
    found = []
    for seed in SEEDS:
        labels, guesses = [], []
        for animal in "ABC":
            name = f"{animal}-s{seed}"
            seen = training.take(training.animals != animal)
            trained = study.file("quantization", widths_folder(configs[name]), f"{name}.npz")
            if trained.is_file():
                one = read_qat_result(trained)
                model = quantize(one.weights, seen, configs[name], card.operation_hop, one.lengths)
            else:
                with np.load(study.file(EVALUATION, f"{name}.npz")) as stored:
                    weights = stored_weights(stored, "student_distilled__")
                model = quantize(weights, seen, configs[name], card.operation_hop)
            own = windows.take(windows.animals == animal)
            guesses.append(classes_of(model, own.counts))
            labels.append(own.labels)
        truth = np.concatenate(labels)
        scored = score(truth, np.concatenate(guesses), truth.astype(str), windows.classes)
        found.append(scored["mcc"])
    return found


def test_the_integer_model_scored_has_the_widths_that_were_chosen_for_each_fold(herd, made, tmp_path) -> None:
    study = moved(made[0], tmp_path)
    names = [f"{animal}-s{seed}" for seed in SEEDS for animal in "ABC"]
    widths = {name: {"bits": 4 + place, "activation_bits": 8 + place} for place, name in enumerate(names)}
    facts = {name: {**one, "flash_bytes": 100, "mcc": 0.5, "float_mcc": 0.6} for name, one in widths.items()}
    study.file("pareto.json").write_text(json.dumps({"folds": facts}))
    quantized(study, bits=8, activation_bits=16, gates="interpolated", goal={"budget_flash": 3072})
    content = json.loads(robustness(study, "--perturbations", "flip", "--json").stdout)
    assert list(content["undisturbed"]) == ["student", "student_distilled", "fixed_point_auto"]
    expected = integer_scores(study, herd, {name: QuantizeConfig(**one) for name, one in widths.items()})
    assert content["undisturbed"]["fixed_point_auto"]["mcc_by_seed"] == pytest.approx(expected, abs=1e-12)
    assert content["integers"]["sentence"].endswith("with the widths chosen for that fold.")
    study.file("pareto.json").write_text("{}")
    study.file(ROBUSTNESS).unlink()
    assert "widths of the folds cannot be read" in refused(robustness(study))


def test_the_integer_model_scored_has_the_weights_trained_for_it(herd, made, tmp_path) -> None:
    study = moved(made[0], tmp_path)
    config = QuantizeConfig(5, 16)
    quantized(study, bits=5, activation_bits=16, gates="interpolated", qat={"version": 1})
    folder = study.file("quantization", widths_folder(config))
    folder.mkdir(parents=True)
    for place, seed in enumerate(SEEDS):
        for animal in "ABC":
            weights = random_student(200 + 10 * place + ord(animal), classes=2)
            arrays = weights.arrays("weights__")
            np.savez(folder / f"{animal}-s{seed}.npz", key="", teacher_difference=np.nan, **arrays)
    content = json.loads(robustness(study, "--perturbations", "flip", "--json").stdout)
    names = [f"{animal}-s{seed}" for seed in SEEDS for animal in "ABC"]
    expected = integer_scores(study, herd, dict.fromkeys(names, config))
    assert content["undisturbed"]["fixed_point_5_qat"]["mcc_by_seed"] == pytest.approx(expected, abs=1e-12)
    assert "trained on with the device's weights" in content["integers"]["sentence"]
    shutil.rmtree(folder)
    study.file(ROBUSTNESS).unlink()
    assert "--qat trained in this fold cannot be read" in refused(robustness(study))


def test_a_study_that_is_not_quantized_says_what_was_scored_instead(made) -> None:
    assert made[2]["integers"]["model"] == "fixed_point_8"
    assert made[2]["integers"]["sentence"].startswith(
        "The study is not quantized: the integer model scored is"
    )


def test_a_run_with_some_perturbations_adds_to_the_record(made, tmp_path) -> None:
    study = moved(made[0], tmp_path)
    first = json.loads(robustness(study, "--perturbations", "noise", "--json").stdout)
    both = json.loads(robustness(study, "--perturbations", "flip", "--json").stdout)
    assert list(both["disturbances"]) == ["flip", "noise"] and "dropped" not in both
    assert both["disturbances"]["noise"] == first["disturbances"]["noise"]
    assert Study.open(study.path).options("robustness")["disturbances"].keys() == both["disturbances"].keys()
    again = json.loads(robustness(study, "--perturbations", "noise", "--json").stdout)
    assert again == both
    augmented = moved(made[1], tmp_path / "other")
    more = robustness(study, "--perturbations", "flip", "--augmented", str(augmented.path), "--json")
    tables = json.loads(more.stdout)["disturbances"]
    assert "student_augmented" in tables["flip"]["models"]
    assert "student_augmented" not in tables["noise"]["models"]
    for name in ("flip", "noise"):
        for model, scores in both["disturbances"][name]["models"].items():
            assert tables[name]["models"][model] == scores
    kept = json.loads(robustness(study, "--perturbations", "flip", "--no-integers", "--json").stdout)
    assert kept["disturbances"] == tables
    shown = robustness(study, "--perturbations", "noise")
    assert shown.exit_code == 0 and "White noise" in shown.stdout and "Axis with the wrong" in shown.stdout


def test_scores_of_another_integer_model_are_dropped_and_that_is_said(made, tmp_path) -> None:
    study = moved(made[0], tmp_path)
    quantized(study, bits=8, activation_bits=16, gates="interpolated")
    robustness(study, "--perturbations", "noise")
    study = Study.open(study.path)
    quantized(study, bits=4, activation_bits=16, gates="interpolated")
    found = json.loads(robustness(study, "--perturbations", "flip", "--json").stdout)
    assert len(found["dropped"]) == 1
    assert found["dropped"][0].startswith("Dropped the earlier scores of Fixed point, 8 bits (noise)")
    assert set(found["disturbances"]["noise"]["models"]) == {"student", "student_distilled"}
    assert "fixed_point_4" in found["disturbances"]["flip"]["models"]
    assert list(found["undisturbed"]) == ["student", "student_distilled", "fixed_point_4"]
    Study.open(study.path).require("robustness")


def test_scores_of_other_students_or_a_changed_record_are_dropped_and_that_is_said(made, tmp_path) -> None:
    study = moved(made[0], tmp_path)
    robustness(study, "--perturbations", "noise", "--no-integers")
    study.file(ROBUSTNESS).write_text(study.file(ROBUSTNESS).read_text().replace("0.", "0.1", 1))
    found = json.loads(robustness(study, "--perturbations", "flip", "--no-integers", "--json").stdout)
    assert found["dropped"] == [
        "Dropped the earlier scores (noise): robustness.json or its figure was changed."
    ]
    assert list(found["disturbances"]) == ["flip"]
    other = moved(made[1], tmp_path / "other")
    for file in other.file(EVALUATION).glob("*.npz"):
        shutil.copy(file, study.file(EVALUATION, file.name))
    study = Study.open(study.path)
    record = study.manifest["stages"]["distill"]
    outputs = [study.file(name) for name in record["outputs"]]
    study.finish("distill", inputs={}, options=record["options"], outputs=outputs)
    found = json.loads(robustness(study, "--perturbations", "clip", "--no-integers", "--json").stdout)
    assert "students, their data or the perturbations have changed" in found["dropped"][0]
    assert list(found["disturbances"]) == ["clip"]


def test_a_stale_integer_model_is_refused_and_left_out_where_it_is_not_asked_for(made, tmp_path) -> None:
    study = moved(made[0], tmp_path)
    quantized(study, bits=8)
    study.file("fixedpoint.npz").write_bytes(b"another")
    assert "fixedpoint.npz" in refused(robustness(study, "--perturbations", "flip"))
    assert robustness(study, "--perturbations", "flip", "--no-integers").exit_code == 0


def test_refusals_come_before_samples_are_read(made, tmp_path, monkeypatch) -> None:
    def late(*arguments: Any, **more: Any) -> None:
        raise AssertionError("samples were read before the refusal")

    monkeypatch.setattr("mcukd.pipeline.robustness.load_windows", late)
    monkeypatch.setattr("mcukd.pipeline.robustness.dataset_sha256", late)
    study = moved(made[0], tmp_path)
    assert "'wind'" in refused(robustness(study, "--perturbations", "flip,wind"))
    assert "without --augment" in refused(robustness(study, "--augmented", str(study.path)))
    assert "is a directory" in refused(robustness(study, "--figure", str(tmp_path)))
    bare = moved(made[0], tmp_path / "bare", without="student")
    assert "weights are not kept" in refused(robustness(bare))
