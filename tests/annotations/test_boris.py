"""Files of BORIS 7 to 10 as tracks: dialects, time bases, and what fits two readings."""

from __future__ import annotations

import gzip
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from builders.boris import DAY, EPOCH, START, VERSIONS, Coded, aggregated, project, tabular, write_project
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mcukd.annotations.formats import read_behaviour
from mcukd.annotations.reading import Reading, Said
from mcukd.errors import UserError

#: 2024-05-15 09:20:30 UTC, 11:20:30 in Berlin.
BEGAN = 1_715_764_830
BERLIN = Reading(timezone="Europe/Berlin")
DATE = "2024-05-15 11:20:30"
#: Seconds of the day at DATE.
OF_DAY = 40_830


def coded(zero: float, base: str = START, **changes: Any) -> Coded:
    """Return an observation of two animals whose times count from `zero` seconds before its date."""
    states = [
        ("A", "graze", "", zero + 10, zero + 70.5),
        ("A", "rest", "", zero + 70.5, zero + 100),
        ("B", "graze", "near", zero + 15, zero + 60),
        ("A", "graze", "", zero + 110, zero + 170),
    ]
    return replace(Coded("o1", DATE, states, [("A", "cough", zero + 40)], base), **changes)


BASES = [coded(0), coded(OF_DAY, DAY), coded(BEGAN, EPOCH), coded(0, live=False)]
EXPECTED = {
    "A": [("graze", 10, 70.5), ("rest", 70.5, 100), ("graze", 110, 170)],
    "B": [("graze", 15, 60)],
}


def seen(said: Said, began: int = BEGAN) -> dict[str, list[tuple[str, float, float]]]:
    """Return the intervals of each animal in seconds from `began`."""
    return {
        track.animal: [
            (track.classes[k], (start - began * 10**9) / 1e9, (end - began * 10**9) / 1e9)
            for start, end, k in zip(track.starts.tolist(), track.ends.tolist(), track.behaviours.tolist())
        ]
        for track in said.tracks
    }


@pytest.mark.parametrize("observation", BASES, ids=["start", "day", "epoch", "media"])
@pytest.mark.parametrize("version", VERSIONS)
def test_exports_of_every_version_and_time_base_read_to_the_same(
    tmp_path: Path, version: str, observation: Coded
) -> None:
    for number, (table, name, separator) in enumerate(
        [
            (tabular(version, [observation]), "tab.tsv", "\t"),
            (aggregated(version, [observation]), "agg.csv", ","),
            (tabular(version, [observation]), "tab.xlsx", ""),
        ]
    ):
        # What a file is called says nothing.
        path = table.write(tmp_path / f"{number}{name}", separator)
        said = read_behaviour(path.rename(tmp_path / f"{number}.dat"), BERLIN)
        assert seen(said) == EXPECTED
        assert any("1 event without length left out" in note for note in said.notes)


@pytest.mark.parametrize("observation", BASES, ids=["start", "day", "epoch", "media"])
def test_projects_read_to_the_same(tmp_path: Path, observation: Coded) -> None:
    path = write_project(tmp_path / "herd.boris", [observation])
    assert seen(read_behaviour(path, BERLIN)) == EXPECTED
    packed = tmp_path / "herd.boris.gz"
    packed.write_bytes(gzip.compress(path.read_bytes()))
    assert seen(read_behaviour(packed, BERLIN)) == EXPECTED


NIGHT = Coded(
    "night",
    "2024-05-15 23:58:30",
    [
        ("A", "graze", "", 86_380, 20),
        ("A", "rest", "", 20, 50),
        ("A", "graze", "", 50, 100),
        ("B", "rest", "", 86_350, 86_370),
    ],
    [("A", "cough", 86_390)],
    DAY,
)
NIGHT_SEEN = {
    "A": [("graze", 70, 110), ("rest", 110, 140), ("graze", 140, 190)],
    "B": [("rest", 40, 60)],
}
#: 23:58:30 in Berlin.
NIGHT_BEGAN = BEGAN - OF_DAY + 86_310


@given(
    st.lists(
        st.tuples(st.integers(1, 400_000), st.sampled_from((0, 0, 1, 5000)), st.integers(0, 2)),
        min_size=1,
        max_size=9,
    ),
    st.sampled_from(VERSIONS),
    st.sampled_from([(START, 0.0), (DAY, float(OF_DAY)), (EPOCH, float(BEGAN))]),
    st.sampled_from(["tabular", "aggregated", "project"]),
)
@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_sequence_of_states_reads_to_itself(
    tmp_path: Path, bouts: list[tuple[int, int, int]], version: str, base: tuple[str, float], kind: str
) -> None:
    """States follow each other, at once or after a while, also the same one; times are whole milliseconds."""
    at, states, expected = 1000, [], []
    for length, pause, code in bouts:
        start, at = at + pause, at + pause + length
        states.append(("A", "abc"[code], "", base[1] + start / 1000, base[1] + at / 1000))
        if expected and expected[-1][0] == "abc"[code] and expected[-1][2] == start / 1000:
            expected[-1] = (*expected[-1][:2], at / 1000)
        else:
            expected.append(("abc"[code], start / 1000, at / 1000))
    observation = Coded("o", DATE, states, base=base[0])
    if kind == "project":
        path = write_project(tmp_path / "o.boris", [observation])
    else:
        path = {"tabular": tabular, "aggregated": aggregated}[kind](version, [observation]).write(
            tmp_path / "o"
        )
    said = read_behaviour(path, BERLIN)
    found = seen(replace(said, tracks=tuple(track.bouts() for track in said.tracks)))["A"]
    assert [name for name, *_ in found] == [name for name, *_ in expected]
    assert np.allclose([one[1:] for one in found], [one[1:] for one in expected], rtol=0, atol=2e-6)


def test_seconds_of_the_day_go_on_past_midnight(tmp_path: Path) -> None:
    """Trap: BORIS sorts by seconds of the day, so that its STARTs and STOPs change places at midnight."""
    said = read_behaviour(write_project(tmp_path / "night.boris", [NIGHT]), BERLIN)
    assert seen(said, NIGHT_BEGAN) == NIGHT_SEEN
    for version in VERSIONS:
        for table in (tabular(version, [NIGHT]), aggregated(version, [NIGHT])):
            path = table.write(tmp_path / "night.tsv")
            with pytest.raises(
                UserError, match="nothing says what they count from; say which with --labels-base"
            ):
                read_behaviour(path, BERLIN)
            stated = read_behaviour(path, replace(BERLIN, base="day"))
            assert seen(stated, NIGHT_BEGAN) == NIGHT_SEEN


def test_seconds_that_may_be_of_the_day_or_from_the_start_are_refused(tmp_path: Path) -> None:
    """Trap: an observation at ten past midnight, whose events may be minutes or hours later."""
    observation = Coded("o", "2024-05-15 00:10:00", [("A", "graze", "", 700.0, 760.0)])
    path = tabular("10", [observation]).write(tmp_path / "t.tsv")
    with pytest.raises(
        UserError, match=r"begin with 700 s.*start \(seconds from the observation's date\) or day"
    ):
        read_behaviour(path, BERLIN)
    starts = [
        int(read_behaviour(path, replace(BERLIN, base=base)).tracks[0].starts[0]) // 10**9
        for base in ("start", "day")
    ]
    assert starts[0] - starts[1] == 600


def test_a_time_offset_is_never_guessed(tmp_path: Path) -> None:
    observation = coded(3600, offset=3600.0, live=False)
    for path in (
        tabular("10", [observation]).write(tmp_path / "t.tsv"),
        tabular("7", [observation]).write(tmp_path / "t7.tsv"),
        write_project(tmp_path / "t.boris", [observation]),
    ):
        with pytest.raises(UserError, match="time offset of 3600 s.*--labels-base: start .* media"):
            read_behaviour(path, BERLIN)
        assert seen(read_behaviour(path, replace(BERLIN, base="media"))) == EXPECTED
        assert seen(read_behaviour(path, replace(BERLIN, base="start")), BEGAN + 3600) == EXPECTED


def test_seconds_that_contradict_what_is_stated_are_refused(tmp_path: Path) -> None:
    path = tabular("10", [coded(BEGAN, EPOCH)]).write(tmp_path / "t.tsv")
    with pytest.raises(UserError, match="--labels-base says start.*which are seconds since 1970"):
        read_behaviour(path, replace(BERLIN, base="start"))
    path = write_project(tmp_path / "t.boris", [coded(10, EPOCH)])
    with pytest.raises(UserError, match="the project says epoch.*not seconds since 1970"):
        read_behaviour(path, BERLIN)
    with pytest.raises(UserError, match="--labels-base is 'dya'.*did you mean 'day'"):
        read_behaviour(path, replace(BERLIN, base="dya"))


@pytest.mark.parametrize(
    ("date", "words"), [("2024-10-27 02:30:00", "twice"), ("2024-03-31 02:30:00", "never")]
)
def test_dates_in_hours_that_come_twice_or_never_are_refused(tmp_path: Path, date: str, words: str) -> None:
    path = write_project(tmp_path / "t.boris", [replace(coded(0), date=date)])
    with pytest.raises(UserError, match=f"o1' is .* 02:30:00, a time that .*{words}"):
        read_behaviour(path, BERLIN)
    assert read_behaviour(path, Reading(timezone="+02:00")).tracks
    table = tabular("10", [replace(coded(0), date=date)]).write(tmp_path / "t.tsv")
    with pytest.raises(UserError, match="came twice|there was no such hour"):
        read_behaviour(table, BERLIN)
    assert read_behaviour(table, Reading(timezone="+02:00")).tracks


def test_seconds_of_the_day_in_the_hour_that_comes_twice_are_refused(tmp_path: Path) -> None:
    observation = Coded("o", "2024-10-27 01:50:00", [("A", "graze", "", 6700.0, 9000.0)], base=DAY)
    path = write_project(tmp_path / "t.boris", [observation])
    with pytest.raises(
        UserError, match=r"event 2 of observation 'o'.*02:30:00, a time that came twice.*\+02:00"
    ):
        read_behaviour(path, BERLIN)


def test_observations_are_chosen_and_two_of_one_animal_refused(tmp_path: Path) -> None:
    both = [coded(0), coded(0, name="o2")]
    for path in (
        tabular("10", both).write(tmp_path / "t.tsv"),
        write_project(tmp_path / "t.boris", both),
    ):
        with pytest.raises(UserError, match="observations 'o1' and 'o2' of [AB] overlap; take one of them"):
            read_behaviour(path, BERLIN)
        assert seen(read_behaviour(path, replace(BERLIN, observations=("o2",)))) == EXPECTED
        with pytest.raises(UserError, match="--observation 'o3' is not in it; its observations are o1"):
            read_behaviour(path, replace(BERLIN, observations=("o3",)))


def test_overlapping_states_are_refused_where_they_stand(tmp_path: Path) -> None:
    observation = Coded("o", DATE, [("A", "graze", "", 0.0, 20.0), ("A", "rest", "", 10.0, 30.0)])
    path = tabular("10", [observation]).write(tmp_path / "t.tsv")
    with pytest.raises(UserError, match="lines 2 and 3: graze and rest of animal A overlap by 10 s"):
        read_behaviour(path, BERLIN)
    path = write_project(tmp_path / "t.boris", [observation])
    with pytest.raises(
        UserError, match="event 1 of observation 'o' and event 2 of observation 'o': graze and"
    ):
        read_behaviour(path, BERLIN)
    left = replace(BERLIN, mapping={"Rest": ""})
    assert seen(read_behaviour(path, left)) == {"A": [("graze", 0, 20)]}


def test_modifiers_tell_states_apart(tmp_path: Path) -> None:
    states = [("A", "graze", "short", 0.0, 20.0), ("A", "graze", "long", 10.0, 30.0)]
    for path in (
        tabular("10", [Coded("o", DATE, states)]).write(tmp_path / "t.tsv"),
        write_project(tmp_path / "t.boris", [Coded("o", DATE, states)]),
    ):
        assert seen(read_behaviour(path, BERLIN)) == {"A": [("graze", 0, 30)]}


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"project_format_version": "8.0"}, "project format 8.0, and the newest that is read is 7.0"),
        ({"behaviors_conf": {}}, "event 1 of observation 'o1'.*'graze' is not in the project's ethogram"),
        ({"behaviors_conf": {"0": {"code": "graze", "type": "?"}}}, "behaviour 0 of its ethogram"),
        ({"observations": []}, "no project of BORIS"),
        ({"observations": {}}, "holds no event"),
    ],
)
def test_projects_that_are_none_are_one_sentence(
    tmp_path: Path, change: dict[str, Any], sentence: str
) -> None:
    path = tmp_path / "t.boris"
    path.write_text(json.dumps({**project([coded(0)]), **change}))
    with pytest.raises(UserError, match=sentence):
        read_behaviour(path, BERLIN)


@pytest.mark.parametrize(
    ("event", "sentence"),
    [
        (["NA", "A", "graze", "", ""], "event 9 of observation 'o1': its time is 'NA'"),
        ([1.0], r"event 9 of observation 'o1': it is \[1.0\]"),
        ([500.0, "A", "graze", "", ""], "event 9 of observation 'o1': graze starts and never stops"),
    ],
)
def test_broken_events_of_a_project_are_one_sentence(tmp_path: Path, event: list[Any], sentence: str) -> None:
    broken = project([coded(0, points=[])])
    events = broken["observations"]["o1"]["events"]
    assert len(events) == 8
    events.append(event)
    path = tmp_path / "t.boris"
    path.write_text(json.dumps(broken))
    with pytest.raises(UserError, match=sentence):
        read_behaviour(path, BERLIN)


def test_json_that_breaks_off_is_one_sentence(tmp_path: Path) -> None:
    path = tmp_path / "t.boris"
    path.write_text('{"behaviors_conf": ')
    with pytest.raises(UserError, match="is no JSON"):
        read_behaviour(path, BERLIN)
