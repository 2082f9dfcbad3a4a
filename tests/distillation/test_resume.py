"""Resuming of a killed `mcukd distill`: the weights are those of an uninterrupted run."""

from __future__ import annotations

import os
import random
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from builders.data import write_moving_herd

OPTIONS = (
    *("--split", "holdout=C", "--seeds", "3,", "--jobs", "1", "--no-baselines"),
    *("--epochs", "60", "--teacher-epochs", "40", "--teacher-width", "8"),
    *("--gru-units", "4", "--dense-units", "4"),
)


def _start(card: Path, run: Path) -> subprocess.Popen[bytes]:
    argv = [sys.executable, "-m", "mcukd", "distill", "--data", str(card), "--run", str(run), *OPTIONS]
    environment = {**os.environ, "MCUKD_DATA": str(card.parent), "MCUKD_CHECKPOINT_SECONDS": "0.2"}
    return subprocess.Popen(argv, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, env=environment)


def _finish(process: subprocess.Popen[bytes]) -> None:
    _, error = process.communicate(timeout=600)
    assert process.returncode == 0, error.decode()


def _checkpoints(run: Path) -> dict[Path, float]:
    return {path: path.stat().st_mtime for path in run.glob("**/.unfinished/*/*.npz")}


def _weights(run: Path) -> dict[str, np.ndarray]:
    import keras

    arrays = {}
    for name in ("teacher", "student"):
        model = keras.models.load_model(run / f"{name}.keras")
        arrays.update({f"{name}{n}": weight for n, weight in enumerate(model.get_weights())})
    with np.load(run / "evaluation" / "holdout-s3.npz") as fold:
        arrays.update({name: fold[name] for name in fold.files if name != "key"})
    return arrays


@pytest.mark.slow
def test_killed_three_times_at_random_moments_it_ends_with_the_same_weights(tmp_path):
    card = write_moving_herd(tmp_path, 4000).path
    _finish(_start(card, tmp_path / "unbroken"))
    run, moments = tmp_path / "broken", random.Random(7)
    for _ in range(3):
        before = _checkpoints(run)
        process = _start(card, run)
        deadline = time.monotonic() + 300
        while _checkpoints(run) == before and process.poll() is None:
            assert time.monotonic() < deadline, "nothing was saved"
            time.sleep(0.05)
        time.sleep(moments.uniform(0, 2))
        assert process.poll() is None, "it was finished before it could be killed"
        process.kill()
        process.communicate()
        time.sleep(1)  # its worker notices, and writes no more
    assert _checkpoints(run), "a killed run leaves something to go on from"
    _finish(_start(card, run))
    assert not list(run.glob("**/.unfinished"))
    expected, found = _weights(tmp_path / "unbroken"), _weights(run)
    assert expected.keys() == found.keys()
    for name, array in expected.items():
        np.testing.assert_array_equal(array, found[name], err_msg=name)
