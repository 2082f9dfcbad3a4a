"""Agreement of the MobileNet student's int8 TFLite file with its float model.

    python experiments/mobilenet_int8.py --data-root DATA --out FILE.tflite [--cards CARD …] [--write]

A slim student with the memory head is trained on hard labels for a few epochs, without distillation. Its int8
file is compared with its float model on animals (or subjects) that it was not trained on. Calibration windows
are training windows. Kernels are the reference's. --write: docs/results/mobilenet-int8.json.
"""

from __future__ import annotations

import argparse
import json
import os
from pathlib import Path
from typing import Any

import numpy as np
from host_speed import output_of, processor

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

RESULTS = Path(__file__).resolve().parents[1] / "docs" / "results" / "mobilenet-int8.json"
CALIBRATION, SEED, BATCH = 300, 0, 64


def softmax(scores: Any) -> Any:
    powers = np.exp(scores - scores.max(axis=1, keepdims=True))
    return powers / powers.sum(axis=1, keepdims=True)


def trained_student(counts: Any, labels: Any, classes: int, passes: int) -> Any:
    import keras

    from mcukd.models.mobilenet import build_mobilenet

    keras.utils.set_random_seed(SEED)
    flat = counts.reshape(-1, counts.shape[2])
    model = build_mobilenet(
        *counts.shape[1:], classes, flat.mean(axis=0), flat.var(axis=0), slim=True, head="memory"
    )
    rates = keras.optimizers.schedules.CosineDecay(3e-3, passes * len(counts) // BATCH)
    model.compile(keras.optimizers.Adam(rates), keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    model.fit(counts.astype(np.float32), labels, batch_size=BATCH, epochs=passes, verbose=0)
    return model


def agreement(card_name: str, data_root: Path, passes: int, out: Path) -> dict[str, Any]:
    from mcukd.data.card import load_card
    from mcukd.data.load import load_windows
    from mcukd.models.hopfield import without_intuition
    from mcukd.tflite.evaluate import KERNELS
    from mcukd.tflite.window import evaluate_windows, export_window

    windows = load_windows(load_card(card_name), data_root)
    animals = sorted(set(windows.animals))
    held_out = animals[: max(1, len(animals) // 4)]
    test = np.isin(windows.animals, held_out)
    counts, labels = windows.counts[~test], windows.labels[~test]
    model = trained_student(counts, labels, len(windows.classes), passes)
    calibration = np.random.default_rng(SEED).permutation(len(counts))[:CALIBRATION]
    unseen, truth = windows.counts[test], windows.labels[test]
    found: dict[str, Any] = {
        "windows": int(test.sum()),
        "held_out": [str(name) for name in held_out],
        "samples_per_window": int(unseen.shape[1]),
        "kernels": KERNELS,
    }
    for head, student in (("mixture", model), ("memory alone", without_intuition(model))):
        exported = export_window(student, windows.classes, counts[calibration], out)
        integer = evaluate_windows(exported.path, unseen)
        real = student.predict(unseen.astype(np.float32), batch_size=256, verbose=0)
        difference = np.abs(softmax(integer) - softmax(real))
        found[head] = {
            "same_class_percent": round(100 * float(np.mean(integer.argmax(1) == real.argmax(1))), 2),
            "probabilities_differ_in_the_mean": round(float(difference.mean()), 5),
            "probabilities_differ_at_most": round(float(difference.max()), 3),
            "accuracy_float": round(float(np.mean(real.argmax(1) == truth)), 4),
            "accuracy_int8": round(float(np.mean(integer.argmax(1) == truth)), 4),
            "bytes": exported.bytes,
            "operations": len(exported.operations),
        }
    return found


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data-root", type=Path, required=True)
    parser.add_argument("--cards", nargs="+", default=["cow-collar", "ucihar-subset"])
    parser.add_argument("--passes", type=int, default=8)
    parser.add_argument("--out", type=Path, required=True, help="where the int8 file goes, for a look")
    parser.add_argument("--write", action="store_true", help=f"write {RESULTS.name}")
    options = parser.parse_args()
    from mcukd.files import write_json

    cards = {card: agreement(card, options.data_root, options.passes, options.out) for card in options.cards}
    result = {
        "command": f"python experiments/mobilenet_int8.py --data-root DATA --out FILE.tflite --cards "
        f"{' '.join(options.cards)} --passes {options.passes}",
        "commit": output_of("git", "rev-parse", "--short", "HEAD"),
        "processor": processor(),
        "models": f"slim student, memory head, {options.passes} passes over hard labels, seed {SEED}, "
        f"{CALIBRATION} calibration windows",
        "cards": cards,
    }
    print(json.dumps(result, indent=2))
    if options.write:
        write_json(RESULTS, result)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
