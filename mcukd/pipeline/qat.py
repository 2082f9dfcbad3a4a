"""Quantization-aware training of all students of a study, part of the quantize stage."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from mcukd.data.card import Card
from mcukd.data.windows import Windows
from mcukd.distillation.config import DistillConfig
from mcukd.distillation.qat import FOLDER, SHIPPED, QatJob, QatResult
from mcukd.distillation.workers import run_jobs
from mcukd.errors import UserError
from mcukd.fixedpoint.config import QuantizeConfig
from mcukd.fold_results import read_text
from mcukd.pipeline.distill import final_job, fold_jobs, study_folds, with_windows
from mcukd.study import SOFT_LABELS_FILE, Study


def train_qat_study(
    study: Study,
    card: Card,
    training: Windows,
    evaluation: Windows,
    data: str,
    configs: Mapping[str, QuantizeConfig],
    jobs: int | None = None,
) -> dict[str, QatResult]:
    """Fine-tune all students of a study with the device's weights; results are kept in `quantization/`.

    data: identity of the samples, as in the manifest of distill. configs: widths by student, named as its
    evaluation file or `SHIPPED`; results have the same names. jobs: worker processes, None for one per core.
    Finished students are reused while data, options and widths stay the same, so that an interrupted run can
    be resumed. Raises UserError where the study's students were made with other options.
    """
    options = replace(DistillConfig.of(study.options("distill")), jobs=jobs)
    folds = study_folds(evaluation, options)
    evaluated = with_windows(fold_jobs(study, folds, data, options), folds, training, evaluation, card)
    for job in evaluated:
        if not job.is_done():
            raise UserError(
                f"{job.path}: not made by this mcukd from this data and these options; run "
                f"'{study.refresh('distill')}' to make it anew."
            )
    key = read_text(study.file(SOFT_LABELS_FILE), "key")["key"]
    final = replace(final_job(study, training, data, options), key=key)
    folder, hop = study.file(FOLDER), card.operation_hop
    tasks = {
        name: QatJob(job, configs[name], folder, hop)
        for name, job in [(SHIPPED, final), *((job.path.stem, job) for job in evaluated)]
    }
    run_jobs([task for task in tasks.values() if not task.is_done()], training, evaluation, options)
    return {name: task.result() for name, task in tasks.items()}
