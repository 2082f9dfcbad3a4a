"""Toy family of a plugin: from data to a validated firmware, without a change in mcukd.

Commands run in a process of their own, whose environment names the plugin; their workers inherit it.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys

import pytest
from builders.data import write_moving_herd
from builders.places import ROOT

from mcukd.study import Study

#: Runs commands, one after the other, as the program of `mcukd` does.
COMMANDS = """
import json, sys
if __name__ == "__main__":
    from mcukd.cli.app import app
    for command in json.loads(sys.argv[1]):
        app(command, standalone_mode=False)
"""
TRAINING = (
    *("--split", "holdout=A", "--epochs", "1", "--teacher-epochs", "1", "--teacher-width", "1"),
    "--no-baselines",
)

pytestmark = pytest.mark.skipif(shutil.which("cc") is None, reason="needs a host C compiler")


def commands(*given: tuple[str, ...]) -> str:
    """Run commands with the plugin registered; return what they printed."""
    path = os.pathsep.join([str(ROOT), str(ROOT / "tests"), *sys.path])
    done = subprocess.run(
        [sys.executable, "-c", COMMANDS, json.dumps(given)],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": path, "MCUKD_PLUGINS": "toy_family"},
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Study:
    """A study with a student of the toy family, distilled in a worker process and quantized."""
    root = tmp_path_factory.mktemp("herd")
    write_moving_herd(root, length=120)
    run = root / "runs" / "toy"
    where = ("--run", str(run), "--data-root", str(root))
    data = ("--data", str(root / "card.toml"), "--student", "window-means", "--seeds", "1", "--jobs", "1")
    commands(
        ("distill", *data, *where, *TRAINING),
        ("quantize", *where, "--bits", "8"),
    )
    return Study.open(run)


def prove(study: Study, *board: str) -> None:
    """Generate, build and validate; the proof has no mismatch."""
    where = ("--run", str(study.path))
    board_name = board[:2]
    out = commands(
        ("generate", *where, *board_name),
        ("build", *where, *board_name),
        ("validate", *where, *board, "--windows", "8", "--json"),
    )
    proof = json.loads(out[out.rindex("\n{") :])
    assert proof["mismatches"] == 0 and proof["windows"] == 8, proof


def test_a_student_of_a_plugin_is_distilled_and_quantized(study: Study) -> None:
    models = json.loads(study.file("metrics.json").read_text())["models"]
    assert models["student_distilled"]["parameters"] == models["fixed_point_8"]["parameters"] == 8
    facts = json.loads(study.file("fixedpoint.json").read_text())
    assert facts["student"] == "window-means" and set(facts["bounds"]) == {"sum of samples", "output"}
    study.require("quantize")


def test_its_firmware_equals_its_reference_on_this_computer(study: Study) -> None:
    prove(study, "--board", "native")


def test_its_package_gives_the_known_answers(study: Study) -> None:
    commands(("package", "--run", str(study.path), "--target", "cmake", "--prefix", "toy", "--unpacked"))
    (package,) = study.file("packages").glob("*/toy_model")
    sources = [*sorted((package / "src").glob("*.c")), package / "examples/self_test/main.c"]
    program = package.parent / "self_test"
    subprocess.run(["cc", "-std=c99", f"-I{package / 'src'}", *sources, "-o", program], check=True)
    done = subprocess.run([program], capture_output=True, text=True, check=False)
    assert done.returncode == 0 and done.stdout.endswith("\nPASS\n"), done.stdout


@pytest.mark.emulator
def test_its_firmware_equals_its_reference_on_an_emulated_core(study: Study) -> None:
    prove(study, "--board", "collar", "--emulate")


def test_without_the_plugin_one_sentence_says_which_student_is_unknown(study: Study) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "mcukd", "generate", "--run", str(study.path), "--board", "native"],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), *sys.path])},
    )
    assert done.returncode == 2 and len(done.stderr.splitlines()) == 1
    assert "student is window-means: no such student" in done.stderr
