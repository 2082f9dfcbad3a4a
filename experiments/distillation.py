"""Comparison of augmentation, epochs, temperature and soft-label weight: the reasons for the first defaults.

Six of the ten cows of `cow-collar` are held out in turn, with models trained on the nine others; the choice
of defaults rests on the pooled MCC of these folds alone, with seeds that no reported figure uses. The other
four cows' own folds take no part in it. Run from the repository:

    MCUKD_DATA=<folder> nice python experiments/distillation.py --seeds 100

Every finished training is cached, so an interrupted run continues. `--figure` only draws the record,
docs/results/distillation-defaults.json.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass, field
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np

CHOOSING = ("1217", "1219", "2016", "3321", "4119", "4821")
RESULTS = Path("docs/results/distillation-defaults.json")
FIGURE = Path("docs/img/distillation-defaults.svg")
CACHE = Path("build/bench-distillation")
VERTICAL = {"turn": "vertical", "tilt": 10.0}


@dataclass(frozen=True)
class Variant:
    """One way to train. distillation: temperature and mixing, None for hard labels only."""

    name: str
    epochs: int = 30
    learning_rate: float = 5e-3
    augmentation: dict[str, Any] = field(default_factory=lambda: dict(VERTICAL))
    distillation: tuple[float, float] | None = None


TEACHER = Variant("teacher", epochs=10, learning_rate=2e-3)
#: The students' defaults.
LONGER: dict[str, Any] = {"epochs": 40, "learning_rate": 1e-2}
STUDENTS = (
    Variant("student, no augmentation", augmentation={"turn": "none"}),
    Variant("student, tilt 10°", augmentation={"turn": "none", "tilt": 10.0}),
    Variant("student, every direction", augmentation={"turn": "any"}),
    Variant("student, vertical", augmentation={"turn": "vertical"}),
    Variant("student, vertical, tilt 10°"),
    Variant("student, vertical, tilt 20°", augmentation={"turn": "vertical", "tilt": 20.0}),
    Variant(
        "student, vertical, tilt 10°, tempo, gain", augmentation={**VERTICAL, "stretch": 0.2, "scale": 0.1}
    ),
    Variant("longer: plain", **LONGER),
    Variant("longer: distilled, T 1, mixing 0.5", distillation=(1.0, 0.5), **LONGER),
    Variant("longer: distilled, T 1, mixing 0.2", distillation=(1.0, 0.2), **LONGER),
    Variant("longer: distilled, T 2, mixing 0.5", distillation=(2.0, 0.5), **LONGER),
    Variant("longer: distilled, T 2, mixing 0.1", distillation=(2.0, 0.1), **LONGER),
    Variant("longer: distilled, T 4, mixing 0.1", distillation=(4.0, 0.1), **LONGER),
)


def one_fold(cow: str, seed: int, students: tuple[Variant, ...]) -> tuple[str, int]:
    """Train what the cache lacks without one cow, and cache its predictions of that cow."""
    path = CACHE / f"{cow}-s{seed}.npz"
    kept: dict[str, np.ndarray] = dict(np.load(path)) if path.exists() else {}
    missing = [variant for variant in students if variant.name not in kept]
    if TEACHER.name in kept and not missing:
        return cow, seed
    import tensorflow as tf

    tf.config.threading.set_intra_op_parallelism_threads(1)
    tf.config.threading.set_inter_op_parallelism_threads(1)
    from mcukd.data.card import load_card
    from mcukd.data.load import load_windows
    from mcukd.distillation.teacher import Teacher
    from mcukd.files import replacing
    from mcukd.models.gru_mlp import build_student
    from mcukd.models.resnet import build_resnet
    from mcukd.training.augmentation import Augmentation
    from mcukd.training.normalization import common_scale
    from mcukd.training.prediction import logits
    from mcukd.training.trainer import Targets, Trainer, TrainingConfig

    card = load_card("cow-collar")
    training, evaluation = load_windows(card, training=True), load_windows(card)
    train_windows, test = training.take(training.animals != cow), evaluation.take(evaluation.animals == cow)
    scale = common_scale(train_windows.counts)
    x, x_test = train_windows.counts.astype(np.float32) / scale, test.counts.astype(np.float32) / scale
    shape = (card.window, 3, len(card.classes), np.zeros(3), np.ones(3))
    student = Trainer(lambda: build_student(*shape), jit_compile=True)

    def training_config(variant: Variant) -> TrainingConfig:
        return TrainingConfig(
            variant.epochs, variant.learning_rate, 0.01, Augmentation(**variant.augmentation)
        )

    def keep(**arrays: np.ndarray) -> None:
        kept.update(arrays)
        with replacing(path) as temporary:
            np.savez(temporary, **kept)

    if TEACHER.name not in kept:
        trainer = Trainer(lambda: build_resnet(*shape, width=16), jit_compile=False)
        model = trainer.fit(x, Targets(train_windows.labels), training_config(TEACHER), seed)
        predicted = logits(model, x_test).argmax(axis=1)
        keep(
            truth=test.labels,
            soft=Teacher((model,)).soft_labels(x, Augmentation(**VERTICAL), seed),
            **{TEACHER.name: predicted},
        )
    for variant in missing:
        targets = Targets(train_windows.labels)
        if variant.distillation:
            targets = Targets(train_windows.labels, kept["soft"], *variant.distillation)
        model = student.fit(x, targets, training_config(variant), seed)
        keep(**{variant.name: logits(model, x_test).argmax(axis=1)})
    return cow, seed


def pooled(seed: int, variant: str) -> float:
    """MCC over the folds' pooled predictions."""
    from sklearn.metrics import matthews_corrcoef

    parts = [np.load(CACHE / f"{cow}-s{seed}.npz") for cow in CHOOSING]
    truth, predicted = (np.concatenate([part[key] for part in parts]) for key in ("truth", variant))
    return round(float(matthews_corrcoef(truth, predicted)), 4)


def draw(results: dict[str, Any]) -> None:
    """Draw the variants as bars, mean over seeds, a dot for each seed."""
    import matplotlib

    matplotlib.use("svg")
    matplotlib.rcParams["svg.hashsalt"] = "mcukd"
    import matplotlib.pyplot as plt

    names = list(results["mcc"])
    figure, axes = plt.subplots(figsize=(7, 0.27 * len(names) + 0.9))
    for row, name in enumerate(reversed(names)):
        values = list(results["mcc"][name].values())
        colour = "#54a24b" if name == "teacher" else "#f58518" if "distilled" in name else "#4c78a8"
        axes.barh(row, np.mean(values), color=colour, alpha=0.6)
        axes.plot(values, [row] * len(values), "o", color="black", markersize=3)
    axes.set_yticks(range(len(names)), list(reversed(names)), fontsize=8)
    axes.set_xlim(0.4, 0.95)
    axes.set_xlabel(f"pooled MCC of {len(CHOOSING)} cows held out in turn; dots are seeds")
    FIGURE.parent.mkdir(parents=True, exist_ok=True)
    figure.tight_layout()
    figure.savefig(FIGURE, metadata={"Date": None})


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seeds", default="100")
    parser.add_argument("--jobs", type=int, default=os.cpu_count())
    parser.add_argument("--figure", action="store_true", help="only draw the recorded results")
    options = parser.parse_args()
    if options.figure:
        draw(json.loads(RESULTS.read_text()))
        return
    from mcukd.files import write_json

    CACHE.mkdir(parents=True, exist_ok=True)
    seeds = [int(seed) for seed in options.seeds.split(",")]
    with ProcessPoolExecutor(options.jobs, get_context("spawn")) as pool:
        futures = [pool.submit(one_fold, cow, seed, STUDENTS) for seed in seeds for cow in CHOOSING]
        for future in as_completed(futures):
            print(*future.result(), flush=True)
    commit = subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=True
    )
    variants = (TEACHER, *STUDENTS)
    results = {
        "command": "python " + " ".join(sys.argv),
        "commit": commit.stdout.strip(),
        "data": "cow-collar",
        "held_out_in_turn": list(CHOOSING),
        "teacher": "ResNet of width 16, 10 epochs",
        "student": "GRU(16), Dense(16); 30 epochs and a peak learning rate of 0.005 where not said otherwise",
        "mcc": {v.name: {str(seed): pooled(seed, v.name) for seed in seeds} for v in variants},
    }
    write_json(RESULTS, results)
    draw(results)


if __name__ == "__main__":
    main()
