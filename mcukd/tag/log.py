"""Reader of a flash dump: the records of a log, and what is damaged in plain sentences.

The dump may be of the log's pages alone or of a chip's whole flash: pages without the header of a log are
passed over. Of two records with one sequence number the later one counts: the earlier was interrupted at
its last word, so the tag may not have seen it at its next start.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from mcukd.errors import UserError
from mcukd.tag.records import (
    BLANK,
    BOOT,
    COMMITTED,
    NOTHING,
    PAGE,
    WHOLE,
    Record,
    crc32,
    field,
    look,
    look_page,
    words_of,
)

PAGE_BYTES = 4096


@dataclass(frozen=True)
class Found:
    """A record and where it lies. page: of the dump. word: of its page. boot: number of the tag's start."""

    record: Record
    page: int
    word: int
    boot: int


@dataclass(frozen=True)
class LogPage:
    """A page of the ring.

    page: of the dump. number: pages opened up to it. erases: of this page. free_bytes: at its end.
    """

    page: int
    number: int
    erases: int
    free_bytes: int


@dataclass(frozen=True)
class Log:
    """What a dump holds. records: oldest first. pages: by number. classes: of the model that was counted.

    damage: one sentence for each thing that is not as the tag would have written it undisturbed.
    """

    records: tuple[Found, ...]
    pages: tuple[LogPage, ...]
    classes: int
    damage: tuple[str, ...]


def read_log(dump: bytes, name: str = "the dump", page_bytes: int = PAGE_BYTES) -> Log:
    """Read a flash dump. name: of its file, for the error.

    Raises UserError where no page of a log is in it.
    """
    words = words_of(dump).tolist()
    size = page_bytes // 4
    headers: dict[int, tuple[int, Record]] = {}
    for page in range(len(words) // size):
        counts, behind, header = look_page(words, page * size, (page + 1) * size)
        if counts:
            headers[page] = behind, header
    if not headers:
        raise UserError(
            f"{name}: none of its {len(words) // size} pages of {page_bytes:,} bytes begins with the "
            "header of a log; a dump of the log's pages or of the whole flash is expected, from the address "
            "of a page on."
        )
    damage = _damaged_pages(words, size, headers)
    found: list[Found] = []
    pages: list[LogPage] = []
    for page, (behind, header) in sorted(headers.items(), key=lambda item: item[1][1].sequence):
        boot = found[-1].boot if found else field(header, "boots")
        records, free, damaged = _read_page(words, behind, (page + 1) * size)
        for at, record in records:
            boot = record.payload[0] if record.kind == BOOT else boot
            found.append(Found(record, page, at - page * size, boot))
        damage += [f"page {page}, word {at - page * size}: {sentence}" for at, sentence in damaged]
        pages.append(LogPage(page, header.sequence, field(header, "erases"), 4 * free))
    classes = field(max((header for _, header in headers.values()), key=lambda each: each.sequence), "format")
    kept, sentences = _in_sequence(found)
    return Log(tuple(kept), tuple(pages), classes >> 8, (*damage, *sentences))


def _damaged_pages(words: Sequence[int], size: int, headers: dict[int, tuple[int, Record]]) -> list[str]:
    """Tell of pages within the ring that hold something, but no header that counts."""
    return [
        f"page {page} (byte {4 * page * size:#x} of the dump) has no header that counts: the supply failed "
        "while it was erased or its header was written; its old records were due to be overwritten."
        for page in range(min(headers), max(headers) + 1)
        if page not in headers and any(word != BLANK for word in words[page * size : (page + 1) * size])
    ]


def _read_page(
    words: Sequence[int], at: int, end: int
) -> tuple[list[tuple[int, Record]], int, list[tuple[int, str]]]:
    """Return the records of a page with their words, its blank words, and what is damaged where."""
    records: list[tuple[int, Record]] = []
    damage: list[tuple[int, str]] = []
    blank = end
    while blank > at and words[blank - 1] == BLANK:
        blank -= 1
    damaged_from = None
    while at < blank:
        state, behind, record = look(words, at, end)
        if state == WHOLE and record.kind != PAGE:
            records.append((at, record))
            at, damaged_from = behind, None
            continue
        if damaged_from is None and words[at] != BLANK:
            damaged_from = at
            damage.append((at, _what_is_wrong(words, at, end)))
        at += 1
    return records, end - blank, damage


def _what_is_wrong(words: Sequence[int], at: int, end: int) -> str:
    state, behind, _ = look(words, at, end)
    if state == NOTHING:
        return "words that are no record: the supply failed while a header was written, or they are damaged."
    if behind <= end and words[behind - 1] == COMMITTED:
        expected = crc32(words[at : behind - 2])
        return (
            f"a record is committed, but its CRC-32 is {words[behind - 2]:#010x} where {expected:#010x} is "
            "expected: it is damaged and left out."
        )
    return "a record was begun and not committed: the supply failed while it was written."


def _in_sequence(found: Sequence[Found]) -> tuple[list[Found], list[str]]:
    """Return the records that count, and sentences about numbers that are missing or occur twice."""
    kept: list[Found] = []
    damage: list[str] = []
    for this, later in zip(found, [*found[1:], None]):
        number = this.record.sequence
        if later is not None and later.record.sequence <= number:
            damage.append(
                f"page {this.page}, word {this.word}: sequence {number} occurs again later; the supply "
                "failed at the end of this one, so it is left out."
            )
            continue
        kept.append(this)
    for before, this in _pairs(kept):
        missing = this.record.sequence - before.record.sequence - 1
        if missing:
            first = before.record.sequence + 1
            which = f"{first} is" if missing == 1 else f"{first} to {first + missing - 1} are"
            damage.append(f"sequence {which} missing before page {this.page}, word {this.word}.")
    return kept, damage


def _pairs(found: Sequence[Found]) -> Iterator[tuple[Found, Found]]:
    return zip(found, found[1:])
