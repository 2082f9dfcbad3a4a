"""Registry of readers: cards, checks, windows and training use a plugin's reader."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from builders.data import samples

from mcukd.data.card import load_card
from mcukd.data.readers.registry import READERS
from mcukd.errors import UserError

PLUGINS = Path(__file__).parent / "plugins"
CARD = """
name = "toys"
title = "Toys"
description = "For tests."
licence = "none"
citation = "none"
simulated = false
position = "collar"
source = { reader = "toy", folder = "." }

[signal]
units = "g"
rate_hz = 10
range_g = 8
counts_per_g = 100
axes = [{ name = "x", meaning = "" }, { name = "y", meaning = "" }, { name = "z", meaning = "" }]

[classes]
names = ["graze", "rest"]

[windows]
length = 10
hop = 10
"""
WINDOWS = """
import json, sys
from mcukd.data.card import load_card
from mcukd.data.load import dataset_sha256, load_windows
card = load_card(sys.argv[1])
windows = load_windows(card)
print(json.dumps([windows.counts.tolist(), windows.labels.tolist(), windows.animals.tolist(),
                  dataset_sha256(card)]))
"""
PIPELINE = """
import shutil, sys, time
from toy_reader import ToyReader
from mcukd.boards.launch import tools_missing
from mcukd.boards.model import load_board
from mcukd.cli.app import app

reads, read = [], ToyReader.read
ToyReader.read = lambda self, request: reads.append(request) or read(self, request)
time.sleep(0.2)  # files written just now are read anew each time
card, run = sys.argv[1:]
small = "--split holdout --seeds 1 --epochs 2 --teacher-epochs 1 --teacher-width 2 --gru-units 4"
small += " --dense-units 4 --jobs 1 --no-search --no-baselines --effort quick"
app(["distill", "--data", card, "--run", run, *small.split()], standalone_mode=False)
app(["evaluate", "--run", run], standalone_mode=False)
app(["quantize", "--run", run, "--bits", "8", "--no-tflite"], standalone_mode=False)
if not tools_missing(load_board("native")) and shutil.which("cc"):
    app(["validate", "--run", run, "--board", "native", "--windows", "5"], standalone_mode=False)
print("parsed", len(reads), "times")
"""


@pytest.fixture
def card(tmp_path: Path) -> Path:
    """The card of three animals in one file each, which graze for 60 samples and rest for 40."""
    (tmp_path / "card.toml").write_text(CARD)
    for seed, animal in enumerate("ABC"):
        text = ""
        for label, length in (("graze", 60), ("rest", 40)):
            swing = 0.5 * np.sin(np.arange(length))[:, None] if label == "graze" else 0.0
            rows = samples(length, seed=seed) + swing
            text += f"= {animal} {label}\n" + "".join(f"{x:.3f} {y:.3f} {z:.3f}\n" for x, y, z in rows)
        (tmp_path / f"{animal}.toy").write_text(text)
    return tmp_path / "card.toml"


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run Python with the plugin in its environment."""
    environment = {**os.environ, "MCUKD_PLUGINS": "toy_reader"}
    environment["PYTHONPATH"] = os.pathsep.join([str(PLUGINS), *filter(None, [os.environ.get("PYTHONPATH")])])
    return subprocess.run(
        [sys.executable, *arguments], env=environment, capture_output=True, text=True, check=False
    )


def test_a_plugins_reader_gives_windows_and_an_identity(card: Path) -> None:
    done = run("-c", WINDOWS, str(card))
    assert done.returncode == 0, done.stderr
    counts, labels, animals, identity = json.loads(done.stdout)
    assert np.shape(counts) == (30, 10, 3) and labels == 3 * (6 * [0] + 4 * [1])
    assert animals == 10 * ["A"] + 10 * ["B"] + 10 * ["C"]
    first = np.loadtxt((card.parent / "A.toy").read_text().splitlines()[1:11])
    np.testing.assert_array_equal(counts[0], np.floor(first * 100 + 0.5))
    (card.parent / "C.toy").write_text((card.parent / "C.toy").read_text().replace("graze", "rest"))
    assert json.loads(run("-c", WINDOWS, str(card)).stdout)[3] != identity


def test_a_plugins_reader_is_checked(card: Path) -> None:
    done = run("-m", "mcukd", "data", "check", str(card), "--json")
    assert done.returncode == 0, done.stderr
    facts = json.loads(done.stdout)
    assert {name: one["windows"] for name, one in facts["animals"].items()} == {
        name: {"graze": 6, "rest": 4} for name in "ABC"
    }
    assert facts["animals"]["A"]["mixed_windows"] == 0


def test_a_plugins_reader_goes_through_the_pipeline_and_parses_once_a_process(card: Path) -> None:
    study = card.parent / "run"
    done = run("-c", PIPELINE, str(card), str(study))
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == "parsed 1 times"
    models = json.loads((study / "metrics.json").read_text())["models"]
    assert {"student_distilled", "fixed_point_8"} <= set(models)
    assert np.sum(models["fixed_point_8"]["confusion"]) == len(models["fixed_point_8"]["per_animal"]) * 10


def test_the_error_for_an_unknown_reader_names_those_of_plugins(card: Path) -> None:
    card.write_text(CARD.replace('"toy"', '"toys"'))
    done = run("-m", "mcukd", "data", "check", str(card))
    assert done.returncode != 0
    said = " ".join(done.stderr.split())
    assert "source.reader is 'toys' (did you mean 'toy'?); expected one of segments, long-csv" in said


def test_an_unknown_key_of_a_plugins_source_is_named(card: Path) -> None:
    card.write_text(CARD.replace('folder = "."', 'folder = ".", sufix = ".txt"'))
    done = run("-m", "mcukd", "data", "check", str(card))
    said = " ".join(done.stderr.split())
    assert "unknown key source.sufix (did you mean 'suffix'?)" in said


def test_without_the_plugin_the_known_readers_are_named(card: Path) -> None:
    with pytest.raises(UserError, match="source.reader is 'toy'; expected one of segments, long-csv, ucihar"):
        load_card(str(card))


def test_every_reader_is_named_as_its_section_says() -> None:
    for name, reader in READERS.items():
        assert reader.source.model_fields["reader"].annotation.__args__ == (name,)
