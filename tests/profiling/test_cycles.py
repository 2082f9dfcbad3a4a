"""Cycle tables, the disassembly they are applied to, and the trace of executed instructions."""

from __future__ import annotations

from collections import Counter

import pytest

from mcukd.boards.cores import cores_with
from mcukd.errors import UserError
from mcukd.profiling.cycles import (
    Instruction,
    instruction_mix,
    load_table,
    parse_disassembly,
    registers,
    total_cycles,
)
from mcukd.profiling.trace import count_blocks

DISASSEMBLY = """
image:     file format elf32-littlearm

Disassembly of section .model_code:

00000100 <step>:
     100:\te92d 47f0 \tstmdb\tsp!, {r4, r5, r6, r7, r8, r9, r10, lr}
     104:\tc8f8      \tldmia\tr0!, {r3, r4, r5, r6, r7}
     106:\tfb24 1103 \tsmlad\tr1, r4, r3, r1
     10a:\t3a01      \tsubs\tr2, #1
     10c:\td1fb      \tbne.n\t106 <step+0x6>
     10e:\t4b01      \tldr\tr3, [pc, #4]\t@ (114 <step+0x14>)
     110:\te8bd 87f0 \tldmia.w\tsp!, {r4, r5, r6, r7, r8, r9, r10, pc}
     114:\t00000200 \t.word\t0x00000200
"""

LOG = [
    b"----------------\nIN: reset\n0x00000090:  b500       push     {lr}\n\n",
    b"Trace 0: 0x7f00 [00800408/00000090/00000110/ff000200] reset\n",
    b"----------------\nIN: step\n0x00000100:  e92d 47f0  push.w {r4}\n0x00000104:  c8f8  ldm r0!, {r3}\n",
    b"0x00000106:  fb24 1103  smlad r1\n0x0000010a:  3a01  subs r2\n0x0000010c:  d1fb  bne #0x106\n\n",
    b"Trace 0: 0x7f01 [00800408/00000100/00000110/ff000200] step\n",
    b"----------------\nIN: step\n0x00000106:  fb24 1103  smlad r1\n0x0000010a:  3a01  subs r2\n"
    b"0x0000010c:  d1fb  bne #0x106\n\n",
    b"Trace 0: 0x7f02 [00800408/00000106/00000110/ff000200] step\n",
    b"Stopped execution of TB chain before 0x7f02 [00000106] step\n",
    b"Trace 0: 0x7f02 [00800408/00000106/00000110/ff000200] step\n",
    b"Trace 0: 0x7f02 [00800408/00000106/00000110/ff000200] step\n",
    b"----------------\nIN: step\n0x0000010e:  4b01  ldr r3\n0x00000110:  e8bd 87f0  pop.w {r4, pc}\n\n",
    b"Trace 0: 0x7f03 [00800408/0000010e/00000110/ff000200] step\n",
    b"Trace 0: 0x7f04 [00800408/00000300/00000110/ff000200] done\n",
]


def test_disassembly_skips_data_and_comments() -> None:
    found = parse_disassembly(DISASSEMBLY)
    assert sorted(found) == [0x100, 0x104, 0x106, 0x10A, 0x10C, 0x10E, 0x110]
    assert found[0x10A] == Instruction(0x10A, 2, "subs", "r2, #1")
    assert found[0x10E].operands == "r3, [pc, #4]"
    assert found[0x100].size == 4


def test_executed_blocks_become_executed_instructions() -> None:
    executed = count_blocks(LOG, parse_disassembly(DISASSEMBLY), 0x100, 0x300)
    assert executed == Counter(
        {
            (0x100, False): 1,
            (0x104, False): 1,
            (0x106, False): 3,
            (0x10A, False): 3,
            (0x10C, True): 2,
            (0x10C, False): 1,
            (0x10E, False): 1,
            (0x110, True): 1,
        }
    )


def test_log_that_ends_early_is_one_sentence() -> None:
    with pytest.raises(UserError, match="log ends before the window does"):
        count_blocks(LOG[:-1], parse_disassembly(DISASSEMBLY), 0x100, 0x300)


def test_cycles_of_an_executed_mix() -> None:
    disassembly = parse_disassembly(DISASSEMBLY)
    executed = count_blocks(LOG, disassembly, 0x100, 0x300)
    cycles = total_cycles(load_table("m4f"), disassembly, executed)
    # push of 8, load of 5, three multiplies and subtractions, two taken branches and one not, load, return.
    assert cycles.estimated == 9 + 6 + 3 + 3 + (4 + 4 + 1) + 2 + (9 + 3)
    assert cycles.least == 9 + 6 + 3 + 3 + (2 + 2 + 1) + 1 + (9 + 1)
    assert instruction_mix(disassembly, executed)["smlad"] == 3


def test_dsp_instructions_are_not_in_the_m3_table() -> None:
    disassembly = parse_disassembly(DISASSEMBLY)
    with pytest.raises(UserError, match="no cycles for the instruction 'smlad'"):
        total_cycles(load_table("m3"), disassembly, Counter({(0x106, False): 1}))


@pytest.mark.parametrize(
    ("mnemonic", "like"),
    [
        ("movs", "mov"), ("moveq", "mov"), ("addseq", "add"), ("bls.n", "b"), ("blt", "b"), ("bleq", "bl"),
        ("bl", "bl"), ("teq", "teq"), ("itete", "it"), ("ldrsh.w", "ldrsh"), ("strhs", "str"),
        ("muls", "mul"), ("lsls", "lsl"), ("bics", "bic"), ("cmpls", "cmp"), ("mvns", "mvn"),
    ],
)  # fmt: skip
def test_suffixes_do_not_change_the_row(mnemonic: str, like: str) -> None:
    for core in cores_with("cycles"):
        table = load_table(core)
        assert table.timing(mnemonic) is table.rows[like]


def test_floating_point_types_do_not_change_the_row() -> None:
    table = load_table("m4f")
    assert table.timing("vmla.f32") is table.rows["vmla"]
    assert table.timing("vmovgt.f32") is table.rows["vmov"]


@pytest.mark.parametrize(
    ("operands", "count"),
    [("r0!, {r3, r4, r5}", 3), ("sp!, {r4-r7, lr}", 5), ("{d8-d9}", 4), ("{s0}", 1), ("r0, [r1, #4]", 0)],
)
def test_registers_of_a_list(operands: str, count: int) -> None:
    assert registers(operands) == count


def test_known_differences_between_the_cores() -> None:
    m3, m4 = load_table("m3"), load_table("m4f")
    mla = Instruction(0, 4, "mla", "r0, r1, r2, r3")
    smull = Instruction(0, 4, "smull", "r0, r1, r2, r3")
    assert m3.cost(mla, False) == (2, 2)
    assert m4.cost(mla, False) == (1, 1)
    assert m3.cost(smull, False) == (5, 3)
    assert m4.cost(smull, False) == (1, 1)


def test_every_row_has_a_source_and_no_more_least_than_cycles() -> None:
    for core in cores_with("cycles"):
        table = load_table(core)
        for name, row in table.rows.items():
            assert row.source.startswith("TRM"), name
            cost = table.cost(Instruction(0, 2, name, "{r0, r1}"), False)
            assert 0 <= cost.least <= cost.estimated, name


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ('[[instructions]]\nmnemonics = ["mov"]\ncycles = "1"', "has no 'source'"),
        ('[[instructions]]\nmnemonics = ["mov"]\ncycles = "1*N"\nsource = "x"', "expected a sum"),
        (
            '[[instructions]]\nmnemonics = ["it"]\ncycles = "1"\nsource = "x"\nspeed = 1',
            "unknown field 'speed'",
        ),
        ('[[instructions]]\nmnemonics = ["it"]\ncycles = "1"\nsource = "x"', "refill"),
    ],
)
def test_faulty_tables_are_one_sentence(tmp_path, text: str, problem: str) -> None:
    path = tmp_path / "cycles.toml"
    path.write_text(f'core = "m3"\n{text}\n', encoding="utf-8")
    with pytest.raises(UserError, match=problem):
        load_table("m3", path)


def test_unknown_core_is_one_sentence() -> None:
    with pytest.raises(UserError, match="choose one of m3, m4f"):
        load_table("m7")
