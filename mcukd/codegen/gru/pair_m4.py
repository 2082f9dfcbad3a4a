"""Two states at once on a Cortex-M4: two products per instruction, weights loaded four words at a time."""

from __future__ import annotations

from functools import partial

from mcukd.codegen.assembly import WordUse, shifted
from mcukd.codegen.gru.pair import FIRST, FRAME, SECOND, WEIGHTS, PairWriter
from mcukd.codegen.gru.stream import sample_words

_LOADED = ("r0", "r1", "r2", "r3")
_STATES = ("r4", "r5")


class PairWriterM4(PairWriter):
    """The frame has for each column pair a word of either state."""

    column_words = 2
    unroll = 2

    @property
    def reach_bytes(self) -> int:
        """The offset of the last column pair's states in the frame."""
        return self.frame_bytes

    def _load_sample(self) -> None:
        out, channels = self.out, self.model.channels
        for word, register in reversed(list(enumerate(("r1", "r2")[: sample_words(channels)]))):
            both = 2 * word + 1 < channels
            if both:
                out.op("ldrh", "r4", f"[r1, #{4 * word + 2}]")
            out.op("ldrh", register, f"[r1, #{4 * word}]")
            if both:
                out.op("orr", register, register, "r4", "lsl #16")

    def _shared(self) -> None:
        out, early = self.out, self.stream.early
        z, r, h_rec, h = ("r3", "r4"), ("r5", "r6"), ("r8", "r9"), ("r10", "r11")
        out.load(WEIGHTS, [*z, *r, *h_rec] if early else h_rec)
        out.op("add", WEIGHTS, WEIGHTS, f"#{4 * self.model.packing.words(self.model.hidden)}")
        for totals in (z, r):
            if not early:
                out.load(WEIGHTS, totals)
            out.stream(WEIGHTS, ("r10", "r11", "r12", "lr"), self._sample_uses(totals))
        out.load(WEIGHTS, h)
        out.stream(WEIGHTS, ("r12", "lr"), self._sample_uses(h))
        for unit in range(2):
            out.store("r0", [sums[unit] for sums in (z, r, h_rec, h)])

    def _sample_uses(self, totals: tuple[str, str]) -> list[WordUse]:
        """Return the uses of a gate's words for samples; an odd last channel has one for both units."""
        uses: list[WordUse] = []
        for word, sample in enumerate(("r1", "r2")[: sample_words(self.model.channels)]):
            if 2 * word + 1 < self.model.channels:
                uses += [partial(self._add_pair, total, sample) for total in totals]
            else:
                uses.append(partial(self._add_last, totals, sample))
        return uses

    def _add_pair(self, total: str, sample: str, weight: str) -> None:
        self.out.op("smlad", total, weight, sample, total)

    def _add_last(self, totals: tuple[str, str], sample: str, weight: str) -> None:
        self.out.op("smlabb", totals[0], weight, sample, totals[0])
        self.out.op("smlatb", totals[1], weight, sample, totals[1])

    def _coarse(self) -> None:
        out, shift = self.out, self.model.state_shift
        if shift == 1:
            out.op("mov", "r12", "#0")
        for column in range(self.pairs):
            here = ("r2", "r3") if column % 2 == 0 else ("r8", "r9")
            if column % 2 == 0:
                out.load("r0", ("r2", "r3", "r8", "r9")[: 2 * (self.pairs - column)])
            self._coarse_column(here, shift)
            out.op("strd", "r4", "r5", f"[sp, #{FRAME + 8 * column}]")

    def _coarse_column(self, words: tuple[str, str], shift: int) -> None:
        """Bring the words of two units, a state in each half, into a word of each state: r4 and r5."""
        out, (low, high) = self.out, words
        if shift < 2:
            for word in words if shift else ():
                out.op("shadd16", word, word, "r12")
            out.op("pkhbt", "r4", low, high, "lsl #16")
            out.op("pkhtb", "r5", high, low, "asr #16")
            return
        out.op("sbfx", "r4", low, f"#{shift}", f"#{16 - shift}")
        out.op("sbfx", "r5", high, f"#{shift}", f"#{16 - shift}")
        out.op("pkhbt", "r4", "r4", "r5", "lsl #16")
        out.op("asr", "r5", high, f"#{shift}")
        out.op("pkhtb", "r5", "r5", low, f"asr #{16 + shift}")

    def _columns(self, starts: dict[str, str]) -> None:
        uses: list[WordUse] = []
        for column in range(self.pairs):
            for place in range(3):
                uses.append(partial(self._products, column, place, starts if column == 0 else {}))
        self.out.stream(WEIGHTS, _LOADED, uses)

    def _products(self, column: int, place: int, starts: dict[str, str], weight: str) -> None:
        """Add the products of a word of weights to a sum of both states."""
        out = self.out
        if place == 0:
            out.op("ldrd", *_STATES, f"[sp, #{FRAME + 8 * column}]")
        first, second = FIRST[place], SECOND[place]
        if column:
            out.op("smlad", second, weight, _STATES[1], second)
            out.op("smlad", first, weight, _STATES[0], first)
        elif first in starts:
            out.op("smlad", second, weight, _STATES[1], first)
            out.op("smlad", first, weight, _STATES[0], first)
        else:
            out.op("smuad", second, weight, _STATES[1])
            out.op("smuad", first, weight, _STATES[0])

    def _gate(self, register: str, shift: int) -> None:
        out = self.out
        if self.model.gates == "direct":
            self._direct(register, shift)
            return
        out.op("ssat", "r3", "#16", register, *shifted(shift))
        out.op("asr", "r4", "r3", "#9")
        out.op("add", "r4", "r0", "r4", "lsl #3")
        out.op("ldrd", "r4", "r5", "[r4]")
        out.op("smlawb", register, "r5", "r3", "r4")

    def _mix(self) -> None:
        out, (z, c, _), (other_z, other_c, _) = self.out, FIRST, SECOND
        out.op("sxtah", "r3", c, "r4")
        out.op("sxtah", "r5", other_c, "r4", "ror #16")
        out.op("sub", c, "r1", c, "lsl #16")
        out.op("sub", other_c, "r1", other_c, "lsl #16")
        out.op("mla", c, z, "r3", c)
        out.op("mla", other_c, other_z, "r5", other_c)
        out.op("pkhtb", other_c, other_c, c, "asr #16")
