"""Packets that left the antenna of a modelled radio."""

from __future__ import annotations

from dataclasses import dataclass

from mcukd.radio.lora import LoraSettings


@dataclass(frozen=True)
class LoraPacket:
    """A LoRa packet. time_ns: since power-up, when it began. data: its payload, the frame."""

    time_ns: int
    frequency_hz: int
    power_dbm: int
    sync_word: int
    settings: LoraSettings
    data: bytes

    @property
    def airtime_ns(self) -> int:
        """How long it was on the air."""
        return self.settings.airtime_ns(len(self.data))


@dataclass(frozen=True)
class BlePacket:
    """A packet of Bluetooth Low Energy at 1 Mbit/s.

    time_ns: since power-up, when its first bit left. data: from the preamble on, eight bits a byte, the first
    one on the air being the lowest.
    """

    time_ns: int
    frequency_mhz: int
    power_dbm: int
    data: bytes

    @property
    def airtime_ns(self) -> int:
        """How long it was on the air."""
        return 8000 * len(self.data)
