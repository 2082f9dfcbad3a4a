"""Stamps that are numbers: which unit they count in, and from which zero.

Judged by the column's name, by the sampling rate that each unit would give, and by the date that it would
give.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mcukd.data.importer.options import Choice, Dialog
from mcukd.errors import UserError
from mcukd.text import did_you_mean, listed

#: Sampling rates in Hz that loggers on animals have, and how well they fit: (least, greatest, fit).
_RATES = ((5.0, 250.0, 1.0), (2.0, 1000.0, 0.5), (0.5, 1000.0, 0.2), (0.5, 4000.0, 0.1))
#: Where one reading fits this many times better than every other, it is taken.
_CLEARLY = 3.0
_DAY = 86400.0
#: Seconds since 1970 of the dates a recording may have, 1990 to 2100, and is likely to have, 2000 to 2040.
_DATES = (631152000.0, 4102444800.0)
_LIKELY_DATES = (946684800.0, 2208988800.0)
#: Share of steps that have to be exactly 1 for numbers to look like a counter of samples.
_COUNTING = 0.9


@dataclass(frozen=True)
class Unit:
    """What numbers may count. name: what --time-unit takes. seconds: numerator and denominator of one unit.

    zero: the number that stands for 1970-01-01, None where there is none. local: whether it counts on a local
    clock and not in UTC. common: whether it may be taken without being named. pattern: names that tell it.
    """

    name: str
    words: str
    seconds: tuple[float, float]
    zero: float | None = None
    local: bool = False
    common: bool = True
    pattern: str = ""

    def to_seconds(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return seconds (n,) since 1970, or since the numbers' own zero, for numbers (n,)."""
        since = values if self.zero is None else values - self.zero
        return np.asarray(since * self.seconds[0] / self.seconds[1])


#: Words in a column's name that say that it counts from 1970.
_SINCE = {"unix", "epoch", "posix"}
_SECONDS = r"s|sec|secs|second|seconds"
_MILLIS = r"ms|msec|msecs|milli|millis|millisec|milliseconds?"
_MICROS = r"us|µs|μs|usec|usecs|micro|micros|microsec|microseconds?"
_NANOS = r"ns|nsec|nano|nanos|nanosec|nanoseconds?"
#: Seconds, by the scale, from a zero of their own or since 1970.
_SCALES = (
    ("s", "seconds", (1.0, 1.0), True, _SECONDS),
    ("ms", "milliseconds", (1.0, 1e3), True, _MILLIS),
    ("us", "microseconds", (1.0, 1e6), True, _MICROS),
    ("ns", "nanoseconds", (1.0, 1e9), True, _NANOS),
    ("min", "minutes", (60.0, 1.0), False, "min|mins|minutes?"),
    ("h", "hours", (3600.0, 1.0), False, "h|hr|hrs|hours?"),
    ("days", "days", (_DAY, 1.0), False, "d|days?"),
)
SINCE_1970 = tuple(
    Unit(name, f"{words} since 1970", seconds, 0.0, pattern=pattern)
    for name, words, seconds, common, pattern in _SCALES
    if common
)
OWN_ZERO = tuple(
    Unit(
        name,
        f"{words} from a zero of their own, such as a device's start",
        seconds,
        None,
        common=common,
        pattern=pattern,
    )
    for name, words, seconds, common, pattern in _SCALES
)
CALENDARS = (
    Unit("excel", "days since 1899-12-30, as of spreadsheets", (_DAY, 1.0), 25569.0, True, True, "excel"),
    Unit("excel-1904", "days since 1904-01-01, as of old spreadsheets", (_DAY, 1.0), 24107.0, True, False),
    Unit("matlab", "days of Matlab's datenum", (_DAY, 1.0), 719529.0, True, True, "matlab|datenum"),
    Unit("julian", "Julian dates", (_DAY, 1.0), 2440587.5, False, True, "julian|jd|julianday"),
    Unit("mjd", "modified Julian dates", (_DAY, 1.0), 40587.0, False, False, "mjd"),
    Unit(
        "gps", "seconds of GPS time, since 1980-01-06", (1.0, 1.0), -315964782.0, False, False, "gps|gpst|tow"
    ),
    Unit(
        "apple",
        "seconds since 2001-01-01, as of Apple",
        (1.0, 1.0),
        -978307200.0,
        False,
        False,
        "apple|cocoa",
    ),
    Unit(
        "labview",
        "seconds since 1904-01-01, as of LabVIEW",
        (1.0, 1.0),
        2082844800.0,
        False,
        False,
        "labview",
    ),
    Unit("filetime", "100 ns since 1601, as of Windows", (1.0, 1e7), 116444736e9, False, False, "filetime"),
    Unit("ticks", "100 ns since the year 1, as of .NET", (1.0, 1e7), 621355968e9, True, False, "ticks?"),
)
COUNTER = "counter"
UNIT_NAMES = (*(unit.name for unit in OWN_ZERO), COUNTER, *(unit.name for unit in CALENDARS))


@dataclass(frozen=True)
class Reading:
    """One way of reading a column of numbers. rate: samples per second that it gives, None if none is told.

    fit: how well it fits, 0 for not at all. date: of the first stamp, where there is one.
    """

    unit: Unit
    rate: float | None
    fit: float
    date: str = ""

    @property
    def choice(self) -> Choice:
        """Return it as an answer to the question for the unit."""
        if self.unit.name == COUNTER:
            return Choice(COUNTER, "samples are numbered; --rate has to say how many a second")
        words = self.unit.words.partition(" from a zero")[0]
        parts = [words + (f", beginning {self.date}" if self.date else "")]
        parts += [f"{self.rate:.4g} Hz"] if self.rate else []
        return Choice(self.unit.name, ": ".join(parts))


def decide_unit(
    column: str,
    values: NDArray[np.float64],
    stated: str | None,
    rate_hz: float | None,
    dialog: Dialog,
    burst: int = 1,
) -> tuple[Unit, str]:
    """Decide what numbers (n,) count; return the unit and why.

    values: the first stamps of a column in the order of the rows. stated: --time-unit. rate_hz: --rate.
    burst: samples per stamp. Raises UserError where two units fit about as well and nobody answers, where
    none fits, and where what is stated cannot be.
    """
    if stated == COUNTER:
        return _counter(column, rate_hz, dialog), "samples are numbered, as you say"
    if stated is not None:
        unit = stated_unit(f"the column {column}", "--time-unit", stated, values)
        return unit, f"{unit.words}, as you say"
    step = usual_step(values)
    every = _readings(column, values, step, rate_hz, burst)
    found = sorted((one for one in every if one.fit > 0), key=lambda one: -one.fit)
    counted = _is_counter(values) and all(one.unit.zero is None for one in found)
    named = [one for one in every if _is_named(column, one.unit) and one.unit.name != "gps"]
    fitting = [one for one in named if one.fit > 0]
    if len(fitting) == 1:
        return fitting[0].unit, f"{fitting[0].unit.words}{_at(fitting[0])}, as the column's name says"
    if rate_hz is not None and not found:
        if counted:
            return _counter(column, rate_hz, dialog), "samples are numbered, for no unit of time gives --rate"
        # The rate that the stamps give is compared with the stated one later.
        return decide_unit(column, values, None, None, dialog, burst)
    if rate_hz is not None and len(found) == 1:
        return found[0].unit, f"{found[0].unit.words}{_at(found[0])}, which gives --rate"
    if not found and not counted:
        raise UserError(_nothing_fits(column, values, step, burst))
    clear = len(found) == 1 or (bool(found) and found[0].fit >= _CLEARLY * found[1].fit)
    if clear and not named and not counted and found[0].unit.common:
        return found[0].unit, f"{found[0].unit.words}{_at(found[0])}{_instead(found)}"
    found += [one for one in named if one.unit.name not in [other.unit.name for other in found]]
    return _asked(column, values, found, counted, rate_hz, dialog)


def usual_step(values: NDArray[np.float64]) -> float | None:
    """Return the mean step between stamps (n,) that is no gap, None where none goes ahead.

    Over all of them, because stamps that are cut to a coarse unit repeat.
    """
    steps = np.diff(values)
    if len(steps) and np.mean(steps < 0) > 0.3:
        steps = np.diff(np.sort(values))
    ahead = steps[steps > 0]
    if not len(ahead):
        return None
    return float(steps[(steps >= 0) & (steps <= 2.5 * np.median(ahead))].mean())


def _readings(
    column: str, values: NDArray[np.float64], step: float | None, rate_hz: float | None, burst: int
) -> list[Reading]:
    middle = float(np.median(values))
    found = []
    for unit in (*SINCE_1970, *CALENDARS):
        since = float(unit.to_seconds(np.array([middle]))[0])
        if not _DATES[0] <= since < _DATES[1]:
            continue
        likely = _LIKELY_DATES[0] <= since < _LIKELY_DATES[1]
        rate, fit = _rate_of(unit, step, rate_hz, burst)
        date = str(np.datetime64(int(unit.to_seconds(values[:1])[0] + 0.01), "s")).replace("T", " ")
        if unit.common or likely:
            found.append(Reading(unit, rate, fit * (1.0 if likely else 0.4), date))
    if any(one.unit.zero == 0.0 and one.fit > 0 for one in found) or _SINCE.intersection(words_of(column)):
        return _without_rare(column, found)
    for unit in OWN_ZERO:
        rate, fit = _rate_of(unit, step, rate_hz, burst)
        # Nobody starts a clock decades before the recording, and an own zero of days fits many dates.
        since = abs(float(unit.to_seconds(np.array([middle]))[0]))
        found.append(Reading(unit, rate, fit if since < 20 * 365 * _DAY else 0.0))
    return _without_rare(column, found)


def _without_rare(column: str, found: list[Reading]) -> list[Reading]:
    """Leave out what has to be named, unless it is, or the date of what need not be is an unlikely one."""
    unlikely = not any(
        one.fit > 0 and one.unit.common and (one.unit.zero is None or _is_likely(one)) for one in found
    )
    clash = {"excel", "mjd"} <= {one.unit.name for one in found if one.fit > 0}
    kept = []
    for one in found:
        rare = not one.unit.common and not _is_named(column, one.unit)
        if not rare or (unlikely and one.unit.name != "gps") or (clash and one.unit.name == "mjd"):
            kept.append(one)
    return kept


def _is_likely(one: Reading) -> bool:
    return "2000" <= one.date[:4] < "2040"


def _rate_of(unit: Unit, step: float | None, rate_hz: float | None, burst: int) -> tuple[float | None, float]:
    """Return the samples per second that a unit gives, and how well it fits (1 best, 0 not at all)."""
    if step is None:
        return None, 0.5
    apart = step * unit.seconds[0] / unit.seconds[1]
    if burst > 1:
        # Bursts may lie far apart, but not so near that the next begins before one has ended.
        least = burst / (rate_hz or 250.0)
        return None, 1.0 if 0.9 * least <= apart <= 2 * _DAY else 0.0
    rate = 1 / apart
    if rate_hz is not None:
        return rate, 1.0 if _agrees(rate, rate_hz) else 0.0
    return rate, next((fit for least, most, fit in _RATES if least * 0.99 <= rate <= most * 1.01), 0.0)


def _agrees(rate: float | None, stated: float) -> bool:
    return rate is not None and abs(rate / stated - 1) < 0.1


def _is_named(column: str, unit: Unit) -> bool:
    return bool(unit.pattern) and any(re.fullmatch(unit.pattern, word) for word in words_of(column))


def words_of(column: str) -> list[str]:
    """Return the words of a column's name in lower case, camel case and marks taken apart."""
    apart = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", " ", column)
    return [word for word in re.split(r"[^0-9a-zµμ]+", apart.lower()) if word]


def _is_counter(values: NDArray[np.float64]) -> bool:
    steps = np.diff(values)
    whole = bool(np.all(values == np.floor(values)))
    return whole and len(steps) > 0 and float(np.mean(steps == 1)) > _COUNTING


def _counter(column: str, rate_hz: float | None, dialog: Dialog) -> Unit:
    if rate_hz is None:
        rate_hz = dialog.number(f"the column {column} numbers the samples, which tells no rate", "--rate HZ")
    return Unit(COUNTER, f"samples numbered, {rate_hz:g} a second", (1.0, rate_hz))


def stated_unit(what: str, flag: str, name: str, values: NDArray[np.float64]) -> Unit:
    """Return the unit of a stated name: since 1970 where that gives a date, else from an own zero.

    what: holds the numbers (n,). flag: stated the name. Raises UserError for a name that is unknown, and for
    one that gives no date.
    """
    if name not in UNIT_NAMES:
        raise UserError(
            f"{flag} is {name!r}{did_you_mean(name, UNIT_NAMES)}; expected one of {listed(UNIT_NAMES)}"
        )
    first = np.array([float(np.median(values))])
    for unit in (*SINCE_1970, *CALENDARS):
        if unit.name == name:
            since = float(unit.to_seconds(first)[0])
            if _DATES[0] <= since < _DATES[1]:
                return unit
            if unit.zero:
                raise UserError(
                    f"{flag} says {name} ({unit.words}), but {what} holds numbers like "
                    f"{values[0]:.15g}, which gives no date between 1990 and 2100; correct it"
                )
    if name == COUNTER:
        raise UserError(f"{flag} says {COUNTER}, but {what} holds no numbers of samples; name a unit of time")
    return next(unit for unit in OWN_ZERO if unit.name == name)


def _asked(
    column: str,
    values: NDArray[np.float64],
    found: Sequence[Reading],
    counted: bool,
    rate_hz: float | None,
    dialog: Dialog,
) -> tuple[Unit, str]:
    choices = [one.choice for one in found]
    if counted:
        choices.insert(0, Reading(Unit(COUNTER, "", (1.0, 1.0)), None, 1.0).choice)
    shown = ", ".join(f"{value:.15g}" for value in values[:3])
    question = f"the column {column} counts {shown}, … and nothing says in what unit"
    answer = dialog.choose(question, "--time-unit", choices)
    if answer == COUNTER:
        return _counter(column, rate_hz, dialog), "samples are numbered, as you say"
    unit = next(one.unit for one in found if one.unit.name == answer)
    return unit, f"{unit.words}, as you say"


def _nothing_fits(column: str, values: NDArray[np.float64], step: float | None, burst: int) -> str:
    shown = ", ".join(f"{value:.15g}" for value in values[:3])
    what = f"in steps of {step:.6g}, " if step is not None and burst == 1 else ""
    return (
        f"the column {column} counts {shown}, … {what}which gives a sampling rate of 0.5 to 4000 Hz in no "
        "unit; "
        f"say the unit with --time-unit ({', '.join(UNIT_NAMES)}), or name another column with --time-column"
    )


def _at(one: Reading) -> str:
    parts = [f"beginning {one.date}"] if one.date else []
    parts += [f"{one.rate:.4g} Hz"] if one.rate else []
    return f" ({', '.join(parts)})" if parts else ""


def _instead(common: Sequence[Reading]) -> str:
    if len(common) < 2 or common[1].rate is None:
        return ""
    other = common[1]
    return f"; as {other.unit.words} they would give {other.rate:.4g} Hz (--time-unit {other.unit.name})"
