"""Count of a tag's work: its real image on the modelled chip, with a modelled sensor."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mcukd.boards.model import Board
from mcukd.chips.sensors.sources import Recording
from mcukd.chips.sensors.wiring import make_sensor
from mcukd.chips.tag_run import Spent, TagRun
from mcukd.energy.work import Work
from mcukd.errors import UserError
from mcukd.tag.application import RESULT

#: The application's function that takes one sample into all windows under way, or into the state carried on.
_CLASSIFIES = "app_stream_push"
#: The model's function, where its firmware has one, that makes of a sample what all windows under way share.
_SHARED = "mcukd_model_sums"
#: Seconds after the console is off, or from the start where it never is, before anything is counted.
_QUIET_S = 5.0
#: Until samples have come once more: seconds, and times that the sensor's FIFO fills to its watermark.
_SETTLE_S, _DRAINS = 3.0, 3
#: Parts in which a run goes on.
SLICES = 20


@dataclass(frozen=True)
class _Moment:
    """What a run has counted so far."""

    seconds: float
    instructions: int
    waited: int
    stood: int
    slept: int
    samples: int
    results: int
    words: int
    pages: int
    transfer_s: float
    packets: int


def count_work(
    board: Board,
    elf: Path,
    classes: int,
    window_s: float,
    counts: NDArray[np.int32],
    minutes: float,
    advance: Callable[[int], None] = lambda steps: None,
    carried: bool = False,
) -> Work:
    """Return the work of a board's image, counted for some virtual minutes in which nobody talks to it.

    board: with [sensor.driver] and [tag]. classes, window_s: of its model. carried: whether its state is
    carried on: a step is then part of a sample's work, and only the head of a result's. counts: (n, 3), what
    the sensor measures, in its own counts, again and again. advance: called with 1 after each of 20 parts.
    Raises UserError where modelled chips cannot run here, and where no result comes in these minutes.
    """
    assert board.sensor is not None and board.sensor.driver is not None and board.tag is not None
    driver = board.sensor.driver
    device = make_sensor(driver, Recording(counts, repeat=True))
    run = TagRun(board, elf, classes, device)
    run.run(max(board.tag.console_s, 2 * window_s) + _QUIET_S)
    settle_s = max(_SETTLE_S, _DRAINS * driver.watermark / driver.rate_hz)
    shared = run.count_in(_SHARED, settle_s) if _SHARED in run.image.symbols else Spent()
    spent = run.count_in(_CLASSIFIES, settle_s)
    shared_before = shared.cycles
    first = _moment(run)
    for _ in range(SLICES):
        run.run(60 * minutes / SLICES)
        advance(1)
    last = _moment(run)
    if spent.entered - spent.returned not in (0, 1):
        raise AssertionError(
            f"{spent.entered} calls of {_CLASSIFIES}, but {spent.returned} returns were seen"
        )
    seconds, clock = last.seconds - first.seconds, run.chip.core.clock_hz
    samples, results = last.samples - first.samples, last.results - first.results
    if results == 0:
        raise UserError(
            f"{board.name} gave no result in {minutes:g} virtual minutes; give more of them with --minutes."
        )
    instructions, stood = last.instructions - first.instructions, last.stood - first.stood
    waited = last.waited - first.waited - stood
    # A call without a result takes the least.
    of_samples = spent.returned * spent.least if carried else shared.cycles - shared_before
    of_results = spent.cycles - of_samples
    return Work(
        clock_hz=clock,
        result_instructions=of_results / results,
        sample_instructions=(instructions - of_results) / samples,
        sample_wait_s=waited / clock / samples,
        sample_transfer_s=(last.transfer_s - first.transfer_s) / samples,
        flash_words_per_s=(last.words - first.words) / seconds,
        flash_pages_per_s=(last.pages - first.pages) / seconds,
        origin=(
            f"the image that would be flashed, run on the modelled {run.chip.name} for {seconds / 60:g} min "
            "of virtual time with a modelled sensor and simulated animals; each instruction is counted"
        ),
        counted={
            "seconds": seconds,
            "samples": samples,
            "results": results,
            "instructions": instructions,
            "awake_share": 1 - (last.slept - first.slept + stood) / clock / seconds,
            "flash_share": stood / clock / seconds,
            "packets": last.packets - first.packets,
            "in_pairs": _SHARED in run.image.symbols,
        },
    )


def _moment(run: TagRun) -> _Moment:
    core, flash, observed = run.chip.core, run.chip.flash, run.latest().observed
    pages = sum(flash.erasures)
    return _Moment(
        seconds=run.seconds,
        instructions=core.instructions,
        waited=core.waited,
        stood=core.stood,
        slept=core.slept,
        samples=len(observed.samples),
        results=sum(call.kind == RESULT for call in observed.calls),
        words=flash.operations - pages,
        pages=pages,
        transfer_s=run.chip.transfer_seconds,
        packets=len(run.air),
    )
