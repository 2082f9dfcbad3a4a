"""Figures with their source, and supply currents of sensors and radios by rate or output power."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import Field, field_validator

from mcukd.boards.section import Section

_FORMS = "a number, or three as [low, typical, high], is expected, none below 0"


class Figure(Section):
    """A figure of a data sheet, or an assumption. value: low, typical and high; a file may give one number.

    source: document and table, or why it is assumed. assumption: whether no document says it so.
    """

    value: tuple[float, float, float]
    source: str = Field(min_length=1)
    assumption: bool = False

    @field_validator("value", mode="before")
    @classmethod
    def _three(cls, value: Any) -> tuple[float, float, float]:
        given = value if isinstance(value, (list, tuple)) else [value] * 3
        if len(given) != 3 or any(
            isinstance(one, bool) or not isinstance(one, (int, float)) for one in given
        ):
            raise ValueError(_FORMS)
        low, typical, high = map(float, given)
        if not 0 <= low <= typical <= high or not math.isfinite(high):
            raise ValueError(f"{_FORMS}, in this order")
        return low, typical, high


@dataclass(frozen=True)
class Currents:
    """Supply current of a part in one mode. points: current by rate in Hz or output power in dBm.

    A single point is the current at any. Between two points it is taken to lie on a straight line, above the
    last one on the line through the last two, and below the first one to be the first's.
    """

    points: Mapping[float, float]
    source: str

    def at(self, place: float, unit: str) -> Figure:
        """Return the current at a rate or power; what is on no point is an assumption that says so."""
        known = sorted(self.points)
        if len(known) == 1 or place in self.points:
            current = self.points[place if place in self.points else known[0]]
            return Figure(value=(current,) * 3, source=self.source)
        if place < known[0]:
            current, how = self.points[known[0]], f"taken as at {known[0]:g} {unit}"
        else:
            above = next((index for index, one in enumerate(known) if one > place), len(known) - 1)
            first, last = known[above - 1], known[above]
            slope = (self.points[last] - self.points[first]) / (last - first)
            current = self.points[first] + slope * (place - first)
            how = f"on the straight line through {first:g} and {last:g} {unit}"
        return Figure(value=(current,) * 3, source=f"{self.source}; {how}", assumption=True)


_MPU9250 = "InvenSense PS-MPU-9250A-01 rev. 1.0, section 2.2"
_SX1272 = "Semtech SX1272/73 data sheet rev. 2, table 6 (IDDT)"
_NRF52840 = "Nordic nRF52840 Product Specification, Current consumption: Radio transmitting/receiving"
#: In µA, by the driver of a sensor and its mode.
SENSORS: Mapping[tuple[str, str], Currents] = {
    ("bma400", "normal"): Currents(
        {50.0: 14.5},
        "Bosch BST-BMA400-DS000, features: at most 14.5 µA at the highest performance (oversampling 3, as "
        "the driver sets it), at any rate",
    ),
    ("mpu9250", "normal"): Currents({1000.0: 450.0}, f"{_MPU9250}: accelerometer, normal, at any rate"),
    ("mpu9250", "cycle"): Currents({0.98: 8.4, 31.25: 19.8}, f"{_MPU9250}: low-power accelerometer mode"),
}
#: In mA, by the driver of a radio and its amplifier or the chip's regulator.
RADIOS: Mapping[tuple[str, str], Currents] = {
    ("sx1272", "rfo"): Currents({7.0: 18.0, 13.0: 28.0}, f"{_SX1272}, pin RFO"),
    ("sx1272", "boost"): Currents({17.0: 90.0, 20.0: 125.0}, f"{_SX1272}, pin PA_BOOST"),
    ("ble", "dcdc"): Currents({-40.0: 3.83, 0.0: 6.4, 8.0: 16.4}, f"{_NRF52840}, DC/DC"),
    ("ble", "ldo"): Currents({-40.0: 4.82, 0.0: 10.8}, f"{_NRF52840}, LDO"),
}
