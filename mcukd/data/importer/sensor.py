"""Range and scale of the board's sensor: from the board that is named, as stated, or by the samples."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from mcukd.data.importer.options import BoardAccelerometer, Dialog, Options
from mcukd.data.quality.survey import LENGTH_EDGES, Survey
from mcukd.data.sections import INT16_SPAN
from mcukd.errors import UserError
from mcukd.text import listed

#: Rates that differ by no more are the same.
_SAME_RATE = 0.01
RANGES_G = (2.0, 4.0, 8.0, 16.0, 32.0, 64.0)


@dataclass(frozen=True)
class BoardSensor:
    """What a card says of the board's sensor. origin: where it comes from, for the card's comment."""

    range_g: float
    counts_per_g: float
    origin: str


def board_sensor(
    survey: Survey, options: Options, dialog: Dialog, one_g: float, rate_hz: float
) -> BoardSensor:
    """Return range and scale of the board's sensor.

    one_g: what 1 g is in the survey's units. rate_hz: of the board.
    """
    if options.board is not None:
        return _of_board(options.board, survey, dialog, one_g, rate_hz)
    range_g = options.range_g if options.range_g is not None else _range(survey, dialog, one_g)
    made = BoardSensor(
        range_g, INT16_SPAN / range_g, "here 16 bits over the range; --board NAME takes a board's"
    )
    _note_boards(made, options.boards, dialog)
    return made


def check_range(options: Options) -> None:
    """Raise UserError, before any work, where --range contradicts the sensor of --board."""
    sensor = options.board
    if sensor is not None and options.range_g is not None and options.range_g != sensor.range_g:
        raise UserError(
            f"--range says {options.range_g:g} g, but the sensor of board {sensor.board} ({sensor.part}) "
            f"has ±{sensor.range_g:g} g; leave one of them out"
        )


def _of_board(
    sensor: BoardAccelerometer, survey: Survey, dialog: Dialog, one_g: float, rate_hz: float
) -> BoardSensor:
    beyond = _share_beyond(survey, sensor.range_g * one_g)
    dialog.note(
        f"board: {sensor.board}, whose {sensor.part} has ±{sensor.range_g:g} g and {sensor.counts_per_g:g} "
        "counts per g"
        + (f"; {beyond:.2%} of the vectors here are longer; axes beyond it are clipped" if beyond else "")
    )
    if min(abs(rate_hz / one - 1) for one in sensor.rates_hz) > _SAME_RATE:
        near = min(sensor.rates_hz, key=lambda one: abs(np.log(rate_hz / one)))
        rates = listed(f"{one:g}" for one in sensor.rates_hz)
        dialog.note(
            f"board: {rate_hz:g} Hz is none of its sensor's rates ({rates}); "
            f"--resample {near:g} brings the recordings to the nearest"
        )
    elif sensor.driver_hz is not None and abs(rate_hz / sensor.driver_hz - 1) > _SAME_RATE:
        dialog.note(
            f"board: the firmware of {sensor.board} samples at {sensor.driver_hz:g} Hz and this card has "
            f"{rate_hz:g}; a tag needs sensor.driver.rate_hz = {rate_hz:g} in a board file of its own, or "
            f"a card with --resample {sensor.driver_hz:g}"
        )
    return BoardSensor(sensor.range_g, sensor.counts_per_g, f"of board {sensor.board}")


def _note_boards(made: BoardSensor, boards: Sequence[BoardAccelerometer], dialog: Dialog) -> None:
    """Say which boards have the card's range and scale, and what naming one would write."""
    said = (
        f"board: none is stated, so the card says ±{made.range_g:g} g and {made.counts_per_g:g} counts per g"
    )
    if not boards:
        dialog.note(said)
        return
    fits = [
        one.board for one in boards if (one.range_g, one.counts_per_g) == (made.range_g, made.counts_per_g)
    ]
    others: dict[str, list[str]] = {}
    for one in boards:
        if one.board not in fits:
            sensor = f"±{one.range_g:g} g and {one.counts_per_g:g}"
            others.setdefault(sensor, []).append(f"--board {one.board}")
    known = "; ".join(f"{' or '.join(names)} writes {sensor}" for sensor, names in others.items())
    says = f"{listed(fits)} has" if fits else "no bundled board has"
    dialog.note(f"{said}, which {says}" + (f"; {known}" if known else ""))


def _range(survey: Survey, dialog: Dialog, one_g: float) -> float:
    ends = [one.at_ends() for one in survey.animals.values()]
    level = max(level for level, _ in ends) / one_g
    clipped = sum(count for other, count in ends if other / one_g > level * 0.999)
    near = next((one for one in RANGES_G if level <= one * 1.02), RANGES_G[-1])
    if clipped >= 10 and abs(level / near - 1) < 0.05:
        dialog.note(
            f"range: ±{near:g} g, for {clipped} values lie exactly at {level:.3g} g, where the sensor clips"
        )
        return near
    typical = [one for one in RANGES_G if _share_beyond(survey, one * one_g) < 1e-4]
    chosen = typical[0] if typical else RANGES_G[-1]
    dialog.note(
        f"range: ±{chosen:g} g, the smallest usual one that fewer than one vector in 10,000 is longer "
        f"than (the greatest value is {level:.3g} g); it should be your board's sensor's: --board or --range"
    )
    return chosen


def _share_beyond(survey: Survey, length: float) -> float:
    place = int(np.searchsorted(LENGTH_EDGES, length))
    beyond = sum(int(one.lengths[place + 1 :].sum()) for one in survey.animals.values())
    return beyond / max(1, sum(one.samples for one in survey.animals.values()))
