"""Options of `mcukd distill` that do not affect a result, so that the result is trained once.

An option that is not listed here counts as affecting everything: a new one need not be added here, and the
list only saves time.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mcukd.distillation.architectures import MIXED_ENSEMBLES, STUDENTS
from mcukd.distillation.config import DistillConfig
from mcukd.distillation.declared_options import distill_options
from mcukd.distillation.methods import METHODS
from mcukd.distillation.methods.plain import Plain
from mcukd.evaluation.baselines import BASELINES
from mcukd.fold_results import STUDENT, TEACHER

PLAIN = Plain.name
#: Models other than students that a grid can name under `beside`; they stay in float.
BESIDE = (TEACHER, *BASELINES)

#: Which labels are used: another training set for every model.
_DATA = frozenset(("labelled",))
#: Of recordings without labels, from which only distilled students learn.
_UNLABELLED = frozenset(("unlabelled", "transductive", "unlabelled_ratio", "unlabelled_choice", "rounds"))
#: Without effect on a student that has no teacher.
_DISTILLATION = _UNLABELLED | frozenset(
    [
        *("teacher", "teacher_epochs", "choose_teacher_epochs", "teacher_width", "teacher_sensors"),
        *("temperature", "alpha", "ablate", "correct_teacher", "spectral_weight", "choose_spectral_weight"),
        *("epoch_factor", "memory_weight"),
    ]
)
#: Without effect on a mixed ensemble, which has students among its members; the method only selects it.
_UNUSED_BY_MIXED_ENSEMBLE = _UNLABELLED | frozenset(
    [
        *("choose_epochs", "method", "ablate", "temperature", "alpha", "correct_teacher"),
        *("spectral_weight", "choose_spectral_weight", "epoch_factor", "memory_weight"),
    ]
)
#: Without effect on other teachers.
_UNUSED_BY_TEACHERS = _UNUSED_BY_MIXED_ENSEMBLE | {"student", "epochs", "learning_rate"}
#: Without effect on methods that do not use hard labels.
_HARD_LABELS = frozenset(("alpha", "correct_teacher"))

_DEFAULTS: dict[str, Any] = {
    "neck_axis": None,
    **{name: option.default for name, option in distill_options().items()},
}


def unused_options(model: str, config: DistillConfig) -> frozenset[str]:
    """Return the options that do not affect a model, which is "student" or one of `BESIDE`."""
    if model == TEACHER:
        is_mixed = config.teacher_name in MIXED_ENSEMBLES
        return _UNUSED_BY_MIXED_ENSEMBLE if is_mixed else _UNUSED_BY_TEACHERS | set(student_sizes())
    if model in BASELINES:
        return frozenset(_DEFAULTS) - BASELINES[model].options - _DATA
    return _unused_by_student(config.method, config.student)


def reduced(model: str, config: DistillConfig) -> DistillConfig:
    """Return the options with those that do not affect a model at their defaults, in one process."""
    usual = {name: _DEFAULTS[name] for name in unused_options(model, config)}
    if model == TEACHER:
        # Methods with the same teacher share it, so the first such method stands for all.
        method = next(name for name, method in METHODS.items() if config.teacher_name in method.teachers)
        usual.update(teacher=config.teacher_name, method=method)
    return config.with_options(**{**usual, "seeds": (0,), "jobs": 1})


def student_config(given: Mapping[str, Any]) -> DistillConfig:
    """Return the reduced options of a student; UserError where the given options do not go together."""
    chosen = {**_DEFAULTS, **given}
    useless = _unused_by_student(chosen["method"], chosen["student"])
    for name in useless & given.keys():
        if type(given[name]) in (int, float):
            # It has no effect here, but has to be in range all the same.
            DistillConfig.of({name: given[name]})
    config = DistillConfig.of({name: value for name, value in given.items() if name not in useless})
    return reduced(STUDENT, config)


def plain_config(config: DistillConfig) -> DistillConfig:
    """Return the reduced options of the plain student that is trained beside a distilled one."""
    usual = {name: _DEFAULTS[name] for name in _DISTILLATION}
    return reduced(STUDENT, config.with_options(method=PLAIN, **usual))


def student_sizes() -> tuple[str, ...]:
    """Return the options that say how wide students are, of all families."""
    return tuple(dict.fromkeys(name for one in STUDENTS.values() for name in one.options))


def sizes_text(options: Mapping[str, Any]) -> str:
    """Return the sizes of a point's student such as "16/16", given its options; empty where it has none.

    Options without effect on the point are None.
    """
    student = options["student"]
    names = STUDENTS[student].options if student in STUDENTS else ()
    return "/".join(str(options[name]) for name in names if options[name] is not None)


def _unused_by_student(method: str, student: str) -> frozenset[str]:
    unused = _DISTILLATION if method == PLAIN else frozenset()
    if method in METHODS and not METHODS[method].reads_labels:
        unused = unused | _HARD_LABELS
    own = STUDENTS[student].options if student in STUDENTS else ()
    return unused | frozenset(student_sizes()) - set(own)
