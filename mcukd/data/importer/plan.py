"""Making of a reading plan: the files at a path, their layout, and the roles of their columns."""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from fnmatch import fnmatch
from pathlib import Path

from mcukd.data.importer import columns as roles
from mcukd.data.importer.beside import check_same_columns, forms_of_filled, recordings_among
from mcukd.data.importer.counters import find_counter
from mcukd.data.importer.identity import check_stated, with_identities
from mcukd.data.importer.options import Dialog, Options
from mcukd.data.importer.place import MANIFEST, is_own_output
from mcukd.data.importer.preamble import STAMPS, start_and_rate
from mcukd.data.importer.reading_plan import ReadingPlan, SourceFile
from mcukd.data.importer.sensor_rows import sensor_column
from mcukd.data.importer.sources import EOBS_RAW, is_device, plain_name
from mcukd.data.importer.text import TextForm
from mcukd.data.importer.time_parts import time_parts, with_clocks
from mcukd.data.importer.times import Column, TimeForm, time_forms, zone_of, zone_words
from mcukd.data.readers.parquet import PART_PATTERN
from mcukd.errors import UserError
from mcukd.text import did_you_mean, listed, plural

SUFFIXES = (".csv", ".tsv", ".txt", ".dat", ".parquet", ".cwa", ".gt3x")
_PROSE = re.compile(r"(readme|licen[cs]e|changelog|upstream|notes?|citation)", re.IGNORECASE)
_PROBED = 12
#: What --time-column takes where stamps are to be left out.
NO_COLUMN = "none"


def is_ucihar(path: Path) -> bool:
    """Tell whether a folder has the layout of UCI HAR."""
    return all(
        (path / part / "Inertial Signals" / f"total_acc_x_{part}.txt").is_file() for part in ("train", "test")
    )


def find_files(path: Path) -> list[Path]:
    """Return the files at a path that may hold data, in order; links to folders are not followed.

    Raises UserError where there is none.
    """
    if path.is_file():
        return [path]
    if not path.is_dir():
        kind = "exists but is neither a file nor a folder" if path.exists() else "does not exist"
        raise UserError(f"{path} {kind}; name a file of samples or a folder of such files")
    found = []
    for folder, folders, names in os.walk(path):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        # What an earlier import wrote here is no recording.
        ours = MANIFEST in names and is_own_output(Path(folder))
        names = [name for name in names if not (ours and fnmatch(name, PART_PATTERN))]
        for name in sorted(names):
            plain = name[:-3] if name.lower().endswith(".gz") else name
            if plain.lower().endswith(SUFFIXES) and not name.startswith(".") and not _PROSE.match(name):
                found.append(Path(folder) / name)
    if not found:
        raise UserError(f"there is no data below {path}; expected files ending in {listed(SUFFIXES)}")
    suffixes = {one.suffix.lower() for one in found}
    # A text file beside tables is a description far more often than a table.
    if len(suffixes) > 1:
        found = [one for one in found if one.suffix.lower() not in (".txt", ".dat")]
    return sorted(found)


def make_plan(path: Path, options: Options, dialog: Dialog) -> ReadingPlan:
    """Look at the files and decide how to read them; UserError for what can neither be told nor asked."""
    paths = find_files(path)
    root = path if path.is_dir() else path.parent
    relatives = [one.relative_to(root).as_posix() for one in paths]
    if any(is_device(one) for one in paths):
        return _device_plan(root, paths, relatives, options, dialog)
    if options.labels_table is not None and len(paths) > 1:
        paths = [one for one in paths if one.resolve() != options.labels_table.resolve()]
    paths, forms = forms_of_filled(paths, dialog)
    held = recordings_among(paths, forms, options.acceleration)
    beside = [
        SourceFile(one, one.relative_to(root).as_posix(), form)
        for one, form, own in zip(paths, forms, held)
        if not own
    ]
    paths = [one for one, own in zip(paths, held) if own]
    forms = [form for form, own in zip(forms, held) if own]
    relatives = [one.relative_to(root).as_posix() for one in paths]
    form = forms[0]
    kinds = Counter(one.description for one in forms)
    several = [f"{number} {kind}" for kind, number in kinds.most_common()]
    dialog.note(f"{plural(len(paths), 'file')}: {form.description if len(kinds) == 1 else listed(several)}")
    refuse_features(path, form, options)
    files = [SourceFile(*three) for three in zip(paths, relatives, forms)]
    eobs = next((name for name in form.header if plain_name(name) == EOBS_RAW), None)
    bursts = None if eobs or options.acceleration else roles.acceleration_bursts(form)
    if eobs:
        plan = ReadingPlan(root, tuple(files), "e-obs", acceleration=(eobs,))
        dialog.note(f"e-obs bursts: raw samples of several axes in the column {eobs}")
    elif bursts:
        plan = ReadingPlan(root, tuple(files), "bursts", bursts=bursts)
        dialog.note(
            f"bursts: every row holds {len(bursts['x'])} samples per axis, in columns {bursts['x'][0]} "
            "and so on"
        )
    else:
        plan = ReadingPlan(
            root, tuple(files), "rows", acceleration=_acceleration(paths[0], forms, options, dialog)
        )
        roles.refuse_other_units(paths[0], form, plan.acceleration, options.units)
    _check_same_columns(plan, _needed(plan))
    plan = _with_time(plan, options, dialog)
    taken = [*_needed(plan), *(name for name in (plan.time, plan.clock_column) if name)]
    taken += plan.parts.columns.values() if plan.parts else ()
    if plan.time is None and plan.layout == "rows":
        tables = [(file.path, file.relative, file.form) for file in plan.files if file.form is not None]
        counter = find_counter(tables, taken, dialog)
        plan, taken = replace(plan, counter=counter), [*taken, *([counter] if counter else [])]
    plan = with_identities(plan, options, dialog, taken, beside)
    sensor = sensor_column(forms, (plan.animal, plan.label, plan.time)) if plan.layout == "rows" else None
    if sensor:
        dialog.note(f"sensor: column {sensor} says which sensor a row is of; those of others are set aside")
    return replace(plan, sensor=sensor)


def refuse_features(path: Path, form: TextForm, options: Options) -> None:
    """Raise UserError where a table describes windows and holds no samples."""
    described = [] if options.acceleration else roles.looks_like_features(form)
    if described:
        raise UserError(
            f"{path} is a table of features, one row per window ({listed(described[:6])}…), and no "
            "signal: the "
            "order of samples within a window is gone, so nothing can be filtered, resampled or run "
            "through a "
            f"recurrent model; --features takes it as a table for training a classifier head"
        )


def _acceleration(path: Path, forms: Sequence[TextForm], options: Options, dialog: Dialog) -> tuple[str, ...]:
    form = forms[0]
    if options.acceleration:
        for name in options.acceleration:
            if name not in form.header:
                raise UserError(
                    f"--acceleration names {name!r}{did_you_mean(name, form.header)}, which is no "
                    "column; the "
                    f"columns are {listed(form.header)}"
                )
        return options.acceleration
    triples = roles.acceleration_triples(form)
    if not triples:
        roles.refuse_odd_axes(path, form)
        return _asked_for(form, dialog)
    # Judged over several files, for a single one may be of a faulty or lively stretch.
    step = max(1, len(forms) // _PROBED)
    votes: dict[tuple[str, str, str], list[float]] = {one.columns: [] for one in triples}
    for other in forms[::step]:
        for one in roles.acceleration_triples(other):
            if one.columns in votes and one.units is not None:
                votes[one.columns].append(one.distance)
    ranked = sorted(
        votes, key=lambda names: sorted(votes[names])[len(votes[names]) // 2] if votes[names] else 99.0
    )
    best = ranked[0]
    if len(ranked) > 1:
        chosen = dialog.choose(
            f"the tables have {len(ranked)} sets of columns that may be the accelerometer",
            "--acceleration",
            [",".join(names) for names in ranked],
            ",".join(best),
        )
        best = next(names for names in ranked if ",".join(names) == chosen)
        dialog.note(
            f"acceleration: columns {listed(best)}, nearest to 1 g in the median among {len(ranked)} "
            "candidates"
        )
    else:
        dialog.note(
            f"acceleration: columns {listed(best)}, the only three whose names differ only in x, y and z"
        )
    return best


def _asked_for(form: TextForm, dialog: Dialog) -> tuple[str, ...]:
    numbers = roles.number_columns(form)
    answer = dialog.choose(
        f"no three columns named for x, y and z hold numbers (columns: {listed(form.header)}; of numbers: "
        f"{listed(numbers)})",
        "--acceleration X,Y,Z",
    )
    names = tuple(part.strip() for part in answer.split(","))
    if len(names) != 3 or any(name not in form.header for name in names):
        raise UserError(f"{answer!r} does not name three columns; expected three of {listed(form.header)}")
    return names


def _started(plan: ReadingPlan, options: Options, dialog: Dialog) -> ReadingPlan | None:
    """Return the plan with stamps from the lines above the headers, None where one says no start."""
    files, rates = [], []
    clock = TimeForm("logger", timezone=options.timezone, reason="start and rate above the header")
    for file in plan.files:
        assert file.form is not None
        start = start_and_rate(file.path, file.form.preamble, options.rate_hz)
        if start is None or plan.layout != "rows" or STAMPS in file.form.header:
            return None
        files.append(replace(file, form=replace(file.form, start=start), time=clock))
        rates.append(start[1])
    zone = f"local time of {options.timezone}" if options.timezone else "without a time zone: taken as UTC"
    dialog.note(f"time: {clock.reason} of each file ({rates[0]:g} Hz), {zone}")
    return replace(plan, files=tuple(files), time=STAMPS)


def _needed(plan: ReadingPlan) -> list[str]:
    if plan.bursts:
        return [name for names in plan.bursts.values() for name in names]
    return list(plan.acceleration)


def _check_same_columns(plan: ReadingPlan, names: Sequence[str]) -> None:
    forms = [file.form for file in plan.files if file.form is not None]
    check_same_columns([file.path for file in plan.files], forms, names)


def _with_time(plan: ReadingPlan, options: Options, dialog: Dialog) -> ReadingPlan:
    form = plan.files[0].form
    assert form is not None
    clock: str | None = None
    parts = None if options.time_column is not None else time_parts(form)
    if options.time_column == NO_COLUMN and NO_COLUMN not in form.header:
        dialog.note(
            "time: stamps are left out, as you say, so gaps cannot be seen and the rate has to be stated"
        )
        return plan
    if options.time_column is not None:
        name, why = options.time_column, "as you say"
        if name not in form.header:
            raise UserError(
                f"--time-column names {name!r}{did_you_mean(name, form.header)}, which is no column; "
                "the columns are "
                f"{listed(form.header)}"
            )
    elif parts is not None:
        name, why = next(iter(parts.columns.values())), f"with {listed([*parts.columns.values()][1:])}"
    else:
        apart = roles.split_date_and_clock(form)
        found, why = roles.time_column(form)
        if apart:
            name, clock = apart
            why = f"with the clock in {clock}"
        elif found is None:
            started = _started(plan, options, dialog)
            if started is not None:
                return started
            dialog.note("time: no column of stamps, so gaps cannot be seen and the rate has to be stated")
            return plan
        else:
            name = found
    joined = [*parts.columns.values()] if parts else [name] + ([clock] if clock else [])
    _check_same_columns(plan, joined)
    columns = []
    for file in plan.files:
        assert file.form is not None
        if parts:
            stamps = parts.join({one: file.form.column(one) for one in joined})
        else:
            stamps = file.form.column(name)
        if clock:
            stamps = with_clocks(stamps, file.form.column(clock))
        title = listed(joined) if parts else f"{name} and {clock}" if clock else name
        columns.append(Column(file.path, title, tuple(stamps), file.form.decimal))
    burst = len(plan.bursts["x"]) if plan.bursts else 2 if plan.layout == "e-obs" else 1
    times = time_forms(columns, options, dialog, burst)
    dialog.note(f"time: column {name} ({why}), {times[0].reason}{zone_words(times[0], options)}")
    files = tuple(replace(file, time=time) for file, time in zip(plan.files, times))
    return replace(plan, files=files, time=name, clock_column=clock, parts=parts)


def _device_plan(
    root: Path, paths: Sequence[Path], relatives: Sequence[str], options: Options, dialog: Dialog
) -> ReadingPlan:
    other = next((path for path in paths if not is_device(path)), None)
    if other is not None:
        raise UserError(f"{other} lies among files of loggers (CWA, GT3X); import them apart")
    check_stated(options)
    if options.labels_table is None and options.label is None and not options.unlabelled:
        raise UserError(
            "files of loggers hold no behaviours; say them with --labels-table FILE, or one with --label, or "
            "that there are none with --unlabelled"
        )
    if options.timezone is not None:
        zone_of(options.timezone)
    clock = TimeForm("logger", timezone=options.timezone, reason="the logger's clock")
    files = [SourceFile(*three, time=clock) for three in zip(paths, relatives, [None] * len(paths))]
    dialog.note(f"{len(paths)} file{'s' if len(paths) > 1 else ''} of loggers")
    dialog.note(f"time: {clock.reason}{zone_words(clock, options)}")
    if len(paths) == 1 and options.animal is None and options.animal_from is None:
        options = replace(options, animal_from="file")
    return with_identities(ReadingPlan(root, tuple(files), "device", time="datetime"), options, dialog, [])
