"""Paired differences between the models of a sweep of label budgets, with intervals over animals and seeds.

    mcukd sweep docs/examples/label-budget.toml --out SWEEP
    python experiments/label_budgets.py SWEEP [--write NAME]

Compares, at every budget of a finished sweep, each distilled student with the plain student and the random
forest of the same budget, and with the plain student that has all labels where the sweep has one. A model is
named by what its point says. Draws of labelled animals ("animals=3 draw=2") count as further seeds.
--write: docs/results/label-budget-NAME.json.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from host_speed import output_of
from numpy.typing import NDArray
from pandas import DataFrame, Series, read_parquet

from mcukd.evaluation.compare import paired
from mcukd.files import write_json

DOCS = Path(__file__).parents[1] / "docs"
DRAW = r" draw=(\d+)"
PLAIN, FOREST = "plain", "random_forest"


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("sweep", type=Path, help="folder of a finished sweep")
    parser.add_argument("--write", metavar="NAME", help="write docs/results/label-budget-NAME.json")
    options = parser.parse_args()
    table = read_parquet(options.sweep / "table.parquet")
    rows = budget_rows(with_draws_as_seeds(table[table["bits"].isna()]))
    for row in rows:
        print(sentence(row))
    if options.write:
        summary = json.loads((options.sweep / "summary.json").read_text(encoding="utf-8"))
        write_json(
            DOCS / "results" / f"label-budget-{options.write}.json",
            {
                "command": f"python experiments/label_budgets.py SWEEP --write {options.write}",
                "commit": output_of("git", "rev-parse", "--short", "HEAD"),
                **{name: summary[name] for name in ("data", "simulated", "split", "seeds")},
                "draws": int(draws(table).max()),
                "rows": rows,
            },
        )
    return 0


def draws(table: DataFrame) -> Series:
    """Return the number of the draw of labelled animals in each row; 1 where there is one draw."""
    labelled = table["labelled"].fillna("").astype(str)
    return labelled.str.extract(DRAW, expand=False).fillna("1").astype(int)


def with_draws_as_seeds(table: DataFrame) -> DataFrame:
    """Return the table with the draws of one budget under one point, each draw and seed as a seed of its own.

    Teachers and students of another draw are other networks, so that draws and seeds vary together. Where a
    budget was drawn once, the table stays as it is.
    """
    seeds = table["seed"].nunique()
    return table.assign(
        point=table["point"].str.replace(DRAW, "", regex=True),
        labelled=table["labelled"].fillna("").astype(str).str.replace(DRAW, "", regex=True),
        seed=table["seed"] + seeds * (draws(table) - 1),
    )


def budget_rows(table: DataFrame) -> list[dict[str, Any]]:
    """Return a row for each point: its budget, MCC by seed, and its differences from the points it is
    compared with, by name."""
    matrices = {name: by_seed_and_animal(rows) for name, rows in table.groupby("point", sort=False)}
    facts = {name: rows.iloc[0] for name, rows in table.groupby("point", sort=False)}
    found = []
    for name, own in matrices.items():
        budget = facts[name]["labelled"]
        row: dict[str, Any] = {"point": name, "labelled": budget, "mcc_by_seed": mcc_by_seed(own)}
        row["mcc"] = float(np.mean(row["mcc_by_seed"]))
        for other, kind in references(facts, name).items():
            result = paired(own, matrices[other], (name, other))
            row[kind] = {"difference": result.difference, "low": result.low, "high": result.high}
        found.append(row)
    return found


def references(facts: Mapping[str, Any], name: str) -> dict[str, str]:
    """Return the points a distilled student is compared with, and what each is called."""
    own = facts[name]
    if own["model"] != "student" or own["method"] == "none":
        return {}
    wanted = {}
    for other, one in facts.items():
        is_plain = one["model"] == "student" and one["method"] == "none"
        same = one["labelled"] == own["labelled"]
        if is_plain and same:
            wanted[other] = "from_plain"
        elif is_plain and one["labelled"] == "":
            wanted[other] = "from_plain_with_all_labels"
        elif one["model"] == FOREST and same:
            wanted[other] = "from_forest"
    return wanted


def by_seed_and_animal(rows: DataFrame) -> NDArray[np.int64]:
    """Return the confusion matrices (S, A, K, K) of a point's runs, each animal in one fold of each seed."""
    seeds = sorted(rows["seed"].unique())
    animals = sorted({animal for names in rows["animals"] for animal in names})
    classes = len(rows.iloc[0]["confusion"][0])
    found = np.zeros((len(seeds), len(animals), classes, classes), np.int64)
    for _, run in rows.iterrows():
        for animal, matrix in zip(run["animals"], run["confusion"]):
            found[seeds.index(run["seed"]), animals.index(animal)] += np.array([list(row) for row in matrix])
    return found


def mcc_by_seed(matrices: NDArray[np.int64]) -> list[float]:
    from mcukd.metrics.confusion import mcc

    return [float(value) for value in mcc(matrices.sum(axis=1))]


def sentence(row: Mapping[str, Any]) -> str:
    """Return a row as a line of text."""
    by_seed = " ".join(f"{value:.3f}" for value in row["mcc_by_seed"])
    parts = [f"{row['point']}: MCC {row['mcc']:.3f} ({by_seed})"]
    for kind in ("from_plain", "from_forest", "from_plain_with_all_labels"):
        if kind in row:
            one = row[kind]
            parts.append(
                f"{kind.replace('_', ' ')} {one['difference']:+.3f} [{one['low']:+.3f}, {one['high']:+.3f}]"
            )
    return "; ".join(parts)


if __name__ == "__main__":
    raise SystemExit(main())
