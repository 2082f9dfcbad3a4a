"""Animals, labels and segments of an import: in columns, in parts of the path, in a table, or as stated."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from mcukd.data.importer import columns as roles
from mcukd.data.importer.animals import find_animal, is_animal_name, name_of_one
from mcukd.data.importer.behaviours import find_label, is_label_name
from mcukd.data.importer.beside import check_same_columns, notes_beside
from mcukd.data.importer.found import Found
from mcukd.data.importer.options import Dialog, Options
from mcukd.data.importer.paths import in_words, stated_part
from mcukd.data.importer.reading_plan import ReadingPlan, SourceFile
from mcukd.data.importer.sources import EOBS_AXES, EOBS_RATE, plain_name
from mcukd.data.importer.text import TextForm
from mcukd.data.importer.value_counts import ValueCounts, count_values
from mcukd.errors import UserError
from mcukd.text import did_you_mean, listed


def with_identities(
    plan: ReadingPlan,
    options: Options,
    dialog: Dialog,
    taken: Sequence[str],
    beside: Sequence[SourceFile] = (),
) -> ReadingPlan:
    """Return a plan that says where animals, labels and segments are.

    taken: columns that have a role already. beside: tables that are passed over. Raises UserError for what
    contradicts itself, what is not there, and what nobody answers.
    """
    check_stated(options)
    forms = [file.form for file in plan.files if file.form is not None]
    relatives = [file.relative for file in plan.files]
    numbers = {name for form in forms for name in roles.number_columns(form)}
    counted = _counted(plan, forms, options, taken, numbers)
    label = _label(plan, forms, counted, numbers, options, dialog)
    unlabelled = label is None
    found = label or Found()
    told = [found.column] if found.column else []
    animal = _animal(plan, forms, {n: t for n, t in counted.items() if n not in told}, found, options, dialog)
    told += [animal.column] if animal.column else []
    check_same_columns([file.path for file in plan.files], forms, told)
    segment = _segment(plan, forms, counted, [*taken, *told], dialog)
    lone = None
    if animal == Found():
        lone = options.animal or name_of_one(plan.root)
        dialog.note(f"animal: {lone} for every recording" + ("" if options.animal else ", after the path"))
    files = [
        replace(
            file,
            animal=animal.values[number] if animal.values else lone,
            label=found.values[number] if found.values else options.label,
        )
        for number, file in enumerate(plan.files)
    ]
    names = {*animal.values} | ({*counted[animal.column].values} if animal.column in counted else set())
    names |= {lone} if lone is not None else set()
    lying = [file.form for file in beside if file.form is not None]
    for sentence in notes_beside([file.path for file in beside], lying, relatives, names):
        dialog.note(sentence)
    return replace(
        plan,
        files=tuple(files),
        animal=animal.column,
        label=found.column,
        segment=segment,
        animals=tuple(sorted(names)),
        tokens={role: one.key for role, one in (("animal", animal), ("label", found)) if one.key},
        unlabelled=unlabelled,
    )


def check_stated(options: Options) -> None:
    """Raise UserError where two flags state the same thing in different ways."""
    sets = (
        {
            "--animal": options.animal,
            "--animal-column": options.animal_column,
            "--animal-from": options.animal_from,
        },
        {
            "--label": options.label,
            "--label-column": options.label_column,
            "--label-from": options.label_from,
            "--labels-table": options.labels_table,
            "--unlabelled": options.unlabelled or None,
        },
    )
    if options.unlabelled and (options.classes or options.mapping or options.window_s or options.board):
        raise UserError(
            "--classes, --map, --window and --board go with labels; leave them out, or leave out --unlabelled"
        )
    for flags in sets:
        stated = [flag for flag, value in flags.items() if value is not None]
        if len(stated) > 1:
            raise UserError(
                f"{stated[0]} and {stated[1]} say the same thing in two ways; leave one of them out"
            )


def _counted(
    plan: ReadingPlan, forms: Sequence[TextForm], options: Options, taken: Sequence[str], numbers: set[str]
) -> dict[str, ValueCounts]:
    if not forms:
        return {}
    wants_label = not (
        options.label
        or options.label_column
        or options.label_from
        or options.labels_table
        or options.unlabelled
    )
    wants_animal = not (options.animal or options.animal_column or options.animal_from)
    names = []
    for name in forms[0].header:
        if name in taken or plain_name(name) in (EOBS_AXES, EOBS_RATE):
            continue
        if not all(name in form.header for form in forms):
            continue
        words = name not in numbers and not roles.holds_times(forms[0], name)
        if (
            (wants_label and (words or is_label_name(name)))
            or (wants_animal and is_animal_name(name))
            or roles.SEGMENT_NAME.search(name.lower())
            or name == options.animal_column
        ):
            names.append(name)
    return count_values([(file.path, file.form) for file in plan.files if file.form is not None], names)


def _label(
    plan: ReadingPlan,
    forms: Sequence[TextForm],
    counted: dict[str, ValueCounts],
    numbers: set[str],
    options: Options,
    dialog: Dialog,
) -> Found | None:
    """Return where the labels are, None where there are none."""
    relatives = [file.relative for file in plan.files]
    if options.unlabelled:
        dialog.note("label: none, as you say")
        return None
    if options.labels_table is not None:
        return Found()
    if options.label is not None:
        dialog.note(f"label: {options.label} for every recording, as you say")
        return Found()
    if options.label_from is not None:
        return _part("label", options.label_from, relatives, dialog)
    if options.label_column is not None:
        return _column("label", options.label_column, forms, dialog)
    return find_label(relatives, counted, numbers, dialog)


def _animal(
    plan: ReadingPlan,
    forms: Sequence[TextForm],
    counted: dict[str, ValueCounts],
    label: Found,
    options: Options,
    dialog: Dialog,
) -> Found:
    relatives = [file.relative for file in plan.files]
    if options.animal is not None:
        return Found()
    if options.animal_from is not None:
        return _part("animal", options.animal_from, relatives, dialog)
    if options.animal_column is not None:
        return _column("animal", options.animal_column, forms, dialog)
    return find_animal(plan.root, relatives, counted, label, dialog)


def _part(role: str, text: str, relatives: Sequence[str], dialog: Dialog) -> Found:
    key, values = stated_part(f"--{role}-from", text, relatives)
    different = sorted(set(values))
    shown = ", ".join(different[:5]) + ("…" if len(different) > 5 else "")
    dialog.note(f"{role}: {in_words(key)}, as you say: {shown} ({len(different)})")
    return Found(key=key, values=values)


def _column(role: str, name: str, forms: Sequence[TextForm], dialog: Dialog) -> Found:
    header = forms[0].header if forms else ()
    if name not in header:
        raise UserError(
            f"--{role}-column names {name!r}{did_you_mean(name, header)}, which is no column; the columns "
            f"are {listed(header)}"
        )
    dialog.note(f"{role}: column {name}, as you say")
    return Found(column=name)


def _segment(
    plan: ReadingPlan,
    forms: Sequence[TextForm],
    counted: dict[str, ValueCounts],
    taken: Sequence[str],
    dialog: Dialog,
) -> str | None:
    """Return the column that tells recordings apart: one with fewer values than rows."""
    if plan.layout != "rows":
        return None
    for name, one in counted.items():
        if name in taken or not roles.SEGMENT_NAME.search(name.lower()) or not one.rows:
            continue
        if len(one.values) > one.rows // 2:
            dialog.note(f"segment: column {name} is not taken, for nearly every row has a value of its own")
            continue
        dialog.note(f"segment: column {name}, by its name: {len(one.values)} values in {one.runs} stretches")
        return name
    return None
