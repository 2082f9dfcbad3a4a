"""Splits by whole animals."""

from __future__ import annotations

from typing import Optional

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mcukd.data.folds import make_folds, natural_order
from mcukd.data.windows import Windows
from mcukd.errors import UserError


def herd(
    animals: list[str], labels: Optional[list[int]] = None, split: Optional[list[str]] = None
) -> Windows:
    """Windows of every class for every animal, or one window with the given label each."""
    if labels is None:
        animals, labels = animals * 2, [0] * len(animals) + [1] * len(animals)
    n = len(animals)
    return Windows(
        counts=np.zeros((n, 4, 3), dtype=np.int16),
        labels=np.array(labels),
        animals=np.array(animals),
        segments=np.arange(n),
        classes=("a", "b"),
        rate_hz=10.0,
        counts_per_g=100.0,
        card="made-up",
        simulated=True,
        split=None if split is None else np.array(split),
    )


@given(
    animals=st.lists(st.text("abc0123456789", min_size=1, max_size=4), min_size=2, max_size=12, unique=True)
)
def test_loao_leaves_each_animal_out_once(animals: list[str]) -> None:
    folds = make_folds(herd(animals), "loao")
    assert sorted(fold.test_animals for fold in folds) == sorted((animal,) for animal in animals)
    for fold in folds:
        assert not set(fold.train_animals) & set(fold.test_animals)
        assert set(fold.train_animals) | set(fold.test_animals) == set(animals)


def test_animals_are_counted_like_people_count() -> None:
    folds = make_folds(herd(["10", "2", "cow9", "cow10"]), "loao")
    assert [fold.name for fold in folds] == sorted(["2", "10", "cow9", "cow10"], key=natural_order)
    assert [fold.name for fold in folds if fold.name.startswith("cow")] == ["cow9", "cow10"]


def test_fold_names_are_fit_for_files() -> None:
    assert [fold.name for fold in make_folds(herd(["a/b", "c d"]), "loao")] == ["a_b", "c_d"]


def test_holdout_takes_a_quarter_and_always_the_same() -> None:
    windows = herd([str(number) for number in range(10)])
    (fold,), (again,) = make_folds(windows, "holdout"), make_folds(windows, "holdout")
    assert fold == again
    assert (fold.name, len(fold.test_animals), len(fold.train_animals)) == ("holdout", 3, 7)


def test_holdout_by_name() -> None:
    (fold,) = make_folds(herd(["1", "2", "3"]), "holdout=3, 1")
    assert (fold.train_animals, fold.test_animals) == (("2",), ("1", "3"))


def test_official_follows_the_source() -> None:
    windows = herd(["1", "2", "3"] * 2, [0, 0, 0, 1, 1, 1], ["train", "test", "train"] * 2)
    (fold,) = make_folds(windows, "official")
    assert (fold.train_animals, fold.test_animals) == (("1", "3"), ("2",))


@pytest.mark.parametrize(
    ("split", "expected"),
    [
        ("holdout=sim01x", r"holds out animal 'sim01x' \(did you mean 'sim01'\?\).*sim01, sim02"),
        ("holdout=", "names no animal"),
        ("holdout=sim01,sim02", "holds out every animal"),
        ("official", "no official split"),
        ("random", "'random' is unknown"),
        ("laoo", r"did you mean 'loao'\?"),
    ],
)
def test_what_cannot_be_split_is_said(split: str, expected: str) -> None:
    with pytest.raises(UserError, match=expected):
        make_folds(herd(["sim01", "sim02"]), split)


def test_a_class_missing_from_training_is_said() -> None:
    windows = herd(["1", "1", "2"], [0, 1, 0])
    with pytest.raises(
        UserError, match=r"fold 1: the class b has no window among the training animals \(2\)"
    ):
        make_folds(windows, "loao")


def test_one_animal_cannot_be_split() -> None:
    with pytest.raises(UserError, match="one animal, 1"):
        make_folds(herd(["1"]), "loao")


def test_an_official_split_inside_an_animal_is_refused() -> None:
    windows = herd(["1", "1", "2", "2"], [0, 1, 0, 1], ["train", "test", "train", "train"])
    with pytest.raises(UserError, match="animal 1 in both parts"):
        make_folds(windows, "official")
