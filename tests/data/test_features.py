"""Tables of features: for heads only, never for sensor windows."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from builders.places import Folders

from mcukd.data.card import list_cards, load_card
from mcukd.data.features import features_sha256, list_feature_cards, load_feature_card, load_features
from mcukd.errors import UserError

CARD = """
kind = "features"
name = "table"
title = "Table"
description = "For tests."
licence = "none"
citation = "none"
simulated = false
position = "collar"

[source]
folder = "."
file = "table.csv"

[columns]
features = ["mean", "spread"]
animal = "cow"
label = "what"

[classes]
names = ["graze", "rest"]
ignore = ["other"]

[classes.merge]
rest = ["lie"]
"""
ROWS = "cow,what,mean,spread\nA,graze,1,2\nA,lie,3,4\nB,other,5,6\nB,rest,7,8\n"


def write(folder: Path, rows: str = ROWS, card: str = CARD) -> str:
    (folder / "table.csv").write_text(rows, encoding="utf-8")
    (folder / "card.toml").write_text(card, encoding="utf-8")
    return str(folder / "card.toml")


def test_rows_become_vectors_and_ignored_labels_are_left_out(tmp_path: Path) -> None:
    features = load_features(load_feature_card(write(tmp_path)))
    assert features.values.tolist() == [[1, 2], [3, 4], [7, 8]]
    assert features.labels.tolist() == [0, 1, 1]
    assert features.animals.tolist() == ["A", "A", "B"]
    assert features.names == ("mean", "spread") and features.classes == ("graze", "rest")
    assert features.take(features.animals == "B").values.tolist() == [[7, 8]]


def test_a_signal_cannot_be_made_from_features(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no signal can be made"):
        load_card(write(tmp_path))
    with pytest.raises(UserError, match="is of a signal"):
        load_feature_card("herd-sim")


@pytest.mark.parametrize(
    ("rows", "card", "said"),
    [
        (ROWS.replace("7,8", "7,x"), CARD, "line 5: column spread is 'x'"),
        (ROWS.replace("lie", "lei"), CARD, "line 3: the label 'lei' is not in the card table (did you mean"),
        (ROWS.replace("lie", "other").replace("rest", "other"), CARD, "no row of class rest"),
        (ROWS, CARD.replace('"spread"]', '"mean"]'), "'mean' is named twice"),
        (ROWS, CARD.replace("[columns]", "[columns]\nsegment = 1"), "unknown key columns.segment"),
    ],
)
def test_a_broken_table_is_answered_in_one_sentence(tmp_path: Path, rows: str, card: str, said: str) -> None:
    with pytest.raises(UserError) as caught:
        load_features(load_feature_card(write(tmp_path, rows, card)))
    assert said in str(caught.value)


def test_the_identity_follows_the_rows(tmp_path: Path) -> None:
    card = load_feature_card(write(tmp_path))
    before = features_sha256(card)
    assert before == features_sha256(load_feature_card(write(tmp_path)))
    assert before != features_sha256(load_feature_card(write(tmp_path, ROWS + "B,rest,9,9\n")))


def test_bundled_tables_are_not_listed_as_signals() -> None:
    names = {card.name for card in list_feature_cards()}
    assert names == {"arm20c-features", "arm20e-features"}
    assert not names & {card.name for card in list_cards()}


@pytest.mark.parametrize(
    ("name", "animals", "counts"),
    [("arm20c-features", 8, [6156, 4080, 1726]), ("arm20e-features", 6, [5833, 3491, 1555])],
)
def test_arm20_has_the_published_counts(
    real_data: Folders, name: str, animals: int, counts: list[int]
) -> None:
    features = load_features(load_feature_card(name), real_data("arm20-features").parent)
    assert np.bincount(features.labels).tolist() == counts
    assert len(np.unique(features.animals)) == animals
    assert np.isfinite(features.values).all()
