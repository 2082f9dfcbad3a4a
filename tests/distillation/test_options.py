"""Options of `mcukd distill`: the command line is made from their declaration; earlier spellings work."""

from __future__ import annotations

import json
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from mcukd.cli.app import app
from mcukd.distillation.config import DistillConfig
from mcukd.distillation.declared_options import distill_options
from mcukd.distillation.options import STORED_NAMES, current, stored
from mcukd.errors import UserError
from mcukd.pipeline.distill import free_run
from mcukd.study import Study

#: What an earlier version wrote into `study.json`, and the options with which it is asked for today.
EARLIER: dict[str, Any] = {
    "split": "loao",
    "seeds": [0, 1, 2],
    "seed": 0,
    "teacher_epochs": 10,
    "teacher_width": 16,
    "gru_units": 16,
    "dense_units": 16,
    "mounting": "any",
    "mixing": 0.7,
    "method": "same-view",
    "teacher": "committee",
    "gate": True,
}
TODAY: dict[str, Any] = {
    "teacher_epochs": 10,
    "mounting": "any",
    "alpha": 0.7,
    "method": "online",
    "teacher": "mixed-ensemble",
    "correct_teacher": True,
}


def refusal(*arguments: str) -> str:
    raised = CliRunner().invoke(app, ["distill", *arguments]).exception
    assert isinstance(raised, UserError), raised
    return str(raised)


def test_a_study_made_with_earlier_spellings_is_current(tmp_path: Path) -> None:
    study = Study.create(tmp_path / "herd-sim", "herd-sim", 0)
    study.finish("distill", inputs={}, options=EARLIER, outputs=[])
    config = DistillConfig.of(TODAY)
    assert config == DistillConfig.of(EARLIER)
    assert study.is_current("distill", {}, config.options())
    assert free_run("herd-sim", config, tmp_path) == study.path
    assert json.loads(json.dumps(config.options())) == EARLIER
    assert {name: config.training()[name] for name in ("mixing", "gate", "method", "teacher")} == {
        name: EARLIER[name] for name in ("mixing", "gate", "method", "teacher")
    }


def test_options_of_smldist_are_stored_as_they_were() -> None:
    config = DistillConfig.of(
        {"method": "smldist", "ablate": "logits", "spectral_weight": 0.2, "choose_spectral_weight": True}
    )
    own = ("without", "frequency", "choose_frequency")
    assert [config.options()[name] for name in own] == ["logits", 0.2, True]
    assert not {"frequency", "choose_frequency"} & DistillConfig.of({"spectral_weight": 0.3}).options().keys()
    # A value that another method does not read is recorded as before.
    assert DistillConfig.of({"frequency": 0.2}).options()["frequency"] == 0.2


def test_both_spellings_say_the_same() -> None:
    for name, earlier in STORED_NAMES.items():
        assert current({earlier: 1}) == {name: 1} and stored({name: 1}) == {earlier: 1}
    assert DistillConfig(method="mixed-view") == DistillConfig(method="function-matching")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--mixing", "2"), "--alpha is 2.0, expected 0 to 1"),
        (("--frequency", "101"), "--spectral-weight is 101.0"),
        (("--method", "mixed-view", "--gate"), "--correct-teacher compares the teacher with the labels"),
        (("--without", "stage"), "--ablate names 'stage'"),
        (("--choose-frequency",), "--choose-spectral-weight asks for the spectral term"),
        (("--alpha", ".5", "--mixing", ".5"), "--mixing is the earlier spelling of --alpha"),
        (("--set", "spectral_wieght=1"), "did you mean 'spectral_weight'"),
        (("--set", "spectral_weight=much"), "expected a value of type float"),
        (("--set", "spectral_weight=101"), "--spectral-weight is 101.0"),
    ],
)
def test_the_command_line_takes_them(arguments: tuple[str, ...], words: str) -> None:
    assert words in refusal(*arguments)


def test_help_shows_every_option_by_its_name_of_today(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    text = CliRunner().invoke(app, ["distill", "--help"], terminal_width=200).output
    for name, option in distill_options().items():
        assert f"{option.flag} " in text and option.help
        if name in STORED_NAMES:
            assert f"--{STORED_NAMES[name].replace('_', '-')} " not in text
    declared = {field.name for field in fields(DistillConfig)} - {"neck_axis", "method_options"}
    assert declared < set(distill_options())
