"""Two states at once on a Cortex-M3: each weight is loaded as a halfword and multiplied twice."""

from __future__ import annotations

from mcukd.codegen.assembly import shifted
from mcukd.codegen.gru.pair import FIRST, FRAME, SECOND, SUMS, WEIGHTS, PairWriter
from mcukd.fixedpoint.gru.model import GATES

_COLUMN = "r5"
#: Of a column pair the first column of both states, then the second.
_STATES = ("r1", "r2", "r3", "r4")


class PairWriterM3(PairWriter):
    """The frame has for each column pair a word for each value."""

    column_words = 4
    #: A round is long: the loop's own instructions are one in a hundred.
    unroll = 1

    @property
    def reach_bytes(self) -> int:
        """The offset of a bias in its row."""
        return 4 * max(self.stream.bias.values())

    def _load_sample(self) -> None:
        """Leave the sample where it is: a product loads it beside its weight."""

    def _shared(self) -> None:
        out = self.out
        units = (("r3", "r4", "r5", "r6"), ("r8", "r9", "r10", "r11"))
        for name, registers in zip(SUMS, zip(*units)):
            out.op("ldrd", *registers, f"[{WEIGHTS}, #{4 * self.stream.bias[name]}]")
        for gate in GATES:
            place = SUMS.index(gate)
            self._add_samples(gate, (units[0][place], units[1][place]))
        out.store("r0", [*units[0], *units[1]])
        out.op("add", WEIGHTS, WEIGHTS, f"#{4 * self.stream.words.shape[1]}")

    def _add_samples(self, gate: str, totals: tuple[str, str]) -> None:
        out, channels = self.out, self.model.channels
        for channel in range(channels):
            word, lane = divmod(channel, 2)
            at = 4 * self.stream.kernel[gate, word]
            alone = 2 * word + 1 == channels
            out.op("ldrsh", "r2", f"[r1, #{2 * channel}]")
            for unit, (total, weight) in enumerate(zip(totals, ("r12", "lr"))):
                out.op("ldrsh", weight, f"[r7, #{at + (2 * unit if alone else 4 * unit + 2 * lane)}]")
                out.op("mla", total, weight, "r2", total)

    def _coarse(self) -> None:
        out, shift = self.out, self.model.state_shift
        out.op("add", "r1", "sp", f"#{FRAME}")
        for _ in range(self.pairs):
            out.load("r0", ("r2", "r3"))
            for unit, low, high in (("r2", "r8", "r9"), ("r3", "r10", "r11")):
                out.op("sbfx", low, unit, f"#{shift}", f"#{16 - shift}")
                out.op("asr", high, unit, f"#{16 + shift}")
            out.store("r1", ("r8", "r9", "r10", "r11"))

    def _columns(self, starts: dict[str, str]) -> None:
        out = self.out
        out.op("add", _COLUMN, "sp", f"#{FRAME}")
        for column in range(self.pairs):
            out.load(_COLUMN, _STATES)
            for place in range(3):
                at = 4 * (3 * column + place)
                for lane, (first_state, second_state) in enumerate((_STATES[:2], _STATES[2:])):
                    out.op("ldrsh", "r0", f"[{WEIGHTS}, #{at + 2 * lane}]")
                    first, second = FIRST[place], SECOND[place]
                    if column or lane:
                        out.op("mla", second, "r0", second_state, second)
                        out.op("mla", first, "r0", first_state, first)
                    elif first in starts:
                        out.op("mla", second, "r0", second_state, first)
                        out.op("mla", first, "r0", first_state, first)
                    else:
                        out.op("mul", second, "r0", second_state)
                        out.op("mul", first, "r0", first_state)
        out.op("add", WEIGHTS, WEIGHTS, f"#{12 * self.pairs}")

    def _gate(self, register: str, shift: int) -> None:
        out = self.out
        if self.model.gates == "direct":
            self._direct(register, shift)
            return
        out.op("ssat", "r3", "#16", register, *shifted(shift))
        out.op("asr", "r4", "r3", "#9")
        out.op("add", "r4", "r0", "r4", "lsl #3")
        out.op("ldrd", "r4", "r5", "[r4]")
        out.op("smull", "r3", "r5", "r5", "r3")
        out.op("add", "r4", "r4", "r5", "lsl #16")
        out.op("add", register, "r4", "r3", "lsr #16")

    def _mix(self) -> None:
        out, (z, c, _), (other_z, other_c, _) = self.out, FIRST, SECOND
        out.op("sxth", "r3", "r4")
        out.op("add", "r3", "r3", c)
        out.op("add", "r5", other_c, "r4", "asr #16")
        out.op("sub", c, "r1", c, "lsl #16")
        out.op("sub", other_c, "r1", other_c, "lsl #16")
        out.op("mla", c, z, "r3", c)
        out.op("mla", other_c, other_z, "r5", other_c)
        out.op("lsr", c, c, "#16")
        out.op("bfi", other_c, c, "#0", "#16")
