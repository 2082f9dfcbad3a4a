"""MCC of the mean logits of several students and teachers: the headroom of `--teacher mixed-ensemble`.

    python experiments/committee.py --data-root DATA --out DIR [--grids NAME ...] [--write]

Reads what `experiments/methods.py --out DIR` has trained and trains nothing. The logits of all plain students
of a fold, of all its ResNet teachers, and of both are averaged over the held-out windows and scored; the mean
score of the single networks is given for comparison. No student is trained with the ensemble as its teacher.
--write: docs/results/committee-headroom.json.
"""

from __future__ import annotations

import argparse
from collections import defaultdict
from pathlib import Path
from typing import Any

import numpy as np
from host_speed import output_of
from methods import DOCS, GRIDS
from numpy.typing import NDArray

from mcukd.files import write_json
from mcukd.fold_results import STUDENT, TEACHER, FoldResult
from mcukd.metrics.confusion import confusion_matrix, mcc
from mcukd.sweep.jobs import StudentJob
from mcukd.sweep.plan import make_plan

RESULTS = DOCS / "results" / "committee-headroom.json"
KINDS = {"plain": STUDENT, "teacher": TEACHER}


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data-root", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    default_grids = ("ucihar-thirds", "ucihar-subset", "herd-sim", "herd-sim-eartag")
    parser.add_argument("--grids", nargs="+", default=default_grids)
    parser.add_argument("--write", action="store_true", help=f"write {RESULTS.name}")
    options = parser.parse_args()
    rows = [headroom(name, options.out / name, options.data_root) for name in options.grids]
    for row in rows:
        print(row)
    if options.write:
        command = "python experiments/committee.py --data-root DATA --out DIR --write"
        write_json(
            RESULTS,
            {"command": command, "commit": output_of("git", "rev-parse", "--short", "HEAD"), "rows": rows},
        )
    return 0


def headroom(name: str, out: Path, data_root: Path) -> dict[str, Any]:
    """Return pooled MCC of single networks, mean over seeds, and of the means of several."""
    plan = make_plan(GRIDS / f"{name}.toml", out, data_root)
    labels: dict[str, NDArray[np.int64]] = {}
    outputs: dict[str, dict[str, list[NDArray[np.float32]]]] = {kind: defaultdict(list) for kind in KINDS}
    for run in plan.runs:
        config = run.point.config
        alike = config.gru_units == 16 and config.method == "soft-labels"
        if run.point.model != STUDENT or run.point.integers is not None or not alike:
            continue
        if not StudentJob(run.work).is_done():
            continue
        result = FoldResult(StudentJob(run.work).path)
        fold = run.work.fold.name
        labels[fold] = result.labels
        for kind, model in KINDS.items():
            outputs[kind][fold].append(result.logits(model))
    seeds = min(len(logits) for by_fold in outputs.values() for logits in by_fold.values())

    def pooled(by_fold: dict[str, NDArray[np.float32]]) -> float:
        total = np.zeros((len(plan.classes), len(plan.classes)), np.int64)
        for fold, logits in by_fold.items():
            total += confusion_matrix(labels[fold], logits.argmax(axis=1), len(total))
        return round(float(mcc(total)), 4)

    means = {
        kind: {fold: np.mean(logits[:seeds], axis=0) for fold, logits in by_fold.items()}
        for kind, by_fold in outputs.items()
    }
    singles = {
        kind: [pooled({fold: logits[n] for fold, logits in by_fold.items()}) for n in range(seeds)]
        for kind, by_fold in outputs.items()
    }
    return {
        "grid": name,
        "seeds": seeds,
        **{f"{kind}_mcc": round(float(np.mean(found)), 4) for kind, found in singles.items()},
        **{f"{kind}s_together_mcc": pooled(by_fold) for kind, by_fold in means.items()},
        "all_together_mcc": pooled({fold: means["plain"][fold] + means["teacher"][fold] for fold in labels}),
    }


if __name__ == "__main__":
    raise SystemExit(main())
