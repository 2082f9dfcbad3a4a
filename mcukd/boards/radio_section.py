"""Section [radio] of a board file: how a tag sends the payload of each period.

The registers' codes are explained in `firmware_templates/radio/`, where they are written.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated, ClassVar, Literal

from pydantic import Field, field_validator, model_validator

from mcukd.boards.section import Section
from mcukd.radio.ble import ADV_DATA_MAX, ELEMENT_BYTES, NO_COMPANY
from mcukd.radio.lora import BANDWIDTHS_HZ, ID_BYTES, LoraSettings
from mcukd.radio.lorawan import EXTRA
from mcukd.text import listed

#: Codes of TXPOWER by dBm (nRF52840 Product Specification v1.7, section 6.20.14).
BLE_POWERS: Mapping[int, int] = {
    -40: 0xD8,
    -20: 0xEC,
    -16: 0xF0,
    -12: 0xF4,
    -8: 0xF8,
    -4: 0xFC,
    0: 0,
    **{dbm: dbm for dbm in range(2, 9)},
}
_POWERS = {"rfo": range(-1, 15), "boost": (*range(2, 18), 20)}
#: Above this power the chip may send for this share of the time (SX1272/73 data sheet, section 5.4.3).
_CONTINUOUS_DBM, _DUTY_ABOVE_PERCENT = 17, 1.0
_HIGHEST_HZ, _PACKET_MAX = 1_020_000_000, 255
_ADDRESS = re.compile(r"[0-9A-Fa-f]{2}(:[0-9A-Fa-f]{2}){5}")


class LoraRadio(Section):
    """Semtech's SX1272 on the chip's SPI bus; docs/radio.md describes it.

    sck_pin, mosi_pin, miso_pin, select_pin: numbers as of the console's pins. frame: what a payload is sent
    in, "id", the tag's number before it, or "lorawan", an uplink with the keys that the tag was told. id: the
    tag's number. channels, channel_step_hz: frequencies of LoRaWAN, from frequency_hz up. frequency_hz,
    spreading_factor, bandwidth_hz, coding_rate, preamble, sync_word: of the packets. power_dbm, amplifier:
    output power, and the pin that it leaves by, "rfo" or "boost". duty_percent: of any hour that it may be on
    the air; 100: no limit.
    """

    pin_keys: ClassVar[tuple[str, ...]] = ("sck_pin", "mosi_pin", "miso_pin", "select_pin")

    driver: Literal["sx1272"]
    sck_pin: int = Field(ge=0, le=47)
    mosi_pin: int = Field(ge=0, le=47)
    miso_pin: int = Field(ge=0, le=47)
    select_pin: int = Field(ge=0, le=47)
    frame: Literal["id", "lorawan"] = "id"
    id: int | None = Field(default=None, ge=0, lt=1 << 8 * ID_BYTES)
    frequency_hz: int = Field(ge=860_000_000, le=_HIGHEST_HZ)
    channels: int = Field(default=1, ge=1, le=16)
    channel_step_hz: int = Field(default=200_000, ge=1000, le=2_000_000)
    spreading_factor: int = Field(ge=7, le=12)
    bandwidth_hz: int = 125_000
    coding_rate: Literal["4/5", "4/6", "4/7", "4/8"] = "4/5"
    preamble: int = Field(default=8, ge=6, le=65_535)
    sync_word: int = Field(default=0x12, ge=0, le=255)
    power_dbm: int
    amplifier: Literal["rfo", "boost"] = "rfo"
    duty_percent: float = Field(gt=0, le=100)

    @field_validator("bandwidth_hz")
    @classmethod
    def _is_the_chips(cls, hertz: int) -> int:
        if hertz not in BANDWIDTHS_HZ:
            raise ValueError(f"one of {listed(map(str, BANDWIDTHS_HZ))} is expected")
        return hertz

    @model_validator(mode="after")
    def _has_the_power(self) -> LoraRadio:
        if self.power_dbm not in _POWERS[self.amplifier]:
            expected = {"rfo": "-1 to 14", "boost": "2 to 17, or 20"}[self.amplifier]
            raise ValueError(
                f"power_dbm is {self.power_dbm}, but {expected} is expected of the amplifier "
                f'"{self.amplifier}"'
            )
        if self.power_dbm > _CONTINUOUS_DBM and self.duty_percent > _DUTY_ABOVE_PERCENT:
            raise ValueError(
                f"duty_percent is {self.duty_percent:g}, but at most {_DUTY_ABOVE_PERCENT:g} is expected "
                f"with power_dbm = {self.power_dbm}, which the SX1272 bears for a short time only"
            )
        return self

    @model_validator(mode="after")
    def _has_what_its_frames_need(self) -> LoraRadio:
        if (self.id is None) != (self.frame == "lorawan"):
            raise ValueError(
                'id, the tag\'s number, is expected with frame = "id", and not with "lorawan", for which '
                "the tag is told an address"
            )
        if self.channels > 1 and self.frame == "id":
            raise ValueError('channels are expected with frame = "lorawan" alone')
        highest = self.frequencies_hz[-1]
        if highest > _HIGHEST_HZ:
            raise ValueError(f"the highest channel is {highest} Hz, but at most {_HIGHEST_HZ} is expected")
        return self

    @property
    def frequencies_hz(self) -> tuple[int, ...]:
        """The frequencies that it sends at."""
        return tuple(self.frequency_hz + k * self.channel_step_hz for k in range(self.channels))

    @property
    def extra_bytes(self) -> int:
        """Bytes of a packet beside the payload."""
        return EXTRA if self.frame == "lorawan" else ID_BYTES

    @property
    def payload_max(self) -> int:
        """The longest payload."""
        return _PACKET_MAX - self.extra_bytes

    @property
    def settings(self) -> LoraSettings:
        """What decides the time on air."""
        return LoraSettings(
            self.spreading_factor, self.bandwidth_hz, int(self.coding_rate[-1]), self.preamble
        )


class BleRadio(Section):
    """Advertisements of Bluetooth Low Energy by the chip's own radio; docs/radio.md describes it.

    repeats: times that each payload is sent, on the three channels. interval_ms: between them, beside up to
    10 ms at random. company: number of the company whose data the payload is; 0xFFFF: of none. address: a
    static random one, "C0:12:34:56:78:9A"; without, the chip's own.
    """

    pin_keys: ClassVar[tuple[str, ...]] = ()
    payload_max: ClassVar[int] = ADV_DATA_MAX - ELEMENT_BYTES

    driver: Literal["ble"]
    repeats: int = Field(ge=1, le=255)
    interval_ms: int = Field(ge=20, le=10_240)
    power_dbm: int = 0
    company: int = Field(default=NO_COMPANY, ge=0, le=0xFFFF)
    address: str | None = None

    @field_validator("power_dbm")
    @classmethod
    def _is_the_chips(cls, dbm: int) -> int:
        if dbm not in BLE_POWERS:
            raise ValueError(f"one of {listed(map(str, sorted(BLE_POWERS)))} is expected")
        return dbm

    @field_validator("address")
    @classmethod
    def _is_static(cls, address: str | None) -> str | None:
        if address is not None and not (_ADDRESS.fullmatch(address) and int(address[:2], 16) >= 0xC0):
            raise ValueError(
                'a static random address as "C0:12:34:56:78:9A" is expected, whose first two bits are ones'
            )
        return address


Radio = LoraRadio | BleRadio
#: Sections by their driver: a folder of `firmware_templates/radio`.
RADIOS: Mapping[str, type[LoraRadio | BleRadio]] = {"sx1272": LoraRadio, "ble": BleRadio}
#: As a field of a board.
RadioField = Annotated[Radio, Field(discriminator="driver")]
