"""Training speed of the GRU-MLP student: mcukd's loop against `keras.fit`, in one thread each.

    python experiments/training_speed.py --data-root DATA [--cards cow-collar ucihar-subset] [--write]

For each: windows per second once compiled (the first epoch is not counted), and MCC on held-out animals after
the same epochs. `keras.fit` has its defaults: batches of 32, Adam at .001, no augmentation. mcukd's loop
augments every window, which its time includes. --write: docs/results/training-speed.json.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from host_speed import output_of, processor

RESULTS = Path(__file__).resolve().parents[1] / "docs" / "results" / "training-speed.json"
SEED = 0


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data-root", type=Path, required=True)
    parser.add_argument("--cards", nargs="+", default=["cow-collar", "ucihar-subset"])
    parser.add_argument("--epochs", type=int, default=20)
    parser.add_argument("--write", action="store_true", help=f"write {RESULTS.name}")
    options = parser.parse_args()
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    import tensorflow as tf

    tf.config.threading.set_intra_op_parallelism_threads(1)
    tf.config.threading.set_inter_op_parallelism_threads(1)
    result = {
        "what": "training of GRU 16, dense 16; windows per second and MCC on animals held out",
        "command": f"python experiments/training_speed.py --data-root DATA --epochs {options.epochs}",
        "commit": output_of("git", "rev-parse", "--short", "HEAD"),
        "processor": processor(),
        "python": platform.python_version(),
        "threads": 1,
        "seed": SEED,
        "cards": {card: measure(card, options.data_root, options.epochs) for card in options.cards},
    }
    print(json.dumps(result, indent=2))
    if options.write:
        from mcukd.files import write_json

        write_json(RESULTS, result)
    return 0


def measure(card_name: str, root: Path, epochs: int) -> dict[str, Any]:
    """Return the figures of every way on one data set."""
    from mcukd.data.card import load_card
    from mcukd.data.folds import make_folds
    from mcukd.data.load import load_windows
    from mcukd.distillation.config import DistillConfig
    from mcukd.distillation.training_configs import student_training_config
    from mcukd.models.gru_mlp import build_student
    from mcukd.pipeline.distill import for_card
    from mcukd.training.normalization import common_scale
    from mcukd.training.trainer import Targets, Trainer

    card = load_card(card_name)
    config = for_card(DistillConfig(epochs=epochs), card)
    training, evaluation = load_windows(card, root, training=True), load_windows(card, root)
    fold = make_folds(evaluation, "official" if card_name == "ucihar-subset" else "holdout")[0]
    train_windows = training.take(np.isin(training.animals, fold.train_animals))
    test = evaluation.take(np.isin(evaluation.animals, fold.test_animals))
    scale = common_scale(train_windows.counts)
    x, x_test = (part.counts.astype(np.float32) / scale for part in (train_windows, test))
    shape = (*x.shape[1:], len(train_windows.classes), np.zeros(x.shape[2]), np.ones(x.shape[2]))

    def build() -> Any:
        return build_student(*shape, config.gru_units, config.dense_units)

    def by_fit(batch: int, rate: float, jit_compile: Any) -> Any:
        import keras

        keras.utils.set_random_seed(SEED)
        model = build()
        loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
        model.compile(keras.optimizers.Adam(rate), loss, jit_compile=jit_compile)
        model.fit(x, train_windows.labels, batch_size=batch, epochs=1, verbose=0)
        return model, lambda: model.fit(
            x, train_windows.labels, batch_size=batch, epochs=epochs - 1, verbose=0
        )

    def by_trainer(jit_compile: bool) -> Any:
        trainer = Trainer(build, jit_compile=jit_compile)
        training_config = student_training_config(config, x.shape[1])
        trainer.fit(x, Targets(train_windows.labels), replace(training_config, epochs=1), SEED)
        return trainer.model, lambda: trainer.fit(x, Targets(train_windows.labels), training_config, SEED)

    ways: dict[str, tuple[Callable[[], Any], int]] = {
        "keras.fit, defaults": (lambda: by_fit(32, 1e-3, "auto"), epochs - 1),
        "keras.fit, batches of 64, Adam at .01": (lambda: by_fit(64, 1e-2, "auto"), epochs - 1),
        "keras.fit, the same without XLA": (lambda: by_fit(64, 1e-2, False), epochs - 1),
        "mcukd without XLA": (lambda: by_trainer(False), epochs),
        "mcukd": (lambda: by_trainer(True), epochs),
    }
    figures = {}
    for name, (way, passes) in ways.items():
        begun = time.perf_counter()
        model, train = way()
        ready, cpu = time.perf_counter(), time.process_time()
        train()
        seconds = time.process_time() - cpu
        predictions = np.argmax(np.asarray(model(x_test)), axis=1)
        figures[name] = {
            "windows_per_cpu_second": round(passes * len(x) / seconds),
            "until_ready_s": round(ready - begun, 1),
            "mcc": round(mcc(test.labels, predictions, len(test.classes)), 4),
        }
        print(card_name, name, figures[name], flush=True)
    base = figures["keras.fit, defaults"]["windows_per_cpu_second"]
    times = round(figures["mcukd"]["windows_per_cpu_second"] / base, 1)
    return {
        "training_windows": len(x),
        "samples": int(x.shape[1]),
        "test_animals": list(fold.test_animals),
        "passes": epochs,
        "ways": figures,
        "mcukd_times_keras_fit_defaults": times,
    }


def mcc(labels: Any, predictions: Any, classes: int) -> float:
    """Return the multiclass Matthews correlation of predictions with labels."""
    from mcukd.metrics.confusion import confusion_matrix
    from mcukd.metrics.confusion import mcc as of_matrix

    return float(of_matrix(confusion_matrix(labels, predictions, classes)))


if __name__ == "__main__":
    raise SystemExit(main())
