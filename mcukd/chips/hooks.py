"""Hooks of a modelled chip's engine: a counter of instructions, and reads and writes of registers.

In C (`hooks.c`) they make emulation several times as fast; without a C compiler the same is done in Python.
Both count alike, which a test shows. A peripheral may also foresee accesses (`Foreseen`), a burst of bytes
that the firmware reads one by one: C answers those, and the peripheral catches up before Python looks again.
"""

from __future__ import annotations

import ctypes
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mcukd.inference.library import CannotBuild, load_library

#: Set to have the hooks in Python although a compiler is there.
SLOW = "MCUKD_CHIPS_SLOW"
_ATTEND = ctypes.CFUNCTYPE(ctypes.c_uint32, ctypes.c_uint64, ctypes.c_uint32)
_READ = ctypes.CFUNCTYPE(ctypes.c_uint64, ctypes.c_uint64, ctypes.c_uint32)
_WRITE = ctypes.CFUNCTYPE(None, ctypes.c_uint64, ctypes.c_uint32, ctypes.c_uint64)
_BLOCK = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_uint64, ctypes.c_uint32, ctypes.c_void_p)
_IS_WRITE, _WAITS, _DATA = 1, 2, 4


class _Access(ctypes.Structure):
    _fields_ = tuple((name, ctypes.c_uint32) for name in ("address", "value", "flags", "cycles"))


def read_of(address: int, value: int, waits: bool = False) -> _Access:
    """Return the read of a register; waits: not before what the latest write began is done."""
    return _Access(address, value, _WAITS if waits else 0, 0)


def read_of_data(address: int) -> _Access:
    """Return the read of a register that gives the next byte of the data."""
    return _Access(address, 0, _DATA, 0)


def write_of(address: int, value: int, cycles: int = 0) -> _Access:
    """Return the write of a register. cycles: how long what it begins takes."""
    return _Access(address, value, _IS_WRITE, cycles)


@dataclass(frozen=True)
class Foreseen:
    """Accesses that a peripheral foresees. They may be answered only if nothing else can see a difference.

    accesses: one round for each byte of `data`. position: of the first one in the first round. until: the
    cycle before which each has to happen. settle(position, due): lets the peripheral catch up; all before
    `position` happened, and what the latest write began is done at cycle `due`.
    """

    accesses: Sequence[_Access]
    position: int
    data: bytes
    until: int
    settle: Callable[[int, int], None]


class Hooks(ctypes.Structure):
    """State that the hooks share; it lies in memory as `struct hooks` of hooks.c.

    cycles: time. limit: the cycle at which the core has to look. waited: cycles spent in waits that were
    added at once. address, size: of the block that is executed. stopped: whether a hook stopped the core.
    """

    _fields_ = (
        *((name, ctypes.c_uint64) for name in ("cycles", "limit", "waited", "address", "size", "stopped")),
        ("counts", ctypes.c_void_p),
        ("places", ctypes.c_uint64),
        ("accesses", ctypes.c_void_p),
        *((name, ctypes.c_uint64) for name in ("period", "position", "end")),
        ("data", ctypes.c_char_p),
        *((name, ctypes.c_uint64) for name in ("until", "due")),
        *((name, ctypes.c_void_p) for name in ("stop", "attend", "read", "write")),
    )


class _Stretch(ctypes.Structure):
    _fields_ = (("hooks", ctypes.c_void_p), ("address", ctypes.c_uint64))


class Engine:
    """The hooks of a Unicorn engine.

    uc: the engine. code_bytes: length of the memory from address 0 on whose code does not change by itself.
    attend(address, size): called for a block whose count is not known; returns its instructions, and may
    have `learn` keep them. read(address, size) and write(address, size, value) are called for registers. None
    of them may raise.
    """

    def __init__(
        self,
        unicorn: Any,
        uc: Any,
        code_bytes: int,
        attend: Callable[[int, int], int],
        read: Callable[[int, int], int],
        write: Callable[[int, int, int], None],
    ) -> None:
        from unicorn.unicorn_py3.unicorn import uclib

        self._unicorn, self._uc, self._lib = unicorn, uc, uclib
        self.hooks = Hooks()
        self._counts = (ctypes.c_uint32 * (code_bytes // 2))()
        self.hooks.counts = ctypes.cast(self._counts, ctypes.c_void_p)
        self.hooks.places = code_bytes // 2
        self._read, self._write = read, write
        self._callbacks = (_ATTEND(attend), _READ(read), _WRITE(write))
        for name, callback in zip(("attend", "read", "write"), self._callbacks):
            setattr(self.hooks, name, ctypes.cast(callback, ctypes.c_void_p))
        self.hooks.stop = ctypes.cast(uclib.uc_emu_stop, ctypes.c_void_p)
        self._stretches: list[_Stretch] = []
        self._foreseen: Foreseen | None = None
        self._library = _library()
        self._count_blocks(attend)

    @property
    def compiled(self) -> bool:
        """Whether the hooks are those in C."""
        return self._library is not None

    def reader(self, *registers: int) -> Callable[[], Sequence[int]]:
        """Return a function that reads some of the core's registers, of at most 32 bits each."""
        count = len(registers)
        numbers, values = (ctypes.c_int * count)(*registers), (ctypes.c_uint32 * count)()
        first, size = ctypes.addressof(values), ctypes.sizeof(ctypes.c_uint32)
        places = (ctypes.c_void_p * count)(*(first + size * n for n in range(count)))
        handle, read = self._uc._uch, self._lib.uc_reg_read_batch

        def values_now() -> Sequence[int]:
            read(handle, numbers, places, count)
            return values[:]

        return values_now

    # Counting

    def learn(self, address: int, size: int, instructions: int) -> None:
        """Keep the instructions of a block."""
        if address >> 1 < self.hooks.places:
            self._counts[address >> 1] = size << 16 | instructions

    def forget(self) -> None:
        """Forget all counts, because code changed."""
        ctypes.memset(self._counts, 0, ctypes.sizeof(self._counts))

    def _count_blocks(self, attend: Callable[[int, int], int]) -> None:
        if self._library is not None:
            callback = ctypes.cast(self._library.mcukd_block, ctypes.c_void_p)
        else:
            self._block = _BLOCK(self._in_python(attend))
            callback = ctypes.cast(self._block, ctypes.c_void_p)
        self._handle = ctypes.c_size_t()
        hooks = ctypes.cast(ctypes.byref(self.hooks), ctypes.c_void_p)
        kind, everywhere = self._unicorn.UC_HOOK_BLOCK, (ctypes.c_uint64(1), ctypes.c_uint64(0))
        status = self._lib.uc_hook_add(
            self._uc._uch, ctypes.byref(self._handle), kind, callback, hooks, *everywhere
        )
        if status != self._unicorn.UC_ERR_OK:
            raise RuntimeError(f"Unicorn takes no block hook (error {status})")

    def _in_python(self, attend: Callable[[int, int], int]) -> Callable[[int, int, int, int], None]:
        hooks, counts, stop = self.hooks, self._counts, self._lib.uc_emu_stop

        def on_block(engine: int, address: int, size: int, _: int) -> None:
            if hooks.cycles >= hooks.limit:
                hooks.stopped = 1
                stop(ctypes.c_void_p(engine))
                return
            known = counts[address >> 1] if address >> 1 < hooks.places else 0
            count = known & 0xFFFF if known >> 16 == size else attend(address, size)
            hooks.address, hooks.size = address, size
            hooks.cycles += count

        return on_block

    # Registers

    def map_registers(self, address: int, size: int) -> None:
        """Let `read` and `write` be called for accesses to a stretch of addresses."""
        if self._library is None:
            self._uc.mmio_map(
                address,
                size,
                lambda _, offset, count, base: self._read(base + offset, count),
                address,
                lambda _, offset, count, value, base: self._write(base + offset, count, value),
                address,
            )
            return
        stretch = _Stretch(ctypes.addressof(self.hooks), address)
        self._stretches.append(stretch)
        functions = (self._library.mcukd_read, self._library.mcukd_write)
        read, write = (ctypes.cast(function, ctypes.c_void_p) for function in functions)
        data = ctypes.cast(ctypes.byref(stretch), ctypes.c_void_p)
        status = self._lib.uc_mmio_map(self._uc._uch, address, size, read, data, write, data)
        if status != self._unicorn.UC_ERR_OK:
            raise RuntimeError(f"Unicorn maps no registers at {address:#010x} (error {status})")

    def foresee(self, foreseen: Foreseen) -> None:
        """Let C answer these accesses until another one is made; nothing where the hooks are in Python."""
        if self._library is None or not foreseen.data:
            return
        self.drop()
        count, hooks = len(foreseen.accesses), self.hooks
        self._accesses = (_Access * count)(*foreseen.accesses)
        hooks.accesses = ctypes.addressof(self._accesses)
        hooks.period, hooks.position, hooks.end = count, foreseen.position, count * len(foreseen.data)
        hooks.data, hooks.until, hooks.due = foreseen.data, foreseen.until, 0
        self._foreseen = foreseen

    def settle(self) -> None:
        """Let the peripheral catch up where foreseen accesses were made; otherwise they stay foreseen."""
        if self._foreseen is not None and self.hooks.position != self._foreseen.position:
            self.drop()

    def drop(self) -> None:
        """Foresee nothing more, because something else happens that may change it."""
        foreseen, self._foreseen = self._foreseen, None
        if foreseen is None:
            return
        position, self.hooks.end = self.hooks.position, 0
        if position != foreseen.position:
            foreseen.settle(position, self.hooks.due)


def _library() -> ctypes.CDLL | None:
    """Return hooks.c compiled for this computer; None where it cannot be."""
    if os.environ.get(SLOW):
        return None
    try:
        return load_library((Path(__file__).parent / "hooks.c").read_text(encoding="utf-8"))
    except CannotBuild:
        return None
