"""Studies as `mcukd distill` leaves them, with random students in place of trained ones."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from builders.data import write_moving_herd

from mcukd.data.card import Card, load_card
from mcukd.data.load import load_windows
from mcukd.metrics.metrics_file import update_metrics
from mcukd.metrics.scores import combine_seeds, score
from mcukd.models.student import weights_of
from mcukd.study import Study


def moving_herd(root: Path, steps: int, length: int = 400) -> Card:
    """Three animals' recorded windows of `steps` samples, cut from recordings of `length`."""
    write_moving_herd(root, length=length)
    card = root / "card.toml"
    card.write_text(card.read_text().replace("length = 10", f"length = {steps}"))
    return load_card(str(card))


def random_study(root: Path, card: Card, family: str, model: Any) -> Study:
    """A study of three folds, whose students all are one Keras model with random weights."""
    study = Study.create(root / "runs" / family, str(card.path), 0)
    windows, rng = load_windows(card, root), np.random.default_rng(1)
    arrays = [rng.normal(0, 0.5, array.shape) for array in model.get_weights()]
    model.set_weights([np.abs(array) if array.ndim == 1 and family == "cnn" else array for array in arrays])
    model.save(study.file("student.keras"))
    weights, outputs, predicted = weights_of(model), [study.file("student.keras")], []
    study.file("evaluation").mkdir()
    for animal in "ABC":
        index = np.flatnonzero(windows.animals == animal)
        outputs.append(study.file("evaluation", f"{animal}-s0.npz"))
        others = [other for other in "ABC" if other != animal]
        kept = weights.arrays("student_distilled__")
        np.savez(outputs[-1], test_index=index, train_animals=others, test_animals=[animal], **kept)
        predicted.append(weights.logits(windows.counts[index]).argmax(axis=1))
    order = np.argsort(windows.animals, kind="stable")
    scores = score(windows.labels[order], np.concatenate(predicted), windows.animals[order], windows.classes)
    floats = {**combine_seeds([scores]), "parameters": weights.parameters}
    metrics = study.file("metrics.json")
    update_metrics(metrics, data=card.name, split="loao", seeds=[0], models={"student_distilled": floats})
    study.finish("distill", inputs={}, options={"student": family}, outputs=outputs)
    return study
