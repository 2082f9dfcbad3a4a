"""Local times of labels in UTC: what an hour that comes twice, or never, does not tell is refused."""

from __future__ import annotations

import datetime as dt

from mcukd.data.importer.times import zone_of
from mcukd.errors import UserError

_EPOCH = dt.datetime(1970, 1, 1)


def utc_of_local(local: float, zone: str | None, where: str) -> float:
    """Return seconds since 1970 in UTC of a local time, given as seconds since 1970 on the local clock.

    zone: an IANA name or an offset like +02:00; None leaves the time as it is. where: what has this time, for
    the error. Raises UserError for a time that came twice in the zone, or never.
    """
    if zone is None:
        return local
    naive = _EPOCH + dt.timedelta(seconds=local)
    known = zone_of(zone)
    first, second = (naive.replace(tzinfo=known, fold=fold).utcoffset() for fold in (0, 1))
    assert first is not None and second is not None
    if first > second:
        raise UserError(
            f"{where} is {naive:%Y-%m-%d %H:%M:%S}, a time that came twice in {zone}; state the offset from "
            "UTC "
            f"that held instead of the zone, as --timezone {_written(first)} or --timezone {_written(second)}"
        )
    if first < second:
        raise UserError(
            f"{where} is {naive:%Y-%m-%d %H:%M:%S}, a time that never came in {zone}; correct it or the zone"
        )
    return local - first.total_seconds()


def local_of_utc(utc: float, zone: str | None) -> float:
    """Return seconds since 1970 on the local clock of a zone; those of UTC without one."""
    if zone is None:
        return utc
    ahead = (_EPOCH.replace(tzinfo=dt.UTC) + dt.timedelta(seconds=utc)).astimezone(zone_of(zone))
    offset = ahead.utcoffset()
    assert offset is not None
    return utc + offset.total_seconds()


def _written(offset: dt.timedelta) -> str:
    """Return an offset from UTC as --timezone takes it."""
    minutes = round(offset.total_seconds() / 60)
    return f"{'-' if minutes < 0 else '+'}{abs(minutes) // 60:02d}:{abs(minutes) % 60:02d}"
