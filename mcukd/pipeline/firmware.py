"""The generate and build stages: from a study's integer model to a firmware for a board."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mcukd import __version__
from mcukd.boards.model import Board
from mcukd.boards.scale import scale_sentence
from mcukd.boards.toolchain import SIZE, BuildResult, build, built, compile_flags, link_flags
from mcukd.boards.tools import compiler, require_tool, version_line
from mcukd.errors import UserError
from mcukd.files import sha256_file, sha256_text
from mcukd.models.student import require_integers
from mcukd.pipeline.repeating import of_build
from mcukd.resources import resource_dir
from mcukd.study import Study

if TYPE_CHECKING:
    from mcukd.fixedpoint.model import IntegerModel

MODEL_FILES = ("fixedpoint.npz", "fixedpoint.json")


@dataclass(frozen=True)
class Generated:
    """Generated sources: their directory and hash, remarks for the user, and whether anything was done."""

    sources: Path
    firmware_sha256: str
    remarks: list[str]
    ran: bool


@dataclass(frozen=True)
class Built:
    """A built firmware, the sources it was made from, and whether anything was done."""

    elf: Path
    result: BuildResult
    generated: Generated
    ran: bool


def firmware_dir(study: Study, board: Board) -> Path:
    """Return where a study keeps the firmware of a board."""
    return study.file("firmware", board.name)


def generate_stage(study: Study, board: Board) -> Generated:
    """Write the sources of the study's model for a board into `firmware/<board>/`; nothing where current.

    Raises UserError for a missing or stale integer model.
    """
    from mcukd.codegen.firmware import generate_firmware, read_firmware_sha256
    from mcukd.codegen.payload import payload_schema
    from mcukd.fixedpoint.model import load_model

    require_integers(study, "a firmware")
    study.require("quantize")
    stage, out = f"generate:{board.name}", firmware_dir(study, board)
    model = load_model(study.path)
    inputs = {
        **study.inputs(*MODEL_FILES),
        # How the board is flashed, and what current it takes, is in no source.
        "board": sha256_text(board.model_dump_json(exclude={"flash", "energy"})),
        "templates": _templates_sha256(model, board),
    }
    schema = payload_schema(board)
    if schema is not None:
        inputs["payload"] = sha256_text(schema.model_dump_json())
    options = {"mcukd": __version__, "flags": compile_flags(board)}
    remarks = sensor_remarks(model, board, card_range_g(study))
    if study.is_current(stage, inputs, options):
        return Generated(out, read_firmware_sha256(out), remarks, ran=False)
    firmware = generate_firmware(model, board, out)
    study.finish(stage, inputs=inputs, options=options, outputs=firmware.sources, command=of_build(board))
    return Generated(out, firmware.firmware_sha256, remarks, ran=True)


def build_stage(study: Study, board: Board, *, any_compiler: bool = False) -> tuple[BuildResult, bool]:
    """Build the generated sources of a board; return the build and whether anything was done.

    A finished build that belongs to the sources needs no compiler. Where there is one, a build by another is
    made anew, unless any_compiler says that it will do: then no compiler is even asked for its version.
    Raises UserError for missing or stale sources, a missing compiler, and a firmware that does not fit.
    """
    generate, stage, sources = f"generate:{board.name}", f"build:{board.name}", firmware_dir(study, board)
    study.require(generate)
    inputs = study.inputs(*study.manifest["stages"][generate]["outputs"])
    used = study.options(stage).get("compiler")
    options = {
        "flags": [*compile_flags(board), *link_flags(board)],
        "compiler": used if any_compiler and used else version_line(compiler(board)) or used,
    }
    if study.is_current(stage, inputs, options):
        size: dict[str, Any] = json.loads((sources / SIZE).read_text(encoding="utf-8"))
        return built(sources, size), False
    require_tool(compiler(board), f"build for {board.name}")
    options["compiler"] = version_line(compiler(board))
    result = build(sources, board)
    outputs = [file for file in (result.elf, result.hex, result.bin) if file is not None]
    outputs.append(sources / SIZE)
    study.finish(stage, inputs=inputs, options=options, outputs=outputs, command=of_build(board))
    return result, True


def ensure_built(study: Study, board: Board, *, any_compiler: bool = False) -> Built:
    """Bring a board's sources and build up to date, and return the build.

    any_compiler: take a finished build of the sources, whichever compiler made it.
    """
    generated = generate_stage(study, board)
    result, ran = build_stage(study, board, any_compiler=any_compiler)
    return Built(result.elf, result, generated, ran)


def sensor_remarks(model: IntegerModel, board: Board, range_g: float | None = None) -> list[str]:
    """Return how the board's sensor differs from the samples of the model's training: rate, scale and range.

    range_g: of the model's card; None where it is not known. Raises UserError for a scale that no firmware
    can make of the sensor's.
    """
    if board.sensor is None:
        return []
    sampling = sampling_remark(model, board)
    scale = scale_sentence(board, model.counts_per_g, range_g)
    return [one for one in (sampling, scale) if one]


def sampling_remark(model: IntegerModel, board: Board) -> str | None:
    """Return why a board's firmware does not read its sensor, or how rates differ; None where they agree."""
    sensor = board.sensor
    if sensor is None:
        return None
    none = f"this firmware reads no sensor{' and sends nothing' if board.radio else ''}"
    if sensor.driver is not None and model.channels != 3:
        return (
            f"The model takes {model.channels} channels and the {sensor.part} of {board.name} gives 3, so "
            f"{none}."
        )
    if model.rate_hz not in sensor.rates_hz:
        nearest = min(sensor.rates_hz, key=lambda rate: abs(rate - model.rate_hz))
        return (
            f"The model was trained at {model.rate_hz:g} Hz, which is none of the {sensor.part}'s own rates; "
            f"the nearest is {nearest:g} Hz, so samples need a timer of their own or another model"
            f"{f'; {none}' if sensor.driver is not None else ''}."
        )
    if sensor.driver is not None and sensor.driver.rate_hz != model.rate_hz:
        return (
            f"The model was trained at {model.rate_hz:g} Hz and sensor.driver.rate_hz of {board.name} is "
            f"{sensor.driver.rate_hz:g}, so {none}; set rate_hz to the model's in a board file of your own."
        )
    if sensor.driver is not None and board.tag is None:
        return (
            f"Board {board.name} has no section [tag], so this firmware never reads its sensor; add one to "
            "have it sample, classify and keep a log."
        )
    return None


def model_remarks(study: Study, board: Board) -> list[str]:
    """Return the `sensor_remarks` of a study's model and a board; none where there is no model yet."""
    from mcukd.fixedpoint.model import load_model

    if not study.file(MODEL_FILES[1]).exists():
        return []
    return sensor_remarks(load_model(study.path), board, card_range_g(study))


def card_range_g(study: Study) -> float | None:
    """Return the range in g of a study's card; None where the card is not there any more."""
    from mcukd.data.card import load_card

    try:
        return load_card(study.card).signal.range_g
    except UserError:
        return None


def _templates_sha256(model: IntegerModel, board: Board) -> str:
    from mcukd.codegen.firmware import template_folders

    root, lines = resource_dir("firmware_templates"), []
    for folder in (*template_folders(model, board), "linker"):
        files = sorted(file for file in (root / folder).iterdir() if file.is_file())
        lines += [f"{folder}/{file.name} {sha256_file(file)}\n" for file in files]
    return sha256_text("".join(lines))
