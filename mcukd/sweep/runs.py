"""Runs: a point of the grid on one fold with one seed, scored on the fold's animals; and costs of points."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Optional

import numpy as np
from numpy.typing import NDArray

from mcukd.data.card import load_card
from mcukd.data.windows import Windows
from mcukd.evaluate import matrices as merit
from mcukd.evaluate.baselines import VERSION as BASELINES
from mcukd.evaluate.baselines import fit_forest, forest_logits, majority_logits
from mcukd.evaluate.hand_features import FEATURES
from mcukd.files import write_json
from mcukd.fixedpoint.model import ARITHMETIC_VERSION, IntegerModel
from mcukd.fixedpoint.qat import EPOCHS, LEARNING_RATE, teach
from mcukd.fixedpoint.qat import VERSION as QAT_VERSION
from mcukd.fixedpoint.quantize import VERSION as QUANTIZE_VERSION
from mcukd.fixedpoint.quantize import QuantizeConfig, quantize
from mcukd.host.batch import run_fast
from mcukd.models.filter_mlp import FilterMlpWeights
from mcukd.sweep.grid import DISTILLED, FILTER_MLP, FOREST, MAJORITY, QAT, TEACHER, Measure, Point
from mcukd.sweep.jobs import TRAINING, StudentJob, TeacherJob, Work, quiet_tensorflow, read

#: Windows the emulated core answers; the step takes the same instructions whatever the samples are.
MEASURED_WINDOWS = 4


@dataclass(frozen=True)
class RunJob:
    """One row of the table. The size in `work.config` is the point's."""

    work: Work
    point: Point

    @property
    def name(self) -> str:
        """What the progress bar shows."""
        return f"{describe(self.point)} {self.work.who}"

    @property
    def requires(self) -> tuple[Any, ...]:
        """The student that is scored or quantized, or the teacher."""
        if self.point.method in (FOREST, MAJORITY):
            return ()
        if self.point.method == TEACHER:
            return (TeacherJob(self.work),)
        student = self.student
        return (student, *student.requires) if self.point.method == QAT else (student,)

    @property
    def student(self) -> StudentJob:
        """The float student."""
        return StudentJob(self.work, DISTILLED if self.point.method == QAT else self.point.method)

    @property
    def key(self) -> str:
        """Identity of the row."""
        decides: list[Any] = [asdict(self.point), [earlier.key for earlier in self.requires]]
        if self.point.bits is not None:
            decides.append([QUANTIZE_VERSION, ARITHMETIC_VERSION])
        if self.point.method == QAT:
            config = self.work.config
            decides.append([QAT_VERSION, EPOCHS, LEARNING_RATE, config.temperature, config.mixing])
        if self.point.method == FOREST:
            decides.append([BASELINES, FEATURES, self.work.config.mounting])
        return self.work.identity("run", decides=decides)

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
        seen, test = self.work.windows()
        guesses, facts = self._answers(seen, test)
        animals = [str(animal) for animal in self.work.fold.test_animals]
        tested = [animal for animal in animals if animal in set(test.animals.tolist())]
        matrices = merit.confusion_by_animal(test.labels, guesses, test.animals, tested, len(test.classes))
        write_json(self.path, {"key": self.key, "row": {**_scores(matrices, tested), **facts}})

    def _answers(self, seen: Windows, test: Windows) -> tuple[NDArray[np.int64], dict[str, Any]]:
        """Return the classes (N,) of the test windows, and what is known of the model's size."""
        method, work = self.point.method, self.work
        if method == MAJORITY:
            return np.argmax(majority_logits(seen, test), axis=1), {}
        if method == FOREST:
            return np.argmax(forest_logits(fit_forest(seen, work.config, work.seed), test), axis=1), {}
        if method == TEACHER:
            return np.argmax(read(TeacherJob(work).path)["logits"], axis=1), {}
        if self.point.bits is not None:
            model = self.model(seen)
            outcome = run_fast(model, test.counts, checksums=False)
            return outcome.classes, {
                "parameters": self.student.weights().parameters,
                "macs_per_window": self.student.weights().macs_per_window(model.window),
                "weight_bytes": model.weight_bytes,
                "table_bytes": model.table_bytes,
                "saturations": sum(outcome.saturations.values()),
                "model_sha256": model.sha256,
            }
        stored = read(self.student.path)
        weights: Any = self.student.weights() if method != FILTER_MLP else _filter_mlp(stored)
        return np.argmax(stored["logits"], axis=1), {
            "parameters": weights.parameters,
            "macs_per_window": weights.macs_per_window(test.counts.shape[1]),
            "weight_bytes": 4 * weights.parameters,
        }

    def model(self, seen: Windows) -> IntegerModel:
        """Return the integer model of the student, made from the fold's training windows."""
        weights, lengths = self.student.weights(), None
        config, hop = quantize_config(self.point), load_card(self.work.source.card).operation_hop
        if self.point.method == QAT:
            with TRAINING:
                quiet_tensorflow()
                options, soft = self.work.config, self.student.soft()
                taught = teach(weights, seen, soft, config, options, self.work.seed, hop)
            weights, lengths = taught.weights, taught.lengths
        return quantize(weights, seen, config, hop, lengths)


@dataclass(frozen=True)
class CostJob:
    """What the models of one size and width cost on an emulated core, measured on that of one run."""

    run_job: RunJob
    measure: Measure

    @property
    def name(self) -> str:
        """What the progress bar shows."""
        return f"{describe(self.run_job.point)} on {self.measure.core}"

    @property
    def requires(self) -> tuple[Any, ...]:
        """The float student; its integer form is made here."""
        return (self.run_job.student,)

    @property
    def key(self) -> str:
        """Identity of the result."""
        return self.run_job.work.identity("cost", decides=[self.run_job.key, dict(self.measure)])

    @property
    def path(self) -> Path:
        """Its file."""
        return self.run_job.work.folder / "costs" / f"{self.key[:32]}.json"

    def is_done(self) -> bool:
        """Tell whether the measurement is there."""
        return read_row(self.path, self.key) is not None

    def run(self) -> None:
        """Build it, run it under QEMU, and write what was measured."""
        from mcukd.bench.measure import measure_model

        seen, test = self.run_job.work.windows()
        counts = test.counts[:MEASURED_WINDOWS]
        row = measure_model(self.run_job.model(seen), counts, self.measure.core, self.measure.optimize)
        kept = ("flash_bytes", "instructions", "cycles_estimated", "ram_bytes", "mismatches")
        write_json(self.path, {"key": self.key, "row": {name: row[name] for name in kept}})

    def row(self) -> dict[str, Any]:
        """Return what was measured; nothing where it could not be."""
        return read_row(self.path, self.key) or {}


def read_row(path: Path, key: str) -> Optional[dict[str, Any]]:
    """Read a result; None where it is missing, damaged or of another key."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        return dict(content["row"]) if content["key"] == key else None
    except (OSError, ValueError, KeyError, TypeError):
        return None


def quantize_config(point: Point) -> QuantizeConfig:
    """Return the widths of a point that has some."""
    assert point.bits is not None and point.gates is not None and point.activation_bits is not None
    return QuantizeConfig(point.bits, point.activation_bits, point.gates)


def describe(point: Point) -> str:
    """Return a point as a user reads it, such as "distilled 16/16, 8 bits"."""
    size = "" if point.gru_units is None else f" {point.gru_units}/{point.dense_units}"
    if point.bits is None:
        return point.method + size
    extra = "" if point.gates == "interpolated" else f", {point.gates}"
    extra += "" if point.activation_bits == 16 else f", state {point.activation_bits}"
    return f"{point.method}{size}, {point.bits} bits{extra}"


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


def _filter_mlp(stored: Mapping[str, NDArray[Any]]) -> FilterMlpWeights:
    return FilterMlpWeights.from_arrays(stored, "weights__")
