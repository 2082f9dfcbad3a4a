"""Students trained without one behaviour each, and their integer logits: what `unknown.py` analyses.

    python experiments/unknown_students.py --data cow-collar --out FOLDER [--outliers 0.5]
    python experiments/unknown_students.py --data card.toml --mounting aligned --all-classes-only --out FOLDER

For every fold and seed a plain student is trained on all behaviours, and one without each behaviour in turn;
each is quantized with its own training windows, and its integers classify the held-out animals, the
behaviours it was never taught included, those that the card ignores as well. With --outliers it is trained on
that many synthetic outliers for each window too, as one more class. One file per student:

- `logits`, `state`: (N, K) and (N, H) int16 at the end of each held-out window; `prefixes` (3, N, K) int16
  after a quarter, a half and three quarters of it. `labels` (N,): number in `names`, which are the classes,
  then what the card ignores. `animals` (N,). `train_*`: the same of the training windows.
- `dense_out`, `train_dense_out`: (N, M) int16. `movement`, `train_movement`: (N, 3C) mean, deviation and mean
  step of each axis in counts.
- `formats`: fractional lengths of logits, dense output and state.

Finished students are kept, so that an interrupted run goes on.
"""

from __future__ import annotations

import argparse
import json
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mcukd.data.card import Card, load_card
from mcukd.data.folds import Fold, make_folds
from mcukd.data.load import load_windows
from mcukd.data.windows import Windows
from mcukd.distillation.config import DistillConfig
from mcukd.distillation.fold_trainer import FoldTrainer
from mcukd.distillation.training_configs import student_training_config
from mcukd.distillation.training_set import FitContext, TrainingSet
from mcukd.errors import UserError
from mcukd.files import replacing
from mcukd.fixedpoint.config import QuantizeConfig
from mcukd.fixedpoint.gru.reference import Machine
from mcukd.fixedpoint.model import IntegerModel
from mcukd.fixedpoint.quantize import quantize
from mcukd.inference.batch import run_fast
from mcukd.models.gru_mlp import student_weights
from mcukd.pipeline.distill import for_card
from mcukd.training.outliers import synthetic_outliers

BITS = 8
QUARTERS = (1, 2, 3)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", required=True, help="a card's name or path")
    parser.add_argument("--data-root", type=Path)
    parser.add_argument("--split", default="k-fold-by-animal")
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--mounting", choices=("aligned", "turned", "any"))
    parser.add_argument("--epochs", type=int)
    parser.add_argument("--outliers", type=float, default=0.0, help="for each training window")
    parser.add_argument("--all-classes-only", action="store_true", help="leave no behaviour out")
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args()
    card = load_card(options.data)
    config = DistillConfig.of(
        {
            "method": "none",
            "split": options.split,
            **({"mounting": options.mounting} if options.mounting else {}),
            **({"epochs": options.epochs} if options.epochs else {}),
        }
    )
    config = for_card(config, card)
    training = load_windows(card, options.data_root, training=True)
    evaluation = load_windows(card, options.data_root)
    everything = with_ignored(card, evaluation, options.data_root)
    folds = make_folds(evaluation, config.split)
    names = everything.classes
    options.out.mkdir(parents=True, exist_ok=True)
    for left_out in (None, *(() if options.all_classes_only else range(len(card.classes)))):
        kept = tuple(k for k in range(len(card.classes)) if k != left_out)
        own = of_classes(training, kept)
        trained = replace(own, classes=(*own.classes, "outlier")) if options.outliers else own
        trainer = FoldTrainer(trained, evaluation, config)
        for seed in range(options.seeds):
            for fold in folds:
                name = "all" if left_out is None else card.classes[left_out]
                path = options.out / f"{name}-{fold.name}-s{seed}.npz"
                if path.exists():
                    continue
                began = time.perf_counter()
                arrays = student_arrays(trainer, own, everything, fold, seed, card, options.outliers)
                facts = {
                    "data": card.name, "simulated": card.simulated, "fold": fold.name, "seed": seed,
                    "left_out": left_out, "kept": kept, "names": names, "options": config.options(),
                    "outliers": options.outliers,
                }  # fmt: skip
                with replacing(path) as temporary:
                    np.savez_compressed(temporary, facts=np.array(json.dumps(facts)), **arrays)
                print(f"{path.name}: {time.perf_counter() - began:.1f} s", flush=True)


def with_ignored(card: Card, evaluation: Windows, data_root: Path | None) -> Windows:
    """Return the evaluation windows and those of behaviours that the card ignores, as classes behind its own.

    Ignored behaviours without a whole window, or with a faulty recording, are left out.
    """
    kept = tuple(name for name in card.class_map.ignore if readable(card, (name,), data_root))
    return load_windows(naming(card, kept), data_root) if kept else evaluation


def naming(card: Card, ignored: tuple[str, ...]) -> Card:
    """Return a card that names behaviours which it ignored."""
    classes = {
        "names": (*card.class_map.names, *ignored),
        "ignore": tuple(name for name in card.class_map.ignore if name not in ignored),
    }
    return card.model_copy(update={"class_map": card.class_map.model_copy(update=classes)})


def readable(card: Card, ignored: tuple[str, ...], data_root: Path | None) -> bool:
    """Whether behaviours that a card ignores can be read and have a window."""
    try:
        load_windows(naming(card, ignored), data_root)
    except UserError:
        return False
    return True


def of_classes(windows: Windows, kept: tuple[int, ...]) -> Windows:
    """Return the windows of some classes alone, numbered anew."""
    own = windows.take(np.isin(windows.labels, kept))
    number = {k: n for n, k in enumerate(kept)}
    return replace(
        own,
        labels=np.array([number[int(k)] for k in own.labels], np.int64),
        classes=tuple(windows.classes[k] for k in kept),
    )


def student_arrays(
    trainer: FoldTrainer,
    training: Windows,
    everything: Windows,
    fold: Fold,
    seed: int,
    card: Card,
    outliers: float,
) -> dict[str, NDArray[Any]]:
    """Train a student on a fold's training animals and return what its integers compute."""
    taught = training.take(np.isin(training.animals, fold.train_animals))
    test = everything.take(np.isin(everything.animals, fold.test_animals))
    own = with_outliers(taught, outliers, seed) if outliers else taught
    data = TrainingSet.normalized(own, trainer.config)
    fitted = trainer.train_baseline_student(
        data, student_training_config(trainer.config, own.counts.shape[1]), FitContext(seed)
    )
    scale = np.full(own.counts.shape[2], data.normalizer.scale, np.float32)
    weights = replace(student_weights(fitted), std=scale)
    model = quantize(weights, own, QuantizeConfig(BITS), card.operation_hop)
    steps = test.counts.shape[1]
    prefixes = [run_fast(model, test.counts[:, : steps * q // 4], False, False).logits for q in QUARTERS]
    return {
        **integers(model, test, ""),
        **integers(model, taught, "train_"),
        "prefixes": np.array(prefixes, np.int16),
        "formats": np.array([model.length(name) for name in ("logits", "dense_out", "h")]),
        "macs": np.array(model.macs_per_window(steps)),
    }


def with_outliers(windows: Windows, share: float, seed: int) -> Windows:
    """Return windows and synthetic outliers, a number for each window, as one more class."""
    counts = synthetic_outliers(windows.counts, int(share * len(windows)), seed)
    first = np.zeros(len(counts), np.int64)
    classes = (*windows.classes, "outlier")
    more = replace(
        windows.take(first),
        counts=counts,
        labels=first + len(windows.classes),
        segments=first,
        classes=classes,
    )
    return replace(windows, classes=classes).with_more(more)


def integers(model: IntegerModel, windows: Windows, prefix: str) -> dict[str, NDArray[Any]]:
    """Return what a model's integers are for windows."""
    found = run_fast(model, windows.counts, False, False)
    dense = Machine(model).head(found.state.astype(np.int64))["dense_out"]  # type: ignore[arg-type]
    counts = windows.counts.astype(np.float32)
    movement = [counts.mean(1), counts.std(1), np.abs(np.diff(counts, axis=1)).mean(1)]
    return {
        f"{prefix}logits": found.logits.astype(np.int16),
        f"{prefix}state": found.state,
        f"{prefix}dense_out": dense.astype(np.int16),
        f"{prefix}labels": windows.labels,
        f"{prefix}animals": windows.animals,
        f"{prefix}movement": np.concatenate(movement, axis=1),
    }


if __name__ == "__main__":
    main()
