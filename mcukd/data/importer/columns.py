"""Roles of columns, guessed from their names and first values."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from mcukd.data.importer.numerals import MISSING, to_numbers
from mcukd.data.importer.text import TextForm, odd_cell
from mcukd.data.importer.time_units import words_of
from mcukd.data.importer.times import holds_clocks, holds_dates, holds_packed_days, holds_stamps
from mcukd.data.recordings import GRAVITY_BAND, STANDARD_GRAVITY
from mcukd.errors import UserError

ONE_G = {"g": 1.0, "m/s2": STANDARD_GRAVITY, "mg": 1000.0}
_ACC = re.compile(r"acc|(^|[^a-z])a?[xyz]($|[^a-z])|(^|[^a-z])a[xyz]")
_OTHER = re.compile(r"gyr|mag|(^|[^a-z])[gmqw][xyz]$|rot|quat|angl|orient|gps|gnss|euler|jerk|linear")
_TIME = re.compile(
    r"^(unix_?|epoch_?|utc_?|local_?)?(date[ _-]?time|time[ "
    r"_-]?stamps?|times?|date|t|seconds?|secs?|ms|millis|epoch)(\W.*|_.*)?$"
)
#: Words in the name of a column of stamps, beside those that _TIME takes whole.
_TIME_WORDS = frozenset(
    (
        *("time", "timestamp", "timestamps", "datetime", "stamp", "ts", "clock", "sensortimestamp"),
        *("uptime", "realtime", "elapsed", "epoch", "unix", "datenum", "mjd", "jd"),
        *("millis", "milliseconds", "ms", "micros", "microseconds", "us", "nanos", "nanoseconds", "ns"),
    )
)
_NO_TIME = frozenset(
    (
        *("zone", "timezone", "offset", "temp", "fix", "duration", "dur", "interval", "step"),
        *("start", "end", "stop", "count", "flag"),
    )
)
LABEL_NAME = re.compile(
    r"behavio|label|activity|class$|^class|annotation|^what$|^state$|posture|ethogram|verhalten|comport|aktivit"
)
ANIMAL_NAME = re.compile(
    r"animal|individual|subject|^cow|^sheep|^goat|^bird|^dog|^cat$|^horse|^calf|collar_?id|^ear_?tag|^tag|device|^tier($|[^a-z]|s?(id|nr|nummer|name)$)|^kuh|^schaf|^ziege|^pferd|^hund|individu|vache|^vaca|person|participant|^who$|^id$|logger|serial"
)
SEGMENT_NAME = re.compile(r"segment|bout|session|deployment|recording|^trial|^video")
_SPREAD = re.compile(
    r"(^|[^a-z])(sd|std|stdev|var|s\d?)_?[xyz]?$|mean|median|rms|energy|entropy|skew|kurt|odba|vedba|feature|dominant|quantile|percentile"
)
_CENTIMETRES = re.compile(r"(^|[^a-z])cm ?(/|\.| ) ?\(?s(ec)?|(^|[^a-z])gals?($|[^a-z])")
_BURST = re.compile(r"^(.*?)[._ -]?(\d+)$")


@dataclass(frozen=True)
class Triple:
    """Three columns that look like an accelerometer. magnitude: median length of the first vectors."""

    columns: tuple[str, str, str]
    magnitude: float
    units: str | None

    @property
    def distance(self) -> float:
        """How far from one g the magnitude is in its units, as a factor from 1 up."""
        if self.units is None:
            return float("inf")
        ratio = self.magnitude / ONE_G[self.units]
        return max(ratio, 1 / ratio)


def units_of(magnitude: float) -> str | None:
    """Return the units in which a median vector length is about 1 g, None where there are none."""
    for units, one_g in ONE_G.items():
        if GRAVITY_BAND[0] < magnitude / one_g < GRAVITY_BAND[1]:
            return units
    return None


def number_columns(form: TextForm) -> list[str]:
    """Return the columns whose first values are numbers, most of them: what is not is said when parsing."""
    return list(form.numbers)


def acceleration_triples(form: TextForm) -> list[Triple]:
    """Return the triples of columns that may be the accelerometer, the likeliest first."""
    named = [names for names in triples_by_name(form.numbers) if not _OTHER.search(names[0].lower())]
    plain = [names for names in named if _ACC.search(names[0].lower())]
    triples = [Triple(names, *_magnitude(form, names)) for names in plain or named]
    return sorted(triples, key=lambda one: (one.units is None, one.distance))


def refuse_odd_axes(path: Path, form: TextForm) -> None:
    """Raise UserError that names a cell, where columns are named for the axes and one holds no numbers."""
    for names in sorted(triples_by_name(form.header), key=lambda one: not _ACC.search(one[0].lower())):
        for name in names:
            found = odd_cell(form, name)
            if found is not None and not _OTHER.search(name.lower()):
                raise UserError(
                    f"{path}, line {found[0]}: column {name}, named like an axis of the accelerometer, is "
                    f"{found[1]!r} where a number like -0.95 is expected; export plain "
                    f"numbers, or name other columns with --acceleration X,Y,Z"
                )


def refuse_other_units(path: Path, form: TextForm, names: Sequence[str], units: str | None) -> None:
    """Raise UserError where columns say that they are in cm/s², which are taken for mg by their size."""
    said = [*names, *(form.units[form.header.index(name)] for name in names if form.units)]
    if units is None and any(_CENTIMETRES.search(one.lower()) for one in said):
        raise UserError(
            f"{path}: the columns {', '.join(names)} are in cm/s², as they say; take them as counts with "
            "--units counts --counts-per-g 980.665, or export m/s² or g"
        )


def triples_by_name(names: Sequence[str]) -> list[tuple[str, str, str]]:
    """Return triples of names that differ by one letter only: x, y, z."""
    known = set(names)
    found = []
    for name in names:
        for place, letter in enumerate(name):
            if letter not in "xX" or not _stands_for_axis(name, place):
                continue
            others = "yz" if letter == "x" else "YZ"
            rest = [name[:place] + other + name[place + 1 :] for other in others]
            if all(other in known for other in rest):
                found.append((name, rest[0], rest[1]))
                break
    return found


def time_column(form: TextForm) -> tuple[str | None, str]:
    """Return the time column, or None, and why."""
    named = [name for name in form.header if _TIME.match(name.lower().strip())]
    for name in named:
        cells = form.column(name)
        if holds_stamps(cells, form.decimal) and not holds_clocks(cells) and not _is_day(cells):
            return name, "by its name, and it holds time stamps"
    # Dates with a clock before those without.
    for name in sorted(form.header, key=lambda name: _is_day(form.column(name))):
        if holds_dates(form.column(name)):
            return name, "holds dates"
    for name in form.header:
        words = set(words_of(name))
        if words & _TIME_WORDS and not words & _NO_TIME and holds_stamps(form.column(name), form.decimal):
            return name, "by its name, and it holds time stamps"
    for name in named:
        if holds_clocks(form.column(name)):
            return name, "by its name, and it holds times of day"
    # What is named so and holds something else is a column of stamps that are not understood.
    for name in named:
        cells = [cell for cell in form.column(name) if cell not in MISSING]
        if cells and all(re.search(r"\d", cell) for cell in cells):
            return name, "named so"
    return None, "no column holds stamps"


def split_date_and_clock(form: TextForm) -> tuple[str, str] | None:
    """Return the columns of the date and of the clock where they are apart, and no column holds both."""
    if any(holds_dates(form.column(name)) and not _is_day(form.column(name)) for name in form.header):
        return None
    dates = [n for n in form.header if _is_day(form.column(n)) or holds_packed_days(form.column(n))]
    clocks = [name for name in form.header if holds_clocks(form.column(name))]
    return (dates[0], clocks[0]) if dates and clocks else None


def holds_clocks_with_date(form: TextForm, name: str) -> bool:
    """Tell whether the first values of a column are dates with a clock."""
    return holds_dates(form.column(name)) and not _is_day(form.column(name))


def holds_times(form: TextForm, name: str) -> bool:
    """Tell whether the first values of a column are dates or clock times."""
    return holds_dates(form.column(name)) or holds_clocks(form.column(name))


def text_role(form: TextForm, role: str, taken: Sequence[str]) -> tuple[str | None, str]:
    """Return the column of the role "label", "animal" or "segment", or None, and why."""
    pattern = {"label": LABEL_NAME, "animal": ANIMAL_NAME, "segment": SEGMENT_NAME}[role]
    named = [name for name in form.header if name not in taken and pattern.search(name.lower())]
    if role == "animal":
        # Movebank tables also name the tag; the individual is the animal.
        named.sort(key=lambda name: not re.search(r"animal|individual", name.lower()))
    if named:
        return named[0], "by its name"
    if role != "label":
        return None, f"no column is named like {'an animal' if role == 'animal' else 'a segment'}"
    numbers = set(number_columns(form))
    words = [
        name
        for name in form.header
        if name not in taken and name not in numbers and 1 <= len(set(form.column(name))) <= 50
    ]
    if len(words) == 1 and not ANIMAL_NAME.search(words[0].lower()):
        return words[0], "the only column of words"
    return None, "no column is named like a label"


def looks_like_features(form: TextForm) -> list[str]:
    """Return the columns that describe windows (means, spreads, …) where a table seems to hold such rows."""
    numbers = number_columns(form)
    if time_column(form)[0] is not None or acceleration_bursts(form):
        return []
    words = [name for name in numbers if _SPREAD.search(name.lower())]
    triples = triples_by_name(numbers)
    spreads = [
        one
        for one in triples
        if _SPREAD.search(one[0].lower()) and min(_values(form, one).ravel(), default=-1.0) >= 0
    ]
    if spreads and len(triples) >= 2:
        return [name for one in triples for name in one] + [
            name for name in words if not any(name in one for one in triples)
        ]
    return words if len(words) >= 3 else []


def acceleration_bursts(form: TextForm) -> dict[str, list[str]] | None:
    """Return axis → columns in order of time where every row is a burst (x1 x2 … y1 … z1 …), else None."""
    series: dict[str, dict[int, str]] = {}
    for name in number_columns(form):
        match = _BURST.match(name)
        if match and match[1]:
            series.setdefault(match[1].lower(), {})[int(match[2])] = name
    axes: dict[str, list[str]] = {}
    for stem, columns in series.items():
        letter = next((axis for axis in "xyz" if _ends_with_axis(stem, axis)), None)
        if letter and len(columns) >= 4 and letter not in axes:
            axes[letter] = [columns[number] for number in sorted(columns)]
    if sorted(axes) != ["x", "y", "z"] or len({len(columns) for columns in axes.values()}) != 1:
        return None
    return {axis: axes[axis] for axis in "xyz"}


def _stands_for_axis(name: str, place: int) -> bool:
    """Whether the letter at `place` ends or starts a word, so that the x of "max" is left alone."""
    before, after = name[:place], name[place + 1 :]
    if not after or not after[0].isalpha():
        return (
            not before
            or not before[-1].isalpha()
            or len(re.findall(r"[A-Za-z]+$", before)[0]) <= 2
            or bool(re.search(r"(acc|accel|acceleration|gyro?|mag)$", before.lower()))
        )
    return not before or not before[-1].isalpha()


def _ends_with_axis(stem: str, axis: str) -> bool:
    return bool(re.search(rf"(^|[^a-z]|acc|accel|a){axis}$|^{axis}($|[^a-z])", stem))


def _magnitude(form: TextForm, names: tuple[str, str, str]) -> tuple[float, str | None]:
    values = _values(form, names)
    if not len(values):
        return float("nan"), None
    magnitude = float(np.median(np.linalg.norm(values, axis=1)))
    return magnitude, units_of(magnitude)


def _values(form: TextForm, names: Sequence[str]) -> np.ndarray:
    columns = [to_numbers(form.column(name), form.decimal) for name in names]
    rows = [cells for cells in zip(*columns) if None not in cells]
    return np.array(rows, dtype=np.float64).reshape(-1, len(names))


def _is_day(cells: Sequence[str]) -> bool:
    """Whether cells are dates without a clock."""
    return holds_dates(cells) and not any(":" in cell for cell in cells)
