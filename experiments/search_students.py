"""Searched classifiers of a study's students against their own heads, on held-out animals.

    mcukd distill --data cow-collar --split animals=3 --seeds 1 --search --run STUDY
    mcukd evaluate --run STUDY        where distill was told --no-baselines
    python experiments/search_students.py STUDY --data-root DATA [--write]

Reads what `distill --search` found in each fold, and searches again on the same students with as many trials
but without students of inner folds: on embeddings of animals that the student was trained on.
--write: docs/results/search-cow-collar.json.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import numpy as np
from host_speed import output_of, processor

from mcukd.fold_results import DEPLOYABLE, DISTILLED, SEARCHED, WEIGHT_PREFIXES, FoldResult, fold_results
from mcukd.study import METRICS

RESULTS = Path(__file__).resolve().parents[1] / "docs" / "results"
OWN, BOTH = DISTILLED, (DEPLOYABLE, SEARCHED)


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("study", type=Path)
    parser.add_argument("--data-root", type=Path, required=True)
    parser.add_argument("--write", action="store_true", help=f"write a file in {RESULTS.name}")
    options = parser.parse_args()
    result = measure(options.study, options.data_root)
    print(json.dumps(result, indent=2))
    if options.write:
        from mcukd.files import write_json

        method = result["options"].get("method")
        name = result["data"] if method is None else f"{result['data']}-{method}"
        write_json(RESULTS / f"search-{name}.json", result)
    return 0


def measure(path: Path, root: Path) -> dict[str, Any]:
    """Return the pooled MCC of every way, and what each fold's searches chose."""
    from mcukd.data.card import load_card
    from mcukd.data.load import load_windows
    from mcukd.distillation.config import DistillConfig
    from mcukd.study import Study

    study = Study.open(path)
    against = against_own(study.file(METRICS))
    config, card = DistillConfig.of(study.options("distill")), load_card(study.card)
    options = config.options()
    chosen = "".join(f"--{name} {options[name]} " for name in ("method", "student") if name in options)
    training, evaluation = load_windows(card, root, training=True), load_windows(card, root)
    predictions: dict[str, list[Any]] = {}
    folds = {}
    for fold in fold_results(study.path):
        facts, logits = search_without_inner_students(
            fold, training, evaluation, config.search_trials, fold.seed
        )
        test = evaluation.take(fold.test_index)
        logits.update({model: fold.logits(model) for model in (OWN, *BOTH)})
        found = fold.facts("search")
        folds[fold.name] = {
            "test_animals": sorted(set(test.animals.tolist())),
            "with_inner_students": {
                key: found[key] for key in ("deployable", "winner", "inner_mcc_by_family")
            },
            "without": facts,
            "mcc": {
                name: mcc(test.labels, one.argmax(axis=1), evaluation.classes) for name, one in logits.items()
            },
        }
        for name, one in logits.items():
            predictions.setdefault(name, []).append((test.labels, one.argmax(axis=1)))
    pooled = {name: [np.concatenate(part) for part in zip(*parts)] for name, parts in predictions.items()}
    return {
        "what": "pooled MCC on held-out animals: the distilled student's own head, and classifiers searched",
        "data": card.name,
        "commands": [
            f"mcukd distill --data {card.name} --split {config.split} --seeds {len(config.seeds)} "
            f"{chosen}--search --run STUDY",
            "python experiments/search_students.py STUDY --data-root DATA",
        ],
        "commit": output_of("git", "rev-parse", "--short", "HEAD"),
        "processor": processor(),
        "options": options,
        "mcc": {name: mcc(*both, evaluation.classes) for name, both in pooled.items()},
        "against_own_head": against,
        "folds": folds,
    }


def search_without_inner_students(
    fold: FoldResult, training: Any, evaluation: Any, trials: int, seed: int
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Search on a fold's distilled student without students of inner folds; return facts and logits."""
    from mcukd.data.folds import Fold
    from mcukd.head_search.student import search_student
    from mcukd.models.weights import GruMlpWeights

    student = GruMlpWeights.from_arrays(fold, WEIGHT_PREFIXES[DISTILLED])
    inner = Fold("fold", fold.train_animals or (), ())
    found, searched = search_student(student, training, inner, trials=trials, seed=seed)
    counts = evaluation.counts[fold.test_index]
    facts = {
        name: {"family": one.family, "inner_mcc": one.score}
        for name, one in (("deployable", found.deployable), ("winner", found.winner))
    }
    return facts, {
        "without_inner_deployable": searched.logits(counts),
        "without_inner": found.winner.predict_proba(student.state(counts)),
    }


def against_own(metrics: Path) -> dict[str, Any]:
    """Return the difference of each searched model from the own head, with its interval over animals."""
    compared = json.loads(metrics.read_text()).get("comparisons")
    if compared is None:
        raise SystemExit(
            f"{metrics}: no model is compared with another yet; first run mcukd evaluate on the study."
        )
    return {
        one["a"]: {key: round(one[key], 4) for key in ("difference", "low", "high", "level")}
        for one in compared
        if one["a"] in BOTH and one["b"] == OWN
    }


def mcc(labels: Any, predictions: Any, classes: Any) -> float:
    from mcukd.metrics.scores import score

    return round(float(score(labels, predictions, np.zeros(len(labels)), classes)["mcc"]), 4)


if __name__ == "__main__":
    raise SystemExit(main())
