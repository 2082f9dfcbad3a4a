"""A study on disk with every artefact the report reads, made from random models and predictions."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
from builders.students import random_student, random_windows

from mcukd.data.card import load_card
from mcukd.files import write_json
from mcukd.fixedpoint.model import save_model
from mcukd.fixedpoint.quantize import QuantizeConfig, quantize
from mcukd.metrics.metrics_file import TRANSDUCTIVE, update_metrics
from mcukd.metrics.scores import combine_seeds, score
from mcukd.study import Study

CARD = "herd-sim"
SKILL = {
    "teacher": 0.94,
    "student": 0.85,
    "student_distilled": 0.9,
    "fixed_point_8": 0.895,
    "tflite_int8": 0.88,
}


def scores(skill: float, seed: int, classes: tuple[str, ...]) -> dict:
    """The score of a model that is right with probability `skill` on ten random animals."""
    rng = np.random.default_rng(seed)
    labels = rng.choice(len(classes), 900, p=[0.45, 0.2, 0.2, 0.1, 0.05])
    animals = np.array([f"animal-{n}" for n in rng.integers(1, 11, 900)])
    wrong = rng.random(900) > skill - 0.1 * (animals == "animal-7")
    guesses = np.where(wrong, rng.integers(0, len(classes), 900), labels)
    return score(labels, guesses, animals, classes)


def finish_distill(study: Study, **options: Any) -> None:
    """Score models; options: of distill, beside the number of epochs."""
    classes = load_card(CARD).classes
    models = {}
    for name in ("teacher", "student", "student_distilled"):
        models[name] = combine_seeds([scores(SKILL[name], seed, classes) for seed in range(3)])
        models[name].update(parameters=520_260 if name == "teacher" else 1_381, macs_per_window=1_000_000)
    if options.get("transductive"):
        models["student_distilled"]["scored_on"] = TRANSDUCTIVE
    update_metrics(study.file("metrics.json"), data=CARD, split="loao", seeds=[0, 1, 2], models=models)
    (study.path / "student.keras").write_bytes(b"a student")
    study.finish(
        "distill",
        inputs={"data": "0" * 64},
        options={"epochs": 60, **options},
        outputs=[study.file("student.keras")],
    )


def finish_quantize(study: Study) -> None:
    card = load_card(CARD)
    windows = random_windows(classes=5)
    windows = type(windows)(**{**vars(windows), "classes": card.classes, "card": CARD})
    model = quantize(random_student(classes=5), windows, QuantizeConfig(8, 16), operation_hop=10)
    models = {
        "fixed_point_8": combine_seeds([scores(SKILL["fixed_point_8"], s, card.classes) for s in range(3)])
    }
    models["tflite_int8"] = {**combine_seeds([scores(SKILL["tflite_int8"], 0, card.classes)]), "seeds": [0]}
    for values in models.values():
        values.update(parameters=1_381, macs_per_window=100_000)
    update_metrics(study.file("metrics.json"), data=CARD, split="loao", seeds=[0, 1, 2], models=models)
    study.finish(
        "quantize",
        inputs=study.inputs("student.keras"),
        options={"bits": 8},
        outputs=save_model(model, study.path),
        command=["--bits", "8"],
    )


def finish_board(study: Study, name: str, mismatches: int = 0, emulated: bool = True) -> None:
    firmware = f"{name}-emulated" if emulated else name
    sha = json.loads(study.file("fixedpoint.json").read_text())["sha256"]
    size = {
        "board": firmware,
        "emulated": emulated,
        "flash_bytes": 24_680,
        "flash_limit": 130_984,
        "ram_bytes": 4_812,
        "ram_limit": 20_480,
        "stack_bytes": 2_048,
        "flash": {"model code": 1_640, "model weights": 1_700, "known answers": 3_100, "application": 18_240},
        "ram": {"state and buffers": 2_764, "stack": 2_048},
    }
    write_json(study.file("firmware", firmware, "size.json"), size)
    proof = {
        "board": name,
        "ran_on": firmware,
        "emulated": emulated,
        "reached": {"kind": "qemu", "through": "mps2-an385"}
        if emulated
        else {"kind": "serial device", "through": "/dev/ttyACM0", "usb": "0451:bef3", "serial": "L4100009"},
        "model_sha256": sha,
        "firmware_sha256": "ab" * 32,
        "windows": 200,
        "mismatches": mismatches,
        "first_mismatch": {"window": 17, "step": 3, "tensor": "z_pre"} if mismatches else None,
        "instructions_per_window": 1_234_567 if emulated else None,
        "cycles_per_window": None if emulated else 1_500_000,
        "flash_bytes": 24_680,
        "ram_bytes": 4_812,
        "stack_high_water_bytes": 612,
        "bytes_sent": 320_000,
        "bytes_received": 9_000,
        "retries": 3,
        "seconds": 12.5,
        "selftest": {"answers": 2, "passed": True, "wrong_logits": [], "wrong_states": []},
        "extreme_windows": 20,
    }
    write_json(study.file("validation", f"{name}.json"), proof)
    study.finish(
        f"build:{firmware}",
        inputs=study.inputs("fixedpoint.npz"),
        options={},
        outputs=[study.file("firmware", firmware, "size.json")],
    )
    study.finish(
        f"validate:{name}",
        inputs=study.inputs("fixedpoint.npz"),
        options={"emulate": emulated, "windows": 200},
        outputs=[study.file("validation", f"{name}.json")],
        command=["--board", name, *(["--emulate"] if emulated else ["--port", "PORT"])],
    )


def whole_study(path: Path) -> Study:
    study = Study.create(path, CARD, 0)
    finish_distill(study)
    finish_quantize(study)
    finish_board(study, "collar")
    finish_board(study, "eartag")
    return study
