"""A day of a tag's log by the Python reference: bouts of random lengths, counters, times set, gaps."""

from __future__ import annotations

import functools

import numpy as np

from mcukd.tag.flash import CC2650, ModelledFlash
from mcukd.tag.log import look_page
from mcukd.tag.operation import Tag, TagConfig
from mcukd.tag.records import words_of

CONFIG = TagConfig(classes=3, log_pages=12)
#: 24 hours at 50 Hz and a hop of 64 samples.
RESULTS = 67_500
_TICKS = 32768 * 64 // 50


@functools.lru_cache(maxsize=4)
def day_log(results: int = RESULTS, seed: int = 7) -> bytes:
    """Return the bytes of the log's pages as they lie in flash."""
    flash, ticks = ModelledFlash(CC2650, CONFIG.log_pages), 0
    tag = Tag(CONFIG, flash, lambda: ticks % (1 << 32), firmware=0x12345678, model=0x9ABCDEF0)
    rng = np.random.default_rng(seed)
    classes = np.repeat(rng.integers(0, 3, RESULTS), rng.geometric(1 / 40, RESULTS))[:results].tolist()
    for number, class_found in enumerate(classes):
        ticks += _TICKS
        tag.on_result(class_found, [100 * (k == class_found) for k in range(3)])
        if number % 9000 == 4000:
            tag.set_time(1_800_000_000 + number, 100, 1)
            tag.on_gap(17)
    return flash.dump()


def pages_of(dump: bytes, page_words: int = CONFIG.page_words) -> dict[int, bytes]:
    """Return the pages of a dump that have a header, by their numbers."""
    words = words_of(dump).tolist()
    found = {}
    for start in range(0, len(words), page_words):
        counts, _, header = look_page(words, start, start + page_words)
        if counts:
            found[header.sequence] = dump[4 * start : 4 * (start + page_words)]
    return found
