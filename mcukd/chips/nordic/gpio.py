"""Ports, sense and GPIOTE of the nRF52840 (Product Specification v1.7, sections 6.9 and 6.10)."""

from __future__ import annotations

from mcukd.chips.core import Core
from mcukd.chips.nordic.base import NordicPeripheral
from mcukd.chips.pins import Pins
from mcukd.chips.registers import PeripheralTable
from mcukd.chips.stop import ChipStop

_INPUT_OFF, _PULL_DOWN, _PULL_UP = 1 << 1, 1, 3
_SENSE_HIGH, _SENSE_LOW = 2, 3


class Port(NordicPeripheral):
    """One port of up to 32 pins. `first`: number of its first pin among all pins of the chip."""

    def __init__(self, table: PeripheralTable, core: Core, pins: Pins, first: int) -> None:
        self.pins, self.first = pins, first
        self.out = self.direction = 0
        self.gpiote: Gpiote | None = None
        super().__init__(table, core)
        self.count = sum(name.startswith("PIN_CNF") for name in self.values)
        pins.listen(self._changed)

    def reset(self) -> None:
        super().reset()
        self.out = self.direction = 0

    def _drive(self, pin: int) -> None:
        output = self.direction >> pin & 1
        self.pins.output(self.first + pin, bool(self.out >> pin & 1) if output else None)

    def _drive_all(self, mask: int) -> None:
        for pin in range(32):
            if mask >> pin & 1:
                self._drive(pin)

    def _set_out(self, value: int) -> None:
        changed, self.out = self.out ^ value, value
        self._drive_all(changed & self.direction)

    def _set_direction(self, value: int) -> None:
        changed, self.direction = self.direction ^ value, value
        self._drive_all(changed)

    def read_OUT(self, index: int) -> int:
        return self.out

    read_OUTSET = read_OUTCLR = read_OUT

    def write_OUT(self, value: int, index: int) -> None:
        self._set_out(value)

    def write_OUTSET(self, value: int, index: int) -> None:
        self._set_out(self.out | value)

    def write_OUTCLR(self, value: int, index: int) -> None:
        self._set_out(self.out & ~value)

    def read_DIR(self, index: int) -> int:
        return self.direction

    read_DIRSET = read_DIRCLR = read_DIR

    def write_DIR(self, value: int, index: int) -> None:
        self._set_direction(value)

    def write_DIRSET(self, value: int, index: int) -> None:
        self._set_direction(self.direction | value)

    def write_DIRCLR(self, value: int, index: int) -> None:
        self._set_direction(self.direction & ~value)

    def read_IN(self, index: int) -> int:
        """Return levels of pins whose input buffer is connected; 0 of the others."""
        connected = [pin for pin in range(self.count) if not self.values[f"PIN_CNF[{pin}]"] & _INPUT_OFF]
        return sum(self.pins.level(self.first + pin) << pin for pin in connected)

    def read_PIN_CNF(self, index: int) -> int:
        return (self.values[f"PIN_CNF[{index}]"] & ~1) | (self.direction >> index & 1)

    def write_PIN_CNF(self, value: int, index: int) -> None:
        if index >= self.count:
            raise ChipStop(f"the write of {self.name}.PIN_CNF[{index}]: the port has {self.count} pins")
        self.values[f"PIN_CNF[{index}]"] = value
        pull = value >> 2 & 3
        if pull == 2:
            raise ChipStop(f"the write of {value:#x} to {self.name}.PIN_CNF[{index}]: PULL 2 does not exist")
        self.pins.pull(self.first + index, {_PULL_UP: True, _PULL_DOWN: False}.get(pull))
        self._set_direction((self.direction & ~(1 << index)) | (value & 1) << index)
        self._sense()

    def input_connected(self, pin: int) -> bool:
        """Return whether a pin's input buffer is connected."""
        return not self.values[f"PIN_CNF[{pin}]"] & _INPUT_OFF

    def _sensed(self, pin: int) -> bool:
        sense = self.values[f"PIN_CNF[{pin}]"] >> 16 & 3
        level = self.pins.level(self.first + pin)
        return (sense == _SENSE_HIGH and level) or (sense == _SENSE_LOW and not level)

    def _changed(self, pin: int, level: bool) -> None:
        if not self.first <= pin < self.first + self.count:
            return
        self._sense()
        if self.gpiote is not None:
            self.gpiote.pin_changed(pin, level)

    def _sense(self) -> None:
        latched = sum(1 << pin for pin in range(self.count) if self._sensed(pin))
        fresh = latched & ~self.values["LATCH"]
        self.values["LATCH"] |= latched
        if fresh and self.gpiote is not None:
            self.gpiote.occur("PORT")

    def write_LATCH(self, value: int, index: int) -> None:
        self.values["LATCH"] &= ~value
        self._sense()


class Gpiote(NordicPeripheral):
    """Events from pins: eight channels, and PORT from the pins' sense."""

    def __init__(self, table: PeripheralTable, core: Core, ports: tuple[Port, Port]) -> None:
        self._ports = ports
        super().__init__(table, core)
        for port in ports:
            port.gpiote = self

    def write_CONFIG(self, value: int, index: int) -> None:
        mode = value & 3
        if mode in (2, 3):
            raise ChipStop(f"GPIOTE.CONFIG[{index}] chooses mode {mode}; tasks on pins are not modelled")
        self.values[f"CONFIG[{index}]"] = value

    def pin_changed(self, pin: int, level: bool) -> None:
        """Let the channels that watch a pin see its new level."""
        for channel in range(8):
            value = self.values[f"CONFIG[{channel}]"]
            if value & 3 != 1 or value >> 8 & 0x3F != pin:
                continue
            if not self._ports[pin // 32].input_connected(pin % 32):
                continue
            polarity = value >> 16 & 3
            if polarity == 3 or polarity == (1 if level else 2):
                self.occur(f"IN[{channel}]")
