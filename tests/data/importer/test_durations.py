"""Durations of labels: units from the column's name, from the next label, or written out."""

from __future__ import annotations

from pathlib import Path

import pytest

from mcukd.data.importer.intervals import LabelTable
from mcukd.data.importer.label_clocks import Asked, Spans
from mcukd.data.importer.labels import read_labels
from mcukd.data.importer.options import Dialog, Options
from mcukd.errors import UserError

#: 2024-05-15 09:20:30 UTC.
START = 1715764830.0
SPANS = Spans({"A": (START, START + 600)})


def labels(folder: Path, name: str, cells: list[str], seconds: float) -> tuple[LabelTable, list[str]]:
    """Read labels that begin so many seconds apart."""
    rows = [f"animal,start,{name},behaviour"]
    rows += [
        f"A,{START + seconds * n:.0f},{cell},{'graze' if n % 2 else 'rest'}" for n, cell in enumerate(cells)
    ]
    path = folder / "labels.csv"
    path.write_text("\n".join(rows) + "\n", encoding="utf-8")
    dialog = Dialog()
    return read_labels(path, Asked(Options(), dialog, lambda: SPANS)), dialog.notes


@pytest.mark.parametrize(
    ("name", "cell", "lasts"),
    [
        ("duration", "20", 20.0),
        ("duration_s", "20", 20.0),
        ("Duration (s)", "20.5", 20.5),
        ("duration_min", "0.5", 30.0),
        ("Duration (minutes)", "1", 60.0),
        ("duration_ms", "20000", 20.0),
        ("durationMs", "20000", 20.0),
        ("duration_h", "0.01", 36.0),
        ("duration_days", "0.0005", 43.2),
        ("duration", "0:01:30", 90.0),
        ("duration (h:mm)", "0:01", 60.0),
        ("duration_mm_ss", "1:30", 90.0),
        ("duration", "1:30.5", 90.5),
    ],
)
def test_the_unit_of_a_duration_is_that_of_its_columns_name(
    tmp_path: Path, name: str, cell: str, lasts: float
) -> None:
    table, notes = labels(tmp_path, name, [cell] * 3, 200.0)
    assert [one.end - one.start for one in table.all()] == pytest.approx([lasts] * 3)
    assert bool(notes) == any(word in name for word in ("min", "ms", "Ms", "_h", "days"))


@pytest.mark.parametrize(
    ("cell", "unit"), [("2", "minutes"), ("120000", "milliseconds"), ("0.00139", "days")]
)
def test_labels_that_end_where_the_next_begins_tell_the_unit(tmp_path: Path, cell: str, unit: str) -> None:
    table, notes = labels(tmp_path, "duration", [cell] * 4, 120.0)
    assert [one.end - one.start for one in table.all()] == pytest.approx([120.0] * 4, rel=0.01)
    assert any(f"duration holds {unit}, for most labels then end" in note for note in notes)


def test_hours_and_minutes_are_not_guessed_for_minutes_and_seconds(tmp_path: Path) -> None:
    with pytest.raises(
        UserError, match="line 2: column duration is '1:30', which may be hours and minutes or"
    ):
        labels(tmp_path, "duration", ["1:30"] * 3, 200.0)
