"""Unknown results, majority, counters, bouts and clock: C against the Python reference, value by value."""

import ctypes
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from builders.tag_library import TagLibrary
from hypothesis import given, settings
from hypothesis import strategies as st

from mcukd.tag.bouts import CHANGED, FULL, LENGTH_MAX, Bout, Bouts
from mcukd.tag.clock import SECONDS_MAX, Clock, Rate
from mcukd.tag.counters import COUNT_MAX, Counters
from mcukd.tag.flash import NRF52840, FlashRules, ModelledFlash
from mcukd.tag.log import read_log
from mcukd.tag.operation import Tag, TagConfig
from mcukd.tag.records import BOOT, BOUT, PERIOD, RATE, TIME
from mcukd.tag.smoothing import Smoothing, with_unknown

UNKNOWN = 3
CONFIG = TagConfig(
    classes=3, log_pages=4, smoothing=3, unknown_margin=100, period_s=60, bout_results=2, page_words=128
)
RULES = FlashRules("a chip", 512, 10_000)
CLASSES = st.integers(0, UNKNOWN)
WORDS = st.integers(0, (1 << 32) - 1)
NEAR_MAX = st.sampled_from([0, 1, COUNT_MAX - 2, COUNT_MAX - 1, COUNT_MAX])
FRACTIONS = st.integers(0, 32767)
LOGITS = st.lists(st.integers(-32768, 32767) | st.integers(-60, 60), min_size=3, max_size=3)


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> TagLibrary:
    return TagLibrary(CONFIG, tmp_path_factory.mktemp("tag"))


@pytest.fixture(scope="module", params=[1, 2, 5, 15])
def smoothing(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> TagLibrary:
    config = replace(CONFIG, smoothing=request.param, unknown_margin=0, bout_results=0)
    return TagLibrary(config, tmp_path_factory.mktemp("tag"))


@given(logits=LOGITS)
def test_unknown_is_what_comes_close(library: TagLibrary, logits: list[int]) -> None:
    best = logits.index(max(logits))
    found = library.c.tag_with_unknown(best, (ctypes.c_int16 * 3)(*logits))
    assert found == with_unknown(best, logits, 100)
    second = sorted(logits)[-2]
    assert found == (UNKNOWN if max(logits) - second < 100 else best)


def test_the_margin_reaches_from_end_to_end(library: TagLibrary) -> None:
    for logits, found in (([32767, -32768, -32768], 0), ([99, 0, 0], UNKNOWN), ([100, 0, 0], 0)):
        assert library.c.tag_with_unknown(0, (ctypes.c_int16 * 3)(*logits)) == found


@given(logits=LOGITS)
def test_what_the_model_refused_stays_unknown(library: TagLibrary, logits: list[int]) -> None:
    assert library.c.tag_with_unknown(UNKNOWN, (ctypes.c_int16 * 3)(*logits)) == UNKNOWN
    assert with_unknown(UNKNOWN, logits, 100) == with_unknown(UNKNOWN, logits, 0) == UNKNOWN


@settings(max_examples=60)
@given(results=st.lists(CLASSES | st.none(), max_size=80))
def test_the_majority_is_that_of_the_reference(smoothing: TagLibrary, results: list) -> None:
    reference = Smoothing(smoothing.config.smoothing)
    state = ctypes.create_string_buffer(smoothing.config.smoothing + 3)
    smoothing.c.tag_smoothing_reset(state)
    for result in results:
        if result is None:
            reference.reset()
            smoothing.c.tag_smoothing_reset(state)
        else:
            assert smoothing.c.tag_smoothing_result(state, result) == reference.result(result)


@pytest.mark.parametrize(
    "results, smoothed",
    [
        ([0, 0, 1, 1, 1], [0, 0, 0, 1, 1]),
        ([0, 1, 2, 0, 1], [0, 0, 0, 0, 0]),  # all are equally frequent: the one given before stays
        ([0, 0, 0, 1, 2, 1], [0, 0, 0, 0, 0, 1]),
        ([0, 1, 1, 2, 0, 2], [0, 0, 1, 1, 1, 2]),
    ],
)
def test_ties_are_decided_as_documented(results: list[int], smoothed: list[int]) -> None:
    reference = Smoothing(3)
    assert [reference.result(each) for each in results] == smoothed


def test_the_newest_wins_a_tie_without_the_class_given_before() -> None:
    reference = Smoothing(4)
    assert [reference.result(each) for each in (0, 0, 1, 2, 3, 4)] == [0, 0, 0, 0, 0, 4]


@given(
    start=st.lists(NEAR_MAX, min_size=6, max_size=6), steps=st.lists(CLASSES | NEAR_MAX.map(str), max_size=12)
)
def test_counters_never_wrap(library: TagLibrary, start: list[int], steps: list) -> None:
    reference = Counters(3, 77)
    reference.gaps, reference.lost, *reference.results = start
    state = (ctypes.c_uint32 * 7)(77, *start)
    for step in steps:
        if isinstance(step, str):
            done = reference.gap(int(step))
            assert library.c.tag_counters_gap(state, ctypes.c_uint32(int(step))) == done
        else:
            done = reference.result(step)
            assert library.c.tag_counters_result(state, step) == done
        assert tuple(state) == reference.payload()
        assert all(after >= before for before, after in zip(start, list(state)[1:]))


@given(
    length=NEAR_MAX, steps=st.lists(st.tuples(CLASSES, WORDS) | st.none(), max_size=12), class_found=CLASSES
)
def test_bouts_are_those_of_the_reference(
    library: TagLibrary, length: int, steps: list, class_found: int
) -> None:
    reference = Bouts()
    reference.under_way = Bout(5, class_found, length) if length else None
    state, ended, why = (
        (ctypes.c_uint32 * 3)(5, class_found, length),
        (ctypes.c_uint32 * 3)(),
        ctypes.c_uint32(),
    )
    for step in steps:
        if step is None:
            bout = reference.end()
            assert bool(library.c.tag_bouts_end(state, ended)) == (bout is not None)
            expected = bout, why.value
        else:
            result = reference.result(*step)
            args = step[0], ctypes.c_uint32(step[1]), ended, ctypes.byref(why)
            assert bool(library.c.tag_bouts_result(state, *args)) == (result is not None)
            expected = result or (None, why.value)
        if expected[0] is not None:
            assert (*ended, why.value) == (*vars(expected[0]).values(), expected[1])


def test_a_bout_that_is_full_goes_on_in_the_next() -> None:
    bouts = Bouts()
    bouts.under_way = Bout(5, 1, LENGTH_MAX)
    assert bouts.result(1, 9) == (Bout(5, 1, LENGTH_MAX), FULL)
    assert bouts.result(2, 10) == (Bout(9, 1, 1), CHANGED)


STEPS = st.lists(
    st.tuples(st.just("advance"), WORDS | st.integers(0, 100_000))
    | st.tuples(st.just("set"), WORDS, FRACTIONS)
    | st.tuples(st.just("utc")),
    max_size=20,
)


class CClock(ctypes.Structure):
    _fields_ = (
        *((name, ctypes.c_uint32) for name in ("seconds", "fraction", "ticks", "offset", "part", "utc")),
        ("set", ctypes.c_uint8),
    )


@given(
    seconds=st.integers(0, 1000) | st.integers(SECONDS_MAX - 200_000, SECONDS_MAX), ticks=WORDS, steps=STEPS
)
def test_the_clock_is_that_of_the_reference_and_never_goes_back(
    library: TagLibrary, seconds: int, ticks: int, steps: list
) -> None:
    reference, state = Clock(seconds, ticks), CClock()
    library.c.tag_clock_start(ctypes.byref(state), ctypes.c_uint32(seconds), ctypes.c_uint32(ticks))
    given_before = 0
    for name, *values in steps:
        before = state.seconds, state.fraction
        if name == "advance":
            ticks = (ticks + values[0]) % (1 << 32)
            reference.advance(ticks)
            library.c.tag_clock_advance(ctypes.byref(state), ctypes.c_uint32(ticks))
            passed = (state.seconds - before[0]) * 32768 + state.fraction - before[1]
            assert passed == values[0] or state.seconds == SECONDS_MAX
        elif name == "set":
            reference.set(*values)
            library.c.tag_clock_set(ctypes.byref(state), *map(ctypes.c_uint32, values))
        else:
            utc = ctypes.c_uint32()
            trusted = library.c.tag_clock_utc(ctypes.byref(state), ctypes.byref(utc))
            assert (utc.value, bool(trusted)) == reference.utc()
            assert utc.value >= given_before
            given_before = utc.value
        assert (state.seconds, state.fraction) == (reference.seconds, reference.fraction)
        assert state.seconds >= before[0]


def test_a_time_that_is_set_back_stands_still_until_it_is_reached() -> None:
    clock = Clock(100, 0)
    assert clock.utc() == (0, False)
    clock.set(5000, 0)
    assert clock.utc() == (5000, True)
    clock.set(4990, 0)
    assert clock.utc() == (5000, False) and clock.seconds == 100
    clock.advance(32768 * 9)
    assert clock.utc() == (5000, False)
    clock.advance(32768 * 12)
    assert clock.utc() == (5002, True)


class CRate(ctypes.Structure):
    _fields_ = (
        ("samples", ctypes.c_uint32),
        ("begin", ctypes.c_uint32 * 2),
        ("end", ctypes.c_uint32 * 2),
        ("running", ctypes.c_uint8),
    )


READINGS = st.tuples(WORDS | st.integers(0, 99), NEAR_MAX | st.integers(0, 90))


@given(steps=st.lists(READINGS | st.booleans(), max_size=20))
def test_the_rate_is_that_of_the_reference(library: TagLibrary, steps: list) -> None:
    clock, state, rate, c_rate, ticks = Clock(3, 0), CClock(), Rate(), CRate(), 0
    library.c.tag_clock_start(ctypes.byref(state), 3, 0)
    library.c.tag_rate_reset(ctypes.byref(c_rate))
    for step in steps:
        if isinstance(step, tuple):
            ticks = (ticks + step[0]) % (1 << 32)
            clock.advance(ticks)
            library.c.tag_clock_advance(ctypes.byref(state), ctypes.c_uint32(ticks))
            rate.samples(clock, step[1])
            library.c.tag_rate_samples(ctypes.byref(c_rate), ctypes.byref(state), ctypes.c_uint32(step[1]))
        elif step:
            rate.reset()
            library.c.tag_rate_reset(ctypes.byref(c_rate))
        else:
            samples, took = ctypes.c_uint32(), (ctypes.c_uint32 * 2)()
            any_there = library.c.tag_rate_take(ctypes.byref(c_rate), ctypes.byref(samples), took)
            taken = rate.take()
            assert bool(any_there) == (taken is not None)
            assert taken is None or taken == (samples.value, *took)


OPERATIONS = st.lists(
    st.tuples(st.just("result"), st.integers(0, 2), LOGITS, st.integers(0, 40))
    | st.tuples(st.just("gap"), WORDS | st.integers(0, 9))
    | st.tuples(st.just("samples"), st.integers(0, 1000))
    | st.tuples(st.just("event"), st.integers(1, 8), WORDS)
    | st.tuples(st.just("time"), WORDS, FRACTIONS, st.integers(1, 2))
    | st.tuples(st.just("read"), WORDS)
    | st.tuples(st.just("pass"), WORDS | st.integers(0, 3_000_000))
    | st.tuples(st.just("reset"), WORDS)
    | st.tuples(st.just("stop"))
    | st.tuples(st.just("tick")),
    max_size=60,
)


def drive(library: TagLibrary, operations: list) -> tuple[Tag, ModelledFlash]:
    """Do the same with the tag's C and its reference; return the reference and its flash."""
    library.blank()
    library.c.power_on(1)
    flash, counter = ModelledFlash(RULES, CONFIG.log_pages), [0]
    start = partial(Tag, CONFIG, flash, lambda: counter[0], firmware=0x12345678, model=0x9ABCDEF0)
    tag = start(reset_cause=1)
    for name, *values in operations:
        words = [ctypes.c_uint32(value) for value in values if isinstance(value, int)]
        if name == "result":
            for _ in range(values[2]):
                counter[0] = (counter[0] + 41_943) % (1 << 32)
                library.set(ticks_now=counter[0])
                tag.on_result(values[0], values[1])
                library.result(values[0], values[1])
        elif name == "pass":
            counter[0] = (counter[0] + values[0]) % (1 << 32)
            library.set(ticks_now=counter[0])
        elif name == "reset":
            library.c.power_on(words[0])
            tag = start(reset_cause=values[0])
        elif name in ("time", "read"):
            getattr(tag, f"set_{name}")(*values)
            getattr(library.c, f"tag_set_{name}")(*words)
        elif name == "stop":
            tag.stop()
            library.c.tag_stop()
        else:
            getattr(tag, f"on_{name}")(*values)
            getattr(library.c, f"tag_on_{name}")(*words)
    assert library.words.tolist() == flash.words
    assert library.erases.tolist() == flash.erases
    return tag, flash


@settings(max_examples=150)
@given(operations=OPERATIONS)
def test_the_tag_writes_the_words_of_the_reference(library: TagLibrary, operations: list) -> None:
    tag, flash = drive(library, operations)
    if tag.log.page_number:
        assert not read_log(flash.dump(), page_bytes=512).damage


def test_nothing_is_smoothed_or_timed_across_a_gap(library: TagLibrary) -> None:
    sure, second = {0: [500, 0, 0], 1: [0, 500, 0]}, ("pass", 32768)
    read = [("samples", 50), second]
    _, flash = drive(
        library,
        [
            *read * 3, ("result", 0, sure[0], 5), ("gap", 9), ("result", 1, sure[1], 2),
            *read * 4, ("pass", 32768 * 60), ("tick",), ("stop",),
        ],
    )  # fmt: skip
    records = [each.record for each in read_log(flash.dump(), page_bytes=512).records]
    bouts = [(each.payload[1], each.payload[2]) for each in records if each.kind == BOUT]
    # The first result after the gap is of class 1 at once, not the majority with those before.
    assert bouts == [(0 | 1 << 8, 5), (1 | 3 << 8, 2)]
    # Four times 50 samples were read since, the first of which began the stretch.
    assert [each.payload for each in records if each.kind == RATE] == [(150, 3, 0)]


@pytest.mark.parametrize("pages", [4, 16])
def test_a_day_is_the_reference_to_the_last_word(pages: int, tmp_path: Path) -> None:
    """67,500 results (24 hours at 50 Hz, a hop of 64) of a simulated animal, with gaps and set times."""
    config = TagConfig(classes=4, log_pages=pages, smoothing=5, unknown_margin=40)
    library = TagLibrary(config, tmp_path)
    library.c.power_on(7)
    flash, counter = ModelledFlash(NRF52840, pages), [0]
    tag = Tag(config, flash, lambda: counter[0] % (1 << 32), 7, 0x12345678, 0x9ABCDEF0)
    rng = np.random.default_rng(3)
    classes = np.repeat(rng.integers(0, 4, 67_500), rng.geometric(1 / 40, 67_500))[:67_500].astype(np.uint8)
    logits = rng.integers(-300, 30, (67_500, 4)).astype(np.int16)
    logits[np.arange(67_500), classes] = rng.integers(30, 300, 67_500)
    for hour in range(24):
        part = slice(hour * 67_500 // 24, (hour + 1) * 67_500 // 24)
        library.run_results(classes[part], logits[part], 41_943)
        for class_found, values in zip(classes[part].tolist(), logits[part].tolist()):
            counter[0] += 41_943
            tag.on_result(class_found, values)
        if hour % 6 == 2:
            tag.on_gap(hour)
            tag.set_time(1_800_000_000 + 3600 * hour, hour, 1)
            library.c.tag_on_gap(hour)
            library.c.tag_set_time(1_800_000_000 + 3600 * hour, hour, 1)
    assert library.words.tobytes() == flash.dump()
    log = read_log(flash.dump())
    assert not log.damage
    counted = np.zeros(5, int)
    for each in log.records:
        if each.record.kind == PERIOD:
            counted += each.record.payload[3:]
    if pages == 16:
        assert counted.sum() + sum(tag.counters.results) == 67_500


def test_a_week_of_one_class_is_counted_to_the_last_result() -> None:
    """A published tag counted windows in a byte, which 256 of one class overflow."""
    flash, now = ModelledFlash(RULES, 4), 0
    tag = Tag(replace(CONFIG, period_s=10**9), flash, lambda: now)
    results = 7 * 67_500
    for _ in range(results):
        now += 41_943
        tag.clock.advance(now)
        tag.counters.result(1)
    tag.stop()
    records = [each.record for each in read_log(flash.dump(), page_bytes=512).records]
    assert [record.kind for record in records] == [BOOT, PERIOD]
    assert records[1].payload == (0, 0, 0, 0, results, 0, 0)


def test_an_hour_is_logged_as_documented() -> None:
    """Two behaviours, a gap and a time: the records by hand."""
    flash, now = ModelledFlash(FlashRules("a chip", 4096, 10), 2), 0
    config = TagConfig(classes=2, log_pages=2, period_s=100, unknown_margin=10)
    tag = Tag(config, flash, lambda: now, reset_cause=4, firmware=0xAA, model=0xBB)
    results = [(0, (50, 0))] * 5 + [(1, (0, 50))] * 3 + [(1, (0, 5))] * 2
    for second, (class_found, logits) in enumerate(results, 1):
        now = second * 32768
        tag.on_samples(50)
        tag.on_result(class_found, logits)
    now += 16384
    tag.set_time(1_800_000_000, 8192, 2)
    now += 32768 * 2
    tag.on_gap(100)
    now += 32768 * 90
    tag.on_tick()
    found = [each.record for each in read_log(flash.dump()).records]
    assert [(r.kind, r.trusted, r.sequence, r.seconds, r.payload) for r in found] == [
        (BOOT, False, 0, 6, (1, 4, 0, 0xAA, 0xBB, 1_280_000, 100)),
        (BOUT, False, 1, 6, (1, 0 | CHANGED << 8, 5)),
        (BOUT, False, 2, 9, (6, 1 | CHANGED << 8, 3)),
        (TIME, True, 3, 10, (1_800_000_000, 8192, 16384, 2)),
        (BOUT, True, 4, 12, (9, 2 | 1 << 8, 2)),
        (PERIOD, True, 5, 102, (0, 1, 100, 5, 3, 2)),
    ]
    assert RATE not in [record.kind for record in found]  # the gap ended the stretch
