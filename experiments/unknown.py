"""What refusing results is worth: mistakes, behaviours never taught, early answers, and mixed windows.

    python experiments/unknown_students.py --data cow-collar --out students/cow
    python experiments/unknown.py students/cow [--write cow-collar]

Reads what the integers of students computed for held-out animals (`unknown_students.py`), and trains nothing.
Thresholds for an animal are always chosen on the other held-out animals.

- closed: students of all behaviours. Coverage and share of wrong results at margins for 0 to 80 % refusals,
  one margin for all classes and one for each; results by behaviour at 10 %.
- open: students without one behaviour. At 5 % refusals of the behaviours they were taught, the share of the
  windows of the one they were not that is refused, by each score; `ignored`: what the card ignores.
- early: answers after a quarter, half and three quarters of a window that equal the full window's in 95, 98
  and 99 % of the cases.

--write: docs/results/unknown-NAME.json.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from host_speed import output_of
from numpy.typing import NDArray

from mcukd.files import write_json
from mcukd.metrics.early_answers import EarlyResults, early_figures
from mcukd.metrics.refusal import (
    CURVE,
    HeldOutResults,
    Thresholds,
    cross_fitted,
    limit_for_share,
    margin_for_share,
    refusal_figures,
    risk_coverage,
)

RESULTS = Path(__file__).parents[1] / "docs" / "results"
REFUSED_OF_TAUGHT = 0.05
Arrays = dict[str, NDArray[Any]]
Scorer = Callable[[dict[str, Any], Arrays], NDArray[np.float64]]


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("students", type=Path, help="folder of unknown_students.py")
    parser.add_argument("--write", metavar="NAME", help="write docs/results/unknown-NAME.json")
    options = parser.parse_args()
    students = load(options.students)
    facts = students[0][0]
    whole = [one for one in students if one[0]["left_out"] is None]
    record = {
        "commands": [command_of(facts), "python experiments/unknown.py STUDENTS"],
        "commit": output_of("git", "rev-parse", "--short", "HEAD"),
        "data": facts["data"],
        "simulated": facts["simulated"],
        "options": facts["options"],
        "outliers": outliers_of(students[0][1], facts),
        "seeds": sorted({one["seed"] for one, _ in students}),
        "folds": sorted({one["fold"] for one, _ in students}),
        "closed": closed(whole),
        "open": open_set(students),
        "early": early(whole),
    }
    print(json.dumps(record, indent=1))
    if options.write:
        write_json(RESULTS / f"unknown-{options.write}.json", record)
    return 0


def command_of(facts: dict[str, Any]) -> str:
    """Return the command that trained the students."""
    options, taken = facts["options"], ["split", "epochs", "mounting"]
    given = " ".join(f"--{name} {options[name]}" for name in taken if options.get(name) is not None)
    return f"python experiments/unknown_students.py --data {facts['data']} {given} --out STUDENTS"


def outliers_of(arrays: Arrays, facts: dict[str, Any]) -> float:
    """Return how many synthetic outliers each training window had; .5 in files that do not say so."""
    has_logit = arrays["logits"].shape[1] > len(facts["kept"])
    return float(facts.get("outliers", 0.5)) if has_logit else 0.0


def load(folder: Path) -> list[tuple[dict[str, Any], Arrays]]:
    """Return facts and arrays of every student in a folder."""
    found = []
    for path in sorted(folder.glob("*.npz")):
        with np.load(path, allow_pickle=False) as stored:
            arrays = {name: stored[name] for name in stored.files if name not in ("facts", "model")}
            found.append((json.loads(str(stored["facts"])), arrays))
    return found


def taught(facts: dict[str, Any], arrays: Arrays) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """Return labels as numbers of the student's own classes, and whether each is one."""
    kept = np.array(facts["kept"])
    is_taught = np.isin(arrays["labels"], kept)
    return np.where(is_taught, np.searchsorted(kept, arrays["labels"]), -1), is_taught


def logits_of(facts: dict[str, Any], arrays: Arrays, name: str = "logits") -> NDArray[np.float64]:
    """Return logits (…, K) of the student's own classes, without that of outliers."""
    return arrays[name][..., : len(facts["kept"])] * 2.0 ** -int(arrays["formats"][0])


def margins(logits: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the largest minus the second logit."""
    top = np.sort(logits, axis=-1)
    return np.asarray(top[..., -1] - top[..., -2])


def held_out(students: list[tuple[dict[str, Any], Arrays]]) -> HeldOutResults:
    """Return the results on windows of behaviours that students were taught."""
    parts = []
    for facts, arrays in students:
        labels, own = taught(facts, arrays)
        logits = logits_of(facts, arrays)[own]
        parts.append(
            (
                labels[own],
                logits.argmax(axis=1),
                margins(logits),
                np.zeros(len(logits)),
                arrays["animals"][own],
            )
        )
    return HeldOutResults(*(np.concatenate(part) for part in zip(*parts)))


def closed(students: list[tuple[dict[str, Any], Arrays]]) -> dict[str, Any]:
    """Return risk against coverage, with one margin and with one for each class."""
    results, names = held_out(students), students[0][0]["names"]
    refused = cross_fitted(results, lambda some: Thresholds(margin_for_share(some.margins, 0.1)))
    return {
        "curve": risk_coverage(results),
        "curve_margin_of_each_class": [by_class(results, share) for share in CURVE],
        "at_10": refusal_figures(results, refused, tuple(names[: len(students[0][0]["kept"])])),
    }


def by_class(results: HeldOutResults, share: float) -> dict[str, float]:
    """Return coverage and risk where each class's margin refuses the same share of its results."""
    refused = np.zeros(len(results), bool)
    for animal in np.unique(results.animals):
        own = results.animals == animal
        for k in np.unique(results.classes):
            others = ~own & (results.classes == k)
            here = own & (results.classes == k)
            if others.any():
                refused[here] = results.margins[here] < margin_for_share(results.margins[others], share)
    return {
        "share": share,
        "coverage": round(float((~refused).mean()), 6),
        "risk": round(float(results.wrong[~refused].mean()), 6),
    }


def open_set(students: list[tuple[dict[str, Any], Arrays]]) -> dict[str, Any]:
    """Return, by score and behaviour left out, shares refused of its windows and of those taught."""
    names = students[0][0]["names"]
    classes = max(len(facts["kept"]) for facts, _ in students)
    found: dict[str, dict[str, Any]] = {}
    for left_out in [*range(classes), None]:
        own = [one for one in students if one[0]["left_out"] == left_out]
        if not own or (left_out is None and len(names) == classes):
            continue
        for score, scorer in SCORES.items():
            parts = [(scorer(facts, arrays), *taught(facts, arrays), arrays) for facts, arrays in own]
            if any(values is None for values, *_ in parts):
                continue
            values, known = (np.concatenate([part[i] for part in parts]) for i in (0, 2))
            labels = np.concatenate([arrays["labels"] for *_, arrays in parts])
            animals = np.concatenate([arrays["animals"] for *_, arrays in parts])
            new = labels == left_out if left_out is not None else labels >= classes
            refused = np.zeros(len(values), bool)
            for animal in np.unique(animals):
                others = known & (animals != animal)
                refused[animals == animal] = values[animals == animal] > limit_for_share(
                    values[others], REFUSED_OF_TAUGHT
                )
            rank = np.searchsorted(np.sort(values[known]), values[new]).mean() / known.sum()
            found.setdefault(score, {})["ignored" if left_out is None else names[left_out]] = {
                "windows": int(new.sum()),
                "refused": round(float(refused[new].mean()), 4),
                "refused_of_taught": round(float(refused[known].mean()), 4),
                "auc": round(float(rank), 4),
            }
    for by_behaviour in found.values():
        shares = [one["refused"] for name, one in by_behaviour.items() if name != "ignored"]
        if shares:
            by_behaviour["mean"] = {"refused": round(float(np.mean(shares)), 4)}
    return found


def early(students: list[tuple[dict[str, Any], Arrays]]) -> list[dict[str, Any]]:
    """Return how early windows can be answered at several rates of agreement with the full window."""
    parts = []
    for facts, arrays in students:
        labels, own = taught(facts, arrays)
        logits = np.concatenate(
            [logits_of(facts, arrays, "prefixes"), logits_of(facts, arrays)[None]], axis=0
        )[:, own]
        parts.append((logits.argmax(axis=2), margins(logits), labels[own], arrays["animals"][own]))
    classes, sure = (np.concatenate([part[i] for part in parts], axis=1) for i in (0, 1))
    labels, animals = (np.concatenate([part[i] for part in parts]) for i in (2, 3))
    results = EarlyResults((0.25, 0.5, 0.75, 1.0), classes, sure, labels, animals)
    quarters = [
        {"fraction": f, "wrong": round(float((c != labels).mean()), 4)}
        for f, c in zip(results.fractions, classes)
    ]
    return [{"all_at": quarters}, *(early_figures(results, rate) for rate in (0.95, 0.98, 0.99))]


# --- Scores: large where a window is to be refused ------------------------------------------------------


def outlier_logit(facts: dict[str, Any], arrays: Arrays) -> NDArray[np.float64] | None:
    """Return the logit of outliers less the largest of the classes; None without one."""
    if arrays["logits"].shape[1] == len(facts["kept"]):
        return None
    logits = arrays["logits"] * 2.0 ** -int(arrays["formats"][0])
    return np.asarray(logits[:, -1] - logits[:, :-1].max(axis=1))


def states(arrays: Arrays, prefix: str = "") -> NDArray[np.float64]:
    """Return the last states as numbers."""
    return arrays[f"{prefix}state"] * 2.0 ** -int(arrays["formats"][2])


def training_labels(facts: dict[str, Any], arrays: Arrays) -> NDArray[np.int64]:
    """Return the training windows' numbers of the student's own classes."""
    return np.asarray(arrays["train_labels"])


def whitening(values: NDArray[np.float64], labels: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return the matrix (H, H) by which values scatter alike about the means of their classes."""
    spread = np.concatenate([values[labels == k] - values[labels == k].mean(0) for k in np.unique(labels)])
    covariance = np.cov(spread.T)
    covariance += 0.05 * np.trace(covariance) / len(covariance) * np.eye(len(covariance))
    variances, axes = np.linalg.eigh(covariance)
    return np.asarray(axes / np.sqrt(variances))


def class_distance(facts: dict[str, Any], arrays: Arrays) -> NDArray[np.float64]:
    """Return the Mahalanobis distance of the state from the mean of the class named; shared covariance."""
    known, labels = states(arrays, "train_"), training_labels(facts, arrays)
    white = whitening(known, labels)
    means = np.stack([(known[labels == k] @ white).mean(0) for k in range(len(facts["kept"]))])
    named = logits_of(facts, arrays).argmax(axis=1)
    return np.asarray(np.sqrt(((states(arrays) @ white - means[named]) ** 2).sum(axis=1)))


def neighbours(known: NDArray[np.float64], values: NDArray[np.float64], k: int = 5) -> NDArray[np.float64]:
    """Return the distances to the fifth of at most 3,000 training windows."""
    known = known[np.random.default_rng(0).permutation(len(known))[:3000]]
    squared = (values**2).sum(1)[:, None] + (known**2).sum(1)[None] - 2 * values @ known.T
    return np.asarray(np.sqrt(np.partition(np.maximum(squared, 0), k - 1, axis=1)[:, k - 1]))


def box(facts: dict[str, Any], arrays: Arrays) -> NDArray[np.float64]:
    """Return how far the state lies outside the range of the training states of the class named, summed."""
    known, values, labels = states(arrays, "train_"), states(arrays), training_labels(facts, arrays)
    named = logits_of(facts, arrays).argmax(axis=1)
    low, high = (
        np.stack([np.quantile(known[labels == k], q, axis=0) for k in range(len(facts["kept"]))])
        for q in (0.01, 0.99)
    )
    return np.asarray((np.maximum(low[named] - values, 0) + np.maximum(values - high[named], 0)).sum(axis=1))


def movement(arrays: Arrays, prefix: str = "") -> NDArray[np.float64]:
    """Return logarithms of deviation and mean step over all axes (N, 2)."""
    values = arrays[f"{prefix}movement"]
    axes = values.shape[1] // 3
    deviation = np.sqrt((values[:, axes : 2 * axes] ** 2).sum(axis=1))
    return np.log(np.stack([deviation + 20, values[:, 2 * axes :].sum(axis=1) + 20], axis=1))


SCORES: dict[str, Any] = {
    "margin": lambda facts, arrays: -margins(logits_of(facts, arrays)),
    "largest logit": lambda facts, arrays: -logits_of(facts, arrays).max(axis=1),
    "energy": lambda facts, arrays: -np.log(np.exp(logits_of(facts, arrays)).sum(axis=1)),
    "outlier logit": outlier_logit,
    "range box of the state": box,
    "distance from the class": class_distance,
    "neighbours of the state": lambda facts, arrays: neighbours(states(arrays, "train_"), states(arrays)),
    "neighbours of the movement": lambda facts, arrays: neighbours(
        movement(arrays, "train_"), movement(arrays)
    ),
}


if __name__ == "__main__":
    raise SystemExit(main())
