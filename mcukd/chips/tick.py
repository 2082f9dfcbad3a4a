"""Counter of executed instructions: a hook at every block, compiled for this computer where it can be.

The hook in C (`tick.c`) makes emulation several times as fast; without a C compiler the same is done in
Python. Both count alike, which a test shows.
"""

from __future__ import annotations

import ctypes
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from mcukd.inference.library import CannotBuild, load_library

#: Set to have the hook in Python although a compiler is there.
SLOW = "MCUKD_CHIPS_SLOW"
_ATTEND = ctypes.CFUNCTYPE(ctypes.c_uint32, ctypes.c_uint64, ctypes.c_uint32)
_BLOCK = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_uint64, ctypes.c_uint32, ctypes.c_void_p)


class Tick(ctypes.Structure):
    """Time in cycles, the cycle at which the core has to look, and the block that is executed.

    It lies in memory as `struct tick` of tick.c. stopped: whether the hook stopped the core.
    """

    _fields_ = (
        ("cycles", ctypes.c_uint64),
        ("limit", ctypes.c_uint64),
        ("address", ctypes.c_uint64),
        ("size", ctypes.c_uint64),
        ("stopped", ctypes.c_uint64),
        ("counts", ctypes.c_void_p),
        ("places", ctypes.c_uint64),
        ("stop", ctypes.c_void_p),
        ("attend", ctypes.c_void_p),
    )


class Counter:
    """The hook at every block of a Unicorn engine.

    uc: the engine. code_bytes: length of the memory from address 0 on whose code does not change by itself.
    attend: called with address and size of a block whose count is not known; returns its instructions, and
    may have `learn` keep them.
    """

    def __init__(self, unicorn: Any, uc: Any, code_bytes: int, attend: Callable[[int, int], int]) -> None:
        self.tick = Tick()
        self._counts = (ctypes.c_uint32 * (code_bytes // 2))()
        self._attend = _ATTEND(attend)
        self.tick.counts = ctypes.cast(self._counts, ctypes.c_void_p)
        self.tick.places = code_bytes // 2
        self.tick.attend = ctypes.cast(self._attend, ctypes.c_void_p)
        self._handle = ctypes.c_size_t()
        self.compiled = self._add(unicorn, uc)

    def learn(self, address: int, size: int, instructions: int) -> None:
        """Keep the instructions of a block."""
        if address >> 1 < self.tick.places:
            self._counts[address >> 1] = size << 16 | instructions

    def forget(self) -> None:
        """Forget all counts, because code changed."""
        ctypes.memset(self._counts, 0, ctypes.sizeof(self._counts))

    def _add(self, unicorn: Any, uc: Any) -> bool:
        """Add the hook; return whether it is the compiled one."""
        from unicorn.unicorn_py3.unicorn import uclib

        compiled = not os.environ.get(SLOW)
        callback: Any
        if compiled:
            try:
                self._library = load_library((Path(__file__).parent / "tick.c").read_text(encoding="utf-8"))
                callback = ctypes.cast(self._library.mcukd_tick, ctypes.c_void_p)
            except CannotBuild:
                compiled = False
        if not compiled:
            self._callback = _BLOCK(self._in_python(uclib))
            callback = ctypes.cast(self._callback, ctypes.c_void_p)
        self.tick.stop = ctypes.cast(uclib.uc_emu_stop, ctypes.c_void_p)
        status = uclib.uc_hook_add(
            uc._uch,
            ctypes.byref(self._handle),
            unicorn.UC_HOOK_BLOCK,
            callback,
            ctypes.cast(ctypes.byref(self.tick), ctypes.c_void_p),
            ctypes.c_uint64(1),
            ctypes.c_uint64(0),
        )
        if status != unicorn.UC_ERR_OK:
            raise RuntimeError(f"Unicorn takes no block hook (error {status})")
        return compiled

    def _in_python(self, uclib: Any) -> Callable[[int, int, int, int], None]:
        tick, counts, attend = self.tick, self._counts, self._attend

        def on_block(engine: int, address: int, size: int, _: int) -> None:
            if tick.cycles >= tick.limit:
                tick.stopped = 1
                uclib.uc_emu_stop(ctypes.c_void_p(engine))
                return
            known = counts[address >> 1] if address >> 1 < tick.places else 0
            count = known & 0xFFFF if known >> 16 == size else attend(address, size)
            tick.address, tick.size = address, size
            tick.cycles += count

        return on_block
