"""Clocks of BORIS's observations: what the seconds of their events count from.

BORIS writes seconds only. They count from the observation's start; or they are local seconds of the day,
which begin again at midnight; or seconds since 1970 in UTC. A project says which, an export does not. A time
offset is part of every event's seconds, and nothing says whether the observation's date has it too. What fits
two readings is asked.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mcukd.data.importer.label_clocks import DATED, OWN, Asked, moment, offset_of
from mcukd.data.importer.local_time import local_of_utc, utc_of_local
from mcukd.data.importer.options import Choice
from mcukd.errors import UserError
from mcukd.text import did_you_mean, listed

START, MEDIA, DAY, EPOCH = "start", "media", "day", "epoch"
BASES = (START, MEDIA, DAY, EPOCH)
_DAY = 86400.0
_EPOCH = 631152000.0  # 1990: larger numbers of seconds count from 1970
#: An observer notes something within so many seconds of an observation's date.
_SOON = 6 * 3600.0
#: Events of the day after an observation's date are not later than so many seconds after it.
_NIGHT = 12 * 3600.0


@dataclass(frozen=True)
class Observation:
    """What a file says of an observation.

    name: empty where the file names none. date: seconds since 1970, None where the file does not say it;
    bare: whether on a local clock whose zone is not known. live: None where the file does not say. offset:
    BORIS's time offset in seconds. base: of `BASES`, as a project says it.
    """

    name: str
    date: float | None = None
    bare: bool = False
    live: bool | None = None
    offset: float = 0.0
    base: str | None = None

    @property
    def words(self) -> str:
        """Name the observation in a sentence."""
        return f"observation {self.name!r}" if self.name else "its observation"


@dataclass(frozen=True)
class Placed:
    """Times of an observation's events. seconds: (n,) since 1970, or from the observation's start (OWN).

    kind: DATED or OWN. words: what they count from. bare: whether on a local clock whose zone is not known.
    turned: whether a midnight lies among times of the day, so that their order in the file is not that of
    time.
    """

    seconds: NDArray[np.float64]
    kind: str
    words: str
    bare: bool = False
    turned: bool = False


def place_times(
    path: Path, observation: Observation, times: NDArray[np.float64], places: Sequence[str], asked: Asked
) -> Placed:
    """Return the times of an observation's events on a clock.

    times: (n,) as BORIS writes them. places: where each stands in the file. Raises UserError where nothing
    tells what they count from, where that contradicts what is stated, and for local times that came twice or
    never.
    """
    base = _base(path, observation, times, asked)
    if base == EPOCH:
        _check_epoch(path, observation, times, places, asked)
        return Placed(times, DATED, "seconds since 1970, in UTC by definition")
    if observation.date is None:
        if base == DAY:
            raise UserError(
                f"{path}: {observation.words} has no date, and its events are times of day; add it"
            )
        return Placed(times, OWN, "seconds from the observation's start")
    zone = f", as local time of {asked.timezone}" if asked.timezone else ""
    if base == DAY:
        seconds, turned = _days(path, observation, times, places, asked)
        return Placed(seconds, DATED, f"seconds of the day{zone}", observation.bare, turned)
    off = observation.offset if base == MEDIA else 0.0
    words = "seconds from the observation's date" + (" and the time offset" if off else "")
    return Placed(times - off + observation.date, DATED, words + zone, observation.bare)


def _base(path: Path, observation: Observation, times: NDArray[np.float64], asked: Asked) -> str:
    """Return what an observation's times count from."""
    large = bool(len(times)) and float(np.median(times)) >= _EPOCH
    stated = asked.options.labels_base
    if stated is not None and stated not in BASES:
        raise UserError(
            f"--labels-base is {stated!r}{did_you_mean(stated, BASES)}; expected one of {listed(BASES)}"
        )
    base = stated or observation.base or (EPOCH if large else None)
    if base is not None:
        if len(times) and (base == EPOCH) != large:
            who = f"--labels-base says {base}" if stated else f"the project says {base}"
            raise UserError(
                f"{path}: {who}, but the times of {observation.words} are like {times[0]:.15g}, which are "
                f"{'' if large else 'not '}seconds since 1970; correct it"
            )
        return base
    if observation.date is None or not len(times):
        return START
    if observation.offset:
        return asked.dialog.choose(
            f"{path}: {observation.words} has a time offset of {observation.offset:g} s, which BORIS has "
            "added to "
            f"the time of every event, and nothing says what its date {moment(observation.date)} is of",
            "--labels-base",
            [
                Choice(START, "of the moment from which the times count"),
                Choice(MEDIA, "of the beginning of the media or observation: the offset is taken off"),
                Choice(DAY, "times are seconds of the day"),
            ],
        )
    return START if observation.live is False else _live_base(path, observation, times, asked)


def _live_base(path: Path, observation: Observation, times: NDArray[np.float64], asked: Asked) -> str:
    """Tell seconds from a live observation's start from seconds of the day by when the first event was."""
    assert observation.date is not None
    of_day = local_of_utc(observation.date, None if observation.bare else asked.timezone) % _DAY
    if of_day == 0.0:
        return START  # both readings are the same
    first = float(times.min())
    after = float(np.min((times - of_day) % _DAY))
    fits = {
        START: 0 <= first <= _SOON or observation.live is None,
        DAY: first >= 0 and float(times.max()) < _DAY and after <= _SOON,
    }
    if fits[START] != fits[DAY]:
        return START if fits[START] else DAY
    return asked.dialog.choose(
        f"{path}: the times of {observation.words}, live from {_said(observation)} on, begin with "
        f"{first:g} s, "
        "and nothing says what they count from",
        "--labels-base",
        [
            Choice(START, "seconds from the observation's date"),
            Choice(DAY, "seconds of the day on the local clock"),
        ],
    )


def _days(
    path: Path, observation: Observation, times: NDArray[np.float64], places: Sequence[str], asked: Asked
) -> tuple[NDArray[np.float64], bool]:
    """Return seconds since 1970 of seconds of the day, and whether a midnight lies among them."""
    assert observation.date is not None
    zone = None if observation.bare else asked.timezone
    local = local_of_utc(observation.date, zone)
    of_day, midnight = local % _DAY, local - local % _DAY
    outside = np.flatnonzero((times < 0) | (times >= _DAY))
    if len(outside):
        row = int(outside[0])
        raise UserError(
            f"{path}, {places[row]}: the time is {times[row]:g} s, but seconds of the day, 0 to 86400, are "
            f"expected in {observation.words}; correct it, or say --labels-base"
        )
    # BORIS sorts events by their seconds, so that those after midnight stand first.
    next_day = times < np.floor(of_day)
    late = np.flatnonzero(next_day & (times + _DAY - of_day > _NIGHT))
    if len(late):
        row = int(late[0])
        raise UserError(
            f"{path}, {places[row]}: the event is at {_clock(times[row])}, before the date of "
            f"{observation.words} ({moment(local)}) and too long after it for the following night; correct "
            "the "
            "date"
        )
    days = midnight + times + np.where(next_day, _DAY, 0.0)
    seconds = [
        utc_of_local(float(one), zone, f"{path}, {place}: the time of {observation.words}")
        for one, place in zip(days, places)
    ]
    return np.array(seconds, np.float64), bool(next_day.any() and not next_day.all())


def _said(observation: Observation) -> str:
    assert observation.date is not None
    return moment(observation.date) + ("" if observation.bare else " UTC")


def _clock(of_day: float) -> str:
    return f"{int(of_day // 3600):02d}:{int(of_day // 60 % 60):02d}:{of_day % 60:06.3f}"


def _check_epoch(
    path: Path, observation: Observation, times: NDArray[np.float64], places: Sequence[str], asked: Asked
) -> None:
    """UserError where seconds since 1970 are those of a local clock: off from the date by just its zone."""
    if observation.date is None or asked.timezone is None or not len(times):
        return
    first = float(times[0])
    ahead = offset_of(observation.date, asked.timezone)
    if ahead and abs(first - observation.date - ahead) < 60 <= abs(first - observation.date):
        raise UserError(
            f"{path}, {places[0]}: Time is {moment(first)} UTC in seconds since 1970, and the observation's "
            "date "
            f"in {asked.timezone} is {moment(observation.date)} UTC: one of them is on a clock that is "
            f"{ahead / 3600:+g} h ahead; if the date is in UTC too, say --labels-timezone UTC, else export "
            "without the offset"
        )
