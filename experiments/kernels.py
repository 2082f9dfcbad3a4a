"""Cost and error of the integer kernels on emulated cores, with float and TFLite baselines.

Without options it measures every row of the table (`make bench`, some minutes): random seeded students and
one trained on the simulated herd, on both cores, into `experiments/results/latest.json` with a figure. With
options it measures one:

    python experiments/kernels.py --hidden 24 --dense 16 --steps 128 --classes 6 --bits 6 --core m3

`--record` also writes docs/results/bench.json and docs/experiments/kernels-results.md, with the commit.
The latter explains the columns. Instructions are QEMU's, cycles are estimates; no hardware is involved.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from collections.abc import Iterable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np

HERE = Path(__file__).resolve().parent
RESULTS = HERE / "results" / "latest.json"
FIGURE = HERE / "results" / "latest.svg"
TRAINED = {
    "trained on herd-sim (simulated)": HERE / "data" / "herd-sim-gru16.npz",
    "trained on herd-sim (simulated), sensitive": HERE / "data" / "herd-sim-gru16-demo.npz",
}
STEADY, SENSITIVE = TRAINED
WINDOWS = 256
SOFT_FLOAT_WINDOWS = 4
CORES = ("m4f", "m3")
HOST_ONLY = ("tflite", "moved")


@dataclass(frozen=True)
class Job:
    """Rows that share one student. weights: `random`, or a name of `TRAINED`. bits: None for baselines."""

    hidden: int = 16
    dense: int = 16
    steps: int = 256
    classes: int = 6
    channels: int = 3
    seed: int = 0
    weights: str = "random"
    kernel: str = "assembly"
    bits: int | None = None
    gates: str = "interpolated"
    cores: tuple[str, ...] = CORES
    optimize: tuple[str, ...] = ("speed", "size")
    windows: int = WINDOWS
    extreme: bool = False


def all_jobs() -> list[Job]:
    """Return the jobs of the whole table, the longest first."""
    jobs = [Job(hidden, kernel="float32 C", cores=("m3",)) for hidden in (32, 16, 8)]
    jobs += [Job(weights=name, kernel=host) for host in HOST_ONLY for name in TRAINED]
    jobs += [Job(hidden, kernel=host) for host in HOST_ONLY for hidden in (8, 16, 32)]
    jobs += [Job(hidden, kernel="float32 C", cores=("m4f",)) for hidden in (32, 16, 8)]
    for gates in ("interpolated", "direct"):
        jobs += [Job(hidden, bits=bits, gates=gates) for hidden in (32, 16, 8) for bits in (16, 8, 4)]
        jobs += [Job(weights=STEADY, bits=bits, gates=gates) for bits in (16, 8, 4)]
    jobs += [Job(weights=SENSITIVE, bits=bits, cores=("m4f",), optimize=("speed",)) for bits in (16, 8)]
    jobs += [
        Job(hidden, bits=bits, kernel="portable C", optimize=("speed",))
        for hidden in (8, 16, 32)
        for bits in (16, 8, 4)
    ]
    return jobs


def measure(job: Job) -> list[dict[str, Any]]:
    """Return the rows of a job."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    from mcukd.fixedpoint.quantize import QuantizeConfig, quantize
    from mcukd.profiling.baselines import measure_float, measure_moved, measure_tflite
    from mcukd.profiling.measure import measure_model, model_accuracy

    weights, calibration, counts = student(job)
    if job.kernel == "tflite":
        rows = [measure_tflite(weights, calibration, counts)]
    elif job.kernel == "moved":
        rows = [measure_moved(weights, counts)]
    elif job.kernel == "float32 C":
        rows = [
            measure_float(weights, counts[: SOFT_FLOAT_WINDOWS if core == "m3" else len(counts)], core)
            for core in job.cores
        ]
    else:
        assert job.bits is not None
        model = quantize(weights, calibration, QuantizeConfig(job.bits, gates=job.gates), job.steps)
        truth = model_accuracy(model, weights, counts)
        rows = [
            measure_model(model, compared(job, counts), core, optimize, job.kernel == "portable C", truth)
            for core in job.cores
            for optimize in job.optimize
        ]
    origin = {"weights": job.weights, "seed": job.seed if job.weights == "random" else None}
    return [{**row, **origin} for row in rows]


def compared(job: Job, counts: np.ndarray) -> np.ndarray:
    """Return the windows that the core runs: test windows, or for `extreme` every other one far from them."""
    from mcukd.profiling.synthetic import extreme_windows

    counts = counts[: job.windows].copy()
    if job.extreme:
        counts[1::2] = extreme_windows(*counts[1::2].shape, seed=job.seed)
    return counts


def student(job: Job) -> tuple[Any, Any, np.ndarray]:
    """Return the weights, the calibration windows and the test windows (≥ 256, T, C) of a job."""
    from mcukd.profiling.synthetic import random_student, random_windows

    if job.weights == "random":
        weights = random_student(job.hidden, job.dense, job.classes, job.channels, job.seed)
        shape = {"steps": job.steps, "classes": job.classes, "channels": job.channels}
        calibration = random_windows(256, seed=1000 + job.seed, **shape)
        test = random_windows(max(WINDOWS, job.windows), seed=2000 + job.seed, **shape)
        return weights, calibration, test.counts
    from mcukd.data.card import load_card
    from mcukd.data.load import load_windows
    from mcukd.models.weights import GruMlpWeights
    from mcukd.profiling.study import spread

    with np.load(TRAINED[job.weights]) as stored:
        weights, made = GruMlpWeights.from_arrays(stored), json.loads(str(stored["made"]))
    windows = load_windows(load_card("herd-sim"), seed=0)
    held_out = np.isin(windows.animals, made["test_animals"])
    train_windows = windows.take(~held_out)
    calibration = train_windows.take(np.linspace(0, len(train_windows) - 1, 256).astype(np.int64))
    return weights, calibration, spread(windows.counts[held_out], WINDOWS)


def run_all(jobs: Iterable[Job], processes: int) -> list[dict[str, Any]]:
    """Measure jobs side by side and return their rows, integer models first."""
    from mcukd.progress import progress

    jobs = list(jobs)
    rows: list[dict[str, Any]] = []
    pool = ProcessPoolExecutor(processes, get_context("spawn"))
    with pool, progress("Measuring", len(jobs)) as advance:
        for made in pool.map(measure, jobs):
            rows += made
            advance(1)
    return sorted(rows, key=_order)


def _order(row: dict[str, Any]) -> tuple[Any, ...]:
    kernels = ("assembly", "portable C", "float32 C")
    kernel = kernels.index(row["kernel"]) if row["kernel"] in kernels else len(kernels)
    return (
        kernel,
        row["weights"] != "random",
        row["gates"] or "",
        row["core"] != "m4f",
        row["optimize"] != "speed",
        row["weight_bits"] or 0,
        row["hidden"],
    )


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--hidden", type=int, help="H; measures this student only, and prints its rows")
    parser.add_argument("--dense", type=int, default=16, help="M")
    parser.add_argument("--steps", type=int, default=256, help="T")
    parser.add_argument("--classes", type=int, default=6, help="K")
    parser.add_argument("--channels", type=int, default=3, help="C")
    parser.add_argument("--bits", type=int, default=8)
    parser.add_argument("--gates", default="interpolated", help="interpolated or direct")
    parser.add_argument("--core", action="append", help="m3, m4f; both without it")
    parser.add_argument("--optimize", action="append", help="speed, size; both without it")
    parser.add_argument("--portable", action="store_true", help="the portable C step")
    parser.add_argument("--trained", action="store_true", help="the trained student instead of a random one")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--windows", type=int, default=WINDOWS, help="windows the core runs and compares")
    parser.add_argument("--extreme", action="store_true", help="every other window far from any animal's")
    parser.add_argument("--jobs", type=int, default=min(2, os.cpu_count() or 1), help="processes")
    parser.add_argument("--record", action="store_true", help="write docs/ too")
    return parser.parse_args()


def one_job(options: argparse.Namespace) -> Job:
    """Return the job that options ask for."""
    return Job(
        options.hidden or 16,
        options.dense,
        options.steps,
        options.classes,
        options.channels,
        options.seed,
        STEADY if options.trained else "random",
        "portable C" if options.portable else "assembly",
        options.bits,
        options.gates,
        tuple(options.core or CORES),
        tuple(options.optimize or ("speed", "size")),
        options.windows,
        options.extreme,
    )


def main() -> int:
    from kernels_results import commit, draw, record

    from mcukd.errors import UserError
    from mcukd.files import write_json

    options = parse()
    try:
        if options.hidden or options.trained:
            print(json.dumps(measure(one_job(options)), indent=2))
            return 0
        start = time.monotonic()
        measured = commit() if options.record else ""
        rows = run_all(all_jobs(), options.jobs)
    except UserError as error:
        print(error, file=sys.stderr)
        return 2
    write_json(RESULTS, rows)
    draw(rows, FIGURE)
    print(f"{len(rows)} rows in {time.monotonic() - start:.0f} s: {RESULTS}, {FIGURE}")
    if options.record:
        record(rows, FIGURE, measured)
    return 0


if __name__ == "__main__":
    sys.exit(main())
