"""Kernel of the step for Cortex-M4: two products per instruction through the DSP extension.

Registers: r0-r6 weights and state (temporary afterwards), r7 the weight stream, r8-r12 and lr the sums of z,
r and h of a unit pair. The frame holds the coarse state, the samples and three pointers.
"""

from __future__ import annotations

from mcukd.codegen.assembly import Assembly, Unrolling, WordUse, shifted
from mcukd.codegen.gru.stream import SAMPLE_GROUP, Stream, build_stream, sample_words
from mcukd.fixedpoint.gru.model import GruMlpModel
from mcukd.fixedpoint.gru.packing import ROWS, pairs

_LOW = ("r0", "r1", "r2", "r3", "r4", "r5", "r6")
_STREAM = "r7"
_SUMS = ("r8", "r9", "r10", "r11", "r12", "lr")
_Z, _R, _H = _SUMS[0:2], _SUMS[2:4], _SUMS[4:6]
_SAVED = ("r4", "r5", "r6", "r7", "r8", "r9", "r10", "r11", "lr")


class _Writer:
    def __init__(self, model: GruMlpModel, plan: Unrolling) -> None:
        self.model, self.unroll = model, plan.unroll
        self.stream: Stream = build_stream(model)
        self.out = Assembly()
        self.pairs = pairs(model.hidden)
        self.samples = sample_words(model.channels)
        self.loops = self.unroll < self.pairs
        # Two column pairs fill whole words at any packing.
        self.rolled = plan.rolled and self.pairs % 2 == 0
        # Weights that share words are used for longer; those that do not want more registers.
        split = 4 if model.packing.slots == 1 else 3
        self.weights, self.state = _LOW[:split], _LOW[split:]
        if self.rolled:
            self.weights, self.state = _LOW[:3], _LOW[4:6]
        # Without a loop the coarse state can serve as the old one, if it is not coarse, and the new one waits
        # in the frame.
        self.waits = not self.loops and model.state_shift == 0
        # Frame: coarse state, samples, table, 32768, end of the stream, new state; above it a pointer to
        # the state.
        self.at_samples = 4 * self.pairs
        self.at_table = self.at_samples + 4 * self.samples
        self.at_end = self.at_table + 8
        self.at_new = self.at_end + (4 if self.loops else 0)
        self.at_state = self.at_new + (4 * self.pairs if self.waits else 0)

    def write(self) -> str:
        self._prologue()
        if self.loops:
            self.out.label(".Lpairs")
        for turn in range(self.unroll):
            self._recurrent()
            self._samples_zr()
            self._elementwise(turn)
        self._epilogue()
        return self.out.text()

    @property
    def stack_bytes(self) -> int:
        return self.at_state + 4 + 4 * len(_SAVED)

    def _prologue(self) -> None:
        out, model = self.out, self.model
        out.op("push", "{r0, " + ", ".join(_SAVED) + "}")
        out.op("sub", "sp", "sp", f"#{self.at_state}")
        for word in range(self.samples):
            out.op("ldrsh", "r2", f"[r1, #{4 * word}]")
            if 2 * word + 1 < model.channels:
                out.op("ldrsh", "r3", f"[r1, #{4 * word + 2}]")
                out.op("pkhbt", "r2", "r2", "r3", "lsl #16")
            out.op("str", "r2", f"[sp, #{self.at_samples + 4 * word}]")
        out.op("ldr", "r2", ".Ltable")
        out.op("mov", "r3", "#32768")
        out.op("strd", "r2", "r3", f"[sp, #{self.at_table}]")
        out.op("ldr", "r7", ".Lunits")
        if self.loops:
            out.op("ldr", "r3", ".Lend")
            out.op("str", "r3", f"[sp, #{self.at_end}]")
        out.note("the coarse state")
        out.op("mov", "r1", "sp")
        self._copy("r0", "r1", model.state_shift)

    def _copy(self, source: str, target: str, shift: int = 0) -> None:
        """Copy the state's words, both lanes of each shifted right."""
        out = self.out
        registers: tuple[str, ...] = (
            ("r2",) if self.rolled else ("r2", "r3", "r4", "r5", "r6", "r8", "r9", "r10")
        )
        if self.rolled:
            out.op("add", "r3", source, f"#{4 * self.pairs}")
            out.label(".Lcopy")
        for first in range(0, 1 if self.rolled else self.pairs, len(registers)):
            batch = registers[: self.pairs - first]
            out.load(source, batch)
            for register in batch if shift else ():
                out.op("asr", "r11", register, f"#{shift}")
                out.op("sxth", register, register)
                out.op("pkhtb", register, "r11", register, f"asr #{shift}")
            out.store(target, batch)
        if self.rolled:
            out.op("cmp", source, "r3")
            out.op("bne", ".Lcopy")

    def _recurrent(self) -> None:
        out, early = self.out, self.stream.early
        out.note("state's part of z, r and h")
        out.load(_STREAM, _SUMS if early else _H)
        started = set(_SUMS if early else _H)
        if not self.rolled:
            out.stream(_STREAM, self.weights, self._words(started, self.pairs))
            return
        for total in _SUMS:
            if total not in started:
                out.op("mov", total, "#0")
        out.op("mov", "r3", "sp")
        out.label(".Lcolumns")
        out.op("ldm", "r3!", "{" + ", ".join(self.state) + "}")
        out.stream(_STREAM, self.weights, self._words(set(_SUMS), len(self.state)))
        out.op("add", "r0", "sp", f"#{self.at_samples}")
        out.op("cmp", "r3", "r0")
        out.op("bne", ".Lcolumns")

    def _load_state(self, column: int) -> None:
        """Load the chunk of the coarse state that starts at a column pair."""
        registers = self.state[: self.pairs - column]
        base = "sp"
        if column:
            base = registers[0]
            self.out.op("add", base, "sp", f"#{4 * column}")
        if len(registers) == 1:
            self.out.op("ldr", registers[0], f"[{base}]")
        else:
            self.out.op("ldm", base, "{" + ", ".join(registers) + "}")

    def _words(self, started: set[str], columns: int) -> list[WordUse]:
        packing, tasks = self.model.packing, len(ROWS) * columns

        def use(first: int) -> WordUse:
            def emit(register: str) -> None:
                for slot, task in enumerate(range(first, min(first + packing.slots, tasks))):
                    column, row = divmod(task, len(ROWS))
                    if row == 0 and column % len(self.state) == 0 and not self.rolled:
                        self._load_state(column)
                    if slot:
                        self.out.op("lsl", register, register, f"#{packing.slot_bits}")
                    total, state = _SUMS[row], self.state[column % len(self.state)]
                    if total in started:
                        self.out.op("smlad", total, register, state, total)
                    else:
                        self.out.op("smuad", total, register, state)
                        started.add(total)

            return emit

        return [use(first) for first in range(0, tasks, packing.slots)]

    def _samples_zr(self) -> None:
        out, shifts = self.out, self.model.shifts
        out.note("samples' part of z and r")
        for first in range(0, self.samples, SAMPLE_GROUP):
            group = range(first, min(first + SAMPLE_GROUP, self.samples))
            self._load_samples(group)
            uses: list[WordUse] = []
            for gate, totals in (("z", _Z), ("r", _R)):
                if first == 0 and not self.stream.early:
                    uses += [self._bias(total, shifts[f"state_{gate}"]) for total in totals]
                for word in group:
                    uses += self._products(totals, word, word - first)
            out.stream(_STREAM, ("r2", "r3", "r4", "r5", "r6"), uses)

    def _load_samples(self, group: range) -> None:
        offset = self.at_samples + 4 * group.start
        if len(group) == 2:
            self.out.op("ldrd", "r0", "r1", f"[sp, #{offset}]")
        else:
            self.out.op("ldr", "r0", f"[sp, #{offset}]")

    def _bias(self, total: str, shift: int) -> WordUse:
        return lambda word: self.out.op("add", total, word, total, *shifted(shift))

    def _products(self, totals: tuple[str, ...], word: int, place: int) -> list[WordUse]:
        sample = f"r{place}"
        if 2 * word + 1 < self.model.channels:
            return [
                lambda weight, total=total: self.out.op("smlad", total, weight, sample, total)  # type: ignore[misc]
                for total in totals
            ]

        def both(weight: str) -> None:
            self.out.op("smlabb", totals[0], weight, sample, totals[0])
            self.out.op("smlatb", totals[1], weight, sample, totals[1])

        return [both]

    def _elementwise(self, turn: int) -> None:
        out, shifts = self.out, self.model.shifts
        out.note("samples' part of h")
        sums = ("r2", "r3")
        ignore: WordUse = lambda register: None  # noqa: E731
        for first in range(0, self.samples, SAMPLE_GROUP):
            group = range(first, min(first + SAMPLE_GROUP, self.samples))
            if self.samples > SAMPLE_GROUP:  # else they are still there
                self._load_samples(group)
            uses = [use for word in group for use in self._products(sums, word, word - first)]
            if first == 0:
                start = uses[:3]
                out.stream(_STREAM, (*sums, "r4", "r5", "r6"), [ignore, ignore, *start])
                uses = uses[3:]
            if uses:
                out.stream(_STREAM, ("r4", "r5", "r6"), uses)
        out.note("gates and the new state")
        for total in _H:
            out.op("ssat", total, "#16", total, *shifted(shifts["h_rec"]))
        out.op("ldrd", "r0", "r1", f"[sp, #{self.at_table}]")
        for r, h, total in zip(_R, _H, sums):
            self._gate(r, shifts["r_pre"])
            if shifts["gated"]:
                out.op("mul", r, r, h)
                out.op("add", total, total, r, *shifted(shifts["gated"]))
            else:
                out.op("mla", total, r, h, total)
        for total in sums:
            self._gate(total, shifts["h_pre"])
            # Minus the candidate.
            out.op("sub", total, "r1", total)
        for z in _Z:
            self._gate(z, shifts["z_pre"])
        if self.waits:
            old, new = f"[sp, #{4 * turn}]", f"[sp, #{self.at_new + 4 * turn}]"
        else:
            out.op("ldr", "r4", f"[sp, #{self.at_state}]")
            old = new = f"[r4, #{4 * turn}]"
        out.op("ldr", "r5", old)
        out.op("sxtah", "r6", "r2", "r5")
        out.op("sxtah", "r10", "r3", "r5", "ror #16")
        out.op("sub", "r2", "r1", "r2", "lsl #16")
        out.op("sub", "r3", "r1", "r3", "lsl #16")
        out.op("mla", "r2", _Z[0], "r6", "r2")
        out.op("mla", "r3", _Z[1], "r10", "r3")
        out.op("pkhtb", "r2", "r3", "r2", "asr #16")
        out.op("str", "r2", new)

    def _gate(self, register: str, shift: int) -> None:
        """Replace a sum by its gate value; r0 points to the middle of the table, r4-r6 are free."""
        out = self.out
        if self.model.gates == "direct":
            out.op("ssat", "r4", "#10", register, *shifted(shift))
            out.op("ldrh", register, "[r0, r4, lsl #1]")
            return
        out.op("ssat", "r4", "#16", register, *shifted(shift))
        out.op("asr", "r5", "r4", "#9")
        out.op("add", "r5", "r0", "r5", "lsl #3")
        out.op("ldrd", "r5", "r6", "[r5]")
        out.op("smlawb", register, "r6", "r4", "r5")

    def _epilogue(self) -> None:
        out = self.out
        if self.loops:
            out.op("add", "r4", "r4", f"#{4 * self.unroll}")
            out.op("str", "r4", f"[sp, #{self.at_state}]")
            out.op("ldr", "r1", f"[sp, #{self.at_end}]")
            out.op("cmp", "r7", "r1")
            out.op("bne.w", ".Lpairs")
        if self.waits:
            out.op("ldr", "r0", f"[sp, #{self.at_state}]")
            out.op("add", "r1", "sp", f"#{self.at_new}")
            self._copy("r1", "r0")
        out.op("add", "sp", "sp", f"#{self.at_state + 4}")
        out.op("pop", "{" + ", ".join((*_SAVED[:-1], "pc")) + "}")


def write_m4(model: GruMlpModel, plan: Unrolling) -> tuple[str, int]:
    """Return the body of the step and its stack in bytes."""
    writer = _Writer(model, plan)
    return writer.write(), writer.stack_bytes
