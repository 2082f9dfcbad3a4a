"""What a configuration amounts to: the teacher's networks, the phases of each fit, the length of a job."""

from __future__ import annotations

import zlib
from typing import NamedTuple, Optional

import numpy as np

from mcukd.data.folds import INNER_PARTS, inner_folds
from mcukd.data.windows import Windows
from mcukd.distillation.architectures import COMMITTEE, ENSEMBLE, STUDENTS, TEACHERS, Architecture
from mcukd.distillation.config import DistillConfig
from mcukd.distillation.head_search import head_search_work
from mcukd.distillation.methods import METHODS
from mcukd.distillation.methods.method import Method
from mcukd.distillation.methods.plain import Plain
from mcukd.distillation.training_configs import student_defaults
from mcukd.training.phases import LABELS, Phase, length_curriculum
from mcukd.training.trainer import windows_presented

#: Approximate cost of training a network on one window, relative to a student; for the progress bar only.
COSTS = {"student": 1, "teacher": 10}

#: With `--choose-epochs`, the epochs are chosen among these multiples of `--epochs`; the teacher's likewise.
EPOCH_FACTORS = (0.5, 1, 2)

#: With `--choose-frequency`, the weight is chosen among these multiples of `--frequency`.
FREQUENCY_FACTORS = (0, 1 / 3, 1, 3)

#: Networks of an ensemble; each is trained without one of as many groups of the training animals.
ENSEMBLE_PARTS = 4

#: Members of a committee, by role.
COMMITTEE_MEMBERS = {"teacher": 3, "student": 4}


class Member(NamedTuple):
    """One network of a teacher. role: whose architecture and training it has, "teacher" or "student".

    name: of its checkpoint. part: the group of training animals it is trained without; None for none.
    """

    role: str
    name: str
    part: Optional[int] = None

    def seed(self, seed: int) -> int:
        """Return the seed of its training, given the job's."""
        if not self.name.startswith(COMMITTEE):
            return seed
        # Members differ by their seed only, and none may equal the baseline student of the same job.
        return zlib.crc32(f"{self.name} {seed}".encode())


def members(config: DistillConfig) -> tuple[Member, ...]:
    """Return the networks that the configured teacher consists of; none where the method has no teacher."""
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


def teacher_architecture(config: DistillConfig) -> Architecture:
    """Return the architecture of the teacher, or of those of its members that are not students."""
    name = config.teacher_name
    return TEACHERS["resnet" if name in (None, ENSEMBLE, COMMITTEE) else str(name)]


def frequencies(config: DistillConfig) -> tuple[float, ...]:
    """Return the weights of SMLDist's spectral term that `--choose-frequency` chooses among."""
    return tuple(float(f"{factor * config.frequency:.4g}") for factor in FREQUENCY_FACTORS)


def student_phases(method: Method, config: DistillConfig, steps: int) -> tuple[Phase, ...]:
    """Return the phases in which a method trains the configured student on windows of `steps` samples."""
    return fit_phases(STUDENTS[config.student], method.phases(config), steps)


def fit_phases(architecture: Architecture, phases: tuple[Phase, ...], steps: int) -> tuple[Phase, ...]:
    """Return the phases of a fit on windows of `steps` samples, with the length curriculum if it is used."""
    return length_curriculum(phases, steps) if architecture.uses_length_curriculum else phases


def fold_work(windows: Windows, config: DistillConfig, *, baseline: bool) -> int:
    """Return the approximate length of a job on training windows, in the progress bar's units.

    baseline: whether it trains a student without a teacher as well.
    """
    count, steps = len(windows), windows.counts.shape[1]
    epochs = student_defaults(config, steps).epochs
    on_labels = student_phases(METHODS[Plain.name], config, steps)
    distilled = student_phases(METHODS[config.method], config, steps)
    work = epoch_selection_work(count, epochs, on_labels) if config.choose_epochs else 0
    if config.choose_frequency:
        work += len(FREQUENCY_FACTORS) * _inner_work(windows, epochs, distilled)
    if config.search:
        work += head_search_work(config) + _inner_work(windows, epochs, distilled)
    if config.teacher_name is None:
        return work + windows_presented(count, epochs, on_labels)
    work += windows_presented(count, epochs, on_labels) * baseline
    work += windows_presented(count, epochs, distilled)
    return work + teacher_work(windows, config)


def teacher_work(windows: Windows, config: DistillConfig) -> int:
    """Return the approximate length of a teacher's training on `windows`, in the progress bar's units."""
    architecture, count, steps = teacher_architecture(config), len(windows), windows.counts.shape[1]
    phases = {
        "teacher": fit_phases(architecture, architecture.phases, steps),
        "student": student_phases(METHODS[Plain.name], config, steps),
    }
    epochs = {"teacher": config.teacher_epochs, "student": student_defaults(config, steps).epochs}
    fit = {role: COSTS[role] * windows_presented(count, epochs[role], phases[role]) for role in phases}
    fractions = [1 if member.part is None else 1 - 1 / ENSEMBLE_PARTS for member in members(config)]
    work = sum(fit[member.role] * fraction for member, fraction in zip(members(config), fractions))
    if config.choose_teacher_epochs:
        work += COSTS["teacher"] * epoch_selection_work(count, config.teacher_epochs, phases["teacher"])
    return round(work)


def epoch_selection_work(windows: int, epochs: int, phases: tuple[Phase, ...] = (LABELS,)) -> int:
    """Return the approximate length of a choice of epochs, in the progress bar's units."""
    inner = windows * (INNER_PARTS - 1) // INNER_PARTS
    return INNER_PARTS * sum(windows_presented(inner, round(f * epochs), phases) for f in EPOCH_FACTORS)


def _inner_work(windows: Windows, epochs: int, phases: tuple[Phase, ...]) -> int:
    """Return how many windows are presented to one student of each inner fold."""
    folds = inner_folds([str(animal) for animal in windows.animals])
    counts = (int(np.isin(windows.animals, fold.train_animals).sum()) for fold in folds)
    return sum(windows_presented(count, epochs, phases) for count in counts)
