"""UART without DMA of the nRF52840 (Product Specification v1.7, section 6.33)."""

from __future__ import annotations

from collections import deque
from itertools import islice

from mcukd.chips.console import Console
from mcukd.chips.core import Core
from mcukd.chips.events import NEVER, Event
from mcukd.chips.hooks import Foreseen, read_of, read_of_data, write_of
from mcukd.chips.nordic.base import NordicPeripheral
from mcukd.chips.nordic.power import Clock
from mcukd.chips.nvic import FIRST_INTERRUPT
from mcukd.chips.registers import PeripheralTable
from mcukd.chips.stop import ChipStop

_FIFO = 6
_OVERRUN = 1
#: Most bytes of the host that are foreseen at once.
_FORESEEN = 1024
#: BAUDRATE in 2^32nds of 16 MHz.
_BAUD_HZ = 16_000_000


class SerialLine(NordicPeripheral):
    """What UART and UARTE share: pins, baud rate, and the line to the host."""

    ids = (4, 8)
    mine = 0
    txd, rxd = "PSEL.TXD", "PSEL.RXD"

    def __init__(
        self, table: PeripheralTable, core: Core, clock: Clock, console: Console | None, enable: list[int]
    ) -> None:
        self.clock, self.console = clock, console
        super().__init__(table, core)
        self.enable = enable

    def chosen(self) -> bool:
        return self.enable[0] in (0, self.mine)

    @property
    def on(self) -> bool:
        """Whether ENABLE chooses this one."""
        return self.enable[0] == self.mine

    def need_on(self, task: str) -> None:
        """Stop the model where the peripheral is not enabled; check its baud rate."""
        if not self.on:
            raise ChipStop(f"{self.name}.TASKS_{task} while {self.name}.ENABLE is {self.enable[0]}")
        if self.console is not None:
            self.console.check_baud(self.values["BAUDRATE"] * _BAUD_HZ / (1 << 32), self.name)
        if self.values["CONFIG"] & 0x1F:
            raise ChipStop(
                f"{self.name}.CONFIG asks for parity, flow control or two stop bits; the line has none"
            )

    def sends(self) -> bool:
        """Return whether what is sent arrives at the host."""
        return self.console is not None and self.pin(self.txd) == self.console.tx_pin

    def hears(self) -> bool:
        """Return whether bytes of the host arrive at this UART."""
        return self.console is not None and self.pin(self.rxd) == self.console.rx_pin

    def byte_cycles(self) -> int:
        """Return how long a byte takes on the line, in cycles."""
        baud = self.values["BAUDRATE"] * _BAUD_HZ / (1 << 32)
        return int(10 * self.core.clock_hz / baud)


class Uart(SerialLine):
    """The UART: a receive FIFO of six bytes, one byte on its way out."""

    mine = 4

    def __init__(
        self, table: PeripheralTable, core: Core, clock: Clock, console: Console | None, enable: list[int]
    ) -> None:
        self._receiving = self._sending = False
        self._fifo: deque[int] = deque()
        self._arrival: Event | None = None
        self._sent_at = 0
        super().__init__(table, core, clock, console, enable)

    def reset(self) -> None:
        super().reset()
        self._receiving = self._sending = False
        self._fifo.clear()
        self._arrival = None
        self._sent_at = 0

    def task_STARTRX(self) -> None:
        self.need_on("STARTRX")
        self._receiving = True
        self.line_changed()

    def task_STOPRX(self) -> None:
        self._receiving = False
        self.occur("RXTO")

    def task_STARTTX(self) -> None:
        self.need_on("STARTTX")
        self._sending = True

    def task_STOPTX(self) -> None:
        self._sending = False

    def enabled(self, value: int) -> None:
        if not value:
            self._receiving = self._sending = False
            self._fifo.clear()

    def line_changed(self) -> None:
        """Let the next byte of the host arrive: after its time on the line, or once there is room for it."""
        console = self.console
        if console is None or not console.to_chip:
            return
        if console.paced:
            if self._arrival is None:
                byte = console.byte_cycles(self.core.clock_hz)
                self._arrival = self.core.schedule(self.core.cycles + byte, self._arrive)
        elif not (self._receiving and self.hears()):
            console.on_unheard()
        elif not self._fifo:
            self._take(console.to_chip.popleft())

    def _arrive(self) -> None:
        self._arrival = None
        if self.console is None or not self.console.to_chip:
            return
        byte = self.console.to_chip.popleft()
        if not (self._receiving and self.hears()):
            self.console.on_unheard()
        elif len(self._fifo) < _FIFO:
            self._take(byte)
        else:
            self.values["ERRORSRC"] |= _OVERRUN
            self.occur("ERROR")
        self.line_changed()

    def _take(self, byte: int) -> None:
        self._fifo.append(byte)
        if len(self._fifo) == 1:
            self.occur("RXDRDY")

    def read_RXD(self, index: int) -> int:
        if not self._fifo:
            return 0
        byte = self._fifo.popleft()
        if self._fifo:
            self.occur("RXDRDY")
        else:
            self.line_changed()
        return byte

    def read_EVENTS_RXDRDY(self, index: int) -> int:
        if self.values["EVENTS_RXDRDY"] and self._fifo:
            self._foresee()
        return self.values["EVENTS_RXDRDY"]

    def _foresee(self) -> None:
        """Foresee that the firmware takes bytes and clears the event before each.

        Not the last byte, and not where a new event would raise the interrupt.
        """
        assert self.table.irq is not None and self.console is not None
        latched = self.core.nvic.latched >> (FIRST_INTERRUPT + self.table.irq) & 1
        waiting = list(self._fifo)
        if not self.console.paced and self._receiving and self.hears():
            waiting += islice(self.console.to_chip, _FORESEEN)
        if latched or not self.enabled_interrupts:
            event, data = (self.table.register(name).address for name in ("EVENTS_RXDRDY", "RXD"))
            rounds = (read_of(event, 1), write_of(event, 0), read_of_data(data))
            self.core.foresee(Foreseen(rounds, 1, bytes(waiting[:-1]), NEVER, self._settle))

    def _settle(self, position: int, due: int) -> None:
        for _ in range(position // 3):
            self._fifo.popleft()
            if not self._fifo:
                assert self.console is not None
                self._fifo.append(self.console.to_chip.popleft())
        self.clear("RXDRDY")
        if position % 3 != 2:
            self.occur("RXDRDY")

    def write_TXD(self, value: int, index: int) -> None:
        if not (self.on and self._sending):
            raise ChipStop("the write of UART0.TXD before TASKS_STARTTX: the byte would be lost")
        if self.core.cycles < self._sent_at:
            raise ChipStop("the write of UART0.TXD before TXDRDY: the byte before it would be lost")
        if self.console is not None and self.sends():
            self.console.from_chip.append(value)
        self._sent_at = self.core.cycles + self.byte_cycles()
        self.core.schedule(self._sent_at, lambda: self.occur("TXDRDY"))

    def read_EVENTS_TXDRDY(self, index: int) -> int:
        """Return the event; a firmware that polls it gets there at once, with the time gone by."""
        if not self.values["EVENTS_TXDRDY"] and self.core.cycles < self._sent_at:
            self.core.wait_until(self._sent_at)
        return self.values["EVENTS_TXDRDY"]

    def write_ERRORSRC(self, value: int, index: int) -> None:
        self.values["ERRORSRC"] &= ~value


class Uarte(SerialLine):
    """The UART with DMA: bytes go from and to buffers in RAM, with a FIFO of six in between."""

    mine = 8

    def __init__(
        self,
        table: PeripheralTable,
        core: Core,
        clock: Clock,
        console: Console | None,
        enable: list[int],
        ram: tuple[int, int],
    ) -> None:
        self._ram = ram
        self._clear()
        super().__init__(table, core, clock, console, enable)

    def _clear(self) -> None:
        self._buffer: tuple[int, int] | None = None
        self._received = 0
        self._fifo: deque[int] = deque()
        self._arrival: Event | None = None
        self._sending: Event | None = None

    def reset(self) -> None:
        super().reset()
        self._clear()

    def enabled(self, value: int) -> None:
        if not value:
            self._clear()

    def _dma(self, which: str) -> tuple[int, int]:
        address, count = self.values[f"{which}.PTR"], self.values[f"{which}.MAXCNT"]
        origin, size = self._ram
        if count and not (origin <= address and address + count <= origin + size):
            raise ChipStop(
                f"{self.name}.{which}.PTR is {address:#010x} ({count} bytes), but DMA reaches RAM only"
            )
        return address, count

    def task_STARTTX(self) -> None:
        self.need_on("STARTTX")
        if self._sending is not None:
            raise ChipStop(f"{self.name}.TASKS_STARTTX while bytes are on their way out")
        address, count = self._dma("TXD")
        data = self.core.read_memory(address, count) if count else b""
        self.occur("TXSTARTED")
        if self.console is not None and self.sends():
            self.console.from_chip.extend(data)

        def done() -> None:
            self._sending = None
            self.values["TXD.AMOUNT"] = count
            self.occur("TXDRDY")
            self.occur("ENDTX")

        self._sending = self.core.schedule(self.core.cycles + count * self.byte_cycles(), done)

    def task_STOPTX(self) -> None:
        if self._sending is not None:
            self._sending.cancel()
            self._sending = None
        self.occur("TXSTOPPED")

    def task_STARTRX(self) -> None:
        self.need_on("STARTRX")
        self._buffer = self._dma("RXD")
        self._received = 0
        self.occur("RXSTARTED")
        while self._fifo and self._buffer is not None:
            self._keep(self._fifo.popleft())
        self.line_changed()

    def task_STOPRX(self) -> None:
        if self._buffer is not None:
            self._end()
        self.occur("RXTO")

    def task_FLUSHRX(self) -> None:
        self._buffer = self._dma("RXD")
        self._received = 0
        while self._fifo and self._buffer is not None:
            self._keep(self._fifo.popleft())
        if self._buffer is not None:
            self._end()

    def _end(self) -> None:
        self._buffer = None
        self.values["RXD.AMOUNT"] = self._received
        self.occur("ENDRX")

    def _keep(self, byte: int) -> None:
        assert self._buffer is not None
        address, count = self._buffer
        self.core.write_memory(address + self._received, bytes([byte]))
        self._received += 1
        self.occur("RXDRDY")
        if self._received == count:
            self._end()

    def line_changed(self) -> None:
        """Let the next byte of the host arrive: after its time on the line, or once there is room for it."""
        console = self.console
        if console is None or not console.to_chip or not self.on:
            return
        if console.paced:
            if self._arrival is None:
                byte = console.byte_cycles(self.core.clock_hz)
                self._arrival = self.core.schedule(self.core.cycles + byte, self._arrive)
            return
        while console.to_chip and self._buffer is not None and self.hears():
            self._keep(console.to_chip.popleft())

    def _arrive(self) -> None:
        self._arrival = None
        if self.console is None or not self.console.to_chip:
            return
        byte = self.console.to_chip.popleft()
        if not self.hears():
            self.console.on_unheard()
        elif self._buffer is not None:
            self._keep(byte)
        elif len(self._fifo) < _FIFO:
            self._fifo.append(byte)
        else:
            self.values["ERRORSRC"] |= _OVERRUN
            self.occur("ERROR")
        self.line_changed()

    def write_ERRORSRC(self, value: int, index: int) -> None:
        self.values["ERRORSRC"] &= ~value
