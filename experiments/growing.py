"""Length curriculum, rollback and learning rates: plain GRU students trained in three ways.

    python experiments/growing.py --data-root DATA [--data CARD ...] [--ways whole growing steady] [--write]
                            [--seeds 100 101 …] [--rates .01 .02] [--epochs N]

"whole" trains on whole windows from the start, "growing" with the length curriculum, and "steady" with the
curriculum and rollback (`mcukd.training.rollback`). A third of the animals is held out, always the same; of
`ucihar-subset` only the official training subjects take part, and the simulated herd (seed 1) is used for no
reported figure. All ways use the same number of samples. The CPU time of a way's first seed includes
compilation. --write keeps growing-windows.json.
"""

from __future__ import annotations

import argparse
import os
import time
from pathlib import Path
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np
from host_speed import output_of, processor
from sklearn.metrics import matthews_corrcoef

from mcukd.data.card import load_card
from mcukd.data.folds import make_folds
from mcukd.data.load import load_windows
from mcukd.distillation.config import DistillConfig
from mcukd.distillation.training_configs import augmentation
from mcukd.files import write_json
from mcukd.models.gru_mlp import build_student
from mcukd.pipeline.distill import for_card
from mcukd.training.normalization import Normalizer
from mcukd.training.phases import LABELS, length_curriculum
from mcukd.training.prediction import logits
from mcukd.training.trainer import Targets, Trainer, TrainingConfig

RESULTS = Path(__file__).resolve().parents[1] / "docs" / "results" / "growing-windows.json"
WAYS = ("whole", "growing", "steady")
EPOCHS = {"cow-collar": 40, "ucihar-subset": 80, "herd-sim": 30}
HERD = 1


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data-root", type=Path, required=True)
    parser.add_argument("--data", nargs="+", choices=list(EPOCHS), default=list(EPOCHS))
    parser.add_argument("--ways", nargs="+", choices=WAYS, default=WAYS)
    parser.add_argument("--seeds", nargs="+", type=int, default=[100, 101, 102, 103])
    parser.add_argument("--epochs", type=int, help="epochs; by default those of the data set")
    parser.add_argument("--rates", nargs="+", type=float, default=[0.01, 0.02])
    parser.add_argument("--write", action="store_true", help=f"write {RESULTS.name}")
    options = parser.parse_args()
    rows = [row for name in options.data for row in compared(name, options)]
    if options.write:
        write_json(
            RESULTS,
            {
                "what": "pooled MCC of plain GRU(16) students on animals held out, by seed, and CPU seconds",
                "command": "python experiments/growing.py --data-root DATA "
                f"--data {' '.join(options.data)} --ways {' '.join(options.ways)} "
                f"--seeds {' '.join(map(str, options.seeds))} --rates {' '.join(map(str, options.rates))} "
                + (f"--epochs {options.epochs} " if options.epochs else "")
                + "--write",
                "commit": output_of("git", "rev-parse", "--short", "HEAD"),
                "processor": processor(),
                "rows": rows,
            },
        )
    return 0


def compared(name: str, options: argparse.Namespace) -> list[dict[str, Any]]:
    """Train on a data set in every way and return what came out."""
    card = load_card(name)
    config = for_card(DistillConfig(), card)
    root = None if card.simulated else options.data_root
    training, evaluation = (load_windows(card, root, training=way, seed=HERD) for way in (True, False))
    animals = sorted({str(animal) for animal in training.animals})
    if name == "ucihar-subset":
        animals = list(make_folds(evaluation, "official")[0].train_animals)
    held = sorted(map(str, np.random.default_rng(5).permutation(animals)[: len(animals) // 3]))
    train_windows = training.take(np.isin(training.animals, [one for one in animals if one not in held]))
    test = evaluation.take(np.isin(evaluation.animals, held))
    normalizer = Normalizer.fit(train_windows, extra=config.uses_extra_channels)
    shape = (
        normalizer.channels,
        len(card.classes),
        np.zeros(normalizer.channels),
        np.ones(normalizer.channels),
    )
    rows = []
    epochs = options.epochs or EPOCHS[name]
    for way in options.ways:
        phases = (LABELS,) if way == "whole" else length_curriculum((LABELS,), card.window)
        if way != "whole" and len(phases) == 1:
            continue  # windows too short to grow
        trainer = Trainer(
            lambda: build_student(0, *shape), jit_compile=True, phases=phases, rollback=way == "steady"
        )
        for rate in options.rates:
            scores, seconds = {}, {}
            for seed in options.seeds:
                start = time.process_time()
                hyperparameters = TrainingConfig(epochs, rate, 0.01, augmentation(config))
                model = trainer.fit(
                    normalizer.transform(train_windows), Targets(train_windows.labels), hyperparameters, seed
                )
                seconds[seed] = round(time.process_time() - start, 1)
                predictions = logits(model, normalizer.transform(test)).argmax(axis=1)
                scores[seed] = round(float(matthews_corrcoef(test.labels, predictions)), 4)
            rows.append(
                {
                    "data": name,
                    "held_out": held,
                    "window": card.window,
                    "epochs": epochs,
                    "windows": way,
                    "learning_rate": rate,
                    "mcc": scores,
                    "mcc_mean": round(float(np.mean(list(scores.values()))), 4),
                    "cpu_seconds": seconds,
                }
            )
            print(name, way, rate, rows[-1]["mcc_mean"], scores, seconds, flush=True)
    return rows


if __name__ == "__main__":
    raise SystemExit(main())
