"""Fetching of a tag's log into a file, over any line: request FETCH of `docs/protocol.md`.

Pages are named by their numbers, which a tag gives once. A page comes in several replies to one request; what
is missing is asked for again. On a line that loses or damages much the replies get shorter, and at last they
come one by one in the encoding that such a line needs. Only what was checked goes into the file.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from mcukd.errors import UserError
from mcukd.harness.messages import FETCH_FIELDS, FETCH_REQUEST, Request
from mcukd.harness.protocol import Device
from mcukd.harness.tag_log import TagStatus, ask, malformed, read_status
from mcukd.progress import Advance, progress
from mcukd.tag.fetched import FetchedLog, Owner, create, read_fetched
from mcukd.tag.log import Log, read_log
from mcukd.tag.records import PAGE, WHOLE, Record, look, words_of

#: Words of a reply: at first, at least, and where each reply takes a request of its own.
_MOST, _LEAST, _SINGLE = 60, 8, 12
#: Requests in a row whose replies brought nothing, before each word is asked for in a request of its own.
_FRUITLESS = 3


@dataclass(frozen=True)
class Fetched:
    """What a fetch did.

    log: all that the file holds. status: of the tag before. new_records, words: that were not in the file
    before; words of 32 bits. cut: bytes of an unfinished entry that were cut off. seconds: it took.
    """

    file: FetchedLog
    log: Log
    status: TagStatus
    new_records: int
    words: int
    cut: int
    seconds: float


def fetch(device: Device, path: Path, after_gap: bool = False) -> Fetched:
    """Read what a tag's log holds and a file does not, into that file; make it where there is none.

    What was read stays in the file where the line ends early; the next fetch goes on from there.
    after_gap: go on also where the tag no longer has the file's newest page. Raises UserError where the file
    holds another tag's log or another log of this tag, or may do so, the tag keeps none, its log is empty,
    or the line ends.
    """
    began = time.monotonic()
    classes, status = device.who().classes, read_status(device)
    owner = Owner(status.chip, classes, status.page_words)
    if status.newest_page == 0:
        raise UserError(
            f"{device.link.url}: the tag's log is empty; a record is written at its first result."
        )
    if path.exists():
        file = read_fetched(path)
        _same_tag(device, file, owner)
    else:
        file = create(path, owner)
    held, cut = 0, file.cut
    with suppress(UserError):  # what was read of the first page's header is no log yet
        held = len(read_log(file.dump(), str(path)).records)
    words = _read_pages(device, file, status, after_gap)
    log = read_log(file.dump(), str(path))
    return Fetched(file, log, status, len(log.records) - held, words, cut, time.monotonic() - began)


def _same_tag(device: Device, file: FetchedLog, owner: Owner) -> None:
    """Raise UserError where a file is another tag's."""
    ours, url = file.owner, device.link.url
    if ours.chip and owner.chip and ours.chip != owner.chip:
        raise UserError(
            f"{file.path} holds the log of the tag with chip {ours.chip}, but that at {url} has chip "
            f"{owner.chip}; give --out another name."
        )
    if (ours.classes, ours.page_words) != (owner.classes, owner.page_words):
        raise UserError(
            f"{file.path} holds a log that counts {ours.classes} classes, but the tag at {url} counts "
            f"{owner.classes}: its model is another one and its log was begun anew; give --out another name."
        )


def _read_pages(device: Device, file: FetchedLog, status: TagStatus, after_gap: bool) -> int:
    """Read pages up to the newest one; return how many words were new."""
    number = max(file.pages, default=status.oldest_page)
    if number > status.newest_page:
        raise _another_log(device, file, number)
    if number < status.oldest_page and not after_gap:
        raise UserError(
            f"{file.path} ends with page {number} of a log, but the oldest page of the tag at "
            f"{device.link.url} is {status.oldest_page}: the pages between were overwritten, or the log was "
            "erased and begun anew; give --out another name, or --after-gap if you know that it was not."
        )
    first, new = max(number, status.oldest_page), 0
    total = (status.newest_page - first + 1) * status.page_words
    with progress("Words of the log", total) as advance:
        while True:
            page = _Page(device, number, status.page_words)
            try:
                page.read(advance)
            finally:
                if page.words:
                    new += _keep(device, file, number, page.words)
            if page.number == 0:
                return new
            if page.number != number:
                number = page.number
            elif page.until < status.page_words:
                return new
            else:
                number += 1


def _keep(device: Device, file: FetchedLog, number: int, words: bytes) -> int:
    """Append the words of a page from its first one on; return how many were new.

    What the file has of the page already is compared record by record. Bits of a word whose programming was
    interrupted read differently every time, so that one record may be seen once and then no more.
    """
    held = file.written.get(number, 0)
    if held:
        kept = dict(_records(bytes(file.pages[number])))
        found = dict(_records(words + file.pages[number][len(words) :]))
        others = sum(found.get(at) != record for at, record in kept.items())
        if others > 1 or others == len(kept) != 0:
            raise _another_log(device, file, number)
        if len(words) <= 4 * held and found == kept:
            return 0
    file.append(number, 0, words)
    return max(0, len(words) // 4 - held)


def _records(page: bytes) -> Iterator[tuple[int, Record]]:
    """Yield each whole record of a page with its place, the page's own left out."""
    words = words_of(page).tolist()
    at = 0
    while at < len(words):
        state, behind, record = look(words, at, len(words))
        if state == WHOLE and record.kind != PAGE:
            yield at, record
        at = behind if state == WHOLE else at + 1


def _another_log(device: Device, file: FetchedLog, number: int) -> UserError:
    return UserError(
        f"{file.path} holds a log whose page {number} is not that of the tag at {device.link.url}: it is "
        "another tag's, or the tag's log was erased and begun anew; give --out another name."
    )


class _Page:
    """A page that is being read.

    number: that the tag gave: the page itself, the oldest one after it where it is gone, 0 without one.
    until: words that are written. words: what was read without a hole, from the first word on.
    """

    def __init__(self, device: Device, number: int, page_words: int) -> None:
        self._device, self._asked = device, number
        self.number, self.until = number, page_words
        self._data = bytearray(4 * page_words)
        self._read = bytearray(page_words)
        self._most, self._fruitless = _MOST, 0

    @property
    def words(self) -> bytes:
        hole = self._read.find(0)
        return bytes(self._data if hole < 0 else self._data[: 4 * hole])

    def read(self, advance: Advance) -> None:
        """Read all words that are written."""
        hole = self._hole()
        while hole is not None and self.number == self._asked:
            before = self._read.count(1)
            self._attempt(*hole)
            found = self._read.count(1) - before
            advance(found)
            self._fruitless = 0 if found else self._fruitless + 1
            hole = self._hole()
            self._device.retries += hole is not None and self.number == self._asked

    def _hole(self) -> tuple[int, int] | None:
        """Return first word and length of the first stretch that is missing."""
        first = self._read.find(0, 0, self.until)
        if first < 0:
            return None
        end = self._read.find(1, first, self.until)
        return first, (self.until if end < 0 else end) - first

    def _attempt(self, first: int, count: int) -> None:
        """Ask for words once."""
        device = self._device
        if device.copies or self._fruitless >= _FRUITLESS:
            asked = FETCH_REQUEST.pack(self._asked, first, min(count, _SINGLE), _SINGLE)
            self._take(ask(device, Request.FETCH, asked))
            return
        asked = FETCH_REQUEST.pack(self._asked, first, count, self._most)
        expected, came = -(-count // self._most), 0
        for reply in device.replies(Request.FETCH, asked, device.timeout):
            came += 1
            if self._take(reply) >= min(first + count, self.until):
                break
        if came < expected / 2 and self.number == self._asked:
            self._most = max(_LEAST, self._most // 2)

    def _take(self, reply: bytes) -> int:
        """Take the words of a reply; return the first word behind them."""
        size = FETCH_FIELDS.size
        if len(reply) < size or (len(reply) - size) % 4:
            raise malformed(self._device, Request.FETCH, reply)
        number, first, until = FETCH_FIELDS.unpack(reply[:size])
        words = reply[size:]
        end = first + len(words) // 4
        if end > len(self._read) or until > len(self._read):
            raise malformed(self._device, Request.FETCH, reply)
        self.number, self.until = number, until
        if number == self._asked:
            self._data[4 * first : 4 * end] = words
            self._read[first:end] = b"\1" * (end - first)
        return end
