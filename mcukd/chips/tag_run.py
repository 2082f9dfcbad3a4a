"""Run of a tag's image on its modelled chip with a modelled sensor, compared with the Python reference.

The image is the one that would be flashed, unchanged: calls of its functions are seen from outside, at their
first instructions, with what lies in registers and RAM.
"""

from __future__ import annotations

import ctypes
import struct
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mcukd.boards.model import Board
from mcukd.boards.sensor_driver import AxesMap
from mcukd.chips.bus import I2CDevice
from mcukd.chips.chip import Chip
from mcukd.chips.console import Console
from mcukd.chips.image import Image, read_image
from mcukd.chips.radios.sx1272 import Sx1272
from mcukd.chips.radios.wiring import Packet, wire_radio
from mcukd.chips.sensors.wiring import wire_sensor
from mcukd.chips.serve import make_chip
from mcukd.payload.coding import encode
from mcukd.payload.layout import Layout
from mcukd.payload.period import values_of_period
from mcukd.tag.application import (
    EVENT,
    GAP,
    PROVISION,
    RESULT,
    SAMPLES,
    TICK,
    Call,
    Observed,
    Outcome,
    Results,
    expected_results,
    replay,
)
from mcukd.tag.flash import CHIPS, ModelledFlash
from mcukd.tag.operation import Tag, TagConfig
from mcukd.tag.provision import Provision, calibrated, newest

_SECOND = 1_000_000_000
NOTHING_TOLD = Provision()
#: Of _cortex_m.c.j2.
_STACK_PATTERN = 0xA5C35A3C


class _Before(ctypes.Structure):
    """`tag_state` of tag.h up to its counters."""

    _fields_ = (
        ("log", ctypes.c_uint32 * 10),
        ("clock", ctypes.c_uint32 * 6),
        ("clock_set", ctypes.c_uint8),
        ("rate", ctypes.c_uint32 * 5),
        ("rate_running", ctypes.c_uint8),
        ("counters", ctypes.c_uint32 * 3),
    )


@dataclass(frozen=True)
class Start:
    """A start of the tag: what it was given and did until the next reset, and the log's flash before it.

    reason: of the reset, as `Chip.resets` has it. resumed_at: seconds that its clock began at. battery_mv:
    what it measures of the supply. provision: what it had been told before.
    """

    reason: str
    resumed_at: int
    log: bytes
    observed: Observed
    battery_mv: int
    provision: Provision = NOTHING_TOLD


@dataclass
class Spent:
    """Calls of a function that were entered and that returned, and the cycles of the core in the latter.

    least: of one call.
    """

    entered: int = 0
    returned: int = 0
    cycles: int = 0
    least: int = 0
    began: int = 0


class TagRun:
    """A board's image on its modelled chip, with a device in its sensor's place.

    board: with [sensor.driver] and [tag]. classes: of its model. device: a modelled sensor, or a faulty one.
    radio: an SX1272 with a fault. air: packets that have left the antenna of a board with [radio].
    """

    def __init__(
        self,
        board: Board,
        elf: Path,
        classes: int,
        device: I2CDevice,
        seed: int = 0,
        radio: Sx1272 | None = None,
    ) -> None:
        driver = board.sensor.driver if board.sensor else None
        console, region = board.console, board.log_region
        if driver is None or region is None or board.modelled_chip is None:
            raise ValueError(f"board {board.name} does not sample by itself on a modelled chip")
        assert console.tx_pin is not None and console.rx_pin is not None
        self.board, self.device, self.classes = board, device, classes
        self.region = region
        self.image: Image = read_image(elf)
        self.console = Console(console.baud, console.tx_pin, console.rx_pin)
        self.chip: Chip = make_chip(board.modelled_chip, self.console, seed)
        wire_sensor(self.chip, driver, device)
        self.air: Sequence[Packet] = wire_radio(self.chip, board.radio, radio) if board.radio else ()
        self.chip.load(self.image)
        self.starts: list[Start] = []
        self._begin()
        self._watch()
        self.chip.power_on()

    # Running

    def run(self, seconds: float) -> None:
        """Run on for some virtual time."""
        self.chip.run_ns(self.chip.core.nanoseconds() + round(seconds * _SECOND))

    @property
    def seconds(self) -> float:
        """Virtual time since power-up."""
        return self.chip.core.nanoseconds() / _SECOND

    @property
    def awake_seconds(self) -> float:
        """Virtual time for which the core did not sleep."""
        core = self.chip.core
        return (core.cycles - core.slept) / core.clock_hz

    def count_in(self, name: str, settle_s: float) -> Spent:
        """Return a count of a function's calls that goes on from now.

        The run goes on for `settle_s` first, in which the function has to be called from everywhere where it
        will be called from; interrupts within it count as its own.
        """
        core, spent, places = self.chip.core, Spent(), set[int]()
        entry = self.image.symbols[name] & ~1

        def entered(uc: Any, at: int, size: int, _: Any) -> None:
            places.add(uc.reg_read(core.arm.UC_ARM_REG_LR) & ~1)
            spent.entered += 1
            spent.began = core.cycles

        def returned(uc: Any, at: int, size: int, _: Any) -> None:
            if spent.began:
                took = core.cycles - spent.began
                spent.returned += 1
                spent.cycles += took
                spent.least = min(spent.least or took, took)
                spent.began = 0

        self._hook(entry, entered)
        self.run(settle_s)
        for place in sorted(places):
            self._hook(place, returned)
        spent.entered = spent.began = 0
        return spent

    def on_call(self, name: str, action: Callable[[int, int, int], None]) -> None:
        """Call `action` with the first three arguments of a function whenever it is entered from now on."""
        address = self.image.symbols[name] & ~1
        self._at(address, action)
        self.chip.core.forget_code(address, 2)

    def _hook(self, address: int, action: Callable[[Any, int, int, Any], None]) -> None:
        """Call `action` before the instruction at an address, whose code may have been translated already."""
        core = self.chip.core
        core.uc.hook_add(core.unicorn.UC_HOOK_CODE, action, None, address, address)
        core.forget_code(address, 2)

    def counters(self) -> tuple[int, ...]:
        """Return the counters in RAM: the period's start, gaps, samples lost, results by class, unknown."""
        at = self.image.symbols["tag"] + _Before.counters.offset
        words = 3 + self.classes + 1
        return struct.unpack(f"<{words}I", self.chip.core.read_memory(at, 4 * words))

    def stack_used(self) -> int:
        """Return the bytes of stack used at the deepest since the start; start-up paints a pattern."""
        bottom, top = (self.image.symbols[f"port_stack_{end}"] for end in ("bottom", "top"))
        words = np.frombuffer(self.chip.core.read_memory(bottom, top - bottom), "<u4")
        return 4 * int(len(words) - np.argmax(words != _STACK_PATTERN))

    def log(self) -> bytes:
        """Return the pages of the log as they are."""
        return bytes(self.chip.core.read_memory(self.region.origin, self.region.length))

    def provision(self) -> Provision:
        """Return what the tag was told last; nothing where it was never provisioned."""
        region = self.board.provision_region
        assert region is not None
        words = np.frombuffer(self.chip.core.read_memory(region.origin, region.length), "<u4").tolist()
        found = newest(words, 0)
        return found[1] if found else NOTHING_TOLD

    def latest(self) -> Start:
        """Return the present start, as far as it has come."""
        samples = np.frombuffer(bytes(self._samples), "<i2").reshape(-1, 3)
        self._attribute_last()
        observed = Observed(samples, tuple(self._calls), self._start_ticks)
        battery = self.chip.measured_millivolts
        start = self.chip.resets[-1], self._resumed_at, self._log_before
        return Start(*start, observed, battery, self._told_before)

    # Watching

    def _begin(self) -> None:
        self._samples = bytearray()
        self._calls: list[Call] = []
        self._pending: tuple[str, tuple[int, ...]] | None = None
        self._start_ticks = self._resumed_at = 0
        self._log_before, self._told_before = b"", NOTHING_TOLD

    def _watch(self) -> None:
        watched: dict[str, Callable[[int, int, int], None]] = {
            "tag_clock_start": self._on_start,
            "tag_clock_advance": self._on_advance,
            "tag_on_result": self._on_result,
            "tag_on_gap": lambda lost, _, __: self._call(GAP, (lost,)),
            "tag_on_samples": lambda count, _, __: self._call(SAMPLES, (count,)),
            "tag_on_event": lambda code, detail, _: self._on_event(code, detail),
            "tag_on_provision": lambda number, period, _: self._call(PROVISION, (number, period)),
            "app_stream_push": self._on_sample,
        }
        for name, action in watched.items():
            self._at(self.image.symbols[name] & ~1, action)

    def _at(self, address: int, action: Callable[[int, int, int], None]) -> None:
        """Call `action` with the first three arguments of a function whenever it is entered."""
        core = self.chip.core
        arm = core.arm
        registers = (arm.UC_ARM_REG_R0, arm.UC_ARM_REG_R1, arm.UC_ARM_REG_R2)

        def entered(uc: Any, at: int, size: int, _: Any) -> None:
            action(*uc.reg_read_batch(registers))

        core.uc.hook_add(core.unicorn.UC_HOOK_CODE, entered, None, address, address)

    def _call(self, kind: str, arguments: tuple[int, ...]) -> None:
        self._attribute_last()
        self._pending = kind, arguments

    def _attribute_last(self) -> None:
        if self._pending is not None:
            raise AssertionError(f"the call {self._pending} did not read the clock")

    def _on_event(self, code: int, detail: int) -> None:
        if self._pending is None or self._pending[0] != PROVISION:  # which logs an event by itself
            self._call(EVENT, (code, detail))

    def _on_start(self, clock: int, seconds: int, ticks: int) -> None:
        if self._log_before:
            self.starts.append(self.latest())
        self._begin()
        self._start_ticks, self._resumed_at, self._log_before = ticks, seconds, self.log()
        self._told_before = self.provision()

    def _on_advance(self, clock: int, ticks: int, _: int) -> None:
        kind, arguments = self._pending or (TICK, ())
        self._pending = None
        self._calls.append(Call(kind, len(self._samples) // 6, arguments, ticks))

    def _on_result(self, found: int, logits: int, _: int) -> None:
        data = self.chip.core.read_memory(logits, 2 * self.classes)
        self._call(RESULT, (found, *struct.unpack(f"<{self.classes}h", data)))

    def _on_sample(self, stream: int, sample: int, _: int) -> None:
        self._samples += self.chip.core.read_memory(sample, 6)


@dataclass(frozen=True)
class Identity:
    """What a firmware says of itself and its model in the log: SHA-256 of both; window and hop in samples."""

    firmware_sha256: str
    model_sha256: str
    window: int
    hop: int


def reference_of(
    board: Board,
    start: Start,
    config: TagConfig,
    identity: Identity,
    results: Results,
    reset_cause: int = 0,
    layout: Layout | None = None,
) -> Outcome:
    """Return what Python makes of what a tag was given since a start.

    results: of the integer model. layout: of the payload that a board with a radio sends.
    """

    def pack(tag: Tag, sequence: int) -> bytes:
        assert layout is not None
        values = values_of_period(tag, tag.counters, sequence, start.battery_mv, tag.sensor_failed)
        return encode(layout, values, tag.counters.results)

    rules = next(rules for rules in CHIPS.values() if board.mcu.startswith(rules.chip))
    flash = ModelledFlash(rules, config.log_pages)
    flash.words = np.frombuffer(start.log, "<u4").tolist()
    expected = expected_results(start.observed, identity.window, identity.hop, results)
    firmware, model = (int(sha256[:8], 16) for sha256 in (identity.firmware_sha256, identity.model_sha256))
    packs = pack if layout is not None else None
    period_s = start.provision.period_s
    return replay(start.observed, config, flash, expected, reset_cause, firmware, model, packs, period_s)


def streamed(board: Board, rows: NDArray[np.int32], told: Provision = NOTHING_TOLD) -> NDArray[np.int16]:
    """Return rows (n, 3) of a sensor's own counts as its driver hands them over: used bits, model's axes.

    told: what the tag was provisioned with.
    """
    setup = board.sensor.setup if board.sensor else None
    assert setup is not None
    axes = AxesMap(told.axes) if told.axes else setup.driver.axes
    return axes.apply(calibrated(rows, told.calibration, setup.driver.part.bits, setup.shift))
