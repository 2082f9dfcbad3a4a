"""Simulated herd: reproducible, fast, physically plausible, and without label leaks."""

from __future__ import annotations

import json
import time
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from mcukd.cli.app import app
from mcukd.data.card import load_card
from mcukd.data.load import load_windows
from mcukd.data.simulation.export import export_simulation
from mcukd.data.simulation.simulator import resized, simulate
from mcukd.data.windows import Windows
from mcukd.errors import UserError

CARDS = ("herd-sim", "herd-sim-eartag")


@pytest.fixture(scope="module", params=CARDS)
def windows(request: pytest.FixtureRequest) -> Windows:
    return load_windows(load_card(request.param))


def test_the_default_herd_has_the_promised_size(windows: Windows) -> None:
    assert windows.simulated
    assert 2500 <= len(windows) <= 3000
    assert windows.counts.shape[1:] == (256, 3)
    assert len(set(windows.animals)) == 10
    for animal in set(windows.animals):
        assert (np.bincount(windows.labels[windows.animals == animal], minlength=5) >= 15).all()


def test_the_default_herd_is_made_in_two_seconds_of_processor_time() -> None:
    card = load_card("herd-sim")
    start = time.process_time()
    load_windows(card)
    assert time.process_time() - start < 2


@pytest.mark.parametrize("name", CARDS)
def test_the_same_seed_gives_the_same_samples_and_another_does_not(name: str) -> None:
    card = resized(load_card(name), 2, 5)
    first, again, other = simulate(card, 3), simulate(card, 3), simulate(card, 4)
    assert all(np.array_equal(a.samples, b.samples) for a, b in zip(first, again))
    assert not np.array_equal(first[0].samples[:200], other[0].samples[:200])


def test_a_larger_herd_begins_with_the_smaller_one() -> None:
    card = load_card("herd-sim")
    small, large = simulate(resized(card, 2, 5), 0), simulate(resized(card, 3, 5), 0)
    assert all(np.array_equal(a.samples, b.samples) for a, b in zip(small, large))


def test_samples_are_steps_of_a_12_bit_sensor(windows: Windows) -> None:
    assert windows.counts_per_g == 512
    assert windows.counts.min() >= -2048
    assert windows.counts.max() <= 2047


def test_gravity_lies_where_the_published_tags_have_it() -> None:
    collar, ear = (
        load_windows(load_card(name)).counts.mean((0, 1)) / 512 for name in ("herd-sim", "herd-sim-eartag")
    )
    assert collar[2] == pytest.approx(-0.81, abs=0.08)
    assert collar[0] == pytest.approx(0.36, abs=0.08)
    assert ear[0] == pytest.approx(0.83, abs=0.08)


def test_chewing_has_a_rhythm_near_one_hertz_and_resting_has_none() -> None:
    windows = load_windows(load_card("herd-sim"))

    def peak(name: str) -> tuple[float, float]:
        """Median over windows of the strongest rate on the jaw's axis (y), and of its share of the power."""
        y = windows.counts[windows.labels == windows.classes.index(name), :, 1].astype(float)
        power = np.abs(np.fft.rfft((y - y.mean(1, keepdims=True)) * np.hanning(256), axis=1)) ** 2
        hz = np.fft.rfftfreq(256, 1 / 50)
        band = (hz > 0.7) & (hz < 5)
        strongest = power[:, band].argmax(1)
        share = power[:, band].max(1) / power[:, band].sum(1)
        return float(np.median(hz[band][strongest])), float(np.median(share))

    chewing_hz, chewing_share = peak("ruminating")
    assert 0.9 < chewing_hz < 1.4
    assert chewing_share > 2 * peak("resting")[1]


def test_level_and_vigour_alone_do_not_tell_the_behaviours(windows: Windows) -> None:
    """Logistic regression on mean and deviation per axis stays below .75 on animals it has not seen."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import GroupKFold, cross_val_predict
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    counts = windows.counts.astype(float)
    features = np.concatenate([counts.mean(1), counts.std(1)], axis=1)
    model = make_pipeline(StandardScaler(), LogisticRegression(max_iter=300))
    predicted = cross_val_predict(model, features, windows.labels, groups=windows.animals, cv=GroupKFold(5))
    assert 0.4 < (predicted == windows.labels).mean() < 0.75


@pytest.mark.parametrize("name", CARDS)
def test_written_herd_reads_back_to_the_same_counts(tmp_path: Path, name: str) -> None:
    card = resized(load_card(name), 3, 6)
    written = load_card(str(export_simulation(card, tmp_path / "herd", seed=5)))
    assert written.simulated
    assert "SIMULATED" in written.description
    for training in (False, True):
        here, there = load_windows(card, training=training, seed=5), load_windows(written, training=training)
        np.testing.assert_array_equal(here.counts, there.counts)
        np.testing.assert_array_equal(here.labels, there.labels)
        assert here.animals.tolist() == there.animals.tolist()


def test_a_folder_with_content_is_refused_and_left_alone(tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("precious", encoding="utf-8")
    result = CliRunner().invoke(app, ["data", "simulate", "--out", str(tmp_path)])
    assert isinstance(result.exception, UserError)
    assert "not an empty folder" in str(result.exception)
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]


def test_an_interrupted_simulation_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("mcukd.data.simulation.export.write_segment", stop)
    with pytest.raises(KeyboardInterrupt):
        export_simulation(resized(load_card("herd-sim"), 2, 5), tmp_path / "herd")
    assert list(tmp_path.iterdir()) == []


def test_a_recorded_card_cannot_be_simulated() -> None:
    with pytest.raises(UserError, match="recorded data"):
        resized(load_card("cow-collar"), 3)


def test_simulate_then_describe_on_the_command_line(tmp_path: Path) -> None:
    runner, out = CliRunner(), tmp_path / "herd"
    made = runner.invoke(
        app, ["data", "simulate", "--out", str(out), "--animals", "2", "--minutes", "5", "--seed", "2"]
    )
    assert made.exit_code == 0, made.output
    described = runner.invoke(app, ["data", "describe", str(out / "card.toml"), "--json"])
    assert described.exit_code == 0, described.output
    facts = json.loads(described.stdout)
    assert facts["simulated"] is True
    assert facts["animals"] == ["sim001", "sim002"]
    assert facts["total"] == sum(sum(counts.values()) for counts in facts["windows"].values()) > 80
    assert facts["splits"]["loao"]["folds"] == 2
    assert "no official split" in facts["splits"]["official"]["reason"]
    table = runner.invoke(app, ["data", "describe", str(out / "card.toml")])
    assert "SIMULATED" in table.stdout
    assert "ruminating" in table.stdout


def test_list_says_what_is_found(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("MCUKD_DATA", raising=False)
    (tmp_path / "cow-collar").mkdir()
    listed = CliRunner().invoke(app, ["data", "list", "--json", "--data-root", str(tmp_path)])
    facts = {fact["name"]: fact for fact in json.loads(listed.stdout)}
    assert facts["cow-collar"]["found"] is True
    assert facts["ucihar-subset"]["found"] is False
    assert facts["herd-sim"] == {**facts["herd-sim"], "found": True, "simulated": True, "folder": None}
    assert "not found" in CliRunner().invoke(app, ["data", "list", "--data-root", str(tmp_path)]).stdout
