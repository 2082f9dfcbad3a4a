"""Registry of metrics: declarations are consistent, and a new metric needs no other change."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from builders.data import write_card

from mcukd.metrics.confusion import confusion_matrix, pooled_mcc
from mcukd.metrics.metric import HIGHER, LOWER, ScoredWindows
from mcukd.metrics.registry import METRICS, of_logits, of_predictions
from mcukd.metrics.scores import combine_seeds, score

RNG = np.random.default_rng(0)
LABELS, ANIMALS = RNG.integers(0, 3, 200), RNG.choice(["a", "b", "c"], 200)
LOGITS = RNG.normal(size=(200, 3)) + 2 * np.eye(3)[LABELS]
WINDOWS = ScoredWindows(LABELS, LOGITS.argmax(axis=1), ANIMALS, ("graze", "rest", "walk"), LOGITS)


def test_a_metric_of_many_matrices_is_the_metric_of_each() -> None:
    for metric in METRICS.values():
        assert metric.better in (HIGHER, LOWER)
        if metric.of_matrices is not None:
            for windows in (WINDOWS, WINDOWS.of_animal("b")):
                value = metric.compute(windows)
                assert float(metric.of_matrices(windows.confusion)) == pytest.approx(value, abs=1e-12)


def test_scores_hold_every_metric_and_its_spread_and_interval() -> None:
    found = score(LABELS, WINDOWS.predictions, ANIMALS, WINDOWS.classes)
    combined = combine_seeds([found, found])
    for metric in of_predictions():
        assert found[metric.name] == metric.overall(WINDOWS)
        assert found["per_animal"]["a"][metric.name] == metric.compute(WINDOWS.of_animal("a"))
        assert combined[f"{metric.name}_by_seed"] == [found[metric.name]] * 2
        assert combined[f"{metric.name}_sd"] == 0
        assert (metric.name in combined["intervals"]) == (metric.of_matrices is not None)
    assert [metric.name for metric in of_logits()] == ["calibration"]


def test_without_logits_there_are_no_probabilities() -> None:
    with pytest.raises(ValueError, match="needs_logits"):
        ScoredWindows(LABELS, WINDOWS.predictions, ANIMALS, WINDOWS.classes).probabilities.max()


def test_settings_are_chosen_by_an_mcc_that_is_always_a_number() -> None:
    assert pooled_mcc(confusion_matrix(LABELS, LABELS, 3)) == 1
    assert pooled_mcc(confusion_matrix(np.zeros(4, int), np.zeros(4, int), 3)) == 0


def test_a_metric_of_a_plugin_stands_in_metrics_json_on_the_page_and_in_the_console(tmp_path: Path) -> None:
    for animal in "ABC":
        for label, swing in (("graze", 0.4), ("rest", 0.3)):
            samples = [0.1, -0.2, -0.95] + swing * RNG.normal(size=(120, 3))
            path = tmp_path / label / f"{animal}1.csv"
            path.parent.mkdir(exist_ok=True)
            path.write_text("x,y,z\n" + "".join(f"{x:.4f},{y:.4f},{z:.4f}\n" for x, y, z in samples))
    card = write_card(tmp_path)
    code = (
        "from mcukd.cli.app import app\n"
        "def run(*words): app(list(words), standalone_mode=False)\n"
        f"run('evaluate', '--data', {str(card.path)!r}, '--data-root', {str(tmp_path)!r}, '--run', 'run',\n"
        "    '--models', 'majority,random_forest', '--seeds', '2')\n"
        "run('report', '--run', 'run')\n"
    )
    path = os.pathsep.join([str(Path(__file__).parent), *sys.path])
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True,
        env={**os.environ, "PYTHONPATH": path, "MCUKD_PLUGINS": "toy_metric", "COLUMNS": "200"},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr

    models = json.loads((tmp_path / "run" / "metrics.json").read_text())["models"]
    forest, majority = models["random_forest"], models["majority"]
    assert majority["balanced_accuracy"] == 0.5 and len(forest["balanced_accuracy_by_seed"]) == 2
    low, high = forest["intervals"]["balanced_accuracy"]
    assert low <= forest["balanced_accuracy"] <= high
    assert set(forest["per_animal"]["A"]) > {"balanced_accuracy", "mcc"}
    assert majority["log_loss"] == pytest.approx(1, abs=0.01)

    page = (tmp_path / "run" / "report.html").read_text()
    assert '<th title="higher is better">Balanced accuracy' in page
    assert '<th title="lower is better">Log loss<small>bits</small></th>' in page
    assert f"<td>{majority['log_loss']:.2f}</td>" in page
    assert f"<small>{low:.3f} to {high:.3f}</small>" in page
    table = next(line for line in done.stdout.splitlines() if "model" in line and "param." in line)
    assert table.index("ECE") < table.index("bal.") < table.index("log") < table.index("param.")
