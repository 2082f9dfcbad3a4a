"""Scale and range of a board's sensor compared with a card's: the scaling, and a sentence about it.

A firmware takes samples as its board's sensor gives them. Where the card has another scale, the application
scales every sample before the model (`mcukd.fixedpoint.scaling`); samples that the sensor clips are lost.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from mcukd.boards.model import Board
from mcukd.errors import UserError
from mcukd.fixedpoint.scaling import UNSCALED, Scaling, as_sensed, scaling_between, share_beyond
from mcukd.text import listed


def board_scaling(board: Board, counts_per_g: float) -> Scaling:
    """Return what a board's firmware does to samples for a model of `counts_per_g`.

    A board without a sensor takes samples at the model's own scale. Raises UserError, which names the board,
    for a scale that no firmware can make of the sensor's.
    """
    if board.sensor is None:
        return UNSCALED
    try:
        return scaling_between(board.sensor.counts_per_g, counts_per_g)
    except UserError as error:
        raise UserError(f"board {board.name}: {error}") from error


def sensed_counts(board: Board, counts: NDArray[np.int16], counts_per_g: float) -> NDArray[np.int16]:
    """Return recorded counts (…, C) at `counts_per_g` as the board's sensor would have given them.

    Unchanged where the sensor has their scale and none lies beyond its range.
    """
    sensor = board.sensor
    if sensor is None:
        return counts
    same = sensor.counts_per_g == counts_per_g and not beyond_range(board, counts, counts_per_g)
    return counts if same else as_sensed(counts, counts_per_g, sensor.range_g, sensor.counts_per_g)


def beyond_range(board: Board, counts: NDArray[np.int16], counts_per_g: float) -> float:
    """Return the share of samples (…, C) that lie beyond the range of the board's sensor."""
    return 0.0 if board.sensor is None else share_beyond(counts, counts_per_g, board.sensor.range_g)


def scale_sentence(
    board: Board,
    counts_per_g: float,
    range_g: float | None = None,
    beyond: float | None = None,
    applied: bool = True,
) -> str | None:
    """Say how the samples of a board's sensor differ from a card's, and what the firmware does to them.

    counts_per_g, range_g: of the card; range_g is None where it is not known. beyond: share of the card's
    samples that lie beyond the sensor's range. applied: False where only the model's code is made, so that
    whoever uses it has to scale.
    Returns None where the sensor has the card's scale and range. Raises UserError where no firmware
    can make the one scale of the other.
    """
    return scales_sentence([board], counts_per_g, range_g, beyond, applied)


def scales_sentence(
    boards: list[Board],
    counts_per_g: float,
    range_g: float | None = None,
    beyond: float | None = None,
    applied: bool = True,
) -> str | None:
    """Say of several boards whose sensors have the same range and scale what `scale_sentence` says of one."""
    sensor = boards[0].sensor
    if sensor is None:
        return None
    scaling = board_scaling(boards[0], counts_per_g)
    clips = range_g is not None and range_g > sensor.range_g
    further = range_g is not None and range_g < sensor.range_g
    if scaling.identity and not clips and not further:
        return None
    names = " and ".join(f"{board.name}'s {board.sensor.part}" for board in boards if board.sensor)
    of_card = f"{counts_per_g:g} counts per g" + ("" if range_g is None else f" and ±{range_g:g} g")
    text = f"The card has {of_card}, {names} {sensor.counts_per_g:g} counts per g and ±{sensor.range_g:g} g: "
    parts = []
    if not scaling.identity:
        parts.append(
            f"the firmware {scaling.words()} before the model"
            if applied
            else "this code does not scale samples, so your program has to "
            f"{scaling.words(infinitive=True)} first"
        )
    if clips:
        parts.append(f"the sensor clips what lies beyond ±{sensor.range_g:g} g")
        if beyond is not None:
            parts[-1] += f", {_percent(beyond)} of the card's samples"
    if further:
        parts.append(
            f"the sensor gives up to ±{sensor.range_g:g} g to a model that was trained on samples clipped "
            f"at ±{range_g:g} g"
        )
    return text + ", and ".join(parts) + "."


def bundled_sentences(
    boards: Iterable[Board], counts_per_g: float, range_g: float, counts: NDArray[np.int16] | None = None
) -> list[str]:
    """Say of all boards with a chip of their own which ones have another scale than a card.

    counts: (…, C) samples of the card, of which the share beyond each range is said. One sentence for boards
    whose sensors have the same range and scale; none where all have the card's.
    """
    groups: dict[tuple[float, float], list[Board]] = {}
    for board in boards:
        if board.sensor and not board.emulated:
            groups.setdefault((board.sensor.range_g, board.sensor.counts_per_g), []).append(board)
    sentences = []
    for group in groups.values():
        beyond = None if counts is None else beyond_range(group[0], counts, counts_per_g)
        try:
            sentence = scales_sentence(group, counts_per_g, range_g, beyond)
        except UserError as error:
            sentence = f"No firmware for {listed([board.name for board in group])}: {error}"
        if sentence:
            sentences.append(sentence)
    return sentences


def _percent(share: float) -> str:
    if share == 0:
        return "none"
    if share < 1e-4:
        return "less than 0.01 %"
    return f"{100 * share:.0f} %" if share >= 0.095 else f"{100 * share:.2g} %"
