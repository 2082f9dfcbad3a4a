"""Tables beside the recordings that hold no acceleration: left out, and mentioned to the user."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from mcukd.data.importer import columns as roles
from mcukd.data.importer.dialect import HEAD_ROWS
from mcukd.data.importer.options import Dialog, quoted
from mcukd.data.importer.paths import path_tokens
from mcukd.data.importer.sources import EOBS_RAW, form_of, plain_name
from mcukd.data.importer.text import NoRows, TextForm
from mcukd.errors import UserError
from mcukd.text import listed, plural

#: Recordings hold at least this share of the bytes where the other tables are passed over.
_LEAST_SHARE = 0.5


def recordings_among(
    paths: Sequence[Path], forms: Sequence[TextForm], acceleration: Sequence[str]
) -> list[bool]:
    """Tell which tables are recordings; all where none seems to hold acceleration.

    acceleration: its columns, where they are stated. Raises UserError where so much has no acceleration that
    the rest cannot be taken for metadata.
    """
    held = [has_acceleration(form, acceleration) for form in forms]
    known = [
        ({*one.columns}, {*form.header})
        for form, own in zip(forms, held)
        if own
        for one in roles.acceleration_triples(form)[:1]
    ]
    # A recording may begin with values that are missing, and one that lacks an axis is no metadata.
    held = [own or any(_is_recording(form, *one) for one in known) for form, own in zip(forms, held)]
    if all(held) or not any(held):
        return [True] * len(held)
    sizes = [path.stat().st_size for path in paths]
    share = sum(size for size, one in zip(sizes, held) if one) / max(1, sum(sizes))
    if share < _LEAST_SHARE:
        raise UserError(
            f"acceleration is not in every file: {_group(paths, forms, held, True)}, and "
            f"{_group(paths, forms, held, False)}, which is more than half of the data: import "
            "them apart, or name the columns with --acceleration"
        )
    return held


def _is_recording(form: TextForm, axes: set[str], header: set[str]) -> bool:
    """Tell whether a table has a recording's axes, or two of them and another of its columns."""
    own = {*form.header}
    return axes <= own or (len(axes & own) >= 2 and bool((header - axes) & own))


def forms_of_filled(paths: Sequence[Path], dialog: Dialog) -> tuple[list[Path], list[TextForm]]:
    """Return the files that hold rows, and their forms; UserError where none does, and as `form_of`."""
    found: list[tuple[Path, TextForm]] = []
    empty: list[NoRows] = []
    names: list[str] = []
    for path in paths:
        try:
            found.append((path, form_of(path)))
        except NoRows as error:
            empty.append(error)
            names.append(path.name)
    if empty and not found:
        raise empty[0]
    if empty:
        shown = f"{listed(names[:6])}{'…' if len(names) > 6 else ''}"
        dialog.note(f"empty: {plural(len(names), 'file')} without a row, passed over: {shown}")
    return [path for path, _ in found], [form for _, form in found]


def has_acceleration(form: TextForm, acceleration: Sequence[str]) -> bool:
    """Tell whether a table seems to hold acceleration."""
    if acceleration:
        return all(name in form.header for name in acceleration)
    if any(plain_name(name) == EOBS_RAW for name in form.header):
        return True
    return bool(roles.acceleration_bursts(form)) or bool(roles.acceleration_triples(form))


def notes_beside(
    paths: Sequence[Path], forms: Sequence[TextForm], relatives: Sequence[str], animals: Iterable[str]
) -> list[str]:
    """Return a sentence for each table that is passed over: what it is, and whose names it holds.

    relatives: paths of the recordings. animals: their names, as far as they are known.
    """
    stems = {path_tokens(relative)["file"] for relative in relatives}
    return [_note(path, form, set(animals), stems) for path, form in zip(paths, forms)]


def _note(path: Path, form: TextForm, animals: set[str], stems: set[str]) -> str:
    rows = f"{len(form.rows)} rows" if len(form.rows) < HEAD_ROWS else "many rows"
    note = (
        f"beside: {path.name} ({rows}: {listed(form.header[:6])}{'…' if len(form.header) > 6 else ''}) holds "
    )
    note += "no acceleration and is passed over"
    if looks_like_labels(form):
        return f"{note}; it looks like a table of labels: --labels-table {quoted(str(path))} joins it"
    for name in form.header:
        values = {one for one in form.column(name) if one}
        if len(values & animals) >= max(1, 0.5 * len(animals)):
            return f"{note}; it is metadata, whose column {name} names the animals"
    for name in form.header:
        values = {one for one in form.column(name) if len(one) > 1}
        named = sum(any(stem == one or stem.startswith(f"{one}_") for one in values) for stem in stems)
        if named >= 0.5 * len(stems):
            return f"{note}; it is metadata, whose column {name} names the recordings"
    return note


def looks_like_labels(form: TextForm) -> bool:
    """Tell whether a table has columns for the start, the end and the behaviour of stretches."""
    names = [name.lower().strip() for name in form.header]
    begins = any(name.startswith(("start", "begin", "onset", "from")) for name in names)
    ends = any(name.startswith(("end", "stop", "offset", "until", "to", "duration")) for name in names)
    return begins and ends and any(roles.LABEL_NAME.search(name) or "event" in name for name in names)


def check_same_columns(paths: Sequence[Path], forms: Sequence[TextForm], names: Sequence[str]) -> None:
    """Raise UserError that counts and names the files which lack one of the columns."""
    for name in names:
        held = [name in form.header for form in forms]
        if all(held):
            continue
        raise UserError(
            f"the column {name!r} is not in every file: {_group(paths, forms, held, True)}, and "
            f"{_group(paths, forms, held, False)}; rename the columns, or import the files apart"
        )


def _group(paths: Sequence[Path], forms: Sequence[TextForm], held: Sequence[bool], wanted: bool) -> str:
    """Describe the files that have something, or have not, by the first of them."""
    members = [number for number, one in enumerate(held) if one == wanted]
    form = forms[members[0]]
    header = listed(form.header[:8]) + ("…" if len(form.header) > 8 else "")
    verb = "have it" if wanted else "have not"
    if len(members) == 1:
        verb = "has it" if wanted else "has not"
        return f"1 file {verb} ({paths[members[0]]}, with {header})"
    return f"{len(members)} files {verb} (first: {paths[members[0]]}, with {header})"
