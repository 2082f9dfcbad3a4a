"""Peripherals of the modelled CC2650, by small programs compiled for it."""

from __future__ import annotations

from pathlib import Path

import pytest
from builders.bus_devices import Inverter, Memory
from builders.chip_program import Program, program

from mcukd.chips.chip import Chip
from mcukd.chips.stop import ChipStop
from mcukd.chips.ti.chip import CC2650

pytestmark = pytest.mark.emulator

POWER = """
static void power(void) {
    R(0x40082134u) = 1; R(0x40082138u) = 1; while (!(R(0x40082148u) & R(0x4008214Cu) & 1u)) { }
    R(0x40082048u) = 1; R(0x40082060u) = 1; R(0x40082078u) = 1; R(0x40082028u) = 1; while (!(R(0x40082028u) & 2u)) { }
}
#define IOCFG(n) R(0x40081000u + 4u * (n))
"""
I2C = (
    POWER
    + """
static void i2c(void) {
    power();
    IOCFG(5) = 0x0Du | 2u << 13 | 1u << 29 | 4u << 24; IOCFG(6) = 0x0Eu | 2u << 13 | 1u << 29 | 4u << 24;
    R(0x40002820u) = 1u << 4; R(0x4000280Cu) = 5;
}
static uint32_t command(uint32_t bits) { R(0x40002804u) = bits; while (R(0x40002804u) & 1u) { } return R(0x40002804u); }
"""
)
FLASH = """
typedef uint32_t (*erase_function)(uint32_t); typedef uint32_t (*program_function)(uint8_t *, uint32_t, uint32_t);
#define TABLE ((uint32_t *)R(0x10000180u + 40u))
#define ERASE(at) ((erase_function)TABLE[5])(at)
#define PROGRAM(from, at, n) ((program_function)TABLE[6])((uint8_t *)(from), (at), (n))
static void mode(uint32_t wanted) { R(0x40034004u) = (R(0x40034004u) & ~3u) | wanted; while (R(0x40034000u) & 8u) { } }
"""


def run(
    folder: Path,
    main: str,
    before: str = "",
    handlers: dict[int, str] | None = None,
    ms: float = 500,
    **more: object,
) -> Program:
    return program(folder, "cc2650", main, before, handlers, **more).run(ms)  # type: ignore[arg-type]


def stopped(folder: Path, main: str, before: str = "", on: Chip | None = None) -> str:
    with pytest.raises(ChipStop) as stop:
        program(folder, "cc2650", main, before, on=on).run(500)
    return str(stop.value)


def test_the_clock_wakes_at_a_compare_value_and_runs_on_through_a_reset(tmp_path: Path) -> None:
    before = "void rtc(void) { R(0x40092004u) = 1; out[1]++; }"
    body = """
    static volatile uint32_t kept[2];
    if (kept[0] == 0xC0FFEEu) { out[0] = R(0x40092008u); out[2] = R(0x4009200Cu) >> 24; out[1] = kept[1]; return 0; }
    R(0x40092018u) = 10u << 16 | 0x8000u; R(0x40092014u) = 1; R(0x40092000u) = 1u | 1u << 16; R(0xE000E100u) = 1u << 4;
    while (!out[1]) { SLEEP; }
    kept[0] = 0xC0FFEEu; kept[1] = out[1];
    R(0xE000ED0Cu) = 0x05FA0004u; for (;;) { }
    """
    made = run(tmp_path, body, before, {20: "rtc"}, ms=12_000)
    assert made.words(3) == [10, 1, 0x80]
    assert made.chip.core.instructions < 3000 and made.chip.core.slept > 10 * 48_000_000


def test_a_brown_out_is_told_from_other_resets_and_stops_the_clock(tmp_path: Path) -> None:
    body = "out[0] = R(0x40090004u) >> 1 & 7u; out[1] = R(0x40092000u); R(0x40092000u) = 1;"
    made = run(tmp_path, body)
    made.chip.reset_pin()
    assert made.run(100).words(2) == [1, 1]
    made.chip.brown_out()
    assert made.run(100).words(2) == [2, 0]
    assert made.chip.resets == ["power", "pin", "brown-out"]


def test_channel_2_repeats_by_itself(tmp_path: Path) -> None:
    before = "void rtc(void) { R(0x40092004u) = 1u << 16; out[0]++; }"
    body = """
    R(0x40092020u) = 0x4000; R(0x40092024u) = 0x4000; R(0x40092014u) = 1u << 16 | 1u << 18;
    R(0x40092000u) = 1u | 4u << 16; R(0xE000E100u) = 1u << 4;
    while (out[0] < 8) { SLEEP; }
    out[1] = R(0x40092008u);
    """
    assert run(tmp_path, body, before, {20: "rtc"}, ms=3_000).words(2) == [8, 2]


def test_the_watchdog_interrupts_then_resets_and_the_source_says_so(tmp_path: Path) -> None:
    before = "void bark(void) { out[5]++; R(0x40080008u) |= 0; R(0xE000E180u) = 1u << 14; }"
    body = """
    out[0] = R(0x40090004u) >> 1 & 7u;
    if (out[0] == 7) { return 0; }
    R(0x40080C00u) = 0x1ACCE551u; R(0x40080000u) = 1500000; R(0x40080008u) = 3;
    for (int n = 0; n < 3; n++) { for (volatile int i = 0; i < 100000; i++) { } R(0x4008000Cu) = 1; }
    R(0x40080C00u) = 0;
    for (;;) { }
    """
    made = run(tmp_path, body, before, {30: "bark"}, ms=4_000)
    assert made.words(1) == [7] and made.chip.resets == ["power", "watchdog"]
    assert "while WDT.LOCK is closed" in stopped(tmp_path, "R(0x40080C00u) = 0; R(0x40080000u) = 1;")


def test_i2c_writes_and_reads_byte_by_byte(tmp_path: Path) -> None:
    chip, memory = CC2650(), Memory()
    chip.wire_i2c(6, 5, memory)
    body = """
    i2c();
    R(0x40002800u) = 0x50u << 1; R(0x40002808u) = 3; out[0] = command(3);
    R(0x40002808u) = 0xAA; out[1] = command(5);
    R(0x40002800u) = 0x50u << 1; R(0x40002808u) = 2; command(3);
    R(0x40002800u) = 0x50u << 1 | 1u; command(0xB); out[2] = R(0x40002808u);
    command(9); out[3] = R(0x40002808u); command(5); out[4] = R(0x40002808u);
    out[5] = R(0x40002804u);
    """
    made = run(tmp_path, body, I2C, on=chip)
    assert made.words(6) == [1 << 6, 1 << 5, 2, 0xAA, 4, 1 << 5]
    assert memory.registers[3] == 0xAA


def test_i2c_reports_what_was_not_acknowledged_and_interrupts(tmp_path: Path) -> None:
    chip, memory = CC2650(), Memory()
    chip.wire_i2c(6, 5, memory)
    before = I2C + "void done(void) { R(0x4000281Cu) = 1; out[5]++; }"
    body = """
    i2c(); R(0x40002810u) = 1; R(0xE000E100u) = 1u << 1;
    R(0x40002800u) = 0x51u << 1; R(0x40002808u) = 3; R(0x40002804u) = 3; SLEEP; out[0] = R(0x40002804u); command(4);
    R(0x40002800u) = 0x50u << 1; command(3); R(0x40002808u) = 0xEE; out[1] = command(1); command(4);
    """
    made = run(tmp_path, body, before, {17: "done"}, on=chip)
    assert made.out(0) & 0xE == 0x2 | 0x4 and made.out(1) & 0xE == 0x2 | 0x8 and made.out(5) >= 4


def test_ssi_shifts_through_the_chosen_device(tmp_path: Path) -> None:
    chip, device = CC2650(), Inverter()
    chip.wire_spi(10, 9, 8, 20, device)
    body = """
    power();
    IOCFG(20) = 3u << 13; R(0x40022080u) = 1u << 20; R(0x400220D0u) = 1u << 20;
    IOCFG(10) = 0x0Cu | 3u << 13; IOCFG(9) = 0x0Au | 3u << 13; IOCFG(8) = 0x09u | 1u << 29 | 3u << 13;
    R(0x40000000u) = 7; R(0x40000010u) = 12; R(0x40000004u) = 2;
    R(0x400220A0u) = 1u << 20;
    R(0x40000008u) = 1; R(0x40000008u) = 2; while (R(0x4000000Cu) & 16u) { }
    R(0x40022090u) = 1u << 20;
    out[0] = R(0x40000008u); out[1] = R(0x40000008u); out[2] = R(0x4000000Cu);
    """
    made = run(tmp_path, body, POWER, on=chip)
    assert made.words(3) == [0xFE, 0xFD, 3] and device.chosen == [True, False]


def test_an_edge_wakes_and_is_flagged(tmp_path: Path) -> None:
    before = POWER + "void edge(void) { out[1] = R(0x400220E0u); R(0x400220E0u) = out[1]; out[0]++; }"
    body = "power(); IOCFG(7) = 1u << 29 | 3u << 13 | 2u << 16 | 1u << 18; R(0xE000E100u) = 1; while (!out[0]) { SLEEP; } out[2] = R(0x400220C0u);"
    made = program(tmp_path, "cc2650", body, before, {16: "edge"})
    made.chip.run_ns(1_000_000)
    made.chip.pins.drive(7, True)
    assert made.run().words(3) == [1, 1 << 7, 1 << 7]


def test_flash_is_written_by_the_roms_functions(tmp_path: Path) -> None:
    body = """
    static uint32_t data[2]; data[0] = 0x12345678; data[1] = 0x9ABCDEF0;
    MASKED; mode(1); mode(3);
    out[0] = ERASE(0x1D000) | PROGRAM(data, 0x1D000, 8) | PROGRAM(data, 0x1D00A, 1);
    mode(1); OPEN;
    out[1] = R(0x1D000u); out[2] = R(0x1D004u); out[3] = R(0x1D008u);
    """
    made = run(tmp_path, body, FLASH)
    assert made.words(4) == [0, 0x12345678, 0x9ABCDEF0, 0xFF78FFFF]
    assert made.chip.flash.erasures[0x1D] == 1 and made.chip.flash.operations == 4
    # An erase, three words, and three changes of the cache's mode, which the program polls.
    assert made.chip.core.waited / 48e6 == pytest.approx(0.008 + 3 * 8e-6 + 3 * 2000 / 48e6, rel=0.001)


@pytest.mark.parametrize(
    ("body", "sentence"),
    [
        ("out[0] = R(0x40001018u);", "UART0.FR (0x40001018), but its power domain SERIAL is off"),
        ("R(0x40082134u) = 1; while (!(R(0x40082148u))) { } R(0x40001030u) = 0;", "its clock is off (PRCM.UARTCLKGR"),
        ("R(0x40082134u) = 2;", "sets bit 1, which the CC2650 has not"),
        ("mode(1); ERASE(0x1D000);", "while VIMS caches it"),
        ("mode(1); mode(0);", "leaves cache mode, which is only possible through OFF"),
        ("mode(3); R(0xE000E100u) = 1; ERASE(0x1D000);", "while interrupts are open"),
        ("MASKED; mode(3); ERASE(0x1F000);", "holds the configuration words (CCFG)"),
        ("mode(3); PROGRAM(0x100, 0x1D000, 4);", "programs flash from flash"),
        ("R(0x1D000u) = 1;", "which is written by the ROM's functions"),
        ("mode(3); for (int n = 0; n < 84; n++) { PROGRAM(out, 0x1D000, 4); }", "write 84 of the 256 bytes"),
        ("R(0x40022090u) = 1;", "its power domain PERIPH is off"),
        ("R(0x40081000u) = 0x6030u;", "port 0x30, which is not modelled"),
        ("R(0x42000000u) = 1;", "the core locks up"),
        ("i2c(); R(0x4000280Cu) = 2; command(7);", "more than the 400,000 Hz of fast mode"),
        ("i2c(); command(1);", "goes on with a transfer that was not started"),
    ],
)  # fmt: skip
def test_what_the_chip_does_not_allow_stops_with_a_sentence(tmp_path: Path, body: str, sentence: str) -> None:
    chip = CC2650()
    chip.wire_i2c(6, 5, Memory())
    before = FLASH + I2C + "void hard(void) { out[0] = R(0xA0000000u); }"
    with pytest.raises(ChipStop) as stop:
        program(tmp_path, "cc2650", body, before, {3: "hard"}, on=chip).run()
    assert sentence in str(stop.value)


def test_an_image_without_configuration_words_never_starts(tmp_path: Path) -> None:
    made = program(tmp_path, "cc2650", "")
    made.chip.core.write_memory(0x1FFA8, b"\xff" * 88)
    with pytest.raises(ChipStop, match="starts no image: IMAGE_VALID_CONF .* is 0xffffffff"):
        made.chip.power_on()
