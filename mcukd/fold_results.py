"""Reader and writer of the files that keep an evaluation fold's result, and the names of what is in them.

A fold's models are in `evaluation/<fold>-s<seed>.npz`, those of a baseline in
`evaluation/baselines/<baseline>/<fold>-s<seed>.npz`. Both hold `key` (identity of all that decided the
result), `test_index` and `labels` (N,) of the test windows, `train_animals` and `test_animals`, logits (N, K)
for each model and the weights of the students.
"""

from __future__ import annotations

import json
import re
import zipfile
import zlib
from collections.abc import Collection, Iterable, Iterator, Mapping
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mcukd.errors import UserError
from mcukd.files import replacing

EVALUATION = "evaluation"
#: Folder of the baselines' results, in `evaluation`.
BASELINES_FOLDER = "baselines"

#: Models of a fold's file, by their names in `metrics.json`. SEARCHED: the distilled student with the best
#: classifier that a search found, of any kind; DEPLOYABLE: with the best head that a device can run.
TEACHER, STUDENT, DISTILLED = "teacher", "student", "student_distilled"
SEARCHED, DEPLOYABLE = "student_searched", "student_searched_deployable"
TRAINED = (TEACHER, STUDENT, DISTILLED, SEARCHED, DEPLOYABLE)

#: Prefixes of the students' weights. The best student for a device comes last.
WEIGHT_PREFIXES = {STUDENT: "student__", DISTILLED: "student_distilled__", DEPLOYABLE: "student_deployed__"}

#: What NumPy raises for a file that is missing, cut short or something else. RuntimeError: damage that looks
#: like a password or an unknown compression.
UNREADABLE = (OSError, ValueError, EOFError, KeyError, RuntimeError, zipfile.BadZipFile, zlib.error)

_NAME = re.compile(r"(?P<fold>.+)-s(?P<seed>\d+)")


class FoldResult(Mapping[str, NDArray[Any]]):
    """The arrays of one fold with one seed by name, each read when it is asked for; no file stays open.

    Reading raises UserError where the file is missing or damaged, KeyError for an array it does not have.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    def __getitem__(self, name: str) -> NDArray[Any]:
        """Return an array."""
        if name not in self._names:
            raise KeyError(name)
        return self._read(name)

    def __contains__(self, name: object) -> bool:
        """Tell whether there is an array of this name."""
        return name in self._names

    def __iter__(self) -> Iterator[str]:
        """Iterate over the names."""
        return iter(self._names)

    def __len__(self) -> int:
        """Return the number of arrays."""
        return len(self._names)

    @property
    def name(self) -> str:
        """Name of the file without its ending, such as `A-s0`; see `fold_name`."""
        return self.path.stem

    @property
    def fold(self) -> str:
        """Name of the fold, such as `A`; ValueError where the file is not named by fold and seed."""
        return self._named["fold"]

    @property
    def seed(self) -> int:
        """Seed of the training; ValueError where the file is not named by fold and seed."""
        return int(self._named["seed"])

    @property
    def test_index(self) -> NDArray[np.int64]:
        """Indices (N,) of the test windows among the study's evaluation windows."""
        return self._always_there("test_index")

    @property
    def labels(self) -> NDArray[np.int64]:
        """Classes (N,) of the test windows."""
        return self._always_there("labels")

    @property
    def train_animals(self) -> tuple[str, ...] | None:
        """The animals trained on; None in a file of a version that did not note them."""
        return self._texts("train_animals")

    @property
    def test_animals(self) -> tuple[str, ...] | None:
        """The animals tested; None in a file of a version that did not note them."""
        return self._texts("test_animals")

    def has_logits(self, model: str) -> bool:
        """Tell whether the logits of a model of `metrics.json` are here."""
        return logits_name(model) in self

    def logits(self, model: str) -> NDArray[np.float32]:
        """Return the logits (N, K) of a model of `metrics.json` on the test windows."""
        return self[logits_name(model)]

    def has_weights(self, model: str) -> bool:
        """Tell whether the weights of a student, a key of `WEIGHT_PREFIXES`, are here."""
        return _has_weights(self, model)

    @property
    def best_student(self) -> str:
        """The student meant for the device, see `best_student`."""
        return best_student(self)

    def facts(self, name: str) -> dict[str, Any]:
        """Return what an array keeps as JSON, such as `search`."""
        return dict(json.loads(str(self[name])))

    @property
    def _named(self) -> dict[str, str]:
        found = _NAME.fullmatch(self.name)
        if found is None:
            raise ValueError(f"{self.path.name} is not named by fold and seed")
        return found.groupdict()

    def _always_there(self, name: str) -> NDArray[Any]:
        if name not in self:
            raise UserError(f"{self.path}: no array '{name}' in it; run the command that made it again.")
        return self[name]

    @cached_property
    def _names(self) -> tuple[str, ...]:
        return self._read(None)

    def _texts(self, name: str) -> tuple[str, ...] | None:
        return tuple(map(str, self[name])) if name in self else None

    def _read(self, name: str | None) -> Any:
        """Return an array, or without a name the names of all."""
        try:
            with np.load(self.path, allow_pickle=False) as stored:
                return tuple(stored.files) if name is None else stored[name]
        except UNREADABLE as error:
            raise UserError(
                f"{self.path}: missing or damaged ({error}); run the command that made it again."
            ) from error


def best_student(names: Collection[str]) -> str:
    """Return the student meant for the device, given the names of a fold's arrays.

    The one with a searched head, else the distilled one, else the plain one.
    """
    return next((model for model in reversed(WEIGHT_PREFIXES) if _has_weights(names, model)), STUDENT)


def _has_weights(names: Iterable[str], model: str) -> bool:
    return any(name.startswith(WEIGHT_PREFIXES[model]) for name in names)


def fold_name(fold: str, seed: int) -> str:
    """Return the name of a fold with a seed, which is that of its file without the ending."""
    return f"{fold}-s{seed}"


def logits_name(model: str) -> str:
    """Return the name of the array that holds a model's logits; a baseline is alone in its file."""
    return f"{model}_logits" if model in TRAINED else "logits"


def results_folder(study: Path, model: str = DISTILLED) -> Path:
    """Return where the results of a model of `metrics.json` are, given the study's directory."""
    return study / EVALUATION if model in TRAINED else study / EVALUATION / BASELINES_FOLDER / model


def fold_results(study: Path, model: str = DISTILLED) -> list[FoldResult]:
    """Return the results of a model's folds in a study's directory, by name; other files are left out."""
    files = sorted(results_folder(study, model).glob("*.npz"))
    return [FoldResult(file) for file in files if _NAME.fullmatch(file.stem)]


def write_fold_result(
    path: Path,
    *,
    key: str,
    test_index: NDArray[np.int64],
    labels: NDArray[np.int64],
    train_animals: Iterable[str],
    test_animals: Iterable[str],
    arrays: Mapping[str, Any],
) -> None:
    """Write a fold's file in one step. arrays: logits, weights and facts by name."""
    with replacing(path) as temporary:
        np.savez(
            temporary,
            key=np.array(key),
            test_index=test_index,
            labels=labels,
            train_animals=np.array(tuple(train_animals)),
            test_animals=np.array(tuple(test_animals)),
            **arrays,
        )


def remove_other_results(folder: Path, wanted: Iterable[Path]) -> None:
    """Remove the results in a folder that are of other folds and seeds: later stages read all of them."""
    kept = set(wanted)
    for file in folder.glob("*.npz"):
        if file not in kept:
            file.unlink()


def is_made_with(path: Path, key: str) -> bool:
    """Tell whether an `.npz` is there, can be read and was made with this key."""
    return read_text(path, "key").get("key") == key


def read_text(path: Path, *names: str) -> dict[str, str]:
    """Return scalar texts of an `.npz` by name; none where it is missing, damaged or of another kind."""
    try:
        with np.load(path, allow_pickle=False) as stored:
            return {name: str(stored[name]) for name in names if name in stored}
    except UNREADABLE:
        return {}
