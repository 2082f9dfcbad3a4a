"""Animals of a label table under the names that the recordings have for them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

from mcukd.data.importer.animal_names import spelling_key
from mcukd.data.importer.intervals import Interval
from mcukd.data.importer.options import Dialog
from mcukd.text import listed


def as_recorded(intervals: Sequence[Interval], recorded: Iterable[str], dialog: Dialog) -> list[Interval]:
    """Return intervals whose animals are spelled as in the recordings, where only the spelling differs.

    recorded: the recordings' animals. Spellings differ by case, by the marks between words, by zeros in front
    of numbers and by ".0" behind them. What fits no animal, or more than one, stays as it is.
    """
    animals = sorted(set(recorded))
    named = {one.animal for one in intervals if one.animal is not None}
    spelled: dict[str, str] = {}
    for name in sorted(named - set(animals)):
        fitting = [one for one in animals if spelling_key(one) == spelling_key(name)]
        # Where the table has the recordings' spelling too, 7 and 007 may be two animals.
        if len(fitting) == 1 and (fitting[0] not in named or fitting[0].casefold() == name.casefold()):
            spelled[name] = fitting[0]
    if not spelled:
        return list(intervals)
    pairs = listed(f"{name} for {own}" for name, own in [*spelled.items()][:6])
    dialog.note(f"labels: animals are spelled otherwise than in the recordings: {pairs}")
    return [
        one if one.animal not in spelled else replace(one, animal=spelled[one.animal]) for one in intervals
    ]
