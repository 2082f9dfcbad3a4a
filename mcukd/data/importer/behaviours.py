"""Search for the labels: the column or part of the path that names them, asked where in doubt."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence

import numpy as np

from mcukd.data.importer.columns import ANIMAL_NAME, LABEL_NAME
from mcukd.data.importer.found import (
    Found,
    answered,
    column_choice,
    in_part,
    part_choice,
    told_apart,
)
from mcukd.data.importer.options import Choice, Dialog
from mcukd.data.importer.paths import Part, in_words, is_behaviour, kind_of, mostly_nested, parts_of, some
from mcukd.data.importer.value_counts import ValueCounts

#: Answer that the recordings have no labels.
UNLABELLED_ANSWER = "unlabelled"
_ABOUT_PLACES = re.compile(
    r"place|site|location|habitat|paddock|pen$|farm|sex|gender|breed|species|taxon|weather|observer|camera|video|"
    r"file|comment|note|remark|unit|sensor|model|hand|side|position|orientation|quality|sync|event[_-]?id",
    re.IGNORECASE,
)
_OTHER_WAYS = (
    "--label-column NAME states their column, --label NAME one for all files, and --labels-table FILE a table"
)


def find_label(
    relatives: Sequence[str],
    counted: Mapping[str, ValueCounts],
    numbers: Collection[str],
    dialog: Dialog,
) -> Found | None:
    """Return where the labels are; None where the user says that there are none.

    counted: of the columns that may hold them. numbers: columns of numbers. Raises UserError where readings
    fit about as well and nobody can be asked.
    """
    parts = label_parts(relatives) if len(relatives) > 1 else []
    named = [one for name, one in counted.items() if one.rows and is_label_name(name)]
    good = told_apart(
        sorted(
            (one for one in named if len(one.values) > 1 and not one.numbered),
            key=lambda one: one.name in numbers,
        )
    )
    words = [
        one
        for name, one in counted.items()
        if one not in named and name not in numbers and one.few and not ANIMAL_NAME.search(name.lower())
    ]
    if len(good) == 1:
        also = [one for one in words if one is not good[0]]
        dialog.note(f"label: column {good[0].name}, by its name: {good[0].some()}{_also(also)}")
        return Found(column=good[0].name)
    if len(good) > 1:
        return _asked(f"{len(good)} columns are named like the label", good, [], parts, dialog)
    numbered = [one for one in named if one.numbered]
    if numbered:
        return _beside_numbered(numbered[0], words, parts, dialog)
    constant = [one for one in named if len(one.values) == 1]
    if constant:
        if words or parts:
            question = f"the column {constant[0].name} is {constant[0].some()} in every row"
            return _asked(question, [constant[0], *words], parts, parts, dialog)
        dialog.note(f"label: column {constant[0].name}, by its name: {constant[0].some()} in every row")
        return Found(column=constant[0].name)
    return _unnamed(words, parts, relatives, dialog)


def is_label_name(name: str) -> bool:
    """Tell whether a column's name says that it holds behaviours."""
    return bool(LABEL_NAME.search(name.lower())) and not re.search(
        r"(start|stop|end|time|date)$", name.lower()
    )


def label_parts(relatives: Sequence[str]) -> list[Part]:
    """Return the parts of the paths that may hold labels: words, each in several files; the finest first.

    Words for what animals do come before others, and leave those out.
    """
    parts = parts_of(relatives)
    words = [
        one
        for one in parts
        if one.key != "file" and one.words and _repeats(one.values) and kind_of(one, parts) == ""
    ]
    known = [one for one in words if one.behaviours]
    return sorted(known or words, key=lambda one: (-len(one.different), not one.key.startswith("file")))


def _beside_numbered(
    numbered: ValueCounts, words: Sequence[ValueCounts], parts: Sequence[Part], dialog: Dialog
) -> Found | None:
    """Numbered bouts are no label; a column that says the same without the numbers is."""
    what = f"{numbered.name} numbers its bouts ({len(numbered.values)} values in {numbered.runs} stretches)"
    same = [one for one in words if _without_numbers(numbered, one)]
    if len(same) == 1:
        dialog.note(f"label: column {same[0].name}, as {what}: {same[0].some()}")
        return Found(column=same[0].name)
    did_you_mean = f"; did you mean {words[0].name}?" if len(words) == 1 else ""
    return _asked(
        f"no column of labels is found: {what}{did_you_mean}", [*words, numbered], parts, parts, dialog
    )


def _unnamed(
    words: Sequence[ValueCounts], parts: Sequence[Part], relatives: Sequence[str], dialog: Dialog
) -> Found | None:
    likely = [one for one in words if _speaks_of_behaviour(one)]
    known = [one for one in parts if one.behaviours]
    if known and not likely:
        # The finest one: a folder "Others" may hold several labels that the names tell apart.
        if all(mostly_nested(known[0].values, one.values) for one in known[1:]):
            dialog.note(f"label: {in_words(known[0].key)}: {known[0].some()}{_also(words)}")
            return in_part(known[0])
        return _asked("several parts of the paths hold behaviours", [], known, parts, dialog)
    if len(likely) == 1 and not known:
        others = [one for one in words if one is not likely[0]]
        dialog.note(
            f"label: column {likely[0].name}, whose values are words for what animals do: "
            f"{likely[0].some()}{_also(others)}"
        )
        return Found(column=likely[0].name)
    if len(words) == 1 and not parts and not _ABOUT_PLACES.search(words[0].name):
        dialog.note(f"label: column {words[0].name}, the only column of words: {words[0].some()}")
        return Found(column=words[0].name)
    default = parts[0].key if not words and len(parts) == 1 else None
    question = (
        "no column is named like the label, and these may hold it"
        if words or parts
        else f"neither a column nor the files' paths tell behaviours (first file: {relatives[0]})"
    )
    return _asked(question, words, parts, parts, dialog, default)


def _asked(
    question: str,
    columns: Sequence[ValueCounts],
    offered: Sequence[Part],
    parts: Sequence[Part],
    dialog: Dialog,
    default: str | None = None,
) -> Found | None:
    choices = [column_choice("label", one, "value") for one in columns]
    choices += [part_choice("label", one, "value") for one in offered]
    choices.append(
        Choice(UNLABELLED_ANSWER, "no labels: the import makes what 'mcukd classify' reads", "--unlabelled")
    )
    answer = dialog.choose(
        f"{question} ({_OTHER_WAYS})", "--label-column, --label-from or --unlabelled", choices, default
    )
    if answer == UNLABELLED_ANSWER:
        return None
    found = answered(answer, parts)
    assert found is not None
    dialog.note(f"label: {in_words(answer) if found.column is None else answer}, as you say")
    return found


def _also(columns: Sequence[ValueCounts]) -> str:
    if not columns:
        return ""
    return "; also " + ", ".join(f"{one.name} ({some(one.different, 3)})" for one in columns[:3])


def _speaks_of_behaviour(one: ValueCounts) -> bool:
    return 2 * sum(is_behaviour(value) for value in one.values) >= len(one.values)


def _without_numbers(numbered: ValueCounts, other: ValueCounts) -> bool:
    """Tell whether the values of a column are those of another with a number before or behind them."""
    mine, theirs = list(numbered.values), list(other.values)
    for a, b in zip(numbered.codes, other.codes):
        for x, y in {(int(x), int(y)) for x, y in np.unique(np.stack([a, b]), axis=1).T if x >= 0 and y >= 0}:
            if _plain(mine[x]) != _plain(theirs[y]):
                return False
    return True


def _plain(text: str) -> str:
    return re.sub(r"^\d+[\s._:)-]*|[\s._(-]*\d+\)?$", "", text).strip().lower()


def _repeats(column: Sequence[str]) -> bool:
    return 2 <= len(set(column)) <= max(2, len(column) // 2)
