"""Check of data against its card, resampling, and the survey that both use."""

from __future__ import annotations

import json
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from builders.data import samples, write_card, write_herd, write_segment
from builders.places import Folders
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from mcukd.cli.app import app
from mcukd.data.calibration import estimate
from mcukd.data.card import Card, load_card
from mcukd.data.load import dataset_sha256, load_windows
from mcukd.data.quality.check import Checked, Timeline, check
from mcukd.data.quality.survey import survey
from mcukd.data.raw_segments import RawSegment
from mcukd.data.recordings import Recording
from mcukd.data.resample import band_limit, ratio, resampled
from mcukd.errors import UserError


def of_kind(checked: Checked, kind: str) -> list[str]:
    return [one.sentence for one in checked.findings if one.kind == kind]


def test_a_sound_herd_has_no_problem(tmp_path: Path) -> None:
    write_herd(tmp_path, rate_hz=10)
    checked = check(write_card(tmp_path, time=True))
    assert not [one for one in checked.findings if one.weight == "problem"]
    assert checked.gravity_axis == "+z"
    assert checked.animals["A"]["rate_hz"] == pytest.approx(10)
    assert all(one.sentence and one.effect for one in checked.findings)


def test_units_of_another_kind_are_a_problem(tmp_path: Path) -> None:
    write_herd(tmp_path, scale=9.80665)
    sentences = of_kind(check(write_card(tmp_path)), "gravity")
    assert len(sentences) == 2 and "9.8" in sentences[0]


def test_rate_gaps_and_jitter_are_reported(tmp_path: Path) -> None:
    write_herd(tmp_path, rate_hz=10.5)
    write_segment(tmp_path, "graze/C9.csv", samples(40), 10)
    path = tmp_path / "graze/C9.csv"
    lines = path.read_text(encoding="utf-8").split("\n")
    del lines[20:30]
    path.write_text("\n".join(lines), encoding="utf-8")
    checked = check(write_card(tmp_path, time=True))
    assert any(
        "animal A: stamps give 10.5 Hz, +5.0% off" in sentence for sentence in of_kind(checked, "rate")
    )
    assert of_kind(checked, "gaps") == [
        "animal C: 1 gap with 1 s missing, the longest step 1.1 s; it costs 10 rows = 1 s = 33.3 % of the "
        "labelled rows (1 window)"
    ]


def test_clipping_and_the_range_of_the_board_are_told_apart(tmp_path: Path) -> None:
    write_herd(tmp_path)
    values = samples(400)
    values[::10, 2] = 2.0
    write_segment(tmp_path, "graze/C9.csv", values)
    values = samples(400, seed=3)
    values[::20, 2] = np.linspace(9, 12, 20)
    write_segment(tmp_path, "graze/D9.csv", values)
    checked = check(write_card(tmp_path))
    assert [s for s in of_kind(checked, "clipping") if "animal C: 40 values lie exactly at ±2 g" in s]
    assert [s for s in of_kind(checked, "range") if "animal D: 5.00% of the vectors" in s]


def test_copies_across_files_are_found(tmp_path: Path) -> None:
    write_herd(tmp_path)
    (tmp_path / "graze/B9.csv").write_bytes((tmp_path / "graze/A1.csv").read_bytes())
    assert "1 recording is a copy of another" in of_kind(check(write_card(tmp_path)), "copies")[0]


def test_a_dead_axis_and_an_unknown_label_are_problems(tmp_path: Path) -> None:
    write_herd(tmp_path)
    values = samples(200)
    values[:, 1] = 0.25
    write_segment(tmp_path, "graze/C9.csv", values)
    write_segment(tmp_path, "fly/C8.csv", samples(200, seed=4))
    checked = check(write_card(tmp_path))
    assert "the labels fly are in the data but not in the card" in of_kind(checked, "labels")[0]
    values[:, 1] = 0.25
    write_segment(tmp_path, "fly/C8.csv", values)
    assert of_kind(check(write_card(tmp_path)), "constant") == ["animal C: axis y never changes"]


def test_recordings_turned_over_within_an_animal_are_found(tmp_path: Path) -> None:
    write_herd(tmp_path)
    for number in range(4):
        write_segment(tmp_path, f"graze/C{number}.csv", samples(40, seed=number) * (1 if number else -1))
    flips = of_kind(check(write_card(tmp_path)), "flip")
    assert len(flips) == 1 and "animal C: 1 of its 4 recordings have z the other way round" in flips[0]


@pytest.mark.parametrize("offset", [0.0, 0.08])
def test_calibration_errors_are_estimated_where_postures_cover_the_sphere(offset: float) -> None:
    rng = np.random.default_rng(0)
    true = rng.normal(size=(300, 3))
    true /= np.linalg.norm(true, axis=1, keepdims=True)
    gain = np.array([1.05, 0.97, 1.0])
    found, why = estimate(true * gain + [offset, 0.0, -offset])
    assert found is not None and why == ""
    assert np.allclose(found.offset_g, [offset, 0, -offset], atol=2e-3)
    assert np.allclose(found.gain_error, gain - 1, atol=5e-3)


def test_calibration_is_not_guessed_where_they_do_not() -> None:
    found, why = estimate(np.tile([0.0, 0.1, 0.99], (100, 1)))
    assert found is None and "never pointed both up and down" in why


def run_of(label: str, length: int, place: str = "p") -> RawSegment:
    return RawSegment("A", label, place, np.ones((length, 3)), None, "here")


@given(st.lists(st.integers(1, 30), min_size=1, max_size=8), st.integers(2, 12), st.integers(1, 12))
def test_mixed_windows_are_counted_as_by_hand(lengths: list[int], window: int, hop: int) -> None:
    timeline = Timeline(window, hop)
    for number, length in enumerate(lengths):
        timeline.add(run_of("ab"[number % 2], length))
    timeline.close()
    each = np.repeat(np.arange(len(lengths)), lengths)
    cut = [each[start : start + window] for start in range(0, len(each) - window + 1, hop)]
    assert timeline.windows["A"] == len(cut)
    assert timeline.mixed["A"] == sum(len(set(piece.tolist())) > 1 for piece in cut)


@given(st.lists(st.integers(1, 50), min_size=1, max_size=6))
def test_a_survey_of_pieces_is_that_of_the_whole(cuts: list[int]) -> None:
    values = np.random.default_rng(sum(cuts)).normal(0, 1, (sum(cuts), 3))
    stamps = np.arange(len(values)) / 10
    ends = np.cumsum(cuts)
    runs = [
        RawSegment(
            "A", "x", "p", values[stop - n : stop], stamps[stop - n : stop], "o", whole=bool(stop == ends[-1])
        )
        for n, stop in zip(cuts, ends)
    ]
    whole = survey([RawSegment("A", "x", "p", values, stamps, "o")]).animals["A"]
    parts = survey(runs).animals["A"]
    assert parts.samples == whole.samples and parts.labels == whole.labels
    assert np.array_equal(parts.lengths, whole.lengths) and np.array_equal(parts.low, whole.low)
    assert len(parts.places) == 1 and np.allclose(parts.places[0].mean, whole.places[0].mean)
    assert parts.gap_count == whole.gap_count == 0 and not parts.transitions
    assert parts.step == (pytest.approx(whole.step) if whole.step else None)


def test_simulated_herds_are_checked_and_called_so() -> None:
    from mcukd.data.simulation.simulator import resized

    checked = check(resized(load_card("herd-sim"), 2, 5))
    assert checked.as_dict()["simulated"] is True
    assert not [one for one in checked.findings if one.kind == "swap"]


def test_a_bundled_card_of_the_cows_reports_what_is_known_of_them(real_data: Folders) -> None:
    checked = check(load_card("cow-collar"), real_data("cow-collar").parent)
    assert of_kind(checked, "rate") == ["stamps give 10 Hz, and the card says 10 Hz"]
    assert "read as m/s2" in of_kind(checked, "units")[0] and checked.gravity_axis == "-z"
    overlap = [s for s in of_kind(checked, "overlap") if s.startswith("Resting and Standing look alike")]
    assert len(overlap) == 1 and "hardly better than guessing" in overlap[0]


def test_the_page_stands_alone_and_is_the_same_every_time(tmp_path: Path) -> None:
    from mcukd.data.quality.page import render

    write_herd(tmp_path, rate_hz=10)
    card = write_card(tmp_path, time=True)
    page = render(check(card))
    assert page == render(check(card))
    assert page.count("<svg") >= 3 and "http" not in page and "Findings" in page


def test_the_command_prints_facts_for_scripts(tmp_path: Path) -> None:
    write_herd(tmp_path)
    write_card(tmp_path)
    page = tmp_path / "page.html"
    result = CliRunner().invoke(app, ["data", "check", str(tmp_path), "--json", "--page", str(page)])
    assert result.exit_code == 0, result.output
    facts = json.loads(result.output)
    assert facts["units"] == "g" and facts["gravity_axis"] == "+z" and page.is_file()
    text = CliRunner().invoke(app, ["data", "check", str(tmp_path)])
    assert "In training:" in text.output


def with_rate(folder: Path, resample_hz: float, **changes: Any) -> Card:
    path = write_card(folder, **changes).path
    assert path is not None
    text = path.read_text(encoding="utf-8").replace(
        "rate_hz = 10", f"rate_hz = 10\nresample_hz = {resample_hz:g}"
    )
    path.write_text(text, encoding="utf-8")
    return load_card(str(path))


def test_resampling_keeps_level_and_tone_and_removes_what_would_fold(tmp_path: Path) -> None:
    card = with_rate(tmp_path, 5)
    t = np.arange(400) / 10
    wave = np.sin(2 * np.pi * 1.0 * t)
    folding = 0.5 * np.sin(2 * np.pi * 4.0 * t)
    sample = np.stack([wave, folding, np.full(400, -0.95)], axis=1)
    (one,) = resampled(card, [Recording("A", "graze", sample, "here")])
    assert len(one.samples) == 200
    inner = slice(20, -20)
    assert np.abs(one.samples[inner, 0] - wave[::2][inner]).max() < 0.02
    assert np.abs(one.samples[inner, 1]).max() < 0.02
    # Gravity does not ring at the ends.
    assert np.abs(one.samples[:, 2] + 0.95).max() < 2e-3


def test_resampling_is_part_of_the_identity_and_of_the_window(tmp_path: Path) -> None:
    write_herd(tmp_path)
    plain = dataset_sha256(write_card(tmp_path))
    card = with_rate(tmp_path, 25, length=25, hop=25, train_hop=5)
    assert dataset_sha256(card) != plain and card.rate_hz == 25
    windows = load_windows(card)
    assert windows.rate_hz == 25 and windows.counts.shape[1] == 25 and len(windows) == 16
    assert [one for one in check(card).findings if one.kind == "band-limit"]


def test_rates_without_a_simple_ratio_are_one_sentence(tmp_path: Path) -> None:
    card = with_rate(tmp_path, 50)
    with pytest.raises(UserError, match="a fraction of numbers up to 1000"):
        ratio(card.signal.model_copy(update={"resample_hz": 12345.678}))
    assert ratio(card.signal.model_copy(update={"resample_hz": 62.5})) == Fraction(25, 4)


def test_band_limit_is_said_only_upwards(tmp_path: Path) -> None:
    assert band_limit(with_rate(tmp_path, 5).signal) is None
    assert "nothing above 5 Hz" in str(band_limit(with_rate(tmp_path, 50).signal))


def test_windows_that_come_cut_are_not_resampled() -> None:
    card = load_card("ucihar-subset")
    content = card.model_dump(by_alias=True)
    content["signal"]["resample_hz"] = 25
    with pytest.raises(ValueError, match="windows come cut"):
        Card.model_validate(content)
