"""Studies with --stream end to end: training, integers, results every hop, and refusals."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from builders.data import write_card
from builders.training import run_here
from typer.testing import CliRunner

from mcukd.cli.app import app
from mcukd.data.card import Card, load_card
from mcukd.data.load import load_counts, load_windows
from mcukd.data.running import RunningWindows, running_windows
from mcukd.distillation.config import DistillConfig
from mcukd.errors import UserError
from mcukd.evaluation.fold_students import fold_students
from mcukd.fixedpoint.config import QuantizeConfig
from mcukd.fixedpoint.mixed import Objective
from mcukd.fixedpoint.model import load_model, save_model
from mcukd.fixedpoint.quantize import quantize
from mcukd.fixedpoint.reference import as_stream, run_recording, run_stream
from mcukd.inference.carried import evaluated_classes, integer_states_before
from mcukd.metrics.metrics_file import CARRIED, load_metrics
from mcukd.metrics.scores import score
from mcukd.models.carried import carried_logits
from mcukd.models.student import load_any_student, weights_of
from mcukd.pipeline import distill as distill_stage
from mcukd.pipeline.classify import RecordingOptions
from mcukd.pipeline.compare_models import compare_models
from mcukd.pipeline.distill import distill
from mcukd.pipeline.evaluate import evaluate_study
from mcukd.pipeline.evaluate_hop import evaluate_at_hop
from mcukd.pipeline.package import describe
from mcukd.pipeline.quantize import quantize_study
from mcukd.pipeline.ranges import ranges_study
from mcukd.pipeline.report import report_study
from mcukd.pipeline.robustness import robustness_study
from mcukd.report.evidence import gather
from mcukd.report.findings import sentences
from mcukd.report.table import verdict_lines
from mcukd.study import METRICS, Study

CONFIG = DistillConfig(
    split="holdout=C", method="none", seeds=(0,), epochs=200, gru_units=4, dense_units=4, jobs=1, stream=True
)


def herd(folder: Path) -> Card:
    """Three animals, each one recording of grazing, something else, resting and grazing again."""
    rng, lines = np.random.default_rng(0), ["cow,what,x,y,z"]
    for cow in "ABC":
        for what, count, swing in (
            ("graze", 137, 0.5),
            ("other", 9, 1.5),
            ("rest", 88, 0.0),
            ("graze", 64, 0.5),
        ):
            values = [0.1, -0.2, -0.95] + swing * np.sin(np.arange(count)[:, None] * [0.9, 1.1, 0.7])
            values = values + 0.02 * rng.normal(size=(count, 3))
            lines += [f"{cow},{what},{x:.4f},{y:.4f},{z:.4f}" for x, y, z in values]
    (folder / "all.csv").write_text("\n".join(lines) + "\n")
    return write_card(folder, long=True)


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Study]:
    """A study with --stream, quantized."""
    folder = tmp_path_factory.mktemp("stream")
    card = herd(folder)
    made = Study.create(folder / "run", str(folder / "card.toml"), 0)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(distill_stage, "run_jobs", run_here)
        distill(made, card, None, CONFIG)
        quantize_study(made, QuantizeConfig(8, 16))
        yield made


def test_the_integer_model_carries_its_state_and_is_scored_so(study: Study) -> None:
    card = load_card(study.card)
    training = load_windows(card, training=True)
    test = load_windows(card, past=True)
    test = test.take(test.animals == "C")
    (student,) = fold_students(study)
    model = as_stream(quantize(student.weights, student.training_of(training), QuantizeConfig(8, 16), 10))
    assert test.past is not None
    origin = int(test.past.origins[0])
    classes = run_stream(model, test.past.samples[origin:], 1).classes[test.past.begins - origin]
    expected = score(test.labels, classes, test.animals, test.classes)
    found = load_metrics(study.file(METRICS))["models"]
    assert found["fixed_point_8"]["confusion"] == expected["confusion"]
    assert not any(name.startswith("tflite") for name in found)
    assert found["student"]["state"] == found["fixed_point_8"]["state"] == CARRIED


def test_results_every_hop_are_of_all_windows_those_of_several_behaviours_apart(study: Study) -> None:
    found = evaluate_at_hop(study, 3)
    # C alone is held out. 298 samples: windows at 0, 3, … 288; those that hold some of the 9 ignored samples
    # are left out.
    running = running_windows(load_card(study.card), load_counts(load_card(study.card), whole=True), 3)
    starts = np.arange(0, 289, 3)
    known = (starts + 10 <= 137) | (starts >= 146)
    mixed = (starts < 234) & (starts + 10 > 234)
    assert 3 * found["left_out"] == 3 * int(np.sum(~known)) == len(running.left_out)
    assert 3 * found["mixed_windows"] == 3 * int(np.sum(mixed)) == int(running.mixed.sum())
    assert found["windows"] == int(np.sum(known & ~mixed))
    assert found["state"] == "carried from the start of each recording"
    assert set(found["models"]) == {"student", "fixed_point_8"}
    for one in found["models"].values():
        assert sum(map(sum, one["confusion"])) == found["windows"]
        assert one["mcc"] > 0.8 and one["mixed"]["either"] >= one["mixed"]["accuracy"]
    assert load_metrics(study.file(METRICS))["at_hop"] == found


def test_a_mixed_window_has_the_behaviour_of_most_of_it(study: Study) -> None:
    running = running_windows(load_card(study.card), load_counts(load_card(study.card), whole=True), 1)
    windows = running.windows
    assert windows.past is not None
    into = windows.past.begins - windows.past.origins
    mixed = running.mixed & (windows.animals == "A")
    assert dict(zip(into[mixed].tolist(), windows.labels[mixed].tolist())) == {
        **dict.fromkeys(range(225, 229), 1),
        **dict.fromkeys(range(229, 234), 0),  # five and five samples: the behaviour it ends with
    }
    assert np.all(running.present[mixed].sum(axis=1) == 2)


def test_without_stream_windows_start_from_zero(study: Study, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(distill_stage, "run_jobs", run_here)
    made = Study.create(tmp_path / "run", study.card, 0)
    config = CONFIG.with_options(stream=False)
    distill(made, load_card(study.card), None, config)
    found = evaluate_at_hop(made, 10)
    (student,) = fold_students(made)
    running = running_windows(load_card(study.card), load_counts(load_card(study.card), whole=True), 10)
    own = running.windows.take((running.windows.animals == "C") & ~running.mixed)
    expected = score(own.labels, student.predict(own.counts), own.animals, own.classes)
    assert found["models"]["student"]["confusion"] == expected["confusion"]
    assert found["state"] == "zero at the start of each window"


def test_the_command_prints_and_gives_json(study: Study) -> None:
    shown = CliRunner().invoke(app, ["evaluate", "--run", str(study.path), "--hop", "5"])
    assert shown.exit_code == 0, shown.output
    assert "windows of one behaviour" in shown.output
    refused = CliRunner().invoke(app, ["evaluate", "--run", str(study.path), "--hop", "5", "--seeds", "2"])
    assert isinstance(refused.exception, UserError) and "--seeds" in str(refused.exception)


def test_what_starts_from_the_zero_state_is_refused(study: Study) -> None:
    with pytest.raises(UserError, match="robustness disturbs windows that start from the zero state"):
        robustness_study(study)
    with pytest.raises(UserError, match="--bits auto scores widths on windows"):
        quantize_study(study, QuantizeConfig(8, 16), objective=Objective(max_mcc_drop=0.01))
    for hop in (0, 11):
        with pytest.raises(UserError, match=f"--hop is {hop}, expected 1 to 10 samples"):
            evaluate_at_hop(study, hop)


def test_recordings_no_longer_than_a_window_have_nothing_to_carry(tmp_path: Path, monkeypatch) -> None:
    for cow in "ABC":
        for what in ("graze", "rest"):
            (tmp_path / what).mkdir(exist_ok=True)
            rows = "".join(f"0.1,-0.2,{-0.9 - 0.01 * number}\n" for number in range(10))
            (tmp_path / what / f"{cow}1.csv").write_text("x,y,z\n" + rows)
    card = write_card(tmp_path)
    monkeypatch.setattr(distill_stage, "run_jobs", run_here)
    with pytest.raises(UserError, match="--stream: no window of card small has anything recorded before it"):
        distill(Study.create(tmp_path / "run", str(tmp_path / "card.toml"), 0), card, None, CONFIG)


def test_report_package_and_evaluation_say_that_the_state_is_carried(study: Study) -> None:
    sentence = "The state behind these figures is carried from the start of each recording, as on the tag."
    evidence = gather(study)
    page = report_study(study).read_text()
    assert sentence in verdict_lines(evidence) and sentence in page
    assert page.count("<small>state carried from the start of each recording</small>") == 2
    scores = describe(evidence).scores
    assert scores is not None and sentence in scores.remarks
    said = sentences(load_metrics(study.file(METRICS)))
    assert any("carried from the start of each recording in student, fixed_point_8;" in one for one in said)


def test_float_and_integers_are_compared_with_their_states_carried(
    study: Study, monkeypatch: pytest.MonkeyPatch
) -> None:
    windows = load_windows(load_card(study.card), past=True)
    assert windows.past is not None
    carried = evaluated_classes(load_model(study.path), windows)
    shipped = weights_of(load_any_student(study.file("student.keras")))
    equal = int(np.sum(np.argmax(carried_logits(shipped, windows), axis=1) == carried))

    def none_from_zero(*_: object) -> None:
        raise AssertionError("a window was run from the zero state")

    monkeypatch.setattr(type(shipped), "logits", none_from_zero)
    found = evaluate_study(study)
    assert found["agreement"] == {
        "windows": len(windows),
        "float_equals_integer": equal,
        "devices_equal_integer": {},
        "state": CARRIED,
    }
    assert f"agree on {equal} of {len(windows)} windows, their state carried." in " ".join(sentences(found))
    assert "warm_up" not in found["models"]["student"]


def test_models_compared_on_a_card_carry_their_state_from_bout_to_bout(study: Study, tmp_path: Path) -> None:
    model = load_model(study.path)
    other = Study.create(tmp_path / "zero", study.card, 0)
    windowed = replace(model, stream=False)
    other.finish("quantize", inputs={}, options={}, outputs=save_model(windowed, other.path))
    facts = compare_models(study, other, [Path(study.card)], RecordingOptions())
    right = {"a": 0, "b": 0}
    labelled = 0
    labels = np.repeat([0, -1, 1, 0], [137, 9, 88, 64])
    past = load_windows(load_card(study.card), past=True).past
    assert past is not None
    for origin in np.unique(past.origins):
        counts = past.samples[origin : origin + len(labels)]
        assert len(counts) == len(labels)
        for name, one in (("a", model), ("b", windowed)):
            told = np.repeat(run_recording(one, counts, one.hop)[0], one.hop)
            right[name] += int(np.sum(told == labels[: len(told)]))
        labelled += int(np.sum(labels[: len(told)] >= 0))
    assert facts["labels"]["minutes"] == pytest.approx(labelled / 600, abs=1e-3)
    for name, samples in right.items():
        assert facts["labels"][f"{name}_right_minutes"] == pytest.approx(samples / 600, abs=1e-3)
    assert facts["shared_minutes"] == pytest.approx(3 * 290 / 600, abs=1e-3)


def test_ranges_are_of_states_that_are_carried(study: Study) -> None:
    model, windows = load_model(study.path), load_windows(load_card(study.card), past=True)
    past = windows.past
    assert past is not None
    before = integer_states_before(model, past)
    for index in (0, 1, 40, len(windows) - 1):
        recorded = past.samples[past.origins[index] : past.begins[index]]
        assert np.array_equal(before[index], run_stream(model, recorded).last)
    found, ran = ranges_study(study)
    assert ran and found["state"] == CARRIED
    # Results of the same float student, each from the state that its recording has made.
    logits = carried_logits(weights_of(load_any_student(study.file("student.keras"))), windows)
    seen = found["tensors"]["logits"]
    assert (seen["minimum"], seen["maximum"]) == pytest.approx((logits.min(), logits.max()), rel=1e-6)
    assert not ranges_study(study)[1]


def test_a_hop_without_a_window_of_one_behaviour_is_refused(
    study: Study, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = study.file(METRICS).read_bytes()

    def all_mixed(*given: object) -> RunningWindows:
        found = running_windows(*given)  # type: ignore[arg-type]
        return replace(found, present=np.ones_like(found.present))

    monkeypatch.setattr("mcukd.pipeline.evaluate_hop.running_windows", all_mixed)
    with pytest.raises(UserError, match="--hop 3: .* none has one behaviour alone"):
        evaluate_at_hop(study, 3)
    assert study.file(METRICS).read_bytes() == before
