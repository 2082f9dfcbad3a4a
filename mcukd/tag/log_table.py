"""Records of a log as rows of a table: dates, drift of the clock, rate of the sensor, and what each says."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from mcukd.errors import UserError
from mcukd.tag.bouts import ENDS
from mcukd.tag.log import Found, Log
from mcukd.tag.records import (
    BOOT,
    BOUT,
    EVENT,
    EVENTS,
    NAMES,
    PERIOD,
    RATE,
    READ,
    SOURCES,
    TICKS_PER_SECOND,
    TIME,
    Record,
    field,
)
from mcukd.text import plural

#: Columns of every row; the results of each class follow as `results_<class>`.
COLUMNS = (
    "sequence",
    "record",
    "boot",
    "seconds",
    "utc",
    "utc_trusted",
    "began_seconds",
    "began_utc",
    "class",
    "results",
    "ended",
    "gaps",
    "samples_lost",
    "rate_hz",
    "drift_ppm",
    "what",
)
UNKNOWN = "unknown"
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Setting:
    """One setting of the time of day. tag, utc: seconds of the tag's clock and Unix seconds at that moment.

    drift_ppm: of the tag's clock since the setting before it in the same start; positive where it is fast.
    """

    boot: int
    sequence: int
    tag: float
    utc: float
    drift_ppm: float | None = None


def settings_of(log: Log) -> list[Setting]:
    """Return the settings of the time of day in the order in which they were made."""
    found: list[Setting] = []
    for each in log.records:
        if each.record.kind != TIME:
            continue
        record = each.record
        tag = record.seconds + field(record, "fraction") / TICKS_PER_SECOND
        utc = field(record, "utc") + field(record, "utc_fraction") / TICKS_PER_SECOND
        this = Setting(each.boot, record.sequence, tag, utc)
        if found and found[-1].boot == this.boot and utc > found[-1].utc:
            passed = utc - found[-1].utc
            this = replace(this, drift_ppm=1e6 * (tag - found[-1].tag - passed) / passed)
        found.append(this)
    return found


def utc_of(seconds: float, boot: int, settings: Sequence[Setting]) -> tuple[float | None, bool]:
    """Return Unix seconds at a moment of the tag's clock, and whether they may be trusted.

    Between two settings of the same start a straight line joins them; before the first and after the last the
    nearest one's offset counts. Without a setting in this start, the last one of an earlier start gives the
    earliest possible time, which is not trusted; None without any.
    """
    same = [each for each in settings if each.boot == boot]
    for before, after in zip(same, same[1:]):
        if before.tag <= seconds < after.tag:
            share = (seconds - before.tag) / (after.tag - before.tag)
            return before.utc + share * (after.utc - before.utc), True
    if same:
        nearest = same[0] if seconds < same[0].tag else same[-1]
        return nearest.utc + seconds - nearest.tag, True
    earlier = [each for each in settings if each.boot < boot]
    return (earlier[-1].utc + seconds - earlier[-1].tag, False) if earlier else (None, False)


def rows_of(log: Log, classes: Sequence[str] | None = None) -> list[dict[str, Any]]:
    """Return a row for each record, with the keys of `COLUMNS` and `results_<class>`.

    Values are None where a record says nothing of them. classes: their names in the model's order; numbers
    without. Raises UserError where there are not as many as the log counts.
    """
    if classes is not None and len(classes) != log.classes:
        raise UserError(
            f"{len(classes)} names of classes are given ({', '.join(classes)}), but the log "
            f"counts {log.classes}; name those of the model on the tag, in its order."
        )
    names = [*(classes or [f"class {k}" for k in range(log.classes)]), UNKNOWN]
    settings = settings_of(log)
    drifts = {each.sequence: each.drift_ppm for each in settings}
    rows, result_us = [], None
    for each in log.records:
        if each.record.kind == BOOT:
            result_us = field(each.record, "result_us")
        row: dict[str, Any] = dict.fromkeys((*COLUMNS, *(f"results_{name}" for name in names)))
        fraction = field(each.record, "fraction") / TICKS_PER_SECOND if each.record.kind == TIME else 0
        utc, trusted = utc_of(each.record.seconds + fraction, each.boot, settings)
        row.update(
            sequence=each.record.sequence,
            record=NAMES.get(each.record.kind, f"kind {each.record.kind}"),
            boot=each.boot,
            seconds=each.record.seconds,
            utc=iso(utc),
            utc_trusted=trusted,
            **_facts(each, names, settings, drifts),
        )
        row["what"] = _sentence(each.record, row, names, result_us)
        rows.append(row)
    return rows


def iso(utc: float | None) -> str | None:
    """Return Unix seconds as an ISO 8601 date to the second, rounded down; None for None."""
    return None if utc is None else f"{_EPOCH + timedelta(seconds=int(utc)):%Y-%m-%dT%H:%M:%SZ}"


def _facts(
    found: Found, names: Sequence[str], settings: Sequence[Setting], drifts: dict[int, float | None]
) -> dict[str, Any]:
    record = found.record
    facts: dict[str, Any] = {}
    if record.kind in (BOOT, PERIOD, BOUT):
        began = field(record, "started" if record.kind == BOOT else "start")
        facts = {"began_seconds": began, "began_utc": iso(utc_of(began, found.boot, settings)[0])}
    if record.kind == PERIOD:
        counts = record.payload[3:]
        facts.update(gaps=field(record, "gaps"), samples_lost=field(record, "lost"), results=sum(counts))
        facts.update({f"results_{name}": count for name, count in zip(names, counts)})
    elif record.kind == BOUT:
        packed = field(record, "class_and_end")
        facts.update(results=field(record, "length"), ended=ENDS.get(packed >> 8, f"code {packed >> 8}"))
        facts["class"] = names[packed & 0xFF] if packed & 0xFF < len(names) else f"class {packed & 0xFF}"
    elif record.kind == TIME:
        facts["drift_ppm"] = drifts[record.sequence]
    elif record.kind == RATE:
        facts["rate_hz"] = rate_hz(record)
    return facts


def rate_hz(record: Record) -> float | None:
    """Return the sensor's rate by the tag's clock, from a rate record; None where no time passed."""
    took = field(record, "took_s") + field(record, "took_fraction") / TICKS_PER_SECOND
    return field(record, "samples") / took if took else None


def _sentence(record: Record, row: dict[str, Any], names: Sequence[str], result_us: int | None) -> str:
    """Tell a record in words."""
    if record.kind == BOOT:
        return (
            f"start {field(record, 'boots')}, reset cause {field(record, 'reset_cause'):#x}, firmware "
            f"{field(record, 'firmware'):08x}, model {field(record, 'model'):08x}"
        )
    if record.kind == PERIOD:
        counts = ", ".join(f"{name} {row[f'results_{name}']:,}" for name in names)
        lost = f"; {plural(row['gaps'], 'gap')}, {row['samples_lost']:,} samples lost" if row["gaps"] else ""
        return f"{record.seconds - row['began_seconds']:,} s: {counts}{lost}"
    if record.kind == BOUT:
        took = f" ({row['results'] * result_us / 1e6:,.0f} s)" if result_us else ""
        return f"{row['class']}, {plural(row['results'], 'result')}{took}; {row['ended']}"
    if record.kind == TIME:
        source = SOURCES.get(field(record, "source"), f"source {field(record, 'source')}")
        drift = row["drift_ppm"]
        told = "" if drift is None else f"; the tag's clock ran {abs(drift):.1f} ppm {_fast_or_slow(drift)}"
        return f"set by the {source}{told}"
    if record.kind == RATE:
        hertz = "no time passed" if row["rate_hz"] is None else f"{row['rate_hz']:.4f} Hz"
        return f"{hertz}: {field(record, 'samples'):,} samples in {field(record, 'took_s'):,} s"
    if record.kind == EVENT:
        code = field(record, "code")
        return f"{EVENTS.get(code, f'event {code}')} (detail {field(record, 'detail')})"
    if record.kind == READ:
        return f"records below {field(record, 'sequence')} are confirmed"
    return f"payload {', '.join(f'{word:#x}' for word in record.payload)}"


def _fast_or_slow(drift: float) -> str:
    return "fast" if drift >= 0 else "slow"
