"""Accuracy of simple models on the simulated herds, on held-out animals (docs/experiments/simulator.md).

Compares features of posture and strength (mean, deviation) with features of rhythm (spectra). Prints its
table in some minutes:

    python experiments/simulator_difficulty.py
"""

from __future__ import annotations

import numpy as np
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import matthews_corrcoef
from sklearn.model_selection import GroupKFold, cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from mcukd.data.card import load_card
from mcukd.data.load import load_windows

CARDS = ("herd-sim", "herd-sim-eartag")
SEEDS = (0, 1)
SPECTRUM_BINS = 60
COARSE_FROM = 30
LAGS = slice(5, 128, 2)


def level_and_vigour(g: np.ndarray) -> np.ndarray:
    """Mean and standard deviation per axis: (N, T, 3) in g → (N, 6)."""
    return np.concatenate([g.mean(1), g.std(1)], axis=1)


def rhythm(g: np.ndarray) -> np.ndarray:
    """Level, vigour, log spectra of axes and length, autocorrelation of the jerk: (N, T, 3) → (N, F)."""
    length = np.linalg.norm(g, axis=2, keepdims=True)
    moving = np.concatenate([g, length], axis=2)
    moving = (moving - moving.mean(1, keepdims=True)) * np.hanning(g.shape[1])[None, :, None]
    spectra = np.log(np.abs(np.fft.rfft(moving, axis=1))[:, 1:SPECTRUM_BINS] ** 2 + 1e-4)
    fine, coarse = spectra[:, :COARSE_FROM], spectra[:, COARSE_FROM:].mean(2)
    jerk = np.abs(np.diff(g, axis=1)).sum(2)
    jerk -= jerk.mean(1, keepdims=True)
    lagged = np.fft.irfft(np.abs(np.fft.rfft(jerk, 2 * g.shape[1], axis=1)) ** 2, axis=1)
    envelope = lagged[:, LAGS] / lagged[:, :1]
    return np.concatenate([level_and_vigour(g), fine.reshape(len(g), -1), coarse, envelope], axis=1)


def main() -> None:
    """Print one row per card, seed and model: accuracy and MCC of pooled predictions."""
    linear = make_pipeline(StandardScaler(), LogisticRegression(max_iter=2000))
    forest = RandomForestClassifier(300, max_features=0.2, min_samples_leaf=2, random_state=0, n_jobs=-1)
    models = (
        ("logistic regression, mean and deviation", linear, level_and_vigour),
        ("random forest, mean and deviation", forest, level_and_vigour),
        ("random forest, spectra and autocorrelation", forest, rhythm),
    )
    for name in CARDS:
        for seed in SEEDS:
            windows = load_windows(load_card(name), seed=seed)
            g = windows.counts / windows.counts_per_g
            for title, model, features in models:
                predicted = cross_val_predict(
                    model, features(g), windows.labels, groups=windows.animals, cv=GroupKFold(5)
                )
                accuracy = (predicted == windows.labels).mean()
                mcc = matthews_corrcoef(windows.labels, predicted)
                print(f"| {name} | {seed} | {title} | {accuracy:.3f} | {mcc:.3f} |", flush=True)


if __name__ == "__main__":
    main()
