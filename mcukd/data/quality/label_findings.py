"""Findings on labels: their numbers, their mixing within windows, and which look alike."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from mcukd.data.card import Card
from mcukd.data.quality.finding import Finding
from mcukd.data.quality.overlap import Pair
from mcukd.data.quality.survey import Survey
from mcukd.text import listed

ALIKE, BARELY = 0.80, 0.65
RARE_SHARE = 10
FEW_ANIMALS = 3
MIXED_SHARE = 0.05
Animals = Mapping[str, dict[str, Any]]


def labels(card: Card, survey: Survey, animals: Animals) -> Iterator[Finding]:
    """Yield what the labels and their numbers of windows mean."""
    index = card.class_map.index()
    windows = dict.fromkeys(card.classes, 0)
    training = 0
    did: dict[str, set[str]] = {name: set() for name in card.classes}
    unknown = sorted(label for label in survey.labels if label and label not in index)
    for name, facts in animals.items():
        for label, count in facts["windows"].items():
            number = index.get(label)
            if number is not None and count:
                windows[card.classes[number]] += count
                did[card.classes[number]].add(name)
        training += sum(
            count for label, count in facts["training_windows"].items() if index.get(label) is not None
        )
    if unknown:
        yield Finding(
            "labels",
            "problem",
            f"the labels {listed(unknown)} are in the data but not in the card",
            "training refuses them; add them to classes.names, classes.merge or classes.ignore",
        )
    most = max(windows.values(), default=0)
    yield Finding(
        "classes",
        "note",
        f"windows at the evaluation hop of {card.hop} samples: "
        + "; ".join(f"{name}: {count} of {len(did[name])} animals" for name, count in windows.items())
        + f"; in training, at a hop of {card.train_hop}: {training} in all",
        "what is rare in training is missed in the field first",
    )
    for name, count in windows.items():
        if count == 0:
            yield Finding(
                "classes",
                "problem",
                f"the class {name} has no window",
                "training refuses a class without any",
            )
        elif len(did[name]) < FEW_ANIMALS and len(animals) >= FEW_ANIMALS:
            yield Finding(
                "classes",
                "warning",
                f"only {listed(sorted(did[name]))} did {name}",
                "held out, too few animals are left to learn it from, and its score is of one or two animals",
            )
        elif most > RARE_SHARE * count:
            yield Finding(
                "classes",
                "warning",
                f"{name} has {count} windows, the commonest class {most}",
                "accuracy hides how it fares; read its recall and MCC, and weight it in training",
            )
    if len(animals) < 2:
        yield Finding(
            "animals",
            "problem",
            f"there is one animal, {listed(animals)}",
            "no score can say how a model does on another one; a split by animal needs two",
        )


def mixed(animals: Animals) -> Iterator[Finding]:
    """Yield how many windows would hold more than one behaviour."""
    shares = {name: facts["mixed_windows"] for name, facts in animals.items() if facts["mixed_windows"]}
    if shares:
        worst = max(shares, key=lambda name: shares[name])
        changes = sum(sum(facts["transitions"].values()) for facts in animals.values())
        yield Finding(
            "mixed",
            "warning" if float(np.median(list(shares.values()))) > MIXED_SHARE else "note",
            f"{changes} transitions within recordings; cut without regard to labels, "
            f"{np.median(list(shares.values())):.1%} "
            f"of the windows would hold more than one behaviour ({worst}: {shares[worst]:.1%})",
            "training leaves such windows out, but the tag meets them: scores on pure windows flatter "
            "by about that",
        )


def alike_labels(card: Card, alike: Sequence[Pair]) -> Iterator[Finding]:
    """Yield the pairs of labels that are hardly told apart."""
    index = card.class_map.index()
    for pair in alike:
        if pair.accuracy >= ALIKE:
            continue
        places = [index.get(pair.first), index.get(pair.second)]
        if places[0] is not None and places[0] == places[1]:
            continue
        ignored = [one for one, place in zip((pair.first, pair.second), places) if place is None]
        advice = (
            f"{listed(ignored)} is ignored here, but the tag will meet it and call it the other"
            if ignored
            else "expect confusion on new animals; merge them, or accept that their time budgets are a guess"
            if pair.accuracy < BARELY
            else "a simple model confuses them; see whether a network does better before you trust "
            "their budgets"
        )
        yield Finding(
            "overlap",
            "note" if ignored else "warning",
            f"{pair.first} and {pair.second} look alike: a linear discriminant on hand features tells "
            "them apart in "
            f"{pair.accuracy:.0%} of the windows of animals it never saw (50 % is chance; "
            f"{pair.animals} animals, "
            f"{pair.windows} windows){', hardly better than guessing' if pair.accuracy < BARELY else ''}",
            advice,
        )
