"""The tag's C, compiled for this computer with a modelled flash, and called from Python."""

from __future__ import annotations

import ctypes
import subprocess
from dataclasses import asdict
from pathlib import Path
from typing import NamedTuple

import numpy as np
from builders.compile import STRICT, UNDEFINED

from mcukd.codegen.templates import render_template
from mcukd.resources import resource_dir
from mcukd.tag.operation import TagConfig
from mcukd.tag.provision import PAGES

ADAPTER = Path(__file__).parent.parent / "tag" / "modelled_tag.c"
#: Attributes of `LogWriter` in the order of `tag_log`.
STATE = (
    "page",
    "page_number",
    "next_word",
    "next_sequence",
    "seconds",
    "erases",
    "boots",
    "read_sequence",
    "failures",
)


def write_sources(config: TagConfig, folder: Path, log_origin: int = 0) -> list[Path]:
    """Write the tag's sources with a configuration; return the C files, the CRC's included."""
    templates = resource_dir("firmware_templates")
    folder.mkdir(parents=True, exist_ok=True)
    for source in (*(templates / "tag").glob("*.[ch]"), *(templates / "app").glob("app_crc32.*")):
        (folder / source.name).write_bytes(source.read_bytes())
    header = {**asdict(config), "board": "a test", "log_origin": log_origin, "provision_pages": PAGES}
    (folder / "tag_config.h").write_text(
        render_template("tag/tag_config.h.j2", {"tag": header, "sampling": False, "radio": None})
    )
    return sorted(folder.glob("*.c"))


class _Listing(NamedTuple):
    """Records as they were listed last, and the flash's words then."""

    listed: np.ndarray
    words: np.ndarray
    rows: list[tuple[int, ...]]


class TagLibrary:
    """The compiled C. Arrays of the modelled flash are NumPy views of its memory.

    words, writes, weak, erases: of the log's pages. flash: all of the same, with the pages of provisioning.
    """

    def __init__(self, config: TagConfig, folder: Path) -> None:
        self.config = config
        sources = write_sources(config, folder)
        library = folder / "tag.so"
        flags = [*STRICT, *UNDEFINED, "-O2", "-shared", "-fPIC", "-I", str(folder)]
        subprocess.run(["cc", *flags, *map(str, sources), str(ADAPTER), "-o", str(library)], check=True)
        self.c = ctypes.CDLL(str(library))
        size = config.log_pages * config.page_words
        pages = config.log_pages + PAGES
        names = ("flash_words", "flash_writes", "flash_weak")
        self.flash = [self._array(name, pages * config.page_words) for name in names]
        self.flash.append(self._array("flash_erases", pages))
        self.words, self.writes, self.weak = (array[:size] for array in self.flash[:3])
        self.erases = self.flash[3][: config.log_pages]
        self.journal = self._array("journal", 1 << 21)
        self._log = (ctypes.c_uint32 * len(STATE)).in_dll(self.c, "log_alone")
        self._listed = np.zeros((size // 5, 5), np.uint32)
        self._before = _Listing(self._listed[:0], np.zeros_like(self.words), [])
        self.c.log_append.restype = ctypes.c_int
        self.blank()

    def _array(self, name: str, size: int) -> np.ndarray:
        return np.ctypeslib.as_array((ctypes.c_uint32 * size).in_dll(self.c, name))

    def get(self, name: str) -> int:
        return ctypes.c_uint32.in_dll(self.c, name).value

    def set(self, **values: int) -> None:
        for name, value in values.items():
            ctypes.c_uint32.in_dll(self.c, name).value = value & 0xFFFFFFFF

    def blank(self) -> None:
        """As the factory gives it, with power."""
        for array, value in zip(self.flash, (0xFFFFFFFF, 0, 0, 0)):
            array[:] = value
        self.set(operations=0, cut_at=0, without_power=0, rules_broken=0, journal_count=0, ticks_now=0)
        self.set(torn_bits=0, torn_page=0, torn_weak=0, stuck_word=0xFFFFFFFF, stuck_bits=0)

    def log_state(self) -> dict[str, int]:
        return dict(zip(STATE, self._log))

    def append(self, kind: int, trusted: bool, seconds: int, payload: list[int]) -> bool:
        words = (ctypes.c_uint32 * max(len(payload), 1))(*payload)
        return bool(self.c.log_append(kind, int(trusted), ctypes.c_uint32(seconds), words, len(payload)))

    def result(self, class_found: int, logits: list[int]) -> None:
        self.c.tag_on_result(class_found, (ctypes.c_int16 * len(logits))(*logits))

    def run_results(self, classes: np.ndarray, logits: np.ndarray, ticks: int) -> None:
        pointers = [array.ctypes.data_as(ctypes.c_void_p) for array in (classes, logits)]
        self.c.run_results(*pointers, len(classes), ticks)

    def records(self) -> list[tuple[int, ...]]:
        """Kind, trusted, sequence, seconds and payload of each record, as the tag's own reader finds them."""
        pointer = self._listed.ctypes.data_as(ctypes.c_void_p)
        count = self.c.list_records(pointer, len(self._listed))
        listed, before = self._listed[:count].copy(), self._before
        alike = min(count, len(before.listed))
        # Records whose place and words are as before keep their tuple: in tests they are listed many times.
        changed = np.concatenate([[0], np.cumsum(self.words != before.words)])
        at, behind = listed[:alike, 3], listed[:alike, 3] + listed[:alike, 4]
        same = (listed[:alike] == before.listed[:alike]).all(axis=1) & (changed[at] == changed[behind])
        rows = before.rows[:alike] + [()] * (count - alike)
        for number in [*np.flatnonzero(~same), *range(alike, count)]:
            kind, sequence, seconds, first, words = listed[number].tolist()
            payload = self.words[first : first + words].tolist()
            rows[number] = (kind & 255, kind >> 8, sequence, seconds, *payload)
        self._before = _Listing(listed, self.words.copy(), rows)
        return rows
