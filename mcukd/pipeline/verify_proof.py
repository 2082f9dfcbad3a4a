"""A proof that an archive holds, checked anew: its record, the integer reference, the image on its chip."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from mcukd.archive.container import Broken
from mcukd.archive.contents import STUDY
from mcukd.archive.names import name_problem
from mcukd.archive.proof import ProvenWindows
from mcukd.boards.launch import require_stand_in
from mcukd.boards.model import Board, list_boards, read_board
from mcukd.boards.scale import board_scaling
from mcukd.boards.size import size_report
from mcukd.codegen.firmware import ID_HEADER, firmware_sha256, read_firmware_sha256
from mcukd.errors import UserError
from mcukd.fixedpoint.model import IntegerModel
from mcukd.fixedpoint.reference import run
from mcukd.harness.comparison import check_identity, mismatch_sentence, prove
from mcukd.harness.record import read_proof, windows_wrong
from mcukd.harness.stand_in import open_stand_in
from mcukd.pipeline.validate import counted, started
from mcukd.platforms import hands_over_sockets
from mcukd.study import Study

#: Instructions of a window may differ by this share, and the deepest stack by so many bytes: interrupts fall
#: where the host's line has them.
_COUNT_TOLERANCE, _STACK_TOLERANCE = 1e-3, 128
#: Seconds that a model may take for a short request.
_PATIENCE_S = 10.0


class PackedProof:
    """A proof of one board in an archive that is unpacked in `folder`, and the checks of it.

    facts: of it, from `evidence.json`. model: the study's, None where it cannot be computed with.
    """

    def __init__(
        self,
        folder: Path,
        name: str,
        facts: dict[str, Any],
        study: Study,
        model: IntegerModel | None,
    ) -> None:
        self._folder, self._name, self._facts = folder, name, facts
        self._study, self._model = study, model
        self._ran_on = str(facts.get("ran_on"))

    @property
    def _image(self) -> str:
        return f"{STUDY}/firmware/{self._ran_on}/build/firmware.elf"

    @property
    def _record(self) -> dict[str, Any]:
        return read_proof(self._study.file("validation", f"{self._name}.json"))

    def _board(self, name: str) -> Board:
        return read_board(self._folder / "boards" / f"{name}.toml")

    def check_record(self) -> str:
        """Compare the record of a proof with model, sources and image."""
        record, model = self._record, self._model
        if record["ran_on"] != self._ran_on or name_problem(self._ran_on):
            raise Broken(f"the record says that {record['ran_on']} ran, but {self._ran_on} was packed")
        if model is not None and record["model_sha256"] != model.sha256:
            raise Broken(
                f"the record is of model {record['model_sha256'][:12]}, the study's is {model.sha256[:12]}"
            )
        sources = self._study.file("firmware", self._ran_on)
        if not (sources / ID_HEADER).is_file():
            return "the record is of the study's model; the sources of its image are not packed"
        if read_firmware_sha256(sources) != record["firmware_sha256"]:
            raise Broken("the record is of another firmware than the sources are")
        sized = self._check_sources(sources, record)
        wrong = windows_wrong(record)
        return f"the record is of the study's model and sources{sized}; it tells of {wrong} wrong windows"

    def _check_sources(self, sources: Path, record: dict[str, Any]) -> str:
        """Compare the sources with their hash, and the image's size with the record where it can be told."""
        if self._ran_on not in self._packed_boards():
            return ""
        board = self._board(self._ran_on)
        stage = self._study.manifest["stages"].get(f"generate:{self._ran_on}", {})
        names = [Path(one).name for one in stage.get("outputs", {}) if not one.endswith(ID_HEADER)]
        texts = {name: (sources / name).read_text(encoding="utf-8") for name in names}
        made = {firmware_sha256(texts, board.with_optimize(one)) for one in ("speed", "size")}
        if record["firmware_sha256"] not in made:
            raise Broken("the sources are not those whose hash the device reports")
        elf = sources / "build" / "firmware.elf"
        if board.host or not elf.is_file():
            return ""
        size = size_report(elf, board, {})
        for key in ("flash_bytes", "ram_bytes"):
            if record[key] is not None and record[key] != size[key]:
                raise Broken(f"{key} is {record[key]} in the record, but {size[key]} of the image")
        return ", flash and RAM those of its image"

    def check_reference(self) -> str:
        """Run the integer reference on the windows and compare every class, logit and state checksum."""
        windows, model = self._windows(), self._model
        assert model is not None
        if self._name in self._packed_boards():
            scaling = board_scaling(self._board(self._name), model.counts_per_g)
            if scaling != windows.probes.scaling:
                raise Broken("the windows are scaled in another way than the board's sensor asks for")
        if windows.probes.counts.shape[1:] != (model.window, model.channels):
            raise Broken(f"the windows have the shape {windows.probes.counts.shape[1:]}, not the model's")
        if difference := windows.first_difference(run(model, windows.probes.model_counts)):
            raise Broken(difference)
        if self._record.get("windows_sha256") not in (None, windows.probes.sha256):
            raise Broken("the windows are others than those that the record is of")
        if len(windows) != self._record["windows"]:
            raise Broken(f"the record is of {self._record['windows']} windows, but {len(windows)} are packed")
        return f"every class, logit and state checksum of {len(windows)} windows is computed again"

    def cannot_run(self) -> str | None:
        """Return why the image cannot run here; None where it can."""
        if self._facts.get("image") != self._image or not (self._folder / self._image).is_file():
            return "its image is not packed"
        if self._ran_on not in self._packed_boards():
            return f"the file of board {self._ran_on} is not packed"
        try:
            board = self._board(self._ran_on)
            if board.host:
                return "it is a program of the computer that packed it, which is not run on this one"
            if board.modelled_chip is None and board.emulator is None:
                return f"there is no model of the chip of {board.name}"
            if board.emulator and board.emulator.machine not in _known_machines():
                return f"board {board.name} asks QEMU for a machine that no bundled board has"
            if not hands_over_sockets():
                return "modelled chips run on Linux and macOS only"
            require_stand_in(board)
        except UserError as error:
            return str(error).rstrip(".")
        return None

    def check_image(self) -> str:
        """Run the image on the model of its chip, compare every value, and what the record tells of it."""
        record, windows, model = self._record, self._windows(), self._model
        board, elf = self._board(self._ran_on), self._folder / self._image
        assert model is not None
        with open_stand_in(board, elf) as device:
            # A model loses no byte. Where this computer is busy it is late, which does not call for the slow
            # encoding of a line that loses bytes.
            device.timeout = _PATIENCE_S
            who = device.who()
            check_identity(who, f"the image of {self._name}", board.name, model, record["firmware_sha256"])
            reached = started(board, elf)
            found = prove(device, model, windows.probes, counted(who, reached))
        if found["mismatches"]:
            raise Broken(mismatch_sentence(found["first_mismatch"]).rstrip("."))
        for key in ("mismatches", "windows"):
            if found[key] != record[key]:
                raise Broken(f"{key} is {record[key]} in the record, but {found[key]} here")
        if windows_wrong(found):
            raise Broken("its own known answers, or a streamed window, are wrong")
        if (record.get("reached") or {}).get("kind") == reached.kind:
            _require_alike(record, found)
        count = found["instructions_per_window"]
        counts = "" if count is None else f", {count:,} instructions a window"
        return (
            f"{found['windows']} windows on {reached.kind} {reached.through}: every class, logit and state "
            f"checksum is the reference's{counts}"
        )

    def _packed_boards(self) -> set[str]:
        return {Path(one).stem for one in self._facts.get("board_files", []) if isinstance(one, str)}

    def _windows(self) -> ProvenWindows:
        member = str(self._facts["windows"])
        file = self._folder / member
        if member != f"proof/{self._name}.npz" or not file.is_file():
            raise Broken(f"{member} is missing")
        return ProvenWindows.from_bytes(file.read_bytes(), member)


def _known_machines() -> set[str]:
    return {one.emulator.machine for one in list_boards() if one.emulator}


def _require_alike(record: dict[str, Any], found: dict[str, Any]) -> None:
    """Raise Broken where a record tells other counts than the same image on the same model gives here."""
    pairs = [(key, record.get(key), found[key]) for key in ("instructions_per_window", "cycles_per_window")]
    ranges = record.get("count_range") or [None, None], found["count_range"] or [None, None]
    pairs += [("count_range", mine, theirs) for mine, theirs in zip(*ranges)]
    for key, mine, theirs in pairs:
        if mine is not None and theirs is not None and abs(mine - theirs) > _COUNT_TOLERANCE * theirs:
            raise Broken(f"{key} is {mine:,} in the record, but {theirs:,} here")
    key = "stack_high_water_bytes"
    mine, theirs = record[key], found[key]
    if mine is not None and theirs is not None and abs(mine - theirs) > _STACK_TOLERANCE:
        raise Broken(f"{key} is {mine:,} in the record, but {theirs:,} here")
