"""`mcukd quantize --unknown`: thresholds from held-out animals, in a study's integer model and on a board."""

from __future__ import annotations

import json
import math
import shutil
from pathlib import Path

import numpy as np
import pytest
from builders.random_studies import moving_herd, random_study
from typer.testing import CliRunner, Result

from mcukd.cli.app import app
from mcukd.data.load import load_windows
from mcukd.errors import UserError
from mcukd.evaluation.fold_students import fold_students
from mcukd.fixedpoint.model import load_model
from mcukd.fixedpoint.quantize import QuantizeConfig, quantize
from mcukd.fixedpoint.reference import run
from mcukd.fixedpoint.refusal import LIMITS, MARGINS, WHITENING, with_rule
from mcukd.metrics.refusal import margin_for_share, refusal_sentence
from mcukd.models.filter_mlp import build_filter_mlp
from mcukd.models.gru_mlp import build_student
from mcukd.pipeline.package import describe
from mcukd.pipeline.report import report_study
from mcukd.pipeline.unknown import (
    RefusalOptions,
    check_refusal,
    held_out_results,
    parse_refusal,
)
from mcukd.report.evidence import gather
from mcukd.report.table import verdict_lines
from mcukd.study import REFUSAL_FILE, Study


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Study:
    root = tmp_path_factory.mktemp("herd")
    model = build_student(20, 3, 2, np.zeros(3), np.full(3, 70.0**2), 4, 4)
    return random_study(root, moving_herd(root, 20), "gru-mlp", model)


def quantized(study: Study, *options: str) -> Result:
    root = str(study.path.parents[1])
    return CliRunner().invoke(
        app, ["quantize", "--run", str(study.path), "--data-root", root, "--no-tflite", *options]
    )


def facts_of(study: Study) -> dict:
    return json.loads(study.file(REFUSAL_FILE).read_text())


def test_without_the_option_the_model_is_the_one_it_always_was(study: Study) -> None:
    result = quantized(study, "--json")
    assert result.exit_code == 0, result.output
    before = study.file("fixedpoint.npz").read_bytes(), load_model(study.path).sha256
    assert not study.file(REFUSAL_FILE).exists()
    assert quantized(study, "--unknown", "0.2").exit_code == 0
    ruled = load_model(study.path)
    assert ruled.may_refuse and with_rule(ruled, {}).sha256 == before[1] != ruled.sha256
    assert quantized(study).exit_code == 0
    assert (study.file("fixedpoint.npz").read_bytes(), load_model(study.path).sha256) == before


def test_figures_that_another_training_removed_are_made_again(study: Study) -> None:
    """Training with more seeds keeps the student, and so the integer model's inputs, but not its figures."""
    assert quantized(study).exit_code == 0
    path = study.file("metrics.json")
    whole = json.loads(path.read_text())
    path.write_text(json.dumps({**whole, "models": {}}))
    assert quantized(study).exit_code == 0
    again = json.loads(path.read_text())["models"]
    assert again["fixed_point_8"] == whole["models"]["fixed_point_8"]


def test_the_margin_is_the_held_out_results_rounded_up(study: Study) -> None:
    result = quantized(study, "--unknown", "0.2", "--json")
    assert result.exit_code == 0, result.output
    model, facts = load_model(study.path), facts_of(study)
    root = study.path.parents[1]
    training = load_windows(moving_herd(root, 20), root, training=True)
    evaluation = load_windows(moving_herd(root, 20), root)
    folds = [
        (one, quantize(one.weights, one.training_of(training), QuantizeConfig(), model.hop))
        for one in fold_students(study)
    ]
    results = held_out_results(folds, training, evaluation, distance=False)
    assert len(results) == len(evaluation) and set(results.animals.tolist()) == set("ABC")
    margin = margin_for_share(results.margins, 0.2)
    assert facts["thresholds"]["margin"] == margin
    assert (
        facts["thresholds"]["margin_integers"] == [math.ceil(math.ldexp(margin, model.length("logits")))] * 2
    )
    assert model.arrays[MARGINS].tolist() == facts["thresholds"]["margin_integers"]
    assert WHITENING not in model.arrays and facts["thresholds"]["limit"] is None
    assert facts["windows"] == len(results) and facts["wrong"] == pytest.approx(
        results.wrong.mean(), abs=1e-6
    )
    refused = np.zeros(len(results), bool)
    for animal in "ABC":
        own = results.animals == animal
        refused[own] = results.margins[own] < margin_for_share(results.margins[~own], 0.2)
    assert facts["coverage"] == pytest.approx(1 - refused.mean(), abs=1e-6)
    told = json.loads(result.stdout)["remarks"]
    assert any(remark == refusal_sentence(facts) for remark in told) or not json.loads(result.stdout)["ran"]


def test_a_distance_makes_windows_unlike_training_unknown(study: Study) -> None:
    assert quantized(study, "--unlike", "0.05").exit_code == 0
    model, facts = load_model(study.path), facts_of(study)
    assert model.arrays[MARGINS].tolist() == [0, 0]
    assert len(set(model.arrays[LIMITS].tolist())) == 1 and facts["thresholds"]["limit"] > 0
    assert facts["asked"] == {"version": 1, "unlike": 0.05}
    counts = load_windows(moving_herd(study.path.parents[1], 20), study.path.parents[1]).counts
    usual = run(model, counts).classes
    assert (usual == 2).mean() < 0.3
    strange = np.random.default_rng(0).integers(-32768, 32768, counts.shape).astype(np.int16)
    assert (run(model, strange).classes == 2).mean() > (usual == 2).mean() + 0.3


def test_repeated_it_does_nothing_and_with_another_share_it_runs(study: Study) -> None:
    first = quantized(study, "--unknown", "0.1", "--unlike", "0.1", "--json")
    again = quantized(study, "--unknown", "0.10", "--unlike", "0.1", "--json")
    other = quantized(study, "--unknown", "0.15", "--unlike", "0.1", "--json")
    assert [json.loads(one.stdout)["ran"] for one in (first, again, other)] == [True, False, True]
    assert "fixed_point_8" in json.loads(study.file("metrics.json").read_text())["models"]
    Study.open(study.path).require("quantize")


def test_a_risk_is_kept_or_refused_in_a_sentence(study: Study) -> None:
    assert quantized(study, "--unknown", "0.5").exit_code == 0
    wrong = facts_of(study)["wrong"]
    assert quantized(study, "--unknown", f"risk={wrong + 0.01:.3f}").exit_code == 0
    assert facts_of(study)["thresholds"]["margin"] == 0.0
    result = quantized(study, "--unknown", "risk=0.0000001")
    if result.exit_code:
        assert result.exit_code == 2 and isinstance(result.exception, (SystemExit, UserError))


@pytest.mark.parametrize(
    ("unknown", "unlike", "said"),
    [
        ("often", None, "--unknown is 'often', expected a share"),
        ("0", None, "expected a share"),
        ("1", None, "expected a share"),
        ("risk=", None, "expected a share"),
        ("risk=1.5", None, "expected a share"),
        ("nan", None, "expected a share"),
        (None, 0.0, "--unlike is 0.0, expected a share"),
        (None, 1.0, "--unlike is 1.0"),
    ],
)
def test_shares_that_are_none_are_refused(unknown: str, unlike: float, said: str) -> None:
    with pytest.raises(UserError, match=said):
        parse_refusal(unknown, unlike)


def test_options_are_read(tmp_path: Path) -> None:
    assert parse_refusal(None, None) is None
    assert parse_refusal("0.1", None) == RefusalOptions(share=0.1)
    assert parse_refusal(" risk=0.05", 0.05) == RefusalOptions(risk=0.05, unlike=0.05)
    assert RefusalOptions(risk=0.05).recorded() == {"version": 1, "risk": 0.05}


@pytest.mark.parametrize(
    ("classes", "stream", "animals", "said"),
    [
        (("a", "unknown"), False, 5, "a class is named 'unknown'"),
        (("a", "b"), True, 5, "carries its state"),
        (("a", "b"), False, 1, "this study holds out 1"),
    ],
)
def test_studies_that_can_have_no_rule_are_told(
    classes: tuple[str, ...], stream: bool, animals: int, said: str
) -> None:
    with pytest.raises(UserError, match=said):
        check_refusal(classes, stream, animals)


def test_a_distance_needs_a_head_that_reads_the_state(tmp_path: Path) -> None:
    model = build_filter_mlp(20, 3, 2, np.zeros(3), np.full(3, 70.0**2))
    study = random_study(tmp_path, moving_herd(tmp_path, 20), "filter-mlp", model)
    result = quantized(study, "--unlike", "0.05")
    assert result.exit_code == 2 or isinstance(result.exception, UserError)
    assert "does not read it" in f"{result.output} {result.exception}".replace("\n", " ")
    assert quantized(study, "--unknown", "0.1").exit_code == 0
    assert load_model(study.path).may_refuse


def test_report_and_package_say_that_figures_are_as_if_the_tag_always_answered(study: Study) -> None:
    assert quantized(study, "--unknown", "0.2").exit_code == 0
    made = Study.open(study.path)
    evidence = gather(made)
    assert evidence.refusal == facts_of(study)
    rule = refusal_sentence(facts_of(study))
    said = f"The tag may answer unknown, and the figures are as if it never did. {rule}"
    scores = describe(evidence).scores
    assert said in verdict_lines(evidence) and scores is not None and said in scores.remarks
    assert "The tag may answer unknown" in report_study(made).read_text()
    assert quantized(study).exit_code == 0
    assert not study.file(REFUSAL_FILE).exists(), "it tells of a rule that the model has not any more"
    assert not any("unknown, and" in line for line in verdict_lines(gather(Study.open(study.path))))


@pytest.mark.emulator
@pytest.mark.skipif(shutil.which("cc") is None, reason="needs a host C compiler")
def test_the_native_board_is_proven_with_results_that_are_unknown(study: Study) -> None:
    from mcukd.boards.model import load_board
    from mcukd.pipeline.validate import validate_study

    assert quantized(study, "--unknown", "0.3", "--unlike", "0.1").exit_code == 0
    record = validate_study(Study.open(study.path), load_board("native"), windows=30)
    assert (record["windows"], record["mismatches"]) == (30, 0)
    assert record["selftest"]["passed"] and record["streaming"]["passed"]
