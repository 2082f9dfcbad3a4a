"""The duty cycle: C against the reference, and never exceeded in any hour of a week, whatever comes."""

from __future__ import annotations

import ctypes
import subprocess

import numpy as np
import pytest
from builders.compile import STRICT, UNDEFINED
from hypothesis import given, settings
from hypothesis import strategies as st

from mcukd.radio.duty import (
    FAST_CLOCK,
    HOUR_S,
    SLOTS_MAX,
    TICKS_PER_SECOND,
    DutyLedger,
    DutyLimit,
    duty_limit,
)
from mcukd.radio.lora import LoraSettings
from mcukd.resources import resource_dir

WEEK_S = 7 * 24 * 3600


def busiest_hour_ns(begun: np.ndarray, airtime_ns: int) -> int:
    """The most airtime in any hour; one that begins with a packet has it, or one that ends with one."""
    hour = HOUR_S * 1_000_000_000
    most = 0
    for first in (begun, begun + airtime_ns - hour):
        # Packets that begin in it, less what of the last lies behind it, and the rest of the one before.
        left, right = np.searchsorted(begun, first), np.searchsorted(begun, first + hour)
        behind = np.maximum(begun[right - 1] + airtime_ns - (first + hour), 0)
        before = np.where(left > 0, np.maximum(begun[left - 1] + airtime_ns - first, 0), 0)
        most = max(most, int(((right - left) * airtime_ns - behind + before).max()))
    return most


@pytest.mark.parametrize(("percent", "factor"), [(0.1, 7), (0.1, 12), (1.0, 10), (1.0, 12), (10.0, 12)])
@pytest.mark.parametrize("fast", [0, FAST_CLOCK])
def test_a_week_never_exceeds_it(percent: float, factor: int, fast: int) -> None:
    """A tag that always sends as soon as it may, and starts again and again, also with a fast oscillator."""
    airtime = LoraSettings(factor).airtime_ns(13)
    limit = duty_limit(airtime, percent)
    assert limit is not None
    rng = np.random.default_rng(factor)
    per_tick = 1e9 / (TICKS_PER_SECOND * (1 + fast / 100))
    begun, now, ledger = [], 0, DutyLedger(limit, 0)
    while now < WEEK_S * TICKS_PER_SECOND:
        wait = ledger.wait(now % (1 << 32))
        if wait:
            now += wait
            continue
        begun.append(round(now * per_tick))
        ledger.note(now % (1 << 32))
        now += int(airtime / per_tick) + 1
        if rng.random() < 0.003:
            ledger = DutyLedger(limit, now % (1 << 32))
    most = busiest_hour_ns(np.array(begun), airtime)
    assert most <= percent / 100 * 3600e9
    # What is allowed is used, but for what rounding takes where an hour has few packets.
    assert len(begun) > 300 and most > 0.6 * percent / 100 * 3600e9


def test_a_limit_below_one_packet_is_none_and_100_per_cent_is_no_limit() -> None:
    assert duty_limit(4_000_000_000, 0.1) is None
    assert duty_limit(4_000_000_000, 100) == DutyLimit(1, 0)
    assert DutyLedger(DutyLimit(1, 0), 7).wait(7) == 0
    one = duty_limit(3_000_000_000, 0.1)
    assert one is not None and one.slots == 1 and one.interval_s == pytest.approx(3780, abs=0.01)
    assert all(duty_limit(50_000_000, p).slots <= SLOTS_MAX for p in (0.1, 1, 5, 50))  # type: ignore[union-attr]


MAIN = """
#include "radio_duty.h"
radio_duty ledger;
void start(uint32_t now) { radio_duty_start(&ledger, now); }
uint32_t wait_for(uint32_t now) { return radio_duty_wait(&ledger, now); }
void note(uint32_t now) { radio_duty_note(&ledger, now); }
"""
LIMITS = (DutyLimit(1, 0), DutyLimit(1, 123_863_073), DutyLimit(3, 5000), DutyLimit(8, 8_257_553))


@pytest.fixture(scope="module", params=LIMITS, ids=str)
def compiled(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> tuple[DutyLimit, ctypes.CDLL]:
    folder, limit = tmp_path_factory.mktemp("duty"), request.param
    for name in ("radio_duty.c", "radio_duty.h"):
        (folder / name).write_bytes((resource_dir("firmware_templates") / "radio" / name).read_bytes())
    (folder / "radio_config.h").write_text(
        f"#define RADIO_DUTY_SLOTS {limit.slots}u\n#define RADIO_DUTY_WINDOW {limit.window}u\n"
    )
    (folder / "main.c").write_text(MAIN)
    flags = [*STRICT, *UNDEFINED, "-Wno-missing-prototypes", "-O2", "-shared", "-fPIC", "-I", str(folder)]
    sources = [str(folder / "main.c"), str(folder / "radio_duty.c")]
    subprocess.run(["cc", *flags, *sources, "-o", str(folder / "duty.so")], check=True)
    library = ctypes.CDLL(str(folder / "duty.so"))
    library.wait_for.restype = ctypes.c_uint32
    return limit, library


@settings(max_examples=60)
@given(
    start=st.integers(0, (1 << 32) - 1),
    steps=st.lists(st.tuples(st.integers(0, 1 << 31) | st.integers(0, 9000), st.booleans()), max_size=60),
)
def test_the_c_waits_as_long_as_the_reference(
    compiled: tuple[DutyLimit, ctypes.CDLL], start: int, steps: list[tuple[int, bool]]
) -> None:
    limit, library = compiled
    now, reference = start, DutyLedger(limit, start)
    library.start(ctypes.c_uint32(now))
    for passed, sends in steps:
        now = (now + passed) % (1 << 32)
        wait = reference.wait(now)
        assert library.wait_for(ctypes.c_uint32(now)) == wait
        if sends and wait == 0:
            reference.note(now)
            library.note(ctypes.c_uint32(now))
