"""Instructions of straight stretches of Thumb code: their number, and which need the model's attention."""

from __future__ import annotations

from dataclasses import dataclass

WFI, WFE, SEV = 0xBF30, 0xBF20, 0xBF40


@dataclass(frozen=True)
class Block:
    """A stretch of code. instructions: how many. starts: offset of each in bytes.

    masks: whether one may lower PRIMASK, FAULTMASK or BASEPRI. events: whether SEV is among them.
    floating: whether one needs the floating-point unit.
    """

    instructions: int
    starts: tuple[int, ...]
    masks: bool
    events: bool
    floating: bool

    @property
    def plain(self) -> bool:
        """Whether nothing in it needs attention."""
        return not (self.masks or self.events or self.floating)

    def executed(self, offset: int) -> int:
        """Return how many instructions lie before `offset` bytes."""
        return sum(start < offset for start in self.starts)


def inspect(code: bytes) -> Block:
    """Return the facts of the code of one block (Armv7-M Architecture Reference Manual, A5.1 and A5.3)."""
    starts = []
    masks = events = floating = False
    at = 0
    while at < len(code):
        starts.append(at)
        first = int.from_bytes(code[at : at + 2], "little")
        if first >> 11 >= 0x1D:
            second = int.from_bytes(code[at + 2 : at + 4], "little")
            masks |= first & 0xFFF0 == 0xF380 and second & 0xFF00 == 0x8800
            floating |= first & 0xEC00 == 0xEC00 and second & 0x0E00 == 0x0A00
            at += 4
        else:
            masks |= first & 0xFFE0 == 0xB660
            events |= first == SEV
            at += 2
    return Block(len(starts), tuple(starts), masks, events, floating)
