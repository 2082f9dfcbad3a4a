"""Sentences of an agreement, and its rows for a table, in a biologist's words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from mcukd.text import between, figure, listed, plural, share, signed

_FIGURES = ("min/h too many", "CCC", "bouts", "sensitivity", "precision", "bouts to go")


def sentences_of(agreement: Mapping[str, Any]) -> list[str]:
    """Return what an agreement means, in sentences; `agreement` as `agreement_of` returns it."""
    together, settings = agreement["together"], agreement["settings"]
    first, second = agreement["names"]
    time, tolerance = together["minutes"], settings["effective_tolerance_s"]
    found = _preface(agreement)
    if not time["both_know"]:
        return [*found, f"There is no time of which both {first} and {second} know the behaviour."]
    same = together["same_share"]
    found.append(
        f"{_capital(first)} and {second} gave the same behaviour for {share(same['value'])} of the "
        f"{_minutes(time['both_know'])} that both knew, of {plural(together['animals'], 'animal')}; "
        f"{share(min(same['of_first'], same['of_second']))} within ± {tolerance:g} s{_of_clocks(settings)}."
    )
    missing = [
        f"{words} for {_minutes(time[key])}"
        for key, words in (("no_answer", "no answer"), ("silent", "nothing at all"))
        if time[key] >= 0.05
    ]
    if missing:
        found.append(
            f"Of the {_minutes(time['first_knows'])} that {first} knew, {second} answered for "
            f"{share(time['coverage'])}; {' and '.join(missing)}."
        )
    if time["twice"] >= 0.05:
        found.append(
            f"{_minutes(time['twice'])} of it stand in more than one pair of accounts of an animal, as with "
            "two observers at once: its bouts are counted more than once, and intervals over bouts are too "
            "narrow."
        )
    found += _only(agreement)
    found.append(_kappa_sentence(together["kappa"], tolerance))
    if tolerance > (together["median_bout_s"] or tolerance):
        found.append(
            f"The tolerance of ± {tolerance:g} s is longer than half of the bouts of {first} (median "
            f"{together['median_bout_s']:.1f} s): with it almost any answer agrees; read those without."
        )
    return found + [
        _of_behaviour(name, one, (first, second), settings) for name, one in together["behaviours"].items()
    ]


def budget_sentences_of(agreement: Mapping[str, Any]) -> list[str]:
    """Return what an agreement of budgets means; `agreement` as `budget_agreement` returns it."""
    together = agreement["together"]
    first, second = agreement["names"]
    found, periods = _preface(agreement), together["periods"]
    left_out = f"; {periods['left_out']} were left out, of which too little is known" * bool(
        periods["left_out"]
    )
    if not periods["counted"]:
        return [*found, f"No period is known well enough to both {first} and {second}{left_out}."]
    found.append(
        f"Time budgets of {plural(periods['counted'], 'period')} of {plural(together['animals'], 'animal')} "
        f"are compared{left_out}."
    )
    found += _only(agreement)
    for name, one in together["behaviours"].items():
        limits = one["periods"]["limits"]
        around = ""
        if limits["low"]["value"] is not None:
            low, high = (signed(limits[end]["value"]) for end in ("low", "high"))
            around = f", in 95 % of periods between {low} and {high}"
        found.append(f"{_capital(name)}: {_excess(one['min_per_hour'], first, second)}{around}.")
    return found


def agreement_columns(names: Sequence[str]) -> list[str]:
    """Return the headings of `agreement_rows`. names: of the two sources, as `agreement_of` returns them."""
    minutes = [f"min by {name}" for name in names]
    return ["behaviour", *minutes, *_FIGURES]


def agreement_rows(figures: Mapping[str, Any]) -> list[list[str]]:
    """Return a row of text for each behaviour, in the columns `agreement_columns`.

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
                _with_interval(sensitivity),
                _with_interval(precision),
                str(one["wanted"]["still_needed"]),
            ]
        )
    return rows


def _preface(agreement: Mapping[str, Any]) -> list[str]:
    return ["These data are simulated."] if agreement["simulated"] else []


def _only(agreement: Mapping[str, Any]) -> list[str]:
    first, second = agreement["names"]
    return [
        f"Only {one} has the class{'es' * (len(names) > 1)} {listed(names)}: any time of it counts as "
        f"disagreement with {other}."
        for names, one, other in (
            (agreement["only_first"], first, second),
            (agreement["only_second"], second, first),
        )
        if names
    ]


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


def _of_behaviour(
    name: str, one: Mapping[str, Any], names: tuple[str, str], settings: Mapping[str, Any]
) -> str:
    sensitivity, wanted = one["sensitivity"], one["wanted"]
    text = f"{_capital(name)}: "
    if not (one["minutes"]["first"] or one["minutes"]["second"]):
        return f"{text}seen by neither, so nothing can be said of it."
    text += _excess(one["min_per_hour"], *names)
    if not sensitivity["bouts"]:
        return f"{text}; there is no bout of it to find."
    text += (
        f"; bouts found: {sensitivity['found']} of {sensitivity['bouts']}, {_with_interval(sensitivity)}, of "
        f"{plural(sensitivity['animals'], 'animal')}"
    )
    half, still = f"± {settings['wanted_half_width']:g}", wanted["still_needed"]
    if still:
        return f"{text}. To know that to {half}, {plural(still, 'more bout')} are needed."
    return f"{text}, which is known to {half}."


def _excess(rate: Mapping[str, Any], first: str, second: str) -> str:
    # Rounded first, so that the three numbers fit each other.
    counted, true = round(rate["second"], 1), round(rate["first"], 1)
    if counted == true:
        return f"{second} counts {counted:.1f} min/h, as {first} does"
    return (
        f"{second} counts {counted:.1f} instead of {true:.1f} min/h, {abs(counted - true):.1f} too "
        f"{'many' if counted > true else 'few'}"
    )


def _with_interval(proportion: Mapping[str, Any]) -> str:
    if proportion["value"] is None:
        return "–"
    return f"{figure(proportion['value'], 2)} ({between(proportion['interval'], 2)})"


def _of_clocks(settings: Mapping[str, Any]) -> str:
    uncertainty = settings["clock_uncertainty_s"]
    if not uncertainty:
        return ""
    return f" ({settings['tolerance_s']:g} s asked for, {uncertainty:g} s for the clocks)"


def _minutes(value: float) -> str:
    return f"{value:.0f} min" if value >= 10 else f"{value:.1f} min"


def _capital(words: str) -> str:
    return words[:1].upper() + words[1:]
