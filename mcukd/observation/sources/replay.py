"""Replay of what a tag told a session, or of what its log says, by a session's clock."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from threading import Event

from mcukd.annotations.tag_log import Bout, bouts_of, is_log
from mcukd.errors import UserError
from mcukd.fixedpoint.model import IntegerModel
from mcukd.observation.journal_lines import read_journal
from mcukd.observation.moment_entries import moment_of, time_of
from mcukd.observation.moments import SAMPLES, ClockReading, Connected, Gap, Moment, Result, SessionClock
from mcukd.observation.waiting import waiter
from mcukd.tag.fetched import is_fetched, read_fetched
from mcukd.tag.log import Log, read_log
from mcukd.tag.log_table import Setting, settings_of, utc_of
from mcukd.tag.records import BOOT, TICKS_PER_SECOND, field

_NS = 1_000_000_000
#: A computer that sets a tag's time does so to some milliseconds.
_SET_NS = 20_000_000


class Replay:
    """Moments that are told again, with their own times.

    name: in words for people. kept: the moments, in order. clock: the session's, which begins at the time of
    the first one, or before; its speed is that of the replay (`FastClock` of `observation.clocks`).
    """

    def __init__(self, name: str, kept: Sequence[Moment], clock: SessionClock) -> None:
        self.name, self._kept, self._clock = name, kept, clock

    def moments(self, stop: Event) -> Iterator[Moment]:
        """Yield each moment when the clock shows its time, until there are no more or `stop` is set."""
        wait_until = waiter(self._clock, stop)
        for moment in self._kept:
            wait_until(time_of(moment))
            if stop.is_set():
                return
            yield moment


def kept_moments(path: Path, model: IntegerModel, smoothing: int = 1) -> list[Moment]:
    """Return the moments of a file, at least one: a tag's journal in a session's folder, or a tag's log.

    model: that was on the tag. smoothing: results in its majority, which a log does not say. Raises UserError
    where the file is neither, is damaged, is of another model, or holds nothing that has a time.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror}); check the name.") from None
    if is_log(content):
        log = read_log(read_fetched(path).dump() if is_fetched(content) else content, str(path))
        chip = read_fetched(path).owner.chip if is_fetched(content) else ""
        found = _moments_of_log(path, log, chip, model, smoothing)
    elif content.startswith(b"{"):
        entries = read_journal(path).entries
        found = [moment_of(entry, f"{path}, line {number + 2}") for number, entry in enumerate(entries)]
        _check_model(path, found, model)
    else:
        raise UserError(
            f"{path}: neither a tag's journal of a session (tag-….jsonl) nor a tag's log ('mcukd fetch')."
        )
    if not found:
        raise UserError(f"{path}: it holds nothing that has a time, so there is nothing to replay.")
    return found


def _check_model(path: Path, found: Sequence[Moment], model: IntegerModel) -> None:
    for moment in found:
        if isinstance(moment, Connected) and moment.model_sha256 != model.sha256:
            raise UserError(
                f"{path}: the tag carried the model {moment.model_sha256[:16]}, but the study's is "
                f"{model.sha256[:16]}; name the study of that model with --run."
            )


def _moments_of_log(path: Path, log: Log, chip: str, model: IntegerModel, smoothing: int) -> list[Moment]:
    """Return what a log says as moments; of starts in which the time was set, as others have no date.

    A result's time is known to a second, its raw class and logits are not in a log.
    """
    if log.classes != len(model.classes):
        raise UserError(
            f"{path}: it counts {log.classes} classes, but the model has {len(model.classes)}; name the "
            "study of the model on the tag with --run."
        )
    settings = settings_of(log)
    bouts, _ = bouts_of(log, model.hop / model.rate_hz)
    ours = int(model.sha256[:8], 16)
    firmwares = {
        each.boot: field(each.record, "firmware") for each in log.records if each.record.kind == BOOT
    }
    found: list[Moment] = []
    for boot in sorted({setting.boot for setting in settings}):
        mine = [bout for bout in bouts if bout.boot == boot and bout.model in (ours, None)]
        if mine:
            told = sorted([*_readings(boot, settings), *_results(mine, settings, log.classes)], key=_ticks)
            firmware = firmwares.get(boot, 0)
            found.append(_connected(time_of(told[0]), boot, chip, firmware, model, smoothing))
            found += told
    return found


def _connected(
    begun_ns: int, boot: int, chip: str, firmware: int, model: IntegerModel, smoothing: int
) -> Connected:
    facts = (len(model.classes), model.window, model.hop, model.rate_hz)
    return Connected(
        begun_ns, chip, "", boot, "log", f"{firmware:08x}", model.sha256, *facts, False, smoothing
    )


def _readings(boot: int, settings: Sequence[Setting]) -> Iterator[Moment]:
    for each in settings:
        if each.boot == boot:
            yield ClockReading(round(each.tag * TICKS_PER_SECOND), round(each.utc * _NS), _SET_NS)


def _results(bouts: Sequence[Bout], settings: Sequence[Setting], classes: int) -> Iterator[Moment]:
    """Yield the results of a start's bouts, and a gap before each that does not follow the one before."""
    number = 0
    for bout, before in zip(bouts, [None, *bouts]):
        first = _host_ns(bout.start, bout.boot, settings)
        if before is not None and bout.start - before.end > 1.5 * bout.result_s:
            yield Gap(first, round(bout.start * TICKS_PER_SECOND) - 1, 0, SAMPLES)
        for place in range(bout.results):
            number += 1
            at = bout.start + place * (bout.end - bout.start) / bout.results
            behaviour = None if bout.class_found >= classes else bout.class_found
            ticks = round(at * TICKS_PER_SECOND)
            yield Result(_host_ns(at, bout.boot, settings), number, ticks, None, behaviour, ())


def _host_ns(seconds: float, boot: int, settings: Sequence[Setting]) -> int:
    utc, _ = utc_of(seconds, boot, settings)
    assert utc is not None
    return round(utc * _NS)


def _ticks(moment: Moment) -> int:
    return int(getattr(moment, "tag_ticks", 0))
