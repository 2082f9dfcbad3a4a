"""Packing of recurrent weights of eight bits and less: rows share halfwords, without unpacking.

The state is multiplied two units at a time: a 32-bit word holds the weights of two columns (lanes), and one
instruction adds both products. With n slots, n rows share a word. Shifting the word left brings the next
slot's bits to the top of both lanes, and a lane as a whole is then that row's 16-bit mantissa: its top bits
were chosen for the row, the bits below are the rows' that follow (in the upper lane also the top of the
lower lane). They are no error. They are known when the top bits are chosen (`rounding.py`), so each mantissa
is the nearest that its lower bits allow, off by no more than half a step of its own bits.

Rows come in sixes, both units of a pair for each gate (z, z', r, r', h, h'); tasks run through column pairs,
within one through the six rows, and fill words slot by slot.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mcukd.fixedpoint.arithmetic import IntArray

#: Rows of a unit pair: gate and which of the two units.
ROWS = (("z", 0), ("z", 1), ("r", 0), ("r", 1), ("h", 0), ("h", 1))


@dataclass(frozen=True)
class Packing:
    """Layout of recurrent weights of `bits` bits: `slots` rows to a halfword, `slot_bits` each.

    Six and seven bits take the room of eight; from nine on a weight has its halfword for itself.
    """

    bits: int

    @property
    def slots(self) -> int:
        """Rows that share a halfword: 4, 3, 2 or 1."""
        return 1 if self.bits > 8 else max(2, 16 // self.bits)

    @property
    def slot_bits(self) -> int:
        """Bits from one slot to the next."""
        return 16 // self.slots

    @property
    def slack(self) -> int:
        """Bits below a weight's own in its 16-bit mantissa; other rows' bits lie there."""
        return 16 - self.bits if self.slots > 1 else 0

    def words(self, hidden: int) -> int:
        """Words of one unit pair of a network of `hidden` units."""
        return -(-(len(ROWS) * pairs(hidden)) // self.slots)


def pairs(hidden: int) -> int:
    """Return the number of unit (and column) pairs; an odd unit has an idle partner."""
    return (hidden + 1) // 2


def effective(low: IntArray, high: IntArray, shift: int) -> tuple[IntArray, IntArray]:
    """Return the 16-bit patterns of the lower and upper lane of words shifted left by `shift`."""
    return (low << shift) & 0xFFFF, ((high << shift) | (low >> (16 - shift))) & 0xFFFF


def pack(recurrent: dict[str, NDArray[np.int16]], packing: Packing) -> NDArray[np.uint32]:
    """Return the words (unit pairs, words) of mantissas {gate: (H, H)}, rows being units.

    Raises ValueError where the mantissas' lower bits are not those of the rows they share words with.
    """
    hidden = len(recurrent["z"])
    words = np.zeros((pairs(hidden), packing.words(hidden)), np.int64)
    own = (1 << packing.slot_bits) - 1
    for task, shift, rows, columns in _tasks(hidden, packing):
        gate, _unit = ROWS[task % len(ROWS)]
        mantissas = recurrent[gate][rows].astype(np.int64) & 0xFFFF
        for lane, column in enumerate(columns):
            field = (mantissas[:, column] >> (16 - packing.slot_bits)) & own
            place = 16 * lane + 16 - packing.slot_bits - shift
            words[: len(rows), task // packing.slots] |= field << place
    packed = words.astype(np.uint32)
    found = unpack(packed, hidden, packing)
    for gate, mantissas in recurrent.items():
        if not np.array_equal(found[gate], mantissas):
            raise ValueError(f"recurrent_{gate}: mantissas do not fit the packing of {packing.bits} bits")
    return packed


def unpack(words: NDArray[np.uint32], hidden: int, packing: Packing) -> dict[str, NDArray[np.int16]]:
    """Return the mantissas {gate: (H, H)} that a device reads from words (unit pairs, words)."""
    recurrent = {gate: np.zeros((hidden, hidden), np.int16) for gate in "zrh"}
    for task, shift, rows, columns in _tasks(hidden, packing):
        gate, _ = ROWS[task % len(ROWS)]
        word = words[: len(rows), task // packing.slots].astype(np.int64)
        lanes = effective(word & 0xFFFF, word >> 16, shift)
        for lane, column in zip(lanes, columns):
            recurrent[gate][rows, column] = lane.astype(np.uint16).view(np.int16)
    return recurrent


def _tasks(hidden: int, packing: Packing) -> list[tuple[int, int, NDArray[np.int64], list[int]]]:
    """Return (task, its left shift, the unit of each pair, its one or two columns) for all tasks."""
    tasks = []
    for task in range(len(ROWS) * pairs(hidden)):
        column, unit = 2 * (task // len(ROWS)), ROWS[task % len(ROWS)][1]
        rows = np.arange(unit, hidden, 2)
        columns = [c for c in (column, column + 1) if c < hidden]
        tasks.append((task, task % packing.slots * packing.slot_bits, rows, columns))
    return tasks
