"""Moments of a tag in words, a line each."""

from __future__ import annotations

import time
from collections.abc import Sequence

from mcukd.observation.moments import (
    MESSAGES,
    RESULTS,
    Connected,
    Disconnected,
    Gap,
    Moment,
    Result,
)
from mcukd.tag.log_table import UNKNOWN
from mcukd.text import plural

_NS = 1_000_000_000


def words_of(moment: Moment, names: Sequence[str] | None = None) -> str | None:
    """Return a moment on a line, None of samples and readings of the clock. names: of the model's classes."""
    if isinstance(moment, Connected):
        who = f"{moment.id or 'without an id'}, chip {moment.chip or 'without a number'}"
        kind = ", emulated" if moment.emulated else ""
        return f"{_at(moment.received_ns)}  connected: {who}, {moment.board}{kind}, start {moment.start:,}"
    if isinstance(moment, Disconnected):
        return f"{_at(moment.received_ns)}  {moment.reason}"
    if isinstance(moment, Gap):
        return f"{_at(moment.received_ns)}  {_gap(moment)}"
    if isinstance(moment, Result):
        majority, window = _class(moment.behaviour, names), _class(moment.raw, names)
        logits = " ".join(map(str, moment.logits))
        return f"{_at(moment.received_ns)}  {moment.number:>7,}  {majority:<14}  {window:<14}  {logits}"
    return None


def _gap(gap: Gap) -> str:
    if gap.what == MESSAGES:
        return f"{plural(gap.lost, 'message')} of the tag did not arrive"
    if gap.what == RESULTS:
        return f"{plural(gap.lost, 'result')} made while nobody listened; the tag's log has them"
    return f"the tag lost {plural(gap.lost, 'sample')}" if gap.lost else "the tag lost samples"


def _class(code: int | None, names: Sequence[str] | None) -> str:
    if code is None:
        return UNKNOWN
    return names[code] if names is not None else f"class {code}"


def _at(time_ns: int) -> str:
    """Return a time of day in UTC, to a tenth of a second."""
    return f"{time.strftime('%H:%M:%S', time.gmtime(time_ns // _NS))}.{time_ns % _NS // 100_000_000}Z"
