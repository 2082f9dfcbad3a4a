"""Search for the animals: the column or part of the path that names them, asked where in doubt."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from mcukd.data.importer.columns import ANIMAL_NAME
from mcukd.data.importer.found import (
    Found,
    answered,
    column_choice,
    in_part,
    part_choice,
    told_apart,
)
from mcukd.data.importer.options import Choice, Dialog
from mcukd.data.importer.paths import (
    GENERIC,
    NUMBERS,
    TIMES,
    Part,
    in_words,
    kind_of,
    lettered,
    mostly_nested,
    parts_of,
    same_groups,
)
from mcukd.data.importer.value_counts import ValueCounts

_STRONG = re.compile(
    r"animal|individu|subject|^cow|^sheep|^goat|^bird|^dog|^cat$|^horse|^calf|person|participant|^who$"
    r"|^tier($|[^a-z]|s?(id|nr|nummer|name)$)|^kuh|^schaf|^ziege|^pferd|^hund|vache|^vaca"
)
_NO_NAME = re.compile(r"taxon|species|breed|sex$|gender|age$|weight|height|comment|number.?of|^n_|type$")
#: Answer that all recordings are of one animal.
ONE = "one animal"


def is_animal_name(name: str) -> bool:
    """Tell whether a column's name says that it holds animals, or the loggers they wore."""
    return bool(ANIMAL_NAME.search(name.lower())) and not _NO_NAME.search(name.lower())


def find_animal(
    root: Path,
    relatives: Sequence[str],
    counted: Mapping[str, ValueCounts],
    label: Found | None,
    dialog: Dialog,
) -> Found:
    """Return where the animals are.

    root: what is imported. counted: of the columns that may hold them. label: where the labels are, whose
    part of the path holds no animals. Raises UserError where readings fit about as well and nobody can be
    asked.
    """
    named = [one for name, one in counted.items() if one.rows and is_animal_name(name)]
    # As many values as rows are row numbers.
    usable = [one for one in named if len(one.values) <= max(1, one.rows // 5) and not _counts_rows(one)]
    columns = told_apart(sorted(usable, key=_rank))
    strong = [one for one in columns if _STRONG.search(one.name.lower())]
    several = [one for one in strong if len(one.values) > 1] or strong
    best = several or columns
    every = parts_of(relatives) if len(relatives) > 1 else []
    parts = _candidates(every, label)
    if len(best) > 1:
        question = f"{len(best)} columns may name the animals, and they do not agree"
        return _asked(question, root, best, parts, every, dialog)
    if best:
        return _column_or_path(best[0], bool(strong), root, parts, every, dialog)
    return _from_path(root, relatives, parts, every, label, dialog)


def _rank(one: ValueCounts) -> tuple[bool, bool, bool]:
    """Movebank tables also name the tag; the individual is the animal."""
    name = one.name.lower()
    return not re.search(r"animal|individual", name), not _STRONG.search(name), "local" not in name


def _counts_rows(one: ValueCounts) -> bool:
    return one.numbered and len(one.values) > 50


def _candidates(parts: Sequence[Part], label: Found | None) -> list[Part]:
    """Return the parts that may name animals, without those that group the files as one before."""
    found: list[Part] = []
    for part in parts:
        if part.key == "file" or len(part.different) < 2:
            continue
        if kind_of(part, parts) or not all(re.search(r"\w", v) for v in part.values):
            continue
        if label is not None and label.values and (part.key == label.key or _goes_with(part, label)):
            continue
        if not any(same_groups(part.values, other.values) for other in found):
            found.append(part)
            stems = lettered(part)
            if stems is not None and not any(same_groups(stems.values, other.values) for other in found):
                found.append(stems)
    return found


def _goes_with(part: Part, label: Found) -> bool:
    """Tell whether a part is the label once more, or a folder that labels are sorted into."""
    return part.words and part.behaviours and mostly_nested(label.values, part.values)


def _column_or_path(
    column: ValueCounts,
    strong: bool,
    root: Path,
    parts: Sequence[Part],
    every: Sequence[Part],
    dialog: Dialog,
) -> Found:
    """A column by its name; asked where a part of the path groups the files otherwise and may be right."""
    for part in parts:
        how = _contradiction(column, strong, part)
        if how:
            question = f"the column {column.name} and the paths may both name the animals: {how}"
            return _asked(question, root, [column], parts, every, dialog)
    agreed = [part.key for part in parts if _same_as_files(column, part)]
    dialog.note(
        f"animal: column {column.name}, by its name: {column.some()}"
        + (f", and {in_words(agreed[0])} groups the files alike" if agreed else "")
    )
    return Found(column=column.name)


def _contradiction(column: ValueCounts, strong: bool, part: Part) -> str:
    """Say how a column and a part of the path disagree on the animals; "" where they do not."""
    if _same_as_files(column, part):
        return ""
    of_files = column.of_files()
    names = list(column.values)
    if len(column.values) == 1:
        return f"the column is {names[0]} everywhere, and {part.key} is {part.some()}"
    inside = all(len(one) <= 1 for one in of_files)
    folded = {one.casefold() for one in names}
    if folded & {one.casefold() for one in part.different}:
        for number, (held, value) in enumerate(zip(of_files, part.values)):
            wrong = [names[one] for one in held if names[one].casefold() != value.casefold()]
            if wrong:
                return f"in file {number + 1} the column says {wrong[0]} where the path says {value}"
    owners: dict[int, set[str]] = {}
    for held, value in zip(of_files, part.values):
        for one in held:
            owners.setdefault(one, set()).add(value)
    crossing = any(len(values) > 1 for values in owners.values())
    counted = all(re.fullmatch(r"[A-Za-z]?\d{1,3}|[A-Za-z]", one) for one in names)
    if crossing and counted:
        return f"{names[0]} of the column occurs under several values of {part.key} ({part.some()})"
    if not strong and (crossing or inside):
        return f"the column has {column.some()}, and {part.key} has {part.some()}"
    return ""


def _same_as_files(column: ValueCounts, part: Part) -> bool:
    of_files = column.of_files()
    if any(len(one) != 1 for one in of_files):
        return False
    return same_groups([str(min(one)) for one in of_files], part.values)


def _from_path(
    root: Path,
    relatives: Sequence[str],
    parts: Sequence[Part],
    every: Sequence[Part],
    label: Found | None,
    dialog: Dialog,
) -> Found:
    varying = [one for one in every if len(one.different) > 1 and one.key != "file"]
    if len(parts) == 1:
        dialog.note(f"animal: {in_words(parts[0].key)}: {parts[0].some(5)}{_passed_over(varying, every)}")
        return in_part(parts[0])
    if len(parts) > 1:
        question = f"{len(parts)} parts of the paths may name the animals"
        return _asked(question, root, [], parts, every, dialog)
    lone = [
        one
        for one in every
        if len(one.different) == 1 and re.fullmatch(r"[^\W\d_]+[ _-]?\d+\w*", one.values[0])
    ]
    lone = [one for one in lone if not kind_of(one, every)]
    kinds = {kind_of(one, every) for one in varying if label is None or one.key != label.key}
    if len({one.values[0] for one in lone}) == 1 and kinds <= {TIMES, NUMBERS, GENERIC, ""}:
        dialog.note(
            f"animal: {lone[0].values[0]} for every file, by {in_words(lone[0].key)}"
            f"{_passed_over(varying, every)}; --animal states another, --animal-from another part"
        )
        return in_part(lone[0])
    offered = [one for one in varying if label is None or one.key != label.key]
    if not offered:
        question = (
            f"no column is named like the animal (--animal-column names one), and the path {relatives[0]} "
            "does not tell it"
        )
    else:
        why = " and ".join(sorted(kind for kind in kinds if kind)) or "words that may be labels"
        question = f"no column tells the animals, and the paths differ only in {why}"
    return _asked(question, root, [], offered, every, dialog)


def _passed_over(varying: Sequence[Part], every: Sequence[Part]) -> str:
    """Say which parts were taken for dates and running numbers."""
    told = [
        f"{in_words(one.key)} ({one.some(2)})" for one in varying if kind_of(one, every) in (TIMES, NUMBERS)
    ]
    return f"; dates and running numbers, not taken: {', '.join(told)}" if told else ""


def _asked(
    question: str,
    root: Path,
    columns: Sequence[ValueCounts],
    offered: Sequence[Part],
    every: Sequence[Part],
    dialog: Dialog,
) -> Found:
    choices = [column_choice("animal", one, "animal") for one in columns]
    choices += [part_choice("animal", one, "animal") for one in offered]
    whole = next((one for one in every if one.key == "file"), None)
    if whole is not None and not any(same_groups(whole.values, one.values) for one in offered):
        choices.append(part_choice("animal", whole, "animal"))
    choices.append(Choice(ONE, "all recordings are of one", "--animal NAME"))
    answer = dialog.choose(question, "--animal-from, --animal-column or --animal", choices)
    if answer == ONE:
        return Found()
    found = answered(answer, [*offered, *every])
    assert found is not None
    dialog.note(f"animal: {in_words(answer) if found.column is None else answer}, as you say")
    return found


def name_of_one(root: Path) -> str:
    """Return a name for the only animal, after what is imported."""
    return root.resolve().name.partition(".")[0] or "animal"
