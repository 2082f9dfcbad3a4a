"""The supply fails at every flash operation of a day's log: no committed record is lost, and none appears.

A day of 67,500 results (24 hours at 50 Hz, a hop of 64) of a simulated animal, with gaps, times set and
events, is logged by the tag's C into a modelled flash, whose operations are recorded. Then the supply fails
once in each of them, with a word half programmed, a page half erased and anything in RAM, and the tag
starts again.
"""

from dataclasses import dataclass

import numpy as np
import pytest
from builders.tag_library import TagLibrary

from mcukd.tag.flash import CC2650, NRF52840, FlashRules
from mcukd.tag.log import read_log
from mcukd.tag.operation import TagConfig
from mcukd.tag.records import BLANK, BOOT, COMMITTED, EVENT, PAGE, WHOLE, look

RESULTS = 67_500
TICKS = 32768 * 64 // 50
#: Pages of the ring: so few that a day goes round it.
RINGS = {"CC2650": (CC2650, 4), "nRF52840": (NRF52840, 5)}


@dataclass(frozen=True)
class Operation:
    """A word that is programmed, or a page that is erased."""

    at: int
    value: int
    erase: bool


class Day:
    """A day's operations, and the flash as it was before each."""

    def __init__(self, rules: FlashRules, pages: int, library: TagLibrary) -> None:
        self.rules, self.library, self.size = rules, library, rules.page_words
        library.set(
            writes_per_word=rules.writes_per_word or BLANK, writes_per_row=rules.writes_per_row or BLANK
        )
        library.blank()
        library.c.seed(1)
        library.c.power_on(1)
        rng = np.random.default_rng(7)
        lengths = rng.geometric(1 / 60, RESULTS)
        classes = np.repeat(rng.integers(0, 4, RESULTS), lengths)[:RESULTS].astype(np.uint8)
        logits = rng.integers(-4000, 0, (RESULTS, 4)).astype(np.int16)
        logits[np.arange(RESULTS), classes] = 300
        for hour in range(24):
            part = slice(hour * RESULTS // 24, (hour + 1) * RESULTS // 24)
            library.run_results(classes[part], logits[part], TICKS)
            if hour % 5 == 1:
                library.c.tag_on_gap(17)
                library.c.tag_on_event(5, 17)
                library.c.tag_set_time(1_790_000_000 + 3600 * hour, 100, 1)
        count = library.get("journal_count")
        rows = library.journal[:count].reshape(-1, 3).tolist()
        self.operations = [Operation(at, value, bool(erase)) for at, value, erase in rows]
        self.final = library.words.copy()
        assert not library.get("rules_broken")


@pytest.fixture(scope="module", params=list(RINGS))
def day(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Day:
    rules, pages = RINGS[request.param]
    config = TagConfig(classes=4, log_pages=pages, page_words=rules.page_words, smoothing=1, unknown_margin=0)
    return Day(rules, pages, TagLibrary(config, tmp_path_factory.mktemp("tag")))


class Replay:
    """Goes through a day operation by operation, with the records that are committed before each."""

    def __init__(self, day: Day) -> None:
        self.day = day
        self.words = np.full(len(day.final), BLANK, np.uint32)
        self.writes = np.zeros_like(self.words)
        self.committed: list[tuple[int, tuple[int, ...]]] = []  # page, record as the tag's reader tells it
        self._start = 0

    def step(self, operation: Operation) -> None:
        """Carry out an operation undisturbed."""
        size = self.day.size
        if operation.erase:
            page = slice(operation.at * size, (operation.at + 1) * size)
            self.words[page], self.writes[page] = BLANK, 0
            self.committed = [each for each in self.committed if each[0] != operation.at]
            self._start = operation.at * size
            return
        self.words[operation.at] &= operation.value
        self.writes[operation.at] += 1
        if operation.value == COMMITTED:
            page = operation.at // size
            state, behind, record = look(self.words.tolist(), self._start, (page + 1) * size)
            # A payload may hold the commit word's value: a record ends where its header says.
            if state == WHOLE and behind == operation.at + 1:
                if record.kind != PAGE:
                    facts = record.kind, int(record.trusted), record.sequence, record.seconds, *record.payload
                    self.committed.append((page, facts))
                self._start = behind


def start_after_cut(day: Day, replay: Replay, operation: Operation, number: int) -> list[tuple[int, ...]]:
    """Do half of an operation in the library's flash, start the tag with anything in RAM, return its records.

    number: of the cut, which decides what the interrupted operation leaves: some, none or all of its bits;
    of a page anything, some bits, nothing or a page that reads as blank. Three of four leave bits that read
    differently every time.
    """
    library = day.library
    library.words[:], library.writes[:], library.weak[:] = replay.words, replay.writes, 0
    library.c.seed(number)
    bits = np.random.default_rng(number).integers(0, 1 << 32, 2).tolist()
    torn = (bits[0], bits[0] & bits[1], bits[0] | bits[1], BLANK, 0)[number % 5]
    library.set(without_power=0, rules_broken=0, operations=0, cut_at=1, torn_bits=torn, torn_page=number % 4)
    library.set(torn_weak=number // 4 % 4)
    if operation.erase:
        library.c.tag_flash_erase(operation.at)
    else:
        library.c.tag_flash_program(operation.at, operation.value)
    library.c.power_on(number)
    return library.records()


def check_kept(replay: Replay, found: list[tuple[int, ...]], erased: int | None) -> None:
    """Every record committed is there, in order, and nothing else but the one that was being written.

    erased: the page whose erase was interrupted, which held the oldest records: any of them may be there.
    """
    kept = [record for page, record in replay.committed if page != erased]
    old = [record for page, record in replay.committed if page == erased]
    if kept and found and found[-1][2] == kept[-1][2] + 1:
        found = found[:-1]  # all but the last bits of its last word were written
    older = len(found) - len(kept)
    assert found[older:] == kept
    assert not [record for record in found[:older] if record not in old]


def log_four(library: TagLibrary) -> None:
    """Let five seconds pass and log three events, before which the tag logs its start."""
    library.set(ticks_now=library.get("ticks_now") + 32768 * 5)
    for detail in range(3):
        library.c.tag_on_event(8, detail)


def check_goes_on(replay: Replay, after: list[tuple[int, ...]]) -> None:
    """A start and three events follow without a hole; only the oldest page was erased; no time goes back."""
    new, last = after[-4:], replay.committed[-1][1][2] if replay.committed else -1
    first = new[0][2]
    assert first in (last + 1, last + 2)
    assert [row[0] for row in new] == [BOOT, EVENT, EVENT, EVENT]
    assert [row[2] for row in new] == [first, first + 1, first + 2, first + 3]
    assert [row[5] for row in new[1:]] == [0, 1, 2]
    there = set(after)
    erased = {page for page, record in replay.committed if record not in there}
    assert erased <= {replay.committed[0][0]} if replay.committed else not erased
    seconds, numbers = [row[3] for row in after], [row[2] for row in after]
    assert seconds == sorted(seconds) and numbers == sorted(set(numbers))


def test_every_cut_of_a_day_loses_nothing(day: Day) -> None:
    library, replay = day.library, Replay(day)
    for number, operation in enumerate(day.operations):
        found = start_after_cut(day, replay, operation, number)
        check_kept(replay, found, operation.at if operation.erase else None)
        log_four(library)
        after = library.records()
        check_goes_on(replay, after)
        # What reads differently every time does not change what counts, at this start or a later one.
        for reset in range(3):
            library.c.power_on(reset)
            again = library.records()
            if again != after:  # the same records were checked above
                check_goes_on(replay, again)
            assert again[-4:] == after[-4:]
        assert not library.get("rules_broken")
        if number % 211 == 0:
            newest = read_log(library.words.tobytes()).records[-4:]
            assert [each.record.sequence for each in newest] == [row[2] for row in after[-4:]]
        replay.step(operation)
    assert np.array_equal(replay.words, day.final)
    erases = sum(operation.erase for operation in day.operations)
    assert len(day.operations) > 7000 and erases > library.config.log_pages + 1
    print(f"\n{day.rules.chip}: {len(day.operations):,} cuts, {erases} of them in erases")


def test_every_second_cut_after_a_cut_loses_nothing(day: Day) -> None:
    library, replay = day.library, Replay(day)
    cuts = 0
    for number, operation in enumerate(day.operations):
        # Some operations of every kind: those around an erase, and one in 200.
        near = any(each.erase for each in day.operations[max(0, number - 12) : number + 1])
        if near or number % 200 == 0:
            second = 1
            while True:
                start_after_cut(day, replay, operation, number)
                library.set(operations=0, cut_at=second, torn_page=second % 4)
                log_four(library)
                if not library.get("without_power"):
                    break
                cuts += 1
                library.c.power_on(2)
                there = set(library.records())
                lost = {page for page, record in replay.committed if record not in there}
                assert lost <= {replay.committed[0][0]} if replay.committed else not lost
                log_four(library)
                check_goes_on_after_two(replay, library.records())
                assert not library.get("rules_broken")
                second += 1
        replay.step(operation)
    print(f"\n{day.rules.chip}: {cuts:,} second cuts")


def check_goes_on_after_two(replay: Replay, after: list[tuple[int, ...]]) -> None:
    """As `check_goes_on`, where the first start may have logged up to three records more."""
    numbers = [row[2] for row in after[-4:]]
    last = replay.committed[-1][1][2] if replay.committed else -1
    assert numbers == list(range(numbers[0], numbers[0] + 4)) and last < numbers[0] <= last + 7
    assert [row[0] for row in after[-4:]] == [BOOT, EVENT, EVENT, EVENT]
    sequence = [row[2] for row in after]
    assert sequence == sorted(set(sequence))
