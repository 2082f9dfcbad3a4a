"""Pin multiplexer (IOC) and GPIO of the CC2650 (SWCU117, chapter 11)."""

from __future__ import annotations

from collections.abc import Callable

from mcukd.chips.core import Core
from mcukd.chips.pins import Pins
from mcukd.chips.registers import PeripheralTable
from mcukd.chips.space import Peripheral
from mcukd.chips.stop import ChipStop
from mcukd.chips.ti.power import Powered, Prcm

#: IOCFG.PORT_ID of what is modelled.
GPIO_PORT, AON_CLK32K = 0x00, 0x07
I2C_SDA, I2C_SCL = 0x0D, 0x0E
UART0_RX, UART0_TX = 0x0F, 0x10
SSI0_RX, SSI0_TX, SSI0_FSS, SSI0_CLK = 0x09, 0x0A, 0x0B, 0x0C
_KNOWN = {GPIO_PORT, *range(0x07, 0x13)}
_PULLS = {1: False, 2: True, 3: None}


class Ioc(Peripheral):
    """What each pin (DIO) is connected to, its pull, input buffer and edge detector."""

    def __init__(self, table: PeripheralTable, core: Core, pins: Pins) -> None:
        self._core, self.pins = core, pins
        self.gpio: Gpio | None = None
        self.on_change: Callable[[], None] = lambda: None
        self._pins_of: dict[int, list[int]] = {}
        super().__init__(table)
        pins.listen(self._changed)

    def reset(self) -> None:
        super().reset()
        self._pins_of.clear()

    def write_IOCFG(self, value: int, index: int) -> None:
        port = value & 0x3F
        if port not in _KNOWN:
            raise ChipStop(f"IOC.IOCFG{index} connects the pin to port {port:#x}, which is not modelled")
        if value >> 13 & 3 not in _PULLS:
            raise ChipStop(f"IOC.IOCFG{index} holds 0 for PULL_CTL, which is no setting")
        self.values[f"IOCFG[{index}]"] = value
        self._pins_of.clear()
        self.pins.pull(index, _PULLS[value >> 13 & 3])
        if self.gpio is not None:
            self.gpio.drive(index)
        self.on_change()

    def port(self, pin: int) -> int:
        """Return what a pin is connected to."""
        return self.values[f"IOCFG[{pin}]"] & 0x3F

    def input_on(self, pin: int) -> bool:
        """Return whether a pin's input buffer is on."""
        return bool(self.values[f"IOCFG[{pin}]"] & 1 << 29)

    def pin_of(self, port: int) -> int | None:
        """Return the pin that a port is connected to; ChipStop where there are two."""
        found = self._pins_of.get(port)
        if found is None:
            found = [pin for pin in range(self.pins.count) if self.port(pin) == port]
            self._pins_of[port] = found
        if len(found) > 1:
            raise ChipStop(f"port {port:#x} is connected to pins {found[0]} and {found[1]}")
        return found[0] if found else None

    def _changed(self, pin: int, level: bool) -> None:
        value = self.values[f"IOCFG[{pin}]"]
        edges = value >> 16 & 3
        if edges in (3, 2 if level else 1) and self.input_on(pin) and self.gpio is not None:
            self.gpio.edge(pin, bool(value & 1 << 18))


class Gpio(Powered):
    """General-purpose pins, and the flags of edges that IOC detected."""

    def __init__(self, table: PeripheralTable, core: Core, prcm: Prcm, ioc: Ioc) -> None:
        self._ioc = ioc
        self._interrupting = 0
        super().__init__(table, core, prcm)
        ioc.gpio = self

    def reset(self) -> None:
        super().reset()
        self._interrupting = 0

    def drive(self, pin: int) -> None:
        """Drive a pin where it is an output of this port."""
        on = self.values["DOE31_0"] >> pin & 1 and self._ioc.port(pin) == GPIO_PORT
        self._ioc.pins.output(pin, bool(self.values["DOUT31_0"] >> pin & 1) if on else None)

    def _set(self, name: str, value: int) -> None:
        changed = self.values[name] ^ value
        self.values[name] = value
        for pin in range(self._ioc.pins.count):
            if changed >> pin & 1:
                self.drive(pin)

    def write_DOUT31_0(self, value: int, index: int) -> None:
        self._set("DOUT31_0", value)

    def write_DOE31_0(self, value: int, index: int) -> None:
        self._set("DOE31_0", value)

    def write_DOUTSET31_0(self, value: int, index: int) -> None:
        self._set("DOUT31_0", self.values["DOUT31_0"] | value)

    def write_DOUTCLR31_0(self, value: int, index: int) -> None:
        self._set("DOUT31_0", self.values["DOUT31_0"] & ~value)

    def write_DOUTTGL31_0(self, value: int, index: int) -> None:
        self._set("DOUT31_0", self.values["DOUT31_0"] ^ value)

    def read_DIN31_0(self, index: int) -> int:
        pins = self._ioc.pins
        return sum(pins.level(pin) << pin for pin in range(pins.count) if self._ioc.input_on(pin))

    def edge(self, pin: int, interrupts: bool) -> None:
        """Take note of an edge that IOC detected."""
        self.values["EVFLAGS31_0"] |= 1 << pin
        if interrupts:
            self._interrupting |= 1 << pin
        self._update()

    def write_EVFLAGS31_0(self, value: int, index: int) -> None:
        self.values["EVFLAGS31_0"] &= ~value
        self._interrupting &= ~value
        self._update()

    def _update(self) -> None:
        self.signal(bool(self._interrupting))
