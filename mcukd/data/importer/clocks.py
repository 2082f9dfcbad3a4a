"""Clocks of files: stamps turned into seconds, block by block."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mcukd.data.importer.numerals import MISSING
from mcukd.data.importer.times import ORDER_WORDS, TimeForm, numbers, zone_of
from mcukd.data.stamps import ORDERS, depends_on_order, read_dates, zone_abbreviation
from mcukd.errors import UserError

_HOUR = 3600.0
_DAY = 86400.0
#: Share of a block's stamps that may be missing or none, above which the column is not what it was taken for.
_MOST_ODD = 0.2
#: Grids in seconds on which samples of loggers lie, the finest first.
_GRIDS = (1e-3, 1e-2, 0.1, 1.0)


class Clock:
    """Turns the stamps of one file into seconds since 1970 UTC (or since the numbers' own zero).

    Keeps what a block has to know of the one before it. back_at: local time of the last step back, as where
    the hour that comes twice at the end of summer time begins its second run; of a logger's clock, the
    seconds by which it is ahead of UTC. last: the last stamp, as the clock showed it. odd: line of the first
    stamp that is missing or none, None where there was none yet.
    """

    def __init__(
        self,
        path: Path,
        column: str,
        form: TimeForm,
        back_at: float | None = None,
        last: float | None = None,
    ) -> None:
        self.path, self.column, self.form = path, column, form
        self.back_at, self.last = back_at, last
        self.odd: int | None = None

    def seconds(self, stamps: Any, line: int, fresh: NDArray[np.bool_] | None = None) -> NDArray[np.float64]:
        """Return seconds (n,) for stamps (n,), NaN for those that are missing or none.

        line: of the first stamp. fresh: (n,), where another recording begins. Raises UserError naming the
        line where many stamps are none, where some say a zone and others do not and none is stated, and
        where a local time did not exist.
        """
        form = self.form
        anew = np.zeros(len(stamps), dtype=bool) if fresh is None else fresh
        if form.kind == "logger":
            return self._logged(np.asarray(stamps, dtype=np.float64), line)
        if form.kind == "number":
            return self._counted(stamps, line, anew)
        if form.kind == "clock":
            return self._of_day(stamps, line, anew)
        dates = read_dates(stamps, form.order)
        if not dates.known.all():
            # Some exports put blanks around every cell.
            stamps = np.array([str(stamp).strip() for stamp in stamps], dtype=object)
            dates = read_dates(stamps, form.order)
        self._check(stamps, ~dates.known, line)
        bare = dates.known & ~dates.zoned
        nanoseconds = dates.utc()
        if form.timezone is not None and bare.any():
            nanoseconds[bare] = self._utc(dates.local[bare], np.flatnonzero(bare), line, anew)
        elif bare.any() and (form.zoned or dates.zoned.any()):
            row = int(np.argmax(bare if form.zoned else dates.zoned))
            which = (
                "no offset from UTC, where others do"
                if form.zoned
                else "an offset from UTC, where others do not"
            )
            raise UserError(
                f"{self.path}, line {line + row}: column {self.column} is {str(stamps[row])!r}, which says "
                f"{which}; "
                f"state the zone of those without one with --timezone, like --timezone Europe/London"
            )
        return np.where(dates.known, nanoseconds / 1e9, np.nan)

    def _logged(self, local: NDArray[np.float64], line: int) -> NDArray[np.float64]:
        """Seconds of a logger's clock: set to local time once, without changes to and from summer time."""
        if self.form.timezone is None or not len(local):
            return local
        if self.back_at is None:
            first = np.array([round(local[0] * 1e9)], dtype=np.int64)
            utc = self._utc(first, np.zeros(1, np.int64), line, np.zeros(1, dtype=bool))
            self.back_at = float(first[0] - utc[0]) / 1e9
        return local - self.back_at

    def _counted(self, stamps: NDArray[Any], line: int, anew: NDArray[np.bool_]) -> NDArray[np.float64]:
        unit = self.form.unit
        assert unit is not None
        values = numbers(stamps, self.form.decimal)
        known = np.isfinite(values)
        self._check(stamps, ~known, line)
        seconds = unit.to_seconds(values)
        if unit.seconds[0] >= 60:
            seconds = on_grid(seconds, resolution(stamps[known], self.form.decimal) * unit.seconds[0])
        if self.form.timezone is not None and known.any():
            local = np.round(seconds[known] * 1e9).astype(np.int64)
            seconds[known] = self._utc(local, np.flatnonzero(known), line, anew) / 1e9
        return seconds

    def _of_day(self, stamps: NDArray[Any], line: int, anew: NDArray[np.bool_]) -> NDArray[np.float64]:
        """Seconds since the midnight before a recording's first stamp."""
        cells = [str(stamp).strip() for stamp in stamps]
        # A date without a clock would be midnight.
        dates = read_dates([f"1970-01-01 {cell}" if cell else "" for cell in cells])
        self._check(stamps, ~dates.known, line)
        rows = np.flatnonzero(dates.known)
        of_day = dates.local[rows] / 1e9
        begins = _begins(anew, rows)
        before = np.concatenate([[of_day[:1].sum() if self.last is None else self.last % _DAY], of_day[:-1]])
        turned = (of_day - before < -_DAY / 2) & ~begins
        days = np.cumsum(turned) + (0 if self.last is None else int(self.last // _DAY))
        # Every recording counts from its own midnight.
        at = np.maximum.accumulate(np.where(begins, np.arange(len(rows)), -1))
        days = np.where(at >= 0, days - days[np.maximum(at, 0)], days)
        seconds = np.full(len(stamps), np.nan)
        seconds[rows] = of_day + days * _DAY
        if len(rows):
            self.last = float(seconds[rows[-1]])
        return seconds

    def _utc(
        self, local: NDArray[np.int64], rows: NDArray[np.int64], line: int, anew: NDArray[np.bool_]
    ) -> NDArray[np.int64]:
        """Local times (m,) of `rows` to UTC, in nanoseconds.

        Of the hour that comes twice, what follows a step back is the second run.
        """
        import pandas as pd

        seconds = local / 1e9
        begins = _begins(anew, rows)
        before = seconds[0] if self.last is None else self.last
        back = (np.diff(seconds, prepend=before) < -_HOUR / 2) & ~begins
        # The local time of the last step back in the same recording; minus infinity where there was none.
        marks = np.where(back, seconds, np.where(begins, -np.inf, np.nan))
        known = np.maximum.accumulate(np.where(np.isnan(marks), -1, np.arange(len(seconds))))
        carried = -np.inf if self.back_at is None else self.back_at
        back_at = np.where(known < 0, carried, marks[np.maximum(known, 0)])
        # By next autumn the step back of this one says nothing.
        second = seconds - back_at < 3 * _HOUR
        first = begins.copy()
        first[0] |= self.last is None
        self.back_at = None if np.isinf(back_at[-1]) else float(back_at[-1])
        self.last = float(seconds[-1])
        dates = pd.DatetimeIndex(local.astype("datetime64[ns]"))
        zone = zone_of(str(self.form.timezone))
        starts = np.flatnonzero(first & ~second)
        if _comes_twice(dates[starts], zone).any():
            self._settle(dates, starts, begins, back, second, rows + line)
        zoned = dates.tz_localize(zone, ambiguous=~second, nonexistent="NaT")
        lost = np.asarray(zoned.isna())
        if lost.any():
            row = int(np.argmax(lost))
            raise UserError(
                f"{self.path}, line {line + int(rows[row])}: column {self.column} is {dates[row]} where a "
                "time in "
                f"{self.form.timezone} is expected, and there was no such hour; correct --timezone or the row"
            )
        utc: NDArray[np.int64] = zoned.tz_convert("UTC").tz_localize(None).to_numpy().astype(np.int64)
        return utc

    def _settle(
        self,
        dates: Any,
        starts: NDArray[np.int64],
        begins: NDArray[np.bool_],
        back: NDArray[np.bool_],
        second: NDArray[np.bool_],
        lines: NDArray[np.int64],
    ) -> None:
        """Find in which run of the hour that comes twice a recording began, by how it leaves that hour.

        starts: where recordings begin. begins, back, second: (m,), of `_utc`; `second` is corrected in place.
        """
        twice = _comes_twice(dates, zone_of(str(self.form.timezone)))
        for start in starts[twice[starts]].tolist():
            end = start + 1
            while end < len(twice) and twice[end] and not (begins[end] or back[end]):
                end += 1
            if end == len(twice) or begins[end]:
                raise UserError(
                    f"{self.path}, line {lines[start]}: column {self.column} is {dates[start]}, in the hour "
                    f"that came twice in {self.form.timezone}, and no stamp tells which of the two it was; "
                    "write the "
                    f"offset from UTC with the stamps"
                )
            # What goes on past that hour without a step back was in its second run.
            ahead = (dates[end] - dates[end - 1]).total_seconds()
            second[start:end] |= not back[end] and ahead < _HOUR / 2

    def _check(self, stamps: Any, bad: NDArray[np.bool_], line: int) -> None:
        """Note the first odd stamp; UserError where so many are odd that the column is not understood."""
        if not bad.any():
            return
        rows = np.flatnonzero(bad)
        self._check_order(stamps, rows[:1000], line)
        if self.odd is None:
            self.odd = line + int(rows[0])
        if len(rows) <= max(1, _MOST_ODD * len(bad)):
            return
        cells = [str(stamps[row]).strip() for row in rows]
        said = next((number for number, cell in enumerate(cells) if cell not in MISSING), None)
        place = f"{self.path}, line {line + int(rows[said or 0])}: column {self.column}"
        share = f"{len(rows):,} of {len(bad):,} stamps"
        if said is None:
            raise UserError(
                f"{place} is empty, as are {share}; fill them in, name another column with --time-column, "
                "or leave "
                f"the stamps out with --time-column none and state --rate"
            )
        hint = ""
        if zone_abbreviation(cells[said]):
            hint = f" ({zone_abbreviation(cells[said])} stands for more than one offset from UTC)"
        raise UserError(
            f"{place} is {str(stamps[rows[said]])!r} where {self.form.reason.partition('; as ')[0]} are "
            "expected"
            f"{hint}, and so are {share}; correct or remove the rows"
        )

    def _check_order(self, stamps: Any, rows: NDArray[np.int64], line: int) -> None:
        """UserError where a stamp is a date in another order than that of the column."""
        if self.form.order is None:
            return
        for row in rows.tolist():
            text = str(stamps[row]).strip()
            if depends_on_order(text) and any(read_dates([text], order).known[0] for order in ORDERS):
                words = ORDER_WORDS[self.form.order]
                raise UserError(
                    f"{self.path}, line {line + row}: column {self.column} is {text!r}, which is no date "
                    "with the "
                    f"{words}, as the others are read; correct it, or say --day-first or --month-first"
                )


def backwards(origin: str, line: int, step: float) -> str:
    """Say that time runs backwards, and what it looks like."""
    text = f"{origin}, line {line}: time runs backwards by {-step:.6g} s"
    if abs(step + _HOUR) < 120:
        return (
            f"{text}, as at the end of summer time; name the stamps' time zone with --timezone, like "
            f"--timezone Europe/London"
        )
    if abs(step + _DAY / 2) < 120:
        return (
            f"{text}, as of a clock of twelve hours without AM and PM; export the stamps with them, or on a "
            "clock of 24 hours"
        )
    return f"{text}; sort the rows by time with --sort, or give each recording a file of its own"


def _comes_twice(dates: Any, zone: Any) -> NDArray[np.bool_]:
    """Whether local times (n,) are of an hour that comes twice."""
    early, late = (
        np.asarray(dates.tz_localize(zone, ambiguous=np.full(len(dates), run), nonexistent="NaT").asi8)
        for run in (True, False)
    )
    return np.asarray(early != late)


def _begins(anew: NDArray[np.bool_], rows: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Whether another recording begins between one of `rows` and the one before it."""
    count = np.concatenate([[0], np.cumsum(anew)])
    before = np.concatenate([[0], rows[:-1] + 1])
    return np.asarray(count[rows + 1] > count[before])


def resolution(stamps: NDArray[Any], decimal: str) -> float:
    """Return the step between two numbers that can be told apart as they are written."""
    places = max((len(str(stamp).strip().partition(decimal)[2]) for stamp in stamps[:1000]), default=0)
    return float(10.0**-places)


def on_grid(seconds: NDArray[np.float64], resolution: float) -> NDArray[np.float64]:
    """Move seconds (n,) to the grid of samples that all lie on within the resolution they were written in.

    Days with ten decimals are 9 µs apart: 09:20:30 is read as some microseconds before or after it, and would
    fall out of an interval that begins there.
    """
    known = seconds[np.isfinite(seconds)]
    for grid in _GRIDS:
        near = np.round(known / grid) * grid
        if resolution < grid and len(known) and np.abs(known - near).max() <= resolution / 2 + 2e-6:
            return np.asarray(np.round(np.round(seconds / grid) * grid, 3))
    return seconds
