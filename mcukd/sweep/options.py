"""Which options of `mcukd distill` say nothing about a result, so that the result is trained once.

An option that is not listed here is taken to matter to everything: whoever adds one need not come here, and
what is listed only saves time.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields, replace
from typing import Any

from mcukd.distillation.architectures import COMMITTEE
from mcukd.distillation.config import DistillConfig
from mcukd.distillation.methods import METHODS
from mcukd.distillation.methods.plain import Plain
from mcukd.evaluation.baselines import BASELINES, FILTER_MLP, FOREST
from mcukd.fold_results import STUDENT, TEACHER

PLAIN = Plain.name
#: What may stand beside the students, in float.
BESIDE = (TEACHER, *BASELINES)

#: Of no meaning to a student without a teacher.
_OF_TEACHING = frozenset(
    [
        *("teacher", "teacher_epochs", "choose_teacher_epochs", "teacher_width", "teacher_sensors"),
        *("temperature", "mixing", "without", "gate", "frequency", "choose_frequency"),
    ]
)
#: Of no meaning to students of another structure than the default.
_OF_GRU_MLP = frozenset(("gru_units", "dense_units"))
#: Of no meaning to a committee, some of whose members are students; of the method only the teacher's kind is.
_OF_FOLDS = frozenset(
    [
        *("choose_epochs", "method", "without", "temperature", "mixing", "gate"),
        *("frequency", "choose_frequency"),
    ]
)
#: Of no meaning to other teachers.
_OF_STUDENTS = _OF_FOLDS | _OF_GRU_MLP | {"student", "epochs", "learning_rate"}
#: Of no meaning to a method that has no use for hard labels.
_OF_LABELS = frozenset(("mixing", "gate"))
#: What baselines see of all options.
_OF_BASELINES = {FOREST: {"mounting", "augment", "neck_axis"}}
_OF_BASELINES[FILTER_MLP] = _OF_BASELINES[FOREST] | {"epochs"}

_DEFAULTS: dict[str, Any] = {field.name: field.default for field in fields(DistillConfig)}


def idle(model: str, config: DistillConfig) -> frozenset[str]:
    """Return the options that decide nothing about a model: "student", or one of `BESIDE`."""
    if model == TEACHER:
        return _OF_FOLDS if config.teacher_name == COMMITTEE else _OF_STUDENTS
    if model in BASELINES:
        return frozenset(_DEFAULTS) - _OF_BASELINES.get(model, set())
    return _idle_of_student(config.method, config.student)


def reduced(model: str, config: DistillConfig) -> DistillConfig:
    """Return the options with those that decide nothing about a model at their defaults, in one process."""
    usual = {name: _DEFAULTS[name] for name in idle(model, config)}
    if model == TEACHER:
        # Any method that has this teacher will do.
        method = next(name for name, method in METHODS.items() if config.teacher_name in method.teachers)
        usual.update(teacher=config.teacher_name, method=method)
    return replace(config, **{**usual, "seeds": (0,), "jobs": 1})


def student_config(given: Mapping[str, Any]) -> DistillConfig:
    """Make the reduced options of a student of those given; UserError where they do not go together."""
    chosen = {**_DEFAULTS, **given}
    useless = _idle_of_student(chosen["method"], chosen["student"])
    for name in useless & given.keys():
        if type(given[name]) in (int, float):
            # It means nothing here, and is still to be in range.
            DistillConfig(**{name: given[name]})
    config = DistillConfig(**{name: value for name, value in given.items() if name not in useless})
    return reduced(STUDENT, config)


def plain_config(config: DistillConfig) -> DistillConfig:
    """Return the reduced options of the plain student that is trained beside a distilled one."""
    usual = {name: _DEFAULTS[name] for name in _OF_TEACHING}
    return reduced(STUDENT, replace(config, method=PLAIN, **usual))


def _idle_of_student(method: str, student: str) -> frozenset[str]:
    idle = _OF_TEACHING if method == PLAIN else frozenset()
    if method in METHODS and not METHODS[method].reads_labels:
        idle = idle | _OF_LABELS
    return idle if student == _DEFAULTS["student"] else idle | _OF_GRU_MLP
