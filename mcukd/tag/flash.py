"""A modelled flash with the rules of a chip, whose supply fails at will. A broken rule is an error.

What the chips' documents say about flash that is programmed by the firmware itself:

- nRF52840 (product specification, NVMC): pages of 4,096 bytes; a 32-bit word may be written twice between
  erases (n_WRITE = 2); 10,000 erases a page; 85 ms an erase.
- CC2650 (data sheet SWRS158, flash memory; the row limit was read for the CC1352P, of the same family, and
  not checked again for this chip): sectors of 4,096 bytes; at most 83 write operations a row of 256 bytes
  between erases; 100,000 erases; 8 ms an erase.

Bits are cleared by programming and set by erasing a whole page. Nothing here was tried on silicon.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from mcukd.tag.records import BLANK


@dataclass(frozen=True)
class FlashRules:
    """Limits of a chip's flash.

    writes_per_word, writes_per_row: between two erases; None: no limit is stated.
    """

    chip: str
    page_bytes: int
    erases: int
    writes_per_word: int | None = None
    row_bytes: int = 256
    writes_per_row: int | None = None

    @property
    def page_words(self) -> int:
        """32-bit words of a page."""
        return self.page_bytes // 4


NRF52840 = FlashRules("nRF52840", 4096, erases=10_000, writes_per_word=2)
CC2650 = FlashRules("CC2650", 4096, erases=100_000, row_bytes=256, writes_per_row=83)
CHIPS = {rules.chip: rules for rules in (NRF52840, CC2650)}


class PowerCut(Exception):
    """The modelled supply failed in the middle of a flash operation."""


class FlashRuleBroken(Exception):
    """The program did to a modelled flash what the chip forbids."""


class ModelledFlash:
    """Flash of some pages, as `tag_port.h` presents it: words are counted from its first page.

    cut_at: the operation, counted from 1, in which the supply fails; that operation does half its work, and
    `PowerCut` is raised. torn_bits: bits of a word that an interrupted programming leaves at 1, of those it
    should clear. torn_page: content of a page whose erase was interrupted, from the content before it.
    """

    def __init__(self, rules: FlashRules, pages: int) -> None:
        self.rules = rules
        self.words = [BLANK] * (pages * rules.page_words)
        self.erases = [0] * pages
        self.operations = 0
        self.cut_at: int | None = None
        self.torn_bits = 0
        self.torn_page: Callable[[list[int]], list[int]] = lambda before: before
        self._writes = [0] * len(self.words)

    def read(self, word: int) -> int:
        """Return a word."""
        return self.words[word]

    def dump(self) -> bytes:
        """Return all words, low byte first, as a debug probe reads them."""
        return b"".join(word.to_bytes(4, "little") for word in self.words)

    def program(self, word: int, value: int) -> None:
        """Clear the bits of a word that are 0 in `value`.

        Raises FlashRuleBroken for a word or row that was written too often, and PowerCut.
        """
        self._count_write(word)
        cut = self._begin()
        self.words[word] &= value | (self.torn_bits if cut else 0)
        if cut:
            raise PowerCut

    def erase(self, page: int) -> None:
        """Set all bits of a page. Raises FlashRuleBroken for one that was erased too often, and PowerCut."""
        if self.erases[page] >= self.rules.erases:
            raise FlashRuleBroken(f"page {page} is erased more than the {self.rules.erases:,} times allowed.")
        cut = self._begin()
        words = slice(page * self.rules.page_words, (page + 1) * self.rules.page_words)
        count = self.rules.page_words
        self.words[words] = self.torn_page(self.words[words]) if cut else [BLANK] * count
        self.erases[page] += 1
        if cut:
            raise PowerCut
        self._writes[words] = [0] * count

    def _begin(self) -> bool:
        """Count an operation; return whether the supply fails in it."""
        self.operations += 1
        return self.operations == self.cut_at

    def _count_write(self, word: int) -> None:
        rules = self.rules
        self._writes[word] += 1
        if rules.writes_per_word is not None and self._writes[word] > rules.writes_per_word:
            raise FlashRuleBroken(
                f"word {word} is written {self._writes[word]} times without an erase, but the {rules.chip} "
                f"allows {rules.writes_per_word}."
            )
        if rules.writes_per_row is not None:
            row = rules.row_bytes // 4
            first = word // row * row
            written = sum(self._writes[first : first + row])
            if written > rules.writes_per_row:
                raise FlashRuleBroken(
                    f"the row of word {word} is written {written} times without an erase, but the "
                    f"{rules.chip} allows {rules.writes_per_row}."
                )
