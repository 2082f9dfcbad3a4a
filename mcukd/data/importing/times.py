"""Time columns: what kind of stamps they hold, turned into seconds."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Optional

import numpy as np
from numpy.typing import NDArray

from mcukd.errors import UserError

_ISO = re.compile(r"\d{4}-\d{2}-\d{2}([ T]\d{2}:\d{2}(:\d{2}([.,]\d+)?)?)?\s*(Z|[+-]\d{2}:?\d{2})?")
_DATE = re.compile(r"(\d{1,4})([./-])(\d{1,2})\2(\d{2,4})(.*)")
_CLOCK = re.compile(r"[ T]+(\d{1,2}):(\d{2})(:(\d{2})([.,]\d+)?)?\s*([AaPp][Mm])?")
#: Seconds per unit of an epoch, by the size of today's stamps in it.
_EPOCHS = ((1e17, 1e-9, "nanoseconds"), (1e14, 1e-6, "microseconds"), (1e11, 1e-3, "milliseconds"))
_HOUR = 3600.0


@dataclass(frozen=True)
class TimeForm:
    """How stamps are written: "number" (scale to seconds) or "date" (strptime format; None: ISO 8601).

    zoned: stamps say their offset from UTC themselves. timezone: of stamps that do not (IANA name).
    """

    kind: str
    scale: float = 1.0
    format: Optional[str] = None
    zoned: bool = False
    timezone: Optional[str] = None
    reason: str = ""

    @property
    def is_plain(self) -> bool:
        """Whether the readers of a card read such stamps as they are."""
        return self.timezone is None and (self.scale == 1.0 if self.kind == "number" else self.format is None)


def time_form(
    path: Path, column: str, stamps: Sequence[str], day_first: Optional[bool], timezone: Optional[str]
) -> TimeForm:
    """Find out how a time column is written from its first stamps; UserError where that cannot be told."""
    filled = [stamp for stamp in stamps if stamp]
    if not filled:
        raise UserError(f"{path}: the time column {column} is empty; name another with --time-column")
    if timezone is not None:
        _zone(timezone)
    numbers = _numbers(filled)
    if numbers is not None:
        return _number_form(numbers, timezone)
    if all(_ISO.fullmatch(stamp) for stamp in filled):
        zoned = bool(re.search(r"(Z|[+-]\d{2}:?\d{2})$", filled[0][10:]))
        return TimeForm("date", zoned=zoned, timezone=None if zoned else timezone, reason="dates in ISO 8601")
    return _date_form(path, column, filled, day_first, timezone)


class Clock:
    """Turns the stamps of one file into seconds since 1970 UTC (or since the numbers' own zero).

    Keeps what a block has to know of the one before it: when local time last stepped back, as it does where
    the hour that comes twice at the end of summer time begins its second run.
    """

    def __init__(
        self,
        path: Path,
        column: str,
        form: TimeForm,
        back_at: Optional[float] = None,
        last: Optional[float] = None,
    ) -> None:
        self.path, self.column, self.form = path, column, form
        self.back_at, self.last = back_at, last

    def seconds(
        self, stamps: NDArray[Any], line: int, fresh: Optional[NDArray[np.bool_]] = None
    ) -> NDArray[np.float64]:
        """Return seconds (n,) for stamps (n,).

        fresh: (n,), where another recording begins. Raises UserError naming the line of the first that is no
        stamp.
        """
        import pandas as pd

        form = self.form
        if form.kind == "number":
            values = pd.to_numeric(pd.Series(stamps).astype(str).str.replace(",", "."), errors="coerce")
            self._check(stamps, values.isna().to_numpy(), line)
            return np.asarray(values, dtype=np.float64) * form.scale
        texts = pd.Series(stamps).astype(str).str.strip()
        dates = pd.to_datetime(texts, errors="coerce", format=form.format or "ISO8601", utc=form.zoned)
        self._check(stamps, dates.isna().to_numpy(), line)
        if form.zoned:
            dates = dates.dt.tz_convert(None)
        local = dates.astype("datetime64[ns]").to_numpy().astype(np.int64) / 1e9
        return local if form.timezone is None else self._utc(dates, np.asarray(local), line, fresh)

    def scaled(self, values: NDArray[np.float64], line: int) -> NDArray[np.float64]:
        """Return seconds (n,) for stamps (n,) that are numbers already; UserError where one is missing."""
        self._check(values, ~np.isfinite(values), line)
        return values * self.form.scale

    def _utc(
        self, dates: Any, local: NDArray[np.float64], line: int, fresh: Optional[NDArray[np.bool_]]
    ) -> NDArray[np.float64]:
        """Local times to UTC; of the hour that comes twice, what follows a step back is the second run."""
        before = local[0] if self.last is None else self.last
        anew = np.zeros(len(local), dtype=bool) if fresh is None else fresh
        back = (np.diff(local, prepend=before) < -_HOUR / 2) & ~anew
        # The local time of the last step back in the same recording; minus infinity where there was none.
        marks = np.where(back, local, np.where(anew, -np.inf, np.nan))
        known = np.maximum.accumulate(np.where(np.isnan(marks), -1, np.arange(len(local))))
        carried = -np.inf if self.back_at is None else self.back_at
        back_at = np.where(known < 0, carried, marks[np.maximum(known, 0)])
        # By next autumn the step back of this one says nothing.
        second = local - back_at < 3 * _HOUR
        self.back_at = None if np.isinf(back_at[-1]) else float(back_at[-1])
        self.last = float(local[-1])
        zoned = dates.dt.tz_localize(_zone(str(self.form.timezone)), ambiguous=~second, nonexistent="NaT")
        self._check(
            dates.astype(str).to_numpy(), zoned.isna().to_numpy(), line, f"a time in {self.form.timezone}"
        )
        utc = zoned.dt.tz_convert("UTC").dt.tz_localize(None).astype("datetime64[ns]")
        return np.asarray(utc.to_numpy().astype(np.int64) / 1e9)

    def _check(self, stamps: Any, bad: NDArray[np.bool_], line: int, wanted: str = "") -> None:
        if bad.any():
            row = int(np.argmax(bad))
            raise UserError(
                f"{self.path}, line {line + row}: column {self.column} is {str(stamps[row])!r} where "
                f"{wanted or self.form.reason or 'a date and time'} is expected; correct or remove the row"
            )


def backwards(origin: str, line: int, step: float) -> str:
    """Say that time runs backwards, and what it looks like."""
    text = f"{origin}, line {line}: time runs backwards by {-step:.6g} s"
    if abs(step + _HOUR) < 120:
        return (
            f"{text}, as at the end of summer time; name the stamps' time zone with --timezone, like "
            f"--timezone Europe/London"
        )
    return f"{text}; sort the rows by time with --sort, or give each recording a file of its own"


def _zone(name: str) -> Any:
    from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise UserError(
            f"the time zone {name!r} is unknown; expected a name like Europe/London or Etc/GMT-2"
        ) from None


def _numbers(stamps: Sequence[str]) -> Optional[NDArray[np.float64]]:
    try:
        return np.array([float(stamp.replace(",", ".")) for stamp in stamps])
    except ValueError:
        return None


def _number_form(values: NDArray[np.float64], timezone: Optional[str]) -> TimeForm:
    for least, scale, unit in _EPOCHS:
        if abs(values[0]) > least:
            return TimeForm("number", scale, reason=f"{unit} since 1970")
    if values[0] > 5e8:
        return TimeForm("number", reason="seconds since 1970")
    # Sorted, because rows may stand in any order still.
    steps = np.diff(np.sort(values))
    ahead = steps[steps > 0]
    usual = float(np.median(ahead)) if len(ahead) else 0.0
    # Nobody classifies behaviour from one sample every two seconds: such steps count a smaller unit.
    if usual >= 1000:
        return TimeForm("number", 1e-6, reason=f"numbers in steps of {usual:g}, taken as microseconds")
    if usual >= 2:
        return TimeForm("number", 1e-3, reason=f"numbers in steps of {usual:g}, taken as milliseconds")
    return TimeForm("number", reason="numbers, taken as seconds")


def _date_form(
    path: Path, column: str, stamps: Sequence[str], day_first: Optional[bool], timezone: Optional[str]
) -> TimeForm:
    dates = [_DATE.fullmatch(stamp) for stamp in stamps]
    first = dates[0]
    if first is None or not all(dates):
        wrong = next(stamp for stamp, date in zip(stamps, dates) if date is None)
        raise UserError(
            f"{path}: the time column {column} has {wrong!r}; expected seconds, or a date and time like "
            f"2024-05-15 13:33:17.1 or 15/05/2024 13:33:17: name another column with --time-column"
        )
    mark = first[2]
    if len(first[1]) == 4:
        day = f"%Y{mark}%m{mark}%d"
    else:
        if day_first is None:
            parts = [(int(date[1]), int(date[3])) for date in dates if date]
            day_first = True if mark == "." or any(a > 12 for a, _ in parts) else None
            day_first = False if any(b > 12 for _, b in parts) else day_first
        if day_first is None:
            raise UserError(
                f"{path}: the time column {column} has dates like {stamps[0]!r}, in which day and month "
                "cannot be "
                f"told apart; say --day-first or --month-first"
            )
        year = "%Y" if len(first[4]) == 4 else "%y"
        day = f"%d{mark}%m{mark}{year}" if day_first else f"%m{mark}%d{mark}{year}"
    clock = _CLOCK.fullmatch(first[5])
    if first[5] and clock is None:
        raise UserError(
            f"{path}: the time column {column} has {stamps[0]!r}, whose clock is not understood; expected "
            f"hours, minutes and seconds like 13:33:17.1"
        )
    text = day + _clock_format(first[5], clock)
    return TimeForm("date", format=text, timezone=timezone, reason=f"dates in the form {text}")


def _clock_format(text: str, clock: Optional[re.Match[str]]) -> str:
    if clock is None:
        return ""
    space = text[: len(text) - len(text.lstrip(" T"))]
    hour = "%I" if clock[6] else "%H"
    seconds = (":%S" if clock[3] else "") + (f"{clock[5][0]}%f" if clock[5] else "")
    return f"{space}{hour}:%M{seconds}" + (" %p" if clock[6] else "")
