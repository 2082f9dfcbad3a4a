"""Guided six-position calibration of a tag's sensor over its line: request SENSE of `docs/protocol.md`."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from mcukd.errors import UserError
from mcukd.harness.messages import SENSE_FIELDS, Request
from mcukd.harness.protocol import Device
from mcukd.harness.tag_log import SENSOR_STATES, ask, malformed
from mcukd.tag.records import EVENTS
from mcukd.tag.six_positions import SIDES, Fit, Rest, check_slanted, fit, side_of

#: Samples of a position; what they measure is asked for so often, in seconds, and given up after so many
#: answers without a new sample.
_SAMPLES, _EVERY_S, _PATIENCE = 100, 0.25, 40
#: Times that one position is tried.
_TRIES = 3


@dataclass(frozen=True)
class _Sensed:
    """The answer to SENSE. sums, least, most: (3,) in the sensor's own counts."""

    sensor: str
    event: int
    counts_per_g: int
    samples: int
    sums: tuple[int, ...]
    least: tuple[int, ...]
    most: tuple[int, ...]


def calibrate(
    device: Device,
    turn: Callable[[str], None],
    tell: Callable[[str], None],
    wait: Callable[[float], None] = time.sleep,
) -> tuple[Fit, dict[str, Rest]]:
    """Ask for six positions and a slanted one; return the calibration, and what was measured on each side.

    turn: shows what is asked for, and returns once the tag lies so. tell: shows what was found. wait: lets
    seconds pass. A position that is wrong is told and asked for again. Raises UserError where it is wrong
    three times, the sensor gives no samples, or the calibration is none (`six_positions.fit`).
    """
    found: dict[str, Rest] = {}
    for number in range(1, len(SIDES) + 1):
        left = ", ".join(side for side in SIDES if side not in found)
        request = (
            f"Position {number} of {len(SIDES)}: lay the tag still on a side it has not lain on ({left} left)"
        )
        side, rest = _position(device, request, turn, tell, wait, lambda one: side_of(one, tuple(found)))
        found[side] = rest
        tell(f"{side} of the sensor points up: {rest.text} g.")
    request = "Check: lean the tag on an edge, so that it lies on none of its sides, and let go of it"
    _, slanted = _position(device, request, turn, tell, wait, _slanted)
    counts_per_g = _sense(device, anew=False).counts_per_g
    return fit(list(found.values()), slanted, counts_per_g), found


def _slanted(rest: Rest) -> str:
    check_slanted(rest)
    return "slanted"


def _position(
    device: Device,
    request: str,
    turn: Callable[[str], None],
    tell: Callable[[str], None],
    wait: Callable[[float], None],
    judge: Callable[[Rest], str],
) -> tuple[str, Rest]:
    """Ask for a position until it is one that is wanted; return its name and what was measured."""
    for attempt in range(_TRIES):
        turn(request)
        rest = _rest(device, wait)
        try:
            return judge(rest), rest
        except UserError as error:
            if attempt + 1 == _TRIES:
                raise
            tell(f"{str(error)[0].upper()}{str(error)[1:]}")
    raise AssertionError("unreachable")


def _rest(device: Device, wait: Callable[[float], None]) -> Rest:
    """Return what the sensor measures from now on."""
    sensed, without = _sense(device, anew=True), 0
    while sensed.samples < _SAMPLES:
        wait(_EVERY_S)
        before, sensed = sensed.samples, _sense(device, anew=False)
        without = without + 1 if sensed.samples == before else 0
        if without > _PATIENCE:
            event = f": {EVENTS.get(sensed.event, f'event {sensed.event}')}" if sensed.event else ""
            raise UserError(
                f"{device.link.url}: the sensor gives no samples ('{sensed.sensor}'{event}); see "
                "docs/hardware-checklist.md."
            )
    per_g = sensed.counts_per_g
    spread = (np.array(sensed.most) - np.array(sensed.least)) / per_g
    return Rest(np.array(sensed.sums) / sensed.samples / per_g, spread)


def _sense(device: Device, anew: bool) -> _Sensed:
    reply = ask(device, Request.SENSE, bytes([anew]), "reads no sensor by itself")
    if len(reply) != SENSE_FIELDS.size:
        raise malformed(device, Request.SENSE, reply)
    sensor, event, counts_per_g, samples, *rest = SENSE_FIELDS.unpack(reply)
    state = SENSOR_STATES[sensor] if sensor < len(SENSOR_STATES) else f"state {sensor}"
    return _Sensed(state, event, counts_per_g, samples, tuple(rest[:3]), tuple(rest[3:6]), tuple(rest[6:]))
