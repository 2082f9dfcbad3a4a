"""Flash memory of a modelled chip: bits only fall until a page is erased, wear is counted, power may fail.

A flash operation is one erase of a page or one write of a word. `power_fails` lets the power fail in the
middle of one of them: a half-written word has some of its bits, a half-erased page any content.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable

from mcukd.chips.stop import ChipStop


class PowerLost(Exception):
    """The power failed in the middle of a flash operation, as a test wanted."""


class Flash:
    """The flash array, whose content lies in the core's memory.

    origin, size, page: bytes. read, write: access to the core's memory. writes_allowed: how often a unit of
    `unit` bytes may be written before its page is erased again (data sheet); more stops the model.
    erasures: of each page, since the flash was made. operations: erases and writes so far.
    """

    def __init__(
        self,
        origin: int,
        size: int,
        page: int,
        unit: int,
        writes_allowed: int,
        read: Callable[[int, int], bytes],
        write: Callable[[int, bytes], None],
    ) -> None:
        self.origin, self.size, self.page, self.unit = origin, size, page, unit
        self.writes_allowed = writes_allowed
        self._read, self._write = read, write
        self.erasures = [0] * (size // page)
        self.operations = 0
        self._written: dict[int, int] = {}
        self._fails_at: int | None = None
        self._random = random.Random(0)

    def power_fails(self, operation: int | None, seed: int = 0) -> None:
        """Let the power fail in the middle of an operation, counted from 1 since the flash was made."""
        self._fails_at = operation
        self._random = random.Random(seed)

    def contains(self, address: int, count: int = 1) -> bool:
        """Return whether a stretch lies in this flash."""
        return self.origin <= address and address + count <= self.origin + self.size

    def erase(self, address: int) -> None:
        """Erase the page at an address; ChipStop where the address is not a page's first."""
        if not self.contains(address) or (address - self.origin) % self.page:
            raise ChipStop(f"the erase of {address:#010x}, which is not the first address of a flash page")
        self.erasures[(address - self.origin) // self.page] += 1
        for unit in range(address, address + self.page, self.unit):
            self._written.pop(unit, None)
        if self._fails():
            old = self._read(address, self.page)
            done = bytes(byte | self._random.getrandbits(8) for byte in old)
            self._write(address, done)
            raise PowerLost
        self._write(address, b"\xff" * self.page)

    def program(self, address: int, value: int) -> None:
        """Write one word of 32 bits: bits that are 1 in `value` stay as they are."""
        if not self.contains(address, 4) or address % 4:
            raise ChipStop(f"the write of flash at {address:#010x}, where no word of flash is")
        unit = address - (address - self.origin) % self.unit
        count = self._written.get(unit, 0) + 1
        if count > self.writes_allowed:
            raise ChipStop(
                f"write {count} of the {self.unit} bytes of flash at {unit:#010x} since they were erased, of "
                f"which the chip allows {self.writes_allowed}"
            )
        self._written[unit] = count
        old = int.from_bytes(self._read(address, 4), "little")
        if self._fails():
            kept = old & (value | self._random.getrandbits(32))
            self._write(address, kept.to_bytes(4, "little"))
            raise PowerLost
        self._write(address, (old & value).to_bytes(4, "little"))

    def load(self, segments: Iterable[tuple[int, bytes]]) -> None:
        """Put an image into the flash, as a flash program does: its pages are erased once before."""
        parts = list(segments)
        pages = set()
        for address, data in parts:
            if not self.contains(address, len(data)):
                raise ChipStop(f"the image has {len(data)} bytes for {address:#010x}, where no flash is")
            first = (address - self.origin) // self.page
            pages |= set(range(first, (address + len(data) - 1 - self.origin) // self.page + 1))
        for page in pages:
            self.erasures[page] += 1
            self._write(self.origin + page * self.page, b"\xff" * self.page)
        for address, data in parts:
            self._write(address, data)

    def _fails(self) -> bool:
        self.operations += 1
        return self.operations == self._fails_at
