"""Students that carry their state against students of windows, at a hop of a quarter window.

    python experiments/carried_state.py cow-collar --folder SCRATCH --seeds 0,1 [--record]
    python experiments/carried_state.py herd-sim --folder SCRATCH --split holdout --epochs 60

The same folds, seeds and recipe are trained twice, once with `--stream`. Both are scored as a tag runs them,
in float and as 8-bit integers, with a result every quarter window of whole recordings of held-out animals:
windows of one behaviour, and apart from them those that hold several. The students of windows are also scored
with a carried state, which they were not trained for, and those of `--stream` in windows. Where every
recording is a bout, all are also scored with the bouts of each animal joined in random order, as otherwise no
behaviour would ever change. `--record` writes docs/results/carried-state-NAME.json. Folds that are there with
these options are used again.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import replace
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mcukd.data.card import Card, load_card
from mcukd.data.counted import CountedRecording
from mcukd.data.load import dataset_sha256, load_counts, load_windows
from mcukd.data.running import running_windows
from mcukd.data.windows import Windows
from mcukd.distillation.config import DistillConfig
from mcukd.distillation.effort import with_effort
from mcukd.distillation.fold_trainer import FoldTrainer
from mcukd.distillation.option_lists import parse_seeds
from mcukd.evaluation.fold_students import FoldStudent, fold_students
from mcukd.files import write_json
from mcukd.fixedpoint.config import QuantizeConfig
from mcukd.fixedpoint.quantize import quantize
from mcukd.fixedpoint.reference import as_stream
from mcukd.inference.carried import evaluated_classes
from mcukd.pipeline.distill import fold_jobs, for_card, study_folds
from mcukd.pipeline.evaluate_hop import Predict, float_classes, fold_scores
from mcukd.study import Study
from mcukd.training.devices import use_device

ROOT = Path(__file__).resolve().parents[1]
WIDTHS = QuantizeConfig(8, 16)
KEPT = ("mcc", "mcc_sd", "mcc_by_seed", "accuracy", "macro_f1", "mixed", "confusion")


def trained(path: Path, card: Card, config: DistillConfig, training: Windows, evaluation: Windows) -> Study:
    """Return a folder with the folds of these options; unlike a study it has no final models."""
    study = Study.prepare(path, card.reference, config.seed)
    data = dataset_sha256(card, None, config.seed)
    trainer = FoldTrainer(training, evaluation, config)
    for job in fold_jobs(study, study_folds(evaluation, config), data, config):
        if not job.is_done():
            start, busy = time.monotonic(), time.process_time()
            trainer.train_fold(job)
            busy = time.process_time() - busy
            print(
                f"{path.name} {job.name}: {busy:.0f} s of CPU, {time.monotonic() - start:.0f} s", flush=True
            )
    return study


def joined(recordings: Sequence[CountedRecording]) -> list[CountedRecording]:
    """Return recordings of single bouts in random order, each animal's as if they had followed each other."""
    order = np.random.default_rng(0).permutation(len(recordings))
    order = order[np.argsort([recordings[number].animal for number in order], kind="stable")]
    found: list[CountedRecording] = []
    for number in order:
        one = recordings[number]
        found.append(replace(one, follows=bool(found) and found[-1].animal == one.animal))
    return found


def integers(training: Windows, card: Card, *, stream: bool) -> Predict:
    """Return what predicts with each fold's 8-bit integers."""

    def predict(student: FoldStudent, test: Windows) -> NDArray[np.int64]:
        model = quantize(student.weights, student.training_of(training), WIDTHS, card.operation_hop)
        return evaluated_classes(as_stream(model) if stream else model, test)

    return predict


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("card")
    parser.add_argument("--folder", type=Path, required=True, help="of the folds")
    parser.add_argument("--split", default="animals=5")
    parser.add_argument("--seeds", default="0,", help="as mcukd distill takes them")
    parser.add_argument("--epochs", type=int, help="of the students; default: the recipe's")
    parser.add_argument("--quick", action="store_true", help="with --effort quick: also a distilled student")
    parser.add_argument("--name", help="of the record; default: the card's")
    parser.add_argument("--record", action="store_true", help="write docs/results/ too")
    options = parser.parse_args()
    commit = subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"], cwd=ROOT, capture_output=True, text=True, check=False
    ).stdout.strip()
    use_device("cpu")
    recipe: dict[str, Any] = with_effort("quick", {}) if options.quick else {"method": "none"}
    recipe.update(split=options.split, seeds=parse_seeds(options.seeds), epochs=options.epochs)
    card = load_card(options.card)
    training, evaluation = load_windows(card, training=True, past=True), load_windows(card, past=True)
    recordings = load_counts(card, whole=True)
    hop = card.window // 4
    cuts = {"": running_windows(card, recordings, hop)}
    if not any(one.follows for one in recordings):
        cuts["bouts joined: "] = running_windows(card, joined(recordings), hop)
    results: dict[str, Any] = {}
    for mode in ("windowed", "stream"):
        config = for_card(DistillConfig(**recipe, stream=mode == "stream"), card)
        study = trained(options.folder / mode, card, config, training, evaluation)
        for model in ("student", "student_distilled"):
            students = [one for one in fold_students(study, model) if one.seed in config.seeds]
            for carried, (cut, running) in product((False, True), cuts.items() if students else ()):
                masks = [
                    np.isin(running.windows.animals, evaluation.animals[one.test_index]) for one in students
                ]

                def floats(student: FoldStudent, test: Windows, carried: bool = carried) -> Any:
                    return float_classes(student, test, carried)

                forms: dict[str, Predict] = {"float": floats}
                if carried == (mode == "stream"):
                    forms["8 bits"] = integers(training, card, stream=carried)
                for form, predict in forms.items():
                    name = f"{cut}{model} of {mode}, {'carried' if carried else 'windows'}, {form}"
                    one = fold_scores(students, masks, running, predict, name)
                    print(f"{name}: MCC {one['mcc']:.4f} {one['mcc_by_seed']} mixed {one.get('mixed')}")
                    sys.stdout.flush()
                    by_animal = {animal: each["mcc"] for animal, each in one["per_animal"].items()}
                    results[name] = {**{k: one[k] for k in KEPT if k in one}, "mcc_by_animal": by_animal}
    if options.record:
        facts = {
            "command": " ".join(["python", "experiments/carried_state.py", *sys.argv[1:]]).replace(
                str(options.folder), "SCRATCH"
            ),
            "commit": commit,
            "data": card.name,
            "simulated": card.simulated,
            "recipe": config.options(),
            "scored_on": "held-out animals; windows every quarter window of whole recordings",
            "hop": hop,
            "window": card.window,
            "windows": {
                cut: {
                    "one": int(np.sum(~of.mixed)),
                    "several": int(np.sum(of.mixed)),
                    "left_out": of.left_out,
                }
                for cut, of in cuts.items()
            },
            "results": results,
        }
        write_json(ROOT / "docs" / "results" / f"carried-state-{options.name or card.name}.json", facts)


if __name__ == "__main__":
    main()
