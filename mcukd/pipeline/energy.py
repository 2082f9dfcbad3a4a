"""The energy stage: what a day costs a tag, from the work of its image and the currents of its board file."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mcukd import extras
from mcukd.boards.model import Board
from mcukd.energy.day import Tag
from mcukd.energy.record import VERSION, energy_record
from mcukd.energy.work import Work, work_of_share
from mcukd.errors import UserError
from mcukd.files import sha256_text, write_json
from mcukd.pipeline.firmware import MODEL_FILES, ensure_built
from mcukd.pipeline.repeating import of_energy
from mcukd.study import Study

if TYPE_CHECKING:
    from mcukd.fixedpoint.model import IntegerModel

#: Virtual minutes for which work is counted, unless told otherwise.
MINUTES = 5.0
#: The simulated herd whose animals the modelled sensor measures, and how much of it, and what is added to the
#: study's seed, so that none of them was trained on.
_HERD, _ANIMALS, _HERD_MINUTES, _HELD_OUT = "herd-sim", 2, 10.0, 1000


def energy_path(study: Study, board_name: str) -> Path:
    """Return where a study keeps what a board's day takes."""
    return study.file("energy", f"{board_name}.json")


def energy_study(
    study: Study, board: Board, minutes: float | None = None, awake_share: float | None = None
) -> dict[str, Any]:
    """Compute a day of a board's tag, write `energy/<board>.json` and return it; nothing where current.

    minutes: virtual, for which the image runs on the modelled chip; None: `MINUTES`. awake_share: of the
    core, between 0 and 1, instead; then nothing runs, and what a result costs stays unknown. Raises UserError
    for a board without [energy], a firmware that does not sample, and where modelled chips cannot run.
    """
    from mcukd.codegen.firmware import require_sampling
    from mcukd.codegen.payload import payload_layout
    from mcukd.codegen.radio import radio_setup
    from mcukd.fixedpoint.model import load_model

    if minutes is not None and awake_share is not None:
        raise UserError(
            "--minutes says how long the image runs, but with --awake-share none runs; leave one of them out."
        )
    minutes = MINUTES if minutes is None else minutes
    _check(board, minutes, awake_share)
    study.require("quantize")
    model = load_model(study.path)
    require_sampling(model, board, "it has no day of its own")
    stage, path = f"energy:{board.name}", energy_path(study, board.name)
    inputs = {**study.inputs(*MODEL_FILES), "board": sha256_text(board.model_dump_json())}
    options: dict[str, Any] = {"version": VERSION, "awake_share": awake_share}
    if awake_share is None:
        elf = ensure_built(study, board).elf
        inputs.update(study.inputs(elf.relative_to(study.path).as_posix()))
        options["minutes"] = minutes
    if study.is_current(stage, inputs, options):
        return dict(json.loads(path.read_text(encoding="utf-8")))
    if awake_share is None:
        work = _counted(study, board, elf, model, minutes)
    else:
        assert board.clock_hz is not None
        work = work_of_share(awake_share, model.rate_hz, board.clock_hz)
    layout = payload_layout(board, model) if board.radio is not None else None
    radio_setup(board, layout)  # refuses what no firmware is made for
    tag = Tag(board, work, layout.schema.bytes if layout is not None else None)
    record = energy_record(tag, model.hop, model.window)
    write_json(path, record)
    command = of_energy(board, minutes, awake_share, MINUTES)
    study.finish(stage, inputs=inputs, options=options, outputs=[path], command=command)
    return record


def _check(board: Board, minutes: float, awake_share: float | None) -> None:
    if board.emulated:
        raise UserError(
            f"board {board.name} is no hardware and takes no current; name a tag, as collar or eartag."
        )
    if board.energy is None:
        raise UserError(
            f"board {board.name} has no section [energy], so that its currents are not known; add one "
            "(docs/energy.md explains the keys, boards/collar.toml is an example)."
        )
    if awake_share is not None and not 0 < awake_share < 1:
        raise UserError(
            f"--awake-share is {awake_share:g}, but a share between 0 and 1 is expected, as 0.02."
        )
    if not 1 <= minutes <= 1440:
        raise UserError(f"--minutes is {minutes:g}, but 1 to 1440 virtual minutes are expected.")
    if awake_share is None:
        _check_chip(board)


def _check_chip(board: Board) -> None:
    """Raise UserError where nothing can count the board's work."""
    if board.modelled_chip is None:
        raise UserError(
            f"board {board.name} has no modelled chip to count its work on; give the share of the time for "
            "which its core is awake with --awake-share."
        )
    extras.require(
        "unicorn",
        "counting a tag's work",
        "or give the share of the time for which the core is awake with --awake-share",
    )


def _counted(study: Study, board: Board, elf: Path, model: IntegerModel, minutes: float) -> Work:
    import numpy as np

    from mcukd.data.card import load_card
    from mcukd.data.load import load_counts
    from mcukd.data.simulation.simulator import resized
    from mcukd.energy.on_chip import SLICES, count_work
    from mcukd.progress import progress

    card = resized(load_card(_HERD), _ANIMALS, _HERD_MINUTES)
    parts = load_counts(card, None, seed=int(study.manifest["seed"]) + _HELD_OUT)
    counts = np.concatenate([part.counts for part in parts]).astype(np.int32)
    assert board.sensor is not None and board.sensor.setup is not None
    counts <<= board.sensor.setup.shift
    with progress(f"A tag's work on {board.name}", SLICES) as advance:
        window_s = model.window / model.rate_hz
        return count_work(
            board, elf, len(model.classes), window_s, counts, minutes, advance, carried=model.stream
        )
