"""Examples in docs/guides: they work as written."""

from __future__ import annotations

import ast
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from builders.data import write_card, write_moving_herd
from builders.day_log import CONFIG, day_log, pages_of
from builders.places import ROOT
from typer.testing import CliRunner

from mcukd.boards.model import load_board
from mcukd.cli.app import app
from mcukd.harness.far_end import SimulatedTag
from mcukd.harness.fetch import fetch
from mcukd.harness.protocol import Device
from mcukd.harness.provision_file import read_provision_file
from mcukd.tag.provision import Provision

GUIDES = ROOT / "docs" / "guides"


def blocks(guide: str, language: str) -> list[str]:
    """Return the fenced blocks of one language."""
    text = (GUIDES / guide).read_text(encoding="utf-8")
    return re.findall(rf"^```{language}\n(.*?)^```", text, re.S | re.M)


def test_board(tmp_path: Path) -> None:
    for text in blocks("add-a-board.md", "toml"):
        name = re.findall(r'^name = "([\w-]+)"', text, re.M)[0]
        (tmp_path / f"{name}.toml").write_text(text, encoding="utf-8")
    vest = load_board(str(tmp_path / "vest.toml"))
    assert vest.name == "vest" and not vest.emulated
    assert vest.twin().name == "vest-emulated" and vest.twin().emulated
    shown = CliRunner().invoke(app, ["boards", str(tmp_path / "vest.toml")])
    assert shown.exit_code == 0 and "LIS2DW12" in shown.output and "guess" in shown.output


def test_provision(tmp_path: Path) -> None:
    specified = (ROOT / "docs" / "provisioning.md").read_text(encoding="utf-8")
    whole = re.findall(r"^```toml\n(.*?)^```", specified, re.S | re.M)
    for text in [*blocks("provision-a-tag.md", "toml"), *whole]:
        (tmp_path / "cow-17.toml").write_text(text, encoding="utf-8")
        told = read_provision_file(tmp_path / "cow-17.toml", Provision())
        assert (told.id, told.axes, told.period_s, told.radio_id) == ("cow-17", (-2, 1, 3), 1800, 17)
        assert told.session is not None and told.session.address == 0x26011BDA
    assert told.calibration is not None and told.calibration.offset[2] == 655


def test_fetch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.chdir(tmp_path)
    tag = SimulatedTag(pages_of(day_log(600)), CONFIG.classes)
    fetch(Device(tag), Path("cow-17.log"))  # type: ignore[arg-type]
    exec(*blocks("fetch-a-log.md", "python"), {})
    assert re.fullmatch(r"[1-9]\d* \(\)\n", capsys.readouterr().out)


def mcukd(folder: Path, plugin: str, *words: str) -> str:
    """Run a command in a process with a plugin of `folder`; return what it prints."""
    path = os.pathsep.join([str(folder), *sys.path])
    done = subprocess.run(
        [sys.executable, "-m", "mcukd", *words], cwd=folder, capture_output=True, text=True,
        env={**os.environ, "PYTHONPATH": path, "MCUKD_PLUGINS": plugin, "COLUMNS": "200"},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_method(tmp_path: Path) -> None:
    """Trained in worker processes, which import the plugin as well."""
    (tmp_path / "logit_matching.py").write_text(*blocks("add-a-method.md", "python"), encoding="utf-8")
    card = write_moving_herd(tmp_path)
    small = ("--teacher-width", "2", "--gru-units", "4", "--dense-units", "4", "--epochs", "1")
    options = ("--split", "holdout=C", "--seeds", "3,", "--teacher-epochs", "1", "--no-baselines", *small)
    data = ("--data", str(card.path), "--data-root", str(tmp_path), "--run", "run", "--jobs", "1")
    chosen = ("--method", "logit-matching", "--set", "logit_weight=2", "--json")
    made = json.loads(mcukd(tmp_path, "logit_matching", "distill", *data, *options, *chosen))
    assert set(made["metrics"]["models"]) == {"teacher", "student", "student_distilled"}
    kept = json.loads((tmp_path / "run" / "study.json").read_text())["stages"]["distill"]["options"]
    assert (kept["method"], kept["logit_weight"]) == ("logit-matching", 2.0)
    with np.load(tmp_path / "run" / "evaluation" / "holdout-s3.npz") as fold:
        assert not np.array_equal(fold["student_logits"], fold["student_distilled_logits"])


def test_metric(tmp_path: Path) -> None:
    (tmp_path / "lab_metrics.py").write_text(*blocks("add-a-metric.md", "python"), encoding="utf-8")
    rng = np.random.default_rng(0)
    for animal in "ABC":
        for label in ("graze", "rest"):
            samples = [0.1, -0.2, -0.95] + 0.3 * rng.normal(size=(120, 3))
            path = tmp_path / label / f"{animal}1.csv"
            path.parent.mkdir(exist_ok=True)
            path.write_text("x,y,z\n" + "".join(f"{x:.4f},{y:.4f},{z:.4f}\n" for x, y, z in samples))
    card = write_card(tmp_path)
    data = ("--data", str(card.path), "--data-root", str(tmp_path), "--models", "majority", "--seeds", "1")
    printed = mcukd(tmp_path, "lab_metrics", "evaluate", *data, "--run", "run")
    assert "bal." in printed and "log" in printed
    scores = json.loads((tmp_path / "run" / "metrics.json").read_text())["models"]["majority"]
    assert scores["balanced_accuracy"] == 0.5 and "balanced_accuracy" in scores["intervals"]
    assert abs(scores["log_loss"] - 1) < 0.01


def test_reader(tmp_path: Path) -> None:
    (tmp_path / "lab_reader.py").write_text(*blocks("add-a-reader.md", "python"), encoding="utf-8")
    (tmp_path / "card.toml").write_text(*blocks("add-a-reader.md", "toml"), encoding="utf-8")
    rng = np.random.default_rng(0)
    for animal in "ABC":
        text = ""
        for label, length in (("graze", 60), ("rest", 40)):
            rows = [0.1, -0.2, -0.95] + 0.1 * rng.normal(size=(length, 3))
            text += f"= {animal} {label}\n" + "".join(f"{x:.3f} {y:.3f} {z:.3f}\n" for x, y, z in rows)
        (tmp_path / f"{animal}.blocks").write_text(text)
    facts = json.loads(mcukd(tmp_path, "lab_reader", "data", "check", "card.toml", "--json"))
    assert {name: one["windows"] for name, one in facts["animals"].items()} == {
        name: {"graze": 6, "rest": 4} for name in "ABC"
    }


def test_student_is_registered_as_the_guide_says() -> None:
    """tests/test_toy_family.py takes that student from training to its firmware."""
    (shown,) = blocks("add-a-student.md", "python")
    registered = (ROOT / "tests" / "toy_family" / "__init__.py").read_text(encoding="utf-8")
    calls = [
        next(node for node in ast.walk(ast.parse(text)) if isinstance(node, ast.Call))
        for text in (shown, registered)
    ]
    assert ast.dump(calls[0]) == ast.dump(calls[1])
