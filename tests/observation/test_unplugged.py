"""A tag that is unplugged while an observer presses keys: every key counts, and the tag is taken up again."""

from builders.session import CLASSES, facts, step_clock, told
from builders.watched_tag import WatchedTag

from mcukd.observation.account import session_tracks
from mcukd.observation.folder import observer_path, read_events, read_moments, tags_of
from mcukd.observation.session import Session
from mcukd.observation.sources.live import LiveTag


class Clock:
    """The clock of the simulated tag, some years later."""

    def __init__(self, tag):
        self.tag = tag

    def now_ns(self):
        return 1_780_000_000_000_000_000 + self.tag.now_ns()


def until(session, state, least_results=0):
    """Wait until the tag is in a state and has told so many results."""
    change = -1
    for _ in range(2000):
        shown = session.snapshot()["tag"]
        if shown["state"] == state and sum(map(len, session.tag.state.stretches)) >= least_results:
            return shown
        change = session.wait(change, timeout=0.2)
    raise AssertionError(f"the tag was never {state}")


def test_keys_count_while_the_tag_is_unplugged_and_it_goes_on_when_it_is_back(tmp_path):
    tag = WatchedTag()
    tag.result = lambda: WatchedTag.result(tag, raw=1, behaviour=1)
    clock = Clock(tag)
    said = facts(began_ns=clock.now_ns(), model_sha256=tag.model.hex())
    with Session.begin(tmp_path / "s", said, clock) as session:
        session.join("anna")
        session.watch(LiveTag("a port", tag.connect, clock, model_sha256=said.model_sha256))
        until(session, "connected", 5)
        session.press("anna", "cow-07", CLASSES[0])
        tag.gone = True
        shown = until(session, "lost")
        assert "the line was lost" in shown["reason"] and shown["behaviour"] is None
        session.press("anna", "cow-07", CLASSES[1])
        before = sum(map(len, session.tag.state.stretches))
        tag.gone = False
        until(session, "connected", before + 5)
        session.press("anna", "cow-07", CLASSES[2])
    events = read_events(observer_path(session.folder, "anna"), said)
    assert [event.what.behaviour for event in events[1:]] == list(CLASSES)
    account = session_tracks(session.folder)
    assert len(account.tags[0]) >= 8 and account.clocks


def test_a_tag_that_connects_while_the_disk_is_full_is_kept_once_there_is_room(tmp_path, monkeypatch):
    def full(handle):
        raise OSError(28, "No space left on device")

    with Session.begin(tmp_path / "s", facts(), step_clock()) as session:
        moments = told([0, 1, 2])
        with monkeypatch.context() as disk:
            disk.setattr("os.fsync", full)
            for moment in moments[:3]:
                session.take(moment)
            session.tag.sync()
            shown = session.snapshot()["tag"]
            assert "no space is left" in shown["problem"] and shown["state"] == "connected"
        session.tag.sync()
        for moment in moments[3:]:
            session.take(moment)
        assert session.snapshot()["tag"]["problem"] is None
        (path,) = tags_of(session.folder)
    assert list(read_moments(path, session.facts)) == moments


def test_a_source_that_fails_is_not_shown_as_connected(tmp_path):
    class Faulty:
        name = "a port"

        def moments(self, stop):
            yield told([])[0]
            raise ValueError("what nobody thought of")

    with Session.begin(tmp_path / "s", facts(), step_clock()) as session:
        session.watch(Faulty())
        shown = until(session, "ended")
        assert "a port: it is no longer listened to" in shown["problem"]
