"""What a tag said counts where its clock is tied to the session's, and nowhere else."""

from dataclasses import replace

from builders.session import BEGAN, CLASSES, connected, facts, reading, result, step_clock

from mcukd.observation.session import Session


def test_results_after_a_restart_that_no_reading_followed_are_not_known(tmp_path):
    clock = step_clock()
    with Session.begin(tmp_path / "s", facts(), clock) as session:
        session.take(connected())
        session.take(reading(0))
        for number in range(20):
            session.take(result(number, 6 + 1.28 * number, 0))
        session.take(reading(32))
        known = session.tag.track()
        session.take(replace(connected(), start=2))
        for number in range(20):
            session.take(result(number, 60 + 1.28 * number, 1))
        clock.advance_to(BEGAN + 100 * 10**9)
        track = session.tag.track()
        assert known is not None and track is not None
        assert set(track.behaviours.tolist()) == {CLASSES.index("grazing")}
        assert track.ends[-1] == known.ends[-1]
        # A reading after it ties them, too.
        for seconds in (88, 95):
            session.take(reading(seconds))
        assert CLASSES.index("walking") in session.tag.track().behaviours
