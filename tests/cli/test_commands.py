"""Command line as a whole: help, versions, errors and tables."""

from __future__ import annotations

import json
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import pytest
import typer
from builders.commands import mcukd, mcukd_process
from typer.testing import CliRunner

from mcukd.cli.app import app
from mcukd.cli.help import PANELS

COMMANDS = (
    "demo",
    "data",
    "distill",
    "sweep",
    "quantize",
    "ranges",
    "bench",
    "evaluate",
    "classify",
    "compare-models",
    "observe",
    "package",
    "agree",
    "export",
    "archive",
    "verify",
    "tag",
    "provision",
    "fetch",
    "log",
    "payload",
    "decode",
    "generate",
    "build",
    "flash",
    "validate",
    "energy",
    "robustness",
    "report",
    "boards",
    "doctor",
)


def test_all_commands_are_there_with_help_and_an_example() -> None:
    group = typer.main.get_command(app)
    assert set(COMMANDS) == set(group.commands)  # type: ignore[attr-defined]
    for name, command in group.commands.items():  # type: ignore[attr-defined]
        assert command.get_short_help_str(), name
        for leaf in getattr(command, "commands", {name: command}).values():
            assert "xample" in leaf.help, name


def test_examples_stand_in_paragraphs_of_their_own() -> None:
    """The site shows them as code, which it finds so."""
    group = typer.main.get_command(app)
    for name, command in group.commands.items():  # type: ignore[attr-defined]
        for leaf in getattr(command, "commands", {name: command}).values():
            paragraphs = leaf.help.split("\n\n")
            assert any(one.startswith(("Example: ", "Examples: ")) for one in paragraphs), leaf.name


def test_help_says_where_to_begin_and_groups_the_commands() -> None:
    text = CliRunner().invoke(app, ["--help"], env={"COLUMNS": "80"}).output
    assert "Begin with mcukd demo" in text
    panels = [line for line in text.splitlines() if line.startswith("╭─ ")]
    assert len(panels) == len(PANELS) + 1 and not any("Commands" in line for line in panels)
    assert {name for names in PANELS.values() for name in names} == set(COMMANDS)


@pytest.mark.parametrize("command", [[], ["flash"], ["quantize"], ["data"], ["data", "import"], ["evaluate"]])
def test_a_flag_is_not_shown_as_if_it_took_a_value(command: list[str]) -> None:
    text = CliRunner().invoke(app, [*command, "--help"], env={"COLUMNS": "100"}).output
    assert "--help" in text and "bool" not in text


def test_help_imports_nothing_heavy() -> None:
    heavy = {"tensorflow", "numpy", "pandas", "sklearn", "matplotlib", "serial", "elftools", "pydantic"}
    code = f"import sys; import mcukd.cli.app; print(sorted({heavy} & set(sys.modules)))"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert found.strip() == "[]"


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("quantize", "--bits", "3"), ("--bits 3", "4 to 16")),
        (("quantize", "--bits", "33"), ("--bits 33", "4 to 16")),
        (("quantize",), ("runs/latest", "mcukd distill")),
        (("distill", "--data", "no-such-card"), ("no-such-card", "herd-sim")),
        (("validate", "--board", "collar"), ()),
        (("flash", "--board", "no-such-board"), ("no-such-board", "collar")),
        (("report",), ("runs/latest",)),
    ],
)
def test_bad_input_is_one_sentence_and_exit_2(
    tmp_path: Path, arguments: tuple[str, ...], words: tuple[str, ...]
) -> None:
    result = mcukd(*arguments, cwd=tmp_path)
    assert result.returncode == 2, result.stderr
    assert "Traceback" not in result.stderr
    assert len(result.stderr.strip().splitlines()) == 1, result.stderr
    for word in words:
        assert word in result.stderr
    assert list(tmp_path.iterdir()) == []


def test_doctor_tells_versions_as_json() -> None:
    result = mcukd_process("doctor", "--json")
    facts = {finding["name"]: finding for finding in json.loads(result.stdout)}
    assert facts["tensorflow"]["version"] == version("tensorflow")
    assert facts["qemu-system-arm"]["remedy"]


def test_version() -> None:
    from mcukd import __version__

    assert mcukd_process("--version").stdout.strip() == __version__


def test_a_table_breaks_no_figure_and_fits_80_columns(capsys, monkeypatch) -> None:
    from mcukd.cli.common import print_table

    monkeypatch.setenv("COLUMNS", "80")
    classes = ["Grazing", "Resting", "Walking", "Ruminating", "Drinking"]
    row = ["a-recording-with-a-long-name-of-a-cow.parquet", "classified", "31", "534,123", "98.2%"]
    figures = ["40.17 ± 0.02", "30.21 %", "1,234,567", "0.812 … 0.931", "5"]
    print_table("title", ["file", "", "days", "windows", "covered", *classes], [[*row, *figures]] * 2, left=2)
    shown = capsys.readouterr().out
    assert max(map(len, shown.splitlines())) <= 80
    for text in (*row[2:], *figures, *classes):
        assert text in shown
    assert shown.count("title") == 1 and shown.count(" file ") == 3


@pytest.mark.parametrize("width", [40, 60, 80, 100, 160])
def test_headings_of_several_words_do_not_push_figures_over_the_edge(capsys, monkeypatch, width: int) -> None:
    from mcukd.cli.common import print_table

    monkeypatch.setenv("COLUMNS", str(width))
    columns = [
        "behaviour",
        "observer min/h",
        "tag min/h",
        "at most in many animals",
        "sensitivity",
        "precision",
    ]
    figures = ["1.8", "1.6", "−7.7", "1.00 (0.21 … 1.00)", "0.98 (0.35 … 1.00)"]
    print_table("title", columns, [["grazing in the shade of trees", *figures]])
    shown = capsys.readouterr().out
    assert max(map(len, shown.splitlines())) <= width
    assert all(one in shown for one in figures)


@pytest.mark.parametrize("command", [["data", "check"], ["evaluate"], ["flash"]])
def test_help_is_wrapped_by_the_terminal_and_not_by_the_source(command: list[str]) -> None:
    text = CliRunner().invoke(app, [*command, "--help"], env={"COLUMNS": "80"}).output
    told = [line.strip() for line in text.split("╭")[0].split("Example")[0].splitlines() if line.strip()][1:]
    # Whatever line goes on in the next had no room for its first word.
    goes_on = [(one, after.split()[0]) for one, after in zip(told, told[1:]) if not one.endswith(".")]
    assert goes_on and all(len(one) + 1 + len(word) > 78 for one, word in goes_on), told
