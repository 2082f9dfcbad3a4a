"""Quantization-aware training: a float student is fine-tuned with the quantized weights of the device.

Training starts at the float values of the student's integer model and keeps its formats. It distils from soft
labels of the student's own teacher, if there is one. The trained weights lie on the device's grid, so that
quantizing them again changes nothing. The arithmetic of the device stays the same.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from mcukd.data.windows import Windows
from mcukd.distillation.config import DistillConfig
from mcukd.distillation.fold_trainer import FoldTrainer
from mcukd.distillation.jobs import FoldJob
from mcukd.distillation.methods import METHODS
from mcukd.distillation.plan import progress_units, teacher_fits
from mcukd.distillation.training_configs import augmentation
from mcukd.distillation.training_set import FitContext, TrainingSet
from mcukd.errors import UserError
from mcukd.files import replacing, sha256_text
from mcukd.fixedpoint.config import VERSION as QUANTIZE_VERSION
from mcukd.fixedpoint.config import QuantizeConfig
from mcukd.fixedpoint.families import QatForm, QatStart, integer_form
from mcukd.fixedpoint.quantize import quantize
from mcukd.fold_results import TEACHER, FoldResult, is_made_with
from mcukd.models.families import Weights
from mcukd.models.student import load_any_student, shipped_weights, stored_weights, weights_of
from mcukd.study import SOFT_LABELS_FILE, STUDENT_FILE
from mcukd.training.prediction import FloatArray
from mcukd.training.trainer import Targets, Trainer, TrainingConfig

if TYPE_CHECKING:
    import keras

FOLDER = "quantization"
#: Name of the student that is shipped, among those of the folds.
SHIPPED = "shipped"
#: Raise it when this training changes in a way options do not show.
VERSION = 1
#: Largest width whose weights are trained on their grid; rounding to finer grids loses next to nothing.
LARGEST_QAT_BITS = 8
EPOCHS = 10
LEARNING_RATE = 2e-3


@dataclass(frozen=True)
class QatResult:
    """Result of quantization-aware training, for `quantize`: weights, and the formats they were trained in.

    lengths: fractional lengths of the weight groups trained on their grid. teacher_difference: largest
    difference between the logits of the fold's teacher, trained again, and the stored ones; None where its
    soft labels were kept.
    """

    weights: Weights
    lengths: dict[str, NDArray[np.int64]]
    teacher_difference: float | None = None


@dataclass(frozen=True)
class QatJob:
    """Quantization-aware training of one student, for a worker process.

    job: that of the float student, with its animals, seed and key. config: widths.
    folder: where results are kept.
    """

    job: FoldJob
    config: QuantizeConfig
    folder: Path
    operation_hop: int

    @property
    def name(self) -> str:
        """The name shown beside the progress bar."""
        return self.job.name

    @property
    def path(self) -> Path:
        """The file of the result."""
        return self.folder / widths_folder(self.config) / self._file

    @property
    def key(self) -> str:
        """Identity of all that decides the result."""
        facts = [VERSION, QUANTIZE_VERSION, EPOCHS, LEARNING_RATE, self.job.key, self.config.options()]
        return sha256_text(json.dumps(facts, sort_keys=True))

    def is_done(self) -> bool:
        """Tell whether the result is there and was made with this key."""
        return is_made_with(self.path, self.key)

    def work(self, training: Windows, config: DistillConfig) -> int:
        """Return the length of this training in the progress bar's units."""
        if config.teacher_name is None or self._has_soft_labels():
            return progress_units(1)
        animals = [str(animal) for animal in self.job.training_of(training).animals]
        return progress_units(1 + teacher_fits(config, animals))

    def run(self, trainer: FoldTrainer, on_progress: Callable[[int], None]) -> None:
        """Train and write the result."""
        soft, difference = None, None
        if trainer.config.teacher_name is not None:
            soft, difference = self._soft_labels(trainer, on_progress)
        trained = train_qat(
            self._student(),
            self.job.training_of(trainer.training),
            soft,
            self.config,
            trainer.config,
            self.job.seed,
            self.operation_hop,
            on_progress,
        )
        with replacing(self.path) as temporary:
            np.savez(
                temporary,
                key=np.array(self.key),
                teacher_difference=np.array(np.nan if difference is None else difference),
                **trained.weights.arrays("weights__"),
                **{f"lengths__{name}": length for name, length in trained.lengths.items()},
            )

    def result(self) -> QatResult:
        """Read the result of a finished training."""
        return read_qat_result(self.path)

    @property
    def _file(self) -> str:
        return f"{SHIPPED}.npz" if self.job.is_final else self.job.path.name

    @property
    def _soft_file(self) -> Path:
        return self.job.path / SOFT_LABELS_FILE if self.job.is_final else self.folder / "soft" / self._file

    def _has_soft_labels(self) -> bool:
        return is_made_with(self._soft_file, self.job.key)

    def _soft_labels(
        self, trainer: FoldTrainer, on_progress: Callable[[int], None]
    ) -> tuple[FloatArray, float | None]:
        """Return the soft labels (N, K) of the fold's teacher, which is trained again where none are kept.

        The same data, options and seed give the same teacher on the same machine. The second value is the
        largest difference between its logits on the fold's test windows and the stored ones.
        """
        if not self._has_soft_labels():
            self._train_teacher(trainer, on_progress)
        with np.load(self._soft_file, allow_pickle=False) as stored:
            difference = float(stored["difference"]) if "difference" in stored else None
            return stored["logits"], difference

    def _train_teacher(self, trainer: FoldTrainer, on_progress: Callable[[int], None]) -> None:
        job, config = self.job, trainer.config
        data = TrainingSet.normalized(job.training_of(trainer.training), config)
        teacher = trainer.train_teacher(data, FitContext(job.seed, on_progress))
        assert teacher is not None, "soft labels are only needed where there is a teacher"
        soft = teacher.soft_labels(data.inputs, augmentation(config, data.windows.extra_vectors), job.seed)
        test = data.normalizer.transform(trainer.evaluation.take(job.test_index(trainer.evaluation)))
        difference = np.abs(teacher.logits(test) - FoldResult(job.path).logits(TEACHER)).max()
        with replacing(self._soft_file) as temporary:
            np.savez(temporary, key=np.array(job.key), logits=soft, difference=difference)

    def _student(self) -> Weights:
        if self.job.is_final:
            return weights_of(load_any_student(self.job.path / STUDENT_FILE))
        return shipped_weights(FoldResult(self.job.path))


def widths_folder(config: QuantizeConfig) -> str:
    """Return the name of the folder in `quantization/` with the students trained with these widths."""
    widths = config.widths
    return f"qat-r{widths.recurrent}k{widths.kernel}h{widths.head}a{widths.activation}-{config.gates}"


def read_qat_result(path: Path) -> QatResult:
    """Read the result that a finished training wrote."""
    with np.load(path, allow_pickle=False) as stored:
        difference = float(stored["teacher_difference"])
        return QatResult(
            stored_weights(stored, "weights__"),
            {n.partition("__")[2]: stored[n] for n in stored.files if n.startswith("lengths__")},
            None if np.isnan(difference) else difference,
        )


def train_qat(
    student: Weights,
    training: Windows,
    soft: FloatArray | None,
    config: QuantizeConfig,
    options: DistillConfig,
    seed: int,
    operation_hop: int,
    on_progress: Callable[[int], None] = lambda units: None,
) -> QatResult:
    """Fine-tune a float student with the device's weights, on training windows with soft labels (N, K).

    options: loss and augmentation, those of the student's own training. on_progress is given the units
    done. Raises UserError where training diverges.
    """
    form = _qat_form(student)
    model = quantize(student, training, config, operation_hop)
    start = form.start(model, student, config, LARGEST_QAT_BITS)
    inputs = ((training.counts - start.weights.mean) / start.weights.std).astype(np.float32)
    alpha = options.alpha if METHODS[options.method].reads_labels else 1.0
    if soft is None:
        alpha = 0.0
    qat_trainer = _qat_trainer(config, start)
    qat_trainer.set_initial(start)
    trained = qat_trainer.trainer.fit(
        inputs,
        Targets(training.labels, soft, options.softness, alpha),
        TrainingConfig(EPOCHS, LEARNING_RATE, 0.0, augmentation(options)),
        seed,
        on_progress,
    )
    return QatResult(form.trained(trained, start.weights), dict(start.lengths))


def _qat_form(student: Weights) -> QatForm:
    form = integer_form(student.family).qat
    if form is None:
        raise ValueError(f"students of the family {student.family} have no quantization-aware training")
    return form


class QatTrainer:
    """A compiled trainer for one quantizer and one shape of student, reused for every such student."""

    def __init__(self) -> None:
        self._start: QatStart | None = None
        self._trainer: Trainer | None = None

    def set_initial(self, start: QatStart) -> None:
        """Set the weights and formats that the next training starts from."""
        self._start = start

    @property
    def trainer(self) -> Trainer:
        """The trainer, compiled at its first use."""
        if self._trainer is None:
            self._trainer = Trainer(self._build, jit_compile=True)
        return self._trainer

    def _build(self) -> keras.Model:
        assert self._start is not None, "set_initial comes first"
        return self._start.build()


_trainers: dict[tuple[Any, ...], QatTrainer] = {}


def _qat_trainer(config: QuantizeConfig, start: QatStart) -> QatTrainer:
    """Return this process's trainer for these widths, trained weight groups and shape of student."""
    kind = (start.weights.family, json.dumps(asdict(config)), frozenset(start.lengths), start.shape)
    return _trainers.setdefault(kind, QatTrainer())


def check_qat(config: QuantizeConfig, objective: object | None, options: DistillConfig) -> None:
    """Raise UserError where `--qat` cannot help or cannot work.

    It cannot help where all weights are wider than `LARGEST_QAT_BITS`. It cannot work where the teacher's
    soft labels come from extra channels, nor for students that learned from unlabelled recordings. options:
    of the study's students.
    """
    if options.uses_extra_channels:
        raise UserError(
            "--qat needs a teacher with the student's inputs, and the teacher of this study also has the "
            "card's extra channels; leave --qat out, or distil with --teacher-sensors accelerometer."
        )
    if options.unlabelled:
        raise UserError(
            "--qat trains on labelled windows alone, and the students of this study also learned from "
            "recordings without labels, which it would undo; leave --qat out."
        )
    if objective is None and min(config.widths[:3]) > LARGEST_QAT_BITS:
        raise UserError(
            f"--qat with --bits {config.bits}: rounding to more than {LARGEST_QAT_BITS} bits loses nothing "
            f"that training could recover; leave out --qat, or choose 4 to {LARGEST_QAT_BITS} bits."
        )
