"""Drop-in code: a study's model as C for other projects, under names with a prefix of their own."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from mcukd.boards.model import Board
from mcukd.boards.scale import scale_sentence
from mcukd.codegen.firmware import generate_model
from mcukd.codegen.kernel import core_of
from mcukd.codegen.prefix import check_prefix
from mcukd.errors import UserError
from mcukd.fixedpoint.model import IntegerModel, load_model
from mcukd.models.student import require_integers
from mcukd.pipeline.firmware import card_range_g
from mcukd.study import Study

FOLDER = "dropin"


@dataclass(frozen=True)
class DropIn:
    """The model alone as C: its files, the model, remarks for the user, and whether any file was changed."""

    prefix: str
    files: list[Path]
    model: IntegerModel
    remarks: list[str]
    ran: bool

    @property
    def folder(self) -> Path:
        """Where the files lie."""
        return self.files[0].parent

    @property
    def assembly(self) -> bool:
        """Whether the step is assembly of a core."""
        return any(file.suffix == ".S" for file in self.files)

    @property
    def usage(self) -> str:
        """Say what to compile and include, and what samples the model takes."""
        name, model = self.prefix, self.model
        sources = f"{name}_model.c" + (f" and {name}_kernel.S" if self.assembly else "")
        return (
            f"Compile {sources}, include {name}_model.h from C or C++, and give {name}_model_step samples of "
            f"{model.channels} axes at {model.counts_per_g:g} counts per g and {model.rate_hz:g} Hz."
        )


def generate_dropin(study: Study, prefix: str, board: Board | None = None) -> DropIn:
    """Write a study's model under names that start with `prefix` into `dropin/<prefix>/`.

    board: whose core the step is written for; None for portable C.
    The study's firmwares and whatever else lies in the folder are left alone.
    Raises UserError for a prefix that C names cannot start with, for a missing or stale integer model, and
    for a file in the folder's place.
    """
    check_prefix(prefix)
    require_integers(study, "a firmware")
    study.require("quantize")
    model, folder = load_model(study.path), study.file(FOLDER, prefix)
    for place in (folder.parent, folder):
        if place.exists() and not place.is_dir():
            raise UserError(f"{place}: is a file, but the folder of generated C is expected; move it away.")
    before = _contents(folder, prefix)
    core, optimize = (core_of(board), board.optimize) if board else (None, "speed")
    files = generate_model(model, folder, core, optimize, prefix)
    ran = _contents(folder, prefix) != before
    scale = scale_sentence(board, model.counts_per_g, card_range_g(study), applied=False) if board else None
    return DropIn(prefix, files, model, [scale] if scale else [], ran)


def _contents(folder: Path, prefix: str) -> dict[Path, bytes]:
    return {file: file.read_bytes() for file in folder.glob(f"{prefix}_*") if file.is_file()}
