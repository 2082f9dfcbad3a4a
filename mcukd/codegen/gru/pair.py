"""Kernels that step two states on one sample, for windows that overlap: what both cores have in common.

Two functions. The first makes of a sample what all states share: the sums of biases and samples' part of
every unit. The second steps a pair of states from these. It takes one unit at a time, so that its six sums,
three for each state, stay in registers, and each weight is loaded once for both states. Recurrent weights lie
in a table of their own, unit by unit and without packing: packed ones would have to be shifted for each unit.
Bits are those of the single step.

A pair's memory has a word for each unit, the first state's value in its lower half. The frame of the second
function holds pointers and the coarse states of column pairs, as the core multiplies them.
"""

from __future__ import annotations

from abc import ABC, abstractmethod

import numpy as np
from numpy.typing import NDArray

from mcukd.codegen.assembly import Assembly, shifted
from mcukd.codegen.gru.stream import Stream, build_stream
from mcukd.fixedpoint.gru.model import GATES, GruMlpModel
from mcukd.fixedpoint.gru.packing import pairs

#: Sums of a unit in `mcukd_sums`, in this order: those that end in z and r, the bias of h's recurrent part,
#: and the rest of h.
SUMS = ("z", "r", "h_rec", "h")
#: Axes whose samples fit the registers of `mcukd_model_sums`.
CHANNELS_MOST = 4
#: Where the frame's pointers are: to the gate table's middle, 32768, and to the pair; then the table's end.
AT_STATE, AT_END, FRAME = 8, 12, 16
SAVED = ("r4", "r5", "r6", "r7", "r8", "r9", "r10", "r11", "lr")
#: Sums of z, r and h of both states.
FIRST, SECOND = ("r8", "r9", "r10"), ("r11", "r12", "lr")
#: Pointers to the sums of samples, and into the weights.
OF_SAMPLES, WEIGHTS = "r6", "r7"


def pair_words(model: GruMlpModel) -> NDArray[np.uint32]:
    """Return the weights (units, words) of the pair's table: of each column pair the words of z, r and h."""
    weights = (
        np.stack([model.arrays[f"recurrent_{gate}"].astype(np.int64) for gate in GATES], axis=2) & 0xFFFF
    )
    words = weights[:, ::2] | weights[:, 1::2] << 16
    return words.reshape(model.hidden, -1).astype(np.uint32)


class PairWriter(ABC):
    """Writer of both functions for a core. model: of an even number of units and a state of 16 bits."""

    #: Words of the frame for each column pair, and units in a round of the loop.
    column_words: int
    unroll: int

    def __init__(self, model: GruMlpModel) -> None:
        self.model, self.out = model, Assembly()
        self.stream: Stream = build_stream(model)
        self.pairs, self.shifts = pairs(model.hidden), model.shifts

    @property
    def frame_bytes(self) -> int:
        """Bytes of the second function's frame."""
        return FRAME + 4 * self.column_words * self.pairs

    @property
    @abstractmethod
    def reach_bytes(self) -> int:
        """The largest offset that LDRD and STRD need, which reach 1020 bytes."""

    @property
    def stack_bytes(self) -> int:
        """Bytes that a call of the second function takes of the stack, which is more than the first does."""
        return self.frame_bytes + 4 * len(SAVED)

    def sums(self) -> str:
        """Return the first function: r0 the sums, r1 a sample."""
        out = self.out = Assembly()
        out.op("push", "{" + ", ".join(SAVED) + "}")
        self._load_sample()
        out.op("ldr", WEIGHTS, ".Lunits")
        out.label(".Lshared")
        self._shared()
        out.op("ldr", "r12", ".Lunits_end")
        out.op("cmp", WEIGHTS, "r12")
        out.op("bne", ".Lshared")
        out.op("pop", "{" + ", ".join((*SAVED[:-1], "pc")) + "}")
        return out.text()

    def step(self) -> str:
        """Return the second function: r0 the pair, r1 the sums."""
        out = self.out = Assembly()
        out.op("push", "{" + ", ".join(SAVED) + "}")
        out.op("sub", "sp", "sp", f"#{self.frame_bytes}")
        out.op("ldr", "r2", ".Ltable")
        out.op("mov", "r3", "#32768")
        out.op("ldr", "r4", ".Lwords_end")
        out.op("strd", "r2", "r3", "[sp]")
        out.op("strd", "r0", "r4", f"[sp, #{AT_STATE}]")
        out.op("mov", OF_SAMPLES, "r1")
        out.op("ldr", WEIGHTS, ".Lwords")
        out.note("the coarse states")
        self._coarse()
        out.label(".Lunit")
        for turn in range(self.unroll):
            self._unit(turn)
        out.op("add", "r2", "r2", f"#{4 * self.unroll}")
        out.op("ldr", "r3", f"[sp, #{AT_END}]")
        out.op("str", "r2", f"[sp, #{AT_STATE}]")
        out.op("cmp", WEIGHTS, "r3")
        out.op("bne.w", ".Lunit")
        out.op("add", "sp", "sp", f"#{self.frame_bytes}")
        out.op("pop", "{" + ", ".join((*SAVED[:-1], "pc")) + "}")
        return out.text()

    def _unit(self, turn: int) -> None:
        out, shifts, early = self.out, self.shifts, self.stream.early
        out.note("both states' part of a unit")
        if early:
            out.op("ldm", OF_SAMPLES, "{" + ", ".join(FIRST) + "}")
        else:
            out.op("ldr", FIRST[2], f"[{OF_SAMPLES}, #8]")
        self._columns({FIRST[2]: FIRST[2], **({FIRST[0]: FIRST[0], FIRST[1]: FIRST[1]} if early else {})})
        out.note("gates and the new states")
        if not early:
            for place, gate in enumerate(("z", "r")):
                out.op("ldr", "r0", f"[{OF_SAMPLES}, #{4 * place}]")
                for sums in (FIRST, SECOND):
                    out.op("add", sums[place], "r0", sums[place], *shifted(shifts[f"state_{gate}"]))
        for sums in (FIRST, SECOND):
            out.op("ssat", sums[2], "#16", sums[2], *shifted(shifts["h_rec"]))
        out.op("ldm", "sp", "{r0, r1, r2}")
        for sums in (FIRST, SECOND):
            self._gate(sums[1], shifts["r_pre"])
        out.op("ldr", "r3", f"[{OF_SAMPLES}, #12]")
        out.op("add", OF_SAMPLES, OF_SAMPLES, f"#{4 * len(SUMS)}")
        for _, r, h in (FIRST, SECOND):
            if shifts["gated"]:
                out.op("mul", r, r, h)
                out.op("add", r, "r3", r, *shifted(shifts["gated"]))
            else:
                out.op("mla", r, r, h, "r3")
        for sums in (FIRST, SECOND):
            self._gate(sums[1], shifts["h_pre"])
            # Minus the candidate.
            out.op("sub", sums[1], "r1", sums[1])
        for sums in (FIRST, SECOND):
            self._gate(sums[0], shifts["z_pre"])
        out.op("ldr", "r4", f"[r2, #{4 * turn}]")
        self._mix()
        out.op("str", SECOND[1], f"[r2, #{4 * turn}]")

    @abstractmethod
    def _load_sample(self) -> None:
        """Bring the sample at r1 into registers, if it is not used where it is."""

    @abstractmethod
    def _shared(self) -> None:
        """Write the sums of a pair of units at r0, which advances, as does r7 to the next pair's row."""

    @abstractmethod
    def _coarse(self) -> None:
        """Write the coarse states at r0 into the frame, from `FRAME` on; all but r6 and r7 are free."""

    @abstractmethod
    def _columns(self, starts: dict[str, str]) -> None:
        """Add all products to `FIRST` and `SECOND`; r0 to r5 are free.

        starts: the registers of `FIRST` that hold what the sums of both states start with; others start with
        the first product.
        """

    @abstractmethod
    def _gate(self, register: str, shift: int) -> None:
        """Replace a sum by its gate value; r0 points to the middle of the table, r3 to r5 are free."""

    @abstractmethod
    def _mix(self) -> None:
        """Make the new states of candidates, gates and old states (r4) in `SECOND[1]`; r3 and r5 are free."""

    def _direct(self, register: str, shift: int) -> None:
        """Replace a sum by its entry in the direct table."""
        self.out.op("ssat", "r3", "#10", register, *shifted(shift))
        self.out.op("ldrh", register, "[r0, r3, lsl #1]")
