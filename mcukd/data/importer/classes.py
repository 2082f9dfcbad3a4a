"""Classes that can be learned, chosen from the labels of a source, and the length of their windows."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Mapping

from mcukd.data.gaps import Cut
from mcukd.data.importer.options import Dialog, Options
from mcukd.data.importer.paths import natural, some
from mcukd.data.importer.rows import UNLABELLED
from mcukd.data.quality.survey import Survey
from mcukd.data.resample import resampling
from mcukd.errors import UserError
from mcukd.text import did_you_mean, listed

#: Fewer windows or animals than this teach nothing that would hold for another animal.
LEAST_WINDOWS, LEAST_ANIMALS = 20, 2
USUAL_WINDOW_S = 5.0
#: Tried where main labels, those with this share of the samples, have too few windows of the usual length.
SHORTER_WINDOWS_S, MAIN_SHARE = (4.0, 3.0, 2.0, 1.5, 1.0, 0.75, 0.5), 0.05
#: Labels named of many that share a reason to be ignored.
_NAMED = 8


def labels_by_class(
    survey: Survey, options: Options, dialog: Dialog
) -> tuple[dict[str, list[str]], dict[str, list[str]]]:
    """Return class → labels that count as it, and the same without its own name, for the card."""
    present = [label for label in survey.labels if label.strip().lower() not in UNLABELLED]
    for old in options.mapping:
        if old not in present:
            raise UserError(
                f"--map names the label {old!r}{did_you_mean(old, present)}; the labels are "
                f"{listed(sorted(present))}"
            )
    groups: dict[str, list[str]] = {}
    for label in present:
        groups.setdefault(options.mapping.get(label, _folded(label)), []).append(label)
    classes: dict[str, list[str]] = {}
    for key, spellings in groups.items():
        counts: Mapping[str, int] = survey.labels
        best = max(spellings, key=lambda one: (one == one.strip(), counts[one])).strip()
        name = key if key in options.mapping.values() else best
        classes.setdefault(name, []).extend(spellings)
        if len(spellings) > 1 and key not in options.mapping.values():
            dialog.note(f"labels: {listed(repr(one) for one in spellings)} are taken as one, {name}")
    return classes, {name: [one for one in labels if one != name] for name, labels in classes.items()}


def _folded(label: str) -> str:
    return unicodedata.normalize("NFC", label).strip().casefold()


def learnable(
    survey: Survey, options: Options, dialog: Dialog, labels: dict[str, list[str]], cut: Cut
) -> tuple[tuple[str, ...], list[str], dict[str, str]]:
    """Choose the labels that can be learned; the others are ignored, and it is said why."""
    counts, animals = _windows(survey, labels, cut)
    because: dict[str, str] = {}
    for wanted in options.classes:
        if wanted not in labels:
            raise UserError(
                f"--classes names {wanted!r}{did_you_mean(wanted, labels)}; the labels are "
                f"{listed(sorted(labels))}"
            )
    for name in labels:
        if options.classes and name not in options.classes:
            because[name] = "not among --classes"
        elif counts[name] == 0:
            because[name] = f"no run of it is as long as a window of {cut.length} samples"
        elif not options.classes and counts[name] < LEAST_WINDOWS:
            because[name] = f"{counts[name]} windows, and fewer than {LEAST_WINDOWS} teach little"
        elif not options.classes and len(animals[name]) < LEAST_ANIMALS and len(survey.animals) > 1:
            because[name] = f"only {listed(animals[name])} did it, so no other animal can test it"
    chosen = tuple(options.classes) or tuple(sorted(name for name in labels if name not in because))
    missing = next((name for name in chosen if counts[name] == 0), None)
    if missing is not None:
        raise UserError(f"--classes names {missing}, but {because[missing]}; shorten it with --window")
    if len(chosen) < 2:
        found = "; ".join(_grouped(because)) or "no other label"
        raise UserError(
            f"only {len(chosen)} class{'' if len(chosen) == 1 else 'es'} can be learned "
            f"({listed(chosen)}; left out: "
            f"{found}), and a classifier needs two; add recordings, or shorten the windows with --window"
        )
    for sentence in _grouped(because):
        dialog.note(f"labels ignored: {sentence}")
    blank = [label for label in survey.labels if label and label.strip().lower() in UNLABELLED]
    ignore = [one for name in because for one in labels[name]] + blank
    return chosen, ignore, because


def _windows(
    survey: Survey, labels: Mapping[str, list[str]], cut: Cut
) -> tuple[Counter[str], dict[str, set[str]]]:
    """Return the whole windows of each class, and the animals that have some."""
    counts: Counter[str] = Counter()
    animals: dict[str, set[str]] = {name: set() for name in labels}
    for animal, one in survey.animals.items():
        for name, spellings in labels.items():
            windows = sum(one.windows(spelling, cut) for spelling in spellings)
            if windows:
                counts[name] += windows
                animals[name].add(animal)
    return counts, animals


def _grouped(because: Mapping[str, str]) -> list[str]:
    """Return a clause per reason; many labels that share one are counted, and a few of them named."""
    reasons: dict[str, list[str]] = {}
    for name, why in because.items():
        reasons.setdefault(re.sub(r"^\d+ windows, and fewer", "fewer", why), []).append(name)
    told = []
    for reason, names in reasons.items():
        why = because[names[0]] if len(names) == 1 else reason
        told.append(f"{some(sorted(names, key=natural), _NAMED)}: {why}")
    return told


def refuse_short_animals(survey: Survey, options: Options) -> None:
    """Raise UserError where no two labelled samples of an animal follow each other."""
    for name, one in survey.animals.items():
        longest = max((count for label, count in one.longest.items() if label), default=0)
        if 0 < longest < 2:
            raise UserError(
                f"animal {name} ({one.origin}): no two labelled samples follow each other, as where "
                "rows of several "
                f"animals alternate; sort them by animal and time with --sort, or leave the animal out with "
                f"--exclude-animal {name}"
            )


def window_length(
    survey: Survey,
    options: Options,
    dialog: Dialog,
    labels: dict[str, list[str]],
    rate: float,
    source_rate: float,
) -> int:
    """Return the window in samples: five seconds, or less where runs of the labels are shorter.

    rate, source_rate: of the board and of the recordings, in Hz.
    """
    if options.window_s is not None:
        if options.window_s * rate < 2:
            raise UserError(
                f"--window is {options.window_s:g} s, less than two samples at {rate:g} Hz; lengthen it"
            )
        return round(options.window_s * rate)
    longest = {
        name: max((count for label, count in one.longest.items() if label), default=0) / source_rate
        for name, one in survey.animals.items()
    }
    labelled = {name: seconds for name, seconds in longest.items() if seconds > 0}
    if not labelled:
        raise UserError(
            "no sample has a label; name their column with --label-column or a table with --labels-table"
        )
    shortest = min(labelled, key=lambda name: labelled[name])
    seconds = min(USUAL_WINDOW_S, labelled[shortest])
    window = max(2, int(seconds * rate + 1e-6))
    main = _main_labels(survey, options, labels)
    factor = resampling(options.resample_hz, source_rate)
    shorter = [round(one * rate) for one in SHORTER_WINDOWS_S if 2 <= round(one * rate) < window]
    learned = {one: _learned(survey, main, Cut(one, one, factor)) for one in (window, *shorter)}
    chosen = max(learned, key=lambda one: (len(learned[one]), one))
    if chosen != window:
        gained = sorted(learned[chosen] - learned[window])
        dialog.note(
            f"window: {chosen} samples = {chosen / rate:g} s, the longest at which {listed(gained)} "
            f"{'has' if len(gained) == 1 else 'have'} {LEAST_WINDOWS} or more windows; --window states one"
        )
    elif seconds < USUAL_WINDOW_S:
        dialog.note(
            f"window: {window} samples = {window / rate:g} s, as no labelled run of {shortest} is longer"
        )
    else:
        dialog.note(
            f"window: {window} samples = {window / rate:g} s, usual for postures and gaits; --window "
            "states another"
        )
    return chosen


def _main_labels(survey: Survey, options: Options, labels: Mapping[str, list[str]]) -> dict[str, list[str]]:
    """Return the classes that a window has to suit: those asked for, or those that are not rare."""
    counts = survey.labels
    samples = {name: sum(counts[one] for one in spellings) for name, spellings in labels.items()}
    least = MAIN_SHARE * sum(samples.values())
    return {
        name: spellings
        for name, spellings in labels.items()
        if (name in options.classes if options.classes else samples[name] >= least)
    }


def _learned(survey: Survey, labels: Mapping[str, list[str]], cut: Cut) -> set[str]:
    counts, animals = _windows(survey, labels, cut)
    least = LEAST_ANIMALS if len(survey.animals) > 1 else 1
    return {name for name in labels if counts[name] >= LEAST_WINDOWS and len(animals[name]) >= least}
