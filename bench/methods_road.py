"""Every method with every student it works with, from training to the emulated collar.

    python bench/methods_road.py --data-root DATA --out DIR [--data CARD] [--students NAME ...] [--write]

Each study is distilled with one fold held out, quantized to 8 bits, and then: GRU-MLP and filter-MLP firmware
is generated, built and validated on the emulated collar, window for window against the NumPy reference; the
mobilenet student is scored as TFLite int8 on the reference kernels. An interrupted run goes on where it was.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from host_speed import processor, said

from mcukd.distill.config import STUDENTS
from mcukd.distill.methods import METHODS
from mcukd.files import write_json

RESULTS = Path(__file__).resolve().parents[1] / "docs" / "results" / "methods-road.json"
TRAINING = ("--split", "holdout", "--seeds", "1", "--epochs", "20", "--teacher-epochs", "5")


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data-root", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--data", default="cow-collar")
    parser.add_argument("--windows", type=int, default=200)
    parser.add_argument("--students", nargs="+", choices=STUDENTS, default=list(STUDENTS))
    parser.add_argument("--write", action="store_true", help=f"write {RESULTS.name}")
    options = parser.parse_args()
    rows = []
    for method in METHODS.values():
        for student in (one for one in method.students if one in options.students):
            run = options.out / f"{method.name}-{student}"
            row = {"method": method.name, "student": student, **road(run, method.name, student, options)}
            rows.append(row)
            print(json.dumps(row), flush=True)
    if options.write:
        write_json(
            RESULTS,
            {
                "what": "each method and student from training to the emulated collar (QEMU) or TFLite int8",
                "command": f"python bench/methods_road.py --data-root DATA --out DIR --data {options.data} "
                f"--windows {options.windows} --students {' '.join(options.students)} --write",
                "training": " ".join(TRAINING),
                "data": options.data,
                "commit": said("git", "rev-parse", "--short", "HEAD"),
                "processor": processor(),
                "rows": rows,
            },
        )
    return 1 if any(row.get("mismatches") for row in rows) else 0


def road(run: Path, method: str, student: str, options: argparse.Namespace) -> dict[str, Any]:
    """Take one study from training to its device; return its figures."""
    data = ("--data-root", str(options.data_root))
    asked = ("--data", options.data, "--method", method, "--student", student, *TRAINING, "--no-baselines")
    models = mcukd("distill", run, *data, *asked)["metrics"]["models"]
    models.update(mcukd("quantize", run, *data, "--bits", "8")["metrics"])
    found: dict[str, Any] = {"mcc": {name: round(one["mcc"], 4) for name, one in models.items()}}
    if student == "mobilenet":
        return found
    for stage in ("generate", "build"):
        mcukd(stage, run, "--board", "collar")
    proof = mcukd("validate", run, *data, "--board", "collar", "--emulate", "--windows", str(options.windows))
    return {**found, **{key: proof[key] for key in ("emulated", "windows", "mismatches")}}


def mcukd(command: str, run: Path, *arguments: str) -> dict[str, Any]:
    """Run a command on a study and return what it prints as JSON."""
    line = [sys.executable, "-m", "mcukd", command, "--run", str(run), *arguments, "--json"]
    done = subprocess.run(line, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{' '.join(line)}: {done.stderr.strip()}")
    return dict(json.loads(done.stdout))


if __name__ == "__main__":
    raise SystemExit(main())
