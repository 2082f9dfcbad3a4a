"""Windows that mix two behaviours: how often a tag meets them, and what a student makes of them.

    python experiments/unknown_transitions.py RUN [--write NAME]

RUN: a study quantized with `--unknown`. Windows for training and evaluation lie within one labelled stretch,
so the data layer has no mixed ones. Here the end of a labelled window and the beginning of one of another
behaviour of the same animal are joined: **constructed**, as the recordings of most sets are single bouts.
Each fold's integer model classifies those of its held-out animals; thresholds are those of the study's rule,
in units of the logits.

--write: docs/results/unknown-transitions-NAME.json.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import numpy as np
from host_speed import output_of
from numpy.typing import NDArray

from mcukd.data.card import load_card
from mcukd.data.load import load_counts, load_windows
from mcukd.data.windows import Windows
from mcukd.evaluation.fold_students import fold_students
from mcukd.files import write_json
from mcukd.fixedpoint.config import QuantizeConfig
from mcukd.fixedpoint.quantize import quantize
from mcukd.fixedpoint.refusal_fitting import with_thresholds
from mcukd.inference.batch import run_fast
from mcukd.pipeline.unknown import distance_of
from mcukd.study import REFUSAL_FILE, Study

RESULTS = Path(__file__).parents[1] / "docs" / "results"
FRACTIONS = (0.125, 0.25, 0.5, 0.75, 0.875)
PAIRS = 400


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("run", type=Path, help="a study quantized with --unknown")
    parser.add_argument("--data-root", type=Path)
    parser.add_argument("--write", metavar="NAME", help="write docs/results/unknown-transitions-NAME.json")
    options = parser.parse_args()
    study = Study.open(options.run)
    card, root = load_card(study.card), study.data_root(options.data_root)
    training, evaluation = load_windows(card, root, training=True), load_windows(card, root)
    rule = json.loads(study.file(REFUSAL_FILE).read_text(encoding="utf-8"))
    made = study.options("quantize")
    config = QuantizeConfig(made["bits"], made["activation_bits"], made["gates"])
    parts: dict[float, list[NDArray[np.int64]]] = {fraction: [] for fraction in (0.0, *FRACTIONS)}
    for student in fold_students(study):
        own = student.training_of(training)
        model = quantize(student.weights, own, config, card.operation_hop)
        classes, limit = len(model.classes), rule["thresholds"]["limit"]
        model = with_thresholds(
            model,
            [rule["thresholds"]["margin"]] * classes,
            [] if limit is None else [limit] * classes,
            None if limit is None else distance_of(model, own),
        )
        test = evaluation.take(student.test_index)
        first, second = pairs(test, student.seed)
        for fraction in parts:
            counts = joined(test, first, second, fraction)
            said = run_fast(model, counts, checksums=False, saturations=False).classes
            parts[fraction].append(np.stack([said, test.labels[first], test.labels[second]]))
    steps, lengths = card.window, [len(one.counts) for one in load_counts(card, root)]
    record = {
        "command": "python experiments/unknown_transitions.py RUN",
        "commit": output_of("git", "rev-parse", "--short", "HEAD"),
        "data": card.name,
        "simulated": card.simulated,
        "constructed": True,
        "options": {**study.options("distill"), **made},
        "mean_stretch_s": round(float(np.mean(lengths)) / card.rate_hz, 1),
        "share_of_windows_that_mix": round(min(1.0, (steps - 1) / float(np.mean(lengths))), 4),
        "by_share_of_the_second": [
            {"share": fraction, **figures(np.concatenate(found, axis=1), len(card.classes))}
            for fraction, found in parts.items()
        ],
    }
    print(json.dumps(record, indent=1))
    if options.write:
        write_json(RESULTS / f"unknown-transitions-{options.write}.json", record)
    return 0


def pairs(test: Windows, seed: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return windows of one animal and of two behaviours, as many of each animal, drawn by the seed."""
    rng = np.random.default_rng(seed)
    first, second = [], []
    for animal in np.unique(test.animals):
        own = np.flatnonzero(test.animals == animal)
        drawn = rng.choice(own, (2, 4 * PAIRS))
        drawn = drawn[:, test.labels[drawn[0]] != test.labels[drawn[1]]][:, :PAIRS]
        first.append(drawn[0])
        second.append(drawn[1])
    return np.concatenate(first), np.concatenate(second)


def joined(
    test: Windows, first: NDArray[np.int64], second: NDArray[np.int64], share: float
) -> NDArray[np.int16]:
    """Return windows that begin with the end of one window and end with a share of another's beginning."""
    steps = test.counts.shape[1]
    later = round(share * steps)
    return np.concatenate([test.counts[first][:, later:], test.counts[second][:, :later]], axis=1)


def figures(found: NDArray[np.int64], classes: int) -> dict[str, Any]:
    """Return shares of mixed windows that are refused, or name the first, the second or neither."""
    said, first, second = found
    unknown = said == classes
    return {
        "windows": len(said),
        "unknown": round(float(unknown.mean()), 4),
        "first": round(float((said == first).mean()), 4),
        "second": round(float((said == second).mean()), 4),
        "neither": round(float((~unknown & (said != first) & (said != second)).mean()), 4),
    }


if __name__ == "__main__":
    raise SystemExit(main())
