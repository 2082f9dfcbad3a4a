"""One trained student, turned into integers, C and TFLite under the TensorFlow that is installed here.

    python experiments/two_tensorflows.py STUDENT --card CARD [--data-root DATA] [--write]

STUDENT is a study's student.keras, or weights as an .npz such as data/herd-sim-gru16.npz.

Run it with the same student under each TensorFlow. It prints hashes of the integer model, of the generated C
(portable and with the kernels of the cores), of the int8 TFLite file, and of the classes of float and TFLite.
--write: put them into docs/results/two-tensorflows.json, beside those of the other versions. Exits with 1
where integers or C differ from those there of the same student.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import platform
import sys
import tempfile
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np

RESULTS = Path(__file__).resolve().parents[1] / "docs" / "results" / "two-tensorflows.json"
#: What has to be equal under every TensorFlow.
EQUAL = ("weights", "integers", "c")


def digest(paths: list[Path]) -> str:
    content = b"".join(path.name.encode() + path.read_bytes() for path in sorted(paths))
    return hashlib.sha256(content).hexdigest()


def facts(student: Path, name: str, data_root: Any) -> dict[str, Any]:
    from mcukd.codegen.firmware import generate_model
    from mcukd.data.card import load_card
    from mcukd.data.load import load_windows
    from mcukd.data.simulation.simulator import resized
    from mcukd.fixedpoint.calibration import calibration_subset
    from mcukd.fixedpoint.model import save_model
    from mcukd.fixedpoint.quantize import QuantizeConfig, quantize
    from mcukd.models.student import load_any_student, weights_of
    from mcukd.models.weights import GruMlpWeights
    from mcukd.tensorflow_setup import keras
    from mcukd.tensorflow_setup import tensorflow as tf
    from mcukd.tflite.evaluate import evaluate
    from mcukd.tflite.export import export

    card = load_card(name)
    if card.simulated:
        card = resized(card, 2, 10)
    training = load_windows(card, data_root, training=True, seed=0)
    windows = load_windows(card, data_root, seed=0).counts
    if student.suffix == ".npz":
        with np.load(student, allow_pickle=False) as stored:
            weights = GruMlpWeights.from_arrays(stored)
    else:
        weights = weights_of(load_any_student(student))
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        model = quantize(weights, training, QuantizeConfig(bits=8), card.operation_hop)
        written = save_model(model, folder / "model")
        sources = [
            path for core in (None, "m3", "m4f") for path in generate_model(model, folder / f"c-{core}", core)
        ]
        tflite = folder / "student.tflite"
        export(weights, training.classes, calibration_subset(training).counts, tflite)
        arrays = b"".join(array.tobytes() for _, array in sorted(weights.arrays().items()))
        return {
            "card": name,
            "simulated": card.simulated,
            "python": platform.python_version(),
            "tensorflow": tf.__version__,
            "keras": keras.__version__,
            "interpreter": f"ai-edge-litert {litert}" if (litert := litert_version()) else "tf.lite",
            "student": digest([student]),
            "weights": hashlib.sha256(arrays).hexdigest(),
            "integers": digest([path for path in written if path.suffix == ".npz"]),
            "c": digest(sources),
            "files_of_c": len(sources),
            "tflite": digest([tflite]),
            "windows": len(windows),
            "float_classes": classes_digest(weights.logits(windows)),
            "tflite_classes": classes_digest(evaluate(tflite, windows)),
        }


def classes_digest(logits: np.ndarray) -> str:
    return hashlib.sha256(np.argmax(logits, axis=1).astype(np.uint8).tobytes()).hexdigest()


def litert_version() -> str:
    try:
        return version("ai-edge-litert")
    except PackageNotFoundError:
        return ""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("student", type=Path)
    parser.add_argument("--card", required=True)
    parser.add_argument("--data-root", type=Path)
    parser.add_argument("--write", action="store_true")
    options = parser.parse_args()
    found = facts(options.student, options.card, options.data_root)
    record = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
    key_of = ("student", "tensorflow", "python")
    others = [one for one in record.get("runs", []) if any(one[key] != found[key] for key in key_of)]
    differing = [
        f"{key} under {one['tensorflow']}"
        for one in others
        for key in (*EQUAL, "tflite", "float_classes", "tflite_classes")
        if one["student"] == found["student"] and one[key] != found[key]
    ]
    print(json.dumps(found, indent=2))
    same = sum(one["student"] == found["student"] for one in others)
    print(f"differs: {', '.join(differing)}" if differing else f"equal to {same} other runs of this student")
    if options.write:
        command = "python experiments/two_tensorflows.py STUDENT --card CARD --write"
        RESULTS.write_text(json.dumps({"command": command, "runs": [*others, found]}, indent=2) + "\n")
    sys.exit(any(text.partition(" ")[0] in EQUAL for text in differing))


if __name__ == "__main__":
    main()
