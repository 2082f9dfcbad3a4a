"""Conversion of an import to Parquet, part by part, so that a killed one is resumed."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from contextlib import nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from mcukd.data.importer.intervals import LabelTable
from mcukd.data.importer.options import Options
from mcukd.data.importer.place import MANIFEST
from mcukd.data.importer.reading_plan import ReadingPlan
from mcukd.data.importer.rows import Names, Rows, State, coded, read_rows
from mcukd.data.importer.times import TimeForm
from mcukd.data.readers.parquet import PART_PATTERN
from mcukd.errors import UserError
from mcukd.files import make_folder, replacing, sha256_text, write_json
from mcukd.progress import progress

PART_ROWS = 1 << 20
#: Above this many samples, sorting would need more memory than an import may take.
SORTABLE = 10_000_000
_SLOW_BYTES = 20_000_000


@dataclass(frozen=True)
class Converted:
    """What an import wrote. rows: of the files. left_out: reason → rows. resumed: after a kill.

    segments: number of the first segment of each file → its path; empty where rows were sorted. by_file:
    path → rows of the file, and reason → rows left out of it. overlaps: bursts kept
    apart because they overlap.
    """

    folder: Path
    rows: int
    samples: int
    left_out: dict[str, int]
    resumed: bool
    segments: dict[int, str]
    by_file: dict[str, tuple[int, dict[str, int]]] = field(default_factory=dict)
    overlaps: int = 0

    def file_of(self, segment: int) -> str:
        """Return the file that a segment comes from, "" where it is not known."""
        first = max((one for one in self.segments if one <= segment), default=None)
        return "" if first is None else self.segments[first]


def convert(plan: ReadingPlan, options: Options, table: LabelTable | None, folder: Path) -> Converted:
    """Write `folder`/part-00000.parquet and so on, and the manifest `folder`/import.json.

    Every part is renamed into place whole and then entered into the manifest, with where its rows ended; what
    stood there of the same import is gone on with. Raises UserError as `read_rows` does, and where the folder
    holds another import or the files have changed since.
    """
    identity = _identity(plan, options)
    manifest = _manifest(folder, identity)
    resumed = bool(manifest["parts"]) and not manifest["complete"]
    if not manifest["complete"]:
        make_folder(folder)
        write_json(folder / MANIFEST, manifest)
        for stray in sorted(folder.glob(PART_PATTERN)):
            if stray.name not in {part["file"] for part in manifest["parts"]}:
                stray.unlink()
        try:
            state = State(**manifest["state"])
        except TypeError:
            raise UserError(
                f"{folder / MANIFEST} is of another version; remove the folder {folder} and import again"
            ) from None
        total = sum(file.path.stat().st_size for file in plan.files)
        shown = progress("Importing", total) if total > _SLOW_BYTES else nullcontext(_silent)
        with shown as advance:
            done = _bytes_done(plan, state)
            advance(done)
            for rows in _parts(read_rows(plan, options, table, state), options):
                write_part(folder, manifest, rows)
                now = min(_bytes_done(plan, rows[-1].state), total)
                advance(max(now - done, 0), f"{manifest['samples']:,} samples")
                done = max(done, now)
            advance(total - done)
        manifest["complete"] = True
        write_json(folder / MANIFEST, manifest)
    if manifest["samples"] == 0:
        raise UserError(
            f"{plan.root}: of {manifest['rows']} rows none holds a whole sample; check the columns"
        )
    segments = {} if options.sort else {int(one): file for one, file in manifest.get("segments", {}).items()}
    by_file = (
        {} if options.sort else {name: (rows, dict(out)) for name, (rows, out) in manifest["by_file"].items()}
    )
    return Converted(
        folder,
        manifest["rows"],
        manifest["samples"],
        manifest["left_out"],
        resumed,
        segments,
        {} if options.sort else by_file,
        manifest["overlaps"],
    )


def check_place(plan: ReadingPlan, options: Options, folder: Path) -> None:
    """Raise UserError where a folder holds another import, or Parquet that would pass for parts of one."""
    _manifest(folder, _identity(plan, options))
    others = sorted(folder.glob(PART_PATTERN))
    if others and not (folder / MANIFEST).is_file():
        raise UserError(f"{others[0]} is there already and of no import; name another folder with --out")


def _silent(steps: int, note: str = "") -> None:
    """Take the place of a bar where the work takes less than two seconds."""


def _parts(stream: Iterator[Rows], options: Options) -> Iterator[list[Rows]]:
    held: list[Rows] = []
    for rows in stream:
        held.append(rows)
        samples = sum(len(one.samples) for one in held)
        if options.sort:
            if samples > SORTABLE:
                raise UserError(
                    f"more than {SORTABLE:,} samples cannot be sorted within the memory an import may "
                    "take; sort the "
                    f"rows by animal and time before, or import the files apart"
                )
        elif samples >= PART_ROWS:
            yield held
            held = []
    if held:
        yield [_sorted(held)] if options.sort else held


def _sorted(held: list[Rows]) -> Rows:
    animal = coded(np.concatenate([one.animal.texts() for one in held]))
    label = coded(np.concatenate([one.label.texts() for one in held]))
    time = np.concatenate([one.time for one in held])
    rank = np.argsort(np.argsort(np.array([str(one) for one in animal.known])))
    order = np.lexsort((time, rank[animal.codes]))
    animal = animal.take(order)
    left_out: Counter[str] = Counter()
    for one in held:
        left_out.update(one.left_out)
    steps = np.diff(time[order])
    changes = np.diff(animal.codes) != 0
    if left_out and (steps > 0).any():
        # Sorting takes away where rows were left out; the time that they took is still missing.
        changes |= steps > 1.5 * np.median(steps[steps > 0])
    segment = np.concatenate([[0], np.cumsum(changes)]).astype(np.int64)
    return Rows(
        animal,
        label.take(order),
        segment,
        time[order],
        np.concatenate([one.samples for one in held])[order],
        sum(one.rows for one in held),
        dict(left_out),
        held[-1].state,
    )


def write_part(folder: Path, manifest: dict[str, Any], rows: list[Rows]) -> None:
    """Write rows as the next Parquet file of a conversion and add it to the manifest."""
    import pyarrow
    from pyarrow import parquet

    name = f"part-{len(manifest['parts']):05d}.parquet"
    samples = sum(len(one.samples) for one in rows)
    if samples:
        table = pyarrow.concat_tables([_table(one) for one in rows if len(one.samples)]).unify_dictionaries()
        with replacing(folder / name) as temporary:
            parquet.write_table(table, temporary, compression="zstd")
        manifest["parts"].append({"file": name, "samples": samples, "rows": sum(one.rows for one in rows)})
    manifest["rows"] += sum(one.rows for one in rows)
    manifest["samples"] += samples
    for one in rows:
        file = manifest["files"][one.state.file][0]
        if len(one.segment) and file not in manifest["segments"].values():
            manifest["segments"][str(int(one.segment[0]))] = file
        manifest["overlaps"] += one.overlaps
        own = manifest["by_file"].setdefault(file, [0, {}])
        own[0] += one.rows
        for reason, count in one.left_out.items():
            for counts in (manifest["left_out"], own[1]):
                counts[reason] = counts.get(reason, 0) + count
    manifest["state"] = rows[-1].state.as_dict()
    write_json(folder / MANIFEST, manifest)


def _table(rows: Rows) -> Any:
    import pyarrow

    columns = {
        "animal": _dictionary(rows.animal),
        "label": _dictionary(rows.label),
        "segment": pyarrow.array(rows.segment),
        "time": pyarrow.array(rows.time, mask=~np.isfinite(rows.time)),
    }
    # Seven digits hold any sensor's steps; nothing is converted, rounded or clipped yet.
    columns.update(
        {axis: pyarrow.array(rows.samples[:, place].astype(np.float32)) for place, axis in enumerate("xyz")}
    )
    return pyarrow.table(columns)


def _dictionary(names: Names) -> Any:
    import pyarrow

    known = [one for one in names.known if one is not None]
    missing = np.array([one is None for one in names.known], dtype=bool)
    place = np.cumsum(~missing, dtype=np.int32) - 1
    codes = pyarrow.array(np.maximum(place, 0).astype(np.int32)[names.codes], mask=missing[names.codes])
    return pyarrow.DictionaryArray.from_arrays(codes, pyarrow.array(known, pyarrow.string()))


def _identity(plan: ReadingPlan, options: Options) -> dict[str, Any]:
    """What must not change between a kill and going on: the files, and how they are read."""
    stated: list[Any] = [
        plan.layout,
        plan.acceleration,
        plan.bursts,
        plan.time,
        plan.clock_column,
        None if plan.parts is None else [*plan.parts.columns.items()],
        plan.animal,
        plan.label,
    ]
    stated += [
        plan.segment,
        plan.tokens,
        plan.counter,
        options.timezone,
        options.labels_timezone,
        options.labels_unit,
        options.labels_hold,
        options.labels_from_start,
        options.offset,
        options.sort,
    ]
    stated += [[form.kind, form.unit and form.unit.name, form.order] for form in _forms(plan)]
    stated += [options.rate_hz if plan.layout in ("bursts", "e-obs") else None, options.label, options.animal]
    files = [[file.relative, file.path.stat().st_size, file.path.stat().st_mtime_ns] for file in plan.files]
    if options.labels_table is not None:
        labels = options.labels_table.stat()
        files.append([str(options.labels_table), labels.st_size, labels.st_mtime_ns])
    return {"files": files, "reading": sha256_text(json.dumps(stated))}


def _forms(plan: ReadingPlan) -> list[TimeForm]:
    return [file.time for file in plan.files if file.time is not None]


def _manifest(folder: Path, identity: dict[str, Any]) -> dict[str, Any]:
    path = folder / MANIFEST
    fresh = {
        **identity,
        "parts": [],
        "rows": 0,
        "samples": 0,
        "left_out": {},
        "by_file": {},
        "overlaps": 0,
        "segments": {},
        "state": State().as_dict(),
    }
    if not path.is_file():
        return {**fresh, "complete": False}
    try:
        manifest: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        same = all(manifest[key] == value for key, value in identity.items())
        missing = [part["file"] for part in manifest["parts"] if not (folder / part["file"]).is_file()]
    except (ValueError, KeyError, TypeError):
        raise UserError(f"{path} is damaged; remove the folder {folder} and import again") from None
    if not same:
        raise UserError(
            f"{folder} holds an import of other files, of files that have changed since, or with other "
            "options; "
            f"name another folder with --out, or remove it"
        )
    if missing:
        raise UserError(
            f"{folder / missing[0]} is gone from the import; remove the folder {folder} and import again"
        )
    return manifest


def _bytes_done(plan: ReadingPlan, state: State) -> int:
    before = sum(file.path.stat().st_size for file in plan.files[: state.file])
    own = plan.files[state.file].path.stat().st_size if state.file < len(plan.files) else 0
    return before + min(state.offset, own)
