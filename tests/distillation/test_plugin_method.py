"""A distillation method of another package: one file that registers itself, and all of `distill` takes it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
from builders.data import write_moving_herd

METHOD = '''
"""Squared error of the logits, beside the hard labels."""

from mcukd.distillation.methods import METHODS
from mcukd.distillation.methods.method import Method
from mcukd.distillation.options import Option
from mcukd.training.losses import distillation_loss
from mcukd.training.phases import Phase


class LogitMatching(Method):
    name = "logit-matching"
    title = "the squared error of the logits"
    uses_soft_labels = False
    options = (Option("logit_weight", float, 1.0, "Weight of the squared error.", low=0, high=10),)

    def phases(self, settings):
        def loss(inputs):
            from mcukd.tensorflow_setup import tensorflow as tf

            own, teacher = inputs.outputs["logits"], inputs.teacher_outputs["logits"]
            hard = distillation_loss(own, inputs.hard, teacher, 1.0, 0.0)
            return hard + settings.options["logit_weight"] * tf.reduce_mean(tf.square(own - teacher))

        return (Phase("logit matching", loss, teacher_outputs=("logits",)),)


METHODS.register(LogitMatching())
'''

OPTIONS = (
    *("--split", "holdout=C", "--seeds", "3,", "--jobs", "1", "--no-baselines", "--json"),
    *("--epochs", "1", "--teacher-epochs", "1", "--teacher-width", "2", "--gru-units", "4"),
    *("--dense-units", "4", "--method", "logit-matching"),
)


def distill(folder: Path, card: Path, *options: str, plugins: str) -> subprocess.CompletedProcess[str]:
    argv = [sys.executable, "-m", "mcukd", "distill", "--data", str(card), "--run", str(folder / "run")]
    path = os.pathsep.join([str(folder), *filter(None, sys.path)])
    environment = {**os.environ, "MCUKD_DATA": str(folder), "MCUKD_PLUGINS": plugins, "PYTHONPATH": path}
    return subprocess.run(
        [*argv, *OPTIONS, *options], capture_output=True, text=True, env=environment, check=False
    )


def test_a_method_that_mcukd_does_not_know_trains_students_in_worker_processes(tmp_path: Path) -> None:
    (tmp_path / "my_method.py").write_text(METHOD, encoding="utf-8")
    card = write_moving_herd(tmp_path).path
    assert card is not None
    unknown = distill(tmp_path, card, plugins="")
    assert unknown.returncode and "--method is 'logit-matching'" in unknown.stderr
    made = distill(tmp_path, card, "--set", "logit_weight=2", plugins="my_method")
    assert made.returncode == 0, made.stderr
    assert set(json.loads(made.stdout)["metrics"]["models"]) == {"teacher", "student", "student_distilled"}
    options = json.loads((tmp_path / "run" / "study.json").read_text())["stages"]["distill"]["options"]
    assert (options["method"], options["logit_weight"]) == ("logit-matching", 2.0)
    with np.load(tmp_path / "run" / "evaluation" / "holdout-s3.npz") as fold:
        assert not np.array_equal(fold["student_logits"], fold["student_distilled_logits"])
