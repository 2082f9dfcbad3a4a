"""Sections of a board file: memory, console, sensor, flash runners and emulator."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from pydantic import (
    Field,
    SerializerFunctionWrapHandler,
    create_model,
    field_validator,
    model_serializer,
    model_validator,
)

from mcukd.boards.runners.registry import RUNNERS
from mcukd.boards.runners.runner import Runner
from mcukd.boards.section import Section
from mcukd.boards.sensor_driver import SensorDriver, SensorSetup, sensor_setup
from mcukd.text import listed

#: Instructions that `qemu-system-arm -icount shift=0` executes per second of its virtual time.
EMULATED_INSTRUCTIONS_PER_SECOND = 1_000_000_000


class Region(Section):
    """One memory: origin (address) and length in bytes.

    reserved: bytes at its end that no program may use (the CC2650's configuration words).
    """

    origin: int = Field(ge=0, lt=1 << 32)
    length: int = Field(gt=0, le=1 << 30)
    reserved: int = Field(default=0, ge=0)

    @model_validator(mode="after")
    def _fits(self) -> Region:
        for name in ("origin", "length", "reserved"):
            if getattr(self, name) % 4:
                raise ValueError(f"{name} is {getattr(self, name)}, but a multiple of 4 is expected")
        if self.reserved >= self.length:
            raise ValueError(f"reserved is {self.reserved}, but less than length {self.length} is expected")
        if self.end > 1 << 32:
            raise ValueError(
                f"origin and length end at {self.end:#x}, but at most {1 << 32:#x} is expected, "
                "the end of a 32-bit address space"
            )
        return self

    @property
    def end(self) -> int:
        """The first address behind it."""
        return self.origin + self.length

    @property
    def usable(self) -> int:
        """Bytes that a program may use."""
        return self.length - self.reserved


class Memory(Section):
    """Flash and RAM, which must not overlap."""

    flash: Region
    ram: Region

    @model_validator(mode="after")
    def _apart(self) -> Memory:
        if self.flash.origin < self.ram.end and self.ram.origin < self.flash.end:
            raise ValueError(
                f"flash ({self.flash.origin:#x} to {self.flash.end:#x}) and ram ({self.ram.origin:#x} to "
                f"{self.ram.end:#x}) overlap, but separate memories are expected"
            )
        return self


class Console(Section):
    """The serial line to the host: 8 data bits, no parity, 1 stop bit.

    tx_pin, rx_pin: number of the pin (DIO on the CC2650; 32 × port + pin on the nRF52840).
    """

    uart: str = Field(min_length=1)
    baud: int = Field(ge=1200, le=1_000_000)
    tx_pin: int | None = Field(default=None, ge=0, le=47)
    rx_pin: int | None = Field(default=None, ge=0, le=47)

    @model_validator(mode="after")
    def _pins_come_in_pairs(self) -> Console:
        if (self.tx_pin is None) != (self.rx_pin is None):
            raise ValueError("only one of tx_pin and rx_pin is there, but both or neither are expected")
        if self.tx_pin is not None and self.tx_pin == self.rx_pin:
            raise ValueError(f"tx_pin and rx_pin are both {self.tx_pin}, but two pins are expected")
        return self


class Accelerometer(Section):
    """The accelerometer of a board as it is set up: range in g, its own sampling rates, scale and axes.

    driver: how it is connected; without one the firmware reads no sensor, and samples come over the serial
    line.
    """

    part: str = Field(min_length=1)
    range_g: float = Field(gt=0, le=400)
    counts_per_g: float = Field(gt=0)
    rates_hz: tuple[float, ...] = Field(min_length=1, strict=False)
    axes: tuple[str, ...] = Field(min_length=3, max_length=3, strict=False)
    driver: SensorDriver | None = None

    @model_validator(mode="after")
    def _makes_sense(self) -> Accelerometer:
        if self.range_g * self.counts_per_g > 32768:
            raise ValueError(
                f"range_g × counts_per_g is {self.range_g * self.counts_per_g:g}, "
                "but at most 32768 is expected, so that every count fits 16 bits"
            )
        if min(self.rates_hz) <= 0:
            raise ValueError(f"rates_hz holds {min(self.rates_hz):g}, but rates above 0 are expected")
        if len(set(self.axes)) != len(self.axes):
            raise ValueError(f"axes are {listed(self.axes)}, but three different names are expected")
        if self.driver is not None:
            self.driver.check(self.part, self.range_g, self.counts_per_g)
        return self

    @model_serializer(mode="wrap")
    def _without_absent_driver(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """Leave out a driver that is not there, so that boards without one keep their hash."""
        data: dict[str, Any] = handler(self)
        if data.get("driver") is None:
            data.pop("driver", None)
        return data

    @property
    def setup(self) -> SensorSetup | None:
        """What the driver in C needs; None without one."""
        return sensor_setup(self.driver, self.range_g, self.counts_per_g) if self.driver else None


class Flash(Section):
    """How a board is flashed: the runner taken by default, and beside it a section of facts for each runner.

    The fields of those sections are added by `flash_section`, from the runners that are registered.
    """

    runner: str

    @field_validator("runner")
    @classmethod
    def _is_known(cls, runner: str) -> str:
        if runner not in RUNNERS:
            raise ValueError(f"one of {listed(RUNNERS)} is expected")
        return runner

    @model_validator(mode="after")
    def _has_facts(self) -> Flash:
        if self.facts(self.runner) is None:
            raise ValueError(f'runner is "{self.runner}", but its section [flash.{self.runner}] is missing')
        return self

    def facts(self, runner: str) -> Any:
        """Return the section of a runner; None where the board has none."""
        return getattr(self, runner, None)


def flash_section(runners: Iterable[Runner]) -> type[Flash]:
    """Return the model of [flash] with a section for each of some runners."""
    facts: dict[str, Any] = {runner.name: (runner.section | None, None) for runner in runners}
    return create_model("Flash", __base__=Flash, **facts)


class Emulator(Section):
    """The QEMU machine, and the timer its firmware counts instructions with.

    timer_hz: rate of the timer in virtual time, in which `-icount shift=0` runs 10⁹ instructions per second.
    """

    machine: str = Field(pattern=r"^[a-z0-9-]+$")
    timer_hz: int = Field(gt=0, le=EMULATED_INSTRUCTIONS_PER_SECOND)

    @model_validator(mode="after")
    def _counts_whole_instructions(self) -> Emulator:
        if EMULATED_INSTRUCTIONS_PER_SECOND % self.timer_hz:
            raise ValueError(
                f"timer_hz is {self.timer_hz}, but a divisor of {EMULATED_INSTRUCTIONS_PER_SECOND} "
                "is expected, so that a tick is a whole number of instructions"
            )
        return self

    @property
    def instructions_per_tick(self) -> int:
        """Instructions executed per tick of the timer."""
        return EMULATED_INSTRUCTIONS_PER_SECOND // self.timer_hz
