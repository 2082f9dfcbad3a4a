"""I2C and SPI controllers with DMA of the nRF52840: TWIM and SPIM (Product Specification v1.7, 6.31, 6.25).

A transfer takes the time of its bits on the line. The device is asked at the start of each stretch of bytes,
and the bytes are in memory when the stretch ends. DMA reaches RAM only.
"""

from __future__ import annotations

from collections.abc import Callable

from mcukd.chips.bus import I2CBus
from mcukd.chips.core import Core
from mcukd.chips.events import Event
from mcukd.chips.nordic.base import NordicPeripheral
from mcukd.chips.registers import PeripheralTable
from mcukd.chips.stop import ChipStop

#: The third is no value of the description, but Nordic's own remedy for anomaly 219.
_TWI_HZ = {0x01980000: 100_000, 0x04000000: 250_000, 0x06200000: 390_000, 0x06400000: 400_000}
_SPI_HZ = {
    0x02000000: 125_000,
    0x04000000: 250_000,
    0x08000000: 500_000,
    0x10000000: 1_000_000,
    0x20000000: 2_000_000,
    0x40000000: 4_000_000,
    0x80000000: 8_000_000,
}
_ADDRESS_NACK, _DATA_NACK = 1 << 1, 1 << 2


class DmaSerial(NordicPeripheral):
    """What TWIM and SPIM share: one block of addresses with one ENABLE, and DMA from and to RAM.

    busy: cycles of the core's clock, since power-up, for which bits were on the line. bus: returns the bus at
    the pins. sync: brings all devices to the present time.
    """

    mine = 0

    def __init__(
        self,
        table: PeripheralTable,
        core: Core,
        enable: list[int],
        ids: tuple[int, ...],
        ram: tuple[int, int],
        sync: Callable[[], None],
    ) -> None:
        self._ram, self._sync = ram, sync
        self.ids = ids
        self._event: Event | None = None
        self.busy = 0
        super().__init__(table, core)
        self.enable = enable

    def reset(self) -> None:
        super().reset()
        self._event = None

    def chosen(self) -> bool:
        return self.enable[0] in (0, self.mine)

    def enabled(self, value: int) -> None:
        if value != self.mine and self._event is not None:
            self._event.cancel()
            self._event = None

    def need_on(self, task: str) -> None:
        """Stop the model where the peripheral is not enabled, or busy."""
        if self.enable[0] != self.mine:
            raise ChipStop(f"{self.name}.{task} while {self.name}.ENABLE is {self.enable[0]}")

    def need_pin(self, register: str) -> int:
        """Return the pin of a PSEL register; ChipStop where it is disconnected."""
        pin = self.pin(register)
        if pin is None:
            raise ChipStop(f"{self.name} is started while {self.name}.{register} selects no pin")
        return pin

    def buffer(self, which: str) -> tuple[int, int]:
        """Return address and length of a DMA buffer; ChipStop where it lies outside RAM."""
        address, count = self.values[f"{which}.PTR"], self.values[f"{which}.MAXCNT"]
        origin, size = self._ram
        if count and not (origin <= address and address + count <= origin + size):
            raise ChipStop(
                f"{self.name}.{which}.PTR is {address:#010x} ({count} bytes), but DMA reaches RAM only"
            )
        return address, count

    def after_bits(self, bits: int, hertz: int, action: Callable[[], None]) -> None:
        """Let `action` happen after the time of some bits."""

        def happen() -> None:
            self._event = None
            action()

        cycles = bits * self.core.clock_hz // hertz
        self.busy += cycles
        self._event = self.core.schedule(self.core.cycles + cycles, happen)


class Twim(DmaSerial):
    """I2C controller. An address or byte without acknowledge stops the transfer with ERROR."""

    mine = 6

    def __init__(self, *arguments: object, bus: Callable[[int, int, str], I2CBus]) -> None:
        self._bus_at = bus
        self._suspended: Callable[[], None] | None = None
        super().__init__(*arguments)  # type: ignore[arg-type]

    def reset(self) -> None:
        super().reset()
        self._suspended = None

    def _bus(self) -> I2CBus:
        return self._bus_at(self.need_pin("PSEL.SCL"), self.need_pin("PSEL.SDA"), self.name)

    def _hertz(self) -> int:
        value = self.values["FREQUENCY"]
        if value not in _TWI_HZ:
            raise ChipStop(f"{self.name}.FREQUENCY holds {value:#010x}, which is no frequency")
        return _TWI_HZ[value]

    def task_STARTTX(self) -> None:
        self._start("TASKS_STARTTX", self._write)

    def task_STARTRX(self) -> None:
        self._start("TASKS_STARTRX", self._read)

    def _start(self, task: str, transfer: Callable[[], None]) -> None:
        self.need_on(task)
        if self._event is not None:
            raise ChipStop(f"{self.name}.{task} while a transfer is under way")
        self._suspended = None
        transfer()

    def _write(self) -> None:
        address, count = self.buffer("TXD")
        self.occur("TXSTARTED")
        self._sync()
        bus = self._bus()
        if not bus.start(self.values["ADDRESS"], True):
            self._not_acknowledged(_ADDRESS_NACK, 10)
            return
        data = self.core.read_memory(address, count) if count else b""
        sent = 0
        for sent, byte in enumerate(data, 1):
            if not bus.write(bytes([byte])):
                self.values["TXD.AMOUNT"] = sent
                self._not_acknowledged(_DATA_NACK, 10 + 9 * sent)
                return
        self._sync()

        def done() -> None:
            self.values["TXD.AMOUNT"] = count
            self.occur("LASTTX")

        self.after_bits(10 + 9 * count, self._hertz(), done)

    def _read(self) -> None:
        address, count = self.buffer("RXD")
        self.occur("RXSTARTED")
        self._sync()
        bus = self._bus()
        if not bus.start(self.values["ADDRESS"], False):
            self._not_acknowledged(_ADDRESS_NACK, 10)
            return
        data = bus.read(count)
        self._sync()

        def done() -> None:
            if count:
                self.core.write_memory(address, data)
            self.values["RXD.AMOUNT"] = count
            self.occur("LASTRX")

        self.after_bits(10 + 9 * count, self._hertz(), done)

    def _not_acknowledged(self, bit: int, bits: int) -> None:
        def failed() -> None:
            self.values["ERRORSRC"] |= bit
            self.occur("ERROR")

        self.after_bits(bits, self._hertz(), failed)

    def task_STOP(self) -> None:
        self.need_on("TASKS_STOP")
        if self._event is not None:
            self._event.cancel()
            self._event = None
        self._bus().stop()
        self._sync()
        self.after_bits(2, self._hertz(), lambda: self.occur("STOPPED"))

    def task_SUSPEND(self) -> None:
        self.need_on("TASKS_SUSPEND")
        self.after_bits(1, self._hertz(), lambda: self.occur("SUSPENDED"))

    def task_RESUME(self) -> None:
        self.need_on("TASKS_RESUME")

    def write_ERRORSRC(self, value: int, index: int) -> None:
        self.values["ERRORSRC"] &= ~value

    def _no_list(self, value: int, which: str) -> None:
        if value:
            raise ChipStop(f"{self.name}.{which}.LIST asks for an array list, which is not modelled")

    def write_RXD_LIST(self, value: int, index: int) -> None:
        self._no_list(value, "RXD")

    def write_TXD_LIST(self, value: int, index: int) -> None:
        self._no_list(value, "TXD")


class Spim(DmaSerial):
    """SPI controller; chip select is a pin that the firmware drives."""

    mine = 7

    def __init__(self, *arguments: object, bus: Callable[..., object]) -> None:
        self._bus_at = bus
        super().__init__(*arguments)  # type: ignore[arg-type]

    def task_START(self) -> None:
        self.need_on("TASKS_START")
        if self._event is not None:
            raise ChipStop(f"{self.name}.TASKS_START while a transfer is under way")
        if self.values["CONFIG"] & 1:
            raise ChipStop(
                f"{self.name}.CONFIG asks for the least significant bit first; no device here does"
            )
        hertz = _SPI_HZ.get(self.values["FREQUENCY"])
        if hertz is None:
            raise ChipStop(
                f"{self.name}.FREQUENCY holds {self.values['FREQUENCY']:#010x}, which is no frequency"
            )
        sent_at, sent = self.buffer("TXD")
        kept_at, kept = self.buffer("RXD")
        length = max(sent, kept)
        data = self.core.read_memory(sent_at, sent) if sent else b""
        data += bytes([self.values["ORC"] & 0xFF]) * (length - sent)
        self._sync()
        pins = [self.need_pin(f"PSEL.{name}") for name in ("SCK", "MOSI", "MISO")]
        answer = self._bus_at(*pins, self.name).transfer(data)  # type: ignore[attr-defined]
        self._sync()
        self.occur("STARTED")

        def done() -> None:
            if kept:
                self.core.write_memory(kept_at, answer[:kept])
            self.values["TXD.AMOUNT"], self.values["RXD.AMOUNT"] = sent, kept
            self.occur("ENDTX")
            self.occur("ENDRX")
            self.occur("END")

        self.after_bits(8 * length, hertz, done)

    def task_STOP(self) -> None:
        self.need_on("TASKS_STOP")
        if self._event is not None:
            self._event.cancel()
            self._event = None
        self.occur("STOPPED")
