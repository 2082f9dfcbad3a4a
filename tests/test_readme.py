"""Commands in the README: they run as written."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest
from builders.commands import COMMAND, parsed
from builders.places import ROOT
from typer.testing import CliRunner

from mcukd.cli.app import app

LINES = [
    shlex.split(line.partition("#")[0])
    for block in re.findall(r"^```\n(.*?)^```", (ROOT / "README.md").read_text(encoding="utf-8"), re.S | re.M)
    for line in block.splitlines()
    if line.startswith("mcukd ")
]


def test_there_are_commands() -> None:
    assert len(LINES) >= 10
    assert {"data", "distill", "quantize", "validate", "report", "flash", "sweep"} <= {
        line[1] for line in LINES
    }


@pytest.mark.parametrize("words", LINES, ids=" ".join)
def test_options_and_files_are_there(words: list[str], monkeypatch) -> None:
    monkeypatch.chdir(ROOT)
    context = parsed(words)
    made = {line[line.index("--out") + 1] for line in LINES if "--out" in line}
    read = {str(value) for name, value in context.params.items() if name != "out"} & set(words)
    for path in read:
        if "/" in path or path.endswith(".toml"):
            known = {path, str(Path(path).parent)} & made or (ROOT / path).exists()
            assert known, f"{path} of {' '.join(words)} is nowhere made"


def test_an_option_that_is_not_there_would_be_noticed() -> None:
    import click

    with pytest.raises(Exception, match="(?i)no such option") as caught:
        parsed(["mcukd", "distill", "--no-such-option"])
    assert isinstance(caught.value, click.UsageError) or "NoSuchOption" in type(caught.value).__name__


@pytest.mark.parametrize("words", [line for line in LINES if line[1] == "sweep"], ids=" ".join)
def test_the_example_of_a_sweep_is_a_grid(words: list[str], tmp_path: Path, monkeypatch) -> None:
    monkeypatch.chdir(ROOT)
    arguments = [*words[1 : words.index("--out")], "--out", str(tmp_path / "sweep"), "--dry-run"]
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 0, result.output
    assert "4 runs" in result.output


def test_commands_are_listed_in_the_order_of_the_pipeline() -> None:
    order = ["data", "distill", "evaluate", "quantize", "generate", "build", "flash", "validate", "report"]
    listed = COMMAND.list_commands(None)
    assert [name for name in listed if name in order] == order
    assert set(listed) == set(COMMAND.commands)


def test_rooms_are_those_of_the_package() -> None:
    folder = ROOT / "mcukd"
    rooms = {path.stem for path in folder.glob("*.py") if not path.stem.startswith("__")}
    rooms |= {path.parent.name for path in folder.glob("*/__init__.py")}
    section = (
        (ROOT / "README.md").read_text(encoding="utf-8").partition("## The rooms")[2].partition("\n## ")[0]
    )
    cells = [line.split("|")[1] for line in section.splitlines() if line.startswith("| `")]
    assert set(re.findall(r"`(\w+)`", "".join(cells))) == rooms
    figure = (ROOT / "docs" / "img" / "architecture.svg").read_text(encoding="utf-8")
    assert set(re.findall(r">(\w+)</tspan>", figure)) == rooms
