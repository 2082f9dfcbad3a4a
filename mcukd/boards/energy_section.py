"""Section [energy] of a board file: supply, battery, and the currents that a day is computed from."""

from __future__ import annotations

from pydantic import Field, model_validator

from mcukd.boards.currents import Figure
from mcukd.boards.section import Section

#: Units by the ends of keys.
_UNITS = {"v": "V", "mah": "mAh", "ma": "mA", "ua": "µA", "us": "µs", "ms": "ms"}
#: What a board with [radio] needs beside its transmitting current.
RADIO_KEYS = ("packet_awake_ms", "radio_start_ma", "radio_start_ms")


def unit_of(key: str) -> str:
    """Return the unit that the end of a key says; empty for a plain number."""
    return _UNITS.get(key.rpartition("_")[2], "")


class PowerLever(Section):
    """A state of core or supply that the firmware does not use today, and what it would take.

    name: in tables. what: what it is and what it needs, a sentence. Currents that are not given stay.
    """

    name: str = Field(min_length=1)
    what: str = Field(min_length=1)
    awake_ma: Figure | None = None
    asleep_ua: Figure | None = None


class EnergySection(Section):
    """What `mcukd energy` needs of a board; docs/energy.md explains each key.

    battery_usable: share of its capacity. awake_ma, asleep_ua: of the chip, while the core runs and in the
    state in which the firmware waits. bus_ma: beside the latter while a transfer runs and the core sleeps.
    cycles_per_instruction: the modelled chip counts one. flash_*: beside the awake core, of a word of 32 bits
    and of a page. packet_awake_ms: of the core, for each packet or advertising event. radio_start_*: for each
    packet, before it is on the air. radio_asleep_ua: always. sensor_ua, transmit_ma: instead of the tables in
    `mcukd/boards/currents.py`, for the mode, rate and power that the board file sets. remarks: sentences
    that go with every figure.
    """

    supply_v: Figure
    battery_mah: Figure
    battery_usable: Figure
    cycles_per_instruction: Figure
    awake_ma: Figure
    asleep_ua: Figure
    bus_ma: Figure | None = None
    flash_word_ma: Figure
    flash_word_us: Figure
    flash_erase_ma: Figure
    flash_erase_ms: Figure
    packet_awake_ms: Figure | None = None
    radio_start_ma: Figure | None = None
    radio_start_ms: Figure | None = None
    radio_asleep_ua: Figure | None = None
    sensor_ua: Figure | None = None
    transmit_ma: Figure | None = None
    levers: tuple[PowerLever, ...] = Field(default=(), strict=False)
    remarks: tuple[str, ...] = Field(default=(), strict=False)

    @model_validator(mode="after")
    def _makes_sense(self) -> EnergySection:
        for key in ("supply_v", "battery_mah", "battery_usable"):
            if getattr(self, key).value[0] <= 0:
                raise ValueError(f"{key} is {getattr(self, key).value[0]:g}, but more than 0 is expected")
        if self.battery_usable.value[2] > 1:
            raise ValueError(
                f"battery_usable is {self.battery_usable.value[2]:g}, but a share of at most 1 is expected"
            )
        cycles = self.cycles_per_instruction.value[0]
        if cycles < 1:
            raise ValueError(f"cycles_per_instruction is {cycles:g}, but at least 1 is expected")
        names = [lever.name for lever in self.levers]
        if len(set(names)) != len(names):
            raise ValueError("two of levers have one name, but different names are expected")
        return self

    def figures(self) -> dict[str, Figure]:
        """Return the figures that are given, by their keys; those of levers as `levers.NAME.KEY`."""
        found = {key: getattr(self, key) for key in type(self).model_fields}
        for lever in self.levers:
            for key in ("awake_ma", "asleep_ua"):
                found[f"levers.{lever.name}.{key}"] = getattr(lever, key)
        return {key: figure for key, figure in found.items() if isinstance(figure, Figure)}
