"""Peripherals of the modelled nRF52840, by small programs compiled for it."""

from __future__ import annotations

from pathlib import Path

import pytest
from builders.bus_devices import Inverter, Memory
from builders.chip_program import Program, program

from mcukd.chips.chip import Chip
from mcukd.chips.console import Console
from mcukd.chips.flash import PowerLost
from mcukd.chips.nordic.chip import NRF52840
from mcukd.chips.stop import ChipStop

pytestmark = pytest.mark.emulator

LFCLK = """
static void lfclk(void) { R(0x40000518u) = 0; R(0x40000104u) = 0; R(0x40000008u) = 1; while (!R(0x40000104u)) { } }
"""
TWIM = """
#define CNF(pin) R(0x50000700u + 4u * (pin))
static volatile uint8_t buffer[16];
static void twim(void) {
    CNF(26) = 6u << 8 | 3u << 2; CNF(27) = 6u << 8 | 3u << 2;
    R(0x40003508u) = 27; R(0x4000350Cu) = 26; R(0x40003524u) = 0x06400000u; R(0x40003588u) = 0x50;
    R(0x40003500u) = 6;
}
static uint32_t transfer(uint32_t out_bytes, uint32_t in_bytes, uint32_t shorts) {
    R(0x40003544u) = (uint32_t)buffer; R(0x40003548u) = out_bytes;
    R(0x40003534u) = (uint32_t)buffer + 8; R(0x40003538u) = in_bytes;
    R(0x40003200u) = shorts; R(0x40003104u) = 0; R(0x40003124u) = 0;
    R(0x40003008u) = 1;
    while (!R(0x40003104u) && !R(0x40003124u)) { }
    const uint32_t error = R(0x40003124u) ? R(0x400034C4u) : 0;
    if (error) { R(0x400034C4u) = error; R(0x40003014u) = 1; while (!R(0x40003104u)) { } }
    return error;
}
"""
NVMC = """
#define CONFIG R(0x4001E504u)
#define ERASE R(0x4001E508u)
#define WORD(n) R(0x1D000u + 4u * (n))
"""


def run(
    folder: Path,
    main: str,
    before: str = "",
    handlers: dict[int, str] | None = None,
    ms: float = 500,
    **more: object,
) -> Program:
    return program(folder, "nrf52840", main, before, handlers, **more).run(ms)  # type: ignore[arg-type]


def stopped(folder: Path, main: str, before: str = "", on: Chip | None = None) -> str:
    with pytest.raises(ChipStop) as stop:
        program(folder, "nrf52840", main, before, on=on).run(500)
    return str(stop.value)


# Clock, power, resets


def test_rtc_wakes_after_ten_seconds_asleep(tmp_path: Path) -> None:
    before = LFCLK + "void rtc(void) { R(0x4000B140u) = 0; out[1]++; }"
    body = """
    lfclk();
    R(0x4000B508u) = 31; R(0x4000B540u) = 10240; R(0x4000B304u) = 1u << 16; R(0xE000E100u) = 1u << 11; R(0x4000B000u) = 1;
    while (!out[1]) { SLEEP; }
    out[0] = R(0x4000B504u);
    """
    made = run(tmp_path, body, before, {16 + 11: "rtc"}, ms=12_000)
    core = made.chip.core
    assert made.words(2) == [10240, 1]
    assert core.instructions < 60_000  # most of them while LFCLK starts
    assert core.slept > 9.9 * core.clock_hz


def test_lfclk_runs_from_rc_until_its_crystal_has_started(tmp_path: Path) -> None:
    body = """
    R(0x40000518u) = 1; R(0x40000104u) = 0; R(0x40000008u) = 1;
    R(0x4000B000u) = 1; R(0x40000304u) = 1u << 1; R(0xE000E100u) = 1u << 0;
    while (R(0x4000B504u) < 10u) { }
    out[0] = R(0x40000418u); out[1] = R(0x40000104u);
    while (!R(0x40000104u)) { SLEEP; }
    out[2] = R(0x40000418u); out[3] = R(0x4000B504u);
    """
    made = run(tmp_path, body, "void clock(void) { R(0x40000308u) = 1u << 1; }", {16: "clock"}, ms=400)
    assert made.words(3) == [1 << 16, 0, 1 << 16 | 1]
    assert made.out(3) == pytest.approx(32768 * 0.2494, abs=3)
    assert made.chip.facts()["low_frequency_crystal"]


def test_ram_without_power_is_lost_and_its_use_stops_the_model(tmp_path: Path) -> None:
    body = """
    volatile uint32_t *const far = (volatile uint32_t *)0x2003FFF0u;
    *far = 7; out[0] = *far;
    R(0x40000988u) = 1u << 5; out[1] = R(0x40000980u) & 0x3Fu;
    R(0x40000984u) = 1u << 5; out[2] = *far;
    R(0x40000980u) = 0x1Fu;
    """
    chip = run(tmp_path, body).chip
    assert run(tmp_path, body).words(3) == [7, 0x1F, 0]
    assert chip.facts()["ram_bytes_on"] == (256 - 32) * 1024
    stop = stopped(tmp_path, body + "out[3] = *far;")
    assert "the access to RAM at 0x2003fff0, which is switched off" in stop


def test_rtc_misses_the_next_count_and_counts_overflow_and_ticks(tmp_path: Path) -> None:
    body = """
    lfclk();
    R(0x40011344u) = 1u << 16 | 1u << 1; R(0x40011000u) = 1; R(0x4001100Cu) = 1;
    R(0x40011540u) = R(0x40011504u) + 1;
    while (!R(0x40011104u)) { }
    out[0] = R(0x40011140u);
    R(0x40011540u) = R(0x40011504u) + 2;
    while (!R(0x40011140u)) { }
    out[1] = R(0x40011504u);
    R(0x40011304u) = 1; R(0x40011100u) = 0; while (!R(0x40011100u)) { } out[2] = 1;
    """
    made = run(tmp_path, body, LFCLK)
    assert made.out(0) == 0 and made.out(1) in (2, 3) and made.out(2) == 1


def test_the_watchdog_bites_where_one_reload_is_missing_and_says_so_afterwards(tmp_path: Path) -> None:
    body = """
    out[0] = R(0x40000400u);
    if (out[0] & 2) { R(0x40000400u) = out[0]; out[1] = R(0x40000400u); return 0; }
    lfclk();
    R(0x40010504u) = 32767; R(0x40010508u) = 3; R(0x40010000u) = 1;
    for (int n = 0; n < 40; n++) { R(0x40010600u) = 0x6E524635u; R(0x40010604u) = 0x6E524635u; for (volatile int i = 0; i < 1000; i++) { } }
    for (;;) { R(0x40010600u) = 0x6E524635u; for (volatile int i = 0; i < 100000; i++) { } }
    """
    made = run(tmp_path, body, LFCLK, ms=3_000)
    assert made.words(2) == [2, 0] and made.chip.resets == ["power", "watchdog"]


def test_reset_reasons_add_up_until_cleared_and_gpregret_is_kept(tmp_path: Path) -> None:
    body = """
    if (R(0x4000051Cu) == 0) { R(0x4000051Cu) = 0x5A; R(0xE000ED0Cu) = 0x05FA0004u; for (;;) { } }
    out[0] = R(0x40000400u); out[1] = R(0x4000051Cu);
    """
    made = run(tmp_path, body)
    assert made.words(2) == [4, 0x5A]
    made.chip.reset_pin()
    assert made.run().words(2) == [5, 0x5A]


def test_a_brown_out_loses_ram_and_the_kept_registers(tmp_path: Path) -> None:
    body = "out[0] = R(0x40000400u); out[1] = R(0x4000051Cu); R(0x4000051Cu) = 0x5A;"
    made = run(tmp_path, body)
    before = made.chip.core.read_memory(0x20020000, 64)
    made.chip.brown_out()
    assert made.run().words(2) == [0, 0]
    assert made.chip.resets == ["power", "brown-out"]
    assert made.chip.core.read_memory(0x20020000, 64) != before


def test_the_power_fail_warning_comes_once_as_the_supply_falls(tmp_path: Path) -> None:
    before = "void warn(void) { R(0x40000108u) = 0; out[0]++; }"
    body = """
    R(0x40000510u) = 1u | 0xAu << 1; R(0x40000304u) = 1u << 2; R(0xE000E100u) = 1u;
    while (!out[0]) { SLEEP; }
    """
    made = program(tmp_path, "nrf52840", body, before, {16: "warn"})
    chip = made.chip
    assert isinstance(chip, NRF52840)
    chip.run_ns(10_000_000)
    assert made.out(30) == 0
    chip.power.supply(2400)
    chip.run_ns(20_000_000)
    assert made.out(0) == 0
    chip.power.supply(2200)
    chip.power.supply(2100)
    chip.run_ns(30_000_000)
    assert made.words(1) == [1] and made.out(30) == 1


def test_the_debug_port_opens_only_where_both_places_say_so(tmp_path: Path) -> None:
    body = "R(0x40000558u) = 0x5Au;"
    chip = run(tmp_path, body).chip
    assert isinstance(chip, NRF52840) and not chip.debug_access()
    body = NVMC + "CONFIG = 1; R(0x10001208u) = 0xFFFFFF5Au; CONFIG = 0; R(0x40000558u) = 0x5Au;"
    chip = run(tmp_path, body).chip
    assert isinstance(chip, NRF52840) and chip.debug_access()
    assert "UICR.APPROTECT without NVMC.CONFIG" in stopped(tmp_path, "R(0x10001208u) = 0x5Au;")


# Pins


def test_a_pin_wakes_by_gpiote_and_by_sense(tmp_path: Path) -> None:
    before = """
    void gpiote(void) {
        if (R(0x40006100u)) { R(0x40006100u) = 0; out[0]++; }
        if (R(0x4000617Cu)) { R(0x4000617Cu) = 0; out[1]++; out[2] = R(0x50000520u); R(0x50000738u) = 0; R(0x50000520u) = ~0u; }
    }
    """
    body = """
    R(0x5000072Cu) = 0; R(0x50000738u) = 2u << 16;
    R(0x40006510u) = 1u | 11u << 8 | 1u << 16; R(0x40006304u) = 1u | 1u << 31; R(0xE000E100u) = 1u << 6;
    while (out[0] < 2 || !out[1]) { SLEEP; }
    out[3] = R(0x50000510u);
    """
    made = program(tmp_path, "nrf52840", body, before, {16 + 6: "gpiote"})
    for level in (True, False, True):
        made.chip.run_ns(made.chip.core.nanoseconds() + 1_000_000)
        made.chip.pins.drive(11, level)
    made.chip.run_ns(made.chip.core.nanoseconds() + 1_000_000)
    made.chip.pins.drive(14, True)
    made.run()
    assert made.words(3) == [2, 1, 1 << 14]
    assert made.out(3) & (1 << 11 | 1 << 14) == 1 << 11 | 1 << 14


def test_outputs_and_pulls_and_port_1(tmp_path: Path) -> None:
    body = """
    R(0x50000718u) = 1; R(0x50000508u) = 1u << 6; out[0] = R(0x50000510u) >> 6 & 1;
    R(0x50000A04u) = 3u << 2; out[1] = R(0x50000810u) >> 1 & 1;
    R(0x5000050Cu) = 1u << 6; R(0x50000708u) = 2; R(0x50000508u) = 1u << 2; out[2] = R(0x50000510u);
    """
    made = run(tmp_path, body)
    assert made.words(3) == [1, 1, 0]
    assert not made.chip.pins.level(6) and made.chip.pins.level(33)
    assert "bit 6" in stopped(tmp_path, "R(0x50000700u) = 1u << 6;")


# I2C and SPI


def test_twim_reads_and_writes_registers_in_the_time_of_the_bits(tmp_path: Path) -> None:
    chip, memory = NRF52840(), Memory()
    chip.wire_i2c(27, 26, memory)
    body = """
    twim();
    buffer[0] = 3; buffer[1] = 0xAA; buffer[2] = 0xBB;
    out[0] = transfer(3, 0, 1u << 9);
    buffer[0] = 2;
    R(0xE000EDFCu) |= 1u << 24;
    out[1] = transfer(1, 4, 1u << 7 | 1u << 12);
    out[2] = buffer[8] | buffer[9] << 8 | buffer[10] << 16 | (uint32_t)buffer[11] << 24;
    out[3] = R(0x4000353Cu); out[4] = R(0x4000354Cu);
    """
    made = run(tmp_path, body, TWIM, on=chip)
    assert made.words(5) == [0, 0, 0x05BBAA02, 4, 1]
    assert memory.registers[3:5] == b"\xaa\xbb"
    microseconds = made.chip.core.instructions / 64
    bits = 10 + 9 * 3 + 2 + (10 + 9) + (10 + 36) + 2
    assert microseconds > bits / 0.4


def test_twim_reports_a_missing_device_and_a_refused_byte(tmp_path: Path) -> None:
    chip, memory = NRF52840(), Memory()
    chip.wire_i2c(27, 26, memory)
    body = """
    twim();
    buffer[0] = 3; buffer[1] = 0xEE;
    out[0] = transfer(2, 0, 1u << 9);
    R(0x40003588u) = 0x51;
    out[1] = transfer(1, 0, 1u << 9);
    """
    assert run(tmp_path, body, TWIM, on=chip).words(2) == [1 << 2, 1 << 1]
    memory.stuck_pulses = 9
    body = "twim(); buffer[0] = 1; out[0] = transfer(1, 0, 1u << 9);"
    assert run(tmp_path, body, TWIM, on=chip).words(1) == [1 << 1]


def test_twim_needs_its_pins_a_bus_and_ram(tmp_path: Path) -> None:
    start = "buffer[0] = 1; transfer(1, 0, 1u << 9);"
    assert "pins 27 (SCL) and 26 (SDA), where no I2C bus is" in stopped(tmp_path, "twim();" + start, TWIM)
    chip = NRF52840()
    chip.wire_i2c(27, 26, Memory())
    assert "pin 26, is 0xc, but a connected input" in stopped(
        tmp_path, "twim(); CNF(26) = 3u << 2;" + start, TWIM, chip
    )
    late = "twim(); R(0x40003544u) = 0x100; R(0x40003548u) = 1; R(0x40003008u) = 1;"
    assert "TWIM0.TXD.PTR is 0x00000100 (1 bytes), but DMA reaches RAM only" in stopped(tmp_path, late, TWIM)
    off = "R(0x40003008u) = 1;"
    assert "TASKS_STARTTX while TWIM0.ENABLE is 0" in stopped(tmp_path, off, TWIM)


def test_spim_shifts_through_the_chosen_device(tmp_path: Path) -> None:
    chip, device = NRF52840(), Inverter()
    chip.wire_spi(3, 4, 5, 7, device)
    body = """
    static uint8_t data[4] = {0}; data[0] = 1; data[1] = 2;
    R(0x50000508u) = 1u << 7; R(0x5000070Cu) = 1; R(0x50000710u) = 1; R(0x50000714u) = 0; R(0x5000071Cu) = 1;
    R(0x40004508u) = 3; R(0x4000450Cu) = 4; R(0x40004510u) = 5; R(0x40004524u) = 0x80000000u; R(0x40004500u) = 7;
    R(0x40004544u) = (uint32_t)data; R(0x40004548u) = 2; R(0x40004534u) = (uint32_t)data; R(0x40004538u) = 4; R(0x400045C0u) = 0xF0;
    R(0x5000050Cu) = 1u << 7; R(0x40004010u) = 1; while (!R(0x40004118u)) { } R(0x50000508u) = 1u << 7;
    out[0] = data[0] | data[1] << 8 | data[2] << 16 | (uint32_t)data[3] << 24;
    """
    made = run(tmp_path, body, on=chip)
    assert made.words(1) == [0x0F0FFDFE] and device.chosen == [True, False]


def test_a_device_wakes_the_sleeping_chip_at_its_own_time(tmp_path: Path) -> None:
    chip, memory = NRF52840(), Memory(ready_at=3_000_000_000)
    chip.wire_i2c(27, 26, memory)
    chip.pins.connect(memory, "INT", 11)
    before = "void gpiote(void) { R(0x40006100u) = 0; out[0]++; }"
    body = """
    R(0x5000072Cu) = 0; R(0x40006510u) = 1u | 11u << 8 | 1u << 16; R(0x40006304u) = 1u; R(0xE000E100u) = 1u << 6;
    while (!out[0]) { SLEEP; }
    """
    made = program(tmp_path, "nrf52840", body, before, {16 + 6: "gpiote"}, on=chip)
    chip.run_ns(2_999_000_000)
    assert made.out(0) == 0
    made.run(10)
    assert made.out(0) == 1 and chip.core.instructions < 2000


# Flash


def test_flash_is_erased_and_written_word_by_word_and_bits_only_fall(tmp_path: Path) -> None:
    body = """
    CONFIG = 2; ERASE = 0x1D000; CONFIG = 1;
    WORD(0) = 0x12345678; WORD(1) = 0xFFFFFF00; WORD(1) = 0x0000FFFF;
    CONFIG = 0;
    out[0] = WORD(0); out[1] = WORD(1); out[2] = WORD(2);
    """
    made = run(tmp_path, body, NVMC)
    assert made.words(3) == [0x12345678, 0x0000FF00, 0xFFFFFFFF]
    flash, core = made.chip.flash, made.chip.core
    assert (flash.erasures[0x1D], flash.operations) == (1, 4)
    assert core.waited / core.clock_hz == pytest.approx(0.085 + 3 * 41e-6, rel=0.01)


@pytest.mark.parametrize(
    ("body", "sentence"),
    [
        ("WORD(0) = 1;", "store of 0x1 into flash at 0x0001d000 without NVMC.CONFIG set to write"),
        ("ERASE = 0x1D000;", "ERASEPAGE without NVMC.CONFIG set to erase"),
        ("CONFIG = 2; ERASE = 0x1D004;", "not the first address of a flash page"),
        ("CONFIG = 1; *(volatile uint8_t *)0x1D000u = 1;", "store of 1 bytes into flash at 0x0001d000"),
        (
            "CONFIG = 1; WORD(0) = 7; WORD(0) = 3; WORD(0) = 1;",
            "write 3 of the 4 bytes of flash at 0x0001d000",
        ),
        ("CONFIG = 3;", "write of 3 to NVMC.CONFIG"),
        ("R(0x4001E50Cu) = 1;", "erases the whole chip"),
        ("R(0x40013000u) = 1;", "meets no peripheral of the nRF52840 that is modelled"),
        ("out[0] = R(0x4001E544u);", "lies in NVMC of the nRF52840, but at no register of it"),
        ("out[0] = R(0x40002000u);", "the read of UART0.TASKS_STARTRX"),
        ("R(0x4000251Cu) = 1;", "the write of UART0.TXD before TASKS_STARTTX"),
        ("R(0x4000B508u) = 1u << 12;", "sets bit 12, which the nRF52840 has not"),
    ],
)
def test_what_the_chip_does_not_allow_stops_with_a_sentence(tmp_path: Path, body: str, sentence: str) -> None:
    assert sentence in stopped(tmp_path, body, NVMC)


def test_the_power_may_fail_in_the_middle_of_any_operation(tmp_path: Path) -> None:
    body = "CONFIG = 2; ERASE = 0x1D000; CONFIG = 1; WORD(0) = 0x12345678; WORD(1) = 0;"
    seen = set()
    for operation in (1, 2, 3):
        for seed in range(4):
            made = program(tmp_path, "nrf52840", body, NVMC)
            made.chip.flash.power_fails(operation, seed)
            with pytest.raises(PowerLost):
                made.run()
            words = [
                int.from_bytes(made.chip.core.read_memory(0x1D000 + 4 * n, 4), "little") for n in range(2)
            ]
            assert words[0] & 0x12345678 == 0x12345678
            seen.add(tuple(words))
    assert len(seen) > 5


# Console with DMA


def test_uarte_receives_into_and_sends_from_ram(tmp_path: Path) -> None:
    line = Console(115_200, 6, 8)
    body = """
    static uint8_t data[8];
    R(0x50000508u) = 1u << 6; R(0x50000718u) = 3; R(0x50000720u) = 3u << 2;
    R(0x4000250Cu) = 6; R(0x40002514u) = 8; R(0x40002524u) = 0x01D7E000u; R(0x40002500u) = 8;
    R(0x40002534u) = (uint32_t)data; R(0x40002538u) = 5; R(0x40002000u) = 1;
    while (!R(0x40002110u)) { }
    out[0] = R(0x4000253Cu);
    R(0x40002544u) = (uint32_t)data; R(0x40002548u) = 5; R(0x40002008u) = 1;
    while (!R(0x40002120u)) { }
    """
    made = program(tmp_path, "nrf52840", body, console=line)
    made.chip.run_ns(1_000_000)
    made.chip.send(b"hello")
    made.run()
    assert line.take() == b"hello" and made.out(0) == 5
