"""Scripts of timed commands, and the scripted observer."""

import numpy as np
import pytest
from builders.session import BEGAN, CLASSES, NS, facts, step_clock

from mcukd.errors import UserError
from mcukd.metrics.agreement.track import shared_time, track_of
from mcukd.observation.event_recorder import EventRecorder
from mcukd.observation.script import Command, parse, run
from mcukd.observation.scripted_observer import Habits, keys_for
from mcukd.observation.state import observer_tracks

SCRIPT = """
# two cows
+1 b cow-07 grazing
+2.5 b cow-08 "resting"
+4 o cow-07

+6 b cow-07 walking
+7 correct 5 resting +6.5
+8 note the herd's dog barks
+8 tap
+9 undo
+10 pause
+12 resume
+13 end
"""


@pytest.fixture
def clock():
    return step_clock()


@pytest.fixture
def recorder(tmp_path, clock):
    return EventRecorder(tmp_path, facts(), "anna", clock)


def intervals(recorder, animal):
    found = recorder.state(BEGAN + 99 * NS).intervals[animal]
    return [((start - BEGAN) / NS, (end - BEGAN) / NS, name) for start, end, name in found]


def test_a_script_is_carried_out_at_its_times(recorder, clock):
    said = []
    assert run(recorder, parse(SCRIPT.splitlines(), "s"), clock.advance_to, said.append) == 11
    assert intervals(recorder, "cow-07") == [(1, 4, "grazing"), (6.5, 10, "resting")]
    assert intervals(recorder, "cow-08") == [(2.5, 10, "resting")]
    assert [event.number for event in said] == list(range(2, 13))
    assert any(getattr(event.what, "text", "") == "the herd's dog barks" for event in said)


@pytest.mark.parametrize(
    "line, message",
    [
        ("+x b cow-07 grazing", "'\\+x' is no time"),
        ("+nan b cow-07 grazing", "is no time"),
        ("+1 bb cow-07 grazing", "command 'bb' is not known"),
        ("+1 b cow-07", "write 'b ANIMAL BEHAVIOUR'"),
        ('+1 b "cow-07', "close its quotes"),
        ("+1 note", "write 'note TEXT'"),
        ("-1 b cow-07 grazing", "command '-1' is not known"),
        ("+0.5 pause", "put the lines in order"),
    ],
)
def test_a_line_that_cannot_be_read_is_named(line, message):
    with pytest.raises(UserError, match=f"script.txt, line 2: .*{message}"):
        list(parse(["+1 pause", line], "script.txt"))


def test_what_a_desk_refuses_names_the_line(recorder, clock):
    with pytest.raises(UserError, match="line 1: animal 'cow-09' is not of this session"):
        run(recorder, parse(["b cow-09 grazing"], "s"), clock.advance_to, lambda _: None)
    with pytest.raises(UserError, match="line 1: 'x' is no whole number"):
        run(recorder, parse(["undo x"], "s"), clock.advance_to, lambda _: None)


def truth(bouts=40):
    rng = np.random.default_rng(1)
    edges = BEGAN + np.cumsum(np.append(0, rng.integers(20, 60, bouts))) * NS
    codes = np.cumsum(rng.integers(1, 3, bouts)) % 3
    return track_of("cow-07", "truth", CLASSES, list(zip(edges[:-1], edges[1:], codes)))


def tell(recorder, clock, keys):
    run(recorder, keys.commands, clock.advance_to, lambda _: None)
    return observer_tracks(recorder.events, ("cow-07",), CLASSES, clock.now_ns())[0]


def test_an_observer_without_mistakes_differs_by_the_reaction_alone(recorder, clock):
    what = truth()
    keys = keys_for(what, BEGAN, Habits(reaction_s=1, spread_s=0, missed=0, wrong=0))
    track = tell(recorder, clock, keys)
    assert list(track.behaviours) == list(what.behaviours)
    assert np.all(np.abs(track.starts - what.starts - NS) < 1000)
    assert int(track.ends[-1]) == int(what.ends[-1])
    assert shared_time(what, track).trace() > 0.95 * what.durations.sum()


def test_mistakes_are_counted_and_come_from_the_seed():
    what = truth(400)
    keys = keys_for(what, BEGAN, Habits(missed=0.1, wrong=0.2, seed=3))
    assert keys.bouts == 400
    assert 20 < keys.missed < 60 and 45 < keys.wrong < 100
    assert keys == keys_for(what, BEGAN, Habits(missed=0.1, wrong=0.2, seed=3))
    assert keys != keys_for(what, BEGAN, Habits(missed=0.1, wrong=0.2, seed=4))
    times = [command.at_s for command in keys.commands]
    assert times == sorted(times) and all(isinstance(command, Command) for command in keys.commands)
