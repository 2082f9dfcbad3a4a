"""Cards: bundled ones load, broken ones are refused with one sentence."""

from __future__ import annotations

from pathlib import Path

import pytest

from mcukd.data.card import list_cards, load_card
from mcukd.errors import UserError
from mcukd.resources import resource_dir

GOOD = (resource_dir("datasets") / "cow-collar.toml").read_text(encoding="utf-8")


def refused(tmp_path: Path, text: str) -> str:
    path = tmp_path / "mine.toml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(UserError) as caught:
        load_card(str(path))
    message = str(caught.value)
    assert str(path) in message
    assert "\n" not in message
    return message


def test_bundled_cards_load_and_say_what_is_simulated() -> None:
    cards = {card.name: card for card in list_cards()}
    assert set(cards) == {"cow-collar", "ucihar-subset", "herd-sim", "herd-sim-eartag"}
    assert [name for name, card in cards.items() if card.simulated] == ["herd-sim", "herd-sim-eartag"]
    for card in cards.values():
        assert card.path is not None
        assert card.path.stem == card.name
        assert card.simulated == ("SIMULATED" in card.description)


def test_the_collar_card_holds_its_contract() -> None:
    card = load_card("cow-collar")
    assert card.classes == ("Grazing", "Resting", "Walking")
    assert (card.window, card.hop, card.train_hop, card.operation_hop) == (50, 50, 25, 50)
    assert (card.rate_hz, card.counts_per_g, card.licence) == (10, 4096, "none stated")


def test_hops_default_to_the_hop() -> None:
    card = load_card("ucihar-subset")
    assert card.train_hop == card.hop == 128
    assert card.operation_hop == 64


def test_an_unknown_name_is_answered_with_the_closest() -> None:
    with pytest.raises(UserError, match=r"did you mean 'cow-collar'\?.*herd-sim"):
        load_card("cow-coller")


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"none\.toml"):
        load_card(str(tmp_path / "none.toml"))


def test_broken_toml_is_named(tmp_path: Path) -> None:
    assert "not valid TOML" in refused(tmp_path, "name = ")


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("train_hop = 25", "trian_hop = 25", "unknown key windows.trian_hop (did you mean 'train_hop'?)"),
        ('folder = "cow-collar"', 'foldr = "cow-collar"', "key source.foldr (did you mean 'folder'?)"),
        ('folder = "cow-collar"', "", "the key source.folder is missing"),
        ('folder = "cow-collar"', 'folder = "x"\nfile = "y"', "unknown key source.file"),
        ('licence = "none stated"', "", "the key licence is missing"),
        ('licence = "none stated"', 'license = "x"', "unknown key license (did you mean 'licence'?)"),
        ("rate_hz = 10", 'rate_hz = "ten"', "signal.rate_hz is 'ten', but"),
        ("rate_hz = 10", "rate_hz = 0", "signal.rate_hz is 0, but"),
        ('units = "m/s2"', 'units = "ms2"', "signal.units is 'ms2', but"),
        (
            'reader = "segments"',
            'reader = "segment"',
            "source.reader is 'segment' (did you mean 'segments'?)",
        ),
        ("hop = 50", "hop = 51", "hop is 51, but at most the window length 50"),
        ("range_g = 8", "range_g = 16", "at most 32768"),
        ("(?P<label>", "(?P<lable>", "(?P<label>…) is expected"),
        ("(?P<label>", "(?P<label", "a regular expression is expected"),
        ('"Standing"', '"Grazing"', "the label 'Grazing' occurs twice"),
        ('position = "collar"', 'position = "coller"', "position is 'coller', but"),
        ('time = "Time"', 'time = "Time"\nanimal = "Cow"', "columns.animal is there"),
        ('"MPU9250_AX", ', "", "columns.acceleration"),
        ("[columns]", "[colums]", "unknown key colums (did you mean 'columns'?)"),
    ],
)
def test_one_sentence_names_the_key(tmp_path: Path, old: str, new: str, expected: str) -> None:
    assert old in GOOD
    message = refused(tmp_path, GOOD.replace(old, new, 1))
    assert expected in message


def test_merging_into_an_unknown_class_is_refused(tmp_path: Path) -> None:
    text = GOOD.replace("[windows]", '[classes.merge]\nLying = ["LyingDown"]\n\n[windows]')
    assert "merge names the class 'Lying'" in refused(tmp_path, text)


def test_a_simulated_card_must_say_so(tmp_path: Path) -> None:
    text = (resource_dir("datasets") / "herd-sim.toml").read_text(encoding="utf-8")
    assert "simulated is false" in refused(tmp_path, text.replace("simulated = true", "simulated = false"))
