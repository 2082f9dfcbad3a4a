"""A tag's log as a track: the bouts in a file of `mcukd fetch` or a dump of the tag's flash.

Which time results stand for is said in `mcukd.tag.spans`.

A bout's start is known in whole seconds of the tag's clock, its length in results. The moment within the
second is carried on from bout to bout by the number of results, as far as the next bout's second allows it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from mcukd.annotations.behaviours import brought
from mcukd.annotations.reading import UNKNOWN, Reading, Said, TagModel
from mcukd.errors import UserError
from mcukd.metrics.agreement.track import track_of
from mcukd.tag.bouts import CHANGED, FULL
from mcukd.tag.fetched import is_fetched, read_fetched
from mcukd.tag.log import Log, read_log
from mcukd.tag.log_table import Setting, settings_of, utc_of
from mcukd.tag.records import BOOT, BOUT, field, look_page, words_of
from mcukd.tag.spans import delay_ns
from mcukd.text import listed, plural

#: By how much a bout's times may be off: they are kept in whole seconds, and results wait for the sensor's
#: FIFO.
UNCERTAIN_S = 1.0
#: No crystal, and hardly an RC oscillator that is calibrated, is so far off.
_STRANGE_PPM = 1000
_PAGE_BYTES = 4096
_NS = 1_000_000_000


@dataclass(frozen=True)
class Bout:
    """A bout. start, end: seconds of the tag's clock, of its first result and of that after its last.

    result_s: seconds between results. model: first 32 bits of the model's SHA-256, None where the log lost
    them.
    """

    boot: int
    class_found: int
    start: float
    end: float
    results: int
    result_s: float
    model: int | None


def is_log(content: bytes) -> bool:
    """Tell whether bytes are of a file of `mcukd fetch`, or of a dump that holds a page of a log."""
    if is_fetched(content):
        return True
    if b"\0" not in content[:_PAGE_BYTES] and b"\xff\xff\xff\xff" not in content[:_PAGE_BYTES]:
        return False
    words, size = words_of(content).tolist(), _PAGE_BYTES // 4
    return any(look_page(words, at, at + size)[0] for at in range(0, len(words) - size + 1, size))


def read_tag_log(path: Path, reading: Reading) -> Said:
    """Read the bouts of a log.

    Raises UserError where it is damaged so that nothing can be read, where nothing says the names of the
    classes or the length of a window, and where no bout has a time that may be trusted and no offset is
    stated.
    """
    content = path.read_bytes()
    log = read_log(read_fetched(path).dump() if is_fetched(content) else content, str(path))
    model = _model(path, log, reading)
    bouts, lost = bouts_of(log, model.hop_s)
    notes = [f"{path.name}: {sentence}" for sentence in log.damage]
    if lost:
        told = f"{plural(lost, 'bout')} of starts whose own record the log no longer holds"
        if not bouts:
            raise UserError(f"{path} holds {told}; give --run STUDY, which says how long a result stands for")
        notes.append(f"{path.name}: {told} left out.")
    mine, said = _of_model(path, bouts, model)
    notes += said
    _check_hop(path, mine, model)
    placed, trusted = _placed(path, mine, settings_of(log), model, reading)
    notes += trusted
    notes += [
        f"{path.name}: between two settings of its time in start {each.boot} the tag's clock seems to be "
        f"{each.drift_ppm:,.0f} ppm off, which no crystal is: one of both was set wrongly."
        for each in settings_of(log)
        if each.drift_ppm is not None and abs(each.drift_ppm) > _STRANGE_PPM
    ]
    if not any(one[2] != log.classes for one in placed):
        raise UserError(
            f"{path} holds no bout of a known class: the tag's firmware does not read its sensor, or does "
            "not log bouts ([tag] bout_results in its board file)."
        )
    names = model.classes
    if any(one[2] == log.classes for one in placed):
        names = (*names, UNKNOWN)
    track = track_of(reading.animal, f"the tag's log {path.name}", names, placed)
    words = {one.model for one in mine} - {None}
    sha256 = model.sha256 or (f"{words.pop():08x}" if len(words) == 1 else None)
    return Said((brought(path, track, reading),), tuple(notes), sha256, uncertainty_s=UNCERTAIN_S)


def _of_model(path: Path, bouts: Sequence[Bout], model: TagModel) -> tuple[list[Bout], list[str]]:
    """Return the bouts of one model, and sentences on others; UserError where nothing says which one
    counts."""
    there = sorted({f"{one.model:08x}" for one in bouts if one.model is not None})
    if model.sha256 is None:
        if len(there) > 1:
            raise UserError(
                f"{path} holds bouts of the models {listed(there)}; say which one counts with --run STUDY"
            )
        return list(bouts), []
    ours, notes = model.sha256[:8], []
    mine = [one for one in bouts if one.model in (int(ours, 16), None)]
    if len(mine) < len(bouts):
        others = listed(name for name in there if name != ours)
        told = f"{plural(len(bouts) - len(mine), 'bout')} of the model {others}"
        if not mine:
            raise UserError(f"{path} holds {told}, and none of the study's, {ours}; give that model's study")
        notes.append(f"{path.name}: {told} left out.")
    unsaid = sum(one.model is None for one in mine)
    if unsaid:
        notes.append(
            f"{path.name}: {plural(unsaid, 'bout')} of starts whose own record the log no longer holds, "
            "taken to be "
            "of the study's model."
        )
    return mine, notes


def bouts_of(log: Log, result_s: float | None = None) -> tuple[list[Bout], int]:
    """Return the bouts of a log in their order, and how many of them have no length in seconds.

    result_s: between results, of starts of which the log has no record any more.
    """
    boots = {
        each.boot: (field(each.record, "result_us") / 1e6, field(each.record, "model"))
        for each in log.records
        if each.record.kind == BOOT
    }
    records = [each for each in log.records if each.record.kind == BOUT]
    bouts, lost = [], 0
    start: float | None = None
    for each, after in zip(records, [*records[1:], None]):
        between, model = boots.get(each.boot, (result_s, None))
        if between is None:
            lost, start = lost + 1, None
            continue
        record = each.record
        second, packed, results = (field(record, name) for name in ("start", "class_and_end", "length"))
        start = second + 0.5 if start is None else start
        end = start + results * between
        goes_on = packed >> 8 in (CHANGED, FULL)
        if goes_on:
            # The record was written when the result came that ended the bout.
            end = max(
                min(max(end, record.seconds), record.seconds + 1 - 1e-3), start + 0.5 * results * between
            )
        bouts.append(Bout(each.boot, packed & 0xFF, start, end, results, between, model))
        follows = (
            after is not None and after.boot == each.boot and field(after.record, "start") == record.seconds
        )
        start = end if goes_on and follows else None
    return bouts, lost


def _model(path: Path, log: Log, reading: Reading) -> TagModel:
    model = reading.model
    if model is None or not model.classes:
        raise UserError(
            f"{path} holds numbers of classes; name them with --run STUDY, or with --classes A,B,…"
        )
    if len(model.classes) != log.classes:
        raise UserError(
            f"{path} counts {log.classes} classes, but {len(model.classes)} are named "
            f"({listed(model.classes)}); "
            "name those of the model on the tag, in its order"
        )
    if model.window_s is None:
        raise UserError(
            f"{path} does not say how long the model's window is, which its results describe; give --run "
            "STUDY, or "
            "--window with its length in seconds"
        )
    return model


def _check_hop(path: Path, bouts: Sequence[Bout], model: TagModel) -> None:
    for one in bouts:
        if model.hop_s is not None and abs(one.result_s - model.hop_s) > 0.02 * model.hop_s:
            raise UserError(
                f"{path}: results of start {one.boot} are {one.result_s:g} s apart, but those of the model "
                f"{model.hop_s:g} s; give the study of the model that was on the tag"
            )


def _placed(
    path: Path, bouts: Sequence[Bout], settings: Sequence[Setting], model: TagModel, reading: Reading
) -> tuple[list[tuple[int, int, int]], list[str]]:
    """Return (start, end, class) in ns since 1970 of bouts, and a note on those whose times are not
    trusted."""
    dated = {setting.boot for setting in settings}
    kept = [one for one in bouts if one.boot in dated]
    notes = []
    if not kept and bouts:
        if reading.offset_s is None:
            raise UserError(
                f"{path}: the tag's time was never set in the starts that it logged, so no time of its bouts "
                "may be "
                "trusted; state with --offset what has to be added to them (seconds since 1970 at the tag's "
                "second "
                "0, where it was never set at all)"
            )
        kept = list(bouts)
    elif len(kept) < len(bouts):
        left = [one for one in bouts if one.boot not in dated]
        minutes = sum(one.end - one.start for one in left) / 60
        notes.append(
            f"{path.name}: {plural(len(left), 'bout')} ({minutes:.0f} min) of starts in which the time was "
            "not set "
            "left out."
        )
    assert model.window_s is not None
    rows: list[tuple[int, int, int]] = []
    for one in kept:
        early = delay_ns(round(model.window_s * _NS), round(one.result_s * _NS), model.smoothing)
        start, end = (
            round(_utc(at, one.boot, settings, reading) * 1e6) * 1000 - early for at in (one.start, one.end)
        )
        if rows and start < rows[-1][1]:
            raise UserError(
                f"{path}: bouts of start {one.boot} begin {(rows[-1][1] - start) / _NS:.3f} s before others "
                "have "
                "ended, so the tag's times were set wrongly; see 'mcukd log decode'"
            )
        if end > start:
            rows.append((start, end, one.class_found))
    away = max((_beyond(one.end, one.boot, settings) for one in kept), default=0.0) / 3600
    if away >= 1 and not reading.drift_ppm:
        notes.append(
            f"{path.name}: bouts lie up to {away:.1f} h from the nearest setting of the tag's time, so that "
            "each 10 "
            f"ppm by which its clock is off move them by up to {away * 0.036:.2f} s (--drift)."
        )
    return rows, notes


def _beyond(seconds: float, boot: int, settings: Sequence[Setting]) -> float:
    """Return how many seconds of the tag's clock a moment lies outside the settings of its start, or 0."""
    same = [each.tag for each in settings if each.boot == boot]
    return max(same[0] - seconds, seconds - same[-1], 0.0) if same else 0.0


def _utc(seconds: float, boot: int, settings: Sequence[Setting], reading: Reading) -> float:
    """Return Unix seconds at a moment of the tag's clock, with the offset and drift that are stated.

    Between two settings of a start the log itself takes the drift out; before and after, the nearest counts.
    """
    utc, _ = utc_of(seconds, boot, settings)
    same = [each.tag for each in settings if each.boot == boot]
    if same and not same[0] <= seconds < same[-1]:
        passed = seconds - (same[0] if seconds < same[0] else same[-1])
        utc = utc - passed * reading.drift_ppm / (1e6 + reading.drift_ppm) if utc is not None else None
    return (seconds if utc is None else utc) + (reading.offset_s or 0.0)
