"""Pipeline of every method and student, from training to the emulated collar.

    python experiments/methods_road.py --data-root DATA --out DIR [--students NAME ...] [--methods NAME ...]
                                 [--sweeps DIR] [--write]

Each study is distilled with leave-one-cow-out and quantized to 8 bits. Then, for GRU-MLP and filter-MLP
students, firmware is generated, built and validated on the emulated collar, window for window against the
NumPy reference; the MobileNet student is scored as TFLite int8 on the reference kernels. An interrupted run
continues, and folds that `experiments/methods.py --out DIR` has trained (grids cow-collar and
cow-collar-mobilenet) are not trained again. --write updates its rows in docs/results/road-by-method.json.
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

from host_speed import output_of, processor

from mcukd.data.card import load_card
from mcukd.data.folds import make_folds
from mcukd.data.load import dataset_sha256, load_windows
from mcukd.distillation.architectures import STUDENTS
from mcukd.distillation.config import DistillConfig
from mcukd.distillation.methods import METHODS
from mcukd.files import write_json
from mcukd.models.families import FAMILIES
from mcukd.pipeline.distill import fold_jobs, for_card
from mcukd.study import Study

RESULTS = Path(__file__).resolve().parents[1] / "docs" / "results" / "road-by-method.json"
DATA, SPLIT = "cow-collar", "loao"


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data-root", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--windows", type=int, default=200)
    parser.add_argument("--students", nargs="+", choices=STUDENTS, default=list(STUDENTS))
    parser.add_argument("--methods", nargs="+", choices=METHODS, default=list(METHODS))
    parser.add_argument("--sweeps", type=Path, help="the --out of experiments/methods.py")
    parser.add_argument("--write", action="store_true", help=f"write {RESULTS.name}")
    options = parser.parse_args()
    rows = []
    for method in (METHODS[name] for name in options.methods):
        for student in (one for one in method.students or FAMILIES if one in options.students):
            run = options.out / f"{method.name}-{student}"
            row = {
                "method": method.name,
                "student": student,
                **run_pipeline(run, method.name, student, options),
            }
            rows.append(row)
            print(json.dumps(row), flush=True)
    if options.write:
        before = json.loads(RESULTS.read_text())["rows"] if RESULTS.exists() else []
        made = {(row["method"], row["student"]) for row in rows}
        rows += [row for row in before if (row["method"], row["student"]) not in made]
        write_json(
            RESULTS,
            {
                "what": "each method and student from training to the emulated collar (QEMU) or TFLite int8",
                "command": "python experiments/methods_road.py --data-root DATA --out DIR --sweeps DIR "
                f"--windows {options.windows} --write",
                "data": DATA,
                "split": SPLIT,
                "seeds": [0],
                "epochs": {
                    name: kind.defaults_for(load_card(DATA).window).epochs for name, kind in STUDENTS.items()
                },
                "processor": processor(),
                "rows": rows,
            },
        )
    return 1 if any(row.get("mismatches") for row in rows) else 0


def run_pipeline(run: Path, method: str, student: str, options: argparse.Namespace) -> dict[str, Any]:
    """Take one study from training to its device; return its figures."""
    config = DistillConfig(method=method, student=student, split=SPLIT, seeds=(0,))
    if options.sweeps:
        fetch_folds(run, config, options.data_root, options.sweeps)
    data = ("--data-root", str(options.data_root))
    asked = ("--data", DATA, "--split", SPLIT, "--seeds", "1", "--no-baselines")
    asked = (*asked, "--method", method, "--student", student)
    models = mcukd("distill", run, *data, *asked)["metrics"]["models"]
    models.update(mcukd("quantize", run, *data, "--bits", "8")["metrics"])
    found: dict[str, Any] = {
        "mcc": {name: round(one["mcc"], 4) for name, one in models.items()},
        "commit": output_of("git", "rev-parse", "--short", "HEAD"),
    }
    if student == "mobilenet":
        return found
    for stage in ("generate", "build"):
        mcukd(stage, run, "--board", "collar")
    proof = mcukd("validate", run, *data, "--board", "collar", "--emulate", "--windows", str(options.windows))
    return {**found, **{key: proof[key] for key in ("emulated", "windows", "mismatches")}}


def fetch_folds(run: Path, config: DistillConfig, data_root: Path, sweeps: Path) -> None:
    """Copy the folds of a study that a sweep has trained; a job's file is named by its identity there."""
    card = load_card(DATA)
    config = for_card(config, card)
    extra = config.uses_extra_channels
    folds = make_folds(load_windows(card, data_root, seed=config.seed, extra=extra), config.split)
    identity = dataset_sha256(card, data_root, config.seed, extra=extra)
    for job in fold_jobs(Study(run), folds, identity, config):
        trained = next(sweeps.glob(f"*/lessons/{job.key[:32]}.npz"), None)
        if trained is not None and not job.is_done():
            job.path.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(trained, job.path)


def mcukd(command: str, run: Path, *arguments: str) -> dict[str, Any]:
    """Run a command on a study and return what it prints as JSON."""
    line = [sys.executable, "-m", "mcukd", command, "--run", str(run), *arguments, "--json"]
    done = subprocess.run(line, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{' '.join(line)}: {done.stderr.strip()}")
    return dict(json.loads(done.stdout))


if __name__ == "__main__":
    raise SystemExit(main())
