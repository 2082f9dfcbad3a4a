"""Trace of executed instructions, from QEMU's log of translated and executed blocks.

`-d in_asm` lists the addresses of a block when it is translated, `exec,nochain` names each block that runs.
The block that runs next tells whether the last instruction of the one before branched.
"""

from __future__ import annotations

import re
import subprocess
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING

from mcukd.errors import UserError

if TYPE_CHECKING:
    from mcukd.profiling.cycles import Instruction

    Executed = Counter[tuple[int, bool]]

#: A block that runs, an instruction of a block being translated, or a block left before it began.
_EVENT = re.compile(
    rb"^(?:Trace \d+: \S+ \[[0-9a-f]+/([0-9a-f]+)/|0x([0-9a-f]{8}):|(IN:)|(Stopped execution))", re.MULTILINE
)
_CHUNK = 1 << 20


def executed(argv: list[str], disassembly: Mapping[int, Instruction], first: int, last: int) -> Executed:
    """Run QEMU and count instructions by address and whether they branched, from `first` until `last`.

    argv: QEMU's command line, without logging. first, last: addresses of the functions where counting
    starts and ends; `last` itself does not count. Raises UserError where the log never gets there.
    """
    with subprocess.Popen(
        [*argv, "-d", "in_asm,exec,nochain"], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
    ) as process:
        try:
            return count_blocks(_chunks(process), disassembly, first, last)
        finally:
            process.kill()


def count_blocks(
    log: Iterable[bytes], disassembly: Mapping[int, Instruction], first: int, last: int
) -> Executed:
    """Count executed instructions in a log given as pieces that end at line ends; see `executed`."""
    blocks: dict[int, list[int]] = {}
    pairs: Counter[tuple[int, int]] = Counter()
    translating: list[int] = []
    previous, again = -1, False
    for piece in log:
        for block_text, address, translated, _ in _EVENT.findall(piece):
            if block_text:
                block = int(block_text, 16)
                if translating:
                    blocks[translating[0]], translating = translating, []
                if previous < 0:
                    previous = block if block == first else -1
                    continue
                if not again:
                    pairs[previous, block] += 1
                if block == last:
                    return _by_instruction(pairs, blocks, disassembly)
                previous, again = block, False
            elif address:
                translating.append(int(address, 16))
            elif translated:
                translating = []
            else:
                again = previous >= 0  # the block named last did not run yet and will be named once more
    raise UserError(
        "the emulator's log ends before the window does; 'mcukd doctor' tells which QEMU runs here."
    )


def _chunks(process: subprocess.Popen[bytes]) -> Iterator[bytes]:
    assert process.stderr is not None
    rest = b""
    while True:
        chunk = process.stderr.read(_CHUNK)
        if not chunk:
            yield rest
            return
        head, newline, tail = chunk.rpartition(b"\n")
        yield rest + head + newline
        rest = tail


def _by_instruction(
    pairs: Mapping[tuple[int, int], int],
    blocks: Mapping[int, list[int]],
    disassembly: Mapping[int, Instruction],
) -> Executed:
    counts: Executed = Counter()
    for (start, following), times in pairs.items():
        addresses = blocks.get(start)
        if addresses is None or addresses[-1] not in disassembly:
            raise UserError(
                f"the emulator ran code at {start:#x} that it did not list; 'mcukd doctor' tells which "
                "QEMU runs here."
            )
        for address in addresses[:-1]:
            counts[address, False] += times
        end = addresses[-1]
        counts[end, end + disassembly[end].size != following] += times
    return counts
