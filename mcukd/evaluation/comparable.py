"""Checks that two models may be compared: the same data, and what else differs between them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from mcukd.data.card import Card, load_card
from mcukd.data.load import dataset_sha256
from mcukd.distillation.config import DistillConfig
from mcukd.errors import UserError
from mcukd.fold_results import fold_results
from mcukd.study import Study
from mcukd.text import listed

#: Training animals by (seed, animal tested).
Trained = Mapping[tuple[int, str], frozenset[str]]


def require_same_data(a: Study, b: Study, data_root: Path | None = None) -> None:
    """Raise UserError, with the reason, where two studies are not of the same windows.

    That is: other cards, the same card with other windows, classes or sensor, data simulated with another
    seed, or samples that have changed since one of them was made.
    """
    if a.path.resolve() == b.path.resolve():
        return
    first, second = load_card(a.card), load_card(b.card)
    if first.name != second.name:
        raise UserError(
            f"{a.path} is of card {first.name} and {b.path} of card {second.name}: models of different data "
            "have no window in common; compare studies of one card."
        )
    found = _differences(first, second)
    if found:
        raise UserError(
            f"{a.path} and {b.path} are both of a card {first.name}, but with {found}: their windows are not "
            "the same; compare studies made with one card."
        )
    seeds = [int(study.manifest["seed"]) for study in (a, b)]
    if first.simulated and seeds[0] != seeds[1]:
        raise UserError(
            f"{a.path} and {b.path} are of data simulated with seeds {seeds[0]} and {seeds[1]}, which are "
            "different animals; compare studies with one --seed."
        )
    for study, card in ((a, first), (b, second)):
        _require_today(study, card, a.data_root(data_root))


def require_current(study: Study) -> None:
    """Raise UserError where a study's kept predictions are not those it wrote."""
    for stage in ("distill", "evaluate"):
        if stage in study.manifest["stages"]:
            study.require(stage)


def training_animals(study: Study, model: str) -> dict[tuple[int, str], frozenset[str]]:
    """Return the animals that a model of a study was trained on, by seed and animal tested.

    Empty where the model's folds are not kept, or were made by a version that did not note the animals.
    """
    found: dict[tuple[int, str], frozenset[str]] = {}
    for result in fold_results(study.path, model):
        trained, tested = result.train_animals, result.test_animals
        if trained is None or tested is None:
            continue
        for animal in tested:
            key = (result.seed, animal)
            found[key] = found.get(key, frozenset()) | frozenset(trained)
    return found


def comparison_caveats(
    a: Trained, b: Trained, names: tuple[str, str], splits: tuple[str, str]
) -> tuple[str, ...]:
    """Return sentences on why a difference may have other causes than the two models.

    a, b: the animals that they were trained on. splits: those of their studies.
    """
    said = []
    for mine, name in ((a, names[0]), (b, names[1])):
        if any(animal in trained for (_, animal), trained in mine.items()):
            said.append(f"{name} had seen the animals it was tested on, which flatters it.")
    shared = [key for key in a if key in b]
    other = [key for key in shared if a[key] != b[key]]
    if not said and other:
        animals = {key[1] for key in other}
        said.append(
            f"They were not trained on the same animals ({names[0]}: split {splits[0]}, on "
            f"{_numbers(a, other)}; {names[1]}: split {splits[1]}, on {_numbers(b, other)}), for "
            f"{len(animals)} of {len({key[1] for key in shared})} animals tested, so that the difference may "
            "be that of the training animals."
        )
    return (*said, *_left_out(a, b, names))


def _left_out(a: Trained, b: Trained, names: tuple[str, str]) -> list[str]:
    said = []
    for place, what in ((0, "seeds"), (1, "animals")):
        for mine, other, name in ((a, b, names[0]), (b, a, names[1])):
            only = sorted({key[place] for key in mine} - {key[place] for key in other}, key=str)
            if only and a and b:
                said.append(f"Left out, because only {name} has them: {what} {listed(only)}.")
    return said


def _numbers(trained: Trained, keys: list[tuple[int, str]]) -> str:
    """Return how many animals were trained on: `9 animals`, `6 to 7 animals`."""
    counts = sorted({len(trained[key]) for key in keys})
    span = str(counts[0]) if len(counts) == 1 else f"{counts[0]} to {counts[-1]}"
    return f"{span} animals"


def _differences(a: Card, b: Card) -> str:
    """Return what differs between two cards of one name that decides their windows, or nothing."""
    pairs = (
        ("windows of {} and {} samples", a.window, b.window),
        ("windows every {} and every {} samples", a.hop, b.hop),
        ("classes {} and {}", listed(a.classes), listed(b.classes)),
        ("rates of {:g} and {:g} Hz", a.rate_hz, b.rate_hz),
        ("{:g} and {:g} counts per g", a.counts_per_g, b.counts_per_g),
        ("axes {} and {}", listed(a.axes), listed(b.axes)),
    )
    return ", ".join(text.format(one, two) for text, one, two in pairs if one != two)


def _require_today(study: Study, card: Card, root: Path | None) -> None:
    stages = study.manifest["stages"]
    stage = "distill" if "distill" in stages else "evaluate"
    made = stages.get(stage)
    if made is None or "data" not in made["inputs"]:
        return
    extra = stage == "distill" and DistillConfig.of(made["options"]).uses_extra_channels
    today = dataset_sha256(card, root, int(study.manifest["seed"]), extra=extra)
    if made["inputs"]["data"] != today:
        raise UserError(
            f"{study.path}: made from other samples, or another version of card {card.name}, than there are "
            f"now; run '{study.refresh(stage)}' to make it anew before it is compared."
        )
