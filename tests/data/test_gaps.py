"""Gaps in recordings, and the same count of windows in every command."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from builders.data import agrees, samples, write_card
from builders.places import Folders
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

from mcukd.cli.app import app
from mcukd.data.card import Card, load_card
from mcukd.data.describe import describe
from mcukd.data.gaps import Cut, find_gaps, resampled_length, stretches, window_starts
from mcukd.data.load import load_windows
from mcukd.data.quality.check import check
from mcukd.data.resample import cut_of, ratio
from mcukd.errors import UserError


def stamps(steps: Any) -> np.ndarray:
    """Stamps in seconds from steps in milliseconds."""
    return np.concatenate([[0.0], np.cumsum(np.asarray(steps, float))]) / 1000


def regular(number: int, step: float = 10.0) -> list[float]:
    return [step] * number


def jittered(number: int, spread: float, seed: int = 0) -> np.ndarray:
    """Stamps every 10 ms, each off by up to `spread` ms, in whole milliseconds and in order."""
    rng = np.random.default_rng(seed)
    exact = np.arange(number) * 10 + rng.uniform(-spread, spread, number)
    return np.maximum.accumulate(np.round(exact)) / 1000


def test_even_stamps_have_no_gap() -> None:
    assert len(find_gaps(stamps(regular(200))).after) == 0


@pytest.mark.parametrize("spread", [0, 1, 3, 6, 12, 20])
def test_jitter_of_any_size_is_no_gap(spread: float) -> None:
    assert len(find_gaps(jittered(2000, spread)).after) == 0


@pytest.mark.parametrize(
    "stall",
    [
        [36, 1, 0, 0, 6],
        [38, 0, 0, 0, 12],
        [56, 13, 0, 0, 0, 0, 3, 2],
        [210, *[0] * 20],
        [510, *[1] * 55],
        [0, 0, 0, 0, 0, 60],
        [26],
        [41],
    ],
)
def test_a_stalled_clock_is_no_gap(stall: list[float]) -> None:
    found = find_gaps(stamps([*regular(80), *stall, *regular(80), *stall, *regular(80)]))
    assert len(found.after) == 0 and found.hitches == 2


@pytest.mark.parametrize("hz", [26, 52, 59, 104, 119, 130])
@pytest.mark.parametrize("stall_s", [0.5, 1, 5])
def test_a_stall_is_no_gap_where_whole_milliseconds_do_not_fit_the_rate(hz: int, stall_s: float) -> None:
    exact = np.arange(hz * 60) * 1000 / hz
    whole = np.round(exact)
    for at in (hz * 10, hz * 30):
        number = round(stall_s * hz)
        whole[at : at + number] = whole[at + number]
    assert len(find_gaps(whole / 1000).after) == 0
    lost = np.concatenate([whole[: hz * 20], whole[hz * 22 :]]) / 1000
    assert find_gaps(lost).after.tolist() == [hz * 20 - 1]


@pytest.mark.parametrize("step", [1.0, 10.0, 16.0, 40.0, 100.0, 1000.0])
@pytest.mark.parametrize("lost", [60, 61, 100, 5000])
def test_a_real_gap_is_one_at_any_rate(step: float, lost: int) -> None:
    found = find_gaps(stamps([*regular(50, step), step * (lost + 1), *regular(50, step)]))
    assert found.after.tolist() == [50]
    assert found.missing_s[0] == pytest.approx(lost * step / 1000)


def test_a_single_lost_sample_is_let_pass_and_two_are_not_at_a_slow_rate() -> None:
    assert len(find_gaps(stamps([*regular(20, 100), 200, *regular(20, 100)])).after) == 0
    assert find_gaps(stamps([*regular(20, 100), 300, *regular(20, 100)])).after.tolist() == [20]


@pytest.mark.parametrize("spread", [1, 3, 6, 12])
def test_a_real_gap_among_jitter_is_one(spread: float) -> None:
    whole = jittered(2000, spread)
    seconds = np.concatenate([whole[:700], whole[720:]])
    assert find_gaps(seconds).after.tolist() == [699]


def test_a_gap_after_a_stall_is_told_from_it() -> None:
    seconds = stamps([*regular(60), 36, 1, 0, 0, 3, *regular(60), 900, *regular(60)])
    assert find_gaps(seconds).after.tolist() == [125]


def test_part_of_what_is_missing_may_come_late() -> None:
    found = find_gaps(stamps([*regular(60), 400, 0, 0, 0, *regular(60)]))
    assert found.after.tolist() == [60] and found.missing_s[0] == pytest.approx(0.36, abs=0.01)


@pytest.mark.parametrize("batch", [2, 5, 32])
def test_batches_with_one_stamp_have_no_gap_until_one_is_lost(batch: int) -> None:
    steps = ([0] * (batch - 1) + [10.0 * batch]) * 40
    assert len(find_gaps(stamps(steps)).after) == 0
    lost = [*steps, *[0] * (batch - 1), 10.0 * batch * 6, *steps]
    assert len(find_gaps(stamps(lost)).after) == 1


def test_batches_of_any_length_have_no_gap() -> None:
    rng = np.random.default_rng(0)
    steps: list[float] = []
    for number in rng.integers(1, 30, 200):
        steps += [0.0] * int(number - 1) + [10.0 * float(number)]
    assert len(find_gaps(stamps(steps)).after) == 0


def test_stamps_of_whole_seconds_have_gaps_too() -> None:
    seconds = np.repeat(np.arange(60.0), 10)
    assert len(find_gaps(seconds).after) == 0
    kept = seconds[(seconds < 20) | (seconds > 30)]
    assert find_gaps(kept).after.tolist() == [199]


def test_rows_written_twice_are_no_gap_and_are_reported(tmp_path: Path) -> None:
    herd(tmp_path, np.repeat(np.arange(200) / 10, np.where(np.arange(200) == 50, 2, 1)), twice=50)
    checked = check(write_card(tmp_path, time=True))
    assert checked.animals["A"]["gaps"] == 0 and checked.animals["A"]["duplicate_rows"] == 2
    found = [one.sentence for one in checked.findings if one.kind == "repeated"]
    assert "animal A: 2 rows = 0.50 % stand twice, stamp and values" in found


def herd(folder: Path, seconds: np.ndarray, twice: int | None = None) -> None:
    """Two animals with both classes, all with these stamps."""
    for number, name in enumerate(("graze/A1.csv", "rest/A2.csv", "graze/B1.csv", "rest/B2.csv")):
        values = samples(len(seconds), seed=number)
        if twice is not None:
            values[twice + 1] = values[twice]
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        rows = [f"{t:.4f},{x:.5f},{y:.5f},{z:.5f}" for t, (x, y, z) in zip(seconds, values)]
        path.write_text("\n".join(["t,x,y,z", *rows]) + "\n", encoding="utf-8")


def test_what_gaps_cost_is_said_in_rows_seconds_and_share(tmp_path: Path) -> None:
    whole = np.arange(200) / 10
    herd(tmp_path, np.concatenate([whole[:55], whole[75:]]))
    checked = check(write_card(tmp_path, time=True))
    (found, _) = [one for one in checked.findings if one.kind == "gaps"]
    assert found.sentence == (
        "animal A: 2 gaps with 4 s missing, the longest step 2.1 s; they cost 20 rows = 2 s = 5.6 % of the "
        "labelled rows (2 windows)"
    )
    facts = checked.animals["A"]
    assert facts["lost_to_gaps_rows"] == 20 and facts["lost_to_gaps_windows"] == 2
    assert facts["missing_s"] == pytest.approx(4)


@given(st.integers(0, 400), st.integers(1, 40), st.integers(1, 40), st.sampled_from([1, 5, 10, 25, 50, 62.5]))
def test_windows_are_counted_as_they_are_cut(samples: int, length: int, hop: int, hz: float) -> None:
    card = load_card("cow-collar")
    signal = card.signal.model_copy(update={"resample_hz": hz})
    factor = ratio(signal)
    cut = Cut(length, hop, factor)
    starts = window_starts(resampled_length(samples, factor), length, hop)
    assert cut.windows(samples) == len(starts)
    assert 0 <= cut.covered(samples) <= samples


@settings(deadline=None)
@given(st.integers(0, 60), st.sampled_from([(1, 2), (5, 2), (25, 4), (2, 1), (1, 10), (3, 7)]))
def test_resampling_gives_as_many_samples_as_counted(number: int, factor: tuple[int, int]) -> None:
    from fractions import Fraction

    from mcukd.data.resample import resample

    one = Fraction(*factor)
    assert len(resample(np.ones((number, 3)), one)) == resampled_length(number, one)


def recorded(draw: Any) -> list[tuple[str, str, int, np.ndarray]]:
    """Runs of a random herd: animal, label, segment, stamps in seconds; some with gaps, jitter or stalls."""
    runs = []
    clock = 0.0
    segment = 0
    for animal in "AB":
        for label in (
            "graze",
            "rest",
            *draw(st.lists(st.sampled_from(["graze", "rest", "other"]), max_size=3)),
        ):
            number = draw(st.integers(12, 60))
            steps = np.full(number, 0.1)
            steps += draw(st.sampled_from([0.0, 0.02])) * np.resize([1, -1], number)
            for _ in range(draw(st.integers(0, 3))):
                at = draw(st.integers(0, number - 1))
                steps[at] = draw(st.sampled_from([0.0, 0.2, 0.25, 0.3, 0.5, 3.0]))
            # A window of each class and animal, so that nothing is refused.
            steps = np.concatenate([np.full(14, 0.1), steps])
            segment += draw(st.booleans())
            times = clock + np.cumsum(steps)
            clock = float(times[-1]) + 0.1
            runs.append((animal, label, segment, times))
    return runs


def written(
    folder: Path, reader: str, runs: list[tuple[str, str, int, np.ndarray]], hz: float | None
) -> Card:
    folder.mkdir(parents=True, exist_ok=True)
    for old in (*folder.rglob("*.csv"), *folder.glob("*.parquet")):
        old.unlink()
    values = [samples(len(times), seed=number) for number, (*_, times) in enumerate(runs)]
    changes = {"train_hop": 3, "hop": 7}
    if reader == "segments":
        for number, ((animal, label, _, times), rows) in enumerate(zip(runs, values)):
            path = folder / label / f"{animal}{number}.csv"
            path.parent.mkdir(exist_ok=True)
            text = [f"{t:.4f},{x:.5f},{y:.5f},{z:.5f}" for t, (x, y, z) in zip(times, rows)]
            path.write_text("\n".join(["t,x,y,z", *text]) + "\n", encoding="utf-8")
        write_card(folder, time=True, **changes)
    elif reader == "long-csv":
        text = [
            f"{animal},{label},{segment},{t:.4f},{x:.5f},{y:.5f},{z:.5f}"
            for (animal, label, segment, times), rows in zip(runs, values)
            for t, (x, y, z) in zip(times, rows)
        ]
        (folder / "all.csv").write_text("\n".join(["cow,what,piece,t,x,y,z", *text]) + "\n", encoding="utf-8")
        path = write_card(folder, long=True, time=True, **changes).path
        assert path is not None
        with_segment = path.read_text(encoding="utf-8").replace(
            'label = "what"', 'label = "what"\nsegment = "piece"'
        )
        path.write_text(with_segment, encoding="utf-8")
    else:
        import pyarrow
        from pyarrow import parquet

        columns: dict[str, Any] = {
            "animal": [animal for animal, _, _, times in runs for _ in times],
            "label": [None if label == "other" else label for _, label, _, times in runs for _ in times],
            "segment": [segment for _, _, segment, times in runs for _ in times],
            "time": np.concatenate([times for *_, times in runs]),
        }
        columns.update({axis: np.concatenate(values)[:, place] for place, axis in enumerate("xyz")})
        table = pyarrow.table(columns)
        parquet.write_table(table.slice(0, 40), folder / "part-00000.parquet", row_group_size=25)
        parquet.write_table(table.slice(40), folder / "part-00001.parquet", row_group_size=33)
        path = write_card(folder, **changes).path
        assert path is not None
        text_ = path.read_text(encoding="utf-8")
        start, stop = text_.index("[source]"), text_.index("[signal]")
        parquet_source = '[source]\nreader = "parquet"\nfolder = "."\n\n'
        path.write_text(text_[:start] + parquet_source + text_[stop:], encoding="utf-8")
    card_path = folder / "card.toml"
    if hz is not None:
        card_path.write_text(
            card_path.read_text(encoding="utf-8").replace(
                "rate_hz = 10", f"rate_hz = 10\nresample_hz = {hz:g}"
            ),
            encoding="utf-8",
        )
    return load_card(str(card_path))


@pytest.mark.parametrize("reader", ["segments", "long-csv", "parquet"])
@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data(), hz=st.sampled_from([None, None, 5, 25, 12.5]))
def test_every_command_counts_the_same_windows(
    tmp_path: Path, reader: str, data: st.DataObject, hz: float | None
) -> None:
    try:
        card = written(tmp_path / reader, reader, recorded(data.draw), hz)
        load_windows(card)
    except UserError as refused:  # a rate that is off, or a class without a window
        assert "rate of 10 Hz" in str(refused) or "no window" in str(refused)
        return
    agrees(card)


def test_runs_read_in_pieces_count_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mcukd.data.quality.check.PIECE", 30)
    steps = np.full(400, 0.1)
    steps[[35, 90, 180, 181]] = [3.0, 0.25, 0.5, 0.0]
    runs = [
        (animal, label, number, np.cumsum(steps) + 100 * number)
        for number, (animal, label) in enumerate(
            [("A", "graze"), ("A", "rest"), ("B", "graze"), ("B", "rest")]
        )
    ]
    agrees(written(tmp_path, "parquet", runs, None))


def test_every_command_counts_the_same_windows_of_a_simulated_herd() -> None:
    from mcukd.data.simulation.simulator import resized

    agrees(resized(load_card("herd-sim"), 2, 5))


def test_every_command_counts_the_same_windows_of_cut_ones(real_data: Folders) -> None:
    card, root = load_card("ucihar-subset"), real_data("ucihar-subset").parent
    counted = sum(sum(one["windows"].values()) for one in check(card, root).animals.values())
    assert counted == len(load_windows(card, root)) == describe(card, root)["total"] == 3350


def test_a_phone_with_steps_of_26_ms_loses_nothing(tmp_path: Path, repro: Folders) -> None:
    """The kind of n07: most steps are 10 ms, some 26 ms."""
    out = tmp_path / "card"
    result = CliRunner().invoke(app, ["data", "import", str(repro("n07-jitter")), "--out", str(out)])
    assert result.exit_code == 0, result.output
    card = load_card(str(out / "card.toml"))
    agrees(card)
    facts = json.loads(CliRunner().invoke(app, ["data", "check", str(out / "card.toml"), "--json"]).output)
    assert all(one["gaps"] == 0 and one["lost_to_gaps_rows"] == 0 for one in facts["animals"].values())
    assert describe(card)["total"] == 60_000 // card.window


def test_a_watch_whose_clock_stalls_loses_nothing(real_data: Folders) -> None:
    import pandas as pd

    files = sorted(real_data("watch-har").glob("s0[1-3]/*_sw.csv"))
    assert len(files) > 10
    for path in files:
        seconds = pd.read_csv(path)["timestamp"].to_numpy() / 1000
        assert len(stretches(len(seconds), seconds)) == 1, path


def test_hops_are_named(tmp_path: Path) -> None:
    herd(tmp_path, np.arange(200) / 10)
    card = write_card(tmp_path, time=True)
    assert cut_of(card, card.train_hop) == Cut(10, 5)
    (found,) = [one.sentence for one in check(card).findings if one.sentence.startswith("windows at")]
    assert found == (
        "windows at the evaluation hop of 10 samples: graze: 40 of 2 animals; rest: 40 of 2 animals; in "
        "training, at a hop of 5: 156 in all"
    )
    text = CliRunner().invoke(app, ["data", "describe", str(card.path)]).output
    assert "Windows at the evaluation hop of 10 samples: 80, from 4 segments." in text
    assert "In training, at a hop of 5 samples: 156." in text


def test_a_gap_between_few_stamps_of_whole_seconds_is_seen() -> None:
    seconds = np.repeat([45.0, 53.0, 54.0], [19, 20, 4])
    assert find_gaps(seconds).after.tolist() == [18]
