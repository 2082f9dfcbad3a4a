"""Core of the modelled chips: instructions, exceptions, sleep, faults. Programs are compiled for Arm."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from builders.chip_program import program

from mcukd.chips.hooks import SLOW
from mcukd.chips.stop import ChipStop

pytestmark = pytest.mark.emulator
CHIPS = ("nrf52840", "cc2650")
COUNTER = """
#define START R(0xE000EDFCu) |= 1u << 24; R(0xE0001004u) = 0; R(0xE0001000u) |= 1u
#define NOW R(0xE0001004u)
"""
ISER, ISPR, ICSR, SHPR3, PRIORITY = 0xE000E100, 0xE000E200, 0xE000ED04, 0xE000ED20, 0xE000E400


@pytest.mark.parametrize("slow", [False, True])
@pytest.mark.parametrize("chip", CHIPS)
def test_the_cycle_counter_counts_every_instruction(
    tmp_path: Path, chip: str, slow: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Within a block, over a loop (two instructions a round), and conditionally executed ones."""
    if slow:
        monkeypatch.setenv(SLOW, "1")
    body = """
    START;
    uint32_t a, b, n = 1000;
    __asm volatile("ldr %0, [%2]\\n\\tnop\\n\\tnop\\n\\tnop\\n\\tldr %1, [%2]" : "=&r"(a), "=&r"(b) : "r"(0xE0001004u));
    out[0] = b - a;
    __asm volatile("ldr %0, [%3]\\n1:\\tsubs %2, #1\\n\\tbne 1b\\n\\tldr %1, [%3]"
                   : "=&r"(a), "=&r"(b), "+r"(n) : "r"(0xE0001004u) : "cc");
    out[1] = b - a;
    __asm volatile("ldr %0, [%2]\\n\\tcmp %0, #0\\n\\titt eq\\n\\tmoveq r3, #1\\n\\tmoveq r3, #1\\n\\tldr %1, [%2]"
                   : "=&r"(a), "=&r"(b) : "r"(0xE0001004u) : "r3", "cc");
    out[2] = b - a;
    """
    made = program(tmp_path, chip, body, COUNTER)
    assert made.chip.core._engine.compiled != slow
    assert made.run().words(3) == [4, 2001, 5]


@pytest.mark.parametrize("chip", CHIPS)
def test_interrupts_nest_by_priority_and_return_to_where_they_came(tmp_path: Path, chip: str) -> None:
    """Interrupt 3 (low) pends 4 (high): it preempts; 5 (low) follows after 3; registers are kept."""
    before = f"""
    static volatile uint32_t order;
    static void note(uint32_t n) {{ order = order * 10 + n; }}
    void low(void) {{ note(3); R({ISPR}) = 1u << 5; R({ISPR}) = 1u << 4;
                      __asm volatile("dsb\\n\\tisb"); note(7); }}
    void high(void) {{ note(4); out[1] = R({ICSR}) & 0x1FF; }}
    void last(void) {{ note(5); }}
    """
    body = f"""
    order = 0;
    R({PRIORITY}) = 0x80000000u; R({PRIORITY + 4}) = 0x00008020u;
    R({ISER}) = 7u << 3;
    uint32_t kept = 0x12345678;
    __asm volatile("mov r2, %0\\n\\tstr %1, [%2]\\n\\tdsb\\n\\tisb\\n\\tmov %0, r2"
                   : "+r"(kept) : "r"(1u << 3), "r"({ISPR}) : "r2", "memory");
    out[0] = order; out[2] = kept; out[3] = R({ICSR}) & 0x1FF;
    """
    made = program(tmp_path, chip, body, before, {19: "low", 20: "high", 21: "last"}).run()
    assert made.words(4) == [3475, 20, 0x12345678, 0]


@pytest.mark.parametrize("chip", CHIPS)
def test_masks_hold_interrupts_back_and_svc_and_pendsv_work(tmp_path: Path, chip: str) -> None:
    before = """
    static volatile uint32_t taken;
    void irq(void) { taken++; }
    void svc(void) { out[5] = 11; R(0xE000ED04u) = 1u << 28; }
    void pendsv(void) { out[6] = out[5] + 3; }
    """
    body = f"""
    taken = 0;
    R({PRIORITY}) = 0x40000000u; R({SHPR3}) = 0xE0u << 16; R({ISER}) = 1u << 3;
    MASKED; R({ISPR}) = 1u << 3; __asm volatile("isb"); out[0] = taken; OPEN; out[1] = taken;
    __asm volatile("msr basepri, %0" :: "r"(0x40)); R({ISPR}) = 1u << 3; __asm volatile("isb"); out[2] = taken;
    __asm volatile("msr basepri, %0\\n\\tisb" :: "r"(0)); out[3] = taken;
    __asm volatile("svc 1"); out[4] = out[6];
    """
    made = program(tmp_path, chip, body, before, {19: "irq", 11: "svc", 14: "pendsv"}).run()
    assert made.words(5) == [0, 1, 1, 2, 14]


@pytest.mark.parametrize("chip", CHIPS)
def test_systick_wakes_the_core_and_time_jumps_while_it_sleeps(tmp_path: Path, chip: str) -> None:
    before = "static volatile uint32_t ticks; void tick(void) { ticks++; }"
    body = """
    ticks = 0;
    R(0xE000E014u) = 999999; R(0xE000E018u) = 0; R(0xE000E010u) = 7;
    while (ticks < 10) { SLEEP; }
    R(0xE000E010u) = 0;
    out[0] = ticks;
    """
    made = program(tmp_path, chip, body, before, {15: "tick"}).run()
    core = made.chip.core
    assert made.out(0) == 10
    assert core.instructions < 5000
    assert core.slept + core.instructions + core.waited == core.cycles
    assert abs(core.slept - (core.cycles - 10_000_000) - 10_000_000) < 5000


@pytest.mark.parametrize("chip", CHIPS)
def test_a_pending_interrupt_wakes_from_wfi_though_masked_and_sev_from_wfe(tmp_path: Path, chip: str) -> None:
    body = f"""
    MASKED; R({ISER}) = 1u << 3; R({ISPR}) = 1u << 3;
    SLEEP;
    out[0] = 1; R(0xE000E280u) = 1u << 3;
    __asm volatile("sev\\n\\twfe"); out[1] = 2;
    """
    assert program(tmp_path, chip, body).run().words(2) == [1, 2]


@pytest.mark.parametrize("chip", CHIPS)
def test_faults_reach_their_handlers_with_the_cause(tmp_path: Path, chip: str) -> None:
    before = """
    void hard(void) {
        out[0]++; out[1] = R(0xE000ED28u); out[2] = R(0xE000ED2Cu); out[3] = R(0xE000ED38u);
        R(0xE000ED28u) = out[1]; R(0xE000ED2Cu) = out[2];
        uint32_t *frame; __asm volatile("mrs %0, msp" : "=r"(frame));
        while (frame[6] < 0x40 || frame[6] >= 0x20000 || !(frame[7] >> 24 & 1)) frame++;
        out[4] = *(volatile uint16_t *)frame[6]; frame[6] += 2;
    }
    void usage(void) { out[5] = R(0xE000ED28u); R(0xE000ED28u) = out[5]; uint32_t *frame;
        __asm volatile("mrs %0, msp" : "=r"(frame));
        while (frame[6] < 0x40 || frame[6] >= 0x20000 || !(frame[7] >> 24 & 1)) frame++;
        frame[6] += 2; }
    """
    body = """
    __asm volatile("mov r3, %0\\n\\tldr r2, [r3]\\n\\tnop" :: "r"(0xA0000000u) : "r2", "r3");
    R(0xE000ED24u) = 1u << 18;
    __asm volatile("udf #1");
    """
    made = program(tmp_path, chip, body, before, {3: "hard", 6: "usage"}).run()
    assert made.out(0) == 1
    assert made.out(1) == 1 << 9 | 1 << 15 and made.out(2) == 1 << 30 and made.out(3) == 0xA0000000
    assert made.out(4) == 0x681A
    assert made.out(5) == 1 << 16


def test_a_fault_in_a_fault_handler_stops_with_a_sentence(tmp_path: Path) -> None:
    before = "void hard(void) { out[0] = R(0xA0000000u); }"
    made = program(tmp_path, "cc2650", "out[1] = R(0xA0000000u);", before, {3: "hard"})
    with pytest.raises(ChipStop, match=r"\(hard\+0x\w+\): the core locks up"):
        made.run()


def test_floating_point_state_survives_an_interrupt_and_needs_to_be_enabled(tmp_path: Path) -> None:
    before = """
    void irq(void) { __asm volatile("vmov s0, %0\\n\\tvmov s15, %0" :: "r"(0x3F800000u) : "s0", "s15"); }
    """
    body = f"""
    R(0xE000ED88u) |= 0xFu << 20; __asm volatile("dsb\\n\\tisb");
    R({ISER}) = 1u << 3;
    uint32_t a, b;
    __asm volatile("vmov s0, %2\\n\\tvmov s15, %3\\n\\tstr %4, [%5]\\n\\tdsb\\n\\tisb\\n\\tvmov %0, s0\\n\\tvmov %1, s15"
        : "=&r"(a), "=&r"(b) : "r"(0x40400000u), "r"(0x40800000u), "r"(1u << 3), "r"({ISPR}) : "s0", "s15", "memory");
    out[0] = a; out[1] = b;
    """
    assert program(tmp_path, "nrf52840", body, before, {19: "irq"}).run().words(2) == [0x40400000, 0x40800000]
    usage = "void hard(void) { out[0] = R(0xE000ED28u); out[30] = 1; for (;;) { SLEEP; } }"
    body = '__asm volatile("vmov s0, %0" :: "r"(1) : "s0");'
    assert program(tmp_path, "nrf52840", body, usage, {3: "hard"}).run().out(0) == 1 << 19


def test_code_in_ram_may_change_between_calls(tmp_path: Path) -> None:
    """`bx lr` after one instruction: movs r0, #1, then movs r0, #2."""
    body = """
    static uint16_t code[2];
    uint32_t (*call)(void) = (uint32_t (*)(void))((uint32_t)code | 1u);
    for (uint32_t n = 1; n < 3; n++) {
        code[0] = (uint16_t)(0x2000u | n); code[1] = 0x4770;
        __asm volatile("dsb\\n\\tisb" ::: "memory");
        out[n - 1] = call();
    }
    """
    assert program(tmp_path, "cc2650", body).run().words(2) == [1, 2]


@pytest.mark.parametrize("chip", CHIPS)
def test_a_reset_by_software_starts_again_and_keeps_ram(tmp_path: Path, chip: str) -> None:
    body = """
    static volatile uint32_t kept[2];
    if (kept[0] != 0xC0FFEEu) { kept[0] = 0xC0FFEEu; R(0xE000ED0Cu) = 0x05FA0004u; for (;;) { } }
    out[0] = 1;
    """
    made = program(tmp_path, chip, body).run()
    assert made.out(0) == 1 and made.chip.resets == ["power", "software"]


def test_the_suite_does_not_run_with_the_slow_hook() -> None:
    assert SLOW not in os.environ
