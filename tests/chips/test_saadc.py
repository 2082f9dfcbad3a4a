"""The modelled converter of the nRF52840: what it makes of the supply, and what the firmware must not do."""

from __future__ import annotations

import pytest

from mcukd.chips.nordic.chip import NRF52840
from mcukd.chips.stop import ChipStop

SAADC = 0x40007000
RAM = 0x20000100
SETTINGS = {0x510: 9, 0x518: 0x20000, 0x5F0: 2, 0x62C: RAM, 0x630: 1, 0x500: 1}


def sample(
    millivolts: int = 3000, settings: dict[int, int] | None = None, start: bool = True
) -> tuple[int, int]:
    """Return the result and whether the converter says that it has ended, after one sample."""
    chip = NRF52840()
    chip.power.millivolts = millivolts
    for at, value in (SETTINGS | (settings or {})).items():
        chip.space.write(SAADC + at, 4, value)
    if start:
        chip.space.write(SAADC, 4, 1)
    chip.space.write(SAADC + 0x004, 4, 1)
    while (event := chip.core.events.pop_due(chip.core.cycles + 64_000)) is not None:
        if event.action:
            event.action()
    return int.from_bytes(chip.core.read_memory(RAM, 2), "little"), chip.space.read(SAADC + 0x104, 4)


@pytest.mark.parametrize(
    ("millivolts", "resolution", "result"),
    [(3000, 2, 3413), (1800, 2, 2048), (3599, 2, 4094), (3600, 2, 4095), (3000, 0, 213)],
)
def test_the_result_is_the_supply_in_parts_of_full_scale(
    millivolts: int, resolution: int, result: int
) -> None:
    assert sample(millivolts, {0x5F0: resolution}) == (result, 1)


@pytest.mark.parametrize(
    ("settings", "start", "says"),
    [
        ({0x500: 0}, True, "ENABLE"),
        ({}, False, "TASKS_START"),
        ({0x510: 1}, True, "PSELP"),
        ({0x518: 0x20100}, True, "CONFIG"),
        ({0x520: 9}, True, "several channels"),
        ({0x62C: 0x1000}, True, "RAM only"),
        ({0x630: 2}, True, "more than one"),
        ({0x5F0: 5}, True, "RESOLUTION"),
    ],
)
def test_what_the_firmware_must_not_do_stops_the_run(
    settings: dict[int, int], start: bool, says: str
) -> None:
    with pytest.raises(ChipStop, match=says):
        sample(settings=settings, start=start)
