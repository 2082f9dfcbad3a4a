"""Firmware with a board's port and a main of its own, to test ports without model and application."""

from __future__ import annotations

from pathlib import Path

from mcukd.boards.model import Board
from mcukd.boards.sensor_driver import SensorSetup
from mcukd.codegen.templates import render_folders, render_template

#: Echoes every byte but the commands below.
MAIN = """
#include "mcukd_port.h"

volatile uint32_t sink;

/* Two instructions a round, subs and bne. */
static uint32_t ticks_of(uint32_t rounds)
{
#if PORT_COUNTER_KIND
    const uint32_t before = port_counter();
    __asm volatile("1: subs %0, #1\\n\\tbne 1b" : "+r"(rounds) : : "cc");
    return port_counter() - before;
#else
    return rounds - rounds + port_counter();
#endif
}

static uint32_t use_stack(void)
{
    volatile uint8_t block[600];
    for (uint32_t i = 0; i < sizeof block; i++) {
        block[i] = (uint8_t)i;
    }
    return block[599];
}

static uint32_t __attribute__((noinline)) overflow_stack(uint32_t depth)
{
    volatile uint32_t block[16];
    block[0] = depth;
    return depth == 0 ? 0 : overflow_stack(depth - 1) + block[0];
}

static void reply(uint32_t value)
{
    uint8_t bytes[4];
    for (uint32_t i = 0; i < 4; i++) {
        bytes[i] = (uint8_t)(value >> (8 * i));
    }
    port_write(bytes, 4);
}

static uint8_t buffer[100] = {1, 2, 3};
static uint32_t cleared[50];

int main(void)
{
    port_init();
    port_write((const uint8_t *)"boot", 4);
    for (;;) {
        const int byte = port_read();
        if (byte < 0) {
            port_idle();
        } else if (byte == 0x81) {
            reply(ticks_of(1000000u));
        } else if (byte == 0x82) {
            port_stack_paint();
            reply(port_stack_high_water());
            sink = use_stack();
            reply(port_stack_high_water());
        } else if (byte == 0x83) {
            sink = *(volatile uint32_t *)(uintptr_t)0xF0000000u;
        } else if (byte == 0x84) {
            sink = overflow_stack(100000u);
        } else if (byte == 0x85) {
            reply(buffer[0] + buffer[1] * 256u + buffer[2] * 65536u + cleared[49]);
            buffer[0]++;
            cleared[49]++;
        } else if (byte == 0x86) {
            volatile float x = 1.5f;
            reply((uint32_t)(x * 4.0f));
        } else {
            const uint8_t echo = (uint8_t)byte;
            port_write(&echo, 1);
        }
    }
}
"""


def write_sources(board: Board, folder: Path, main: str = MAIN, sensor: SensorSetup | None = None) -> Path:
    """Render the board's port, linker script and sensor beside `main.c`."""
    folder.mkdir(parents=True, exist_ok=True)
    context = {"board": board, "sensor": sensor, "sampling": False}
    driver = ["sensor", f"sensor/{sensor.driver.model}"] if sensor else []
    texts = render_folders([*driver, "port/common", f"port/{board.port}"], context)
    if not board.host:
        texts["firmware.ld"] = render_template("linker/cortex-m.ld.j2", context)
    for name, text in {**texts, "main.c": main}.items():
        (folder / name).write_text(text, encoding="utf-8")
    return folder
