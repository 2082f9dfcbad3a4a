"""Levers on a tag's day: hop, payload interval, the sensor's mode and rate, and states not used today."""

from __future__ import annotations

from dataclasses import dataclass, replace

from mcukd.energy.day import Day, Tag, Use, day
from mcukd.energy.work import DAY_S
from mcukd.errors import UserError

#: Parts of a window from one result to the next.
_PARTS = (8, 4, 2, 1)
#: What is not computed where work was counted of windows that overlap.
_ALONE = "no two windows are under way, to be stepped at once: a result takes up to a third more than this."
_INTERVALS_S = (300, 900, 3600, 21_600, DAY_S)
HOP, PAYLOADS, SENSOR, TOGETHER = "hop", "payloads", "sensor", "together"


@dataclass(frozen=True)
class Setting:
    """One setting of a lever, all else as built. use: None where it was refused, as `note` says.

    complete: whether results and payloads come, more or less often.
    """

    lever: str
    title: str
    use: Use | None
    result: Day | None
    note: str = ""
    complete: bool = True


def settings(tag: Tag, base: Use, window: int) -> list[Setting]:
    """Return the settings of every lever of a tag, and last the best ones of all levers together."""
    found = [*_hops(tag, base, window), *_intervals(tag, base), *_sensor(tag, base)]
    for lever in tag.energy.levers:
        found.append(_setting(tag, lever.name, "", replace(base, lever=lever.name), f"{lever.what}."))
    best = _together(tag, base, found)
    return [*found, *([best] if best else [])]


def _typical(one: Setting) -> float:
    return float(one.result.total[1]) if one.result is not None else float("inf")


def _setting(tag: Tag, lever: str, title: str, use: Use, note: str = "", complete: bool = True) -> Setting:
    try:
        return Setting(lever, title, use, day(tag, use), note, complete)
    except UserError as refused:
        return Setting(lever, title, None, None, str(refused), complete)


def _hops(tag: Tag, base: Use, window: int) -> list[Setting]:
    if tag.work.result_instructions is None:
        return []
    hops = sorted({base.hop, *(window // part for part in _PARTS if window // part)})
    alone = _ALONE if tag.work.counted.get("in_pairs") else ""
    return [
        _setting(
            tag,
            HOP,
            f"{hop} samples ({hop / base.rate_hz:.3g} s)",
            replace(base, hop=hop),
            alone if hop >= window else "",
        )
        for hop in hops
    ]


def _intervals(tag: Tag, base: Use) -> list[Setting]:
    sending = tag.sending
    if sending is None or base.interval_s is None:
        return []
    found = []
    for seconds in sorted({base.interval_s, *map(float, _INTERVALS_S)}):
        note = ""
        if seconds < sending.least_interval_s:
            note = f"the radio allows one every {sending.least_interval_s:,.0f} s on average."
        use = replace(base, interval_s=seconds)
        found.append(_setting(tag, PAYLOADS, f"every {_time(seconds)}", use, note))
    return [*found, _setting(tag, PAYLOADS, "none", replace(base, interval_s=None), complete=False)]


def _time(seconds: float) -> str:
    for unit, name in ((DAY_S, "d"), (3600, "h"), (60, "min")):
        if seconds >= unit and seconds % unit == 0:
            return f"{seconds / unit:g} {name}"
    return f"{seconds:g} s"


def _sensor(tag: Tag, base: Use) -> list[Setting]:
    found = []
    for name, mode in tag.driver.part.modes.items():
        wanted = (base.rate_hz / 2, base.rate_hz, base.rate_hz * 2)
        rates = {min(mode.rates, key=lambda rate: abs(rate - one)) for one in wanted}
        for rate in sorted(rates):
            note = "" if rate == base.rate_hz else f"needs a model of {rate:g} Hz."
            if mode.tolerance >= 100:
                note += f" The rate is off by up to {(mode.tolerance - 10) / 10:g} % over temperature."
            use = replace(base, mode=name, rate_hz=rate)
            found.append(_setting(tag, SENSOR, f"{name}, {rate:g} Hz", use, note.strip()))
    return found


def _together(tag: Tag, base: Use, found: list[Setting]) -> Setting | None:
    """Return the best setting of every lever at once; None where one alone is no worse."""
    best: dict[str, Setting] = {}
    own = {lever.name for lever in tag.energy.levers}
    for one in found:
        if one.use is None or not one.complete or (one.lever == SENSOR and one.use.rate_hz < base.rate_hz):
            continue
        group = "own" if one.lever in own else one.lever
        if group not in best or _typical(one) < _typical(best[group]):
            best[group] = one
    use, titles = base, []
    for group, one in best.items():
        assert one.use is not None
        if one.use == base or _typical(one) >= float(day(tag, base).total[1]):
            continue
        titles.append(one.title or one.lever)
        if group == HOP:
            use = replace(use, hop=one.use.hop)
        elif group == PAYLOADS:
            use = replace(use, interval_s=one.use.interval_s)
        elif group == SENSOR:
            use = replace(use, mode=one.use.mode, rate_hz=one.use.rate_hz)
        else:
            use = replace(use, lever=one.use.lever)
    if len(titles) < 2:
        return None
    return _setting(tag, TOGETHER, "; ".join(titles), use)
