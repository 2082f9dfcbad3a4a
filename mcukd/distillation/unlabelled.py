"""Unlabelled windows in a student's training: which a fold may use, and the teacher's answers as labels.

The teacher, trained on labelled windows alone, answers on the unlabelled ones; they join the student's
training set with the answers as soft labels, and the most probable class as hard label (pseudo-labels: Lee
2013; a student that then joins the teachers: noisy student, Xie et al., CVPR 2020). Held-out animals' labels
are never used. Their unlabelled samples are used only with `transductive`, as after the tags came back.
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from mcukd.data.same_animal import named_alike
from mcukd.data.windows import Windows
from mcukd.distillation.config import DistillConfig
from mcukd.distillation.jobs import FoldJob
from mcukd.distillation.teacher import Teacher
from mcukd.distillation.training_set import TrainingSet
from mcukd.training.prediction import FloatArray
from mcukd.training.trainer import TrainingConfig

#: Most windows that are presented to a distilled student, as a multiple of those without unlabelled ones.
MOST_PRESENTED = 3.0


def unlabelled_windows(
    job: FoldJob, training: Windows, recordings: Windows | None, config: DistillConfig
) -> Windows | None:
    """Return the unlabelled windows of a fold (U, T, C), without labels; None where there are none to use.

    training: windows of the data set, of which those of the fold's unlabelled animals are used where the
    options ask for the rest. recordings: windows of unlabelled recordings. Of more than
    `config.unlabelled_ratio` times the labelled windows, that many are drawn, as evenly over the animals as
    they allow; the fold and its seed decide which.
    """
    names = job.unlabelled_animals if config.uses_rest else ()
    if config.uses_rest and config.transductive:
        names = (*names, *job.test_animals)
    found = training.take(np.isin(training.animals, names)).without_labels()
    if recordings is not None:
        held_out = () if config.transductive else job.test_animals
        found = found.with_more(recordings.take(~named_alike(recordings.animals, held_out)))
    if not len(found):
        return None
    most = round(config.unlabelled_ratio * len(job.training_of(training)))
    if len(found) > most:
        found = found.take(evenly_drawn(found.animals, most, zlib.crc32(job.name.encode())))
    return found


def evenly_drawn(groups: NDArray[np.str_], count: int, seed: int) -> NDArray[np.int64]:
    """Return the indices of `count` members (N,), drawn as evenly over the groups as their sizes allow."""
    rng = np.random.default_rng(seed)
    rank: NDArray[np.int64] = np.empty(len(groups), np.int64)
    for group in np.unique(groups):
        own = np.flatnonzero(groups == group)
        rank[rng.permutation(own)] = np.arange(len(own))
    # The first of every group come first; ties are broken at random.
    order = np.lexsort((rng.random(len(groups)), rank))
    return np.sort(order[:count])


@dataclass(frozen=True)
class DistillationSet:
    """Training set of a distilled student: windows, the teacher that answers on them, and its soft labels.

    data: `labelled` windows with their labels, then unlabelled ones with the teacher's answers as labels.
    soft: logits (N, K), None where the method computes them during training. config: hyperparameters.
    """

    data: TrainingSet
    labelled: int
    teacher: Teacher | None
    soft: FloatArray | None
    config: TrainingConfig

    def subset(self, mask: NDArray[np.bool_]) -> DistillationSet:
        """Return the labelled windows in a mask (labelled,), and all unlabelled ones."""
        own = np.concatenate([mask, np.ones(len(self.data) - self.labelled, bool)])
        return replace(
            self,
            data=self.data.subset(own),
            labelled=int(mask.sum()),
            teacher=None if self.teacher is None else self.teacher.for_subset(own),
            soft=None if self.soft is None else self.soft[own],
        )

    @classmethod
    def with_unlabelled(
        cls,
        data: TrainingSet,
        unlabelled: Windows,
        teacher: Teacher,
        config: TrainingConfig,
        choice: str,
        seed: int,
    ) -> DistillationSet:
        """Return labelled windows together with unlabelled ones, on which the teacher answers.

        teacher: of the labelled windows; of an ensemble every model answers on unlabelled windows, as none
        was trained on them. config: of a training on the labelled windows. choice: `unlabelled_choice`.
        """
        both = TrainingSet(
            data.windows.with_more(unlabelled),
            np.concatenate([data.inputs, data.normalizer.transform(unlabelled)]),
            data.normalizer,
        )
        teacher = teacher.with_new_windows(len(unlabelled))
        soft = teacher.soft_labels(both.inputs, config.augmentation, seed)
        count = len(data)
        labels = np.concatenate([data.windows.labels, soft[count:].argmax(axis=1)])
        both = replace(both, windows=replace(both.windows, labels=labels))
        used = np.concatenate([np.arange(count), count + chosen_answers(soft[count:], choice, seed)])
        config = shortened(config, count, len(used))
        return cls(both.subset(used), count, teacher.for_subset(used), soft[used], config)


def chosen_answers(answers: FloatArray, choice: str, seed: int) -> NDArray[np.int64]:
    """Return the indices of the unlabelled windows to train on, as many as there are.

    answers: logits (U, K). "all" takes each once. "confident" draws them with a probability that grows with
    the teacher's, from 0 at a guess among K classes to 1; "balanced" draws every answered class equally
    often. Drawing, rather than weights in the loss, serves every method.
    """
    everything = np.arange(len(answers))
    if choice == "all":
        return everything
    rng = np.random.default_rng([seed, len(answers)])
    classes = answers.shape[1]
    if choice == "confident":
        shifted = np.exp(answers - answers.max(axis=1, keepdims=True))
        weights = 1 / shifted.sum(axis=1) - 1 / classes
    else:
        labels = answers.argmax(axis=1)
        weights = 1 / np.bincount(labels, minlength=classes)[labels]
    weights = np.maximum(weights, 1e-9).astype(np.float64)
    return np.sort(rng.choice(everything, len(everything), p=weights / weights.sum()))


def shortened(config: TrainingConfig, labelled: int, both: int) -> TrainingConfig:
    """Return a student's training of `both` windows that presents at most MOST_PRESENTED times the labelled.

    labelled, both: numbers of windows. Without a limit months of recordings would take months to train on.
    """
    return config.with_more_epochs(min(1.0, MOST_PRESENTED * labelled / both))
