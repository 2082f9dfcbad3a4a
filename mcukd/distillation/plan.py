"""Plan of a training job: the teacher's networks, the students, and what is chosen on inner animals.

The fold trainer trains what is listed here, and the progress bar counts it: every fit has the same length on
the bar, `FIT_UNITS`.
"""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from typing import NamedTuple

from mcukd.distillation.architectures import ENSEMBLE, MIXED_ENSEMBLE, MIXED_ENSEMBLES, TEACHERS, Architecture
from mcukd.distillation.config import DistillConfig
from mcukd.distillation.methods import METHODS
from mcukd.distillation.nested_selection import selection_fits
from mcukd.distillation.options import stored_value
from mcukd.fold_results import DISTILLED, STUDENT
from mcukd.training.trainer import FIT_UNITS

#: With `--choose-epochs`, the epochs are chosen among these multiples of `--epochs`; the teacher's likewise.
EPOCH_FACTORS = (0.5, 1, 2)

#: Networks of an ensemble; each is trained without one of as many groups of the training animals.
ENSEMBLE_PARTS = 4

#: Members of a mixed ensemble, by role.
MIXED_MEMBERS = {"teacher": 3, "student": 4}
#: Prefix of their checkpoints' names, from which their seeds are made as well.
_MIXED_PREFIX = stored_value("teacher", MIXED_ENSEMBLE)


class Member(NamedTuple):
    """One network of a teacher. role: whose architecture and training it has, "teacher" or "student".

    name: of its checkpoint. part: the group of training animals it is trained without; None for none.
    """

    role: str
    name: str
    part: int | None = None

    def seed(self, seed: int) -> int:
        """Return the seed of its training, given the job's."""
        if not self.name.startswith(_MIXED_PREFIX):
            return seed
        # Members differ by their seed only, and none may equal the baseline student of the same job.
        return zlib.crc32(f"{self.name} {seed}".encode())


def members(config: DistillConfig) -> tuple[Member, ...]:
    """Return the networks that the configured teacher consists of; none where the method has no teacher."""
    if config.teacher_name is None:
        return ()
    if config.teacher_name == ENSEMBLE:
        return tuple(Member("teacher", f"teacher{part}", part) for part in range(ENSEMBLE_PARTS))
    if config.teacher_name in MIXED_ENSEMBLES:
        return tuple(
            Member(role, f"{_MIXED_PREFIX}-{role}{number}")
            for role, count in MIXED_MEMBERS.items()
            for number in range(count)
        )
    return (Member("teacher", "teacher"),)


def teacher_architecture(config: DistillConfig) -> Architecture:
    """Return the architecture of the teacher, or of those of its members that are not students."""
    name = config.teacher_name
    return TEACHERS["resnet" if name in (None, ENSEMBLE, *MIXED_ENSEMBLES) else str(name)]


def students(config: DistillConfig, *, final: bool) -> tuple[str, ...]:
    """Return the students that a job trains, in order, named as in a fold's result.

    final: whether it trains the final models, which have no baseline beside them.
    """
    if final:
        return (DISTILLED,)
    return (STUDENT,) if config.teacher_name is None else (STUDENT, DISTILLED)


def epoch_factors(choose: bool) -> tuple[float, ...]:
    """Return the multiples of the configured epochs to choose among; none where they are fixed."""
    return EPOCH_FACTORS if choose else ()


def teacher_fits(config: DistillConfig, animals: Sequence[str]) -> int:
    """Return how many fits the teacher takes. animals: those it is trained on, each any number of times."""
    choices = len(epoch_factors(config.choose_teacher_epochs)) if config.teacher_name else 0
    return len(members(config)) + selection_fits(choices, animals)


def fold_fits(config: DistillConfig, animals: Sequence[str], *, final: bool) -> int:
    """Return how many fits a job takes; a search of the head counts as one beside its inner students."""
    choices = len(epoch_factors(config.choose_epochs))
    choices += len(METHODS[config.method].candidates(config.method_settings))
    searched = 1 + selection_fits(1, animals) if config.search else 0
    own = len(students(config, final=final)) + searched + config.rounds - 1
    return teacher_fits(config, animals) + selection_fits(choices, animals) + own


def progress_units(fits: int) -> int:
    """Return the length of so many fits on the progress bar."""
    return fits * FIT_UNITS
