"""Commands about a tag with --emulate: a study's image on the model of a chip, which keeps its flash."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pytest
from builders.commands import mcukd
from builders.studies import quantized_study


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


def test_a_board_without_a_modelled_chip_is_refused(tmp_path: Path) -> None:
    done = mcukd("tag", "status", "--emulate", "native", cwd=tmp_path)
    assert done.returncode == 2 and "the chip of that board is not modelled" in done.stderr
