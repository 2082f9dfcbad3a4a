"""Registry of modelled sensors by their drivers, and the wiring of one to a modelled chip."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple, Protocol

from mcukd.chips.bus import I2CDevice
from mcukd.chips.chip import Chip
from mcukd.chips.sensors.bma400 import BMA400
from mcukd.chips.sensors.mpu9250 import MPU9250
from mcukd.chips.sensors.registers import RegisterSensor
from mcukd.chips.sensors.sources import Source

#: Models by the names of `mcukd.boards.sensor_driver.PARTS`, and what their interrupt outputs are called.
MODELS: Mapping[str, type[RegisterSensor]] = {"bma400": BMA400, "mpu9250": MPU9250}
INTERRUPTS: Mapping[str, str] = {"bma400": "INT1", "mpu9250": "INT"}


class Connected(Protocol):
    """What [sensor.driver] of a board file says of the sensor and its pins."""

    @property
    def model(self) -> str: ...
    @property
    def address(self) -> int: ...
    @property
    def scl_pin(self) -> int: ...
    @property
    def sda_pin(self) -> int: ...
    @property
    def interrupt_pin(self) -> int | None: ...


class Wires(NamedTuple):
    """The same, read from one option of a command line: "bma400,20,27,26,35", or without the last number."""

    model: str
    address: int
    scl_pin: int
    sda_pin: int
    interrupt_pin: int | None = None

    @staticmethod
    def parse(text: str) -> Wires:
        """Return what a text says; ValueError for what is none."""
        model, *numbers = text.split(",")
        if model not in MODELS or not 3 <= len(numbers) <= 4:
            raise ValueError(text)
        return Wires(model, *map(int, numbers))


def make_sensor(sensor: Connected, source: Source) -> RegisterSensor:
    """Return the modelled sensor that a board names, at its address."""
    return MODELS[sensor.model](source, sensor.address)


def wire_sensor(chip: Chip, sensor: Connected, device: I2CDevice) -> None:
    """Solder a device to the pins of a board's sensor: the modelled one, or one with a fault in its place."""
    chip.wire_i2c(sensor.scl_pin, sensor.sda_pin, device)
    if sensor.interrupt_pin is not None:
        chip.pins.connect(device, INTERRUPTS[sensor.model], sensor.interrupt_pin)
