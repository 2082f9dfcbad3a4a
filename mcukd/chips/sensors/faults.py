"""Table of the faults that a modelled accelerometer and its bus can have, by name.

The wrapper of a fault stands on the bus in the sensor's place. Its fault is there from `from_ns` until
`until_ns` (ns since power-up); before and after it is the sensor.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from mcukd.chips.sensors.bus_faults import (
    Absent,
    DroppedInterrupt,
    HoldsBus,
    HoldsBusForGood,
    LostSettings,
    NoiseBurst,
    RefusesData,
    ShortReads,
    StuckInterrupt,
    WrongIdentity,
    WrongLength,
)
from mcukd.chips.sensors.faulty import FOREVER, Faulty
from mcukd.chips.sensors.registers import RegisterSensor
from mcukd.chips.sensors.sensor_faults import (
    DeadSelfTest,
    FifoOff,
    FlippedSetting,
    Frozen,
    Overrun,
    Resets,
    ResetsAgainAndAgain,
    Saturated,
    Silent,
    SlowClock,
    SlowStart,
    StuckAxis,
    WeakSelfTest,
    WrongRate,
)


@dataclass(frozen=True)
class Fault:
    """A fault by its name: what happens, and the wrapper that makes it of (sensor, from_ns, until_ns)."""

    name: str
    what: str
    wrap: Callable[[RegisterSensor, int, int], Faulty]


def _table(**wrappers: type[Faulty]) -> dict[str, Fault]:
    return {
        key.replace("_", "-"): Fault(key.replace("_", "-"), (wrapper.__doc__ or "").split("\n")[0], wrapper)
        for key, wrapper in wrappers.items()
    }


#: All faults by their names.
FAULTS = _table(
    absent=Absent,
    refuses_data=RefusesData,
    holds_bus=HoldsBus,
    holds_bus_for_good=HoldsBusForGood,
    frozen=Frozen,
    saturated=Saturated,
    stuck_axis=StuckAxis,
    overrun=Overrun,
    wrong_identity=WrongIdentity,
    reset=Resets,
    resets_again_and_again=ResetsAgainAndAgain,
    wrong_rate=WrongRate,
    slow_clock=SlowClock,
    dropped_interrupt=DroppedInterrupt,
    stuck_interrupt=StuckInterrupt,
    noise_burst=NoiseBurst,
    short_reads=ShortReads,
    silent=Silent,
    lost_settings=LostSettings,
    flipped_setting=FlippedSetting,
    fifo_off=FifoOff,
    wrong_length=WrongLength,
    slow_start=SlowStart,
    dead_self_test=DeadSelfTest,
    weak_self_test=WeakSelfTest,
)


def with_fault(sensor: RegisterSensor, name: str, from_ns: int = 0, until_ns: int = FOREVER) -> Faulty:
    """Return a sensor with a fault of the table for a time; KeyError for a name that is not there."""
    return FAULTS[name].wrap(sensor, from_ns, until_ns)
