"""Options of reading files of behaviour over time, and what a file says."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from mcukd.errors import UserError
from mcukd.metrics.agreement.periods import Periods
from mcukd.metrics.agreement.track import Track

#: The last moment that a tag's clock can tell, in seconds since 1970: its seconds have 32 bits.
_LATEST_S = float(2**32)
#: Class of results that a tag does not know; it lowers the coverage and is never exported.
UNKNOWN = "unknown"


@dataclass(frozen=True)
class TagModel:
    """The model on a tag: names of its classes in its order, length of a window and of a hop in seconds.

    sha256: of the model, None where nothing says it. smoothing: results in the tag's majority, 1 for none.
    simulated: whether it was made from simulated data. Raises UserError for a window longer than a day and
    for another number of results than a tag can take.
    """

    classes: tuple[str, ...]
    window_s: float | None = None
    hop_s: float | None = None
    sha256: str | None = None
    smoothing: int = 1
    simulated: bool = False

    def __post_init__(self) -> None:
        _require("--window", self.window_s, 1e-3, 86_400, "seconds, from .001 to a day (86400)")
        _require("--smoothing", self.smoothing, 1, 63, "a number of results, from 1 to 63")


@dataclass(frozen=True)
class Reading:
    """How files are read; what is None or empty is taken as the file says.

    classes: to which behaviours are brought, found by name whatever the case. mapping: behaviour → class,
    empty for one that is left out. leave_out: leave out behaviours that are none of the classes; refuse them
    otherwise. animals: subject in the file → animal. animal: of a file that names none. observations: of a
    BORIS file, that are read. timezone: of local times: an IANA name, or an offset like +02:00. unit, base,
    hold, day_first, year_first: as the import's options of labels. begins: when a file's own zero was, in
    seconds since 1970. offset_s: to be added to a tag's times; drift_ppm: how much its clock is fast. model:
    on the tag. period_s: length of a payload's period, the first of which began at `begins`. Raises UserError
    for an offset, a drift, a beginning or a period that no clock can have.
    """

    classes: tuple[str, ...] = ()
    mapping: Mapping[str, str] = field(default_factory=dict)
    leave_out: bool = False
    animals: Mapping[str, str] = field(default_factory=dict)
    animal: str = ""
    observations: tuple[str, ...] = ()
    timezone: str | None = None
    unit: str | None = None
    base: str | None = None
    hold: str | None = None
    day_first: bool | None = None
    year_first: bool = False
    begins: float | None = None
    offset_s: float | None = None
    drift_ppm: float = 0.0
    model: TagModel | None = None
    period_s: float | None = None

    def __post_init__(self) -> None:
        _require("--offset", self.offset_s, -_LATEST_S, _LATEST_S, "seconds, up to those from 1970 to 2106")
        _require("--drift", self.drift_ppm, -1e5, 1e5, "millionths (ppm), from -100000 to 100000")
        _require("--begins", self.begins, 0, _LATEST_S, "a moment from 1970 to 2106")
        _require("--period", self.period_s, 1, 1e7, "seconds, from 1 to 10000000")


@dataclass(frozen=True)
class Said:
    """What a file says: a track for each animal, "" where it names none; or periods, where it only counts.

    notes: sentences about how it was read and what was left out. model_sha256: of the model that said it; its
    first digits alone where the file holds no more. uncertainty_s: by how much its times may be off for want
    of digits, to be added to a tolerance. simulated: whether the animals were made by a simulator. observers:
    sources of tracks that no model said.
    """

    tracks: tuple[Track, ...]
    notes: tuple[str, ...] = ()
    model_sha256: str | None = None
    periods: tuple[Periods, ...] = ()
    uncertainty_s: float = 0.0
    simulated: bool = False
    observers: tuple[str, ...] = ()


def _require(flag: str, value: float | None, least: float, most: float, expected: str) -> None:
    """UserError where a number is out of range; NaN always is."""
    if value is not None and not least <= value <= most:
        raise UserError(f"{flag} is {value:g}; expected are {expected}.")
