"""The sender in C: at once for days, and with LoRaWAN no two frames of a number, whatever befalls it."""

from __future__ import annotations

import ctypes
import subprocess
from dataclasses import replace

import pytest
from builders.boards import board_of, radio_of, untagged
from builders.compile import STRICT, UNDEFINED
from builders.students import random_model
from hypothesis import given, settings
from hypothesis import strategies as st

from mcukd.codegen.firmware import generate_firmware
from mcukd.radio.lorawan import COUNTER_SHIFT

MAIN = """
#include "radio_sender.c"
#include <string.h>
static tag_state state;
static uint32_t sent;
const tag_state *tag_get(void) { return &state; }
static uint32_t ticks;
uint32_t tag_ticks(void) { return ticks; }
uint32_t port_battery_mv(void) { return 3000; }
void payload_pack_period(const tag_state *tag, const tag_counters *counters, uint32_t sequence, uint32_t mv,
                         uint32_t fault, uint8_t payload[PAYLOAD_BYTES])
{
    (void)memset(payload, 0, PAYLOAD_BYTES);
}
radio_result radio_init(void) { return RADIO_SENT; }
radio_result radio_poll(void) { return RADIO_SENT; }
uint32_t radio_left(uint32_t now) { return now - now; }
uint32_t radio_detail(void) { return 0; }
radio_result radio_start(const uint8_t payload[PAYLOAD_BYTES], uint32_t counter)
{
    sent = counter;
    return RADIO_SENDS;
}
void reset(uint32_t seconds)
{
    (void)memset(&sender, 0, sizeof sender);
    state.clock.seconds = state.log.seconds = seconds;
    ticks += 0u - SECOND;
    radio_sender_start(ticks);
    ticks += SECOND;
}
uint32_t end_period(uint32_t seconds, uint32_t logged)
{
    uint32_t detail;
    sent = UINT32_MAX;
    state.clock.seconds = seconds;
    state.log.seconds = logged;
    tag_send_period(&state);
    for (int k = 0; k < 3; k++) {
        (void)radio_sender_run(ticks, &detail);
    }
    return sent;
}
uint32_t left_after(uint32_t passed) { ticks += passed; return radio_sender_left(ticks); }
"""


@pytest.fixture(scope="module")
def sender(tmp_path_factory: pytest.TempPathFactory) -> ctypes.CDLL:
    folder = tmp_path_factory.mktemp("sender")
    radio = radio_of("collar").replace("id = 1\n", 'frame = "lorawan"\n').replace("= 1.0", "= 100.0")
    tag = '[tag]\nlog_pages = 8\npayload = "period"\n'
    board = board_of(f"{untagged('collar')}\n{tag}\n{radio}", folder)
    generate_firmware(replace(random_model(), rate_hz=50.0), board, folder / "all")
    (folder / "main.c").write_text(MAIN)
    flags = [
        *STRICT,
        *UNDEFINED,
        "-Wno-missing-prototypes",
        "-Wno-unused-parameter",
        "-O2",
        "-shared",
        "-fPIC",
    ]
    sources = [str(folder / "main.c"), str(folder / "all" / "radio_duty.c")]
    out = folder / "sender.so"
    subprocess.run(["cc", *flags, "-I", str(folder / "all"), *sources, "-o", str(out)], check=True)
    library = ctypes.CDLL(str(out))
    library.end_period.restype = ctypes.c_uint32
    return library


STEPS = st.lists(st.tuples(st.integers(0, 1500), st.booleans(), st.booleans()), max_size=40)


@settings(max_examples=200, deadline=None)
@given(start=st.integers(0, 1 << 30), steps=STEPS)
def test_no_two_frames_have_a_number(
    sender: ctypes.CDLL, start: int, steps: list[tuple[int, bool, bool]]
) -> None:
    """Periods end early, the log takes their records or not, the tag starts again where its log ends."""
    clock = log = start
    sender.reset(clock)
    numbers = []
    for passed, taken, starts_again in steps:
        clock += passed
        log = clock if taken else log
        number = sender.end_period(clock, log)
        if number != 0xFFFFFFFF:
            assert number == clock >> COUNTER_SHIFT
            numbers.append(number)
        else:
            assert passed < 1 << COUNTER_SHIFT or not taken
        if starts_again:
            clock = log
            sender.reset(clock)
    assert numbers == sorted(set(numbers))


def test_a_payload_leaves_at_once_for_days(sender: ctypes.CDLL) -> None:
    """Ticks have 32 bits: after 18 hours what is past could look as if it were to come."""
    sender.left_after.restype = ctypes.c_uint32
    sender.reset(0)
    for hour in range(1, 24 * 5):
        assert hour == 1 or sender.left_after(3600 << 15) == 0xFFFFFFFF
        assert sender.end_period(hour * 3600, hour * 3600) == hour * 3600 >> COUNTER_SHIFT
