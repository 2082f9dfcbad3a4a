"""Local time of a place as UTC and back; times that daylight saving makes ambiguous are refused."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, tzinfo

from mcukd.errors import UserError

NS = 1_000_000_000
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def zone_named(name: str) -> tzinfo:
    """Return a time zone by its IANA name. Raises UserError for another name."""
    from zoneinfo import ZoneInfo

    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        raise UserError(
            f"the time zone is {name!r}, expected a name such as Europe/London or UTC; where every name is "
            "refused, this computer lacks the table of zones: pip install tzdata"
        ) from None


def utc_ns(local: datetime, zone: tzinfo) -> int:
    """Return ns since 1970, UTC, of a local time without an offset.

    Raises UserError for a time that the clocks left out or showed twice, with what it may have been.
    """
    if local.tzinfo is not None:
        raise ValueError("the time says its own offset from UTC")
    first, second = (local.replace(tzinfo=zone, fold=fold) for fold in (0, 1))
    if first.utcoffset() != second.utcoffset():
        # Back from UTC a time that was left out comes out as another one.
        kept = [
            one
            for one in (first, second)
            if one.astimezone(UTC).astimezone(zone).replace(tzinfo=None) == local
        ]
        if not kept:
            raise UserError(
                f"{local:%Y-%m-%d %H:%M:%S} was left out in {zone}: clocks were put forward; say it in UTC"
            )
        offsets = " or ".join(_with_offset(one) for one in (first, second))
        raise UserError(
            f"{local:%Y-%m-%d %H:%M:%S} came twice in {zone}: clocks were put back; say which, {offsets}"
        )
    return _ns(first)


def local_text(ns: int, zone: tzinfo) -> str:
    """Return a time in ns since 1970, UTC, as local date, time to the ms and offset from UTC."""
    whole, part = divmod(ns, NS)
    moment = (_EPOCH + timedelta(seconds=whole)).astimezone(zone)
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{part // 1_000_000:03d}{_offset(moment)}"


def utc_ns_of_text(text: str, zone: tzinfo) -> int:
    """Return ns since 1970, UTC, of an ISO date and time, local without an offset. Raises UserError."""
    try:
        moment = datetime.fromisoformat(text.strip())
    except ValueError:
        raise UserError(
            f"the time is {text!r}, expected a date and a time such as 2026-05-01 07:30:00 or "
            "2026-05-01T05:30:00+00:00"
        ) from None
    return utc_ns(moment, zone) if moment.tzinfo is None else _ns(moment)


def _ns(moment: datetime) -> int:
    since = moment - _EPOCH
    return (since.days * 86_400 + since.seconds) * NS + since.microseconds * 1000


def _with_offset(moment: datetime) -> str:
    return f"{moment:%H:%M:%S}{_offset(moment)}"


def _offset(moment: datetime) -> str:
    ahead = moment.utcoffset() or timedelta(0)
    sign = "-" if ahead < timedelta(0) else "+"
    minutes, seconds = divmod(int(abs(ahead).total_seconds()), 60)
    text = f"{sign}{minutes // 60:02d}:{minutes % 60:02d}"
    return text if not seconds else f"{text}:{seconds:02d}"
