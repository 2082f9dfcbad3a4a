"""Commands about a tag with --emulate: a study's image on the model of a chip, which keeps its flash."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pytest
from builders.commands import mcukd
from builders.studies import quantized_study

from mcukd.cli.tag import _class_text
from mcukd.harness.messages import Identity


@pytest.mark.emulator
def test_a_tag_on_a_model_keeps_what_it_was_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    quantized_study(tmp_path / "run")
    tag = ("--emulate", "collar", "--run", "run")
    told = mcukd("provision", *tag, "--id", "cow-17", "--json", cwd=tmp_path)
    assert told.returncode == 0 and json.loads(told.stdout)["id"] == "cow-17", told.stderr
    facts = json.loads(mcukd("tag", "status", *tag, "--json", cwd=tmp_path).stdout)
    assert (facts["id"], facts["provisioned"], facts["board"]) == ("cow-17", 1, "collar")
    monkeypatch.setattr("sys.stdin", io.StringIO())
    refused = mcukd("provision", *tag, "--calibrate", cwd=tmp_path)
    assert refused.returncode == 2 and "nobody answers; run it at a terminal" in refused.stderr
    fetched = json.loads(mcukd("fetch", *tag, "--out", "tag.log", "--json", cwd=tmp_path).stdout)
    assert fetched["records"] == 2 and fetched["chip"] == facts["chip"]


def test_a_class_is_named_where_the_names_are_those_of_the_tags_model() -> None:
    who = Identity("collar", "f" * 64, "a" * 64, 256, 64, 16, 3, 2, False, "none", 0)
    names = ["grazing", "resting"]
    assert [_class_text(latest, who, names, "a" * 64) for latest in (None, 0, 1, 2)] == [
        "none yet", "grazing", "resting", "unknown",
    ]  # fmt: skip
    assert _class_text(1, who, None, None) == "1"
    assert _class_text(1, who, names, "b" * 64) == "1 (--run has another model than the tag)"


def test_a_port_and_a_model_are_two_tags(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    both = mcukd("fetch", "--emulate", "native", "--port", "/dev/none", cwd=tmp_path)
    assert both.returncode == 2 and "name two tags; give one of them" in both.stderr
    monkeypatch.setenv("MCUKD_PORT", "/dev/none")
    assert "chip of that board is not modelled" in mcukd("fetch", "--emulate", "native", cwd=tmp_path).stderr


def test_a_board_without_a_modelled_chip_is_refused(tmp_path: Path) -> None:
    done = mcukd("tag", "status", "--emulate", "native", cwd=tmp_path)
    assert done.returncode == 2 and "the chip of that board is not modelled" in done.stderr
