"""Rows of animal, label, segment, time and acceleration, read from the files of a plan."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mcukd.data.importer.clocks import Clock, backwards
from mcukd.data.importer.counters import jumps, last_of, numbers_of
from mcukd.data.importer.intervals import LabelTable
from mcukd.data.importer.options import Options
from mcukd.data.importer.reading_plan import ReadingPlan, SourceFile
from mcukd.data.importer.sensor_rows import OTHER_TYPE, of_others
from mcukd.data.importer.sources import EOBS_AXES, EOBS_RATE, Piece, pieces, plain_name
from mcukd.data.importer.time_parts import with_clocks
from mcukd.errors import UserError

#: What the source says where nobody observed the animal.
UNLABELLED = frozenset({"", "na", "n/a", "nan", "none", "null", "unlabelled", "unlabeled", "unobserved", "-"})
#: e-obs tags count without a sign in 12 bits, half of them below zero.
EOBS_OFFSET = 2048.0
MISSING_VALUE = "a value of the acceleration is missing or not finite"
OTHER_AXES = "the burst has other axes than XYZ"
NAMELESS = "no animal is named"
NO_ANIMAL = frozenset({None, "", "NA", "N/A", "NaN", "nan", "#N/A", "NULL", "null"})
ODD_STAMP = "a stamp is missing or cannot be read"


@dataclass(frozen=True)
class State:
    """Where an import is: everything the next row has to know of those before it.

    steady: time since which stamps follow each other without a gap.
    """

    file: int = 0
    offset: int = 0
    line: int = 0
    segment: int = -1
    animal: str = ""
    part: str = ""
    time: float | None = None
    back_at: float | None = None
    local: float | None = None
    cut: bool = False
    count: float | None = None
    steady: float | None = None

    def as_dict(self) -> dict[str, Any]:
        """Return it for a manifest."""
        return asdict(self)


@dataclass(frozen=True)
class Names:
    """Texts that repeat, as codes (n,) into a few different ones."""

    codes: NDArray[np.int32]
    known: tuple[str | None, ...]

    def __len__(self) -> int:
        return len(self.codes)

    def take(self, index: NDArray[Any]) -> Names:
        """Return those at `index` (integers or a mask), in that order."""
        return Names(self.codes[index], self.known)

    def texts(self) -> NDArray[np.object_]:
        """Return one text each."""
        known: NDArray[np.object_] = np.array([*self.known, None], dtype=object)[:-1]
        return known[self.codes]


def coded(values: NDArray[Any], blank: frozenset[str] = frozenset()) -> Names:
    """Code an object array of texts, blanks around them removed; None for those of `blank`."""
    import pandas as pd

    codes, different = pd.factorize(values)
    stripped = [None if one is None else str(one).strip() for one in different]
    stripped = [None if one is None or one.lower() in blank else one for one in stripped]
    known = tuple(dict.fromkeys([*stripped, None] if (codes < 0).any() else stripped))
    place = {one: number for number, one in enumerate(known)}
    table = np.array([*(place[one] for one in stripped), place.get(None, 0)], dtype=np.int32)
    return Names(table[codes], known)


@dataclass(frozen=True)
class Rows:
    """Some samples of a file, in its units. rows: of the file that went in. left_out: reason → rows.

    label: None where nothing is known. time: seconds, NaN where unknown. state: after them. overlaps: bursts
    that begin before the one above them ends.
    """

    animal: Names
    label: Names
    segment: NDArray[np.int64]
    time: NDArray[np.float64]
    samples: NDArray[np.float64]
    rows: int
    left_out: dict[str, int]
    state: State
    overlaps: int = 0


def read_rows(plan: ReadingPlan, options: Options, table: LabelTable | None, state: State) -> Iterator[Rows]:
    """Yield all rows of a plan from `state` on.

    Raises UserError that names file and line for what cannot be read and where time runs backwards.
    """
    for number in range(state.file, len(plan.files)):
        file = plan.files[number]
        if number != state.file or state.offset == 0:
            state = State(file=number, segment=state.segment + 1)
        clock = None
        if plan.time and file.time:
            clock = Clock(file.path, plan.time, file.time, state.back_at, state.local)
        numbers, texts = _wanted(plan, file)
        for piece in pieces(file.path, file.form, numbers, texts, state.offset, state.line):
            rows = _rows(plan, options, table, file, piece, clock, state)
            state = rows.state
            yield rows


def _wanted(plan: ReadingPlan, file: SourceFile) -> tuple[list[str], list[str]]:
    texts = [name for name in (plan.time, plan.clock_column, plan.animal, plan.label, plan.segment) if name]
    texts += plan.parts.columns.values() if plan.parts else ()
    numbers: list[str] = []
    if plan.bursts:
        numbers = [name for names in plan.bursts.values() for name in names]
    elif plan.layout == "e-obs":
        assert file.form is not None
        known = {plain_name(name): name for name in file.form.header}
        texts += [*plan.acceleration, *(known[name] for name in (EOBS_AXES, EOBS_RATE) if name in known)]
    else:
        numbers = list(plan.acceleration)
        texts += [plan.counter] if plan.counter else []
    texts += [plan.sensor] if plan.sensor else []
    return numbers, list(dict.fromkeys(texts))


def _rows(
    plan: ReadingPlan,
    options: Options,
    table: LabelTable | None,
    file: SourceFile,
    piece: Piece,
    clock: Clock | None,
    state: State,
) -> Rows:
    columns, count = piece.columns, piece.rows
    animals = _names(columns, plan.animal, file.animal, count)
    labels = _names(columns, plan.label, file.label, count)
    labels = Names(labels.codes, tuple(None if str(n).lower() in UNLABELLED else n for n in labels.known))
    parts = _names(columns, plan.segment, "", count)
    fresh = np.zeros(count, dtype=bool)
    if count:
        fresh[1:] = (np.diff(animals.codes) != 0) | (np.diff(parts.codes) != 0)
        fresh[0] = (state.part, state.animal) != (_at(parts, 0), _at(animals, 0))
    seconds = _seconds(plan, piece, clock, fresh)
    left_out: dict[str, int] = {}
    if plan.layout == "rows" or plan.layout == "device":
        names = plan.acceleration or ("x", "y", "z")
        samples = np.stack([columns[name] for name in names], axis=1)
        source = np.arange(count)
        aside = of_others(columns[plan.sensor]) if plan.sensor else np.zeros(count, dtype=bool)
        good = np.isfinite(samples).all(axis=1) & ~aside
        left_out = _counted({OTHER_TYPE: aside, MISSING_VALUE: ~good & ~aside})
        if plan.animal:
            nobody = np.array([one in NO_ANIMAL for one in animals.known], dtype=bool)[animals.codes]
            left_out.update(_counted({NAMELESS: good & nobody}))
            good &= ~nobody
        stamped = np.isfinite(seconds) if clock else np.ones(count, dtype=bool)
        if not stamped[good].all():
            assert clock is not None
            reason = f"{ODD_STAMP} (first: {file.relative}, line {clock.odd})"
            left_out[reason] = int(np.sum(good & ~stamped))
            good &= stamped
        # Rows of other sensors stand between samples that follow each other; a missing sample cuts.
        ours = good[~aside]
        cut = bool(len(ours) and not ours[-1])
        breaks = np.concatenate([[state.cut or piece.cut], ~ours[:-1]])[ours] if len(ours) else ours
        if plan.counter and count:
            counted = numbers_of(columns[plan.counter])
            breaks |= jumps(counted, state.count)[good]
            state = replace(state, count=last_of(counted, state.count))
        samples, source = samples[good], source[good]
    else:
        cut = False
        samples, source, seconds, left_out = _unrolled(plan, options, file, piece, seconds)
        breaks = np.concatenate([[True], np.diff(source) > 0]) if len(source) else np.empty(0, bool)
    animals, labels, parts = animals.take(source), labels.take(source), parts.take(source)
    time = seconds[source] if len(seconds) == count and plan.layout in ("rows", "device") else seconds
    if len(source):
        changes = breaks.copy()
        changes[1:] |= (np.diff(animals.codes) != 0) | (np.diff(parts.codes) != 0)
        changes[0] = bool(changes[0]) or (state.part, state.animal) != (_at(parts, 0), _at(animals, 0))
        if state.animal == "" and state.time is None:
            changes[0] = plan.layout not in ("rows", "device")
        overlaps = _check_time(file, piece, source, time, changes, state, options)
    else:
        changes, overlaps = np.empty(0, bool), 0
    segment = state.segment + np.cumsum(changes)
    if table is not None:
        labels = coded(table.labels(animals.texts(), time))
    after = replace(
        state,
        offset=piece.offset,
        line=piece.line,
        segment=int(segment[-1]) if len(segment) else state.segment,
        animal=_at(animals, -1) if len(animals) else state.animal,
        part=_at(parts, -1) if len(parts) else state.part,
        time=float(time[-1]) if len(time) and np.isfinite(time[-1]) else state.time,
        back_at=clock.back_at if clock else None,
        local=clock.last if clock else None,
        cut=cut or ((state.cut or piece.cut) and not len(source)),
        steady=_steady(time, changes, state),
    )
    return Rows(animals, labels, segment.astype(np.int64), time, samples, count, left_out, after, overlaps)


def _seconds(
    plan: ReadingPlan, piece: Piece, clock: Clock | None, fresh: NDArray[np.bool_]
) -> NDArray[np.float64]:
    if plan.time is None or clock is None:
        return np.full(piece.rows, np.nan)
    stamps = piece.columns[plan.time]
    if plan.parts:
        stamps = np.array(plan.parts.join(piece.columns), dtype=object)
    if plan.clock_column:
        stamps = np.array(with_clocks(stamps, piece.columns[plan.clock_column]), dtype=object)
    return clock.seconds(stamps, piece.first_line, fresh)


def _names(columns: dict[str, Any], name: str | None, otherwise: str | None, count: int) -> Names:
    if name is None:
        return Names(np.zeros(count, np.int32), (otherwise or "",))
    return coded(columns[name])


def _at(names: Names, place: int) -> str:
    return str(names.known[names.codes[place]])


def _check_time(
    file: SourceFile,
    piece: Piece,
    source: NDArray[Any],
    time: NDArray[np.float64],
    changes: NDArray[np.bool_],
    state: State,
    options: Options,
) -> int:
    """Mark in `changes` (n,) where bursts that overlap begin, and return how many do.

    Raises UserError where time runs backwards otherwise.
    """
    before = np.concatenate([[np.nan if state.time is None else state.time], time[:-1]])
    steps = np.where(changes, 0.0, time - before)
    wrong = np.flatnonzero(steps < 0)
    if not len(wrong):
        return 0
    overlapping = [place for place in wrong if _overlaps(time, changes, wrong, int(place), state)]
    line = piece.first_line + int(source[wrong[0]])
    if len(overlapping) < len(wrong) or abs(steps[wrong[0]] + 3600) < 120:
        if options.sort:
            return 0
        raise UserError(backwards(str(file.path), line, float(steps[wrong[0]])))
    if options.sort:
        raise UserError(
            f"{file.path}, line {line}: a burst begins {-steps[wrong[0]]:.6g} s before the one above ends; "
            f"--sort would mix the samples of both: leave it out, and each is a recording of its own"
        )
    changes[wrong] = True
    return len(wrong)


def _overlaps(
    time: NDArray[np.float64], changes: NDArray[np.bool_], wrong: NDArray[Any], place: int, state: State
) -> bool:
    """Whether a step back begins a burst that covers times which the one above covers without a gap, too."""
    starts = [int(one) for one in wrong if one < place]
    since = _steady(time[:place], changes[:place], state, starts)
    following = time[place : place + 2]
    last = time[place - 1] if place else state.time
    return (
        since is not None
        and last is not None
        and since < time[place]
        and bool((following <= last + 1e-9).all())
        and bool((np.diff(following) > 0).all())
    )


def _steady(
    time: NDArray[np.float64], changes: NDArray[np.bool_], state: State, starts: Sequence[int] = ()
) -> float | None:
    """Return the time since which stamps follow each other without a gap up to the last, None for none."""
    if not len(time):
        return state.steady
    if not np.isfinite(time).all():
        return None
    steps = np.diff(time)
    ahead = steps[steps > 0]
    usual = float(np.median(ahead)) if len(ahead) else np.inf
    edges = np.flatnonzero((steps > 2.5 * usual) | (steps < 0) | changes[1:]) + 1
    last = max([*starts, int(edges[-1]) if len(edges) else 0])
    goes_on = last == 0 and not changes[0] and state.steady is not None
    return state.steady if goes_on else float(time[last])


def _counted(masks: dict[str, NDArray[np.bool_]]) -> dict[str, int]:
    return {reason: int(mask.sum()) for reason, mask in masks.items() if mask.any()}


def _unrolled(
    plan: ReadingPlan, options: Options, file: SourceFile, piece: Piece, starts: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[Any], NDArray[np.float64], dict[str, int]]:
    """Bursts to samples: samples (n, 3), row of each, seconds of each, and rows left out by reason."""
    if plan.layout == "e-obs":
        bursts, rates, left_out = _eobs(plan, options, file, piece)
    else:
        assert plan.bursts is not None
        values = np.stack(
            [np.stack([piece.columns[n] for n in plan.bursts[axis]], axis=1) for axis in "xyz"], axis=2
        )
        good = np.isfinite(values).all(axis=(1, 2))
        bursts = {int(row): values[row] for row in np.flatnonzero(good)}
        left_out = {MISSING_VALUE: int(np.sum(~good))} if not good.all() else {}
        rates = np.full(piece.rows, options.rate_hz or np.nan)
    unstamped = [row for row in bursts if not np.isfinite(starts[row])] if plan.time else []
    if unstamped:
        reason = f"{ODD_STAMP} (first: {file.relative}, line {piece.first_line + unstamped[0]})"
        left_out[reason] = len(unstamped)
        bursts = {row: burst for row, burst in bursts.items() if np.isfinite(starts[row])}
    if not bursts:
        return np.empty((0, 3)), np.empty(0, np.int64), np.empty(0), left_out
    samples = np.concatenate(list(bursts.values()))
    source = np.concatenate([np.full(len(burst), row) for row, burst in bursts.items()])
    within = np.concatenate([np.arange(len(burst)) for burst in bursts.values()])
    return samples, source, starts[source] + within / rates[source], left_out


def _eobs(
    plan: ReadingPlan, options: Options, file: SourceFile, piece: Piece
) -> tuple[dict[int, NDArray[np.float64]], NDArray[np.float64], dict[str, int]]:
    assert file.form is not None
    known = {plain_name(name): name for name in file.form.header}
    cells = piece.columns[plan.acceleration[0]]
    axes = piece.columns[known[EOBS_AXES]] if EOBS_AXES in known else np.full(piece.rows, "XYZ")
    rates = np.full(piece.rows, options.rate_hz or np.nan)
    if EOBS_RATE in known and options.rate_hz is None:
        rates = np.array([float(cell or "nan") for cell in piece.columns[known[EOBS_RATE]]])
    offset = EOBS_OFFSET if options.offset is None else options.offset
    bursts: dict[int, NDArray[np.float64]] = {}
    left_out: dict[str, int] = {}
    for row, cell in enumerate(cells):
        if not str(cell).strip():
            left_out[MISSING_VALUE] = left_out.get(MISSING_VALUE, 0) + 1
            continue
        if str(axes[row]).strip().upper() != "XYZ":
            left_out[OTHER_AXES] = left_out.get(OTHER_AXES, 0) + 1
            continue
        try:
            values = np.array(str(cell).split(), dtype=np.float64)
        except ValueError:
            raise UserError(
                f"{file.path}, line {piece.first_line + row}: the burst {str(cell)[:30]!r} has a value "
                "that is no "
                f"number; export it again"
            ) from None
        if len(values) % 3:
            raise UserError(
                f"{file.path}, line {piece.first_line + row}: the burst has {len(values)} values, which "
                "is no "
                f"multiple of three axes; export it again"
            )
        bursts[row] = values.reshape(-1, 3) - offset
    return bursts, rates, left_out
