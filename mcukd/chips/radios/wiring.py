"""Radios of a modelled tag: soldered where the board file says, and what leaves their antennas."""

from __future__ import annotations

from collections.abc import Sequence

from mcukd.boards.radio_section import LoraRadio, Radio
from mcukd.chips.chip import Chip
from mcukd.chips.nordic.chip import NRF52840
from mcukd.chips.radios.air import BlePacket, LoraPacket
from mcukd.chips.radios.sx1272 import Sx1272
from mcukd.errors import UserError
from mcukd.radio.ble import CHANNELS, received
from mcukd.radio.frames import FRAMES

Packet = LoraPacket | BlePacket


def wire_radio(chip: Chip, section: Radio, device: Sx1272 | None = None) -> Sequence[Packet]:
    """Connect the radio that a board names; return the packets that leave its antenna, more as time goes by.

    device: an SX1272 with a fault, in the place of one with none. A chip that sends by itself needs none.
    """
    if not isinstance(section, LoraRadio):
        assert isinstance(chip, NRF52840)
        return chip.radio.air
    radio = device or Sx1272()
    chip.wire_spi(section.sck_pin, section.mosi_pin, section.miso_pin, section.select_pin, radio)
    return radio.air


def frame_of(packet: Packet) -> tuple[str, bytes]:
    """Return the kind of frame that a receiver gets of a packet (of `FRAMES`), and the frame.

    Raises UserError for a packet that a receiver would not take.
    """
    if isinstance(packet, LoraPacket):
        return "lora", packet.data
    channel = {megahertz: index for index, megahertz in CHANNELS.items()}.get(packet.frequency_mhz)
    if channel is None:
        raise UserError(f"the packet is on {packet.frequency_mhz} MHz, where nobody advertises.")
    return "ble", received(packet.data, channel)


def payload_of(packet: Packet) -> tuple[str, bytes]:
    """Return who sent a packet (a number or an address) and the payload; UserError as `frame_of`."""
    kind, data = frame_of(packet)
    return FRAMES[kind].split(data)
