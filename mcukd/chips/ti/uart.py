"""UART of the CC2650, an Arm PL011 (SWCU117, chapter 19): FIFOs of 32 bytes, levels, receive timeout."""

from __future__ import annotations

from collections import deque

from mcukd.chips.console import BITS_PER_BYTE, Console
from mcukd.chips.core import Core
from mcukd.chips.events import NEVER, Event
from mcukd.chips.hooks import Foreseen, read_of, read_of_data
from mcukd.chips.registers import PeripheralTable
from mcukd.chips.stop import ChipStop
from mcukd.chips.ti.pins import UART0_RX, UART0_TX, Ioc
from mcukd.chips.ti.power import Powered, Prcm

_FIFO = 32
_RX, _TX, _TIMEOUT, _OVERRUN = 1 << 4, 1 << 5, 1 << 6, 1 << 10
_ON, _SENDS, _RECEIVES = 1 << 0, 1 << 8, 1 << 9
#: Eighths of the FIFO at which the interrupt comes, by IFLS.
_LEVELS = (1, 2, 4, 6, 7)
#: The receive timeout, in bits without a byte.
_TIMEOUT_BITS = 32


class Uart(Powered):
    """The UART. It takes over IBRD and FBRD with the next write of LCRH."""

    domain, gate, mask = "SERIAL", "UARTCLKG", 1

    def __init__(
        self, table: PeripheralTable, core: Core, prcm: Prcm, ioc: Ioc, console: Console | None
    ) -> None:
        self._ioc, self._console = ioc, console
        self._clear()
        super().__init__(table, core, prcm)

    def _clear(self) -> None:
        self._rx: deque[int] = deque()
        self._raw = 0
        self._level = False
        self._divisor = 0
        self._arrival: Event | None = None
        self._timeout: Event | None = None
        self._sent_at = 0

    def reset(self) -> None:
        super().reset()
        self._clear()

    # Line

    def byte_cycles(self) -> int:
        """Return how long a byte takes on the line, in cycles."""
        return BITS_PER_BYTE * 16 * self._divisor // 64

    def line_changed(self) -> None:
        """Let the next byte of the host arrive: after its time on the line, or once there is room for it."""
        console = self._console
        if console is None or not console.to_chip:
            return
        if console.paced:
            if self._arrival is None:
                byte = console.byte_cycles(self.core.clock_hz)
                self._arrival = self.core.schedule(self.core.cycles + byte, self._arrive)
            return
        if not self._hears():
            console.on_unheard()
            return
        while console.to_chip and len(self._rx) < _FIFO:
            self._rx.append(console.to_chip.popleft())
        self._received()

    def _hears(self) -> bool:
        control = self.values["CTL"]
        on = control & _ON and control & _RECEIVES and self._divisor
        rx = self._ioc.pin_of(UART0_RX)
        return bool(
            on
            and self._console is not None
            and rx == self._console.rx_pin
            and self._ioc.input_on(rx)
            and self.prcm.clocked(self.gate, self.mask)
        )

    def _arrive(self) -> None:
        self._arrival = None
        console = self._console
        if console is None or not console.to_chip:
            return
        byte = console.to_chip.popleft()
        if not self._hears():
            console.on_unheard()
        elif len(self._rx) < _FIFO:
            self._rx.append(byte)
            self._received()
        else:
            self._raw |= _OVERRUN
            self._update()
        self.line_changed()

    def _level_bytes(self) -> int:
        return _LEVELS[self.values["IFLS"] >> 3 & 7] * _FIFO // 8

    def _received(self) -> None:
        if len(self._rx) >= self._level_bytes():
            self._raw |= _RX
        if self._timeout is not None:
            self._timeout.cancel()
        silence = self.byte_cycles() * _TIMEOUT_BITS // BITS_PER_BYTE
        self._timeout = self.core.schedule(self.core.cycles + silence, self._silent)
        self._update()

    def _silent(self) -> None:
        self._timeout = None
        if self._rx:
            self._raw |= _TIMEOUT
            self._update()

    def _update(self) -> None:
        level = bool(self._raw & self.values["IMSC"])
        if level != self._level:
            self._level = level
            self.signal(level)

    # Registers

    def read_DR(self, index: int) -> int:
        if not self._rx:
            return 0
        byte = self._rx.popleft()
        if len(self._rx) < self._level_bytes():
            self._raw &= ~_RX
        if not self._rx:
            self._raw &= ~_TIMEOUT
            self.line_changed()
        self._update()
        return byte

    def write_DR(self, value: int, index: int) -> None:
        control = self.values["CTL"]
        if not (control & _ON and control & _SENDS):
            raise ChipStop("the write of UART0.DR while the UART or its transmitter is off (UART0.CTL)")
        if self._waiting() >= _FIFO:
            raise ChipStop(
                "the write of UART0.DR while the FIFO is full (UART0.FR.TXFF): the byte would be lost"
            )
        console = self._console
        if console is not None and self._ioc.pin_of(UART0_TX) == console.tx_pin:
            console.from_chip.append(value & 0xFF)
        self._sent_at = max(self._sent_at, self.core.cycles) + self.byte_cycles()

    def _waiting(self) -> int:
        """Return how many bytes are on their way out."""
        left = self._sent_at - self.core.cycles
        return -(-left // self.byte_cycles()) if left > 0 else 0

    def read_FR(self, index: int) -> int:
        """Return the flags; a firmware that polls for room gets there at once, with the time gone by."""
        waiting = self._waiting()
        if waiting >= _FIFO:
            self.core.wait_until(self._sent_at - (_FIFO - 1) * self.byte_cycles())
            waiting = self._waiting()
        if waiting < _FIFO:
            self._foresee(bool(waiting))
        return self._flags(waiting, len(self._rx))

    def _flags(self, waiting: int, received: int) -> int:
        full_tx, full_rx = waiting >= _FIFO, received >= _FIFO
        return bool(waiting) << 3 | (not received) << 4 | full_tx << 5 | full_rx << 6 | (not waiting) << 7

    def _foresee(self, sends: bool) -> None:
        """Foresee that the firmware takes bytes and asks before each whether there is one.

        Not the last byte, nor one that takes the FIFO below the level of the interrupt.
        """
        left = self._level_bytes() if self._raw & _RX else 1
        if len(self._rx) > left:
            flags, data = (self.table.register(name).address for name in ("FR", "DR"))
            rounds = (read_of(flags, self._flags(sends, 1)), read_of_data(data))
            taken, until = bytes(self._rx)[:-left], self._sent_at if sends else NEVER
            self.core.foresee(Foreseen(rounds, 1, taken, until, self._settle))

    def _settle(self, position: int, due: int) -> None:
        for _ in range(position // 2):
            self._rx.popleft()

    def write_LCRH(self, value: int, index: int) -> None:
        if value & 0x6E != 0x60:
            raise ChipStop(
                f"UART0.LCRH holds {value:#x}; 8 bits, no parity, one stop bit are expected by the line"
            )
        if not value & 1 << 4:
            raise ChipStop("UART0.LCRH leaves the FIFOs off, which is not modelled")
        self.values["LCRH"] = value
        self._divisor = self.values["IBRD"] * 64 + self.values["FBRD"]

    def write_CTL(self, value: int, index: int) -> None:
        if value & 1 << 7:
            raise ChipStop("UART0.CTL asks for loopback, which is not modelled")
        if value & _ON:
            if not self._divisor:
                raise ChipStop("UART0.CTL switches the UART on before LCRH took over a divisor")
            if self._console is not None:
                self._console.check_baud(self.core.clock_hz * 4 / self._divisor, "UART0")
        self.values["CTL"] = value
        self.line_changed()

    def read_RIS(self, index: int) -> int:
        return self._raw

    def read_MIS(self, index: int) -> int:
        return self._raw & self.values["IMSC"]

    def write_IMSC(self, value: int, index: int) -> None:
        self.values["IMSC"] = value
        self._update()

    def write_ICR(self, value: int, index: int) -> None:
        self._raw &= ~value
        self._update()

    def write_IFLS(self, value: int, index: int) -> None:
        if value >> 3 & 7 >= len(_LEVELS) or value & 7 >= len(_LEVELS):
            raise ChipStop(f"UART0.IFLS holds {value:#x}; levels 0 to 4 are expected")
        self.values["IFLS"] = value
