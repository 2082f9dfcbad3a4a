"""MCC of students as TFLite files, whose integer state is carried from step to step, beside their float MCC.

    python experiments/tflite_state.py --runs RUN … [--data-root DATA] [--widths int8 int16x8] [--write]

RUN is a study that `mcukd distill` finished. Every fold's student of every seed is converted with windows of
its training animals and scored on the animals held out; kernels are the reference's. A study's scores by
`mcukd quantize` are of the first seed alone. --write: put them into docs/results/tflite-state.json, beside
the cards that are there.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import numpy as np
from host_speed import output_of, processor

RESULTS = Path(__file__).resolve().parents[1] / "docs" / "results" / "tflite-state.json"


def scores(run: Path, data_root: Any, names: list[str]) -> dict[str, Any]:
    from mcukd.data.card import load_card
    from mcukd.data.load import load_windows
    from mcukd.evaluation.fold_students import evaluate_folds, fold_students
    from mcukd.models.tflite_widths import TFLITE_WIDTHS
    from mcukd.study import Study
    from mcukd.tflite.families import converted_predictor

    study = Study.open(run)
    card, seed, students = load_card(study.card), int(study.manifest["seed"]), fold_students(study)
    training = load_windows(card, data_root, training=True, seed=seed)
    evaluation = load_windows(card, data_root, seed=seed)
    first = students[0].weights
    found: dict[str, Any] = {
        "split": study.options("distill")["split"],
        "seeds": sorted({student.seed for student in students}),
        "windows": sum(len(one.test_index) for one in students if one.seed == students[0].seed),
        "samples_per_window": int(evaluation.counts.shape[1]),
        "hidden": first.hidden,
    }

    def pooled(predict: Any, label: str) -> dict[str, Any]:
        values = evaluate_folds(students, training, evaluation, predict, label)
        by_seed = [round(one, 4) for one in values["mcc_by_seed"]]
        return {"mcc": round(values["mcc"], 4), "mcc_by_seed": by_seed}

    found["float"] = pooled(lambda student, train, test: student.predict(test.counts), "float")
    for name in names:
        same: list[float] = []

        def predict(student: Any, train: Any, test: Any, name: str = name, same: Any = same) -> Any:
            classes = converted_predictor(student.weights, train, TFLITE_WIDTHS[name])(test.counts)
            same.append(float(np.mean(classes == student.predict(test.counts))))
            return classes

        tested = [len(student.test_index) for student in students]
        found[name] = pooled(predict, name)
        found[name]["float_agreement"] = round(float(np.average(same, weights=tested)), 4)
    return found


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--runs", nargs="+", type=Path, required=True)
    parser.add_argument("--data-root", type=Path)
    parser.add_argument("--widths", nargs="+", default=["int8", "int16x8"])
    parser.add_argument("--write", action="store_true", help=f"put these cards into {RESULTS.name}")
    options = parser.parse_args()
    from mcukd.data.card import load_card
    from mcukd.files import write_json
    from mcukd.study import Study
    from mcukd.tflite.evaluate import KERNELS

    made_by = {"commit": output_of("git", "rev-parse", "--short", "HEAD"), "processor": processor()}
    known = json.loads(RESULTS.read_text(encoding="utf-8"))["cards"] if options.write else {}
    cards = {
        load_card(Study.open(run).card).name: {**made_by, **scores(run, options.data_root, options.widths)}
        for run in options.runs
    }
    result = {
        "command": "python experiments/tflite_state.py --runs RUN … --data-root DATA",
        "kernels": KERNELS,
        "cards": {**known, **cards},
    }
    print(json.dumps(result, indent=2))
    if options.write:
        write_json(RESULTS, result)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
