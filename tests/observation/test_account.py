"""What a session's files come to afterwards."""

import json

import numpy as np
import pytest
from builders.session import BEGAN, CLASSES, NS, facts, step_clock, ticks_at, told

from mcukd.errors import UserError
from mcukd.metrics.agreement.summary import agreement_of
from mcukd.observation.account import session_tracks
from mcukd.observation.folder import mark_alive, observer_path
from mcukd.observation.journal_lines import line_of
from mcukd.observation.moments import Samples
from mcukd.observation.session import Session

COW, OTHER = "cow-07", "cow-08"


@pytest.fixture
def folder(tmp_path):
    """A session of two minutes with two observers, a tag, a note and a correction."""
    clock = step_clock()
    with Session.begin(tmp_path / "meadow", facts(), clock) as session:
        anna, ben = session.join("anna"), session.join("ben")
        for number, moment in enumerate(told([number // 9 % 3 for number in range(90)])):
            session.take(moment)
            clock.advance_to(BEGAN + round(number * 1.28 * NS))
            if number % 12 == 5:
                anna.press(COW, CLASSES[number // 12 % 3])
                ben.press(COW, CLASSES[number // 12 % 3])
                ben.press(OTHER, "resting")
        anna.note("wind")
        ben.correct(4, "walking")
        anna.end()
        ben.end()
        session.shown = session.snapshot(fresh=True)
    return session


def test_afterwards_the_figures_are_those_that_were_shown(folder):
    account = session_tracks(folder.folder)
    assert account.remarks == () and account.emulated and account.facts.simulated
    settings = account.settings()
    for name in ("anna", "ben"):
        pairs = [(mine, tag) for mine, tag in account.pairs if mine.source == f"observer {name}"]
        found, shown = agreement_of(pairs, settings)["together"], folder.shown["agreement"][name]
        assert found["kappa"]["time"] == shown["kappa"]["time"]
        assert found["same_share"]["value"] == shown["same_share"]
        assert settings.effective_tolerance_s == shown["tolerance_s"]
    between = account.between_observers()["anna and ben"]["together"]
    assert between["kappa"]["time"] == folder.shown["between_observers"]["anna and ben"]["kappa"]["time"]
    assert [text for *_, text in account.notes] == ["wind"]
    assert list(account.clocks) == ["tag 00c0ffee00c0ffee"]


def test_an_observer_who_did_not_end_watched_until_the_program_last_ran(tmp_path):
    clock = step_clock()
    session = Session.begin(tmp_path / "meadow", facts(), clock)
    session.join("anna").press(COW, "grazing")
    session.close()
    mark_alive(session.folder, "anna", BEGAN + 40 * NS)
    account = session_tracks(session.folder)
    assert account.observers["anna"][0].durations.tolist() == [40 * NS]
    assert account.remarks == (
        "observer-anna.jsonl: the session was not ended; it is counted until its program last ran.",
    )


def test_a_tag_without_a_reading_of_its_clock_is_left_out_and_said(tmp_path):
    clock = step_clock()
    with Session.begin(tmp_path / "meadow", facts(), clock) as session:
        moments = told([0] * 9)
        for each in (moments[0], *moments[2:-1]):
            session.take(each)
    account = session_tracks(session.folder)
    assert account.tags == () and "nothing ties its clock" in account.remarks[0]


def test_taps_tie_a_clock_that_nothing_else_does(tmp_path):
    clock = step_clock()
    with Session.begin(tmp_path / "meadow", facts(), clock) as session:
        anna = session.join("anna")
        moments = told([0] * 40)
        session.take(moments[0])
        taps = (20.0, 20.9, 22.3, 23.1)
        counts = np.random.default_rng(0).normal(0, 3, (50 * 40, 3)).astype(np.int16)
        for each in taps:
            counts[round(each * 50)] += 900
        for first in range(0, len(counts), 25):
            last_s = (first + 24) / 50
            session.take(
                Samples(
                    BEGAN + round(last_s * NS), first, ticks_at(last_s), counts[first : first + 25], False
                )
            )
        for each in moments[2:-1]:
            session.take(each)
        clock.advance_to(BEGAN + 60 * NS)
        for each in taps:
            anna.tap(BEGAN + round(each * NS))
        anna.press(COW, "grazing", BEGAN)
        anna.end()
    account = session_tracks(session.folder)
    assert account.remarks == ()
    assert (account.tags[0].starts[0] - BEGAN) / NS == pytest.approx(1.92, abs=0.1)
    assert account.clocks[account.tags[0].source]["anchors"][0]["source"] == "taps"


def test_a_damaged_journal_is_refused_with_its_line(folder):
    path = observer_path(folder.folder, "ben")
    path.write_bytes(path.read_bytes().replace(b'"walking"', b'"grazing"', 1))
    with pytest.raises(UserError, match=r"observer-ben.jsonl, line \d+: damaged"):
        session_tracks(folder.folder)


def test_a_journal_of_another_session_is_refused(folder, tmp_path):
    with Session.begin(tmp_path / "other", facts(id="00" * 16), step_clock()) as session:
        session.join("anna")
    path = observer_path(folder.folder, "anna")
    path.write_bytes(observer_path(session.folder, "anna").read_bytes())
    with pytest.raises(UserError, match="it belongs to session 0000"):
        session_tracks(folder.folder)


def edited(path, number, **fields):
    """Change fields of an entry of a journal, its checksum made anew."""
    lines = path.read_bytes().splitlines(keepends=True)
    entry = {**json.loads(lines[number]), **fields}
    del entry["crc32"]
    lines[number] = line_of(entry)
    path.write_bytes(b"".join(lines))


@pytest.mark.parametrize(
    ("fields", "sentence"),
    [
        ({"behaviour": "flying"}, "line 3: behaviour 'flying' is none of the session's"),
        ({"animal": "nobody"}, "line 3: animal 'nobody' is none of the session's"),
        ({"utc_ns": 2**63}, "field 'utc_ns' is 9223372036854775808, expected a whole number"),
        ({"event": ["behaviour"]}, "is not known"),
    ],
)
def test_what_a_session_cannot_hold_is_refused(folder, fields, sentence):
    """Trap: an event of another animal, or beyond all time, was passed over, and figures came without it."""
    edited(folder.folder / "observer-anna.jsonl", 2, **fields)
    with pytest.raises(UserError, match=sentence):
        session_tracks(folder.folder)


@pytest.mark.parametrize(
    ("number", "fields", "sentence"),
    [
        (3, {"behaviour": 7}, "class 7 is told by a tag that has 3"),
        (3, {"behaviour": "x"}, "behaviour is 'x'"),
        (3, {"received_ns": 10**30}, "received_ns is 1000"),
        (3, {"event": []}, "is not known"),
        (1, {"rate_hz": 0}, "rate_hz is 0"),
        (1, {"chip": None}, "chip is None"),
    ],
)
def test_what_a_tag_cannot_tell_is_refused(folder, number, fields, sentence):
    edited(folder.folder / "tag-00c0ffee00c0ffee.jsonl", number, **fields)
    with pytest.raises(UserError, match=sentence):
        session_tracks(folder.folder)


def test_a_copy_of_a_journal_is_no_second_observer(folder):
    """Trap: a copy under another name was an observer who agrees with the first throughout."""
    journal = folder.folder / "observer-anna.jsonl"
    (folder.folder / "observer-carla.jsonl").write_bytes(journal.read_bytes())
    with pytest.raises(UserError, match="it is the journal of observer anna"):
        session_tracks(folder.folder)


def test_an_empty_journal_is_told(folder):
    (folder.folder / "observer-anna.jsonl").write_bytes(b"")
    remarks = session_tracks(folder.folder).remarks
    assert "observer-anna.jsonl: nothing is in it, so that nothing of its observer counts." in remarks


def test_a_damaged_file_of_facts_is_one_sentence(folder):
    (folder.folder / "session.json").write_text("[" * 100_000)
    with pytest.raises(UserError, match="not JSON"):
        session_tracks(folder.folder)
