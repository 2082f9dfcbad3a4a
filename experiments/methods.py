"""Comparison of distillation methods by students and data sets (docs/experiments/distillation.md).

    python experiments/methods.py --data-root DATA --out DIR [--grids NAME ...] [--workers N] [--write]

Runs the sweeps of `experiments/methods/` one after another, each in a folder of its own under --out, where an
interrupted one continues. Every student is compared, on the same animals and seeds
(`mcukd.evaluation.compare`), with the plain student of its kind and epochs, with the best plain student where
there are several numbers of epochs, with its teacher, and with its method without one part. With --write the
figures go to `docs/results/methods-NAME.json` and the drawing to `docs/img/methods.svg`.

All grids together are some thousand trainings: days of one core, not hours.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from host_speed import output_of, processor
from numpy.typing import NDArray

from mcukd.evaluation.compare import paired
from mcukd.files import write_json
from mcukd.fold_results import STUDENT, TEACHER
from mcukd.sweep.options import PLAIN
from mcukd.sweep.sweep import run_sweep
from mcukd.sweep.table import TABLE

GRIDS = Path(__file__).parent / "methods"
DOCS = Path(__file__).resolve().parents[1] / "docs"
#: What tells the options of two students apart, beside their method: what they are, and how long they learn.
_SHAPE = ("student", "gru_units", "dense_units", "bits")
_LENGTH = ("epochs", "learning_rate")


def main() -> int:
    known = sorted(path.stem for path in GRIDS.glob("*.toml"))
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data-root", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--grids", nargs="+", choices=known, default=known)
    parser.add_argument("--workers", type=int)
    parser.add_argument("--write", action="store_true")
    options = parser.parse_args()
    for name in options.grids:
        found = experiment(name, options.out / name, options.data_root, options.workers)
        print(as_text(found), end="\n\n")
        if options.write:
            write_json(DOCS / "results" / f"methods-{name}.json", found)
    if options.write:
        from methods_figure import draw

        draw(DOCS / "results", DOCS / "img" / "methods.svg")
    return 0


def experiment(name: str, out: Path, data_root: Path, workers: int | None) -> dict[str, Any]:
    """Do a sweep and return its points with what they are compared to."""
    facts = run_sweep(GRIDS / f"{name}.toml", out, data_root, workers)
    table = pd.read_parquet(out / TABLE)
    table = table.astype(object).where(table.notna(), None)
    rows = [_against_others(point, facts["points"], table) for point in facts["points"]]
    return {
        "command": f"python experiments/methods.py --data-root DATA --out DIR --grids {name} --write",
        "commit": output_of("git", "rev-parse", "--short", "HEAD"),
        "processor": processor(),
        **{key: facts[key] for key in ("data", "simulated", "split", "folds", "seeds", "training")},
        "points": rows,
    }


def _against_others(
    point: dict[str, Any], points: Sequence[dict[str, Any]], table: pd.DataFrame
) -> dict[str, Any]:
    wanted = ("name", "model", "method", "student", "teacher", "teacher_sensors", "without", "bits")
    figures = ("mcc", "mcc_sd", "mcc_by_seed", "mcc_interval", "accuracy", "macro_f1", "parameters")
    kept = {name: point[name] for name in (*wanted, *figures, "weight_bytes")}
    if point["model"] != STUDENT:
        return kept
    best_plain = max(
        (o for o in points if o["method"] == PLAIN and all(o[k] == point[k] for k in _SHAPE)),
        key=lambda o: o["mcc"],
        default=None,
    )
    others = {
        "plain": lambda o: o["model"] == STUDENT and o["method"] == PLAIN,
        # The length of its training is picked by the score on held-out animals, which favours it.
        "best_plain": lambda o: o is best_plain and any(o[k] != point[k] for k in _LENGTH),
        "teacher": lambda o: o["model"] == TEACHER and _teaches(o, point),
        "whole": lambda o: o["model"] == STUDENT and point["without"] and _whole(o, point),
    }
    for name, is_it in others.items():
        for other in points:
            compared_by = _SHAPE if name == "best_plain" else _SHAPE + _LENGTH
            alike = other["model"] == TEACHER or all(other[k] == point[k] for k in compared_by)
            if other is not point and alike and is_it(other):
                compared = paired(*matrices([point["name"], other["name"]], table), ("a", "b"))
                kept[f"against_{name}"] = {
                    **{key: getattr(compared, key) for key in ("difference", "low", "high", "verdict")},
                    "other": other["name"],
                }
    return kept


def _teaches(teacher: dict[str, Any], student: dict[str, Any]) -> bool:
    """Tell whether a teacher's point is that of a student: its options, named or by its method's custom."""
    from mcukd.distillation.methods import METHODS
    from mcukd.distillation.options import current_value, stored_value

    if student["method"] == PLAIN or student["bits"] is not None:
        return False
    method = METHODS[current_value("method", student["method"])]
    kind = student["teacher"] or stored_value("teacher", method.teachers[0])
    sensors = student["teacher_sensors"] or method.default_sensors
    return bool(teacher["teacher"] == kind and (teacher["teacher_sensors"] or "accelerometer") == sensors)


def _whole(other: dict[str, Any], point: dict[str, Any]) -> bool:
    same = ("method", "teacher", "teacher_sensors", "mixing", "temperature")
    return not other["without"] and all(other[key] == point[key] for key in same)


def matrices(names: Sequence[str], table: pd.DataFrame) -> list[NDArray[np.int64]]:
    """Return confusion matrices (S, A, K, K) of points, for the same seeds and animals."""
    found = []
    for name in names:
        by_seed: dict[int, dict[str, Any]] = {}
        for row in table[table.point == name].itertuples():
            made = zip(row.animals, (np.stack([np.stack(list(one)) for one in row.confusion])))
            by_seed.setdefault(row.seed, {}).update(made)
        found.append(by_seed)
    animals = sorted(next(iter(found[0].values())))
    return [np.array([[own[a] for a in animals] for _, own in sorted(one.items())]) for one in found]


def as_text(found: dict[str, Any]) -> str:
    """Return the points as lines."""
    lines = [f"{found['data']}, {found['split']}, {len(found['seeds'])} seeds"]
    for row in found["points"]:
        versus = [
            f"{name[8:]} {row[name]['difference']:+.4f} [{row[name]['low']:+.4f}, {row[name]['high']:+.4f}]"
            for name in row
            if name.startswith("against_")
        ]
        lines.append(f"{row['mcc']:.4f} ± {row['mcc_sd'] or 0:.4f}  {row['name']:60s} {'; '.join(versus)}")
    return "\n".join(lines)


if __name__ == "__main__":
    raise SystemExit(main())
