"""Splits by whole animals."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mcukd.data.folds import inner_folds, make_folds, natural_order, without_shared_samples
from mcukd.data.windows import Windows
from mcukd.errors import UserError


def herd(animals: list[str], labels: list[int] | None = None, split: list[str] | None = None) -> Windows:
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
        ("randomly", r"did you mean 'random'\?"),
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


@given(
    animals=st.lists(st.text("abc0123456789", min_size=1, max_size=4), min_size=2, max_size=12, unique=True),
    parts=st.integers(2, 12),
)
def test_groups_of_animals_leave_each_animal_out_once(animals: list[str], parts: int) -> None:
    if parts > len(animals):
        with pytest.raises(UserError, match=f"expected 2 to {len(animals)}"):
            make_folds(herd(animals), f"animals={parts}")
        return
    folds = make_folds(herd(animals), f"animals={parts}")
    held_out = [animal for fold in folds for animal in fold.test_animals]
    assert sorted(held_out) == sorted(animals) and len(folds) == parts
    assert max(len(fold.test_animals) for fold in folds) <= -(-len(animals) // parts)
    for fold in folds:
        assert set(fold.train_animals) == set(animals) - set(fold.test_animals)


@pytest.mark.parametrize("split", ["animals=", "animals=1", "animals=x", "animals=99", "animals=-2"])
def test_a_number_of_groups_that_cannot_be_is_a_sentence(split: str) -> None:
    with pytest.raises(UserError, match="expected 2 to 3"):
        make_folds(herd(["a", "b", "c"]), split)


def test_k_fold_by_animal_is_five_groups_or_as_many_as_there_are_animals() -> None:
    assert len(make_folds(herd(list("abcdefgh")), "k-fold-by-animal")) == 5
    assert len(make_folds(herd(list("abc")), "k-fold-by-animal")) == 3


def test_random_deals_every_window_once_with_its_share_of_each_class() -> None:
    windows = herd(["a", "b", "c"], labels=None)
    many = windows.take(np.tile(np.arange(len(windows)), 50))
    folds = make_folds(many, "random")
    tested = sorted(number for fold in folds for number in fold.test_windows or ())
    assert tested == list(range(len(many)))
    for fold in folds:
        assert fold.test_windows is not None
        shares = np.bincount(many.labels[list(fold.test_windows)])
        assert max(shares) - min(shares) <= 1


def test_random_training_windows_share_no_sample_with_test_windows() -> None:
    """Overlapping training windows around a test window are left out, or they would hold half of it."""
    length, hop, train_hop = 4, 4, 2
    recordings = [21, 9, 4]
    evaluation, training = (
        [(n, start) for n, size in enumerate(recordings) for start in range(0, size - length + 1, step)]
        for step in (hop, train_hop)
    )

    def cut(places: list[tuple[int, int]]) -> Windows:
        made = herd(["a"] * len(places), [0] * len(places))
        return replace(made, segments=np.array([n for n, _ in places]))

    test = np.array([0, 2, 5])
    kept = without_shared_samples(cut(training), cut(evaluation), test, hop, train_hop)
    for number, (segment, start) in enumerate(training):
        touches = any(evaluation[t][0] == segment and abs(evaluation[t][1] - start) < length for t in test)
        assert (number in kept) == (not touches)


@given(
    animals=st.lists(st.text("abc0123456789", min_size=1, max_size=4), min_size=2, max_size=12, unique=True)
)
def test_inner_folds_know_no_animal_but_those_given(animals: list[str]) -> None:
    folds = inner_folds(animals)
    assert len(folds) == min(3, len(animals))
    assert sorted(a for fold in folds for a in fold.test_animals) == sorted(animals)
    for fold in folds:
        assert set(fold.train_animals) | set(fold.test_animals) == set(animals)
        assert not set(fold.train_animals) & set(fold.test_animals)


def test_inner_folds_of_one_animal_are_refused() -> None:
    with pytest.raises(UserError, match="two are needed"):
        inner_folds(["a"])
