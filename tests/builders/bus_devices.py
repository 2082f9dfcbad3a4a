"""Simple devices for modelled buses: a memory on I2C, an inverter on SPI."""

from __future__ import annotations

from mcukd.chips.bus import I2CDevice, SPIDevice


class Memory(I2CDevice):
    """Sixteen registers; the address moves on with every byte. `ready_at` raises pin INT at a time in ns.

    answers: whether it acknowledges. stuck_pulses: how many pulses of SCL it holds the bus for.
    """

    name = "memory"
    address = 0x50

    def __init__(self, ready_at: int | None = None) -> None:
        super().__init__()
        self.registers = bytearray(range(16))
        self.at = 0
        self.addressed = False
        self.answers = True
        self.stuck_pulses = 0
        self.ready_at = ready_at

    def start(self, write: bool) -> bool:
        self.addressed = not write
        return self.answers

    def write(self, data: bytes) -> bool:
        for byte in data:
            if self.addressed:
                self.registers[self.at] = byte
                self.at = (self.at + 1) % 16
            else:
                self.at, self.addressed = byte % 16, True
        return byte != 0xEE

    def read(self, count: int) -> bytes:
        data = bytes(self.registers[(self.at + n) % 16] for n in range(count))
        self.at = (self.at + count) % 16
        return data

    def advance(self, time_ns: int) -> None:
        super().advance(time_ns)
        if self.ready_at is not None and time_ns >= self.ready_at:
            self.ready_at = None
            self.set_pin("INT", True)

    def next_event(self) -> int | None:
        return self.ready_at

    @property
    def holds_bus(self) -> bool:
        return self.stuck_pulses > 0

    def clock_pulse(self) -> None:
        self.stuck_pulses = max(0, self.stuck_pulses - 1)


class Inverter(SPIDevice):
    """Answers every byte with its complement; `chosen` notes each change of chip select."""

    name = "inverter"

    def __init__(self) -> None:
        super().__init__()
        self.chosen: list[bool] = []

    def select(self, selected: bool) -> None:
        self.chosen.append(selected)

    def transfer(self, data: bytes) -> bytes:
        return bytes(255 - byte for byte in data)
