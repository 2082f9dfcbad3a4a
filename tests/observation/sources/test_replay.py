"""What was kept of a tag, told again: a session's journal, a log."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from threading import Event

import numpy as np
import pytest
from builders.students import random_model
from builders.tag_dump import CONFIG, NOON, two_starts

from mcukd.errors import UserError
from mcukd.fixedpoint.model import IntegerModel
from mcukd.observation.journal_lines import FORMAT, line_of
from mcukd.observation.moment_entries import entry_of_moment, moment_of, time_of
from mcukd.observation.moments import ClockReading, Connected, Disconnected, Gap, Moment, Result, Samples
from mcukd.observation.sources.replay import Replay, kept_moments
from mcukd.tag.fetched import Owner, create

NS = 1_000_000_000
#: Of two classes, a result every 1.28 s, and the SHA-256 that the dump's tag names.
MODEL = replace(random_model(3, classes=2, steps=256), hop=64, rate_hz=50.0)


@pytest.fixture
def model(monkeypatch: pytest.MonkeyPatch) -> IntegerModel:
    monkeypatch.setattr(IntegerModel, "sha256", "9abcdef0" + 56 * "0")
    return MODEL


class Hurried:
    """A session's clock that goes on by a second at each look."""

    def __init__(self, start_ns: int, step_ns: int = NS) -> None:
        self.now, self.step = start_ns, step_ns

    def now_ns(self) -> int:
        self.now += self.step
        return self.now


def told() -> list[Moment]:
    connected = Connected(
        5 * NS, "00ab", "cow-17", 1, "collar", "f" * 64, MODEL.sha256, 2, 256, 64, 50.0, True, 3
    )
    return [
        connected,
        ClockReading(100, 6 * NS, 1000),
        Samples(7 * NS, 64, 200, np.arange(6, dtype=np.int16).reshape(2, 3), True),
        Result(8 * NS, 3, 300, 1, None, (4, -4), 66),
        Gap(9 * NS, 400, 2, "messages"),
        Disconnected(10 * NS, "the line was lost"),
    ]


@pytest.mark.parametrize("state", [None, (5, -6)], ids=["windows", "carried state"])
def test_a_result_is_read_as_it_was_written(state: tuple[int, ...] | None) -> None:
    result = Result(8 * NS, 3, 300, 1, None, (4, -4), 66, state)
    written = json.loads(json.dumps(entry_of_moment(result)))
    assert moment_of(written, "journal") == result
    for wrong in ([1.5], ["a"], 7):
        with pytest.raises(UserError, match="the fields are not those of event 'result'"):
            moment_of({**written, "state": wrong}, "journal")
    del written["state"]  # as journals were written before states were told
    assert moment_of(written, "journal") == replace(result, state=None)


def same(first: list[Moment], second: list[Moment]) -> bool:
    return [entry_of_moment(moment) for moment in first] == [entry_of_moment(moment) for moment in second]


def journal(path: Path, moments: list[Moment]) -> Path:
    lines = [{"format": FORMAT, "number": 0, "session": "a"}]
    lines += [{"number": n, **entry_of_moment(moment)} for n, moment in enumerate(moments, 1)]
    path.write_bytes(b"".join(map(line_of, lines)))
    return path


def test_a_sessions_stream_comes_again_at_its_times(tmp_path: Path) -> None:
    kept = kept_moments(journal(tmp_path / "tag-00ab.jsonl", told()), MODEL)
    assert same(kept, told())
    clock, seen = Hurried(5 * NS), []
    for moment in Replay("a replay", kept, clock).moments(Event()):
        seen.append((clock.now, moment))
    assert same([moment for _, moment in seen], kept)
    assert all(0 <= at - time_of(moment) <= 2 * NS for at, moment in seen)


def test_a_replay_is_stopped(tmp_path: Path) -> None:
    stop, seen = Event(), []
    for moment in Replay("a replay", told(), Hurried(5 * NS)).moments(stop):
        seen.append(moment)
        if len(seen) == 2:
            stop.set()
    assert same(seen, told()[:2])


@pytest.mark.parametrize("fetched", [False, True])
def test_a_log_comes_as_its_bouts_results(tmp_path: Path, model: IntegerModel, fetched: bool) -> None:
    """Of half an hour of class 0, the setting of the time, 1.5 hours of 1, a gap, a quarter unknown."""
    path = tmp_path / "tag.log"
    if fetched:
        log = create(path, Owner("00ab", 2, CONFIG.page_words))
        dump = two_starts()
        for page in range(len(dump) // 4096):
            words = dump[4096 * page : 4096 * (page + 1)]
            if words.strip(b"\xff"):
                log.append(page + 1, 0, words)
    else:
        path.write_bytes(two_starts())
    kept = kept_moments(path, model, smoothing=5)
    connected = kept[0]
    assert isinstance(connected, Connected)
    assert (connected.chip, connected.start, connected.smoothing) == ("00ab" if fetched else "", 1, 5)
    assert (connected.board, connected.firmware_sha256, connected.model_sha256) == (
        "log",
        "12345678",
        model.sha256,
    )
    # The second start never had a time.
    assert sum(isinstance(moment, Connected) for moment in kept) == 1
    results = [moment for moment in kept if isinstance(moment, Result)]
    codes = [moment.behaviour for moment in results]
    per_hour = 3600 / 1.28
    assert [codes.count(code) for code in (0, 1, None)] == [round(h * per_hour) for h in (0.5, 1.5, 0.25)]
    assert codes == sorted(codes, key=[0, 1, None].index)
    assert [moment.number for moment in results] == list(range(1, len(results) + 1))
    times = np.array([moment.received_ns for moment in results])
    assert np.all(np.diff(times) > 0) and abs(times[codes.index(1)] - NOON * NS) < 3 * NS
    assert abs(times[-1] - times[0] - (len(results) - 1) * 1.28 * NS) < 3 * NS
    readings = [moment for moment in kept if isinstance(moment, ClockReading)]
    assert readings[0].host_ns // NS == NOON and len(readings) == 2
    assert [getattr(moment, "tag_ticks", 0) for moment in kept] == sorted(
        getattr(moment, "tag_ticks", 0) for moment in kept
    )


def test_what_cannot_be_replayed_is_refused(tmp_path: Path, model: IntegerModel) -> None:
    (tmp_path / "text").write_text("hello")
    with pytest.raises(UserError, match="neither a tag's journal of a session"):
        kept_moments(tmp_path / "text", model)
    with pytest.raises(UserError, match="cannot be read"):
        kept_moments(tmp_path / "none", model)
    with pytest.raises(UserError, match="holds nothing that has a time"):
        kept_moments(journal(tmp_path / "tag-1.jsonl", []), model)
    other = journal(tmp_path / "tag-2.jsonl", [replace(told()[0], model_sha256="7" * 64)])  # type: ignore[call-arg]
    with pytest.raises(
        UserError, match="the tag carried the model 7777777777777777, but the study's is 9abcdef0"
    ):
        kept_moments(other, model)
    (tmp_path / "dump").write_bytes(two_starts())
    with pytest.raises(UserError, match="it counts 2 classes, but the model has 3"):
        kept_moments(tmp_path / "dump", replace(model, classes=("a", "b", "c")))
