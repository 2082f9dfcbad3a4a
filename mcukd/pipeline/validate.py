"""The validate stage: proof of a study's firmware on a board against the study's integer model."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from mcukd.boards.launch import require_stand_in
from mcukd.boards.model import Board
from mcukd.boards.scale import board_scaling, scale_sentence, sensed_counts
from mcukd.data.card import load_card
from mcukd.data.load import dataset_sha256, load_windows
from mcukd.data.windows import Windows
from mcukd.errors import UserError
from mcukd.files import write_json
from mcukd.fixedpoint.model import IntegerModel, load_model
from mcukd.harness.comparison import check_identity, prove
from mcukd.harness.probes import Probes, choose_probes
from mcukd.harness.protocol import Device, Identity, open_device
from mcukd.harness.reached import MODEL, PROCESS, QEMU, Reached
from mcukd.harness.recorded import (
    RECORDED_FILE,
    RecordedWindows,
    has_recorded,
    keep_recorded,
    read_recorded,
)
from mcukd.inference.batch import run_fast
from mcukd.models.student import require_integers
from mcukd.pipeline.firmware import sampling_remark
from mcukd.pipeline.repeating import of_validate
from mcukd.study import Study

WINDOWS = 200


def validate_study(
    study: Study,
    board: Board,
    *,
    emulate: bool = False,
    port: str | None = None,
    windows: int = WINDOWS,
) -> dict[str, Any]:
    """Prove a study's firmware on `windows` windows, write `validation/<board>.json` and return its content.

    port: pyserial URL of a device, flashed or emulated. emulate: build the image that would be flashed and
    run it on the model of the board's chip; where there is none, the board's emulated twin. An emulated board
    given by its own name runs in QEMU. Where the board's sensor has another
    scale or range than the card, windows are sent as that sensor would have given them. The recordings are
    not needed (`mcukd.harness.recorded`); extremes fill what is asked for beyond the windows kept.
    A device is no file whose hash would show that it is unchanged, so this stage always runs.
    Raises UserError for a device that is another board or carries another firmware or model, before any
    window is sent, and for one that does not answer.
    """
    _check_asked(board, emulate, port, windows)
    require_integers(study, "'mcukd validate'")
    study.require("quantize")
    model = load_model(study.path)
    if not port:
        require_stand_in(_stand_in(board))
    chosen = proof_windows(study, board, model, windows)
    probes = chosen.probes
    with _device(study, board, port) as (device, target, reached):
        who = device.who()
        check_identity(
            who, device.link.url, target.name, model, _expected_firmware(study, target, model, who)
        )
        proof = prove(device, model, probes, counted(who, reached))
    record = _record(proof, study, board, target, reached)
    record["scale"] = _scale_facts(board, model, chosen.recorded, chosen.sensed)
    record["sampling"] = sampling_remark(model, board)
    file = study.file("validation", f"{board.name}.json")
    write_json(file, record)
    firmware = f"firmware/{target.name}/firmware_id.h"
    study.finish(
        f"validate:{board.name}",
        inputs=study.inputs("fixedpoint.npz", "fixedpoint.json", firmware),
        options={"emulate": port is None, "windows": windows},
        outputs=[file],
        command=of_validate(board, port is None, windows, WINDOWS),
    )
    return record


@dataclass(frozen=True)
class ProofWindows:
    """Windows that a board is proven on, and where they are from.

    recorded: those that the study keeps. sensed: as the board's sensor would have given them. probes: those
    that are sent.
    """

    recorded: RecordedWindows
    sensed: Windows
    probes: Probes


def proof_windows(study: Study, board: Board, model: IntegerModel, windows: int) -> ProofWindows:
    """Return the `windows` windows that a study proves a board on, the same whenever it is asked.

    Raises UserError where the study's recorded windows are missing and cannot be made again, and where they
    do not go with its model.
    """
    scaling = board_scaling(board, model.counts_per_g)
    if not has_recorded(study):
        _keep_recorded_again(study)
    recorded = read_recorded(study)
    kept = (*recorded.windows.counts.shape[1:], recorded.windows.counts_per_g)
    if kept != (model.window, model.channels, model.counts_per_g):
        raise UserError(
            f"{study.path}: the recorded windows that it keeps have {kept[0]} samples of {kept[1]} axes at "
            f"{kept[2]:g} counts per g, but its model takes {model.window} of {model.channels} at "
            f"{model.counts_per_g:g}; run '{study.refresh('quantize')}'."
        )
    counts = sensed_counts(board, recorded.windows.counts, model.counts_per_g)
    sensed = replace(recorded.windows, counts=counts)
    probes = choose_probes(sensed, windows, int(study.manifest["seed"]), scaling)
    return ProofWindows(recorded, sensed, probes)


def _keep_recorded_again(study: Study) -> None:
    """Write the recorded windows of a study anew from the recordings that it was quantized with.

    Raises UserError where those are not here, or are others now.
    """
    file = study.file(RECORDED_FILE)
    state = "changed since it was written" if file.is_file() else "missing"
    try:
        card, root, seed = load_card(study.card), study.data_root(None), int(study.manifest["seed"])
        quantized = study.manifest["stages"]["quantize"]["inputs"].get("data")
        if quantized not in (None, dataset_sha256(card, root, seed)):
            raise UserError("the recordings are others than those that the study was quantized with.")
        keep_recorded(study, load_windows(card, root, seed=seed), card.signal.range_g)
    except UserError as error:
        raise UserError(
            f"{file}: {state}, so that there are no recorded windows to prove a board on; copy it from where "
            f"the study was made. It cannot be made again here: {error}"
        ) from error


def _scale_facts(
    board: Board, model: IntegerModel, recorded: RecordedWindows, sensed: Windows
) -> dict[str, Any] | None:
    """Say what the board's sensor makes of the card's samples; None where it has their scale and range.

    sentence, and its figures: multiplier, shift, share of `samples_beyond` its range; of `windows` recorded
    ones, how many the model gives another class at the sensor's counts (`classes_changed`).
    """
    beyond = 0.0 if board.sensor is None else recorded.share_beyond(board.sensor.range_g)
    sentence = scale_sentence(board, model.counts_per_g, recorded.range_g, beyond)
    if sentence is None:
        return None
    scaling = board_scaling(board, model.counts_per_g)
    counts = (recorded.windows.counts, scaling.apply(sensed.counts))
    usual, found = (run_fast(model, one, checksums=False, saturations=False).classes for one in counts)
    return {
        "sentence": sentence,
        "multiplier": scaling.multiplier,
        "shift": scaling.shift,
        "samples_beyond": beyond,
        "windows": len(usual),
        "classes_changed": int(np.count_nonzero(usual != found)),
    }


def _check_asked(board: Board, emulate: bool, port: str | None, windows: int) -> None:
    if windows < 1:
        raise UserError(f"--windows is {windows}, but at least 1 is expected.")
    if emulate and port:
        raise UserError("--emulate and --port exclude each other; give one of them.")
    if not (emulate or port or board.emulated):
        raise UserError(
            f"board '{board.name}' is hardware: give --port with its serial port (or MCUKD_PORT), or "
            "--emulate to run its image on a model of its chip."
        )


def _stand_in(board: Board) -> Board:
    """Return the board whose image runs here: its own where its chip is modelled, else that of its twin."""
    return board if board.modelled_chip else board.twin()


def counted(who: Identity, reached: Reached) -> Identity:
    """Return an identity with what its counter counted: on a modelled chip a cycle is an instruction."""
    if reached.kind == MODEL and who.counter_kind == "cycles":
        return replace(who, counter_kind="instructions")
    return who


@contextmanager
def _device(study: Study, board: Board, port: str | None) -> Iterator[tuple[Device, Board, Reached]]:
    """Yield a client of the device, the board that it should be, and how this computer reached it.

    The board is the twin where that is what answers behind a port.
    """
    from mcukd.harness.stand_in import open_stand_in
    from mcukd.pipeline.firmware import ensure_built

    if port:
        with open_device(port, board.console.baud) as device:
            yield device, _board_or_twin(board, device.who().board), device.link.reached
        return
    target = _stand_in(board)
    build = ensure_built(study, target)
    with open_stand_in(target, build.elf) as device:
        yield device, target, started(target, build.elf)


def started(target: Board, elf: Path) -> Reached:
    """Return how a board's stand-in, started with `elf`, is reached."""
    if target.modelled_chip is not None:
        return Reached(MODEL, target.mcu)
    if target.emulator is None:
        return Reached(PROCESS, elf.name)
    return Reached(QEMU, target.emulator.machine)


def _board_or_twin(board: Board, answering: str) -> Board:
    """Return the twin of `board` where its name answered behind a port, else `board`."""
    try:
        twin = board.twin()
    except UserError:
        return board
    return twin if answering == twin.name else board


def _expected_firmware(study: Study, target: Board, model: IntegerModel, who: Identity) -> str:
    """Return the hash of the study's firmware for `target`; empty where board or model differ already."""
    from mcukd.codegen.firmware import read_firmware_sha256

    if who.board != target.name or who.model_sha256 != model.sha256:
        return ""
    study.require(f"generate:{target.name}")
    return read_firmware_sha256(study.file("firmware", target.name))


def _record(
    proof: dict[str, Any], study: Study, board: Board, target: Board, reached: Reached
) -> dict[str, Any]:
    """Add the sizes of the build, the board's name for the user beside the one it ran on, and where that was.

    `emulated` is false only where this computer reached a serial device that it knows and the image there
    does not call itself emulated.
    """
    sizes = firmware_sizes(study.file("firmware", target.name, "size.json"))
    where = {"emulated": proof["image_emulated"] or not reached.hardware, "reached": reached.facts()}
    return {**proof, "board": board.name, **where, **sizes, "ran_on": target.name}


def firmware_sizes(file: Path) -> dict[str, int | None]:
    """Return flash and RAM of a build; None of a missing or damaged size report, which costs no proof."""
    size: Any = None
    with suppress(OSError, ValueError):
        size = json.loads(file.read_text(encoding="utf-8"))
    found = size if isinstance(size, dict) else {}
    return {key: found.get(key) for key in ("flash_bytes", "ram_bytes")}
