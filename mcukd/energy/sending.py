"""Cost of sending one payload: time on the air, packets, and how soon the next is allowed."""

from __future__ import annotations

from dataclasses import dataclass

from mcukd.boards.radio_section import LoraRadio, Radio
from mcukd.radio.ble import CHANNELS, NO_COMPANY, advertisement, on_air
from mcukd.radio.duty import duty_limit

#: At 1 Mbit/s.
_BYTE_S = 8e-6
_ANY_ADDRESS = "C0:00:00:00:00:00"


@dataclass(frozen=True)
class Sending:
    """airtime_s: of all packets of a payload. events: times that the radio is started for it.

    least_interval_s: from one payload to the next, on average, that the duty cycle allows; 0: any.
    """

    airtime_s: float
    events: int
    least_interval_s: float


def sending_of(radio: Radio, payload_bytes: int) -> Sending:
    """Return what a board's radio does for a payload."""
    if isinstance(radio, LoraRadio):
        airtime_ns = radio.settings.airtime_ns(radio.extra_bytes + payload_bytes)
        limit = duty_limit(airtime_ns, radio.duty_percent)
        return Sending(airtime_ns / 1e9, 1, limit.interval_s if limit else float("inf"))
    packet = on_air(advertisement(_ANY_ADDRESS, NO_COMPANY, bytes(payload_bytes)), min(CHANNELS))
    airtime_s = _BYTE_S * len(packet) * len(CHANNELS) * radio.repeats
    return Sending(airtime_s, radio.repeats, radio.repeats * radio.interval_ms / 1000)
