"""What is written is read back: BORIS's project and sheet, Movebank's table, mHealth."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mcukd.annotations.boris_files import write_project, write_sheet
from mcukd.annotations.formats import read_behaviour
from mcukd.annotations.mhealth import write_mhealth
from mcukd.annotations.movebank import COLUMNS, write_movebank
from mcukd.annotations.reading import Reading
from mcukd.errors import UserError
from mcukd.metrics.agreement.track import Track, track_of

CLASSES = ("grazing", "resting", "out of sight")
SHA = "ab" * 32
#: 2026-05-01 and three days more, when no clock of Berlin changes.
BEGAN = 1_777_593_600 * 10**9
MS = 10**6


@st.composite
def track(draw: st.DrawFn, animal: str = "cow 17") -> Track:
    """Return a track of whole milliseconds: no bout touches one of its own class."""
    lengths = draw(
        st.lists(st.tuples(st.integers(1, 10**8), st.sampled_from((0, 0, 1, 700))), min_size=1, max_size=12)
    )
    rows: list[tuple[int, int, int]] = []
    at, last = BEGAN + draw(st.integers(0, 10**7)) * MS, -1
    for length, gap in lengths:
        at += gap * MS
        behaviour = draw(st.sampled_from([k for k in range(3) if gap or k != last]))
        rows.append((at, at + length * MS, behaviour))
        at, last = at + length * MS, behaviour
    return track_of(animal, "a log", CLASSES, rows)


def same(found: Track, written: Track) -> bool:
    """Tell whether two tracks say the same of the same animal."""
    return (
        found.animal == written.animal
        and np.array_equal(found.starts, written.starts)
        and np.array_equal(found.ends, written.ends)
        and [found.classes[k] for k in found.behaviours] == [written.classes[k] for k in written.behaviours]
    )


@given(track(), track("B"), st.sampled_from(["boris", "xlsx", "movebank", "mhealth"]))
@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_what_is_written_reads_to_the_same(tmp_path: Path, first: Track, second: Track, kind: str) -> None:
    path, tracks = tmp_path / "file", [first, second]
    sha: str | None = None
    if kind == "boris":
        write_project(path, "herd", tracks, "Europe/Berlin", "")
    elif kind == "xlsx":
        write_sheet(path, tracks)
    elif kind == "movebank":
        write_movebank(path, tracks, {}, SHA)
        sha = SHA
    else:
        write_mhealth(path, tracks, "Europe/Berlin")
    said = read_behaviour(path, Reading(timezone="Europe/Berlin", classes=CLASSES))
    assert said.model_sha256 == sha
    found = {one.animal: one for one in said.tracks}
    assert all(same(found[one.animal], one) for one in tracks)


LOG = track_of("cow 17", "the tag's log", ("Grazing", "resting"), [(BEGAN, BEGAN + 1500 * MS, 0)])


def test_movebank_has_its_terms_and_the_models_hash(tmp_path: Path) -> None:
    path = tmp_path / "m.csv"
    assert write_movebank(path, [LOG], {"cow 17": "tag 4"}, SHA) == 1
    with path.open(newline="") as stream:
        (row,) = csv.DictReader(stream)
    assert tuple(row) == COLUMNS
    assert list(row.values()) == [
        *("tag 4", "cow 17", "2026-05-01 00:00:00.000", "2026-05-01 00:00:00.000"),
        *("2026-05-01 00:00:01.500", "grazing", SHA),
    ]
    alike = track_of("A", "x", ("Lying", "lying"), [(0, MS, 0)])
    with pytest.raises(UserError, match="two of the behaviours are one: Lying and lying|two of the behav"):
        write_movebank(path, [alike], {}, None)
    with pytest.raises(UserError, match="name it with --animal"):
        write_movebank(path, [track_of("", "x", ("a",), [(0, MS, 0)])], {}, None)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("A,2026-05-01 00:00:00.000,soon,grazing\n", "line 2: column end-timestamp is 'soon'"),
        ("", "a header but no rows"),
    ],
)
def test_movebanks_table_without_times_is_one_sentence(tmp_path: Path, text: str, sentence: str) -> None:
    path = tmp_path / "m.csv"
    path.write_text("animal-id,timestamp,end-timestamp,behavioural-classification\n" + text)
    with pytest.raises(UserError, match=sentence):
        read_behaviour(path, Reading())


def test_mhealth_refuses_times_that_its_zone_shows_twice(tmp_path: Path) -> None:
    # 2026-10-25 00:30 UTC is 02:30 in Berlin for the first time.
    night = 1_792_888_200 * 10**9
    log = track_of("A", "x", ("a",), [(night, night + MS, 0)])
    with pytest.raises(UserError, match="came twice in Europe/Berlin"):
        write_mhealth(tmp_path / "m.csv", [log], "Europe/Berlin")
    assert not (tmp_path / "m.csv").exists()
    assert write_mhealth(tmp_path / "m.csv", [log], "UTC") == 1


def test_boris_gets_dates_states_and_names_it_takes(tmp_path: Path) -> None:
    path = tmp_path / "p.boris"
    write_project(path, "herd", [LOG, LOG], "Europe/Berlin", "from a tag")
    project = json.loads(path.read_text())
    first, second = project["observations"].values()
    assert first["date"] == "2026-05-01T02:00:00.000" and first["start_from_current_epoch_time"]
    assert first["events"] == second["events"]
    assert first["events"] == [
        [BEGAN / 1e9, "cow 17", "Grazing", "", ""],
        [BEGAN / 1e9 + 1.5, "cow 17", "Grazing", "", ""],
    ]
    bad = track_of("A|B", "x", ("a",), [(0, MS, 0)])
    with pytest.raises(UserError, match=r"no '\|' in it, as in 'A\|B'"):
        write_project(path, "herd", [bad], "UTC", "")
