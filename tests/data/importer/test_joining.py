"""Labels and recordings on different clocks: when UTC is assumed, and when the user is asked."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mcukd.data.importer.joining import check_coverage, labels_of
from mcukd.data.importer.options import Dialog, Options
from mcukd.data.importer.plan import make_plan
from mcukd.data.importer.rows import State, read_rows
from mcukd.errors import UserError

START = dt.datetime(2024, 7, 1, 8)
BERLIN = "Europe/Berlin"


def recordings(folder: Path, hours: float, suffix: str = "") -> Path:
    """Two animals, a sample every 2 s, local time of Berlin unless the suffix says UTC."""
    lines = ["time,cow,x,y,z"]
    for cow in "AB":
        for n in range(int(hours * 1800)):
            stamp = START + dt.timedelta(seconds=2 * n) - dt.timedelta(hours=2 if suffix else 0)
            lines.append(f"{stamp}{suffix},{cow},0.1,0.{n % 3},0.95")
    (folder / "herd.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return folder / "herd.csv"


def write_labels(folder: Path, hours: float, shift: float = 0.0, suffix: str = "", step: int = 600) -> Path:
    """Graze and rest by turns from the first sample on."""
    lines = ["animal,start,end,behaviour"]
    for number in range(int(hours * 3600 / step)):
        start = START + dt.timedelta(seconds=step * number, hours=shift)
        end = start + dt.timedelta(seconds=step)
        lines.append(f"A,{start}{suffix},{end}{suffix},{('graze', 'rest')[number % 2]}")
    (folder / "labels.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return folder / "labels.csv"


def joined(path: Path, table: Path, **options: Any) -> tuple[list[Any], list[str]]:
    """Return the labels of A's samples, and notes."""
    dialog, stated = Dialog(), Options(labels_table=table, animal_column="cow", **options)
    plan = make_plan(path, stated, dialog)
    found = labels_of(stated, plan, dialog)
    rows = list(read_rows(plan, stated, found, State()))
    names = np.concatenate([one.label.texts() for one in rows])
    animals = np.concatenate([one.animal.texts() for one in rows])
    return names[animals == "A"].tolist(), dialog.notes


def right(hours: float, step: int = 600) -> list[str]:
    return [("graze", "rest")[2 * n // step % 2] for n in range(int(hours * 1800))]


@pytest.mark.parametrize("suffix", ["", "Z"])
@pytest.mark.parametrize("labels_zone", [None, BERLIN])
def test_one_zone_or_two_for_recordings_and_labels(tmp_path: Path, suffix: str, labels_zone: str) -> None:
    table = write_labels(tmp_path, 1)
    names, _ = joined(recordings(tmp_path, 1, suffix), table, timezone=BERLIN, labels_timezone=labels_zone)
    assert names == right(1)


def test_labels_of_another_zone_than_the_recordings(tmp_path: Path) -> None:
    table = write_labels(tmp_path, 1, shift=-1)
    names, _ = joined(recordings(tmp_path, 1), table, timezone=BERLIN, labels_timezone="Europe/London")
    assert names == right(1)


def test_bare_labels_of_recordings_in_utc_are_asked_for_their_zone(tmp_path: Path) -> None:
    path, table = recordings(tmp_path, 8, "Z"), write_labels(tmp_path, 1)
    with pytest.raises(
        UserError, match=r"labels do neither: .* h ahead of UTC; name its zone with --labels-time"
    ):
        joined(path, table)
    names, _ = joined(path, table, labels_timezone=BERLIN)
    assert names[:1800] == right(1) and set(names[1800:]) == {None}


def test_bare_recordings_of_labels_in_utc_are_asked_for_their_zone(tmp_path: Path) -> None:
    path, table = recordings(tmp_path, 8), write_labels(tmp_path, 1, shift=-2, suffix="Z")
    with pytest.raises(UserError, match=r"the recordings do neither: .* name its zone with --timezone"):
        joined(path, table)
    assert joined(path, table, timezone=BERLIN)[0][:1800] == right(1)


def test_utc_is_taken_where_no_other_zone_fits(tmp_path: Path) -> None:
    path, table = recordings(tmp_path, 0.3, "Z"), write_labels(tmp_path, 0.3, shift=-2, step=120)
    names, notes = joined(path, table)
    assert names == right(0.3, 120)
    assert any("zones: the labels say none and are taken as UTC, for in any other" in note for note in notes)


def test_labels_of_another_date_are_said_as_dates(tmp_path: Path) -> None:
    path, table = recordings(tmp_path, 0.3), write_labels(tmp_path, 0.3, shift=24 * 400, step=120)
    dialog, stated = Dialog(), Options(labels_table=table, animal_column="cow")
    found = labels_of(stated, make_plan(path, stated, dialog), dialog)
    assert found is not None
    first = START.replace(tzinfo=dt.UTC).timestamp()
    with pytest.raises(UserError) as caught:
        check_coverage(found, {"A": (first, first + 1080)}, dialog)
    assert "from 2025-08-05 08:00:00 to 2025-08-05 08:18:00 UTC, and they were made from 2024-07-01" in str(
        caught.value
    )
    assert " h from" not in str(caught.value)
