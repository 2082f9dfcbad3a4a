"""Script interface of a session: timed commands as text or values, carried out on an event recorder.

    # seconds since the session began, then what happened
    +0     b cow-07 grazing
    +12.5  b cow-07 walking
    +20    o cow-07                out of sight
    +31    undo
    +40    correct 3 ruminating    another behaviour; with a time, as +10.2, another time
    +60    tap
    +61    note the herd is moved
    +90    pause
    +120   resume
    +150   scan 60                 scan sampling each 60 s; `focal` ends it
    +600   end

A line without a time is carried out at once. Names with spaces stand in quotes.
"""

from __future__ import annotations

import shlex
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from mcukd.errors import UserError
from mcukd.observation.event_recorder import EventRecorder
from mcukd.observation.events import FOCAL, SCAN, Event
from mcukd.text import did_you_mean, listed

NS = 1_000_000_000
#: Command → how many words may follow it, at least and at most.
_WORDS = {
    "b": (2, 2),
    "o": (1, 1),
    "undo": (0, 1),
    "correct": (2, 3),
    "note": (1, 1),
    "tap": (0, 0),
    "pause": (0, 0),
    "resume": (0, 0),
    "scan": (1, 1),
    "focal": (0, 0),
    "end": (0, 0),
}
_USAGE = {
    "b": "b ANIMAL BEHAVIOUR",
    "o": "o ANIMAL",
    "undo": "undo [NUMBER]",
    "correct": "correct NUMBER [BEHAVIOUR] [+SECONDS]",
    "note": "note TEXT",
    "scan": "scan SECONDS",
}


@dataclass(frozen=True)
class Command:
    """One command of a script.

    at_s: seconds since the session began, None for at once. where: its line, for messages.
    """

    at_s: float | None
    name: str
    words: tuple[str, ...]
    where: str = ""


@dataclass
class StepClock:
    """A clock that shows what it was set to: for scripts that need no waiting, and for tests."""

    time_ns: int

    def now_ns(self) -> int:
        """Return ns since 1970 in UTC."""
        return self.time_ns

    def advance_to(self, time_ns: int) -> None:
        """Set it to a time, unless it shows a later one."""
        self.time_ns = max(self.time_ns, time_ns)


def parse(lines: Iterable[str], name: str) -> Iterator[Command]:
    """Yield the commands of a script. name: of the file, for messages.

    Raises UserError, with the line, for a command that is not known, words that lack or are too many, and a
    time before that of an earlier line.
    """
    latest = 0.0
    for number, line in enumerate(lines, start=1):
        command = parse_line(line, f"{name}, line {number}")
        if command is None:
            continue
        if command.at_s is not None:
            if command.at_s < latest:
                raise UserError(
                    f"{command.where}: +{command.at_s:g} comes after +{latest:g}; put the lines in order "
                    "of time."
                )
            latest = command.at_s
        yield command


def parse_line(line: str, where: str) -> Command | None:
    """Return the command of one line, None where it is empty or a comment. Raises UserError as `parse`."""
    time, rest = None, line.strip()
    if not rest or rest.startswith("#"):
        return None
    if rest.startswith("+"):
        first, _, rest = rest.partition(" ")
        time, rest = _seconds(first, where), rest.strip()
    name, _, tail = rest.partition(" ")
    if name not in _WORDS:
        raise UserError(
            f"{where}: command {name!r} is not known{did_you_mean(name, _WORDS)}; expected {listed(_WORDS)}."
        )
    try:
        words = ([tail.strip()] if tail.strip() else []) if name == "note" else shlex.split(tail)
    except ValueError as error:
        raise UserError(f"{where}: {rest!r} cannot be read ({error}); close its quotes.") from None
    least, most = _WORDS[name]
    if not least <= len(words) <= most:
        usage = _USAGE.get(name, name)
        raise UserError(f"{where}: {rest!r} has {len(words)} words after {name!r}; write {usage!r}.")
    return Command(time, name, tuple(words), where)


def carry_out(recorder: EventRecorder, command: Command, press: str = "") -> Event:
    """Carry out a command now; return its event once that is on disk.

    press: name of the key press, as of `EventRecorder`. Raises UserError, with the line, where it could
    not be taken.
    """
    try:
        return _carry_out(recorder, command, press)
    except UserError as error:
        raise UserError(f"{command.where}: {error}" if command.where else str(error)) from error


def _carry_out(recorder: EventRecorder, command: Command, press: str) -> Event:
    words = command.words
    taking: dict[str, Callable[[], Event]] = {
        "b": lambda: recorder.press(words[0], words[1], press=press),
        "o": lambda: recorder.out_of_sight(words[0], press=press),
        "undo": lambda: recorder.undo(_whole(words[0], command) if words else None, press=press),
        "correct": lambda: _correct(recorder, command, press),
        "note": lambda: recorder.note(words[0], press=press),
        "tap": lambda: recorder.tap(press=press),
        "pause": lambda: recorder.pause(press=press),
        "resume": lambda: recorder.resume(press=press),
        "scan": lambda: recorder.sample(SCAN, _whole(words[0], command), press=press),
        "focal": lambda: recorder.sample(FOCAL, press=press),
        "end": lambda: recorder.end(press=press),
    }
    return taking[command.name]()


def _correct(recorder: EventRecorder, command: Command, press: str) -> Event:
    times = [word for word in command.words[1:] if word.startswith("+")]
    behaviours = [word for word in command.words[1:] if not word.startswith("+")]
    if len(times) > 1 or len(behaviours) > 1:
        raise UserError(f"one behaviour and one time at most are expected; write {_USAGE['correct']!r}.")
    time = recorder.facts.began_ns + round(_seconds(times[0], "") * NS) if times else None
    behaviour = behaviours[0] if behaviours else None
    return recorder.correct(_whole(command.words[0], command), behaviour, time, press=press)


def run(
    recorder: EventRecorder,
    commands: Iterable[Command],
    wait_until: Callable[[int], None],
    say: Callable[[Event], object],
) -> int:
    """Carry out commands, each at its time; return how many.

    wait_until: returns when the session's clock shows a time in ns. say: called with each event once it is on
    disk. Raises UserError as `carry_out`.
    """
    done = 0
    for command in commands:
        if command.at_s is not None:
            wait_until(recorder.facts.began_ns + round(command.at_s * NS))
        say(carry_out(recorder, command))
        done += 1
    return done


def _seconds(word: str, where: str) -> float:
    try:
        found = float(word[1:])
    except ValueError:
        found = -1.0
    if not 0 <= found < 1e9:
        told = f"{word!r} is no time; seconds since the session began are expected: +12.5."
        raise UserError(f"{where}: {told}" if where else told)
    return found


def _whole(word: str, command: Command) -> int:
    if not (word.isascii() and word.isdigit()):
        raise UserError(f"{word!r} is no whole number; write {_USAGE[command.name]!r}.")
    return int(word)
