"""Duplicate samples: copies of files, tables appended to themselves, doubled rows."""

from __future__ import annotations

from collections.abc import Callable

from mcukd.data.importer.options import Dialog
from mcukd.data.quality.survey import AnimalSurvey, Survey
from mcukd.errors import UserError
from mcukd.text import plural, share

#: Share of an animal's rows from which on rows written twice are no slip of the logger.
_MANY = 0.2
#: Share of all samples below which copies are said and do not stop the import.
_FEW = 0.01
#: Share of repeated stamps whose rows are the same throughout; at rest in coarse steps some differ.
_ALL = 0.98


def refuse_copies(survey: Survey, file_of: Callable[[str], str], dialog: Dialog) -> None:
    """Raise UserError where samples of an animal count twice; note where few do.

    file_of: names the file of a continuous recording, "" where it is not known.
    """
    for name, one in survey.animals.items():
        if _doubled(one):
            raise UserError(
                f"animal {name} ({one.origin}): {one.duplicates:,} rows = "
                f"{share(one.duplicates / one.samples)} repeat the row above, stamp and samples, so that the "
                "rate would be wrong; remove the rows written twice"
            )
    same = [(first, again) for first, again in survey.copied if first.animal == again.animal]
    same = [(first, again) for first, again in same if first.start == again.start]
    if same:
        first, again = same[0]
        files = [file_of(one.place) or one.origin for one in (first, again)]
        where = f"{files[0]} and {files[1]}" if files[0] != files[1] else f"twice in {files[0]}"
        how = "sample" if first.start is None else "stamp"
        copied = sum(stretch.samples for _, stretch in same) / sum(a.samples for a in survey.animals.values())
        found = (
            f"samples stand in the data twice, {how} for {how}: {plural(len(same), 'labelled run')} = "
            f"{share(copied)} of all samples (first: {first.samples:,} samples of {first.animal}, {where})"
        )
        if copied >= _FEW:
            raise UserError(f"{found}; remove one of the two")
        dialog.note(f"copies: {found}; remove one of the two, or leave it out by source.exclude_files")


def _doubled(one: AnimalSurvey) -> bool:
    return one.duplicates > _MANY * one.samples and one.duplicates >= _ALL * one.repeated
