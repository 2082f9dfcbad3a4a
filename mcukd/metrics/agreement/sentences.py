"""Sentences of an agreement, and its rows for a table, in a biologist's words."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mcukd.text import between, figure, listed, plural, share, signed

#: Columns of `agreement_rows`.
AGREEMENT_COLUMNS = (
    "behaviour",
    "min, first",
    "min, second",
    "min/h too many",
    "CCC",
    "bouts",
    "sensitivity",
    "precision",
    "bouts to go",
)


def sentences_of(agreement: Mapping[str, Any]) -> list[str]:
    """Return what an agreement means, in sentences; `agreement` as `agreement_of` returns it."""
    together, settings = agreement["together"], agreement["settings"]
    first, second = agreement["names"]
    time, tolerance = together["minutes"], settings["effective_tolerance_s"]
    found = ["These data are simulated."] if agreement["simulated"] else []
    if not time["both_know"]:
        return [*found, f"There is no time of which both {first} and {second} know the behaviour."]
    same = together["same_share"]
    found.append(
        f"{first.capitalize()} and {second} gave the same behaviour for {share(same['value'])} of the "
        f"{_minutes(time['both_know'])} that both knew, of {plural(together['animals'], 'animal')}; "
        f"{share(min(same['of_first'], same['of_second']))} within ± {tolerance:g} s{_of_clocks(settings)}."
    )
    if time["no_answer"] or time["silent"]:
        found.append(
            f"Of the {_minutes(time['first_knows'])} that the {first} knew, the {second} answered for "
            f"{share(time['coverage'])}; for {_minutes(time['no_answer'])} it gave no answer, for "
            f"{_minutes(time['silent'])} nothing is there of it."
        )
    for names, one, other in (
        (agreement["only_first"], first, second),
        (agreement["only_second"], second, first),
    ):
        if names:
            found.append(
                f"Only the {one} has {listed(names)}: that time counts as disagreement with the {other}."
            )
    found.append(_kappa_sentence(together["kappa"], tolerance))
    for name, one in together["behaviours"].items():
        found += _of_behaviour(name, one, second, settings)
    return found


def agreement_rows(figures: Mapping[str, Any]) -> list[list[str]]:
    """Return a row of text for each behaviour, in the columns `AGREEMENT_COLUMNS`.

    figures: `together`, or one of `animals`, of what `agreement_of` returns.
    """
    rows = []
    for name, one in figures["behaviours"].items():
        sensitivity, precision = one["sensitivity"], one["precision"]
        rate = one["min_per_hour"]
        rows.append(
            [
                name,
                f"{one['minutes']['first']:.1f}",
                f"{one['minutes']['second']:.1f}",
                "–" if rate["first"] is None else signed(rate["second"] - rate["first"]),
                figure(one["bins"]["ccc"]["value"], 2),
                str(sensitivity["bouts"]),
                f"{figure(sensitivity['value'], 2)} ({between(sensitivity['interval'], 2)})",
                f"{figure(precision['value'], 2)} ({between(precision['interval'], 2)})",
                str(one["wanted"]["still_needed"]),
            ]
        )
    return rows


def _kappa_sentence(kappa: Mapping[str, Any], tolerance: float) -> str:
    parts = []
    for key, words in (
        ("time_tolerant", f"over time with ± {tolerance:g} s"),
        ("time", "over time without tolerance"),
        ("event", "over bouts"),
    ):
        one = kappa[key]
        parts.append(
            f"{figure(one['value'], 2)} {words}" if one["value"] is not None else f"undefined {words}"
        )
    why = kappa["time"]["why"] if kappa["time"]["value"] is None else None
    return f"Kappa, agreement beyond chance, is {', '.join(parts)}{f' ({why})' if why else ''}."


def _of_behaviour(name: str, one: Mapping[str, Any], second: str, settings: Mapping[str, Any]) -> list[str]:
    sensitivity, wanted, rate = one["sensitivity"], one["wanted"], one["min_per_hour"]
    excess = rate["second"] - rate["first"]
    if not (one["minutes"]["first"] or one["minutes"]["second"]):
        return [f"{name.capitalize()}: neither saw any, so nothing can be said of it."]
    text = f"{name.capitalize()}: the {second} counts {abs(excess):.1f} min/h too "
    text += "many" if excess > 0 else "few"
    if abs(excess) < 0.05:
        text = f"{name.capitalize()}: the {second} counts the right time to .1 min/h"
    if sensitivity["bouts"]:
        text += (
            f" and found {sensitivity['found']} of {plural(sensitivity['bouts'], 'bout')} of "
            f"{plural(sensitivity['animals'], 'animal')} ({between(sensitivity['interval'], 2)})"
        )
    still = wanted["still_needed"]
    text += (
        f"; {plural(still, 'more bout')} to know that to ± {settings['wanted_half_width']:g}."
        if still
        else f"; that is known to ± {settings['wanted_half_width']:g}."
    )
    return [text]


def _of_clocks(settings: Mapping[str, Any]) -> str:
    uncertainty = settings["clock_uncertainty_s"]
    if not uncertainty:
        return ""
    return f" ({settings['tolerance_s']:g} s asked for, {uncertainty:g} s for the clocks)"


def _minutes(value: float) -> str:
    return f"{value:.0f} min" if value >= 10 else f"{value:.1f} min"
