"""Serial line of a modelled chip: bytes from and to the host, at a baud rate of virtual time."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

from mcukd.chips.stop import ChipStop

#: Start bit, eight data bits, stop bit.
BITS_PER_BYTE = 10
#: A receiver samples a bit in its middle; ten bits on, both clocks may differ by half a bit.
_BAUD_TOLERANCE = 0.03


class Console:
    """The line between the host and the chip's UART.

    baud: of the host. paced: whether bytes from the host take their time on the line, and are lost where the
    chip does not listen; otherwise the next one is there as soon as the chip has taken the one before, which
    is faster and can overrun nothing.
    tx_pin, rx_pin: pins of the chip that the line is soldered to.
    """

    def __init__(self, baud: int, tx_pin: int, rx_pin: int, paced: bool = True) -> None:
        self.baud, self.tx_pin, self.rx_pin, self.paced = baud, tx_pin, rx_pin, paced
        self.to_chip: deque[int] = deque()
        self.from_chip = bytearray()
        #: Called where a byte arrives and no UART listens: its start bit is an edge at the pin.
        self.on_unheard: Callable[[], None] = lambda: None

    def send(self, data: bytes) -> None:
        """Put bytes of the host on the line; the chip's UART has to be told (`Chip.send`)."""
        self.to_chip.extend(data)

    def take(self) -> bytes:
        """Return what the chip has sent since the last call."""
        data = bytes(self.from_chip)
        self.from_chip.clear()
        return data

    def byte_cycles(self, clock_hz: int) -> int:
        """Return how long a byte takes, in cycles of a clock."""
        return BITS_PER_BYTE * clock_hz // self.baud

    def check_baud(self, baud: float, uart: str) -> None:
        """Stop the model where the chip's baud rate is not the host's."""
        if abs(baud - self.baud) > _BAUD_TOLERANCE * self.baud:
            raise ChipStop(
                f"{uart} runs at {baud:.0f} baud, but the line at {self.baud}: the host would read nonsense"
            )
