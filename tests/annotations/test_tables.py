"""Label tables as tracks: mHealth, tables of any columns, names of behaviours and animals, local times."""

from __future__ import annotations

import math
import zipfile
from pathlib import Path
from typing import Any

import pytest

from mcukd.annotations.formats import read_behaviour
from mcukd.annotations.reading import Reading, Said, TagModel
from mcukd.errors import UserError

MHEALTH = """HEADER_TIME_STAMP,START_TIME,STOP_TIME,LABEL_NAME
2024-05-15 11:20:30.000,2024-05-15 11:20:30.000,2024-05-15 11:21:00.500,Grazing
2024-05-15 11:21:00.500,2024-05-15 11:21:00.500,2024-05-15 11:22:00.000,resting
"""
BEGAN = 1_715_764_830 * 10**9
CLASSES = ("grazing", "resting", "walking")


def read(folder: Path, text: str, **options: Any) -> Said:
    path = folder / "labels"
    path.write_text(text, encoding="utf-8")
    return read_behaviour(path, Reading(**{"timezone": "Europe/Berlin", **options}))


def rows(text: str) -> str:
    return "animal,start,end,behaviour\n" + text


def test_mhealth_is_read_and_its_animal_stated(tmp_path: Path) -> None:
    (track,) = read(tmp_path, MHEALTH, classes=CLASSES, animal="Bella").tracks
    assert track.animal == "Bella" and track.classes == CLASSES
    assert (track.starts - BEGAN).tolist() == [0, 30_500_000_000]
    assert (track.ends - BEGAN).tolist() == [30_500_000_000, 90_000_000_000]
    assert track.behaviours.tolist() == [0, 1]
    both = MHEALTH.replace("LABEL_NAME\n", "LABEL_NAME,PARTICIPANT_ID\n").replace("ing\n", "ing,7\n")
    assert [one.animal for one in read(tmp_path, both).tracks] == ["7"]


def test_times_need_a_zone_and_a_date(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="on a local clock.*state it with --timezone"):
        read(tmp_path, MHEALTH, timezone=None)
    with pytest.raises(UserError, match="times of day without a date"):
        read(tmp_path, rows("A,09:20:30,09:21:00,graze\n"))
    with pytest.raises(UserError, match="nothing says when that was; state it with --begins"):
        read(tmp_path, rows("A,0,30,graze\n"))
    (track,) = read(tmp_path, rows("A,0,30,graze\n"), begins=BEGAN / 1e9).tracks
    assert (track.starts[0], track.ends[0]) == (BEGAN, BEGAN + 30 * 10**9)


@pytest.mark.parametrize(
    ("line", "sentence"),
    [
        # The clock went on from 1:59 to 3:00, and on another day from 2:59 back to 2:00.
        ("A,2024-03-31 02:10:00,2024-03-31 03:10:00,graze\n", "there was no such hour"),
        ("A,2024-10-27 01:50:00,2024-10-27 02:10:00,graze\n", "came twice in Europe/Berlin"),
        ("A,2024-10-27 01:50:00,2024-10-27 01:55:00,rest\nA,2024-10-27 02:30:00,2024-10-27 02:40:00,graze\n",
         "came twice in Europe/Berlin"),
    ],
)  # fmt: skip
def test_local_times_that_come_twice_or_never_are_refused(tmp_path: Path, line: str, sentence: str) -> None:
    """Trap: the order of rows suggests the first of both hours, which an observer's gap makes wrong."""
    with pytest.raises(UserError, match=sentence):
        read(tmp_path, rows(line))
    assert read(tmp_path, rows(line), timezone="+01:00").tracks


def test_behaviours_are_brought_to_the_classes(tmp_path: Path) -> None:
    text = rows(
        "A,2024-05-15 09:00:00,2024-05-15 09:01:00,GRAZING\n"
        "A,2024-05-15 09:01:00,2024-05-15 09:02:00,lying\n"
        "A,2024-05-15 09:03:00,2024-05-15 09:04:00,out of sight\n"
    )
    with pytest.raises(
        UserError, match=r"'lying' and 'out of sight' are none of the classes|'lying', 'out of s"
    ):
        read(tmp_path, text, classes=CLASSES)
    said = read(tmp_path, text, classes=CLASSES, mapping={"Lying": "Resting", "out of sight": ""})
    assert said.tracks[0].behaviours.tolist() == [0, 1]
    assert "labels: 1 interval of out of sight left out." in said.notes
    assert len(read(tmp_path, text, classes=CLASSES, leave_out=True).tracks[0]) == 1
    with pytest.raises(UserError, match="--map names 'lyin', which it does not hold"):
        read(tmp_path, text, classes=CLASSES, mapping={"lyin": "resting"})
    with pytest.raises(UserError, match="lying=rest, but 'rest' is no class"):
        read(tmp_path, text, classes=CLASSES, mapping={"lying": "rest"})
    with pytest.raises(UserError, match="every behaviour in it is left out"):
        read(tmp_path, rows("A,2024-05-15 09:00,2024-05-15 09:01,x\n"), classes=CLASSES, leave_out=True)


def test_subjects_are_animals_by_another_name(tmp_path: Path) -> None:
    text = rows("cow 7,2024-05-15 09:00:00,2024-05-15 09:01:00,graze\n")
    assert read(tmp_path, text, animals={"COW 07": "Bella"}).tracks[0].animal == "Bella"
    with pytest.raises(UserError, match="--subject names 'cow 8', which is none of its subjects"):
        read(tmp_path, text, animals={"cow 8": "Bella"})


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (
            "A,2024-05-15 09:00,2024-05-15 09:02,a\nA,2024-05-15 09:01,2024-05-15 09:03,b\n",
            "lines 2 and 3: a and b",
        ),
        ("A,2024-05-15 09:02,2024-05-15 09:00,a\n", "line 2: a ends 120 s before it starts"),
        ("A,2024-05-15 09:00,2024-05-15 09:00,a\n", "no behaviour with a start and an end"),
    ],
)
def test_intervals_that_contradict_themselves_are_refused(tmp_path: Path, text: str, sentence: str) -> None:
    with pytest.raises(UserError, match=sentence):
        read(tmp_path, rows(text))


def test_files_that_are_none_are_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="cannot be read"):
        read_behaviour(tmp_path / "none", Reading())
    with pytest.raises(UserError, match="is empty"):
        read(tmp_path, "")
    with pytest.raises(UserError, match="no column for the start"):
        read(tmp_path, "name,weight\nA,3\nB,4\n")
    path = tmp_path / "labels.ods"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("content.xml", "<table/>")
    with pytest.raises(
        UserError, match="an archive that is no .xlsx workbook; save the table as .xlsx or CSV"
    ):
        read_behaviour(path, Reading())
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("xl/workbook.xml", "<workbook/>")
    with pytest.raises(UserError, match="cannot be read as a workbook"):
        read_behaviour(path, Reading())


@pytest.mark.parametrize("name", ["Me\u0301fiant", "M\u00c9FIANT", "  m\u00e9fiant "])
def test_spellings_that_look_alike_are_one_behaviour(tmp_path: Path, name: str) -> None:
    """Trap: an accent is a sign of its own in files of some computers, so that equal names seem to differ."""
    text = rows(f"A,2024-05-15 11:20:30,2024-05-15 11:21:00,{name}\n")
    (track,) = read(tmp_path, text, classes=("m\u00e9fiant",)).tracks
    assert track.classes == ("m\u00e9fiant",)
    (track,) = read(tmp_path, rows("A,2024-05-15 11:20:30,2024-05-15 11:21:00,out  of sight\n"),
                    classes=("out of sight",)).tracks  # fmt: skip
    assert len(track) == 1


def test_an_observation_is_refused_where_a_file_has_none(tmp_path: Path) -> None:
    """Trap: the option was passed over, and all rows counted."""
    with pytest.raises(UserError, match="no file of BORIS's, so that it has no observations"):
        read(tmp_path, MHEALTH, observations=("obs 1",))
    with pytest.raises(UserError, match="has no observations; leave --observation out"):
        read(tmp_path, "behavioural-classification,end-timestamp\n", observations=("obs 1",))


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (rows("A,2024-05-15 11:20:30,2024-05-15 11:21:00," + "x" * 200_000), "a line is no row of cells"),
        ("end-timestamp,end-timestamp,timestamp,behavioural-classification\na,b,c,d\n", "2 columns named"),
        ("end-timestamp,timestamp,behavioural-classification\n,," + "x" * 200_000, "cannot be read as CSV"),
        ('{"behaviors_conf": {"0": 1}, "observations": {}}', "'0' of behaviors_conf is 1"),
        ('{"behaviors_conf": {}, "observations": {"a": 1}}', "'a' of observations is 1"),
        ('{"behaviors_conf": {}, "observations": {"a": {"events": null}}}', "events of observation 'a' are"),
        ('{"observations":' + '{"a":' * 100_000, "begins like a project of BORIS, but is no JSON"),
    ],
)  # fmt: skip
def test_damaged_files_are_one_sentence(tmp_path: Path, text: str, sentence: str) -> None:
    with pytest.raises(UserError, match=sentence):
        read(tmp_path, text)


@pytest.mark.parametrize(
    ("options", "flag"),
    [
        ({"offset_s": math.nan}, "--offset"),
        ({"offset_s": 1e10}, "--offset"),
        ({"drift_ppm": -1e6}, "--drift"),
        ({"drift_ppm": math.inf}, "--drift"),
        ({"begins": 1e11}, "--begins"),
        ({"period_s": 1e30}, "--period"),
    ],
)
def test_numbers_that_no_clock_can_have_are_refused(options: dict[str, float], flag: str) -> None:
    """Trap: a drift of -1000000 ppm divides by zero, and an offset of 1e10 s does not fit into 64 bits."""
    with pytest.raises(UserError, match=f"{flag} is .*; expected are"):
        Reading(**options)  # type: ignore[arg-type]


def test_a_window_and_a_majority_have_limits() -> None:
    for values in ({"window_s": math.inf}, {"smoothing": 10**12}):
        with pytest.raises(UserError, match="expected are"):
            TagModel(("a",), **values)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("row", "sentence"),
    [
        ("1,a,00,1,first,x,1,2", "cannot be read .*ValueError"),
        ("1,a,00,1,first,,-1,2", "counts what is below 0 or above 32 bits"),
        ("1,a,00,1,first,-3,1,2", "counts what is below 0 or above 32 bits"),
        ("1,a,00,1,repeated,0,1,2", "holds repeated payloads alone"),
    ],
)
def test_payloads_that_count_nonsense_are_one_sentence(tmp_path: Path, row: str, sentence: str) -> None:
    """Trap: counts below zero, and a file of repeated payloads alone, ended in a traceback."""
    header = "number,tag,payload,results_step,reception,lost_before,results_graze,results_unknown\n"
    with pytest.raises(UserError, match=sentence):
        read(tmp_path, f"{header}{row}\n")
