"""What modelled sensors measure."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from mcukd.chips.sensors.sources import (
    Motion,
    Recording,
    Scale,
    TimedRecording,
    at_rest,
    recording_of_card,
    recording_of_parquet,
)
from mcukd.data.card import load_card
from mcukd.data.load import load_counts
from mcukd.errors import UserError

TIMES = np.arange(4, dtype=np.int64) * 20_000_000


def test_a_recording_is_taken_row_by_row_and_stays_at_its_end_or_begins_anew() -> None:
    rows = [[1, 2, 3], [4, 5, 6], [7, 8, 9]]
    source = Recording(rows)
    assert source.peek(0, Scale(12, 4)).tolist() == rows[0]
    assert source.take(TIMES, Scale(12, 4)).tolist() == [*rows, rows[2]] and source.taken == 4
    assert Recording(rows, repeat=True).take(TIMES, Scale(12, 4)).tolist() == [*rows, rows[0]]


def test_a_recording_of_another_scale_or_range_is_refused() -> None:
    with pytest.raises(UserError, match=r"has 512 counts per g, but the sensor is set up for 256"):
        Recording([[0, 0, 0]], counts_per_g=512).take(TIMES, Scale(12, 8))
    with pytest.raises(UserError, match=r"from -3000 to 0, but the sensor gives -2048 to 2047"):
        Recording([[0, 0, -3000]]).take(TIMES, Scale(12, 4))
    with pytest.raises(UserError, match=r"float64 of shape \(1, 3\), but whole numbers"):
        Recording(np.zeros((1, 3)))  # type: ignore[arg-type]


def test_a_function_is_rounded_and_clipped() -> None:
    source = Motion(lambda t: np.stack([t * 50, -t * 50, np.full_like(t, 0.0005)], axis=1))
    assert source.take(TIMES, Scale(12, 2)).tolist() == [
        [0, 0, 1], [1024, -1024, 1], [2047, -2048, 1], [2047, -2048, 1],
    ]  # fmt: skip
    assert at_rest(0, 0, -1).peek(5, Scale(16, 4)).tolist() == [0, 0, -8192]


def test_a_card_gives_the_counts_of_one_animal() -> None:
    card = load_card("herd-sim")
    parts = load_counts(card)
    animal = parts[0].animal
    expected = np.concatenate([part.counts for part in parts if part.animal == animal])
    source = recording_of_card("herd-sim", animal)
    assert np.array_equal(source.counts, expected) and source.counts_per_g == 512
    wide = recording_of_card("herd-sim", animal, widen_bits=4)
    assert np.array_equal(wide.counts >> 4, expected) and wide.counts_per_g == 8192
    with pytest.raises(UserError, match="herd-sim: no animal 'Bella'; expected one of"):
        recording_of_card("herd-sim", "Bella")


def test_a_parquet_file_gives_three_columns_of_counts(tmp_path: Path) -> None:
    path = tmp_path / "counts.parquet"
    pd.DataFrame({"x": [1, 2], "y": [3, 4], "z": [5, 6], "t": [0, 1]}).to_parquet(path)
    assert recording_of_parquet(path).counts.tolist() == [[1, 3, 5], [2, 4, 6]]
    with pytest.raises(UserError, match="counts.parquet"):
        recording_of_parquet(path, ("x", "y", "w"))
    with pytest.raises(UserError, match="cannot be read"):
        recording_of_parquet(tmp_path / "nothing.parquet")


def test_a_timed_recording_is_by_the_clock_and_not_by_what_was_taken() -> None:
    rows, period = np.arange(12).reshape(4, 3), 20_000_000
    source, scale = TimedRecording(rows, period), Scale(12, 4.0)
    times = np.array([0, period - 1, period, 3 * period, 4 * period, 9 * period + 5])
    assert np.array_equal(source.take(times, scale), rows[[0, 0, 1, 3, 0, 1]])
    assert np.array_equal(source.take(times[:2], scale), rows[[0, 0]])
    assert source.peek(2 * period, scale).tolist() == rows[2].tolist()
    assert source.peek(3 * period, Scale(4, 4.0)).tolist() == [7, 7, 7]
