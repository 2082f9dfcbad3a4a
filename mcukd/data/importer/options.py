"""Options of an import, and the dialog that asks for what is missing."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from mcukd.errors import UserError
from mcukd.text import did_you_mean


@dataclass(frozen=True)
class BoardAccelerometer:
    """The sensor of a board.

    board: its name. part: the chip. range_g: ±. rates_hz: what it can sample at. driver_hz: what its firmware
    samples at; None without a driver.
    """

    board: str
    part: str
    range_g: float
    counts_per_g: float
    rates_hz: tuple[float, ...]
    driver_hz: float | None = None


@dataclass(frozen=True)
class Options:
    """What is stated about the data; None and empty: find out, or ask.

    acceleration: three columns. label_from, animal_from: a part of the path, as "folder" or "file 2". label,
    animal: one for all files, where nothing in them says it. unlabelled: there are no labels.
    time_column: "none" leaves stamps out. time_unit: of stamps that are numbers (see time_units.UNIT_NAMES).
    year_first: in dates like 24-05-15. labels_unit: of labels' times that are numbers. labels_hold: how long
    a label without an end holds ("burst" or "next"). labels_from_start: labels count from each animal's first
    sample. labels_base: what the times of BORIS's events count from (see boris_clock.BASES). board: the
    sensor the card is for. boards: of the boards to name where none is stated.
    counts_per_g, offset: of raw counts. simulated: whether no animal wore a sensor. mapping: label of the
    source → class. window_s: seconds.
    """

    name: str | None = None
    out: Path | None = None
    acceleration: tuple[str, ...] = ()
    label_column: str | None = None
    animal_column: str | None = None
    time_column: str | None = None
    label_from: str | None = None
    animal_from: str | None = None
    time_unit: str | None = None
    label: str | None = None
    animal: str | None = None
    unlabelled: bool = False
    units: str | None = None
    rate_hz: float | None = None
    board: BoardAccelerometer | None = None
    boards: tuple[BoardAccelerometer, ...] = ()
    range_g: float | None = None
    counts_per_g: float | None = None
    offset: float | None = None
    classes: tuple[str, ...] = ()
    mapping: Mapping[str, str] = field(default_factory=dict)
    exclude_animals: tuple[str, ...] = ()
    labels_table: Path | None = None
    labels_timezone: str | None = None
    labels_unit: str | None = None
    labels_hold: str | None = None
    labels_from_start: bool = False
    labels_base: str | None = None
    timezone: str | None = None
    day_first: bool | None = None
    year_first: bool = False
    window_s: float | None = None
    resample_hz: float | None = None
    position: str | None = None
    simulated: bool | None = None
    features: bool = False
    sort: bool = False
    convert: bool = False
    yes: bool = False


#: Times a person is asked for a number.
_TRIES = 5


@dataclass(frozen=True)
class Choice:
    """One answer to a question. value: what the flag takes. meaning: what the import would do with it.

    stated: what has to be typed in full, where the answers go with different flags.
    """

    value: str
    meaning: str = ""
    stated: str = ""

    def __str__(self) -> str:
        text = self.stated or quoted(self.value)
        return f"{text} ({self.meaning})" if self.meaning else text


class Ask(Protocol):
    """Asks the person at the terminal for one of `choices`, or for what `flag` takes where there are none."""

    def __call__(self, question: str, flag: str, choices: Sequence[Choice], default: str | None) -> str:
        """Return the value of a choice, or the text that was typed."""


@dataclass
class Dialog:
    """Collects what was inferred and why, and asks for what was not.

    ask: None where nobody is there to answer. notes: sentences in the order they were found.
    """

    ask: Ask | None = None
    yes: bool = False
    notes: list[str] = field(default_factory=list)

    def note(self, sentence: str) -> None:
        """Keep a sentence about what was found and why."""
        self.notes.append(sentence)

    def choose(
        self,
        question: str,
        flag: str,
        choices: Sequence[Choice | str] = (),
        default: str | None = None,
    ) -> str:
        """Return what the user says: the value of one of `choices`, or any text where there are none.

        question: a clause without a full stop that says what was found. flag: what states the answer.
        default: a value that is clearly likelier than the others, which --yes takes; None where readings fit
        about as well. Raises UserError that lists the choices and names `flag` where nobody can be asked.
        """
        offered = [one if isinstance(one, Choice) else Choice(one) for one in choices]
        values = [one.value for one in offered]
        if self.yes and default is not None:
            return default
        if self.ask is not None:
            answer = self.ask(question, flag, offered, default).strip()
            if answer and (not values or answer in values):
                return answer
            expected = f"expected {alternatives(offered)}" if values else f"say what {flag} takes"
            raise UserError(f"the answer is {answer!r}{did_you_mean(answer, values)}; {expected}")
        proposal = f" ({flag} {quoted(default)} looks likeliest, and --yes takes it)" if default else ""
        if not offered:
            raise UserError(f"{question}; say it with {flag}{proposal}")
        which = "" if all(one.stated for one in offered) else f"{flag}: "
        raise UserError(f"{question}; say which with {which}{alternatives(offered)}{proposal}")

    def number(self, question: str, flag: str) -> float:
        """Return the number above 0 that the user says, asking again where it is none.

        question, flag: as for `choose`. Raises UserError where nobody can be asked or says a number.
        """
        asked = question
        for _ in range(_TRIES):
            answer = self.choose(asked, flag)
            with suppress(ValueError):
                if 0 < (number := float(answer)) < math.inf:
                    return number
            asked = f"{answer!r} is no number above 0, and {question}"
        raise UserError(f"{flag.split()[0]} is {answer!r} where a number above 0 is expected")


def alternatives(choices: Sequence[Choice]) -> str:
    """Return choices and their meanings as part of a sentence."""
    *others, last = [str(one) for one in choices]
    return f"{', '.join(others)} or {last}" if others else last


def quoted(text: str) -> str:
    """Return a text as it has to be typed after a flag."""
    return f"'{text}'" if any(mark in text for mark in " ;&|*()") else text
