"""Sweep stage: runs what is missing of a grid, and writes one table, a summary by point and a figure."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from mcukd.errors import UserError
from mcukd.evaluation.baselines import BASELINES
from mcukd.extras import require
from mcukd.files import make_folder
from mcukd.sweep.jobs import BaselineJob
from mcukd.sweep.plan import make_plan
from mcukd.sweep.runs import CostJob, RunJob
from mcukd.sweep.schedule import Job, missing, run_jobs
from mcukd.sweep.table import write_results


def run_sweep(
    path: Path,
    out: Path,
    data_root: Path | None = None,
    workers: int | None = None,
    scheduler: str | None = None,
) -> dict[str, Any]:
    """Do all runs of the grid at `path` that `out` does not hold yet, and gather them.

    Writes `table.parquet` (a row for each run), `summary.json` (a point each) and `pareto.png`. Finished
    work is kept in folders beside them under the hash of what decided it, so that a sweep that was stopped,
    or a larger grid, does only what is missing.
    workers: processes of this computer, by default one per core. scheduler: of a Dask cluster instead.
    Returns the facts of `summary.json`, with `ran`, the jobs done now. Raises UserError for a faulty grid,
    without TensorFlow where this computer is to train, and, when all else is done and written, where runs
    failed.
    """
    plan = make_plan(path, out, data_root)
    todo = missing(plan.jobs)
    if scheduler is None and any(map(_trains, todo)):
        require("tensorflow", "training")
    make_folder(out)
    failed = run_jobs(todo, workers or os.cpu_count() or 1, scheduler, plan.runs[0].work.folder)
    facts = write_results(plan, out)
    if failed:
        first = str(next(iter(failed.values()))).rstrip(".")
        rows = len(plan.runs) - facts["runs"]
        raise UserError(
            f"{first}; {len(failed)} of {len(todo)} jobs failed and {rows} of {len(plan.runs)} runs are "
            f"missing in {out}; the same command tries them again."
        )
    return {**facts, "ran": len(todo)}


def _trains(job: Job) -> bool:
    """Tell whether a job trains a network."""
    if isinstance(job, CostJob):
        return job.run_job.point.qat
    if isinstance(job, RunJob):
        return job.point.qat
    return not isinstance(job, BaselineJob) or BASELINES[job.model].epochs is not None
