"""The tag's log: C against its Python reference word by word, and the reader of dumps."""

import random

import pytest
from builders.tag_library import STATE, TagLibrary
from hypothesis import given, settings
from hypothesis import strategies as st

from mcukd.errors import UserError
from mcukd.tag.flash import CC2650, NRF52840, FlashRuleBroken, FlashRules, ModelledFlash, PowerCut
from mcukd.tag.log import read_log
from mcukd.tag.log_writer import LogWriter
from mcukd.tag.operation import TagConfig
from mcukd.tag.records import BLANK, BOOT, EVENT, PAYLOAD_MAX, READ, Record, encode, header, look

CONFIG = TagConfig(classes=4, log_pages=3, page_words=128)
#: Small pages, so that a few records go round the ring. What is cut at one word again and again is written
#: again and again; test_power_cuts.py has the chips' limits.
RULES = FlashRules("a chip", 512, 10_000)
WORDS = st.integers(0, BLANK)
RECORDS = st.tuples(
    st.sampled_from([BOOT, 3, 4, EVENT, READ]),
    st.booleans(),
    WORDS,
    st.lists(WORDS, min_size=1, max_size=PAYLOAD_MAX),
)
#: The operations after which the supply fails, and the bits that the last one leaves.
CUTS = st.tuples(st.integers(1, 150), st.sampled_from([0, BLANK, 0x0F0F0F0F, 1, 0x80000000]) | WORDS)


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> TagLibrary:
    return TagLibrary(CONFIG, tmp_path_factory.mktemp("tag"))


def new_log(flash: ModelledFlash) -> LogWriter:
    return LogWriter(flash, CONFIG.log_pages, CONFIG.page_words, CONFIG.classes)


@settings(max_examples=150)
@given(lives=st.lists(st.tuples(st.lists(RECORDS, max_size=12), CUTS), min_size=1, max_size=6))
def test_c_programs_the_same_words_as_the_reference_whatever_is_cut(library: TagLibrary, lives: list) -> None:
    flash = ModelledFlash(RULES, CONFIG.log_pages)
    flash.torn_page = lambda before: before  # an erase that had no effect yet
    library.blank()
    library.set(torn_page=2)
    for records, (cut, bits) in lives:
        flash.cut_at, flash.torn_bits = flash.operations + cut, bits
        library.set(operations=flash.operations, cut_at=flash.cut_at, torn_bits=bits, without_power=0)
        log = new_log(flash)
        library.c.log_open()
        assert library.log_state() == {name: getattr(log, name) for name in STATE}
        try:
            for kind, trusted, seconds, payload in records:
                done = log.append(kind, trusted, seconds, payload)
                assert library.append(kind, trusted, seconds, payload) == done
                assert library.log_state() == {name: getattr(log, name) for name in STATE}
        except PowerCut:
            library.append(kind, trusted, seconds, payload)
        assert library.words.tolist() == flash.words
    assert library.erases.tolist() == flash.erases


@settings(max_examples=100)
@given(records=st.lists(RECORDS, max_size=40))
def test_the_reader_finds_what_was_appended(library: TagLibrary, records: list) -> None:
    library.blank()
    library.c.log_open()
    for number, (kind, trusted, seconds, payload) in enumerate(records):
        assert library.append(kind, trusted, seconds, payload), number
    if not records:
        return
    log = read_log(library.words.tobytes(), page_bytes=512)
    assert not log.damage and log.classes == 4
    found = [each.record for each in log.records]
    expected = [Record(k, t, n, s, tuple(p)) for n, (k, t, s, p) in enumerate(records)]
    assert found == expected[len(expected) - len(found) :]
    as_tuples = [(r.kind, int(r.trusted), r.sequence, r.seconds, *r.payload) for r in found]
    assert library.records() == as_tuples
    # Two of three pages are always kept.
    kept = sum(record.length for record in found)
    assert len(found) == len(expected) or kept > CONFIG.page_words - PAYLOAD_MAX - 20


def test_erases_are_counted_over_the_ring(library: TagLibrary) -> None:
    library.blank()
    library.c.log_open()
    for number in range(200):
        library.append(EVENT, False, number, [number] * 20)
        library.c.log_open()
    assert library.log_state()["erases"] == library.erases[library.log_state()["page"]]
    log = read_log(library.words.tobytes(), page_bytes=512)
    assert [page.erases for page in sorted(log.pages, key=lambda p: p.page)] == library.erases.tolist()
    assert max(library.erases) - min(library.erases) <= 1


def test_a_header_that_is_lost_keeps_the_count(library: TagLibrary) -> None:
    library.blank()
    library.c.log_open()
    number = 0
    while library.log_state()["page_number"] < 8:
        library.append(EVENT, False, number, [number] * 20)
        number += 1
    following = (library.log_state()["page"] + 1) % CONFIG.log_pages
    before = library.erases[following]
    library.words[following * 128] = 0
    while library.log_state()["page_number"] < 9:
        library.append(EVENT, False, number, [number] * 20)
        number += 1
    assert library.log_state()["erases"] == library.erases[following] == before + 1


@pytest.mark.parametrize("word", [140, 200, 256, 258])
def test_flash_that_does_not_take_a_word_loses_no_record(library: TagLibrary, word: int) -> None:
    library.blank()
    library.set(stuck_word=word, stuck_bits=0x00010000)
    library.c.log_open()
    for number in range(14):
        assert library.append(EVENT, False, number, [0] * 12)
    assert library.log_state()["failures"] >= 1
    # Where the third page takes no header, the first one is used again.
    assert [row[2] for row in library.records()] == list(range(6 if word >= 256 else 0, 14))


def test_flash_that_takes_nothing_ends_in_a_refusal(library: TagLibrary) -> None:
    library.blank()
    library.set(without_power=1)
    library.c.log_open()
    assert not library.append(EVENT, False, 0, [1])
    assert library.log_state()["failures"] == 3


def test_headers_tell_every_interruption() -> None:
    words = header(EVENT, True, 5), header(BOOT, False, 63), header(READ, True, 0)
    rng = random.Random(1)
    for whole in words:
        assert look([whole], 0, 1)[0] == 1
        for _ in range(2000):
            torn = whole | rng.getrandbits(32) & rng.getrandbits(32)
            assert (look([torn], 0, 1)[0] != 0) == (torn == whole)


def test_a_damaged_record_is_left_out_by_the_tag(library: TagLibrary) -> None:
    library.blank()
    library.c.log_open()
    for number in range(5):
        library.append(EVENT, False, number, [number, 77])
    library.words[10 + 2 * 7 + 4] ^= 0x100
    assert [row[2] for row in library.records()] == [0, 1, 3, 4]


def test_damage_is_told_in_sentences() -> None:
    flash = ModelledFlash(CC2650, 3)
    log = LogWriter(flash, 3, CC2650.page_words, 2)
    for number in range(300):
        log.append(EVENT, False, number, [number, 0])
    flash.words[10 + 7 * 3 + 3] = 0  # the payload of the fourth record of page 0
    flash.words[1024 + 10 + 7 * 2 + 6] = BLANK  # the commit word of the third record of page 1
    flash.words[1024 + 10 + 7 * 5] = 0x1234  # a header
    log = read_log(flash.dump())
    assert [page.number for page in log.pages] == [1, 2, 3]
    assert len(log.records) == 297
    assert log.damage[0].startswith("page 0, word 31: a record is committed, but its CRC-32 is 0x")
    assert log.damage[1] == (
        "page 1, word 24: a record was begun and not committed: the supply failed while it was written."
    )
    assert log.damage[2].startswith("page 1, word 45: words that are no record")
    assert log.damage[3] == "sequence 3 is missing before page 0, word 38."


def test_a_page_without_header_within_the_ring_is_told() -> None:
    flash = ModelledFlash(NRF52840, 4)
    log = LogWriter(flash, 4, NRF52840.page_words, 2)
    for number in range(500):
        log.append(EVENT, False, number, [number, 0])
    flash.words[1024] = 0
    log = read_log(flash.dump())
    assert log.damage[0].startswith("page 1 (byte 0x1000 of the dump) has no header that counts")
    assert log.damage[1].startswith("sequence 144 to 287 are missing")


def test_a_whole_flash_with_a_program_is_read() -> None:
    flash = ModelledFlash(CC2650, 3)
    log = LogWriter(flash, 3, CC2650.page_words, 2)
    log.append(EVENT, False, 5, [1, 2])
    program = random.Random(0).getrandbits(8 * 4096 * 5).to_bytes(4096 * 5, "little")
    found = read_log(program + flash.dump())
    assert [each.record.payload for each in found.records] == [(1, 2)] and not found.damage
    assert found.pages[0].page == 5


@pytest.mark.parametrize("content", [b"", b"\xff" * 8192, bytes(8192), b"abc"])
def test_a_dump_without_a_log_is_refused(content: bytes) -> None:
    with pytest.raises(UserError, match=r"tag.bin: none of its \d pages"):
        read_log(content, "tag.bin")


def test_a_record_that_occurs_again_is_left_out() -> None:
    flash = ModelledFlash(CC2650, 2)
    log = LogWriter(flash, 2, CC2650.page_words, 2)
    for number in range(3):
        log.append(EVENT, False, number, [number, 0])
    # The second's commit word was not seen at the next start, so its number was given again.
    for word, value in enumerate(encode(Record(EVENT, False, 2, 9, (7, 7))), log.next_word + 1):
        flash.words[word] = value
    found = read_log(flash.dump())
    assert [each.record.payload for each in found.records] == [(0, 0), (1, 0), (7, 7)]
    assert "sequence 2 occurs again later" in found.damage[0]


def test_the_modelled_flash_refuses_what_the_chips_forbid() -> None:
    flash = ModelledFlash(NRF52840, 1)
    flash.program(3, 0xFFFF0000)
    flash.program(3, 0xFF000000)
    with pytest.raises(FlashRuleBroken, match="word 3 is written 3 times .* nRF52840 allows 2"):
        flash.program(3, 0)
    flash = ModelledFlash(CC2650, 1)
    for _ in range(83):
        flash.program(3, 0)
    with pytest.raises(FlashRuleBroken, match="the row of word 4 is written 84 times"):
        flash.program(4, 0)
    flash.erase(0)
    flash.program(4, 0)
    with pytest.raises(FlashRuleBroken, match="page 0 is erased more than the 1 times"):
        worn = ModelledFlash(FlashRules("x", 4096, 1), 1)
        worn.erase(0)
        worn.erase(0)
