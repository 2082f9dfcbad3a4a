"""Classification of long recordings: blocks equal one pass, budgets add up, results match file and model."""

from __future__ import annotations

import csv
import os
from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import numpy as np
import pyarrow as pa
import pytest
from builders.classify import START_NS, STEPS, make_study, recording, stamped, stamps, started, write_parquet
from builders.data import write_card
from builders.students import COUNTS_PER_G, refusing_model
from hypothesis import given, settings
from hypothesis import strategies as st
from pyarrow import parquet

from mcukd.annotations.movebank import stamp
from mcukd.classify.counters import TimeBudget
from mcukd.classify.job import OUTPUTS, SUMMARY, ClassifyJob
from mcukd.classify.outputs import merge_samples
from mcukd.classify.recording import BLOCK, open_recording
from mcukd.classify.results import classify_file
from mcukd.classify.windows import Counters, classify_recording
from mcukd.data.card import load_card
from mcukd.data.gaps import REACH, stretches
from mcukd.data.load import load_windows
from mcukd.errors import UserError
from mcukd.fixedpoint import reference
from mcukd.fixedpoint.model import IntegerModel, save_model
from mcukd.inference.batch import classify_stream, window_count
from mcukd.pipeline.classify import classify_files

PERIOD_NS = 20_000_000


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, IntegerModel]:
    return make_study(tmp_path_factory.mktemp("study") / "run")


def task(study: tuple[Path, IntegerModel], path: Path, **changes: object) -> ClassifyJob:
    layout = stamped() if "time" in parquet.read_schema(path).names else started()
    return replace(ClassifyJob(path, study[0], path.parent / "out", layout), **changes)


def windows(of: ClassifyJob) -> dict[str, np.ndarray]:
    table = parquet.read_table(of.file(OUTPUTS["windows"]))
    starts = table["start"].to_numpy().astype("datetime64[us]").astype(np.int64)
    return {
        "start": starts,
        "class": table["class_id"].to_numpy(),
        "name": np.array(table["behaviour"].to_pylist()),
        "margin": table["margin"].to_numpy(),
    }


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream))


@pytest.mark.parametrize("hop", [1, 7, STEPS, STEPS + 11])
@pytest.mark.parametrize(
    ("block", "stream"),
    [(13, False), (64, False), (64, True), (997, False), (997, True), (1 << 19, False), (1 << 19, True)],
)
def test_blocks_equal_one_pass(
    study: tuple[Path, IntegerModel], tmp_path: Path, hop: int, block: int, stream: bool
) -> None:
    model, counts = reference.as_stream(study[1]) if stream else study[1], recording(5000)
    path = write_parquet(tmp_path / "cow1.parquet", counts, stamps(5000), group=700)
    logits = np.empty((window_count(5000, STEPS, hop), 4), np.int16)
    expected = classify_stream(model, counts, hop, logits)
    assert len(set(expected.tolist())) > 1
    found = list(classify_recording(model, open_recording(path, stamped()), hop, Counters(), block))
    assert np.array_equal(np.concatenate([part.classes for part in found]), expected)
    assert np.array_equal(np.concatenate([part.logits for part in found]), logits)
    starts = np.concatenate([part.starts for part in found])
    assert np.array_equal(starts, stamps(5000)[: hop * len(expected) : hop])
    ends = np.concatenate([part.ends for part in found])
    assert np.array_equal(ends, starts + hop * PERIOD_NS)


@settings(max_examples=40, deadline=None)
@given(data=st.data())
def test_gaps_anywhere_equal_a_pass_over_each_stretch(
    study: tuple[Path, IntegerModel], tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    lengths = data.draw(
        st.lists(st.integers(1, 150), min_size=1, max_size=6).filter(lambda n: max(n) >= STEPS)
    )
    hop, block = data.draw(st.integers(1, 60)), data.draw(st.integers(2, 200))
    model = reference.as_stream(study[1]) if data.draw(st.booleans()) else study[1]
    counts, times, expected, begun = recording(sum(lengths)), [], [], 0
    for number, length in enumerate(lengths):
        times.append(stamps(length, START_NS + begun * PERIOD_NS + number * 10**9))
        if length >= STEPS:
            expected.append(classify_stream(model, counts[begun : begun + length], hop))
        begun += length
    path = tmp_path_factory.mktemp("gaps") / "a.parquet"
    write_parquet(path, counts, np.concatenate(times), group=data.draw(st.integers(1, 300)))
    counters = Counters()
    found = list(classify_recording(model, open_recording(path, stamped()), hop, counters, block))
    assert np.array_equal(np.concatenate([f.classes for f in found]), np.concatenate(expected))
    assert counters.samples == len(counts)
    assert counters.stretches == len(lengths)


def test_windows_of_a_carried_state_are_no_sample(tmp_path: Path) -> None:
    folder, model = make_study(tmp_path / "carried")
    save_model(reference.as_stream(model), folder)
    path = write_parquet(tmp_path / "a.parquet", recording(200), stamps(200))
    with pytest.raises(UserError, match="--sample-windows is 3, but the state of this model is carried"):
        classify_file(task((folder, model), path, sample=3))
    summary = classify_file(task((folder, model), path))
    assert summary["windows"] == window_count(200, STEPS, model.hop)


def test_classes_are_those_of_the_reference(study: tuple[Path, IntegerModel], tmp_path: Path) -> None:
    path = write_parquet(tmp_path / "a.parquet", recording(900))
    one = task(study, path, hop=10, sample=50)
    summary = classify_file(one)
    with np.load(one.file(OUTPUTS["sample"])) as kept:
        expected = reference.run(study[1], kept["counts"])
        assert np.array_equal(kept["logits"], expected.logits)
        assert np.array_equal(kept["classes"], expected.classes)
        assert len(kept["classes"]) == summary["sampled_windows"] == 50
        first, last = kept["starts_ns"][[0, -1]] // 1000
    found = windows(one)
    assert (first, last) == (found["start"][0], found["start"][-1])
    assert list(found["name"]) == [study[1].classes[k] for k in found["class"]]
    assert (found["margin"] >= 0).all() and found["margin"].max() > 0


def test_what_the_model_refuses_is_a_behaviour_called_unknown(tmp_path: Path) -> None:
    folder, plain = make_study(tmp_path / "run")
    model = refusing_model(model=plain)
    save_model(model, folder)
    path = write_parquet(tmp_path / "cow.parquet", recording(4000), stamps(4000))
    of = task((folder, model), path)
    summary = classify_file(of)
    found = windows(of)
    expected = classify_stream(model, recording(4000))
    assert np.array_equal(found["class"], expected) and 4 in expected
    assert found["name"].tolist() == [model.outcomes[k] for k in expected]
    assert list(summary["minutes"]) == [*plain.classes, "unknown"] and summary["minutes"]["unknown"] > 0
    assert sum(summary["share"].values()) == pytest.approx(1, abs=1e-5)
    assert "unknown" in of.file(OUTPUTS["budget"]).read_text().splitlines()[0]
    assert ",unknown" in of.file(OUTPUTS["annotations"]).read_text()


def test_npy_and_parquet_and_float_and_int_are_one(study: tuple[Path, IntegerModel], tmp_path: Path) -> None:
    counts = recording(3000)
    np.save(tmp_path / "npy.npy", counts)
    write_parquet(tmp_path / "int.parquet", counts)
    write_parquet(tmp_path / "wide.parquet", counts.astype(np.int64))
    write_parquet(tmp_path / "float.parquet", (counts / COUNTS_PER_G).astype(np.float32))
    np.save(tmp_path / "g.npy", counts / COUNTS_PER_G)
    found = {}
    for name in ("npy.npy", "int.parquet", "wide.parquet", "float.parquet", "g.npy"):
        one = ClassifyJob(tmp_path / name, study[0], tmp_path / name[-3:] / name, started())
        summary = classify_file(one)
        assert summary["units"] == ("g" if name in ("float.parquet", "g.npy") else "counts")
        found[name] = windows(one)["class"]
        assert np.array_equal(found[name], found["npy.npy"]), name


def test_g_is_rounded_and_saturated_at_the_sensors_range(
    study: tuple[Path, IntegerModel], tmp_path: Path
) -> None:
    values = recording(200) / COUNTS_PER_G
    values[50] = (9.0, -9.0, 0.5 / COUNTS_PER_G)
    path = write_parquet(tmp_path / "a.parquet", values)
    layout = replace(started(), limits=(-8192, 8191))
    block = next(open_recording(path, layout).blocks())
    assert block.counts[50].tolist() == [8191, -8192, 1]
    assert block.saturated == 2


def test_budgets_sum_to_the_recorded_minutes(study: tuple[Path, IntegerModel], tmp_path: Path) -> None:
    """Two stretches of whole hops: every recorded minute is in the budget, and once."""
    times = np.concatenate([stamps(30 * 400), stamps(30 * 500, START_NS + 3 * 3600 * 10**9)])
    path = write_parquet(tmp_path / "a.parquet", recording(len(times)), times)
    one = task(study, path, hop=STEPS, block=777)
    summary = classify_file(one)
    recorded = len(times) / 50 / 60
    assert summary["stretches"] == 2
    assert summary["recorded_minutes"] == summary["classified_minutes"] == pytest.approx(recorded, abs=1e-4)
    (day,) = rows(one.file(OUTPUTS["budget"]))
    assert day["date"] == "2026-01-01"
    assert float(day["minutes"]) == pytest.approx(recorded, abs=1e-3)
    assert sum(float(day[name]) for name in study[1].classes) == pytest.approx(recorded, abs=1e-3)
    code = windows(one)["class"]
    for number, name in enumerate(study[1].classes):
        assert float(day[name]) == pytest.approx((code == number).sum() * STEPS / 50 / 60, abs=1e-3)


def test_a_window_across_midnight_counts_on_both_days(
    study: tuple[Path, IntegerModel], tmp_path: Path
) -> None:
    midnight = START_NS + 86400 * 10**9
    times = stamps(60, midnight - 10 * PERIOD_NS)
    one = task(study, write_parquet(tmp_path / "a.parquet", recording(60), times), hop=STEPS)
    classify_file(one)
    days = rows(one.file(OUTPUTS["budget"]))
    assert [(d["date"], d["minutes"]) for d in days] == [
        ("2026-01-01", f"{10 / 3000:.4f}"),
        ("2026-01-02", f"{50 / 3000:.4f}"),
    ]


def test_days_are_those_of_the_zone_with_23_and_25_hours() -> None:
    zone, budget = ZoneInfo("Europe/Berlin"), TimeBudget(2)
    begin = int(datetime(2026, 3, 1, tzinfo=UTC).timestamp()) * 10**9
    starts = begin + np.arange(245 * 24, dtype=np.int64) * 3600 * 10**9
    budget.add(starts, starts + 3600 * 10**9, (np.arange(len(starts)) % 2).astype(np.uint8))
    hours = {day: time.sum() / 3600e9 for day, time in budget.days(zone).items()}
    assert hours[date(2026, 3, 29)] == 23
    assert hours[date(2026, 10, 25)] == 25
    assert hours[date(2026, 6, 1)] == 24
    assert sum(hours.values()) == len(starts)


def test_annotations_cover_all_that_was_classified(study: tuple[Path, IntegerModel], tmp_path: Path) -> None:
    times = np.concatenate([stamps(2000), stamps(3000, START_NS + 3600 * 10**9)])
    path = write_parquet(tmp_path / "cow é 7.parquet", recording(5000), times)
    one = task(study, path, hop=11, block=500)
    summary = classify_file(one)
    runs = rows(one.file(OUTPUTS["annotations"]))
    assert {run["individual-local-identifier"] for run in runs} == {"cow é 7"}
    assert len(runs) == summary["bouts"] > 3
    total = 0.0
    for before, run in zip([None, *runs], runs):
        begun, ended = (datetime.fromisoformat(run[name]) for name in ("timestamp", "end-timestamp"))
        total += (ended - begun).total_seconds()
        if before:
            assert before["end-timestamp"] <= run["timestamp"]
            touching = before["end-timestamp"] == run["timestamp"]
            assert not touching or before["behavioural-classification"] != run["behavioural-classification"]
    assert total / 60 == pytest.approx(summary["classified_minutes"], abs=1e-3)
    at, found = 0, windows(one)
    for start, name in zip(found["start"], found["name"]):
        text = stamp(int(start) * 1000)
        while runs[at]["end-timestamp"] <= text:
            at += 1
        assert runs[at]["behavioural-classification"] == name and runs[at]["timestamp"] <= text


def test_finished_files_are_kept_until_something_changes(
    study: tuple[Path, IntegerModel], tmp_path: Path
) -> None:
    path = write_parquet(tmp_path / "a.parquet", recording(900))
    one = task(study, path)
    assert classify_file(one)["ran"]
    again = classify_file(one)
    assert not again["ran"] and again["windows"] == 30
    assert classify_file(replace(one, hop=5))["ran"], "another hop"
    assert classify_file(one)["ran"]
    write_parquet(path, recording(930))
    assert classify_file(one)["windows"] == 31, "another recording"
    one.file(OUTPUTS["budget"]).write_text("edited")
    assert classify_file(one)["ran"], "an output was edited"
    one.file(OUTPUTS["ethogram"]).unlink()
    assert classify_file(one)["ran"], "an output is gone"
    other, _ = make_study(tmp_path / "other", seed=5)
    assert classify_file(replace(one, study=other))["ran"], "another model"


def test_a_run_that_fails_leaves_no_half_results(study: tuple[Path, IntegerModel], tmp_path: Path) -> None:
    values = recording(3000) / COUNTS_PER_G
    values[2500, 1] = np.nan
    one = task(study, write_parquet(tmp_path / "a.parquet", values), block=300)
    with pytest.raises(UserError, match=r"row 2501, column 'y' is nan"):
        classify_file(one)
    assert not one.out.exists()


def test_several_files_in_processes_and_one_that_fails(
    study: tuple[Path, IntegerModel], tmp_path: Path
) -> None:
    tasks = [
        task(study, write_parquet(tmp_path / f"cow{n}.parquet", recording(400, n)), sample=4) for n in (1, 2)
    ]
    alone = [{**one, "ran": True} for one in classify_files(tasks)]
    separately = [replace(one, out=tmp_path / "parallel") for one in tasks]
    assert classify_files(separately, workers=2) == alone
    assert merge_samples(tasks, tmp_path / "sample.npz") == 8
    with np.load(tmp_path / "sample.npz") as merged:
        assert merged["files"].tolist() == ["cow1.parquet"] * 4 + ["cow2.parquet"] * 4
        assert merged["counts"].shape == (8, STEPS, 3)
    bad = task(study, write_parquet(tmp_path / "bad.parquet", recording(10)))
    with pytest.raises(UserError, match=r"bad\.parquet: 10 samples.*1 of 3 files failed"):
        classify_files([bad, *(replace(one, out=tmp_path / "third") for one in tasks)])
    assert all(replace(one, out=tmp_path / "third").file(SUMMARY).exists() for one in tasks)
    with pytest.raises(UserError, match="same individual"):
        classify_files([tasks[0], replace(tasks[0], path=tmp_path / "b" / "cow1.parquet")])
    with pytest.raises(UserError, match="same individual and results 'COW1'.*an --out of its own"):
        classify_files([tasks[0], replace(tasks[0], path=tmp_path / "COW1.parquet")])
    with pytest.raises(UserError, match=r"cow1\.parquet is named twice; name it once"):
        classify_files([*tasks, tasks[0]])


def test_every_file_that_fails_is_told(
    study: tuple[Path, IntegerModel], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "notes.txt").write_text("bella was ill")
    good = task(study, write_parquet(tmp_path / "cow1.parquet", recording(400)))
    short = task(study, write_parquet(tmp_path / "short.parquet", recording(10)))
    with pytest.raises(UserError, match=r"notes\.txt.*2 of 3 files failed, results of the other 1 are"):
        classify_files([replace(good, path=tmp_path / "notes.txt"), good, short])
    told = capsys.readouterr().err
    assert "notes.txt: '.txt' files are not classified directly" in told
    assert "short.parquet: 10 samples in 1 stretches hold no whole window" in told
    assert good.file(SUMMARY).exists()


def test_own_results_are_no_recordings(study: tuple[Path, IntegerModel], tmp_path: Path) -> None:
    one = task(study, write_parquet(tmp_path / "cow1.parquet", recording(400)), out=tmp_path)
    classify_file(one)
    with pytest.raises(UserError, match=r"cow1\.windows\.parquet: holds windows that 'mcukd classify' has"):
        classify_file(replace(one, path=one.file(OUTPUTS["windows"])))


@pytest.mark.parametrize("what", ["rewritten", "gone"])
def test_a_recording_that_changes_meanwhile_leaves_earlier_results_whole(
    study: tuple[Path, IntegerModel], tmp_path: Path, what: str
) -> None:
    one = task(study, write_parquet(tmp_path / "cow1.parquet", recording(3000)), block=500)
    classify_file(one)
    kept = {path.name: path.read_bytes() for path in one.out.iterdir()}
    again = replace(one, hop=5)

    def meddle(samples: int) -> None:
        if what == "gone":
            one.path.unlink(missing_ok=True)
        else:
            write_parquet(one.path, recording(3100))

    words = {"rewritten": "changed while it was classified", "gone": "was it moved"}[what]
    with pytest.raises(UserError, match=rf"cow1\.parquet: .*{words}"):
        classify_file(again, meddle)
    assert {path.name: path.read_bytes() for path in one.out.iterdir()} == kept


def test_a_npy_that_is_cut_off_meanwhile_is_one_sentence(
    study: tuple[Path, IntegerModel], tmp_path: Path
) -> None:
    """Trap: reading a map of a file that became shorter ends the process."""
    path = tmp_path / "a.npy"
    np.save(path, recording(9000))
    one = ClassifyJob(path, study[0], tmp_path / "out", started(), block=1000)

    def cut(samples: int) -> None:
        os.truncate(path, 6 * 4500)

    with pytest.raises(UserError, match=r"a\.npy: ends after 27000 bytes, though .* 9000 samples"):
        classify_file(one, cut)
    assert not one.out.exists()
    with pytest.raises(UserError, match=r"a\.npy: cannot be read"):
        classify_file(one)


def test_npy_by_columns_is_read_as_by_rows(tmp_path: Path) -> None:
    np.save(tmp_path / "rows.npy", recording(900))
    np.save(tmp_path / "columns.npy", np.asfortranarray(recording(900)))
    rows, columns = (
        np.concatenate([b.counts for b in open_recording(tmp_path / f"{n}.npy", started()).blocks(400)])
        for n in ("rows", "columns")
    )
    assert np.array_equal(rows, columns) and np.array_equal(rows, recording(900))


def test_stamps_of_whole_seconds_are_no_gaps(study: tuple[Path, IntegerModel], tmp_path: Path) -> None:
    coarse = stamps(3000) // 10**9
    path = write_parquet(tmp_path / "a.parquet", recording(3000), pa.array(coarse))
    summary = classify_file(task(study, path, block=123))
    assert summary["stretches"] == 1 and summary["windows"] == 100


def jittery(samples: int, seed: int) -> np.ndarray:
    """Stamps in ns of a phone: jitter in whole milliseconds, stalls that are made up for, and real gaps."""
    rng = np.random.default_rng(seed)
    exact = np.arange(samples) * 20.0
    for number in range(1, 6):
        exact[number * samples // 6 :] += 20.0 * rng.integers(10, 400)
    noisy = np.round(exact + rng.uniform(-8, 8, samples))
    for at in range(150, samples - 150, 300):
        # A clock that stands still for a while and then stamps the samples that waited.
        number = int(rng.integers(4, 60))
        if np.ptp(exact[at - 60 : at + 120]) > 20 * 179:
            continue  # not beside a gap, where the rate of what is left would be off
        noisy[at : at + number] = noisy[at + number - 1] + np.arange(number) * 0.2
    return START_NS + (np.maximum.accumulate(noisy) * 1e6).astype(np.int64)


@pytest.mark.parametrize(("seed", "held"), [(0, BLOCK), (0, REACH + 1), (1, 7000)])
def test_gaps_among_jitter_are_those_of_the_whole_for_any_block(
    study: tuple[Path, IntegerModel], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, seed: int, held: int
) -> None:
    monkeypatch.setattr("mcukd.classify.windows.HELD", held)
    counts, times = recording(15_000), jittery(15_000, seed)
    path = write_parquet(tmp_path / "a.parquet", counts, times)
    parts = stretches(len(times), (times - times[0]) / 1e9)
    assert 6 == len(parts) < (np.diff(times) > 50_000_000).sum() / 4
    whole = [classify_stream(study[1], counts[part], 10) for part in parts if part.stop - part.start >= STEPS]
    for block in (611, 4096, 1 << 19):
        counters = Counters()
        found = list(classify_recording(study[1], open_recording(path, stamped()), 10, counters, block))
        assert np.array_equal(np.concatenate([one.classes for one in found]), np.concatenate(whole))
        assert (counters.samples, counters.stretches) == (15_000, len(parts))


def test_the_usual_step_is_that_of_as_many_samples_for_any_block(
    study: tuple[Path, IntegerModel], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Steps of 19 ms, then of 21: which of them is usual must not hang on where a block ends."""
    monkeypatch.setattr("mcukd.classify.windows.HELD", 6000)
    steps = np.where(np.arange(12_000) < 5990, 19, 21).astype(np.int64)
    steps[7000:9000:50] = 50  # over 2.5 times 19, not 2.5 times 21, and two more than a step late
    times = START_NS + np.cumsum(steps) * 1_000_000
    path = write_parquet(tmp_path / "a.parquet", recording(12_000), times)
    counted = []
    for block in (371, 5000, 1 << 19):
        counters = Counters()
        list(classify_recording(study[1], open_recording(path, stamped()), STEPS, counters, block))
        counted.append((counters.stretches, counters.windows))
    assert len(set(counted)) == 1


@pytest.mark.parametrize("seed", range(3))
def test_classify_and_training_count_the_same_windows_of_jittery_stamps(
    study: tuple[Path, IntegerModel], tmp_path: Path, seed: int
) -> None:
    card_path = write_card(tmp_path, time=True, length=STEPS, hop=STEPS, train_hop=STEPS).path
    card_path.write_text(card_path.read_text("utf-8").replace("rate_hz = 10", "rate_hz = 50"), "utf-8")
    counts, times = recording(4_000), jittery(4_000, seed)
    for name in ("graze/A1.csv", "rest/A2.csv", "graze/B1.csv", "rest/B2.csv"):
        lines = [
            f"{t / 1e9:.4f},{x:.5f},{y:.5f},{z:.5f}" for t, (x, y, z) in zip(times, counts / COUNTS_PER_G)
        ]
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("\n".join(["t,x,y,z", *lines]) + "\n", encoding="utf-8")
    trained = len(load_windows(load_card(str(card_path)))) / 4
    path = write_parquet(tmp_path / "a.parquet", counts, times)
    counters = Counters()
    list(classify_recording(study[1], open_recording(path, stamped()), STEPS, counters, 1000))
    assert counters.windows == trained and counters.stretches == 6
