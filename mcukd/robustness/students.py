"""The students that a study's evaluation folds keep, ready to be asked about disturbed windows."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Callable, Optional

import numpy as np
from numpy.typing import NDArray

from mcukd.data.windows import Windows
from mcukd.errors import UserError
from mcukd.fixedpoint.filters.quantize import quantize_filters
from mcukd.fixedpoint.quantize import quantize
from mcukd.models.filter_mlp import FilterMlpWeights
from mcukd.models.network import NetworkWeights
from mcukd.models.student import Weights, stored_weights
from mcukd.pipeline.distill import EVALUATION
from mcukd.pipeline.quantize import classes_of
from mcukd.robustness.shipped import Shipped
from mcukd.study import Study

#: Counts (N, T, C) int16 → classes (N,).
Answer = Callable[[NDArray[np.int16]], NDArray[np.int64]]


@dataclass(frozen=True)
class Pupil:
    """A student of one fold and seed, and the evaluation windows of the animals it never saw."""

    fold: str
    seed: int
    weights: Weights
    test_index: NDArray[np.int64]
    train_animals: tuple[str, ...]

    def answer(self, counts: NDArray[np.int16]) -> NDArray[np.int64]:
        """Return the classes (N,) that the float student gives."""
        return np.argmax(self.weights.logits(counts), axis=1)

    @property
    def file(self) -> str:
        """Name of the fold's file without its ending, such as `A-s0`."""
        return f"{self.fold}-s{self.seed}"

    def integer_answer(self, training: Windows, shipped: Shipped, hop: int) -> Answer:
        """Quantize on the windows that the student was trained on, and return what answers in its place.

        Widths and weights are those that `shipped` has for this fold. Of a mobilenet it is its TFLite int8
        file on the reference kernels.
        """
        seen = training.take(np.isin(training.animals, self.train_animals))
        weights = self.weights
        if isinstance(weights, NetworkWeights):
            return _converted(weights, seen)
        config = shipped.configs[self.file]
        if isinstance(weights, FilterMlpWeights):
            filters = quantize_filters(weights, seen, config, hop)
            return lambda counts: classes_of(filters, counts)
        taught = shipped.taught.get(self.file)
        if taught is None:
            model = quantize(weights, seen, config, hop)
        else:
            model = quantize(taught.weights, seen, config, hop, taught.lengths)
        return lambda counts: classes_of(model, counts)


def _converted(weights: NetworkWeights, seen: Windows) -> Answer:
    """Return what answers for a mobilenet: its TFLite int8 file, made when it is first asked."""
    from mcukd.pipeline.quantize_tflite import window_answer

    made: list[Answer] = []

    def answer(counts: NDArray[np.int16]) -> NDArray[np.int64]:
        if not made:
            made.append(window_answer(weights, seen))
        return made[0](counts)

    return answer


def pupils(study: Study, model: str) -> list[Pupil]:
    """Return the students of a study's folds, by seed and fold.

    model: "student", "student_distilled", or "student_deployed", whose head a search found. Empty where their
    weights were not kept, as those of plain students in studies made by earlier versions. Raises UserError
    where the study has no folds.
    """
    files = sorted(study.file(EVALUATION).glob("*.npz"))
    if not files:
        raise UserError(
            f"{study.file(EVALUATION)}: no evaluated folds there; run '{study.refresh('distill')}'."
        )
    found = [_read(file, model) for file in files]
    return sorted((one for one in found if one is not None), key=lambda one: (one.seed, one.fold))


def _read(file: Path, model: str) -> Optional[Pupil]:
    name = re.fullmatch(r"(.+)-s(\d+)", file.stem)
    prefix = f"{model}__"
    with np.load(file, allow_pickle=False) as stored:
        if name is None or f"{prefix}mean" not in stored:
            return None
        return Pupil(
            name.group(1),
            int(name.group(2)),
            stored_weights(stored, prefix),
            stored["test_index"],
            tuple(map(str, stored["train_animals"])),
        )
