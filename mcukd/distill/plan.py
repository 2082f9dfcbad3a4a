"""What options come to: the teacher's network, the phases of a fit, and how long a lesson takes."""

from __future__ import annotations

import zlib
from typing import NamedTuple, Optional

import numpy as np

from mcukd.data.folds import INNER_PARTS, inner_folds
from mcukd.data.windows import Windows
from mcukd.distill.config import DistillConfig
from mcukd.distill.kinds import COMMITTEE, ENSEMBLE, STUDENTS, TEACHERS, Kind
from mcukd.distill.methods import METHODS
from mcukd.distill.methods.method import Method
from mcukd.distill.methods.plain import Plain
from mcukd.distill.phases import LABELS, Phase, grown
from mcukd.distill.recipes import student_pace
from mcukd.distill.searching import searching_work
from mcukd.distill.trainer import windows_presented

#: What a window costs the training of a network, about; used for the progress bar only.
COSTS = {"student": 1, "teacher": 10}

#: With `--choose-epochs`, passes are chosen among these multiples of `--epochs`, and the teacher's likewise.
EPOCH_FACTORS = (0.5, 1, 2)

#: With `--choose-frequency`, the weight is chosen among these multiples of `--frequency`.
FREQUENCY_FACTORS = (0, 1 / 3, 1, 3)

#: Networks of an ensemble; each leaves out one of as many groups of the training animals.
ENSEMBLE_PARTS = 4

#: Members of a committee, by the trainer that makes them.
COMMITTEE_MEMBERS = {"teacher": 3, "student": 4}


class Member(NamedTuple):
    """One network of a teacher. role: whose network and training it has, "teacher" or "student".

    name: of its checkpoint. part: which group of the training animals it leaves out; None for none.
    """

    role: str
    name: str
    part: Optional[int] = None

    def seed(self, seed: int) -> int:
        """Return what its training draws from, given the lesson's seed."""
        if not self.name.startswith(COMMITTEE):
            return seed
        # Members differ by nothing but chance, and none may be the plain student beside the pupil.
        return zlib.crc32(f"{self.name} {seed}".encode())


def members(config: DistillConfig) -> tuple[Member, ...]:
    """Return the networks that the options' teacher consists of; none where the method has no teacher."""
    if config.teacher_name is None:
        return ()
    if config.teacher_name == ENSEMBLE:
        return tuple(Member("teacher", f"teacher{part}", part) for part in range(ENSEMBLE_PARTS))
    if config.teacher_name == COMMITTEE:
        return tuple(
            Member(role, f"{COMMITTEE}-{role}{number}")
            for role, count in COMMITTEE_MEMBERS.items()
            for number in range(count)
        )
    return (Member("teacher", "teacher"),)


def teacher_kind(config: DistillConfig) -> Kind:
    """Return the network of the teacher, or of those of its members that are no students."""
    name = config.teacher_name
    return TEACHERS["resnet" if name in (None, ENSEMBLE, COMMITTEE) else str(name)]


def frequencies(config: DistillConfig) -> tuple[float, ...]:
    """Return the weights of SMLDist's spectral term that `--choose-frequency` chooses among."""
    return tuple(float(f"{factor * config.frequency:.4g}") for factor in FREQUENCY_FACTORS)


def student_phases(method: Method, config: DistillConfig, steps: int) -> tuple[Phase, ...]:
    """Return the phases in which the options' student learns by a method from windows of `steps` samples."""
    return fit_phases(STUDENTS[config.student], method.phases(config), steps)


def fit_phases(kind: Kind, phases: tuple[Phase, ...], steps: int) -> tuple[Phase, ...]:
    """Return the phases of a network's fit on windows of `steps` samples, perhaps parts first."""
    return grown(phases, steps) if kind.grows else phases


def teaching_work(seen: Windows, config: DistillConfig, *, plain: bool) -> int:
    """Return the length of a lesson on the windows `seen` in the progress bar's units, about."""
    windows, steps = len(seen), seen.counts.shape[1]
    epochs = student_pace(config, steps).epochs
    alone = student_phases(METHODS[Plain.name], config, steps)
    taught = student_phases(METHODS[config.method], config, steps)
    work = choosing_work(windows, epochs, alone) if config.choose_epochs else 0
    if config.choose_frequency:
        work += len(FREQUENCY_FACTORS) * _inner_work(seen, epochs, taught)
    if config.search:
        work += searching_work(config) + _inner_work(seen, epochs, taught)
    if config.teacher_name is None:
        return work + windows_presented(windows, epochs, alone)
    work += windows_presented(windows, epochs, alone) * plain
    work += windows_presented(windows, epochs, taught)
    return work + raising_work(seen, config)


def raising_work(seen: Windows, config: DistillConfig) -> int:
    """Return the length of a teacher's training on the windows `seen` in the progress bar's units, about."""
    kind, windows, steps = teacher_kind(config), len(seen), seen.counts.shape[1]
    phases = {
        "teacher": fit_phases(kind, kind.phases, steps),
        "student": student_phases(METHODS[Plain.name], config, steps),
    }
    epochs = {"teacher": config.teacher_epochs, "student": student_pace(config, steps).epochs}
    fit = {role: COSTS[role] * windows_presented(windows, epochs[role], phases[role]) for role in phases}
    seen_by = [1 if member.part is None else 1 - 1 / ENSEMBLE_PARTS for member in members(config)]
    work = sum(fit[member.role] * share for member, share in zip(members(config), seen_by))
    if config.choose_teacher_epochs:
        work += COSTS["teacher"] * choosing_work(windows, config.teacher_epochs, phases["teacher"])
    return round(work)


def choosing_work(windows: int, epochs: int, phases: tuple[Phase, ...] = (LABELS,)) -> int:
    """Return the length of a choice of epochs in the progress bar's units, about."""
    inner = windows * (INNER_PARTS - 1) // INNER_PARTS
    return INNER_PARTS * sum(windows_presented(inner, round(f * epochs), phases) for f in EPOCH_FACTORS)


def _inner_work(seen: Windows, epochs: int, phases: tuple[Phase, ...]) -> int:
    """Return what one student of each inner fold is shown."""
    folds = inner_folds([str(animal) for animal in seen.animals])
    counts = (int(np.isin(seen.animals, fold.train_animals).sum()) for fold in folds)
    return sum(windows_presented(count, epochs, phases) for count in counts)
