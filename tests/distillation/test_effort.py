"""Efforts: sets of options, which a study records in place of the effort."""

from __future__ import annotations

import re

import pytest
from typer.testing import CliRunner

from mcukd.cli.app import app
from mcukd.distillation.config import DistillConfig
from mcukd.distillation.effort import EFFORTS, with_effort
from mcukd.errors import UserError


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
