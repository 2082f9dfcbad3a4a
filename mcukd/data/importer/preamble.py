"""Lines that ActiGraph writes above a header: when a recording began, and its rate."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from mcukd.errors import UserError

STAMPS = "datetime"
_RATE = re.compile(r"\bat\s+(\d+(?:[.,]\d+)?)\s*Hz", re.IGNORECASE)
_FORM = re.compile(r"date format\s+([dMy]+)[^dMy\s]([dMy]+)[^dMy\s]([dMy]+)")
_DATE = re.compile(r"Start Date\W+(\d+)\D(\d+)\D(\d+)", re.IGNORECASE)
_TIME = re.compile(r"Start Time\W+(\d+):(\d+):(\d+(?:[.,]\d+)?)\s*([AP]M)?", re.IGNORECASE)


def start_and_rate(path: Path, lines: Sequence[str], rate_hz: float | None) -> tuple[float, float] | None:
    """Return the local start in seconds since 1970 and the rate in Hz, None where the lines do not say both.

    rate_hz: as the user states it. Raises UserError where that is another than the lines' and where a date is
    none.
    """
    text = "\n".join(lines)
    rate, form, date, time = (one.search(text) for one in (_RATE, _FORM, _DATE, _TIME))
    said = float(rate[1].replace(",", ".")) if rate else None
    if said is not None and rate_hz is not None and abs(said / rate_hz - 1) > 0.01:
        raise UserError(
            f"{path}: the lines above the header say {said:g} Hz and --rate says {rate_hz:g} Hz; leave "
            "--rate out, or export the file again"
        )
    hertz = said or rate_hz
    if hertz is None or form is None or date is None or time is None:
        return None
    parts = {letters[0]: int(number) for letters, number in zip(form.groups(), date.groups())}
    hour = int(time[1])
    if time[4]:
        hour = hour % 12 + (12 if time[4].upper() == "PM" else 0)
    try:
        day = datetime(parts["y"], parts["M"], parts["d"], hour, int(time[2]), tzinfo=UTC)
    except (KeyError, ValueError):
        raise UserError(
            f"{path}: the lines above the header give {date[0]!r} and {form[0]!r}, which is no date; "
            "correct them"
        ) from None
    return day.timestamp() + float(time[3].replace(",", ".")), hertz
