"""SPI controller of the CC2650, an Arm PL022 (SWCU117, chapter 20): FIFOs of eight, 8 bits."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

from mcukd.chips.bus import SPIBus
from mcukd.chips.core import Core
from mcukd.chips.events import Event
from mcukd.chips.registers import PeripheralTable
from mcukd.chips.stop import ChipStop
from mcukd.chips.ti.pins import SSI0_CLK, SSI0_RX, SSI0_TX, Ioc
from mcukd.chips.ti.power import Powered, Prcm

_FIFO = 8
_OVERRUN, _TIMEOUT, _RX, _TX = 1, 2, 4, 8


class Ssi(Powered):
    """The controller; chip select is a pin that the firmware drives, or FSS, which frames every byte."""

    domain, gate, mask = "SERIAL", "SSICLKG", 1

    def __init__(
        self,
        table: PeripheralTable,
        core: Core,
        prcm: Prcm,
        ioc: Ioc,
        bus: Callable[[int, int, int, str], SPIBus],
        sync: Callable[[], None],
    ) -> None:
        self._ioc, self._bus_at, self._sync = ioc, bus, sync
        self._clear()
        super().__init__(table, core, prcm)

    def _clear(self) -> None:
        self._tx: deque[int] = deque()
        self._rx: deque[int] = deque()
        self._event: Event | None = None
        self._raw = 0

    def reset(self) -> None:
        super().reset()
        self._clear()

    def _bus(self) -> SPIBus:
        pins = [self._ioc.pin_of(port) for port in (SSI0_CLK, SSI0_TX, SSI0_RX)]
        if None in pins:
            raise ChipStop("SSI0 is used while IOC connects no pins to its clock, output and input")
        sck, mosi, miso = (int(pin or 0) for pin in pins)
        if not self._ioc.input_on(miso):
            raise ChipStop(f"SSI0 is used while the input buffer of DIO {miso} is off (IOC.IOCFG{miso}.IE)")
        return self._bus_at(sck, mosi, miso, "SSI0")

    def _byte_cycles(self) -> int:
        divisor = self.values["CPSR"]
        if divisor < 2 or divisor % 2:
            raise ChipStop(f"SSI0.CPSR is {divisor}; an even number from 2 to 254 is expected")
        return 8 * divisor * ((self.values["CR0"] >> 8) + 1)

    def write_CR0(self, value: int, index: int) -> None:
        if value & 0xF != 7 or value >> 4 & 3:
            raise ChipStop(f"SSI0.CR0 holds {value:#x}; 8 bits in Motorola frames are modelled")
        self.values["CR0"] = value

    def write_CR1(self, value: int, index: int) -> None:
        if value & ~2:
            raise ChipStop(f"SSI0.CR1 holds {value:#x}; loopback and target mode are not modelled")
        self.values["CR1"] = value
        self._go_on()

    def write_DR(self, value: int, index: int) -> None:
        if len(self._tx) >= _FIFO:
            raise ChipStop("the write of SSI0.DR while the FIFO is full (SSI0.SR.TNF): a byte would be lost")
        self._tx.append(value & 0xFF)
        self._go_on()

    def read_DR(self, index: int) -> int:
        return self._rx.popleft() if self._rx else 0

    def _go_on(self) -> None:
        if self._event is None and self._tx and self.values["CR1"] & 2:
            at = self.core.cycles + self._byte_cycles()
            self._event = self.core.schedule(at, self._shift)

    def _shift(self) -> None:
        self._event = None
        self._sync()
        answer = self._bus().transfer(bytes([self._tx.popleft()]))
        self._sync()
        if len(self._rx) < _FIFO:
            self._rx.append(answer[0])
        else:
            self._raw |= _OVERRUN
        self._go_on()
        self._update()

    def _levels(self) -> int:
        return self._raw | (_TX if len(self._tx) <= _FIFO // 2 else 0) | (_RX if len(self._rx) >= 4 else 0)

    def _update(self) -> None:
        self.signal(bool(self._levels() & self.values["IMSC"]))

    def read_SR(self, index: int) -> int:
        busy = self._event is not None or bool(self._tx)
        return (
            (not self._tx)
            | (len(self._tx) < _FIFO) << 1
            | bool(self._rx) << 2
            | (len(self._rx) == _FIFO) << 3
            | busy << 4
        )

    def write_IMSC(self, value: int, index: int) -> None:
        self.values["IMSC"] = value
        self._update()

    def read_RIS(self, index: int) -> int:
        return self._levels()

    def read_MIS(self, index: int) -> int:
        return self._levels() & self.values["IMSC"]

    def write_ICR(self, value: int, index: int) -> None:
        self._raw &= ~value
        self._update()

    def write_DMACR(self, value: int, index: int) -> None:
        if value:
            raise ChipStop("SSI0.DMACR asks for uDMA, which is not modelled")
