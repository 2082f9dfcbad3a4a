"""Efforts: sets of options, which a study records in place of the effort."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from builders.commands import COMMAND
from typer.testing import CliRunner

from mcukd.cli.app import app
from mcukd.distillation.config import DistillConfig
from mcukd.distillation.effort import EFFORTS, USUAL_EFFORT, usual_options, with_effort
from mcukd.errors import UserError
from mcukd.study import Study


@pytest.mark.parametrize("effort", EFFORTS)
@pytest.mark.parametrize("student", ["gru-mlp", "filter-mlp", "cnn"])
def test_every_effort_is_a_configuration_that_can_be_trained(effort: str, student: str) -> None:
    config = DistillConfig().with_options(**with_effort(effort, {"student": student, "seeds": (3,)}))
    assert (config.student, config.seeds) == (student, (3,))
    for name, value in EFFORTS[effort].items():
        assert config.option(name) == value


def test_the_quick_effort_is_the_default_method() -> None:
    quick, default = DistillConfig().with_options(**with_effort("quick", {})), DistillConfig()
    assert (quick.method, quick.teacher_name, quick.epoch_factor) == (
        default.method,
        default.teacher_name,
        default.epoch_factor,
    )


def test_a_new_study_is_trained_with_the_usual_effort_unless_its_options_say_otherwise() -> None:
    own = EFFORTS[USUAL_EFFORT]
    assert usual_options({"seeds": (1,)}) == {**own, "seeds": (1,)}
    assert usual_options({"augment": "rotation"}) == {"augment": "rotation"}
    # A study that was trained quickly stays so; the same command changes nothing.
    quick = DistillConfig(seeds=(1,))
    assert usual_options({"seeds": (1,)}, quick) == {"seeds": (1,)}
    usual = quick.with_options(**usual_options({}))
    assert usual_options({}, usual) == own and usual.with_options(**usual_options({}, usual)) == usual


def test_another_effort_leaves_nothing_of_that_a_study_was_trained_with() -> None:
    """With --run alone a study's own options stand; those that its effort decided go with the effort."""
    for before in EFFORTS:
        trained = DistillConfig(seeds=(1,), gru_units=8).with_options(**with_effort(before, {}))
        for effort in EFFORTS:
            changed = trained.with_options(**with_effort(effort, {"epochs": 3}, trained))
            fresh = DistillConfig(seeds=(1,), gru_units=8).with_options(**with_effort(effort, {"epochs": 3}))
            assert changed == fresh, (before, effort)
    # What the user decided stays.
    own = DistillConfig(augment="rotation", temperature=3.0)
    changed = own.with_options(**with_effort("quick", {}, own))
    assert (changed.augment, changed.temperature) == ("rotation", 3.0)


def test_options_that_only_the_usual_effort_refuses_are_said_to_work_with_the_other() -> None:
    with pytest.raises(UserError, match=r"--correct-teacher .*--effort normal, the default.*--effort quick"):
        usual_options({"correct_teacher": True})
    with pytest.raises(UserError) as raised:  # as refused without any effort
        usual_options({"student": "grruu"})
    assert "effort" not in str(raised.value)


@pytest.mark.parametrize(
    ("more", "method"),
    [
        ((), "function-matching"),
        (("--effort", "quick"), "soft-labels"),
        (("--teacher", "ensemble"), "soft-labels"),
        (("--method", "none"), "none"),
    ],
)
def test_the_command_trains_with_the_usual_effort(
    more: tuple[str, ...], method: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = []

    def stop(study: Any, card: Any, root: Any, config: DistillConfig) -> None:
        asked.append(config)
        raise UserError("stopped before training")

    monkeypatch.setattr("mcukd.pipeline.distill.distill", stop)
    run = str(tmp_path / "run")
    for data in (("--data", "herd-sim"), ()):
        CliRunner().invoke(app, ["distill", *data, "--run", run, *more])
    assert [one.method for one in asked] == [method, method if more else "soft-labels"]


def test_the_help_of_an_option_names_its_default_of_the_usual_effort() -> None:
    """Of those that the effort decides; the other default is that without --data."""
    helps = {one.name: one.help for one in COMMAND.commands["distill"].params}
    for name, value in EFFORTS[USUAL_EFFORT].items():
        assert f"of --effort {USUAL_EFFORT}, as with --data: {value}." in helps[name], name
    assert "--effort" not in helps["alpha"]


def test_a_study_whose_training_never_finished_is_not_brought_up_to_date_with_other_options(
    tmp_path: Path,
) -> None:
    Study.create(tmp_path / "run", "herd-sim", 0)
    raised = CliRunner().invoke(app, ["distill", "--run", str(tmp_path / "run")]).exception
    assert isinstance(raised, UserError) and "repeat the command that began it" in str(raised)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--effort", "norml"), "--effort is 'norml', did you mean 'normal'?"),
        (("--effort", "normal", "--method", "smldist"), "--effort normal decides --method as well"),
        (("--effort", "normal", "--teacher", "committee"), "--effort normal decides --teacher as well"),
    ],
)
def test_an_effort_that_does_not_fit_is_refused(arguments: tuple[str, ...], words: str) -> None:
    raised = CliRunner().invoke(app, ["distill", *arguments]).exception
    assert isinstance(raised, UserError)
    assert re.sub(r"\W+", " ", words) in re.sub(r"\W+", " ", str(raised))
