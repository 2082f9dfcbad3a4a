"""I2C controller of the CC2650 (SWCU117, chapter 21): one byte at a time, by commands in MCTRL."""

from __future__ import annotations

from collections.abc import Callable

from mcukd.chips.bus import I2CBus
from mcukd.chips.core import Core
from mcukd.chips.events import Event
from mcukd.chips.hooks import Foreseen, read_of, read_of_data, write_of
from mcukd.chips.registers import PeripheralTable
from mcukd.chips.stop import ChipStop
from mcukd.chips.ti.pins import I2C_SCL, I2C_SDA, Ioc
from mcukd.chips.ti.power import Powered, Prcm

_RUN, _START, _STOP, _ACK = 1, 2, 4, 8
_ERROR, _ADDRESS_NACK, _DATA_NACK = 1 << 1, 1 << 2, 1 << 3
_IDLE, _BUS_BUSY = 1 << 5, 1 << 6
_FAST_HZ = 400_000 * 1.05
#: A command takes one bit, and each byte eight with its acknowledgement behind them.
_COMMAND_BITS, _BYTE_BITS = 1, 9


class I2c(Powered):
    """The controller; as a target it is not modelled."""

    domain, gate, mask = "SERIAL", "I2CCLKG", 1

    def __init__(
        self,
        table: PeripheralTable,
        core: Core,
        prcm: Prcm,
        ioc: Ioc,
        bus: Callable[[int, int, str], I2CBus],
        sync: Callable[..., None],
    ) -> None:
        self._ioc, self._bus_at, self._sync = ioc, bus, sync
        self._clear()
        super().__init__(table, core, prcm)

    def _clear(self) -> None:
        self._event: Event | None = None
        self._errors = 0
        self._owns = False
        self._reading = False
        self._raised = False
        self._received = 0

    def reset(self) -> None:
        super().reset()
        self._clear()

    def _bus(self) -> I2CBus:
        scl, sda = self._ioc.pin_of(I2C_SCL), self._ioc.pin_of(I2C_SDA)
        if scl is None or sda is None:
            raise ChipStop("I2C0 is used while IOC connects no pins to its SCL (port 14) and SDA (port 13)")
        for pin in (scl, sda):
            if not self._ioc.input_on(pin):
                raise ChipStop(f"I2C0 is used while the input buffer of DIO {pin} is off (IOC.IOCFG{pin}.IE)")
        return self._bus_at(scl, sda, "I2C0")

    def _bit_cycles(self) -> int:
        """Return the cycles of one bit: 20 × (TPR + 1)."""
        cycles = 20 * ((self.values["MTPR"] & 0x7F) + 1)
        if self.core.clock_hz / cycles > _FAST_HZ:
            raise ChipStop(
                f"I2C0.MTPR sets {self.core.clock_hz // cycles:,} Hz, more than the 400,000 Hz of fast mode"
            )
        return cycles

    def read_MSTAT(self, index: int) -> int:
        if self._event is not None:  # a firmware that polls gets to the end at once, with the time gone by
            self.core.wait_until(self._event.at)
        if self._event is not None:
            return 1 | (_BUS_BUSY if self._owns else 0)
        if self._owns and self._reading and not self._errors and not self.values["MIMR"]:
            self._foresee()
        return self._errors | (_BUS_BUSY if self._owns else _IDLE)

    def _foresee(self) -> None:
        """Foresee a burst: the byte that was read is taken, and more are read one by one."""
        data, until_ns = self._bus().foreseen()
        if data:
            mctrl, mstat, mdr = (self.table.register(name).address for name in ("MCTRL", "MSTAT", "MDR"))
            burst = (
                write_of(mctrl, _RUN | _ACK, self._burst_cycles()),
                read_of(mstat, _BUS_BUSY, waits=True),
                read_of_data(mdr),
            )
            data, until = bytes([self._received]) + data, self.core.cycle_at(until_ns)
            self.core.foresee(Foreseen(burst, 2, data, until, self._settle))

    def _burst_cycles(self) -> int:
        return (_COMMAND_BITS + _BYTE_BITS) * self._bit_cycles()

    def _settle(self, position: int, due: int) -> None:
        """Read the bytes of a burst that was foreseen, from its third access on."""
        begun = (position + 2) // 3 - 1
        if begun:
            self._received = self._bus().read(begun)[-1]
            self._sync(due - self._burst_cycles())
            if position % 3 == 1 and due > self.core.cycles:
                self._event = self.core.schedule(due, self._done)
            else:
                self._done()

    def write_MCTRL(self, value: int, index: int) -> None:
        if not self.values["MCR"] & 1 << 4:
            raise ChipStop("the write of I2C0.MCTRL while the controller is off (I2C0.MCR.MFE)")
        if self._event is not None:
            raise ChipStop("the write of I2C0.MCTRL while it is busy (I2C0.MSTAT.BUSY)")
        if not value & _RUN and not value & _STOP:
            raise ChipStop(f"the write of {value:#x} to I2C0.MCTRL neither runs nor stops anything")
        if not value & _START and not self._owns and value & _RUN:
            raise ChipStop("I2C0.MCTRL goes on with a transfer that was not started")
        self._sync()
        bus, bits = self._bus(), _COMMAND_BITS
        self._errors = 0
        if value & _START:
            self._reading = bool(self.values["MSA"] & 1)
            self._owns = True
            bits += _BYTE_BITS
            if not bus.start(self.values["MSA"] >> 1, not self._reading):
                self._errors = _ERROR | _ADDRESS_NACK
        if value & _RUN and not self._errors:
            bits += _BYTE_BITS
            if self._reading:
                self._received = bus.read(1)[0]
            elif not bus.write(bytes([self.values["MDR"]])):
                self._errors = _ERROR | _DATA_NACK
        if value & _STOP:
            bits += 1
            bus.stop()
            self._owns = False
        self._sync()
        self._event = self.core.schedule(self.core.cycles + bits * self._bit_cycles(), self._done)

    def _done(self) -> None:
        self._event = None
        if self._reading and not self._errors:
            self.values["MDR"] = self._received
        self._raised = True
        self._update()

    def _update(self) -> None:
        self.signal(self._raised and bool(self.values["MIMR"] & 1))

    def write_MIMR(self, value: int, index: int) -> None:
        self.values["MIMR"] = value
        self._update()

    def read_MRIS(self, index: int) -> int:
        return int(self._raised)

    def read_MMIS(self, index: int) -> int:
        return int(self._raised and bool(self.values["MIMR"] & 1))

    def write_MICR(self, value: int, index: int) -> None:
        if value & 1:
            self._raised = False
            self._update()

    def write_MCR(self, value: int, index: int) -> None:
        if value & ~(1 << 4):
            raise ChipStop(f"I2C0.MCR holds {value:#x}; loopback and target mode are not modelled")
        self.values["MCR"] = value
