"""Training with `--augment` from the command line, and its effect."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from builders.data import write_moving_herd
from builders.training import run_here
from typer.testing import CliRunner

from mcukd.cli.app import app
from mcukd.data.load import load_windows
from mcukd.models.student import stored_weights
from mcukd.study import Study


def test_a_study_distilled_against_all_keeps_both_students_and_is_perturbed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mcukd.pipeline.distill.run_jobs", run_here)
    card = write_moving_herd(tmp_path)
    options = ["--data", str(card.path), "--data-root", str(tmp_path), "--split", "holdout=A", "--seeds", "1"]
    sizes = ["--epochs", "5", "--teacher-epochs", "2", "--teacher-width", "1", "--gru-units", "4"]
    run = ["--run", str(tmp_path / "run")]
    distil = [
        "distill",
        *options,
        *sizes,
        *run,
        "--augment",
        "all",
        "--no-baselines",
        "--jobs",
        "1",
        "--json",
    ]
    made = CliRunner().invoke(app, distil)
    assert made.exit_code == 0, made.output
    study = Study.open(tmp_path / "run")
    recorded = study.options("distill")
    assert recorded["augment"] == "rotation,flip,scale,rate,noise,drop,clip" and recorded["neck_axis"] == 0
    windows = load_windows(card, tmp_path)
    with np.load(study.file("evaluation", "holdout-s0.npz")) as stored:
        counts = windows.counts[stored["test_index"]]
        for model in ("student", "student_distilled"):
            own = stored_weights(stored, f"{model}__").logits(counts)
            np.testing.assert_allclose(own, stored[f"{model}_logits"], atol=1e-3)
    found = CliRunner().invoke(app, ["robustness", *run, "--perturbations", "rotation,flip", "--json"])
    assert found.exit_code == 0, found.output
    content = json.loads(found.stdout)
    metrics = json.loads(made.stdout)["metrics"]["models"]
    for model in ("student", "student_distilled"):
        assert abs(content["undisturbed"][model]["mcc"] - metrics[model]["mcc"]) < 0.05
        assert content["undisturbed"][model]["mcc_sd"] is None
    # Without --data the study's own options stand, and nothing is to be done.
    again = CliRunner().invoke(app, ["distill", *run, "--no-baselines", "--json"])
    assert json.loads(again.stdout)["ran"] is False
