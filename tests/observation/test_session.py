"""The session: observers, tag, figures, and what two processes see of each other."""

import json
import threading
from dataclasses import replace

import numpy as np
import pytest
from builders.session import (
    BEGAN,
    CLASSES,
    NS,
    ListedTag,
    connected,
    facts,
    reading,
    result,
    step_clock,
    told,
)

from mcukd.errors import UserError
from mcukd.metrics.agreement.settings import AgreementSettings
from mcukd.metrics.agreement.summary import agreement_of
from mcukd.metrics.agreement.track import track_of
from mcukd.observation.account import session_tracks
from mcukd.observation.folder import read_facts, read_moments, tag_path
from mcukd.observation.moments import Disconnected, Gap, Samples
from mcukd.observation.session import Session
from mcukd.tag.records import TICKS_PER_SECOND

COW = "cow-07"


@pytest.fixture
def clock():
    return step_clock()


@pytest.fixture
def session(tmp_path, clock):
    with Session.begin(tmp_path / "meadow", facts(), clock) as session:
        yield session


def feed(session, clock, moments):
    for each in ListedTag(moments, clock).moments(threading.Event()):
        session.take(each)


def test_a_snapshot_is_json_and_has_what_a_face_shows(session, clock):
    session.join("anna")
    session.press("anna", COW, "grazing")
    feed(session, clock, told([0] * 20))
    shown = session.snapshot(fresh=True)
    assert json.loads(json.dumps(shown)) == shown
    assert shown["observers"]["anna"]["animals"][COW]["behaviour"] == "grazing"
    assert shown["tag"]["behaviour"] == "grazing" and shown["tag"]["state"] == "connected"
    assert shown["agreement"]["anna"]["same_share"] == 1
    assert [one["source"] for one in shown["ethograms"][COW]] == ["observer anna", "tag 00c0ffee00c0ffee"]
    assert shown["minutes"][COW]["tag 00c0ffee00c0ffee"]["grazing"] == pytest.approx(20 * 1.28 / 60, abs=1e-3)
    assert shown["agreement"]["anna"]["behaviours"]["grazing"]["still_needed"] > 0


def test_live_figures_are_those_of_the_tracks(session, clock):
    session.join("anna")
    rng = np.random.default_rng(2)
    said = np.repeat(rng.integers(0, 3, 30), 15)
    moments = told([int(one) for one in said])
    at = 0
    for number, moment in enumerate(moments):
        feed(session, clock, [moment])
        if number % 20 == 0:
            session.press("anna", COW, CLASSES[at % 3])
            at += 1
    shown = session.snapshot(fresh=True)["agreement"]["anna"]
    recorder = session.recorder("anna")
    observer = track_of(
        COW,
        "observer anna",
        CLASSES,
        [(a, b, CLASSES.index(name)) for a, b, name in recorder.state().intervals[COW]],
    )
    settings = AgreementSettings(clock_uncertainty_s=session.tag.clock_tolerance_s())
    found = agreement_of([(observer, session.tag.track())], settings)["together"]
    assert shown["kappa"]["time"] == found["kappa"]["time"]
    assert shown["same_share"] == found["same_share"]["value"]


def test_the_tags_track_is_what_it_said_in_the_middle_of_its_windows(session, clock):
    feed(session, clock, told([0, 0, None, 1, 1]))
    track = session.tag.track()
    assert [CLASSES[code] for code in track.bouts().behaviours] == ["grazing", "walking"]
    # Windows of 5.12 s and a hop of 1.28 s: the first result, at 5.12 s, is of 1.92 to 3.20 s.
    assert (track.starts - BEGAN) / NS == pytest.approx([1.92, 3.2, 5.76, 7.04], abs=2e-3)


def test_a_gap_and_a_lost_tag_leave_time_uncovered(session, clock):
    feed(session, clock, [connected(), reading(0)])
    for number in range(4):
        feed(session, clock, [result(number, 5.12 + 1.28 * number, 0)])
    feed(
        session, clock, [Gap(BEGAN + 20 * NS, 0, 30, "samples"), Disconnected(BEGAN + 21 * NS, "unplugged.")]
    )
    shown = session.snapshot()["tag"]
    assert (shown["state"], shown["reason"], shown["behaviour"]) == ("lost", "unplugged.", None)
    assert (shown["gaps"], shown["lost"]) == (1, 30)
    feed(
        session, clock, [connected(start=2), *(result(number, 40 + 1.28 * number, 0) for number in range(3))]
    )
    assert session.tag.state.restarts == [result(0, 40, 0).tag_ticks]
    # Nothing ties the tag's clock to the session's after its restart, until it is read.
    assert session.tag.track().spans().shape == (1, 2)
    feed(session, clock, [reading(44)])
    assert session.tag.track().spans().shape == (2, 2)


def test_a_tag_whose_clock_goes_back_at_a_start_keeps_both_stretches(session, clock):
    """A start of which nothing was logged keeps its number, and goes on from the newest record's second."""
    feed(session, clock, [connected(), reading(0)])
    feed(session, clock, [result(number, 5.12 + 1.28 * number, 0) for number in range(4)])
    feed(session, clock, [Disconnected(BEGAN + 20 * NS, "the tag started anew."), connected(anew=True)])
    lost_s = 15  # the tag's clock is late by what it lost

    def late(moment):
        return replace(moment, tag_ticks=moment.tag_ticks - lost_s * TICKS_PER_SECOND)

    feed(session, clock, [late(reading(22)), late(result(0, 24, 1)), late(result(1, 25.28, 1))])
    feed(session, clock, [late(reading(30))])
    track = session.tag.track().bouts()
    assert [CLASSES[code] for code in track.behaviours] == ["grazing", "walking"]
    assert (track.starts - BEGAN) / NS == pytest.approx([1.92, 20.8], abs=0.02)


def test_another_model_is_kept_and_not_named(session, clock):
    session.join("anna")
    feed(session, clock, [connected(model_sha256="ff" * 32), *told([0] * 3)[1:]])
    shown = session.snapshot(fresh=True)
    assert shown["tag"]["behaviour"] is None and "the tag runs model ffffffff" in shown["tag"]["problem"]
    assert shown["agreement"] == {}
    session.tag.sync()
    kept = list(read_moments(tag_path(session.folder, "00c0ffee00c0ffee"), session.facts))
    assert len(kept) == 6


def test_a_blind_session_shows_nothing_of_the_tag(tmp_path, clock):
    with Session.begin(tmp_path / "blind", facts(blind=True), clock) as session:
        session.join("anna")
        session.press("anna", COW, "grazing")
        feed(session, clock, told([1] * 9))
        shown = session.snapshot(fresh=True)
        assert shown["tag"]["state"] == "connected" and shown["tag"]["raw"] is None
        assert shown["agreement"] == {} and list(shown["minutes"][COW]) == ["observer anna"]
        assert "walking" not in json.dumps({**shown, "session": None, "minutes": None})


def test_moments_come_back_from_the_journal_as_they_were(session, clock):
    counts = np.array([[1, -2, 3], [32767, -32768, 0]], np.int16)
    moments = [*told([0, None]), Samples(BEGAN, 7, 9, counts, False), Disconnected(BEGAN, "gone.")]
    feed(session, clock, moments)
    session.close()
    back = list(read_moments(tag_path(session.folder, "00c0ffee00c0ffee"), session.facts))
    assert [each for each in back if not isinstance(each, Samples)] == [
        each for each in moments if not isinstance(each, Samples)
    ]
    sampled = next(each for each in back if isinstance(each, Samples))
    assert np.array_equal(sampled.counts, counts) and sampled.counts.dtype == np.int16


def test_an_unbroken_and_a_resumed_session_have_the_same_figures(tmp_path, clock):
    def told_by(folder, breaks):
        clock.time_ns = BEGAN
        session = Session.begin(folder, facts(), clock)
        for number, moment in enumerate(told([number // 9 % 3 for number in range(90)])):
            if number % 10 == 3 and breaks:
                session.close()
                session = Session(folder, clock)
                session.take(connected(received_ns=clock.time_ns))
            session.join("anna")
            feed(session, clock, [moment])
            if number % 12 == 5:
                session.press("anna", COW, CLASSES[number // 12 % 3])
        with session:
            shown = session.snapshot(fresh=True)
        return {name: shown[name] for name in ("agreement", "minutes", "ethograms")}

    assert told_by(tmp_path / "broken", True) == told_by(tmp_path / "whole", False)


def test_a_second_process_sees_the_other_observer_and_the_tag(session, clock):
    session.join("anna")
    session.press("anna", COW, "grazing")
    feed(session, clock, told([0] * 9))
    session.tag.sync()
    with Session(session.folder, clock) as second:
        second.join("ben")
        second.press("ben", COW, "walking")
        shown = second.snapshot(fresh=True)
        assert not shown["observers"]["anna"]["here"] and shown["observers"]["ben"]["here"]
        assert shown["observers"]["anna"]["animals"][COW]["behaviour"] == "grazing"
        assert set(shown["agreement"]) == {"anna", "ben"}
        assert list(shown["between_observers"]) == ["anna and ben"]
        session.press("anna", COW, "resting")
        assert second.snapshot()["observers"]["anna"]["animals"][COW]["behaviour"] == "resting"


def test_a_watched_tag_is_taken_in_a_thread_and_faces_are_told(session, clock):
    called = threading.Event()
    end = session.listen(called.set)
    session.watch(ListedTag(told([0] * 5)))
    assert called.wait(5)
    change = session.change
    while session.snapshot()["tag"]["state"] != "ended":
        change = session.wait(change, timeout=5)
    assert session.snapshot()["tag"]["name"] == "a list"
    end()


def test_a_source_that_fails_says_so(session):
    class Refusing:
        name = "a port"

        def moments(self, stop):
            raise UserError("the port is not there.")
            yield

    session.watch(Refusing())
    change = session.change
    while session.snapshot()["tag"]["state"] != "ended":
        change = session.wait(change, timeout=5)
    assert session.snapshot()["tag"]["problem"] == "the port is not there."


def test_keys_of_many_threads_are_all_there_once(session):
    session.join("anna")

    def press(thread):
        for number in range(5):
            session.press("anna", COW, CLASSES[number % 3], press=f"{thread}-{number}")

    threads = [threading.Thread(target=press, args=(number,)) for number in range(4)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    numbers = [event.number for event in session.recorder("anna").events]
    assert numbers == list(range(1, 22))


def test_a_session_is_not_overwritten_and_its_facts_come_back(session, clock):
    assert read_facts(session.folder) == session.facts
    with pytest.raises(UserError, match="a session is there; --resume"):
        Session.begin(session.folder, facts(), clock)


@pytest.mark.parametrize(
    "other, message",
    [
        ({"animals": ("a", "a")}, "animal 'a' is there twice"),
        ({"animals": ("a\nb",), "tagged": None}, "is no name"),
        ({"tagged": "cow-99"}, "none of the animals"),
        ({"also": ("grazing",)}, "behaviour 'grazing' is there twice"),
        ({"precision": 2}, "precision is 2"),
    ],
)
def test_facts_that_make_no_sense_are_one_sentence(other, message):
    with pytest.raises(UserError, match=f"the session cannot begin: .*{message}"):
        facts(**other)


def test_a_damaged_session_file_is_one_sentence(session, clock):
    path = session.folder / "session.json"
    for content, message in (("{", "not JSON"), ('{"format": "x"}', "its format is 'x'"), ("[]", "restore")):
        path.write_text(content)
        with pytest.raises(UserError, match=message):
            Session(session.folder, clock)
    path.unlink()
    with pytest.raises(UserError, match="no session is there"):
        Session(session.folder, clock)


def test_another_tag_has_a_journal_and_a_clock_of_its_own(session, clock):
    feed(session, clock, told([0] * 9))
    first = session.tag.track()
    feed(session, clock, [connected(chip="00000000000000ff")])
    assert session.tag.track() is None
    feed(session, clock, [reading(30), *(result(number, 40 + 1.28 * number, 1) for number in range(5))])
    assert session.tag.track().source == "tag 00000000000000ff" and len(session.tag.track()) == 5
    session.tag.sync()
    account = session_tracks(session.folder)
    assert [each.source for each in account.tags] == ["tag 00000000000000ff", first.source]
