"""Radio of the nRF52840 as a sender at 1 Mbit/s of Bluetooth Low Energy (Product Specification v1.7, 6.20).

The packet's bits are made of what the registers say: address, CRC with the polynomial and start value that
are set, whitening from the value that is set. Receiving and other modes are not modelled.
"""

from __future__ import annotations

from collections.abc import Iterator

from mcukd.chips.core import Core
from mcukd.chips.nordic.base import NordicPeripheral
from mcukd.chips.nordic.power import Clock
from mcukd.chips.radios.air import BlePacket
from mcukd.chips.registers import PeripheralTable
from mcukd.chips.stop import ChipStop

_DISABLED, _RAMPS_UP, _IDLE, _SENDS, _RAMPS_DOWN = 0, 9, 10, 11, 12
#: Ramp-up by MODECNF0.RU, and ramp-down (section 6.20.15.8).
_RAMP_UP_US, _RAMP_DOWN_US = (140, 40), 6
_BLE_1MBIT = 3
#: What a packet of Bluetooth Low Energy needs, by register; other values are not modelled.
_SETTINGS = {"MODE": _BLE_1MBIT, "PCNF0": 0x108, "CRCCNF": 0x103, "TXADDRESS": 0}
_PCNF1, _PCNF1_MAXLEN = 0x02030000, 0xFF
_POWERS = {0xD8, 0xEC, 0xF0, 0xF4, 0xF8, 0xFC, 0, *range(2, 9)}


class Radio(NordicPeripheral):
    """The radio. air: packets that left its antenna. ram: where DMA reads."""

    def __init__(self, table: PeripheralTable, core: Core, clock: Clock, ram: tuple[int, int]) -> None:
        self._clock, self._ram = clock, ram
        self._state = _DISABLED
        self.air: list[BlePacket] = []
        super().__init__(table, core)

    def reset(self) -> None:
        super().reset()
        self._state = _DISABLED

    def _go_on(self, microseconds: int, state: int, *events: str) -> None:
        """Get to a state after some time, and let events happen."""

        def arrive() -> None:
            self._state = state
            for event in events:
                self.occur(event)

        self.core.schedule(self.core.cycles + microseconds * self.core.clock_hz // 1_000_000, arrive)

    def _need(self, state: int, task: str) -> None:
        if self._state != state:
            raise ChipStop(f"RADIO.{task} in the state {self._state}, but {state} is expected")
        if not self._clock.hf_crystal:
            raise ChipStop(f"RADIO.{task} while the crystal (HFXO) does not run, which the radio needs")

    def task_TXEN(self) -> None:
        self._need(_DISABLED, "TASKS_TXEN")
        self._state = _RAMPS_UP
        self._go_on(_RAMP_UP_US[self.values["MODECNF0"] & 1], _IDLE, "TXREADY", "READY")

    def task_START(self) -> None:
        self._need(_IDLE, "TASKS_START")
        self._state = _SENDS
        megahertz, power = 2400 + (self.values["FREQUENCY"] & 0x7F), self._power()
        if self.values["FREQUENCY"] & 0x100:
            raise ChipStop("RADIO.FREQUENCY.MAP is set; the band below 2400 MHz is not modelled")
        packet = BlePacket(self.core.nanoseconds(), megahertz, power, self._packet())

        def sent() -> None:
            self._need(_SENDS, "EVENTS_END")
            self.air.append(packet)
            self._state = _IDLE
            for event in ("ADDRESS", "PAYLOAD", "PHYEND", "END"):
                self.occur(event)

        at = self.core.cycles + packet.airtime_ns * self.core.clock_hz // 1_000_000_000
        self.core.schedule(at, sent)

    def task_DISABLE(self) -> None:
        if self._state == _SENDS:
            raise ChipStop("RADIO.TASKS_DISABLE while a packet is sent; cutting one is not modelled")
        self._state = _RAMPS_DOWN
        self._go_on(_RAMP_DOWN_US, _DISABLED, "DISABLED")

    def read_STATE(self, index: int) -> int:
        return self._state

    def _power(self) -> int:
        code = self.values["TXPOWER"]
        if code not in _POWERS:
            raise ChipStop(f"RADIO.TXPOWER is {code:#04x}, which is no power of the nRF52840")
        return code - 256 if code & 0x80 else code

    # --- The packet -----------------------------------------------------------------------------------

    def _packet(self) -> bytes:
        for name, wanted in _SETTINGS.items():
            if self.values[name] != wanted:
                raise ChipStop(f"RADIO.{name} is {self.values[name]:#x}; {wanted:#x} is what is modelled")
        if self.values["PCNF1"] & ~_PCNF1_MAXLEN != _PCNF1:
            raise ChipStop(f"RADIO.PCNF1 is {self.values['PCNF1']:#x}; {_PCNF1:#x} is what is modelled")
        pdu = self._pdu()
        address = self.values["BASE0"].to_bytes(4, "little")[1:] + bytes([self.values["PREFIX0"] & 0xFF])
        preamble = 0x55 if address[0] & 1 else 0xAA
        body = [*_bits(pdu), *self._crc(_bits(pdu))]
        whitened = [bit ^ mask for bit, mask in zip(body, self._whitening())]
        return bytes([preamble]) + address + _bytes(whitened)

    def _pdu(self) -> bytes:
        at, (origin, size) = self.values["PACKETPTR"], self._ram
        length = self.core.read_memory(at + 1, 1)[0] if origin <= at < origin + size - 1 else 0
        if not (origin <= at and at + 2 + length <= origin + size):
            raise ChipStop(f"RADIO.PACKETPTR is {at:#010x}, but DMA reaches RAM only")
        if length > self.values["PCNF1"] & _PCNF1_MAXLEN:
            raise ChipStop(f"the packet's length is {length}, more than RADIO.PCNF1.MAXLEN")
        return self.core.read_memory(at, 2 + length)

    def _crc(self, bits: Iterator[int]) -> list[int]:
        """Return the CRC's bits as they leave, the highest first."""
        register, polynomial = self.values["CRCINIT"], self.values["CRCPOLY"]
        for bit in bits:
            feedback = register >> 23 ^ bit
            register = (register << 1) & 0xFFFFFF
            if feedback & 1:
                register ^= polynomial
        return [register >> bit & 1 for bit in range(23, -1, -1)]

    def _whitening(self) -> Iterator[int]:
        """Yield the whitening's bits; bit 6 of DATAWHITEIV is position 0 of the register, and always 1."""
        register = self.values["DATAWHITEIV"] | 0x40
        while True:
            last = register & 1
            yield last
            register = register >> 1 ^ (0x44 if last else 0)


def _bits(data: bytes) -> Iterator[int]:
    return (byte >> bit & 1 for byte in data for bit in range(8))


def _bytes(bits: list[int]) -> bytes:
    return bytes(
        sum(bit << n for n, bit in enumerate(bits[first : first + 8])) for first in range(0, len(bits), 8)
    )
