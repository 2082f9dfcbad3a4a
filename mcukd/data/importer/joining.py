"""Join of a separate table of labels to recordings, with checks of clocks, zones and overlap."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache

from mcukd.data.importer.intervals import LabelTable
from mcukd.data.importer.label_clocks import Asked, Spans, moment
from mcukd.data.importer.label_days import unlike_clocks
from mcukd.data.importer.labels import read_labels
from mcukd.data.importer.options import Dialog, Options
from mcukd.data.importer.reading_plan import ReadingPlan
from mcukd.data.importer.spans import read_spans
from mcukd.data.importer.times import TimeForm
from mcukd.errors import UserError
from mcukd.text import did_you_mean, listed

#: Hours that the clocks of the world's zones are ahead of UTC.
_ZONES = tuple(half / 2 for half in range(-24, 29))
#: A zone fits where as many labels lie within the recordings as in the best one, but for this share.
_FITS = 0.95


def labels_of(options: Options, plan: ReadingPlan, dialog: Dialog) -> LabelTable | None:
    """Read the table of labels that is stated, None where none is.

    Raises UserError as `read_labels`, and where labels and recordings are on clocks that do not go together.
    """
    if options.labels_table is None:
        return None
    if plan.time is None:
        raise UserError(
            "--labels-table needs stamps in the recordings to join by, and no column holds any: --time-column"
        )
    spans = lru_cache(maxsize=None)(lambda: read_spans(plan, options))
    table = read_labels(options.labels_table, Asked(options, dialog, spans, _files(plan), plan.animals))
    form = plan.files[0].time
    if form is None or form.dated != table.dated:
        raise unlike_clocks(table.path, table.reason, table.dated)
    _check_zones(table, form, options, spans, dialog)
    bare = " (no --timezone is stated: taken as UTC)" if table.bare else ""
    dialog.note(
        f"labels: {len(table.all())} intervals of {options.labels_table.name}, {table.reason}{bare}"
        + (f"; {table.left_out} events without length left out" if table.left_out else "")
    )
    return table


def _files(plan: ReadingPlan) -> dict[str, str]:
    """Animal by path, by name and by name without its ending, of files of one animal each."""
    found: dict[str, str] = {}
    twice: set[str] = set()
    for file in plan.files if plan.animal is None else ():
        name = file.relative.rpartition("/")[2]
        for key in {file.relative, name, name.partition(".")[0]}:
            twice |= {key} & set(found)
            found[key] = str(file.animal)
    return {key: animal for key, animal in found.items() if key not in twice}


def _check_zones(
    table: LabelTable, form: TimeForm, options: Options, spans: Callable[[], Spans], dialog: Dialog
) -> None:
    """Take times whose zone is not known as UTC only where no other zone fits as well.

    Where neither recordings nor labels say a zone they are on one clock. Raises UserError where only one of
    them does and the other may be in more than one zone.
    """
    if not table.dated or table.bare == form.bare:
        return
    recorded = spans()
    inside = {hours: _inside(table, recorded, hours) for hours in _ZONES}
    most = max(inside.values())
    fitting = [hours for hours, count in inside.items() if count and count >= _FITS * most]
    bare, zoned = ("labels", "recordings") if table.bare else ("recordings", "labels")
    if not fitting:
        return
    if fitting == [0.0]:
        dialog.note(
            f"zones: the {bare} say none and are taken as UTC, for in any other zone fewer labels lie within "
            "the recordings"
        )
        return
    flag = "--labels-timezone" if table.bare else "--timezone"
    ahead = sorted(hours if table.bare else -hours for hours in fitting)
    raise UserError(
        f"{table.path}: the {zoned} are in UTC or say their offset, and the {bare} do neither: they fit on "
        "a clock "
        f"{ahead[0]:+g}{f' to {ahead[-1]:+g}' if len(ahead) > 1 else ''} h ahead of UTC; name its zone with "
        f"{flag}, "
        f"like {flag} Europe/London or {flag} UTC"
    )


def _inside(table: LabelTable, spans: Spans, hours: float) -> int:
    """How many labels lie within the recordings on a clock that is so many hours ahead of UTC."""
    count = 0
    for one in table.all():
        first, last = spans.animals.get(str(one.animal), spans.all)
        count += first - 1 <= one.start - hours * 3600 and one.end - hours * 3600 <= last + 1
    return count


def check_coverage(table: LabelTable, spans: dict[str, tuple[float, float]], dialog: Dialog) -> None:
    """Say which intervals lie outside of the recordings, which happens when clocks or zones differ.

    spans: of each animal, first and last seconds. Raises UserError where all do.
    """
    unknown = sorted({str(animal) for animal in table.intervals if animal is not None} - set(spans))
    outside = []
    for one in table.all():
        mine = [spans[one.animal]] if one.animal in spans else [] if one.animal else list(spans.values())
        if not any(one.start < last and one.end > first for first, last in mine):
            outside.append(one)
    if len(outside) == len(table.all()):
        why = f"its animals are {listed(unknown)} and theirs {listed(sorted(spans))}"
        if len(unknown) < len([animal for animal in table.intervals if animal is not None]) or not unknown:
            why = _apart(table, Spans(spans, dated=table.dated))
        raise UserError(f"{table.path} labels nothing of the recordings: {why}")
    for name in unknown:
        unlabelled = sorted(set(spans) - {str(animal) for animal in table.intervals})
        if None not in table.intervals and did_you_mean(name, unlabelled):
            first = next(one for one in outside if one.animal == name)
            raise UserError(
                f"{table.path}, line {first.line}: animal {name!r} is none of the recordings"
                f"{did_you_mean(name, unlabelled)}; spell it as they do, or remove its labels"
            )
    if outside:
        dialog.note(
            f"labels: {len(outside)} of {len(table.all())} intervals lie outside of the recordings and "
            "label nothing "
            f"(first: line {outside[0].line}, {outside[0].label})"
            + (f"; unknown animals: {listed(unknown)}" if unknown else "")
        )


def _apart(table: LabelTable, spans: Spans) -> str:
    """Say how far labels lie from recordings; as a number of hours only where zones may explain it."""
    first, start = spans.all[0], min(one.start for one in table.all())
    hours = (start - first) / 3600
    if not table.dated or abs(hours) <= 48:
        why = f"its first label lies {hours:+.2f} h from their first sample"
        return f"{why}: check --timezone and --labels-timezone" if table.dated else why
    stop = max(one.end for one in table.all())
    return (
        f"its labels ({table.reason}) are from {moment(start)} to {moment(stop)} UTC, and they were made "
        f"{spans.words}: check the dates, and --labels-unit"
    )
