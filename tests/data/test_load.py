"""Loading of windows: readers, the contract they check, and windows that stay inside their segment."""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np
import pytest
from builders.data import samples, write_card, write_herd, write_segment
from builders.places import Folders
from hypothesis import given, settings
from hypothesis import strategies as st

from mcukd.data.card import load_card
from mcukd.data.counts import count_limits, to_counts
from mcukd.data.gaps import window_starts
from mcukd.data.load import counted, cut, dataset_sha256, load_counts, load_windows
from mcukd.data.readers.segments import SegmentsReader
from mcukd.data.readers.simulator import SimulatorReader
from mcukd.data.recordings import Recording
from mcukd.data.simulation.simulator import resized
from mcukd.errors import UserError


def refusal(folder: Path, **changes: object) -> str:
    card = write_card(folder, **changes)
    with pytest.raises(UserError) as caught:
        load_windows(card)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_segments_become_windows_of_counts(tmp_path: Path) -> None:
    write_herd(tmp_path)
    windows = load_windows(write_card(tmp_path))
    assert windows.counts.dtype == np.int16
    assert windows.counts.shape == (16, 10, 3)
    assert windows.classes == ("graze", "rest")
    assert np.bincount(windows.labels).tolist() == [8, 8]
    assert sorted(set(windows.animals)) == ["A", "B"]
    assert len(set(windows.segments)) == 4
    assert windows.split is None
    assert windows.seconds == 1.0
    expected = np.floor(samples(40, 1.0, 0).round(6) * 100 + 0.5).astype(int)
    np.testing.assert_array_equal(windows.counts[:4].reshape(40, 3), expected)


def test_training_windows_overlap_by_the_train_hop(tmp_path: Path) -> None:
    write_herd(tmp_path)
    card = write_card(tmp_path)
    training = load_windows(card, training=True)
    assert len(training) == 4 * 7
    np.testing.assert_array_equal(training.counts[0, 5:], training.counts[1, :5])


def test_counts_round_half_up_and_clip_to_the_sensor() -> None:
    card = load_card("herd-sim")
    steps = np.array([0.5, -0.5, 1.5, -1.5, 0.49, 1e6, -1e6])
    assert to_counts(steps / 512, card.counts_per_g, count_limits(card.signal)).tolist() == [
        1,
        0,
        2,
        -1,
        0,
        2047,
        -2048,
    ]


def test_full_int16_range_is_clipped_not_wrapped() -> None:
    card = load_card("cow-collar")
    assert to_counts(
        np.array([8.0, -8.0, 100.0, -100.0]), card.counts_per_g, count_limits(card.signal)
    ).tolist() == [32767, -32768, 32767, -32768]


@pytest.mark.parametrize(("units", "scale"), [("m/s2", 9.80665), ("mg", 1000.0), ("counts", 100.0)])
def test_units_are_converted(tmp_path: Path, units: str, scale: float) -> None:
    write_herd(tmp_path, scale)
    counts = load_windows(write_card(tmp_path, units=units)).counts
    assert abs(float(counts[..., 2].mean()) - 100) < 1


@pytest.mark.parametrize(
    ("units", "scale", "expected"),
    [
        ("g", 9.80665, 'it looks like "m/s2"'),
        ("g", 1000.0, 'it looks like "mg"'),
        ("m/s2", 1.0, 'it looks like "g"'),
        ("mg", 9.80665, 'it looks like "m/s2"'),
        ("g", 4096.0, "it looks like raw counts with about 4"),
        ("g", 0.05, "gravity had been removed"),
    ],
)
def test_wrong_units_are_recognised(tmp_path: Path, units: str, scale: float, expected: str) -> None:
    write_herd(tmp_path, scale)
    message = refusal(tmp_path, units=units)
    assert expected in message
    assert " g where about 1 g is expected" in message


def test_one_logger_in_other_units_does_not_hide_among_many(tmp_path: Path) -> None:
    write_herd(tmp_path)
    write_segment(tmp_path, "rest/C9.csv", samples(40, 9.80665))
    message = refusal(tmp_path)
    assert "C9.csv" in message
    assert "9.8" in message
    assert "exclude_files" in message


def test_missing_data_root_says_how_to_set_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MCUKD_DATA", raising=False)
    with pytest.raises(UserError, match=r"--data-root or in the environment variable MCUKD_DATA"):
        load_windows(load_card("cow-collar"), tmp_path)


def test_the_environment_names_the_data_root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MCUKD_DATA", str(tmp_path))
    (tmp_path / "cow-collar").mkdir()
    with pytest.raises(UserError, match=r"no \.csv file below .*cow-collar"):
        load_windows(load_card("cow-collar"))


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("0.1,nan,1.0", "line 3: column y is 'nan'"),
        ("0.1,inf,1.0", "line 3: column y is 'inf'"),
        ("0.1,,1.0", "line 3: column y is ''"),
        ("0.1,oops,1.0", "line 3: column y is 'oops'"),
        ("0.1,0.2", "line 3: the row has 2 fields where the header has 3"),
        ("0.1,0.2,1.0,9", "line 3: the row has 4 fields where the header has 3"),
    ],
)
def test_a_bad_row_is_named_by_file_and_line(tmp_path: Path, line: str, expected: str) -> None:
    write_herd(tmp_path)
    path = tmp_path / "graze/A1.csv"
    lines = path.read_text(encoding="utf-8").splitlines()
    lines[2] = line
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    assert f"{path}, {expected}" in refusal(tmp_path)


def test_a_missing_column_is_answered_with_those_there(tmp_path: Path) -> None:
    write_herd(tmp_path)
    path = write_segment(tmp_path, "graze/A1.csv", samples(40))
    path.write_text(path.read_text(encoding="utf-8").replace("x,y,z", "ax,y,z"), encoding="utf-8")
    assert "has no column 'x'; its columns are ax, y, z" in refusal(tmp_path)


def test_another_delimiter_is_suspected(tmp_path: Path) -> None:
    write_herd(tmp_path)
    path = tmp_path / "graze/A1.csv"
    path.write_text(path.read_text(encoding="utf-8").replace(",", ";"), encoding="utf-8")
    assert "columns.delimiter" in refusal(tmp_path)


@pytest.mark.parametrize("content", ["", "x,y,z\n", "x,y,z\n\xff"])
def test_an_empty_or_binary_file_is_named(tmp_path: Path, content: str) -> None:
    write_herd(tmp_path)
    (tmp_path / "graze/A1.csv").write_bytes(content.encode("latin-1"))
    assert "A1.csv" in refusal(tmp_path)


def test_an_unknown_label_is_refused_with_the_closest(tmp_path: Path) -> None:
    write_herd(tmp_path)
    write_segment(tmp_path, "grase/A7.csv", samples(40))
    assert "the label 'grase' is not in the card small (did you mean 'graze'?)" in refusal(tmp_path)


def test_a_path_off_the_pattern_is_refused(tmp_path: Path) -> None:
    write_herd(tmp_path)
    write_segment(tmp_path, "graze/readme.csv", samples(40))
    assert "'graze/readme.csv'" in refusal(tmp_path)


def test_a_class_without_data_is_refused(tmp_path: Path) -> None:
    write_segment(tmp_path, "graze/A1.csv", samples(40))
    assert "no recording of class rest (labels rest, lie)" in refusal(tmp_path)


def test_a_class_of_short_segments_only_is_refused(tmp_path: Path) -> None:
    write_segment(tmp_path, "graze/A1.csv", samples(40))
    write_segment(tmp_path, "rest/A2.csv", samples(9))
    assert "the class rest of card small has no window" in refusal(tmp_path)


def test_an_animal_without_a_window_is_refused(tmp_path: Path) -> None:
    write_herd(tmp_path)
    write_segment(tmp_path, "rest/C7.csv", samples(9))
    assert "animal C of card small has no window: its longest segment has 9 samples" in refusal(tmp_path)


def test_time_stamps_off_the_rate_are_refused(tmp_path: Path) -> None:
    write_herd(tmp_path, rate_hz=11.2)
    message = refusal(tmp_path, time=True)
    assert "give 11.2 samples per second, more than 10 % off the card's rate of 10 Hz" in message


def test_a_drifting_clock_within_ten_per_cent_is_let_pass(tmp_path: Path) -> None:
    write_herd(tmp_path, rate_hz=10.4)
    assert len(load_windows(write_card(tmp_path, time=True))) == 16


def test_no_window_spans_a_gap_in_time(tmp_path: Path) -> None:
    write_herd(tmp_path, rate_hz=10)
    path = tmp_path / "graze/A1.csv"
    lines = path.read_text(encoding="utf-8").splitlines()
    del lines[16:22]  # samples 15 to 20: 15 remain before and 19 after
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    windows = load_windows(write_card(tmp_path, time=True))
    assert len(windows) == 14
    assert len(set(windows.segments)) == 5


def test_time_running_backwards_is_refused(tmp_path: Path) -> None:
    write_herd(tmp_path, rate_hz=10)
    path = tmp_path / "graze/A1.csv"
    lines = path.read_text(encoding="utf-8").splitlines()
    lines[5], lines[6] = lines[6], lines[5]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    assert "time runs backwards" in refusal(tmp_path, time=True)


def test_stamps_of_whole_seconds_are_understood(tmp_path: Path) -> None:
    write_herd(tmp_path, rate_hz=10)
    for path in tmp_path.glob("*/*.csv"):
        header, *rows = path.read_text(encoding="utf-8").splitlines()
        cut_rows = [f"{row.split('.')[0]},{row.split(',', 1)[1]}" for row in rows]
        path.write_text("\n".join([header, *cut_rows]) + "\n", encoding="utf-8")
    assert len(load_windows(write_card(tmp_path, time=True))) == 16


def test_a_bad_time_stamp_is_named_by_line(tmp_path: Path) -> None:
    write_herd(tmp_path, rate_hz=10)
    path = tmp_path / "graze/A1.csv"
    path.write_text(path.read_text(encoding="utf-8").replace("0.200,", "noon,", 1), encoding="utf-8")
    assert "line 4: column t is 'noon'" in refusal(tmp_path, time=True)


def long_csv(folder: Path, rows: list[tuple[str, str, int]], rate_hz: float = 10.0) -> None:
    lines, number = ["cow,what,t,x,y,z"], 0
    for cow, what, n in rows:
        for row in samples(n):
            stamp = f"2024-01-01T00:{number / rate_hz // 60:02.0f}:{number / rate_hz % 60:06.3f}"
            lines.append(f"{cow},{what},{stamp}," + ",".join(f"{value:.4f}" for value in row))
            number += 1
    (folder / "all.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")


def test_a_long_csv_is_cut_where_animal_or_label_changes(tmp_path: Path) -> None:
    rows = [("7", "graze", 25), ("7", "other", 30), ("7", "graze", 19), ("9", "graze", 12), ("9", "lie", 10)]
    long_csv(tmp_path, rows)
    windows = load_windows(write_card(tmp_path, long=True, time=True))
    assert windows.animals.tolist() == ["7", "7", "7", "9", "9"]
    assert windows.labels.tolist() == [0, 0, 0, 0, 1]
    assert len(set(windows.segments)) == 4


def test_a_long_csv_at_another_rate_is_refused(tmp_path: Path) -> None:
    long_csv(tmp_path, [("7", "graze", 25), ("7", "rest", 30)], rate_hz=50)
    message = refusal(tmp_path, long=True, time=True)
    assert "all.csv, lines 2 to 26: the time stamps give 50 samples per second" in message


def test_a_missing_long_csv_is_named(tmp_path: Path) -> None:
    assert "all.csv does not exist" in refusal(tmp_path, long=True)


@settings(max_examples=60, deadline=None)
@given(
    lengths=st.lists(st.integers(1, 60), min_size=2, max_size=8),
    hop=st.integers(1, 10),
    animals=st.lists(st.sampled_from("AB"), min_size=8, max_size=8),
)
def test_windows_never_cross_segments_or_animals(lengths: list[int], hop: int, animals: list[str]) -> None:
    card = load_card("cow-collar").model_copy(
        update={"windows": load_card("cow-collar").windows.model_copy(update={"length": 10})}
    )
    # Every sample carries its segment and its place in it, so a window that crosses shows.
    recordings = [
        Recording(
            animals[number],
            card.classes[number % 3],
            np.stack([np.full(n, number), np.arange(n), np.zeros(n)], axis=1) * 9.80665 / 4096,
            f"segment {number}",
        )
        for number, n in enumerate(lengths)
    ]
    # One sure window per class and animal, so that nothing is refused.
    for animal in "AB":
        for label in card.classes:
            recordings.append(Recording(animal, label, np.zeros((10, 3)) - 1, "filler"))
    windows = cut(card, tuple(counted(card, recordings)), hop)
    real = windows.segments < len(lengths)
    assert real.sum() == sum(len(window_starts(n, 10, hop)) for n in lengths)
    for counts, segment, animal, label in zip(
        windows.counts[real], windows.segments[real], windows.animals[real], windows.labels[real]
    ):
        assert (counts[:, 0] == segment).all()
        assert (np.diff(counts[:, 1]) == 1).all()
        assert counts[0, 1] % hop == 0
        assert animal == animals[segment]
        assert label == segment % 3


@given(samples=st.integers(0, 500), length=st.integers(1, 60), hop=st.integers(1, 60))
def test_window_starts_cover_and_stay_inside(samples: int, length: int, hop: int) -> None:
    starts = window_starts(samples, length, hop)
    assert (len(starts) == 0) == (samples < length)
    if len(starts):
        assert starts[0] == 0
        assert starts[-1] + length <= samples < starts[-1] + hop + length


def test_identity_follows_bytes_and_contract_but_not_prose(tmp_path: Path) -> None:
    write_herd(tmp_path)
    card = write_card(tmp_path)
    before = dataset_sha256(card)
    assert dataset_sha256(card.model_copy(update={"title": "Else"})) != ""
    assert dataset_sha256(card.model_copy(update={"title": "Else"})) == before
    assert dataset_sha256(write_card(tmp_path, hop=9)) != before
    write_segment(tmp_path, "graze/A1.csv", samples(40, seed=77))
    assert dataset_sha256(write_card(tmp_path)) != before


def test_identity_of_a_simulated_herd_follows_its_seed() -> None:
    card = load_card("herd-sim")
    assert dataset_sha256(card, None, 0) == dataset_sha256(card, None, 0) != dataset_sha256(card, None, 1)


def test_cow_collar_windows_per_class_and_animal(real_data: Folders) -> None:
    root = real_data("cow-collar").parent
    windows = load_windows(load_card("cow-collar"), root)
    assert dict(zip(windows.classes, np.bincount(windows.labels).tolist())) == {
        "Grazing": 1515,
        "Resting": 1315,
        "Walking": 534,
    }
    assert len(set(windows.animals)) == 10
    assert windows.counts.shape[1:] == (50, 3)
    lengths = np.linalg.norm(windows.counts.astype(float), axis=2) / 4096
    for animal in set(windows.animals):
        assert abs(np.median(lengths[windows.animals == animal]) - 1) < 0.12


def test_trap_recordings_of_cow_1319_with_an_offset_are_caught(tmp_path: Path, real_data: Folders) -> None:
    root = real_data("cow-collar").parent
    text = load_card("cow-collar").path.read_text(encoding="utf-8")  # type: ignore[union-attr]
    start, stop = text.index("exclude_files"), text.index("[columns]")
    path = tmp_path / "all.toml"
    path.write_text(text[:start] + "\n" + text[stop:], encoding="utf-8")
    with pytest.raises(
        UserError, match=r"_1319_20240517_.*7\.\d+ g where about 1 g is expected.*exclude_files"
    ):
        load_windows(load_card(str(path)), root)


def test_uci_har_keeps_all_official_windows(real_data: Folders) -> None:
    root = real_data("ucihar-subset").parent
    windows = load_windows(load_card("ucihar-subset"), root)
    assert windows.split is not None
    assert {part: int((windows.split == part).sum()) for part in ("train", "test")} == {
        "train": 2400,
        "test": 950,
    }
    assert windows.counts.shape == (3350, 128, 3)
    assert len(set(windows.animals)) == 30
    assert len(load_windows(load_card("ucihar-subset"), root, training=True)) == 3350


def test_a_process_parses_a_data_set_once_until_a_file_changes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_herd(tmp_path)
    card = write_card(tmp_path)
    reads = []
    read = SegmentsReader.read
    monkeypatch.setattr(SegmentsReader, "read", lambda *args: reads.append(card.name) or read(*args))
    time.sleep(0.2)  # a file written just now may change again without another time
    _, evaluation, again = (load_windows(card, training=one) for one in (True, False, False))
    assert len(reads) == 1
    np.testing.assert_array_equal(evaluation.counts, again.counts)
    assert not np.shares_memory(evaluation.counts, again.counts)
    assert not any(one.counts.flags.writeable for one in load_counts(card))
    again.counts[:] = 0
    np.testing.assert_array_equal(load_windows(card).counts, evaluation.counts)
    assert len(reads) == 1

    before = dataset_sha256(card)
    write_segment(tmp_path, "graze/A1.csv", samples(40, seed=9))
    assert not np.array_equal(load_windows(card).counts, evaluation.counts)
    assert len(reads) == 2 and dataset_sha256(card) != before


def test_the_last_two_data_sets_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    card, seeds = resized(load_card("herd-sim"), 2, 5), []
    read = SimulatorReader.read
    monkeypatch.setattr(
        SimulatorReader, "read", lambda self, request: seeds.append(request.seed) or read(self, request)
    )
    for seed in (70, 71, 72, 72, 71, 70):
        load_windows(card, seed=seed)
    assert seeds == [70, 71, 72, 70]
