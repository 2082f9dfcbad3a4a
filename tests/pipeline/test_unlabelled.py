"""Recordings without labels in training: sampled, compared with the labelled data, and refused."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from builders.imported import bring_in, herd
from builders.training import run_here
from pyarrow import parquet

from mcukd.classify.inputs import find_recordings
from mcukd.classify.recording import Layout
from mcukd.data.card import Card, load_card
from mcukd.data.load import load_windows
from mcukd.data.windows import NO_LABEL
from mcukd.distillation.config import DistillConfig
from mcukd.errors import UserError
from mcukd.pipeline import distill as distill_stage
from mcukd.pipeline import unlabelled as sampling
from mcukd.pipeline.distill import distill
from mcukd.pipeline.unlabelled import recorded_windows, recordings_sha256, sampled_windows
from mcukd.study import Study


@pytest.fixture(scope="module")
def imported(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Card, Path]]:
    """The card of a herd with labels, and the folder of its recordings without."""
    folder = tmp_path_factory.mktemp("herd")
    herd(folder / "labelled")
    made = bring_in(folder / "labelled", folder / "card", convert=True)
    herd(folder / "month", "time,ax,ay,az")
    bring_in(folder / "month", folder / "winter", unlabelled=True)
    yield load_card(str(made.cards[0])), folder / "winter"


def config_of(path: Path, **options) -> DistillConfig:
    return DistillConfig(unlabelled=str(path), **options)


def test_windows_are_counts_of_the_cards_sensor(imported):
    card, folder = imported
    training = load_windows(card, training=True)
    found = recorded_windows(config_of(folder, unlabelled_ratio=0.5), card, training)
    assert found is not None and len(found) == round(0.5 * len(training))
    assert set(found.labels) == {NO_LABEL} and set(found.animals) == {"bella", "max"}
    assert found.counts.dtype == np.int16 and found.counts.shape[1:] == training.counts.shape[1:]
    np.testing.assert_allclose(found.counts.mean((0, 1)), training.counts.mean((0, 1)), rtol=0.1, atol=30)
    again = recorded_windows(config_of(folder, unlabelled_ratio=0.5), card, training)
    np.testing.assert_array_equal(again.counts, found.counts)
    other = recorded_windows(config_of(folder, unlabelled_ratio=0.5, seed=7), card, training)
    assert not np.array_equal(other.counts, found.counts)
    assert recorded_windows(DistillConfig(), card, training) is None


def test_a_window_crosses_no_gap_and_lies_in_the_recording(imported, monkeypatch, tmp_path):
    card, folder = imported
    layout = Layout(card.axes, card.rate_hz, card.counts_per_g, start_ns=0)
    one = find_recordings([folder], layout)[0]
    table = parquet.read_table(one.path)
    split = tmp_path / one.path.name
    parquet.write_table(table, split, row_group_size=1000)
    window = 260  # divides neither a row group's stretch nor the gap's place
    every = sampled_windows(replace(one, path=split), window, 10**6, 0)
    segments = table.column("segment").to_numpy()
    whole = np.stack([table.column(name).to_numpy() for name in "xyz"], axis=1).astype(np.float64)
    counts = np.floor(whole / one.layout.per_g * card.counts_per_g + 0.5).astype(np.int16)
    places = {counts[start : start + window].tobytes(): start for start in range(len(counts) - window + 1)}
    starts = [places[one.tobytes()] for one in every]
    assert len(starts) == len(set(starts)) > 50
    assert all(segments[start] == segments[start + window - 1] for start in starts)
    # Of parts that lie apart no window may be put together of two.
    monkeypatch.setattr(sampling, "BLOCK", 1000)
    monkeypatch.setattr(sampling, "MOST_PARTS", 3)
    some = [places[one.tobytes()] for one in sampled_windows(replace(one, path=split), window, 10**6, 0)]
    parts = {start // 1000 for start in some}
    assert len(parts) == 3 and max(parts) - min(parts) > 2
    assert len(some) == 9 and all(start // 1000 == (start + window - 1) // 1000 for start in some)


def test_a_recording_in_many_small_row_groups_gives_as_many_windows(imported, tmp_path):
    card, folder = imported
    one = find_recordings([folder], Layout(card.axes, card.rate_hz, card.counts_per_g, start_ns=0))[0]
    bursts = tmp_path / one.path.name
    parquet.write_table(parquet.read_table(one.path), bursts, row_group_size=100)
    assert len(sampled_windows(replace(one, path=bursts), 100, 120, 0)) == 120


def test_a_damaged_sample_is_named_by_its_row_in_the_file(imported, monkeypatch, tmp_path):
    card, folder = imported
    one = find_recordings([folder], Layout(card.axes, card.rate_hz, card.counts_per_g, start_ns=0))[0]
    table = parquet.read_table(one.path)
    x = table.column("x").to_numpy().copy()
    x[5000] = np.nan
    broken = tmp_path / one.path.name
    place = table.column_names.index("x")
    parquet.write_table(table.set_column(place, "x", [x]), broken, row_group_size=1000)
    monkeypatch.setattr(sampling, "BLOCK", 1000)
    with pytest.raises(UserError, match="row 5001, column 'x' is nan"):
        sampled_windows(replace(one, path=broken), 100, 120, 0)


def test_bytes_changed_in_an_imported_recording_are_found(imported, tmp_path):
    card, folder = imported
    one = find_recordings([folder], Layout(card.axes, card.rate_hz, card.counts_per_g, start_ns=0))[0]
    damaged = tmp_path / one.path.name
    content = bytearray(one.path.read_bytes())
    axis = parquet.ParquetFile(one.path).metadata.row_group(0).column(2)
    content[axis.data_page_offset + axis.total_compressed_size // 2] ^= 1
    damaged.write_bytes(content)
    with pytest.raises(UserError, match="damaged after row"):
        sampled_windows(replace(one, path=damaged), 100, 120, 0)


def test_stamps_are_not_read(imported, tmp_path):
    card, folder = imported
    one = find_recordings([folder], Layout(card.axes, card.rate_hz, card.counts_per_g, start_ns=0))[0]
    without = tmp_path / one.path.name
    parquet.write_table(parquet.read_table(one.path).drop_columns(["time"]), without)
    some = sampled_windows(replace(one, path=without), 100, 40, 0)
    np.testing.assert_array_equal(some, sampled_windows(one, 100, 40, 0))


def test_fewer_windows_than_parts_are_of_the_whole_recording(imported, monkeypatch, tmp_path):
    card, folder = imported
    one = find_recordings([folder], Layout(card.axes, card.rate_hz, card.counts_per_g, start_ns=0))[0]
    table = parquet.read_table(one.path)
    split = tmp_path / one.path.name
    parquet.write_table(table, split, row_group_size=700)
    monkeypatch.setattr(sampling, "BLOCK", 500)  # each part is a block and a short one
    counts = np.stack([table.column(name).to_numpy() for name in "xyz"], axis=1).astype(np.float64)
    counts = np.floor(counts / one.layout.per_g * card.counts_per_g + 0.5).astype(np.int16)
    places = {counts[start : start + 50].tobytes(): start for start in range(len(counts) - 49)}
    starts = [places[few.tobytes()] for few in sampled_windows(replace(one, path=split), 50, 8, 0)]
    assert len(starts) == 8 and max(starts) > 10_000
    assert len(sampled_windows(replace(one, path=split), 50, 200, 0)) == 200


def test_another_file_is_another_identity(imported, tmp_path):
    _, folder = imported
    assert recordings_sha256(DistillConfig()) is None
    first = recordings_sha256(config_of(folder))
    assert first == recordings_sha256(config_of(folder))
    herd(tmp_path / "in", "time,ax,ay,az")
    bring_in(tmp_path / "in", tmp_path / "out", unlabelled=True)
    file = next((tmp_path / "out").rglob("*.parquet"))
    table = parquet.read_table(file)
    parquet.write_table(table.slice(1), file)
    assert recordings_sha256(config_of(tmp_path / "out")) != first


def test_recordings_that_do_not_go_with_the_labelled_data_are_refused(imported, tmp_path):
    card, folder = imported
    training = load_windows(card, training=True)
    herd(tmp_path / "in", "time,swapped_x,ay,swapped_z")
    bring_in(
        tmp_path / "in", tmp_path / "swapped", unlabelled=True, acceleration=("swapped_x", "ay", "swapped_z")
    )
    with pytest.raises(UserError, match="its axes seem swapped"):
        recorded_windows(config_of(tmp_path / "swapped"), card, training)
    text = (folder / "card.toml").read_text(encoding="utf-8")
    slower = tmp_path / "slower"
    slower.mkdir()
    (slower / "card.toml").write_text(text.replace("rate_hz = 25", "rate_hz = 20"), encoding="utf-8")
    with pytest.raises(UserError, match="have 20 Hz, but card .* 25 Hz; import them again"):
        recorded_windows(config_of(slower), card, training)
    (slower / "card.toml").write_text(text.replace("simulated = false", "simulated = true"), encoding="utf-8")
    with pytest.raises(UserError, match="simulated is true, but the labelled data of card .* were recorded"):
        recorded_windows(config_of(slower), card, training)
    with pytest.raises(UserError, match="holds no card.toml"):
        recordings_sha256(config_of(tmp_path / "nowhere"))
    with pytest.raises(UserError, match="is a card of labelled data"):
        recordings_sha256(config_of(card.path))
    with pytest.raises(
        UserError, match=r"bella.parquet is no card but a '.parquet' file; name the card.toml"
    ):
        recordings_sha256(config_of(next(folder.rglob("bella.parquet"))))


def test_recordings_of_an_animal_under_another_name_are_refused(imported, tmp_path):
    card, folder = imported
    training = load_windows(card, training=True)
    shutil.copytree(folder, tmp_path / "named")
    text = (folder / "card.toml").read_text(encoding="utf-8")
    renamed = tmp_path / "named" / "card.toml"
    renamed.write_text(text.replace('animal = "bella"', 'animal = "zoe"'), encoding="utf-8")
    with pytest.raises(UserError, match="of animal 'zoe' hold samples of animal 'bella' of card"):
        recorded_windows(config_of(renamed), card, training)
    assert recorded_windows(config_of(renamed, transductive=True), card, training) is not None
    renamed.write_text(text.replace('animal = "bella"', 'animal = "Bella "'), encoding="utf-8")
    assert recorded_windows(config_of(renamed), card, training) is not None


def test_a_study_records_its_recordings_and_what_its_figures_are_of(imported, monkeypatch, tmp_path):
    monkeypatch.setattr(distill_stage, "run_jobs", run_here)
    card, folder = imported
    small = {"epochs": 1, "teacher_epochs": 1, "teacher_width": 2, "gru_units": 4, "dense_units": 4}
    config = config_of(
        folder, split="animals=2", seeds=(0,), jobs=1, mounting="any", transductive=True, **small
    )
    study = Study.create(tmp_path / "run", card=card.reference, seed=0)
    metrics = distill(study, card, None, config)
    assert study.manifest["stages"]["distill"]["inputs"]["unlabelled"] == recordings_sha256(config)
    assert "(transductive)" in metrics["models"]["student_distilled"]["scored_on"]
    assert "never saw the animals" in metrics["models"]["student"]["scored_on"]
    learned = {name: one["learned_from"] for name, one in metrics["models"].items()}
    assert learned["student"] == learned["teacher"] == "labels of all training animals"
    assert learned["student_distilled"].startswith(
        "labels of all training animals; recordings without labels:"
    )


def test_a_study_in_which_no_fold_has_a_recording_to_learn_from_is_refused(imported, tmp_path):
    card, _ = imported
    study = Study.prepare(tmp_path / "run", card.reference, 0)
    config = DistillConfig(unlabelled="rest", labelled="bella,max", seeds=(0,))
    with pytest.raises(UserError, match="--unlabelled rest: no fold has a recording to learn from"):
        distill(study, card, None, config)
    assert not study.path.exists()


def test_folds_are_trained_anew_where_another_seed_draws_their_windows(imported, monkeypatch, tmp_path):
    card, folder = imported
    planned: list[str] = []

    class PlannedError(Exception):
        """No need to train."""

    def plan(jobs, *_, **__):
        planned.append({one.fold.name: one.fold.key for one in jobs}["bella-s0"])
        raise PlannedError

    monkeypatch.setattr(distill_stage, "run_jobs", plan)
    for number, seed in enumerate((0, 5, 0)):
        study = Study.create(tmp_path / f"run{number}", card=card.reference, seed=seed)
        with pytest.raises(PlannedError):
            distill(study, card, None, config_of(folder, seeds=(0,), seed=seed))
    assert planned[0] == planned[2] != planned[1]
