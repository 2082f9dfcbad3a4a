"""Classifier heads trained on tables of features and scored on held-out animals."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mcukd.data.features import FeatureCard, Features, load_features
from mcukd.data.folds import Fold, make_folds
from mcukd.data.windows import Windows
from mcukd.distillation.nested_selection import select
from mcukd.errors import UserError
from mcukd.metrics.scores import combine_seeds, score
from mcukd.progress import progress
from mcukd.text import did_you_mean, listed

MODELS = ("majority", "mlp_head")
#: The head: one hidden layer of 32 ReLU units, Adam at .003 with batches of 256, 40 epochs.
HIDDEN, RATE, BATCH, EPOCHS = 32, 3e-3, 256, 40
#: Weight penalties (L2) to choose from on inner animals.
PENALTIES = (0.01, 0.1, 1.0)


def evaluate_table(
    card: FeatureCard,
    data_root: Path | None,
    split: str,
    seeds: Sequence[int],
    models: Sequence[str] | None = None,
) -> dict[str, Any]:
    """Score heads on a table of features, by whole animals; return what `metrics.json` holds of signals.

    split: as `make_folds` takes it; "random" for comparison. models: of `MODELS`, default all. Nothing is
    written. Raises UserError for an unknown model or split and for faulty data.
    """
    models = MODELS if models is None else models
    for model in models:
        if model not in MODELS:
            raise UserError(
                f"a table of features has no samples for '{model}'{did_you_mean(model, MODELS)}; expected "
                f"{listed(MODELS)}."
            )
    table = load_features(card, data_root)
    windows = as_windows(table)
    folds = make_folds(windows, split)
    predictions = {(model, seed): np.full(len(table), -1) for model in models for seed in seeds}
    penalties = []
    with progress("Heads", len(models) * len(folds)) as advance:
        for model in models:
            for fold in folds:
                train, test = _sides(windows, fold)
                training, test_values = table.take(train), table.values[test]
                if model == "majority":
                    for seed in seeds:
                        predictions[model, seed][test] = np.bincount(training.labels).argmax()
                else:
                    penalty = chosen_penalty(training, seeds[0])
                    penalties.append(penalty)
                    for seed in seeds:
                        predictions[model, seed][test] = head_classes(training, test_values, penalty, seed)
                advance(1, f"{model} {fold.name}")
    found = {}
    for model in models:
        scores = []
        for seed in seeds:
            predicted = predictions[model, seed]
            tested = table.take(predicted >= 0)
            scores.append(score(tested.labels, predicted[predicted >= 0], tested.animals, table.classes))
        found[model] = {**combine_seeds(scores), "parameters": _parameters(table, model)}
    if "mlp_head" in found:
        found["mlp_head"]["settings_chosen"] = "on inner animals"
        found["mlp_head"]["penalties"] = penalties
    return {"data": card.name, "split": split, "seeds": list(seeds), "models": found}


def chosen_penalty(training: Features, seed: int) -> float:
    """Return the weight penalty that does best on inner animals. training: rows of the training animals."""

    def predict(penalty: float, train_windows: Windows, validation_windows: Windows) -> NDArray[np.int64]:
        # A row's number stands for it in `segments`, see `as_windows`.
        rows, others = training.take(train_windows.segments), training.values[validation_windows.segments]
        return head_classes(rows, others, penalty, seed)

    return select(PENALTIES, as_windows(training), predict).best


def head_classes(
    training: Features, test_values: NDArray[np.float64], penalty: float, seed: int
) -> NDArray[np.int64]:
    """Train the head and return the classes (N,) of feature vectors `test_values` (N, F).

    Features that are positive in all training rows, such as deviations, enter as logarithms: strengths of
    movement spread over orders of magnitude. All are standardised by mean and deviation of the training rows.
    """
    import warnings

    from sklearn.exceptions import ConvergenceWarning
    from sklearn.neural_network import MLPClassifier

    positive = np.all(training.values > 0, axis=0)
    least = np.where(positive, training.values.min(axis=0), 1.0)
    rows, others = (
        np.where(positive, np.log(np.maximum(values, least)), values)
        for values in (training.values, test_values)
    )
    mean, deviation = rows.mean(axis=0), rows.std(axis=0)
    deviation[deviation == 0] = 1
    head = MLPClassifier(
        (HIDDEN,),
        alpha=penalty,
        learning_rate_init=RATE,
        batch_size=min(BATCH, len(training)),
        max_iter=EPOCHS,
        random_state=seed,
    )
    with warnings.catch_warnings():
        # The number of epochs is fixed on purpose; training may stop before convergence.
        warnings.simplefilter("ignore", ConvergenceWarning)
        head.fit((rows - mean) / deviation, training.labels)
    return np.asarray(head.predict((others - mean) / deviation), np.int64)


def _sides(windows: Windows, fold: Fold) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Return the masks (N,) of training and test rows."""
    if fold.test_windows is not None:
        test = np.isin(np.arange(len(windows)), fold.test_windows)
        return ~test, test
    return np.isin(windows.animals, fold.train_animals), np.isin(windows.animals, fold.test_animals)


def as_windows(table: Features) -> Windows:
    """Return the rows as windows without samples, for what asks only for animals and labels.

    `segments` are the rows' numbers.
    """
    return Windows(
        counts=np.zeros((len(table), 0, 0), np.int16),
        labels=table.labels,
        animals=table.animals,
        segments=np.arange(len(table)),
        classes=table.classes,
        rate_hz=1.0,
        counts_per_g=1.0,
        card=table.card,
        simulated=table.simulated,
    )


def _parameters(table: Features, model: str) -> int:
    inputs, classes = table.values.shape[1], len(table.classes)
    return 0 if model == "majority" else (inputs + 1) * HIDDEN + (HIDDEN + 1) * classes
