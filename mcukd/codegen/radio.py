"""Parameters of a tag's radio, as `radio_config.h` and the driver's header have them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from mcukd.boards.radio_section import BLE_POWERS, BleRadio, LoraRadio
from mcukd.errors import UserError
from mcukd.payload.layout import Layout
from mcukd.radio.ble import address_bytes
from mcukd.radio.duty import TICKS_PER_SECOND, DutyLimit, duty_limit
from mcukd.radio.lora import BANDWIDTHS_HZ
from mcukd.radio.lorawan import COUNTER_SHIFT
from mcukd.tag.records import SENSOR_FAILURES

if TYPE_CHECKING:
    from mcukd.boards.model import Board

#: Of LoRaWAN, where the payload's schema names none.
_PORT = 1
_STEP_HZ_BITS, _CRYSTAL_HZ = 19, 32_000_000
#: SPI clock of the SX1272 at most, below its 10 MHz.
_SPI_HZ = 4_000_000
#: RegPaConfig.OutputPower is this much below the power in dBm (SX1272/73 data sheet, table 31).
_POWER_OFFSET = {"rfo": 1, "boost": -2}
_MOST_POWER_CODE = 15


@dataclass(frozen=True)
class RadioSetup:
    """What every radio's templates print.

    section: of the board file. power_code: of a register. sensor_failures: codes of events, a bit each.
    counter_shift: frames are counted in units of 2 to the power of it, in seconds; 0: they are not.
    """

    section: LoraRadio | BleRadio
    duty: DutyLimit
    power_code: int
    sensor_failures: int = sum(1 << code for code in SENSOR_FAILURES)
    counter_shift: int = 0

    @property
    def driver(self) -> str:
        """The driver's name."""
        return self.section.driver


@dataclass(frozen=True)
class LoraSetup(RadioSetup):
    """An SX1272's. frame_bytes, airtime_ns, airtime_ticks: of a packet. channels: frequencies, as registers
    have them. port: of LoRaWAN. The others: codes of registers.
    """

    frame_bytes: int = 0
    airtime_ns: int = 0
    channels: tuple[str, ...] = ()
    port: int = 0
    bandwidth_code: int = 0
    coding_rate_code: int = 0
    low_data_rate: bool = False
    spi_divisor: int = 0

    @property
    def airtime_ticks(self) -> int:
        """Ticks that a packet takes, rounded up."""
        return -(-self.airtime_ns * TICKS_PER_SECOND // 1_000_000_000)

    @property
    def lorawan(self) -> bool:
        """Whether payloads are sent in LoRaWAN's uplinks."""
        return isinstance(self.section, LoraRadio) and self.section.frame == "lorawan"


@dataclass(frozen=True)
class BleSetup(RadioSetup):
    """Of advertisements. interval_ticks: between them, rounded up. address_bytes: as C has them."""

    interval_ticks: int = 0
    address_bytes: tuple[str, ...] = ()


def radio_setup(board: Board, layout: Layout | None) -> RadioSetup | None:
    """Return what the radio's templates print; None for a board without one.

    layout: of the payload. Raises UserError for a payload that a packet cannot carry, and for periods that
    are shorter than the duty cycle allows.
    """
    section = board.radio
    if section is None or layout is None or board.tag is None:
        return None
    count = layout.schema.bytes
    if count > section.payload_max:
        raise UserError(
            f"board {board.name}: the payload {layout.schema.name!r} has {count} bytes, but a packet of "
            f'radio.driver "{section.driver}" carries {section.payload_max}; take a shorter one.'
        )
    if isinstance(section, BleRadio):
        return BleSetup(
            section,
            DutyLimit(1, 0),
            BLE_POWERS[section.power_dbm],
            interval_ticks=-(-section.interval_ms * TICKS_PER_SECOND // 1000),
            address_bytes=tuple(f"0x{byte:02x}" for byte in address_bytes(section.address or "")),
        )
    settings = section.settings
    frame_bytes = count + section.extra_bytes
    airtime = settings.airtime_ns(frame_bytes)
    if section.frame == "lorawan" and board.tag.period_s < 1 << COUNTER_SHIFT:
        raise UserError(
            f"board {board.name}: tag.period_s is {board.tag.period_s}, but {1 << COUNTER_SHIFT} seconds at "
            'least are expected with radio.frame = "lorawan", whose frames are numbered by the time.'
        )
    return LoraSetup(
        section,
        _duty(board, section, airtime),
        min(section.power_dbm + _POWER_OFFSET[section.amplifier], _MOST_POWER_CODE),
        counter_shift=COUNTER_SHIFT if section.frame == "lorawan" else 0,
        frame_bytes=frame_bytes,
        airtime_ns=airtime,
        channels=tuple(
            f"0x{round(hertz * (1 << _STEP_HZ_BITS) / _CRYSTAL_HZ):06X}u" for hertz in section.frequencies_hz
        ),
        port=layout.schema.f_port or _PORT,
        bandwidth_code=BANDWIDTHS_HZ.index(section.bandwidth_hz),
        coding_rate_code=settings.coding_rate - 4,
        low_data_rate=settings.low_data_rate,
        spi_divisor=2 * -(-(board.clock_hz or 0) // (2 * _SPI_HZ)),
    )


def _duty(board: Board, section: LoraRadio, airtime_ns: int) -> DutyLimit:
    limit = duty_limit(airtime_ns, section.duty_percent)
    period = board.tag.period_s if board.tag else 0
    needed = 0.0 if limit is None else limit.interval_s
    if limit is None or needed > period:
        allowed = "no packet" if limit is None else f"one in {needed:.0f} s on average"
        raise UserError(
            f"board {board.name}: a packet takes {airtime_ns / 1e6:.0f} ms, of which radio.duty_percent = "
            f"{section.duty_percent:g} allows {allowed}, but tag.period_s is {period}; raise period_s, or "
            "lower spreading_factor."
        )
    return limit
