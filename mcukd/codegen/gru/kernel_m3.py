"""Kernel of the step for Cortex-M3: one product per instruction, weights read as halfwords and bytes.

Of two rows that share a word, the first row's mantissas are its halfwords. The second row's are the upper
lane's halfword one byte further down, and the lower lane's byte times 256; that factor goes to the state, of
which the frame holds both. Registers: r0 a weight, r3-r5 state and samples, r6 their pointer, r7 the weight
stream, r8-r12 and lr the sums of z, r and h of a unit pair, r1 and r2 those of h's samples.
"""

from __future__ import annotations

from mcukd.codegen.assembly import Assembly, Unrolling, shifted
from mcukd.codegen.gru.stream import build_stream
from mcukd.fixedpoint.gru.model import GruMlpModel
from mcukd.fixedpoint.gru.packing import ROWS, pairs

_SUMS = ("r8", "r9", "r10", "r11", "r12", "lr")
_Z, _R, _H = _SUMS[0:2], _SUMS[2:4], _SUMS[4:6]
_H_SAMPLES = ("r1", "r2")
_INPUTS = ("r3", "r4", "r5")
_SAVED = ("r4", "r5", "r6", "r7", "r8", "r9", "r10", "r11", "lr")


class _Writer:
    def __init__(self, model: GruMlpModel, plan: Unrolling) -> None:
        self.model, self.unroll = model, plan.unroll
        self.stream = build_stream(model)
        self.out = Assembly()
        self.pairs = pairs(model.hidden)
        # Two column pairs fill whole words at any packing.
        self.rolled = plan.rolled and self.pairs % 2 == 0
        self.called = plan.rolled and model.gates == "interpolated"  # gates are a subroutine
        self.passed = 0  # bytes of the row that the stream's pointer has left behind
        self.row_bytes = 4 * self.stream.words.shape[1]
        # A pair of states is kept as two words, or three where rows share words in twos.
        self.state_words = 3 if model.packing.slots == 2 else 2
        # Frame: coarse state, samples, table, 32768, end of the stream; above it the state pointer.
        self.at_samples = 4 * self.state_words * self.pairs
        self.at_table = self.at_samples + 4 * model.channels
        self.at_end = self.at_table + 8
        self.at_state = self.at_end + 4

    @property
    def stack_bytes(self) -> int:
        return self.at_state + 4 + 4 * len(_SAVED)

    def write(self) -> str:
        self._prologue()
        if self.unroll < self.pairs:
            self.out.label(".Lpairs")
        for turn in range(self.unroll):
            self._recurrent()
            self._samples()
            self._elementwise(turn)
        self._epilogue()
        return self.out.text()

    def _prologue(self) -> None:
        out, model = self.out, self.model
        out.op("push", "{r0, " + ", ".join(_SAVED) + "}")
        out.op("sub", "sp", "sp", f"#{self.at_state}")
        for channel in range(model.channels):
            out.op("ldrsh", "r2", f"[r1, #{2 * channel}]")
            out.op("str", "r2", f"[sp, #{self.at_samples + 4 * channel}]")
        out.op("ldr", "r2", ".Ltable")
        out.op("mov", "r3", "#32768")
        out.op("strd", "r2", "r3", f"[sp, #{self.at_table}]")
        out.op("ldr", "r7", ".Lunits")
        out.op("ldr", "r3", ".Lend")
        out.op("str", "r3", f"[sp, #{self.at_end}]")
        out.note("the coarse state, a word each")
        out.op("mov", "r1", "sp")
        shift = model.state_shift
        if self.rolled:
            out.op("add", "r11", "r0", f"#{4 * self.pairs}")
            out.label(".Lcopy")
        for first in range(0, 2 if self.rolled else self.pairs, 2):
            sources = ("r2", "r3")[: self.pairs - first]
            out.load("r0", sources)
            targets: list[str] = []
            for source, free in zip(sources, (("r4", "r5", "r6"), ("r8", "r9", "r10"))):
                low, scaled, high = free if self.state_words == 3 else (free[0], "", free[1])
                out.op("sbfx", low, source, f"#{shift}", f"#{16 - shift}")
                if scaled:
                    out.op("lsl", scaled, low, "#8")
                out.op("asr", high, source, f"#{16 + shift}")
                targets += [register for register in (low, scaled, high) if register]
            out.store("r1", targets)
        if self.rolled:
            out.op("cmp", "r0", "r11")
            out.op("bne", ".Lcopy")

    def _recurrent(self) -> None:
        out = self.out
        out.note("state's part of z, r and h")
        if self.stream.early:
            out.op("ldm", "r7", "{" + ", ".join(_SUMS) + "}")
        else:
            out.op("ldrd", *_H, f"[r7, #{4 * self.stream.bias['h_rec']}]")
        self.started = set(_SUMS if self.stream.early else _H)
        out.op("mov", "r6", "sp")
        if self.rolled:
            for total in _SUMS:
                if total not in self.started:
                    out.op("mov", total, "#0")
            self.started = set(_SUMS)
            out.label(".Lcolumns")
        slots = self.model.packing.slots
        turn = 2 if slots == 4 else 1
        for column in range(turn if self.rolled else self.pairs):
            out.load("r6", _INPUTS[: self.state_words])
            {1: self._whole, 2: self._bytes}.get(slots, self._shared)(column)
        if self.rolled:
            step = 4 * len(ROWS) * turn // slots
            out.op("add", "r7", "r7", f"#{step}")
            out.op("add", "r0", "sp", f"#{self.at_samples}")
            out.op("cmp", "r6", "r0")
            out.op("bne", ".Lcolumns")
            self.passed = step * self.pairs // turn

    def _add(self, total: str, weight: str, state: str) -> None:
        if total in self.started:
            self.out.op("mla", total, weight, state, total)
        else:
            self.out.op("mul", total, weight, state)
            self.started.add(total)

    def _term(self, load: str, offset: int, total: str, state: str) -> None:
        self.out.op(load, "r0", f"[r7, #{offset}]")
        self._add(total, "r0", state)

    def _whole(self, column: int) -> None:
        """Add a column pair's products, a halfword per weight."""
        for row, total in enumerate(_SUMS):
            offset = 4 * (self.stream.recurrent + len(ROWS) * column + row)
            self._term("ldrsh", offset, total, "r3")
            self._term("ldrsh", offset + 2, total, "r4")

    def _bytes(self, column: int) -> None:
        """Add a column pair's products, two rows to a word."""
        for word, (first, second) in enumerate((_Z, _R, _H)):
            offset = 4 * (self.stream.recurrent + 3 * column + word)
            self._term("ldrsh", offset, first, "r3")
            self._term("ldrsh", offset + 2, first, "r5")
            self._term("ldrsb", offset, second, "r4")
            self._term("ldrsh", offset + 1, second, "r5")

    def _shared(self, column: int) -> None:
        """Add a column pair's products, more than two rows to a word."""
        packing, out = self.model.packing, self.out
        for row, total in enumerate(_SUMS):
            word, slot = divmod(len(ROWS) * column + row, packing.slots)
            if row == 0 or slot == 0:
                out.op("ldr", "r0", f"[r7, #{4 * (self.stream.recurrent + word)}]")
                if slot:
                    out.op("lsl", "r0", "r0", f"#{packing.slot_bits * slot}")
            else:
                out.op("lsl", "r0", "r0", f"#{packing.slot_bits}")
            out.op("sxth", "r1", "r0")
            self._add(total, "r1", "r3")
            out.op("asr", "r1", "r0", "#16")
            self._add(total, "r1", "r4")

    def _samples(self) -> None:
        out, model, stream = self.out, self.model, self.stream
        out.note("samples' part")
        if not stream.early:
            for gate, totals in (("z", _Z), ("r", _R)):
                for unit, total in enumerate(totals):
                    out.op("ldr", "r0", f"[r7, #{4 * (stream.bias[gate] + unit) - self.passed}]")
                    out.op("add", total, "r0", total, *shifted(model.shifts[f"state_{gate}"]))
        out.op("ldrd", *_H_SAMPLES, f"[r7, #{4 * stream.bias['h'] - self.passed}]")
        for first in range(0, model.channels, len(_INPUTS)):
            samples = _INPUTS[: model.channels - first]
            out.load("r6", samples)
            for gate, totals in (("z", _Z), ("r", _R), ("h", _H_SAMPLES)):
                for unit, total in enumerate(totals):
                    for channel, sample in enumerate(samples, first):
                        out.op("ldrsh", "r0", f"[r7, #{self._kernel_offset(gate, unit, channel)}]")
                        out.op("mla", total, "r0", sample, total)

    def _kernel_offset(self, gate: str, unit: int, channel: int) -> int:
        word, lane = divmod(channel, 2)
        at = 4 * self.stream.kernel[gate, word] - self.passed
        alone = 2 * word + 1 == self.model.channels
        return at + (2 * unit if alone else 4 * unit + 2 * lane)

    def _elementwise(self, turn: int) -> None:
        out, shifts = self.out, self.model.shifts
        out.note("gates and the new state")
        for total in _H:
            out.op("ssat", total, "#16", total, *shifted(shifts["h_rec"]))
        out.op("ldrd", "r6", "r0", f"[sp, #{self.at_table}]")
        self._gate(_R[0], shifts["r_pre"])
        self._add_gated(_H_SAMPLES[0], _R[0], _H[0])
        # A subroutine needs lr, and there is room now for what it holds.
        second = _H[1]
        if self.called:
            second = _H[0]
            out.op("mov", second, _H[1])
        self._gate(_R[1], shifts["r_pre"], self.called)
        self._add_gated(_H_SAMPLES[1], _R[1], second)
        for total in _H_SAMPLES:
            self._gate(total, shifts["h_pre"], self.called)
            # Minus the candidate.
            out.op("sub", total, "r0", total)
        for z in _Z:
            self._gate(z, shifts["z_pre"], self.called)
        out.op("ldr", "r3", f"[sp, #{self.at_state}]")
        out.op("ldr", "r4", f"[r3, #{4 * turn}]")
        out.op("sxth", "r5", "r4")
        out.op("add", "r5", "r5", "r1")
        out.op("add", "r4", "r2", "r4", "asr #16")
        out.op("sub", "r1", "r0", "r1", "lsl #16")
        out.op("sub", "r2", "r0", "r2", "lsl #16")
        out.op("mla", "r1", _Z[0], "r5", "r1")
        out.op("mla", "r2", _Z[1], "r4", "r2")
        out.op("lsr", "r1", "r1", "#16")
        out.op("bfi", "r2", "r1", "#0", "#16")
        out.op("str", "r2", f"[r3, #{4 * turn}]")
        out.op("add", "r7", "r7", f"#{self.row_bytes - self.passed}")

    def _add_gated(self, total: str, gate: str, state: str) -> None:
        shift = self.model.shifts["gated"]
        if shift:
            self.out.op("mul", gate, gate, state)
            self.out.op("add", total, total, gate, *shifted(shift))
        else:
            self.out.op("mla", total, gate, state, total)

    def _gate(self, register: str, shift: int, called: bool = False) -> None:
        """Replace a sum by its gate value; r6 points to the middle of the table, r3-r5 are free."""
        out = self.out
        if self.model.gates == "direct":
            out.op("ssat", "r3", "#10", register, *shifted(shift))
            out.op("ldrh", register, "[r6, r3, lsl #1]")
            return
        out.op("ssat", "r3", "#16", register, *shifted(shift))
        if called:
            out.op("bl", ".Lgate")
            out.op("mov", register, "r4")
        else:
            self._interpolate(register)

    def _interpolate(self, register: str) -> None:
        out = self.out
        out.op("asr", "r4", "r3", "#9")
        out.op("add", "r4", "r6", "r4", "lsl #3")
        out.op("ldrd", "r4", "r5", "[r4]")
        out.op("smull", "r3", "r5", "r5", "r3")
        out.op("add", "r4", "r4", "r5", "lsl #16")
        out.op("add", register, "r4", "r3", "lsr #16")

    def _epilogue(self) -> None:
        out = self.out
        if self.unroll < self.pairs:
            out.op("add", "r3", "r3", f"#{4 * self.unroll}")
            out.op("str", "r3", f"[sp, #{self.at_state}]")
            out.op("ldr", "r0", f"[sp, #{self.at_end}]")
            out.op("cmp", "r7", "r0")
            out.op("bne.w", ".Lpairs")
        out.op("add", "sp", "sp", f"#{self.at_state + 4}")
        out.op("pop", "{" + ", ".join((*_SAVED[:-1], "pc")) + "}")
        if self.called:
            out.label(".Lgate")
            self._interpolate("r4")
            out.op("bx", "lr")


def write_m3(model: GruMlpModel, plan: Unrolling) -> tuple[str, int]:
    """Return the body of the step and its stack in bytes."""
    writer = _Writer(model, plan)
    return writer.write(), writer.stack_bytes
