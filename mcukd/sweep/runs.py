"""Runs of a sweep: one point of the grid on one fold with one seed, and what each point costs on a core."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mcukd.data.card import load_card
from mcukd.data.windows import Windows
from mcukd.distillation.architectures import STUDENTS, Shape
from mcukd.distillation.qat import EPOCHS, LEARNING_RATE, train_qat
from mcukd.distillation.qat import VERSION as QAT_VERSION
from mcukd.evaluation.baselines import BASELINES
from mcukd.files import write_json
from mcukd.fixedpoint.model import ARITHMETIC_VERSION, IntegerModel
from mcukd.fixedpoint.quantize import VERSION as QUANTIZE_VERSION
from mcukd.fixedpoint.quantize import quantize
from mcukd.fold_results import DISTILLED, STUDENT, TEACHER, WEIGHT_PREFIXES, FoldResult
from mcukd.inference.batch import run_fast
from mcukd.metrics import confusion as merit
from mcukd.models.student import stored_weights
from mcukd.sweep.grid import Measure
from mcukd.sweep.jobs import BaselineJob, StudentJob, TeacherJob
from mcukd.sweep.points import Point
from mcukd.sweep.work import TRAINING, Work, use_one_thread

#: Windows classified on the emulated core; a step takes the same instructions whatever the samples are.
MEASURED_WINDOWS = 4

Training = TeacherJob | StudentJob | BaselineJob


@dataclass(frozen=True)
class RunJob:
    """Job that makes one row of the table.

    work: data, fold, seed, and the options of the training that makes the point; these may be those of a
    distilled student, whose training makes a plain one as well. point: its own options decide the row.
    title: the point as a user reads it.
    """

    work: Work
    point: Point
    title: str

    @property
    def name(self) -> str:
        """The name shown beside the progress bar."""
        return f"{self.title} {self.work.who}"

    @property
    def requires(self) -> tuple[Any, ...]:
        """The training; for quantization-aware training of a distilled student the teacher as well."""
        training = self.training
        needs_teacher = self.point.qat and not self.point.is_plain
        return (training, *training.requires) if needs_teacher else (training,)

    @cached_property
    def training(self) -> Training:
        """The job that trains the model."""
        return self._training_with(self.work)

    @cached_property
    def key(self) -> str:
        """Identity of the row."""
        own = self._training_with(replace(self.work, config=self.point.config))
        decides: dict[str, Any] = {"training": own.key}
        if self.point.integers is not None:
            versions = [QUANTIZE_VERSION, ARITHMETIC_VERSION]
            decides["integers"] = [versions, self.point.integers.options()]
        if self.point.qat:
            decides["qat"] = [QAT_VERSION, EPOCHS, LEARNING_RATE]
        return self.work.identity("run", **decides)

    @property
    def path(self) -> Path:
        """Its file."""
        return self.work.folder / "results" / f"{self.key[:32]}.json"

    def is_done(self) -> bool:
        """Tell whether the row is there."""
        return read_row(self.path, self.key) is not None

    def row(self) -> dict[str, Any]:
        """Return the finished row."""
        row = read_row(self.path, self.key)
        assert row is not None, f"{self.name} is not finished"
        return row

    def run(self) -> None:
        """Predict the fold's test windows and write the row."""
        train_windows, test = self.work.windows()
        predictions, facts = self._predictions(train_windows, test)
        animals = [str(animal) for animal in self.work.fold.test_animals]
        tested = [animal for animal in animals if animal in set(test.animals.tolist())]
        matrices = merit.confusion_by_animal(
            test.labels, predictions, test.animals, tested, len(test.classes)
        )
        write_json(self.path, {"key": self.key, "row": {**_scores(matrices, tested), **facts}})

    def model(self, train_windows: Windows) -> IntegerModel:
        """Return the integer model of the student, made from the fold's training windows."""
        config, hop = self.point.integers, load_card(self.work.source.card).operation_hop
        assert config is not None, f"{self.name} is in float"
        weights = stored_weights(FoldResult(self.training.path), WEIGHT_PREFIXES[self._student])
        if not self.point.qat:
            return quantize(weights, train_windows, config, hop)
        with TRAINING:
            use_one_thread()
            soft = None if self.point.is_plain else TeacherJob(self.work).soft_labels()
            trained = train_qat(weights, train_windows, soft, config, self.point.config, self.work.seed, hop)
        return quantize(trained.weights, train_windows, config, hop, trained.lengths)

    @property
    def _student(self) -> str:
        """Name of the student in the results of a fold."""
        return STUDENT if self.point.is_plain else DISTILLED

    def _training_with(self, work: Work) -> Training:
        if self.point.model == TEACHER:
            return TeacherJob(work)
        return BaselineJob(work, self.point.model) if self.point.model in BASELINES else StudentJob(work)

    def _predictions(self, train_windows: Windows, test: Windows) -> tuple[NDArray[np.int64], dict[str, Any]]:
        """Return the predicted classes (N,) of the test windows, and the columns on the model's size."""
        if self.point.integers is not None:
            model = self.model(train_windows)
            outcome = run_fast(model, test.counts, checksums=False)
            return outcome.classes, {
                **self._sizes(test),
                "weight_bytes": model.weight_bytes,
                "table_bytes": model.table_bytes,
                "saturations": sum(outcome.saturations.values()),
                "model_sha256": model.sha256,
            }
        result = FoldResult(self.training.path)
        if self.point.model == TEACHER:
            return np.argmax(result.logits(TEACHER), axis=1), {}
        name = self.point.model if self.point.model in BASELINES else self._student
        size = self._sizes(test)
        known = {**size, "weight_bytes": 4 * size["parameters"]} if size["parameters"] else {}
        return np.argmax(result.logits(name), axis=1), known

    def _sizes(self, test: Windows) -> dict[str, Any]:
        """Return parameters and multiply-accumulates of one window."""
        if self.point.model in BASELINES:
            return BASELINES[self.point.model].sizes_on(test)
        _, steps, channels = test.counts.shape
        config = self.point.config
        return STUDENTS[config.student].sizes(Shape(steps, channels, len(test.classes)), config)


@dataclass(frozen=True)
class CostJob:
    """Job that measures the cost of models of one size and width on an emulated core, by one of them."""

    run_job: RunJob
    measure: Measure

    @property
    def name(self) -> str:
        """The name shown beside the progress bar."""
        return f"{self.run_job.title} on {self.measure.core}"

    @property
    def requires(self) -> tuple[Any, ...]:
        """The training that the run requires; the integer model is made from it."""
        return self.run_job.requires

    @cached_property
    def key(self) -> str:
        """Identity of the result."""
        return self.run_job.work.identity("cost", run=self.run_job.key, measure=dict(self.measure))

    @property
    def path(self) -> Path:
        """Its file."""
        return self.run_job.work.folder / "costs" / f"{self.key[:32]}.json"

    def is_done(self) -> bool:
        """Tell whether the measurement is there."""
        return read_row(self.path, self.key) is not None

    def run(self) -> None:
        """Build the model's firmware, run it under QEMU, and write what was measured."""
        from mcukd.profiling.measure import measure_model

        train_windows, test = self.run_job.work.windows()
        counts = test.counts[:MEASURED_WINDOWS]
        row = measure_model(
            self.run_job.model(train_windows), counts, self.measure.core, self.measure.optimize
        )
        kept = ("flash_bytes", "instructions", "cycles_estimated", "ram_bytes", "mismatches")
        write_json(self.path, {"key": self.key, "row": {name: row[name] for name in kept}})

    def row(self) -> dict[str, Any]:
        """Return what was measured; an empty row where measuring failed."""
        return read_row(self.path, self.key) or {}


def read_row(path: Path, key: str) -> dict[str, Any] | None:
    """Read a result; None where it is missing, damaged or of another key."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        return dict(content["row"]) if content["key"] == key else None
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _scores(matrices: NDArray[np.int64], animals: list[str]) -> dict[str, Any]:
    total = matrices.sum(axis=0)
    found = {
        name: float(figure(total))
        for name, figure in (
            ("mcc", merit.mcc),
            ("accuracy", merit.accuracy),
            ("macro_f1", merit.macro_f1),
            ("kappa", merit.kappa),
        )
    }
    return {
        "windows": int(total.sum()),
        **{name: None if np.isnan(value) else value for name, value in found.items()},
        "animals": animals,
        "confusion": matrices.tolist(),
    }
