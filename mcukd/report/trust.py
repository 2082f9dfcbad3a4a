"""Verdict on a tag: whether it may be trusted, for which behaviours, and how far off its time budgets are.

The rules are explicit and few; `docs/reference/evaluation.md` states them with their reasons.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from mcukd.metrics.metrics_file import CARRIED, is_transductive
from mcukd.metrics.refusal import refusal_sentence
from mcukd.text import grouped, listed

#: A behaviour is recognised well where the lower ends of recall's and precision's intervals reach this.
GOOD = 0.70
#: A behaviour is not recognised where recall or precision is below this; where only an interval reaches
#: below it, that cannot be said of other animals.
POOR = 0.50
#: A time budget that is off by more than this share of the behaviour's own time cannot be summed up.
BUDGET_SHARE = 0.50
#: With fewer animals, or windows, than these nothing can be said of other animals.
ANIMALS, WINDOWS = 5, 20

USE, CARE, NOT, UNKNOWN = "use", "use with care", "do not use", "cannot be said"
STANDINGS = (USE, CARE, NOT, UNKNOWN)


@dataclass(frozen=True)
class Behaviour:
    """What may be done with the tag's answers about one behaviour.

    standing: one of `STANDINGS`. recall, precision: mean over seeds, None where undefined. windows, animals:
    how many show it among those held out; animals is None where that was not kept. minutes_off: error of the
    time budget, minutes_true: the behaviour's own time, per day. sentence: all of it for people.
    """

    name: str
    standing: str
    recall: float | None
    precision: float | None
    windows: int
    animals: int | None
    minutes_off: float
    minutes_true: float
    sentence: str


@dataclass(frozen=True)
class Trust:
    """The verdict on a study's deployed model. answer: "yes", "in part", "no" or "cannot be said"."""

    model: str
    answer: str
    headline: str
    behaviours: tuple[Behaviour, ...]
    minutes: str
    animals: str
    caveats: tuple[str, ...]

    def facts(self) -> dict[str, Any]:
        """Return the verdict in JSON types."""
        return asdict(self)

    def lines(self) -> list[str]:
        """Return the verdict as lines of text, the answer first."""
        told = [f"- {one.standing}: {one.sentence}" for one in self.behaviours]
        return [self.headline, *told, self.minutes, self.animals, *self.caveats]


def judge(
    metrics: Mapping[str, Any],
    model: str,
    *,
    simulated: bool = False,
    wrong: int = 0,
    refusal: Mapping[str, Any] | None = None,
) -> Trust:
    """Return the verdict on `model` of `metrics.json`.

    simulated: whether the data are. wrong: how many windows a device computed differently from the reference.
    refusal: facts of the refusal rule that the tag's model has (`mcukd.metrics.refusal`), None without one.
    """
    scores, split = metrics["models"][model], metrics["split"]
    behaviours = tuple(
        behaviour(name, scores, animals_of(scores, name), sum(map(sum, scores["confusion"])))
        for name in scores["per_class"]
    )
    groups = {
        standing: [one.name for one in behaviours if one.standing == standing] for standing in STANDINGS
    }
    answer, headline = _headline(groups)
    if split == "random":
        answer = UNKNOWN
        headline = (
            "It cannot be said whether this tag may be trusted: windows were dealt at random, so that every "
            "animal scored was seen in training; evaluate with --split loao."
        )
    elif wrong:
        answer = "no"
        headline = (
            f"Do not trust this tag: a device computed {grouped(wrong)} window{'s' * (wrong > 1)} otherwise "
            "than the model that was scored."
        )
    elif simulated:
        answer = UNKNOWN
        headline = f"Of real animals this says nothing, because the data are simulated. There: {headline}"
    return Trust(
        model,
        answer,
        headline,
        behaviours,
        _minutes(behaviours),
        _animals(scores, split, metrics["seeds"], transductive=is_transductive(metrics)),
        tuple(_caveats(scores, metrics["seeds"], refusal)),
    )


def behaviour(name: str, scores: Mapping[str, Any], animals: int | None, total: int) -> Behaviour:
    """Judge one behaviour by recall, precision and their intervals over animals.

    animals: how many show it. total: windows of all behaviours and seeds, as in the confusion matrix.
    """
    one = scores["per_class"][name]
    windows = round(one["support"])
    bounds = ((scores.get("intervals") or {}).get("per_class") or {}).get(name) or {}
    order = list(scores["per_class"]).index(name)
    true = 1440 * sum(scores["confusion"][order]) / total
    off = float(scores["time_budget_error_min_per_day"][name])
    standing, said = _judged(name, one, bounds, animals, windows)
    if standing == USE and off > BUDGET_SHARE * true:
        standing = CARE
        said += "; single windows may be used, its time of the day not"
    time = f"its time is off by {off:.0f} minutes a day, where {true:.0f} are true"
    sentence = f"{said}; {time}." if windows else f"{said}."
    return Behaviour(name, standing, one["recall"], one["precision"], windows, animals, off, true, sentence)


def animals_of(scores: Mapping[str, Any], name: str) -> int | None:
    """Return how many held-out animals show a behaviour; of older figures how many there are at all."""
    found = (scores.get("intervals") or {}).get("per_class") or {}
    if name in found and "animals" in found[name]:
        return int(found[name]["animals"])
    held = scores.get("per_animal")
    return len(held) if held else None


def _judged(
    name: str, one: Mapping[str, Any], bounds: Mapping[str, Any], animals: int | None, windows: int
) -> tuple[str, str]:
    recall, precision = one["recall"], one["precision"]
    if not windows or recall is None:
        return UNKNOWN, f"{name}: none of the animals held out showed it"
    if windows < WINDOWS:
        return (
            UNKNOWN,
            f"{name}: seen in {windows} window{'' if windows == 1 else 's'} only, which say nothing",
        )
    if recall < POOR:
        return NOT, f"{name} is found {_percent(recall)} of the time"
    if precision is not None and precision < POOR:
        return NOT, f"{name} is right in {_percent(precision)} of the windows called so"
    found = f"{name} is found {_percent(recall, bounds.get('recall'))} of the time"
    right = f"right in {_percent(precision, bounds.get('precision'))} of the windows called so"
    if animals is not None and animals < ANIMALS:
        what = f"{animals} animal{'' if animals == 1 else 's'} showed it, which say little of others"
        return UNKNOWN, f"{found}, {right}, but {what}"
    ends = [bounds.get(key) for key in ("recall", "precision")]
    if any(end is None for end in ends):
        return UNKNOWN, f"{found}, {right}, but too few animals showed it to tell how others would do"
    worst = min(end[0] for end in ends if end is not None)
    if worst < POOR:
        return UNKNOWN, f"{found}, {right}; for other animals that may be as little as {_percent(worst)}"
    return (USE if worst >= GOOD else CARE), f"{found}, {right}"


def _headline(groups: Mapping[str, Sequence[str]]) -> tuple[str, str]:
    """Return the short answer and the headline for behaviours by standing."""
    use, care, bad, unknown = (list(groups[standing]) for standing in STANDINGS)
    if use and not (care or bad or unknown):
        return "yes", f"This tag may be trusted for every behaviour: {listed(use)}."
    if not use and not care:
        if not bad:
            return UNKNOWN, f"It cannot be said whether this tag may be trusted for {listed(unknown)}."
        rest = f" Of {listed(unknown)} nothing can be said." if unknown else ""
        return "no", f"Do not trust this tag: it does not recognise {listed(bad)}.{rest}"
    parts = [f"may be trusted for {listed(use)}"] if use else []
    parts += [f"may be used with care for {listed(care)}"] if care else []
    said = f"This tag {' and '.join(parts)}."
    said += f" Do not use it for {listed(bad)}." if bad else ""
    said += f" Of {listed(unknown)} nothing can be said." if unknown else ""
    return "in part", said


def _minutes(behaviours: Sequence[Behaviour]) -> str:
    seen = [one for one in behaviours if one.windows]
    if not seen:
        return "Of time budgets nothing can be said."
    worst = max(seen, key=lambda one: one.minutes_off)
    least = min(seen, key=lambda one: one.minutes_off)
    if worst is least:
        return f"Its time budget is off by {worst.minutes_off:.0f} minutes a day."
    return (
        f"Its time budgets are off by {least.minutes_off:.0f} ({least.name}) to {worst.minutes_off:.0f} "
        f"({worst.name}) minutes a day, as the mean over animals."
    )


def _animals(scores: Mapping[str, Any], split: str, seeds: Sequence[int], *, transductive: bool) -> str:
    held = scores.get("per_animal") or {}
    windows = sum(one["windows"] for one in held.values())
    whom = f"{len(held)} animal{'' if len(held) == 1 else 's'}"
    seen = "that it had seen in training" if split == "random" else "that it had not seen in training"
    if transductive:
        seen = "of which it had seen recordings, but no labels, in training"
    trained = scores.get("seeds") or seeds
    text = f"Scored on {whom} {seen} ({grouped(windows)} windows, split {split}, {len(trained)} seed"
    text += "" if len(trained) == 1 else "s"
    ranked = {name: one["mcc"] for name, one in held.items() if one.get("mcc") is not None}
    if len(ranked) < 2:
        return f"{text})."
    worst = min(ranked, key=lambda name: ranked[name])
    return (
        f"{text}); it does worst on {worst}, with an MCC of {ranked[worst]:.2f}, {scores['mcc']:.2f} overall."
    )


def _caveats(scores: Mapping[str, Any], seeds: Sequence[int], refusal: Mapping[str, Any] | None) -> list[str]:
    held = len(scores.get("per_animal") or {})
    said = []
    if refusal is not None:
        said.append(
            f"The tag may answer unknown, and the figures are as if it never did. {refusal_sentence(refusal)}"
        )
    if scores.get("state") == CARRIED:
        said.append(f"The state behind these figures is {CARRIED}, as on the tag.")
    if held < ANIMALS:
        said.append(f"{held} animals say little of others; {ANIMALS} are needed before anything is said.")
    if len(scores.get("seeds") or seeds) == 1:
        said.append("One training seed: how much the figures move by chance alone is not known.")
    return said


def _percent(value: float | None, bounds: Sequence[float] | None = None) -> str:
    """Return a share in percent, with its interval over animals where there is one."""
    if value is None:
        return "– %"
    around = "" if bounds is None else f" ({100 * bounds[0]:.0f} to {100 * bounds[1]:.0f})"
    return f"{100 * value:.0f} %{around}"
