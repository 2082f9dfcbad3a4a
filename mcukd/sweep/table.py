"""Results of a sweep: a table with a row for each run, and a summary with an entry for each point."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from mcukd.distillation.options import stored_name
from mcukd.files import replacing, write_json
from mcukd.metrics import confusion as merit
from mcukd.metrics.bootstrap import intervals
from mcukd.sweep.figure import draw_pareto
from mcukd.sweep.grid import OPTIONS
from mcukd.sweep.plan import Plan
from mcukd.sweep.points import Point
from mcukd.sweep.runs import RunJob

TABLE, SUMMARY, FIGURE = "table.parquet", "summary.json", "pareto.png"

_ARROW: dict[Any, str] = {
    kind: arrow
    for plain, arrow in ((int, "int64"), (float, "float64"), (str, "string"), (bool, "bool_"))
    for kind in (plain, plain | None)
}
#: Columns of the table and their Arrow types; what does not apply, or was not measured, is null.
COLUMNS = {
    "key": "string", "data": "string", "simulated": "bool_", "split": "string", "fold": "string",
    "seed": "int64", "point": "string", "model": "string",
    **{stored_name(name): _ARROW[kind] for name, kind in OPTIONS.items()},
    "bits": "int64", "gates": "string", "activation_bits": "int64", "qat": "bool_", "windows": "int64",
    "mcc": "float64", "accuracy": "float64", "macro_f1": "float64", "kappa": "float64",
    "parameters": "int64", "macs_per_window": "int64", "weight_bytes": "int64", "table_bytes": "int64",
    "saturations": "int64", "flash_bytes": "int64", "ram_bytes": "int64", "instructions": "int64",
    "cycles_estimated": "int64", "model_sha256": "string", "animals": "animals", "confusion": "confusion",
}  # fmt: skip
COSTS = ("flash_bytes", "ram_bytes", "instructions", "cycles_estimated")


def write_results(plan: Plan, out: Path) -> dict[str, Any]:
    """Gather all runs that are done; write table, summary and figure, and return the summary's content."""
    rows, of_point = [], defaultdict(list)
    for run in plan.runs:
        if run.is_done():
            row = _row(plan, run)
            rows.append(row)
            of_point[run.point].append(row)
    _write_table(rows, out / TABLE)
    expected = len(plan.runs) // max(len({run.point for run in plan.runs}), 1)
    summary = [
        {**_identity(point, own[0], tuple(plan.grid.crossed())), **_pooled(own, expected, plan.classes)}
        for point, own in of_point.items()
    ]
    grid = plan.grid
    facts = {
        "data": plan.data,
        "simulated": plan.simulated,
        "split": grid.split,
        "folds": plan.folds,
        "seeds": list(grid.axes.seeds),
        "runs": len(rows),
        "runs_planned": len(plan.runs),
        "complete": len(rows) == len(plan.runs),
        "measured_on": None if grid.measure is None else dict(grid.measure),
        "crossed": list(grid.crossed()),
        "training": grid.shared(),
        "points": summary,
    }
    write_json(out / SUMMARY, facts)
    if summary:
        draw_pareto(facts, out / FIGURE)
    return facts


def _row(plan: Plan, run: RunJob) -> dict[str, Any]:
    grid, work = plan.grid, run.work
    costs = plan.costs[run.point].row() if run.point in plan.costs else {}
    return {
        "key": run.key,
        "data": plan.data,
        "simulated": plan.simulated,
        "split": grid.split,
        "fold": work.fold.name,
        "seed": work.seed,
        "point": run.title,
        **run.point.columns(),
        **run.row(),
        **{name: costs.get(name) for name in COSTS},
    }


def _write_table(rows: Sequence[Mapping[str, Any]], path: Path) -> None:
    import pyarrow as pa
    from pyarrow import parquet

    nested = {
        "animals": pa.list_(pa.string()),
        "confusion": pa.list_(pa.list_(pa.list_(pa.int64()))),
    }
    schema = pa.schema(
        [(name, nested[kind] if kind in nested else getattr(pa, kind)()) for name, kind in COLUMNS.items()]
    )
    columns = [[row.get(name) for row in rows] for name in COLUMNS]
    table = pa.table([pa.array(column, field.type) for column, field in zip(columns, schema)], schema=schema)
    with replacing(path) as temporary:
        parquet.write_table(table, temporary)


def _identity(point: Point, row: Mapping[str, Any], crossed: tuple[str, ...]) -> dict[str, Any]:
    return {"name": row["point"], "series": point.series(crossed), **point.columns()}


def _pooled(rows: Sequence[Mapping[str, Any]], expected: int, classes: Sequence[str]) -> dict[str, Any]:
    """Pool the folds of a point for each seed, and average over the seeds, as `metrics.json` does."""
    by_seed: dict[int, dict[str, Any]] = defaultdict(dict)
    for row in rows:
        by_seed[row["seed"]].update(zip(row["animals"], row["confusion"]))
    animals = list(dict.fromkeys(animal for row in rows for animal in row["animals"]))
    nothing = np.zeros((len(classes), len(classes)), np.int64)
    stacked = np.array(
        [[own.get(animal, nothing) for animal in animals] for _, own in sorted(by_seed.items())], np.int64
    )
    pooled = stacked.sum(axis=1)
    found: dict[str, Any] = {"runs": len(rows), "complete": len(rows) == expected}
    bounds = intervals(stacked, classes) if found["complete"] else None
    for name, values in (
        ("mcc", np.nan_to_num(merit.mcc(pooled))),
        ("accuracy", merit.accuracy(pooled)),
        ("macro_f1", merit.macro_f1(pooled)),
    ):
        found[name] = float(values.mean())
        found[f"{name}_sd"] = float(values.std(ddof=1)) if len(values) > 1 else None
        found[f"{name}_by_seed"] = values.tolist()
        found[f"{name}_interval"] = None if bounds is None else bounds[name]
    for name in ("parameters", "macs_per_window", "weight_bytes", "table_bytes", *COSTS):
        found[name] = rows[0].get(name)
    return found
