"""Writer of Thumb-2 assembly: lines, and streams of weight words through a few registers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

#: Emits the instructions that use one word of the stream, given the register it is in.
WordUse = Callable[[str], None]


@dataclass(frozen=True)
class Unrolling:
    """Unrolling of a kernel.

    unroll: unit pairs per round of the loop; all of them for no loop. rolled: whether the columns of a unit
    pair are a loop too.
    """

    unroll: int
    rolled: bool = False


class Assembly:
    """Lines of a function body; `count` of them are instructions."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def op(self, name: str, *operands: str) -> None:
        """Add an instruction."""
        self.lines.append(f"    {name:<8}{', '.join(operands)}".rstrip())

    def note(self, text: str) -> None:
        """Add a comment on a line of its own."""
        self.lines.append(f"    @ {text}")

    def label(self, name: str) -> None:
        """Add a label."""
        self.lines.append(f"{name}:")

    def load(self, pointer: str, registers: Sequence[str]) -> None:
        """Load ascending registers from a pointer and advance it."""
        if len(registers) == 1:
            self.op("ldr", registers[0], f"[{pointer}]", "#4")
        else:
            self.op("ldm", f"{pointer}!", "{" + ", ".join(registers) + "}")

    def store(self, pointer: str, registers: Sequence[str]) -> None:
        """Store ascending registers at a pointer and advance it."""
        if len(registers) == 1:
            self.op("str", registers[0], f"[{pointer}]", "#4")
        else:
            self.op("stm", f"{pointer}!", "{" + ", ".join(registers) + "}")

    def stream(self, pointer: str, registers: Sequence[str], uses: Sequence[WordUse]) -> None:
        """Use consecutive words, loaded as many at a time as there are registers."""
        for first in range(0, len(uses), len(registers)):
            batch = uses[first : first + len(registers)]
            self.load(pointer, registers[: len(batch)])
            for register, use in zip(registers, batch):
                use(register)

    def text(self) -> str:
        """Return the lines as one text."""
        return "\n".join(self.lines)


def shifted(shift: int) -> tuple[str, ...]:
    """Return the operand of an arithmetic right shift, or nothing for none."""
    return (f"asr #{shift}",) if shift else ()
