"""Sources of a model and of a whole firmware (model, app, port, linker script), flat in one directory."""

from __future__ import annotations

import hashlib
import json
import re
import shutil
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mcukd.boards.radio_section import LoraRadio
from mcukd.boards.scale import board_scaling
from mcukd.codegen.context import model_context
from mcukd.codegen.families import code_form
from mcukd.codegen.kernel import core_of, kernel_for, pair_kernel_for, staggered_states
from mcukd.codegen.payload import FOLDER as PAYLOAD
from mcukd.codegen.payload import packer_context, payload_layout
from mcukd.codegen.prefix import DEFAULT, check_prefix, with_own_names
from mcukd.codegen.radio import radio_setup
from mcukd.codegen.tag import tag_setup
from mcukd.codegen.templates import render_folders, render_template
from mcukd.errors import UserError
from mcukd.files import folder_beside, make_folder
from mcukd.fixedpoint.model import IntegerModel

if TYPE_CHECKING:
    from mcukd.boards.model import Board

ID_HEADER = "firmware_id.h"


@dataclass(frozen=True)
class Firmware:
    """Generated sources and the SHA-256 over their names and contents, which the device reports."""

    sources: list[Path]
    firmware_sha256: str


def generate_model(
    model: IntegerModel,
    out: Path,
    core: str | None = None,
    optimize: str = "speed",
    prefix: str = DEFAULT,
) -> list[Path]:
    """Write the model alone into `out`, for use in any project; return the files.

    core: None for portable C, or the option of a core with kernels, for a step in assembly. optimize: as in
    `kernel_for`.
    prefix: what names of files, symbols, macros and include guards start with (macros and guards in
    capitals), so that models of different prefixes live in one program.
    `out` may hold files of others: only the files of this prefix are replaced.
    Raises UserError for a prefix that C names cannot start with.
    """
    context = templates_context(model, core, optimize)
    texts = render_folders(model_folders(model), context, check_prefix(prefix))
    if prefix != DEFAULT:
        texts = {name: with_own_names(name, text) for name, text in texts.items()}
    return _write(texts, out, {f"{prefix}_kernel.S"})


def generate_firmware(model: IntegerModel, board: Board, out: Path, pairs: bool = True) -> Firmware:
    """Write all sources of a board's firmware into `out`, in one step; return them and their hash.

    Samples of a sensor with another scale than the model's are scaled before they reach it (`board_scaling`).
    The same model, board and templates give the same bytes. Files of an earlier generation that are
    no longer made are removed; the `build` folder is left alone. pairs: as in `generate_stream`.
    Raises UserError for a scale that no firmware can make of the sensor's.
    """
    layout, sampling = payload_layout(board, model), samples_by_itself(model, board)
    context = {
        **templates_context(model, core_of(board), board.optimize),
        "pair": pair_kernel_for(model, core_of(board), board.optimize) if pairs else None,
        "board": board,
        "sensor": board.sensor_for(model.rate_hz, model.channels),
        "tag": tag_setup(board, model),
        "sampling": sampling,
        "radio": radio_setup(board, layout) if sampling else None,
        **packer_context(layout),
    }
    scaling = board_scaling(board, model.counts_per_g)
    texts = render_folders(
        template_folders(model, board), {**context, "scaling": None if scaling.identity else scaling}
    )
    if not board.host:
        texts["firmware.ld"] = render_template("linker/cortex-m.ld.j2", {"board": board})
    digest = firmware_sha256(texts, board)
    texts[ID_HEADER] = _id_header(digest)
    earlier = [file.name for file in out.glob("*") if file.suffix in (".c", ".h", ".ld", ".S")]
    return Firmware(_write(texts, out, earlier), digest)


def generate_stream(
    model: IntegerModel, out: Path, core: str, optimize: str = "speed", pairs: bool = True
) -> list[Path]:
    """Write the model and what a firmware classifies a stream of samples with (`app_stream`), to measure it.

    core, optimize: as in `kernel_for`. pairs: whether windows that overlap are stepped two at a time where a
    firmware would do so.
    """
    context = templates_context(model, core, optimize)
    if pairs:
        context["pair"] = pair_kernel_for(model, core, optimize)
    texts = render_folders(model_folders(model), context)
    for name in ("app_outcome.h", "app_stream.h.j2", "app_stream.c.j2"):
        texts[name.removesuffix(".j2")] = render_template(f"app/{name}", context)
    return _write(texts, out, ())


def model_folders(model: IntegerModel) -> list[str]:
    """Return the template folders of a model: what every student has, and what its own family adds."""
    return ["model/common", code_form(model.family).templates]


def template_folders(model: IntegerModel, board: Board) -> list[str]:
    """Return the template folders of a board's firmware, the linker script's left out."""
    setup = board.sensor_for(model.rate_hz, model.channels)
    sensor = ["sensor", f"sensor/{setup.driver.model}"] if setup else []
    tag = ["tag", f"port/{board.port}/tag"] if board.tag else []
    if board.tag and board.tag.payload:
        tag.append(PAYLOAD)
    if board.radio and setup:
        tag += ["radio", f"radio/{board.radio.driver}", f"port/{board.port}/radio"]
        if isinstance(board.radio, LoraRadio) and board.radio.frame == "lorawan":
            tag.append("lorawan")
    return [*model_folders(model), "app", *sensor, *tag, "port/common", f"port/{board.port}"]


def samples_by_itself(model: IntegerModel, board: Board) -> bool:
    """Return whether a board's firmware reads its sensor and classifies: with [tag], at the model's rate."""
    return board.tag is not None and board.sensor_for(model.rate_hz, model.channels) is not None


def require_sampling(model: IntegerModel, board: Board, otherwise: str) -> None:
    """Raise UserError where a board's firmware does not read its sensor. otherwise: what cannot be then."""
    if samples_by_itself(model, board):
        return
    driver = board.sensor.driver if board.sensor else None
    rate = f"{driver.rate_hz:g}" if driver else "not there"
    raise UserError(
        f"board {board.name} reads no sensor with this model of {model.rate_hz:g} Hz and {model.channels} "
        f"channels (its sensor.driver.rate_hz is {rate}, [tag] is {'' if board.tag else 'not '}there), so "
        f"that {otherwise}; take a board file in which they agree."
    )


def firmware_sha256(texts: dict[str, str], board: Board) -> str:
    """Hash the sources with the board's compiler flags: what decides the firmware's behaviour."""
    from mcukd.boards.toolchain import compile_flags

    digest = hashlib.sha256(json.dumps([board.name, compile_flags(board)]).encode())
    for name in sorted(texts):
        digest.update(f"{name} {len(texts[name])}\n{texts[name]}".encode())
    return digest.hexdigest()


def read_firmware_sha256(sources: Path) -> str:
    """Return the hash that generated sources carry.

    Raises UserError where the header is missing or damaged.
    """
    header = sources / ID_HEADER
    if header.exists():
        bytes_found = re.findall(r"0x([0-9a-f]{2})", header.read_text(encoding="utf-8"))
        if len(bytes_found) == 32:
            return "".join(bytes_found)
    raise UserError(f"{header}: no firmware hash there; run 'mcukd generate' for this board.")


def templates_context(
    model: IntegerModel, core: str | None = None, optimize: str = "speed"
) -> dict[str, Any]:
    """Return what the templates of a model's folder print; core and optimize as in `generate_model`."""
    kernel = kernel_for(model, core, optimize) if core else None
    return {
        "model": model_context(model),
        "kernel": kernel,
        "pair": None,
        "states": staggered_states(model),
        "scaling": None,
        "sensor": None,
        "tag": None,
        "sampling": False,
        "radio": None,
        "package": None,
    }


def _id_header(digest: str) -> str:
    listed = ", ".join(f"0x{byte:02x}" for byte in bytes.fromhex(digest))
    return (
        "/* firmware_id.h - SHA-256 over all other sources and the compiler flags. Generated. */\n"
        f"#define MCUKD_FIRMWARE_SHA256_BYTES {listed}\n"
    )


def _write(texts: dict[str, str], out: Path, stale: Iterable[str]) -> list[Path]:
    """Write all files to a temporary directory, then move them in; a failure leaves `out` as it was.

    stale: names of files that an earlier generation may have left, to be removed where they are not made.
    """
    make_folder(out)
    with folder_beside(out) as temporary:
        for name, text in texts.items():
            (temporary / name).write_text(text, encoding="utf-8")
        for name in set(stale) - set(texts):
            (out / name).unlink(missing_ok=True)
        for name in texts:
            shutil.move(temporary / name, out / name)
    return [out / name for name in sorted(texts)]
