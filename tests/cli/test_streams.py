"""Output of commands on narrow encodings, full disks and closed pipes."""

from __future__ import annotations

import io
import os
import subprocess
import sys
from pathlib import Path

import pytest

from mcukd.cli import streams

FULL = Path("/dev/full")
ENCODINGS = ["cp1252", "cp437", "gbk", "ascii", "ascii:strict", "latin-1", "cp850", "shift_jis", "utf-8"]


def mcukd(*arguments: str, cwd: Path, **settings: str) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        [sys.executable, "-m", "mcukd", *arguments],
        cwd=cwd,
        env={**os.environ, **settings},
        capture_output=True,
        check=False,
    )


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_every_character_of_a_message_can_be_written(encoding: str, monkeypatch) -> None:
    name, _, errors = encoding.partition(":")
    below = io.BytesIO()
    for stream in ("stdout", "stderr"):
        monkeypatch.setattr(sys, stream, io.TextIOWrapper(below, name, errors or "strict"))
    streams.make_writable()
    print("−0.5 ± 2 g … → „Kühe“ 牛 🐄 │ é", flush=True)
    shown = below.getvalue().decode("ascii" if name == "ascii" else name)
    assert shown.endswith("\n") and "0.5" in shown
    if name == "ascii":
        assert shown == '-0.5 +- 2 g ... -> ?K?he" ? ? | ?\n'
    if name == "utf-8":
        assert shown == "−0.5 ± 2 g … → „Kühe“ 牛 🐄 │ é\n"


def test_a_file_name_that_is_not_text_is_shown_byte_for_byte(monkeypatch) -> None:
    below = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(below, "utf-8", "strict"))
    streams.make_writable()
    print(os.fsdecode(b"/data/k\xfche.csv"), flush=True)
    assert below.getvalue() == b"/data/k\xfche.csv\n"


def test_typer_and_rich_write_through_the_same_stream_in_ascii(monkeypatch) -> None:
    import typer

    from mcukd.cli.common import print_table

    below = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(below, "ascii", "strict"))
    streams.make_writable()
    typer.echo("a − b …")
    print_table("x – y", ["µ", "σ"], [["−1", "½"]])
    sys.stdout.flush()
    shown = below.getvalue().decode("ascii")
    assert "a - b ..." in shown and "x - y" in shown and "-1" in shown


@pytest.mark.parametrize("encoding", ["cp437", "ascii:strict"])
@pytest.mark.parametrize("arguments", [("distill", "--help"), ("data", "describe", "herd-sim")])
def test_a_command_that_did_its_work_exits_0(tmp_path: Path, encoding: str, arguments) -> None:
    result = mcukd(*arguments, cwd=tmp_path, PYTHONIOENCODING=encoding)
    assert result.returncode == 0, result.stderr
    assert result.stdout and b"Traceback" not in result.stderr


def test_a_narrow_locale_is_no_error(tmp_path: Path) -> None:
    narrow = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    result = mcukd("distill", "--help", cwd=tmp_path, **narrow)
    assert result.returncode == 0 and b"Traceback" not in result.stderr
    result.stdout.decode("ascii")


@pytest.mark.skipif(not FULL.exists(), reason="no /dev/full")
def test_output_that_cannot_be_written_is_one_sentence(tmp_path: Path) -> None:
    with FULL.open("w") as full:
        result = subprocess.run(
            [sys.executable, "-m", "mcukd", "data", "list"],
            stdout=full, stderr=subprocess.PIPE, cwd=tmp_path, check=False,
        )  # fmt: skip
    assert result.returncode == 2
    (line,) = result.stderr.decode().splitlines()
    assert line.startswith("mcukd: standard output: no space is left")


@pytest.mark.parametrize("arguments", [("data", "list"), ("distill", "--help"), ("doctor", "--json")])
def test_a_reader_that_leaves_is_no_traceback(tmp_path: Path, arguments) -> None:
    ours, theirs = os.pipe()
    os.close(ours)
    result = subprocess.run(
        [sys.executable, "-m", "mcukd", *arguments],
        stdout=theirs, stderr=subprocess.PIPE, cwd=tmp_path, check=False,
    )  # fmt: skip
    os.close(theirs)
    assert result.stderr == b"" and result.returncode == 1
