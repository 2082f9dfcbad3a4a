"""Reference of the log on the tag (`tag_log.c`): the same words are programmed in the same order.

Pages form a ring. A page is erased only when the newest one is full, and counts once its own header is
committed. A word is programmed once, in rising order within a page, the commit word last. After a reset
everything is found in flash: nothing is expected of the RAM.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from mcukd.tag.records import (
    BEGUN,
    BLANK,
    BOOT,
    FORMAT,
    OVERHEAD,
    PAGE,
    READ,
    WHOLE,
    Record,
    encode,
    field,
    look,
    look_page,
)

#: Pages that one append tries to open.
_PAGES_TRIED = 3


class Flash(Protocol):
    """The seam `tag_port.h`; `mcukd.tag.flash.ModelledFlash` is one."""

    words: list[int]

    def program(self, word: int, value: int) -> None:
        """Clear bits of a word."""

    def erase(self, page: int) -> None:
        """Set all bits of a page."""


class LogWriter:
    """The log of a tag. Its attributes are those of `tag_log`.

    pages, page_words: the ring. classes: of the model; logs of another number are begun anew. first_page:
    of the ring in the flash. form: format of the pages, that of the log's.
    """

    def __init__(
        self,
        flash: Flash,
        pages: int,
        page_words: int,
        classes: int,
        first_page: int = 0,
        form: int = FORMAT,
    ) -> None:
        self._flash, self._pages, self._page_words = flash, pages, page_words
        self._first, self._format = first_page, form | classes << 8
        self.page, self.page_number, self.next_word = pages - 1, 0, 0
        self.next_sequence = self.seconds = self.erases = self.boots = self.read_sequence = self.failures = 0
        self._open()

    def append(self, kind: int, trusted: bool, seconds: int, payload: Sequence[int]) -> bool:
        """Append a record of up to 63 words; return whether it is committed, False where no page takes it."""
        pages_left = _PAGES_TRIED
        need = OVERHEAD + len(payload)
        while True:
            if self.next_word + need > self._page_words or self.page_number == 0:
                if pages_left == 0:
                    return False
                pages_left -= 1
                if not self._open_page(seconds):
                    continue
            at = self._start(self.page) + self.next_word
            self.next_word += need
            if self._write(at, Record(kind, trusted, self.next_sequence, seconds, tuple(payload))):
                break
        self.next_sequence += 1
        self.seconds = seconds
        if kind == BOOT:
            self.boots = payload[0]
        elif kind == READ:
            self.read_sequence = payload[0]
        return True

    def _start(self, page: int) -> int:
        """Return the first word of a page of the ring."""
        return (self._first + page) * self._page_words

    def _open(self) -> None:
        """Find the newest page, the next free word and the next sequence number."""
        words, free = self._flash.words, 0
        for page in range(self._pages):
            end = self._start(page + 1)
            counts, behind, header = self._look_page(page)
            # A header alone may have been interrupted at its commit word: such a page is erased again.
            if counts and header.sequence > self.page_number and self._blank_from(behind, end) > behind:
                self.page, self.page_number, self.seconds = page, header.sequence, header.seconds
                self.next_sequence = field(header, "first_sequence")
                self.read_sequence = field(header, "read_sequence")
                self.boots, self.erases = field(header, "boots"), field(header, "erases")
                free = behind
        if self.page_number == 0:
            return
        end = self._start(self.page + 1)
        self.next_word = self._find_free(free, end) - (end - self._page_words)
        while free < end:
            state, behind, record = look(words, free, end)
            if state != WHOLE or record.kind == PAGE:
                free += 1
                continue
            free = behind
            self.next_sequence, self.seconds = (record.sequence + 1) & BLANK, record.seconds
            if record.kind == BOOT:
                self.boots = record.payload[0]
            elif record.kind == READ:
                self.read_sequence = record.payload[0]

    def _blank_from(self, at: int, end: int) -> int:
        """Return the first word from which on a page is blank."""
        while end > at and self._flash.words[end - 1] == BLANK:
            end -= 1
        return end

    def _find_free(self, at: int, end: int) -> int:
        """Return the first word behind all that was written in a page.

        A word whose programming was interrupted may read as blank, and differently every time. It is the one
        behind the last that is not blank, or in the extent of a record that was begun.
        """
        blank = self._blank_from(at, end)
        free = blank + 1
        while at < blank:
            state, behind, _ = look(self._flash.words, at, end)
            if state == BEGUN:
                free = max(free, behind)
            at = behind if state == WHOLE else at + 1
        return min(free, end)

    def _look_page(self, page: int) -> tuple[bool, int, Record]:
        start = self._start(page)
        counts, behind, header = look_page(
            self._flash.words, start, start + self._page_words, self._format & 0xFF
        )
        return counts and field(header, "format") == self._format, behind, header

    def _open_page(self, seconds: int) -> bool:
        """Erase the page behind the newest one, which holds the oldest records, and make it the newest."""
        page = (self.page + 1) % self._pages
        start = self._start(page)
        counts, _, old = self._look_page(page)
        erases = 1
        if counts:
            erases = field(old, "erases") + 1
        elif self.page_number:
            # Its header is lost: pages are erased in turn, so its count is that of the page before it.
            erases = self.erases + (page == 0)
        self.page, self.next_word, self.erases = page, self._page_words, erases
        self._flash.erase(self._first + page)
        if self._blank_from(start, start + self._page_words) > start:
            self.failures += 1
            return False
        payload = (self.next_sequence, self.read_sequence, self.boots, erases, self._format)
        header = Record(PAGE, False, self.page_number + 1, seconds, payload)
        if not self._write(start, header):
            return False
        self.page_number += 1
        self.next_word = header.length
        return True

    def _write(self, at: int, record: Record) -> bool:
        """Program the words of a record; return whether the flash took each of them."""
        for word, value in enumerate(encode(record), at):
            self._flash.program(word, value)
            if self._flash.words[word] != value:
                self.failures += 1
                return False
        return True
