"""Cost of each mounting, on herds whose sensors are mounted alike or not."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from builders.data import write_card, write_herd
from typer.testing import CliRunner

from mcukd.cli.app import app
from mcukd.data.card import Card, load_card
from mcukd.data.load import dataset_sha256
from mcukd.data.windows import Windows
from mcukd.errors import UserError
from mcukd.evaluation import mounting
from mcukd.evaluation.mounting import compare_mountings, never_compared, sentence, work


def herd(turned: bool, animals: int = 6, each: int = 16, seed: int = 0) -> Windows:
    """Animals whose two behaviours differ by which way the sensor leans, forward or back.

    turned: about the vertical, by another angle on every animal, so that leaning tells nothing there.
    """
    rng = np.random.default_rng(seed)
    counts, labels, names = [], [], []
    for number in range(animals):
        angle = 2 * np.pi * number / animals if turned else 0.0
        spin = np.array([[np.cos(angle), -np.sin(angle), 0], [np.sin(angle), np.cos(angle), 0], [0, 0, 1]])
        for label in (0, 1):
            lean = np.deg2rad(35) * (1 if label else -1) + rng.normal(0, 0.1, each)
            down = np.stack([np.sin(lean), np.zeros(each), np.cos(lean)], axis=1) @ spin.T
            # Behaviour 1 is also a little livelier, which turning leaves alone.
            strength = (0.10 + 0.04 * label) * rng.lognormal(0, 0.4, each)
            noise = rng.normal(0, 1, (each, 25, 3)) * strength[:, None, None]
            counts.append(np.round(1000 * (down[:, None] + noise)).astype(np.int16))
            labels += [label] * each
            names += [f"a{number}"] * each
    return Windows(
        counts=np.concatenate(counts),
        labels=np.array(labels),
        animals=np.array(names),
        segments=np.arange(len(labels)),
        classes=("forward", "back"),
        rate_hz=25,
        counts_per_g=1000,
        card="made",
        simulated=True,
    )


def silent(steps: int, note: str = "") -> None:
    """Take the place of a bar."""


@pytest.fixture(autouse=True)
def few_trees(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mounting, "TREES", 16)


def test_turning_costs_where_sensors_sit_alike() -> None:
    steps: list[int] = []
    windows = herd(turned=False)
    found = compare_mountings(windows, "turned", 0, lambda done, note="": steps.append(done))
    assert found.best.mounting == "aligned" and found.is_shown
    assert found.best.mcc > 0.9 and found.best.ahead > 0.2
    assert sum(steps) == work(windows) == 12
    assert 'the card\'s "turned" costs 0.' in sentence(found) and 'signal.mounting = "aligned"' in sentence(
        found
    )
    by_name = {one.mounting: one for one in found.costs}
    assert by_name["turned"].cost == pytest.approx(found.best.ahead) and by_name["aligned"].cost == 0
    low, high = by_name["turned"].cost_interval or (0, 0)
    assert 0 < low < by_name["turned"].cost < high


def test_turning_pays_where_sensors_sit_turned() -> None:
    found = compare_mountings(herd(turned=True), "aligned", 0, silent)
    assert found.best.mounting in ("turned", "any")
    assert {one.mounting: one.mcc for one in found.costs}["aligned"] < found.best.mcc


def test_the_same_windows_give_the_same_figures() -> None:
    windows = herd(turned=False, animals=3, each=10)
    assert compare_mountings(windows, "any", 3, silent) == compare_mountings(windows, "any", 3, silent)


def test_a_card_whose_mounting_is_best_is_kept() -> None:
    found = compare_mountings(herd(turned=False), "aligned", 0, silent)
    assert found.best.mounting == "aligned" and not found.is_shown
    assert (
        sentence(found) == 'the card\'s mounting, "aligned", is the best of the three on 6 animals: keep it'
    )


def test_a_lead_within_what_animals_vary_changes_nothing() -> None:
    found = compare_mountings(herd(turned=False), "turned", 0, silent)
    unsure = [replace(one, ahead_interval=(-0.01, 0.4)) for one in found.costs]
    assert "no reason to change the card" in sentence(replace(found, costs=tuple(unsure)))


def test_no_animal_is_in_training_and_test(monkeypatch: pytest.MonkeyPatch) -> None:
    told = mounting.predictions
    pairs: list[tuple[set[str], set[str]]] = []

    def watched(seen: Windows, test: Windows, *rest: Any) -> np.ndarray:
        pairs.append((set(seen.animals), set(test.animals)))
        return told(seen, test, *rest)

    monkeypatch.setattr(mounting, "predictions", watched)
    compare_mountings(herd(turned=False, animals=5, each=8), "any", 0, silent)
    assert len(pairs) == 12 and all(not seen & test for seen, test in pairs)
    assert set.union(*(test for _, test in pairs)) == {f"a{number}" for number in range(5)}


def test_one_animal_is_refused() -> None:
    with pytest.raises(UserError, match="there is one animal, a0; two are needed"):
        compare_mountings(herd(turned=False, animals=1), "any", 0, silent)


def guessed(folder: Path, origin: str = "guess") -> Card:
    path = write_card(folder).path
    assert path is not None
    text = path.read_text(encoding="utf-8")
    path.write_text(
        text.replace("rate_hz = 10", f'rate_hz = 10\nmounting_from = "{origin}"'), encoding="utf-8"
    )
    return load_card(str(path))


def test_where_a_mounting_is_from_is_no_part_of_the_identity(tmp_path: Path) -> None:
    write_herd(tmp_path)
    plain = write_card(tmp_path)
    before = dataset_sha256(plain)
    assert dataset_sha256(guessed(tmp_path)) == before and never_compared(plain) is None
    told = never_compared(guessed(tmp_path))
    assert told is not None and f"mcukd data check {tmp_path / 'card.toml'} --mounting" in told
    assert never_compared(guessed(tmp_path, "compared")) is None


def test_distill_says_that_a_mounting_was_guessed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Told before anything is trained; not where --mounting is given or nothing was guessed."""
    write_herd(tmp_path)
    card = guessed(tmp_path)

    def stop(*_: Any, **__: Any) -> None:
        raise UserError("stopped before training")

    monkeypatch.setattr("mcukd.pipeline.distill.distill", stop)

    def said(run: str, *more: str) -> str:
        arguments = ["distill", "--data", str(card.path), "--run", str(tmp_path / run), *more]
        result = CliRunner().invoke(app, arguments)
        assert "stopped before training" in f"{result.exception}{result.output}"
        return result.output

    assert "is the import's guess" in said("one")
    assert "guess" not in said("two", "--mounting", "any")
    guessed(tmp_path, "compared")
    assert "guess" not in said("three")


def test_the_command_tells_costs_in_text_and_json(tmp_path: Path) -> None:
    write_herd(tmp_path)
    card = write_card(tmp_path)
    text = CliRunner().invoke(app, ["data", "check", str(card.path), "--mounting"])
    assert text.exit_code == 0, text.output
    assert "turned (the card's)" in text.output and "on 2 animals in 2 groups" in text.output
    facts = json.loads(
        CliRunner().invoke(app, ["data", "check", str(card.path), "--mounting", "--json"]).stdout
    )
    assert {one["mounting"] for one in facts["mounting"]["costs"]} == {"aligned", "turned", "any"}
    assert facts["mounting"]["stated"] == "turned" and facts["mounting"]["animals"] == 2
    plain = json.loads(CliRunner().invoke(app, ["data", "check", str(card.path), "--json"]).stdout)
    assert "mounting" not in plain
