"""Commands in the documentation: run on simulated data where that takes seconds, parsed where it does not."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from builders.commands import mcukd, parsed
from builders.day_log import day_log
from builders.places import ROOT
from builders.site import site_module

from mcukd.data.simulation.animal import AnimalName, simulated_animal
from mcukd.pipeline.observe_demo import demo_study

examples = site_module("examples")
EXAMPLES = examples.examples()
RUN = sorted({one.file for one in EXAMPLES if one.run})
EMBEDDED, BIOLOGIST = "docs/guides/first-hour-embedded.md", "docs/guides/first-hour-biologist.md"
#: Pages whose commands build images for the tags.
_EMULATOR = {EMBEDDED}


def _study(place: str) -> Callable[[Path], None]:
    """Return what makes a study with the small model that comes with mcukd, of a simulated herd."""

    def make(folder: Path) -> None:
        study = demo_study(lambda text: None)
        shutil.copytree(study.path, folder / place)

    return make


def _recording(folder: Path) -> None:
    np.save(folder / "cow7.npy", simulated_animal(AnimalName("herd-sim", 1000, 600)).counts)


def _of_page(file: str, language: str, name: str) -> Callable[[Path], None]:
    def make(folder: Path) -> None:
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text(_blocks(file, language)[0], encoding="utf-8")

    return make


def _blocks(file: str, language: str) -> list[str]:
    text = (ROOT / file).read_text(encoding="utf-8")
    found = re.findall(r"^```(\w*)\n(.*?)^```$", text, re.S | re.M)
    return [block for kind, block in found if kind == language]


def _file(name: str, content: bytes) -> Callable[[Path], None]:
    return lambda folder: (folder / name).write_bytes(content) and None


def _grid(folder: Path) -> None:
    shutil.copytree(ROOT / "docs" / "examples", folder / "docs" / "examples")


#: What has to be there before the commands of a page run.
BEFORE: dict[str, tuple[Callable[[Path], Any], ...]] = {
    EMBEDDED: (_study("runs/demo"), _of_page(EMBEDDED, "c", "main.c")),
    "docs/guides/add-a-board.md": (_of_page("docs/guides/add-a-board.md", "toml", "vest/vest.toml"),),
    "docs/payload.md": (_study("runs/cow"), _file("received.txt", b"15a1beba23b02750380001\n")),
    "docs/tag.md": (lambda folder: (folder / "dump.bin").write_bytes(day_log(3000)),),
    "docs/reference/classify.md": (_study("runs/cow"), _recording),
    "docs/reference/sweep.md": (_grid,),
}


def _compiled(folder: Path) -> None:
    """The program of the guide compiles as the guide says, and tells a behaviour."""
    (commands,) = [one for one in _blocks(EMBEDDED, "") if one.startswith("cc ")]
    for line in commands.splitlines():
        done = subprocess.run(line.split(), cwd=folder, capture_output=True, text=True)
        assert done.returncode == 0 and not done.stderr, done.stderr
    assert done.stdout.strip() in ("drinking", "grazing", "resting", "ruminating", "walking")


def _reported(folder: Path) -> None:
    scores = json.loads((folder / "runs" / "herd" / "metrics.json").read_text())["models"]
    assert {"teacher", "student", "student_distilled", "fixed_point_8"} <= scores.keys()
    assert "animals never seen" in (folder / "report.html").read_text(encoding="utf-8")


#: What must be true after them.
AFTER: dict[str, Callable[[Path], None]] = {
    EMBEDDED: _compiled,
    BIOLOGIST: _reported,
}


@pytest.mark.parametrize(
    "file", [pytest.param(one, marks=pytest.mark.emulator if one in _EMULATOR else ()) for one in RUN]
)
def test_commands_run(file: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for make in BEFORE.get(file, ()):
        make(tmp_path)
    for one in (one for one in EXAMPLES if one.file == file and one.run):
        done = mcukd(*one.words[1:], *one.added.split(), cwd=tmp_path)
        assert done.returncode == 0, f"{one.file}:{one.line}: {one.command}\n{done.stderr}"
    if file in AFTER:
        AFTER[file](tmp_path)


def test_output_that_a_page_shows_is_that_of_its_command() -> None:
    (shown,) = [block for block in _blocks("docs/payload.md", "") if block.startswith("$ ")]
    command, _, output = shown.partition("\n")
    (one,) = [one for one in EXAMPLES if one.command == command.removeprefix("$ ")]
    assert json.loads(mcukd(*one.words[1:]).stdout) == json.loads(output)


@pytest.mark.parametrize("one", EXAMPLES, ids=lambda one: f"{one.file}:{one.line}")
def test_commands_are_commands(one: Any) -> None:
    """Every command and option of every page is known, the files aside."""
    if one.words[0] == "make":
        targets = re.findall(r"^([\w-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.M)
        assert set(one.words[1:]) <= set(targets)
    else:
        parsed(one.words)


def test_examples_of_help_are_commands() -> None:
    commands = site_module("commands")
    found = [example for _, command, _ in commands.walked() for example in commands.examples(command)]
    assert len(found) > 40
    for example in found:
        parsed(example.split(" | ")[0].split())


def test_an_unknown_command_or_option_is_noticed() -> None:
    assert len(EXAMPLES) > 120
    for words in (["mcukd", "distil"], ["mcukd", "quantize", "--bit", "8"], ["mcukd", "data", "list", "x"]):
        with pytest.raises(Exception, match=r"(?i)no such|unexpected"):
            parsed(words)


def test_commands_that_are_said_to_run_are_there() -> None:
    for file, commands in examples.run_by_tests().items():
        known = [one.command for one in EXAMPLES if one.file == file]
        for command in commands:
            assert any(one.startswith(command["starts"]) for one in known), f"{file}: {command['starts']}"


def test_a_page_says_what_is_only_parsed() -> None:
    text = "```\nmcukd fetch --port /dev/ttyACM0   # a log\n```\n"
    marked = examples.with_marks(text, "docs/guides/fetch-a-log.md")
    assert "Not run by tests, only parsed: needs a tag on a serial line." in marked
    shown = examples.with_marks((ROOT / "docs" / "payload.md").read_text(encoding="utf-8"), "docs/payload.md")
    assert "Tests run this on simulated data." in shown
