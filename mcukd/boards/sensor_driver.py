"""How a board's accelerometer is connected and set up: [sensor.driver], and what the driver in C needs of it.

Codes of ranges, rates and filters are those of the parts' registers; `firmware_templates/sensor/` explains
them where they are written.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, field_validator

from mcukd.boards.section import Section
from mcukd.text import listed

#: Of the clock that the drivers are given the time by.
TICKS_HZ = 32768
_AXES = "xyz"
_TERM = re.compile(r"([xyz])=(-?)([xyz])")


@dataclass(frozen=True)
class Mode:
    """A way to run a part. code: in C. rates: register code by rate in Hz. tolerance: thousandths of it."""

    code: int
    rates: Mapping[float, int]
    tolerance: int


@dataclass(frozen=True)
class Part:
    """An accelerometer that there is a driver for.

    bits: of its counts. ranges_g: by their codes. fifo_samples: that its FIFO holds. needs_interrupt: whether
    it is drained at an interrupt. bandwidths_hz: of its filters, by their codes; empty where the driver
    always sets `filter_code`.
    """

    name: str
    bits: int
    ranges_g: tuple[float, ...]
    addresses: tuple[int, ...]
    modes: Mapping[str, Mode]
    fifo_samples: int
    needs_interrupt: bool
    bandwidths_hz: Mapping[int, float]
    filter_code: int = 0

    def filter_for(self, rate_hz: float) -> int:
        """Return the code of the widest filter below half the rate; of the narrowest where none is."""
        fitting = [code for code, hz in self.bandwidths_hz.items() if hz <= rate_hz / 2]
        if not self.bandwidths_hz:
            return self.filter_code
        return min(fitting) if fitting else max(self.bandwidths_hz)


#: Parts by the name of their driver's folder. Tolerances are those of the data sheets with a margin.
PARTS: Mapping[str, Part] = {
    "bma400": Part(
        name="BMA400",
        bits=12,
        ranges_g=(2.0, 4.0, 8.0, 16.0),
        addresses=(0x14, 0x15),
        # The FIFO does not fill in its low-power mode.
        modes={"normal": Mode(0, {12.5 * 2**n: 5 + n for n in range(7)}, 30)},
        fifo_samples=146,
        needs_interrupt=True,
        bandwidths_hz={},
        filter_code=3,  # oversampling
    ),
    "mpu9250": Part(
        name="MPU9250",
        bits=16,
        ranges_g=(2.0, 4.0, 8.0, 16.0),
        addresses=(0x68, 0x69),
        modes={
            "normal": Mode(0, {1000.0 / (1 + divider): divider for divider in range(256)}, 30),
            # Duty-cycled: off by up to 15 % over temperature.
            "cycle": Mode(1, {500.0 / 2 ** (11 - code): code for code in range(12)}, 160),
        },
        fifo_samples=85,
        needs_interrupt=False,
        bandwidths_hz={1: 184.0, 2: 92.0, 3: 41.0, 4: 20.0, 5: 10.0, 6: 5.0},
    ),
}


@dataclass(frozen=True)
class AxesMap:
    """Which axis of the sensor is each axis of the model.

    axes: for the model's x, y, z the number of the sensor's axis from 1 on; negative: turned round.
    """

    axes: tuple[int, int, int]

    @property
    def text(self) -> str:
        """The map as board files write it."""
        terms = zip(_AXES, self.axes)
        return ", ".join(f"{name}={'-' * (axis < 0)}{_AXES[abs(axis) - 1]}" for name, axis in terms)

    def apply(self, counts: NDArray[np.int16]) -> NDArray[np.int16]:
        """Return samples (…, 3) of the sensor along the model's axes; -(-32768) becomes 32767."""
        signs = np.sign(self.axes)
        turned = counts[..., np.abs(self.axes) - 1].astype(np.int32) * signs
        return np.minimum(turned, 32767).astype(np.int16)


def parse_axes(text: str) -> AxesMap:
    """Return the map that "x=-y, y=x, z=z" says; ValueError, in words, for anything else."""
    terms = [term.strip().replace(" ", "") for term in text.split(",")]
    found = [_TERM.fullmatch(term) for term in terms]
    matches = [match for match in found if match is not None]
    if len(matches) != 3 or len(found) != 3:
        raise ValueError('three terms as in "x=-y, y=x, z=z" are expected')
    for group, whose in ((1, "model"), (3, "sensor")):
        if {match[group] for match in matches} != set(_AXES):
            raise ValueError(f"each of x, y and z of the {whose} is expected once")
    by_axis = {match[1]: (-1 if match[2] else 1) * (1 + _AXES.index(match[3])) for match in matches}
    return AxesMap((by_axis["x"], by_axis["y"], by_axis["z"]))


class SensorDriver(Section):
    """How the accelerometer is connected, and how the firmware sets it up.

    model: driver, a name of PARTS. sda_pin, scl_pin, interrupt_pin: numbers as of the console's pins.
    rate_hz: what it samples at; a model of another rate gets a firmware without a sensor. mode: of the part.
    axes_map: the model's axes by the sensor's, as "x=-y, y=x, z=z". watermark: samples per drain of the FIFO.
    """

    model: str
    bus: Literal["i2c"] = "i2c"
    address: int
    sda_pin: int = Field(ge=0, le=47)
    scl_pin: int = Field(ge=0, le=47)
    interrupt_pin: int | None = Field(default=None, ge=0, le=47)
    rate_hz: float = Field(gt=0)
    mode: str = "normal"
    axes_map: str
    watermark: int = Field(default=64, gt=0)

    @field_validator("model")
    @classmethod
    def _has_a_driver(cls, model: str) -> str:
        if model not in PARTS:
            raise ValueError(f"one of {listed(PARTS)} is expected")
        return model

    @field_validator("axes_map")
    @classmethod
    def _is_a_map(cls, text: str) -> str:
        parse_axes(text)
        return text

    @property
    def part(self) -> Part:
        """What is known of the part."""
        return PARTS[self.model]

    @property
    def axes(self) -> AxesMap:
        """The axes map."""
        return parse_axes(self.axes_map)

    def check(self, part_name: str, range_g: float, counts_per_g: float) -> None:
        """Raise ValueError, naming the field of [sensor], where the part cannot do what is asked for."""
        part = self.part
        if part.name != part_name:
            raise ValueError(f'driver.model is "{self.model}", but part is "{part_name}"; both name one part')
        if self.address not in part.addresses:
            raise ValueError(
                f"driver.address is {self.address:#x}, but one of "
                f"{listed(f'{address:#x}' for address in part.addresses)} is expected for a {part.name}"
            )
        if range_g not in part.ranges_g:
            raise ValueError(
                f"range_g is {range_g:g}, but one of {listed(f'{one:g}' for one in part.ranges_g)} is "
                f"expected for a {part.name}"
            )
        counts = range_g * counts_per_g
        if counts not in {float(1 << (bits - 1)) for bits in range(8, part.bits + 1)}:
            raise ValueError(
                f"range_g × counts_per_g is {counts:g}, but a power of two from 128 to "
                f"{1 << (part.bits - 1)} is expected, as the upper ones of a {part.name}'s {part.bits} bits "
                "are used"
            )
        if self.mode not in part.modes:
            raise ValueError(
                f'driver.mode is "{self.mode}", but one of {listed(part.modes)} is expected for a {part.name}'
            )
        if self.rate_hz not in part.modes[self.mode].rates:
            rates = part.modes[self.mode].rates
            nearest = min(rates, key=lambda rate: abs(rate - self.rate_hz))
            raise ValueError(
                f"driver.rate_hz is {self.rate_hz:g}, which a {part.name} in its mode {self.mode} does not "
                f"have; the nearest is {nearest:g}"
            )
        if part.needs_interrupt and self.interrupt_pin is None:
            raise ValueError(
                f"driver.interrupt_pin is missing, but a {part.name} is drained at the interrupt of its "
                "watermark"
            )
        # Room for what comes while the core is at something else.
        most = part.fifo_samples - 10
        if self.watermark > most:
            raise ValueError(
                f"driver.watermark is {self.watermark}, but at most {most} is expected, as the FIFO of a "
                f"{part.name} holds {part.fifo_samples} samples"
            )
        pins = [pin for pin in (self.sda_pin, self.scl_pin, self.interrupt_pin) if pin is not None]
        if len(set(pins)) != len(pins):
            raise ValueError(
                f"driver.sda_pin, scl_pin and interrupt_pin are {listed(map(str, pins))}, but different pins "
                "are expected"
            )


@dataclass(frozen=True)
class SensorSetup:
    """What the templates print of a sensor: the numbers of `sensor_config` in sensor.h, and its pins."""

    driver: SensorDriver
    range_code: int
    rate_code: int
    mode_code: int
    filter_code: int
    shift: int
    axes: tuple[int, int, int]
    sample_ticks: int
    tolerance: int


def sensor_setup(driver: SensorDriver, range_g: float, counts_per_g: float) -> SensorSetup:
    """Return the setup of a driver whose `check` has passed."""
    part, mode = driver.part, driver.part.modes[driver.mode]
    used_bits = int(range_g * counts_per_g).bit_length()
    return SensorSetup(
        driver=driver,
        range_code=part.ranges_g.index(range_g),
        rate_code=mode.rates[driver.rate_hz],
        mode_code=mode.code,
        filter_code=part.filter_for(driver.rate_hz),
        shift=part.bits - used_bits,
        axes=driver.axes.axes,
        sample_ticks=round(256 * TICKS_HZ / driver.rate_hz),
        tolerance=mode.tolerance,
    )
