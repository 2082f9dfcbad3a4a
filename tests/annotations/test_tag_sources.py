"""What a tag says: its log, windows that were classified, and payloads."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from builders.tag_dump import CONFIG, FAST_PPM, NOON, Life, two_starts

from mcukd.annotations.formats import read_behaviour
from mcukd.annotations.reading import Reading, TagModel
from mcukd.errors import UserError
from mcukd.tag.fetched import Owner, create
from mcukd.tag.log import read_log
from mcukd.tag.operation import Tag
from mcukd.tag.records import words_of

#: Of the tag of `builders.tag_dump`: a result every 1.28 s of a window of 5.12 s.
MODEL = TagModel(("rest", "graze"), 5.12, 1.28)
READING = Reading(model=MODEL, animal="Bella")


@pytest.fixture(name="dump")
def _dump(tmp_path: Path) -> Path:
    path = tmp_path / "tag.bin"
    path.write_bytes(two_starts())
    return path


def test_bouts_lie_half_a_window_and_half_a_hop_before_their_results(dump: Path) -> None:
    said = read_behaviour(dump, READING)
    (track,) = said.tracks
    assert track.animal == "Bella" and track.classes == ("rest", "graze", "unknown")
    # Half an hour of rest before the time was set, then an hour and a half of grazing up to a gap, and a
    # quarter of an hour of unknown results; the second start had no time.
    assert track.behaviours.tolist() == [0, 1, 2]
    began, ended = (times / 1e9 - NOON for times in (track.starts, track.ends))
    early = (5.12 + 1.28) / 2
    first = 0.5 * 3600 // 1.28 * 1.28
    # The first result comes one hop after the tag's start; its clock is FAST_PPM fast, and known in seconds.
    assert began[0] == pytest.approx(1.28 - first - early, abs=0.6)
    assert ended[0] == began[1] == pytest.approx(1.28 - early, abs=0.6)
    assert ended[1] == pytest.approx(round(1.5 * 3600 / 1.28) * 1.28 + 1.28 - early, abs=0.8)
    assert any("of starts in which the time was not set left out" in note for note in said.notes)
    assert said.model_sha256 == "9abcdef0"


def test_a_majority_is_taken_off_and_the_window_has_to_be_known(dump: Path) -> None:
    plain = read_behaviour(dump, READING).tracks[0]
    smooth = read_behaviour(dump, replace(READING, model=replace(MODEL, smoothing=3))).tracks[0]
    assert set((plain.starts - smooth.starts).tolist()) == {1_280_000_000}
    for model, sentence in [
        (None, "name them with --run STUDY, or with --classes"),
        (replace(MODEL, window_s=None), "how long the model's window is"),
        (replace(MODEL, classes=("a",)), "counts 2 classes, but 1 are named"),
        (replace(MODEL, hop_s=2.56), "results of start 1 are 1.28 s apart, but those of the model 2.56 s"),
        (replace(MODEL, sha256="ff" * 32), "none of the study's, ffffffff"),
    ]:
        with pytest.raises(UserError, match=sentence):
            read_behaviour(dump, replace(READING, model=model))


def test_a_fetched_file_reads_as_its_dump_does(dump: Path, tmp_path: Path) -> None:
    content = dump.read_bytes()
    log = read_log(content)
    file = create(tmp_path / "cow.log", Owner("0" * 16, log.classes, 1024))
    for page in log.pages:
        file.append(page.number, 0, content[page.page * 4096 : (page.page + 1) * 4096])
    assert len(words_of(content)) > 1024
    ours, theirs = (read_behaviour(path, READING).tracks[0] for path in (file.path, dump))
    assert np.array_equal(ours.starts, theirs.starts) and np.array_equal(ours.ends, theirs.ends)


def test_a_time_that_was_never_set_is_refused_without_an_offset(tmp_path: Path) -> None:
    life = Life()
    life.hours(0.1, 0)
    life.hours(0.1, 1)
    life.tag.stop()
    path = tmp_path / "tag.bin"
    path.write_bytes(life.flash.dump())
    with pytest.raises(UserError, match="time was never set.*state with --offset"):
        read_behaviour(path, READING)
    (track,) = read_behaviour(path, replace(READING, offset_s=float(NOON))).tracks
    assert track.starts[0] / 1e9 - NOON == pytest.approx(1.28 - 3.2, abs=0.6)


def test_drift_and_offset_are_taken_out_after_the_last_setting(tmp_path: Path) -> None:
    life = Life()
    life.tag.set_time(NOON, 0, 1)
    life.hours(4, 0)
    life.hours(0.1, 1)
    life.tag.stop()
    path = tmp_path / "tag.bin"
    path.write_bytes(life.flash.dump())
    truth = NOON + 4 * 3600 + 1.28 - 3.2
    said = read_behaviour(path, READING)
    (plain,) = said.tracks
    assert any(
        "up to 4.1 h from the nearest setting" in note and "by up to 0.15 s" in note for note in said.notes
    )
    assert plain.starts[1] / 1e9 - truth == pytest.approx(14_400 * FAST_PPM / 1e6, abs=0.7)
    (right,) = read_behaviour(path, replace(READING, drift_ppm=float(FAST_PPM))).tracks
    assert right.starts[1] / 1e9 == pytest.approx(truth, abs=0.7)
    (later,) = read_behaviour(path, replace(READING, offset_s=7.0)).tracks
    assert set((later.starts - plain.starts).tolist()) == {7_000_000_000}


def test_short_bouts_are_never_empty_nor_out_of_order(tmp_path: Path) -> None:
    """Trap: of bouts of one result several fall into one second of the tag's clock."""
    life = Life()
    life.tag.set_time(NOON, 0, 1)
    rng = np.random.default_rng(5)
    for number, length in enumerate(rng.integers(1, 4, 300).tolist()):
        life.hours(length * 1.28 / 3600, number % 2)
    life.hours(0.01, 0)
    life.tag.stop()
    path = tmp_path / "tag.bin"
    path.write_bytes(life.flash.dump())
    (track,) = read_behaviour(path, READING).tracks
    assert len(track) == 301 and np.array_equal(track.starts[1:], track.ends[:-1])
    # Off by less than a second, however many bouts came before.
    lengths = np.concatenate([[0], np.cumsum(np.random.default_rng(5).integers(1, 4, 300))]) * 1.28
    assert np.abs(track.starts / 1e9 - NOON - (lengths + 1.28 - 3.2)).max() < 1.1


def windows(path: Path, facts: dict[str, object], starts: list[int]) -> Path:
    import pyarrow as pa
    from pyarrow import parquet

    schema = pa.schema([("start", pa.timestamp("us", "UTC")), ("class_id", pa.uint8())])
    table = pa.table(
        [pa.array(starts, pa.timestamp("us", "UTC")), pa.array([0, 0, 1, 0], pa.uint8())], schema=schema
    )
    parquet.write_table(table.replace_schema_metadata({"mcukd": json.dumps(facts)}), path)
    return path


def test_windows_hold_for_the_hop_in_their_middle(tmp_path: Path) -> None:
    facts = {"classes": ["rest", "graze"], "model_sha256": "ab" * 32, "window_s": 5.0, "hop_s": 1.0}
    starts = [0, 1_000_000, 2_000_000, 60_000_000]
    path = windows(tmp_path / "cow7.windows.parquet", facts, starts)
    said = read_behaviour(path, Reading())
    (track,) = said.tracks
    assert track.animal == "cow7" and said.model_sha256 == "ab" * 32
    assert (track.starts / 1e9).tolist() == [2, 4, 62] and (track.ends / 1e9).tolist() == [4, 5, 63]
    (late,) = read_behaviour(path, Reading(offset_s=1.5)).tracks
    assert (late.starts / 1e9).tolist() == [3.5, 5.5, 63.5]
    old = windows(tmp_path / "old", {key: facts[key] for key in ("classes", "model_sha256")}, starts)
    with pytest.raises(UserError, match="as an earlier mcukd wrote it; give --run"):
        read_behaviour(old, Reading())
    (track,) = read_behaviour(old, Reading(model=TagModel(("rest", "graze"), 5.0, 1.0))).tracks
    assert track.starts[0] == 2_000_000_000
    other = windows(tmp_path / "other", facts, [0, 1, 1, 2])
    with pytest.raises(UserError, match="window 2 does not start after"):
        read_behaviour(other, Reading())


def test_bouts_of_two_models_are_not_put_together(tmp_path: Path) -> None:
    life = Life()
    life.tag.set_time(NOON, 0, 1)
    life.hours(0.1, 0)
    life.hours(0.1, 1)
    life.tag.stop()
    life.tag = Tag(CONFIG, life.flash, lambda: life.ticks % (1 << 32), 1, 0x12345678, 0x11111111)
    life.tag.set_time(NOON + 3600, 0, 1)
    life.hours(0.1, 0)
    life.tag.stop()
    path = tmp_path / "tag.bin"
    path.write_bytes(life.flash.dump())
    with pytest.raises(UserError, match="bouts of the models 11111111, 9abcdef0; say which one counts"):
        read_behaviour(path, READING)
    said = read_behaviour(path, replace(READING, model=replace(MODEL, sha256="11111111" + "00" * 28)))
    assert len(said.tracks[0]) == 1 and "tag.bin: 2 bouts of the model 9abcdef0 left out." in said.notes


def test_a_time_that_was_set_wrongly_is_said(tmp_path: Path) -> None:
    life = Life()
    life.tag.set_time(NOON, 0, 1)
    life.hours(0.1, 0)
    life.hours(0.1, 1)
    life.tag.set_time(NOON + 3600, 0, 1)
    life.tag.stop()
    path = tmp_path / "tag.bin"
    path.write_bytes(life.flash.dump())
    assert any("ppm off, which no crystal is" in note for note in read_behaviour(path, READING).notes)


HEADER = "number,tag,payload,results_rest,results_graze,results_unknown,results_step,reception,lost_before\n"
PAYLOADS = (
    HEADER
    + """\
1,7,aa,100,40,2,4,first,0
2,7,ab,60,80,0,4,next,0
3,7,ab,60,80,0,4,repeated,0
4,7,ac,50,50,0,1,lost before,2
"""
)


def test_payloads_are_periods_of_stated_times(tmp_path: Path) -> None:
    path = tmp_path / "decoded"
    path.write_text(PAYLOADS)
    stated = replace(READING, begins=1000.0, period_s=180.0)
    said = read_behaviour(path, stated)
    (periods,) = said.periods
    assert not said.tracks and periods.animal == "7" and periods.classes == ("rest", "graze", "unknown")
    # Two payloads are lost before the last one; results are of the time half a window and a hop before.
    assert (periods.starts / 1e9 + 3.2).tolist() == [1000, 1180, 1720]
    assert (periods.ends - periods.starts).tolist() == [180 * 10**9] * 3
    assert (periods.times[0] / 1.28e9).tolist() == [100, 40, 2]
    assert "decoded: 1 repeated payload left out." in said.notes
    assert "decoded: 2 payloads lost; nothing is known of their periods." in said.notes
    for reading, sentence in [
        (READING, "payloads tell no time of day; state when"),
        (replace(stated, model=None), "--run STUDY is needed"),
        (
            replace(stated, model=replace(MODEL, classes=("a", "b"))),
            "counts rest, graze, unknown, and the study's",
        ),
    ]:
        with pytest.raises(UserError, match=sentence):
            read_behaviour(path, reading)
    path.write_text(PAYLOADS + "5,8,ad,10,0,0,1,first,0\n")
    with pytest.raises(UserError, match="payloads of the tags 7, 8"):
        read_behaviour(path, stated)
    path.write_text(PAYLOADS.replace("100", "many"))
    with pytest.raises(UserError, match="looks like decoded payloads, but cannot be read"):
        read_behaviour(path, stated)


def test_payloads_after_a_restart_have_no_times(tmp_path: Path) -> None:
    path = tmp_path / "decoded"
    path.write_text(PAYLOADS.replace("lost before,2", "restarted,0"))
    said = read_behaviour(path, replace(READING, begins=1000.0, period_s=180.0))
    assert len(said.periods[0].starts) == 2
    assert any("restarted before payload 4" in note for note in said.notes)


def test_payloads_that_tell_the_tags_seconds_need_an_offset(tmp_path: Path) -> None:
    path = tmp_path / "decoded"
    row = {"number": 1, "payload": "aa", "results": {"rest": 1, "graze": 2, "unknown": 0}, "results_step": 1}
    row = {**row, "reception": "first", "lost_before": 0, "begin_s": 60, "duration_s": 30}
    path.write_text(json.dumps({"payloads": [row]}))
    with pytest.raises(UserError, match="tell seconds of the tag's clock; state with --offset"):
        read_behaviour(path, READING)
    (periods,) = read_behaviour(path, replace(READING, offset_s=1000.0)).periods
    assert (periods.animal, periods.starts[0] / 1e9 + 3.2) == ("Bella", 1060)
