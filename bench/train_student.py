"""Makes the trained student that the measurements use: bench/data/herd-sim-gru16.npz.

A GRU-16 distilled on the SIMULATED herd (`herd-sim`, seed 0) with the demo's options; two animals are held
out, and the measurements take their windows. Takes about two minutes: `python bench/train_student.py`.
"""

from __future__ import annotations

import json
import tempfile
from dataclasses import replace
from pathlib import Path

import numpy as np

from mcukd.data.card import load_card
from mcukd.data.load import load_windows
from mcukd.distill.config import DistillConfig
from mcukd.distill.lesson import Classroom, Lesson
from mcukd.distill.run import for_card
from mcukd.files import replacing
from mcukd.models.weights import StudentWeights

CARD, SEED, HELD_OUT = "herd-sim", 0, 2
TARGET = Path(__file__).with_name("data") / "herd-sim-gru16.npz"


def main() -> None:
    card = load_card(CARD)
    config = replace(for_card(DistillConfig.demo(SEED), card), jobs=1)
    training, evaluation = load_windows(card, training=True, seed=SEED), load_windows(card, seed=SEED)
    animals = sorted({str(animal) for animal in training.animals})
    with tempfile.TemporaryDirectory() as scratch:
        path = Path(scratch) / "lesson.npz"
        lesson = Lesson(CARD, SEED, tuple(animals[:-HELD_OUT]), tuple(animals[-HELD_OUT:]), path, "bench")
        Classroom(training, evaluation, config).teach(lesson)
        with np.load(path) as stored:
            weights = StudentWeights.from_arrays(stored, "student_distilled__")
            predicted = stored["student_distilled_logits"].argmax(axis=1)
            correct = float(np.mean(predicted == stored["labels"]))
    made = {
        "command": "python bench/train_student.py",
        "data": f"{CARD} (simulated), seed {SEED}",
        "train_animals": animals[:-HELD_OUT],
        "test_animals": animals[-HELD_OUT:],
        "accuracy_on_test_animals": round(correct, 4),
        "options": config.options(),
    }
    TARGET.parent.mkdir(exist_ok=True)
    with replacing(TARGET) as temporary:
        np.savez(temporary, made=np.array(json.dumps(made)), **weights.arrays())
    print(json.dumps(made, indent=2))


if __name__ == "__main__":
    main()
