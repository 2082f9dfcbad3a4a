"""A tag's day as charge: what each part of it takes, and how long a battery lasts.

Every figure has a low, a typical and a high value. They are computed apart, so that low and high are those
of all inputs at once.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mcukd.boards.currents import RADIOS, SENSORS, Figure
from mcukd.boards.energy_section import EnergySection
from mcukd.boards.model import Board
from mcukd.boards.radio_section import LoraRadio
from mcukd.boards.sensor_driver import SensorDriver
from mcukd.energy.sending import Sending, sending_of
from mcukd.energy.work import DAY_S, Work
from mcukd.errors import UserError

#: Low, typical and high.
Three = NDArray[np.float64]
AWAKE, ASLEEP, SENSOR, BUS, FLASH, SENDS, RADIO_SLEEPS = (
    "core awake",
    "core asleep",
    "sensor",
    "sensor's bus",
    "flash",
    "radio sending",
    "radio asleep",
)
RADIO = (SENDS, RADIO_SLEEPS)
_HOUR_S = 3600


@dataclass(frozen=True)
class Use:
    """How a tag is used. hop: samples from one result to the next. mode, rate_hz: of its sensor.

    interval_s: from one payload to the next; None: nothing is sent. lever: name of one of the board's, or "".
    """

    hop: int
    mode: str
    rate_hz: float
    interval_s: float | None
    lever: str = ""


@dataclass(frozen=True)
class Tag:
    """A board with [energy], the work of its image, and the bytes of a payload; None where none is sent."""

    board: Board
    work: Work
    payload_bytes: int | None

    @property
    def energy(self) -> EnergySection:
        """The board's currents."""
        assert self.board.energy is not None
        return self.board.energy

    @property
    def driver(self) -> SensorDriver:
        """The driver of its sensor."""
        assert self.board.sensor is not None and self.board.sensor.driver is not None
        return self.board.sensor.driver

    @property
    def sending(self) -> Sending | None:
        """What its radio does for a payload; None without one."""
        if self.board.radio is None or self.payload_bytes is None:
            return None
        return sending_of(self.board.radio, self.payload_bytes)

    def as_built(self, hop: int) -> Use:
        """Return how the firmware uses it."""
        assert self.board.tag is not None
        interval = self.board.tag.period_s if self.sending else None
        return Use(hop, self.driver.mode, self.driver.rate_hz, interval)

    def sensor(self, use: Use) -> Figure:
        """Return the sensor's current in µA: of the board file where that is its mode, else of the table."""
        own, driver = self.energy.sensor_ua, self.driver
        if own is not None and (use.mode, use.rate_hz) == (driver.mode, driver.rate_hz):
            return own
        return SENSORS[driver.model, use.mode].at(use.rate_hz, "Hz")

    def transmits(self) -> Figure | None:
        """Return the radio's current in mA while it is on the air; None without one."""
        radio = self.board.radio
        if radio is None or self.energy.transmit_ma is not None:
            return self.energy.transmit_ma if radio is not None else None
        kind = radio.amplifier if isinstance(radio, LoraRadio) else "dcdc" if self.board.dcdc else "ldo"
        return RADIOS[radio.driver, kind].at(radio.power_dbm, "dBm")

    def figures(self, hop: int) -> dict[str, Figure]:
        """Return every input of `day` by its key in the board file."""
        given = self.energy.figures()
        transmits = self.transmits()
        given["sensor_ua"] = self.sensor(self.as_built(hop))
        if transmits is not None:
            given["transmit_ma"] = transmits
        return given


@dataclass(frozen=True)
class Day:
    """A day. mah: charge by contributor. supply_v, usable_mah: of the battery. awake_s: of the core."""

    mah: Mapping[str, Three]
    supply_v: Three
    usable_mah: Three
    awake_s: Three

    @property
    def total(self) -> Three:
        """Charge of all contributors in mAh."""
        return np.sum(list(self.mah.values()), axis=0)

    @property
    def without_radio(self) -> Three:
        """The same without what the radio takes; its share of the awake core stays."""
        return np.sum([one for name, one in self.mah.items() if name not in RADIO], axis=0)

    @property
    def life_days(self) -> Three:
        """Days that the battery lasts: the low one is of the least usable charge and the highest use."""
        return self.usable_mah / self.total[::-1]

    def joules(self, mah: Three) -> Three:
        """Return the energy of a charge at the supply's voltage."""
        return mah * 3.6 * self.supply_v


def day(tag: Tag, use: Use) -> Day:
    """Return what a day of a tag takes. Raises UserError where a day is too short for its work."""
    energy, work, sending = tag.energy, tag.work, tag.sending
    lever = next((one for one in energy.levers if one.name == use.lever), None)
    awake_ma = _three((lever and lever.awake_ma) or energy.awake_ma)
    asleep_ua = _three((lever and lever.asleep_ua) or energy.asleep_ua)
    cycles = _three(energy.cycles_per_instruction)
    samples = DAY_S * use.rate_hz
    payloads = DAY_S / use.interval_s if use.interval_s and sending else 0.0
    awake_s = np.array([work.awake_s(samples, samples / use.hop, one) for one in cycles])
    if sending:
        awake_s = awake_s + payloads * sending.events * _three(energy.packet_awake_ms) / 1e3
    if awake_s[2] > DAY_S:
        raise UserError(
            f"{tag.board.name}: with a result every {use.hop} samples at {use.rate_hz:g} Hz the core would "
            f"be awake for {awake_s[2]:,.0f} s a day, which has {DAY_S:,}; take a longer hop or a lower rate."
        )
    mah = {
        AWAKE: awake_ma * awake_s / _HOUR_S,
        ASLEEP: asleep_ua * (DAY_S - awake_s) / 1e3 / _HOUR_S,
        SENSOR: _three(tag.sensor(use)) * DAY_S / 1e3 / _HOUR_S,
    }
    if work.flash_words_per_s is not None and work.flash_pages_per_s is not None:
        words, pages = work.flash_words_per_s * DAY_S, work.flash_pages_per_s * DAY_S
        # The core stands still, awake, while its flash changes; that is not in awake_s.
        mah[FLASH] = (
            (_three(energy.flash_word_ma) + awake_ma) * words * _three(energy.flash_word_us) / 1e6
            + (_three(energy.flash_erase_ma) + awake_ma) * pages * _three(energy.flash_erase_ms) / 1e3
        ) / _HOUR_S
    if energy.bus_ma is not None and work.sample_transfer_s is not None:
        mah[BUS] = _three(energy.bus_ma) * samples * work.sample_transfer_s / _HOUR_S
    if sending:
        transmits, events = tag.transmits(), payloads * sending.events
        starts = events * _three(energy.radio_start_ma) * _three(energy.radio_start_ms) / 1e3
        mah[SENDS] = (payloads * sending.airtime_s * _three(transmits) + starts) / _HOUR_S
    if tag.board.radio is not None and energy.radio_asleep_ua is not None:
        mah[RADIO_SLEEPS] = _three(energy.radio_asleep_ua) * DAY_S / 1e3 / _HOUR_S
    usable = _three(energy.battery_mah) * _three(energy.battery_usable)
    return Day(mah, _three(energy.supply_v), usable, awake_s)


def _three(figure: Figure | None) -> Three:
    assert figure is not None
    return np.array(figure.value)
