"""The archive stage: a study, its proofs, sessions and environment in one file that others can check."""

from __future__ import annotations

import io
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from mcukd import __version__
from mcukd.archive.container import Content
from mcukd.archive.contents import (
    FILES,
    LOGS,
    SESSIONS,
    STUDY,
    day_of_newest,
    environment_members,
    named_members,
    names_below,
    private_paths,
    session_members,
    study_members,
)
from mcukd.archive.logs import log_figures
from mcukd.archive.pack import Packed, json_bytes, pack, text_without_folders, without_folders
from mcukd.archive.proof import ProvenWindows
from mcukd.archive.sessions import session_figures
from mcukd.boards.model import Board, load_board
from mcukd.data.card import Card, load_card
from mcukd.data.load import dataset_sha256, load_windows
from mcukd.data.readers.reader import FolderSource
from mcukd.data.sources import source_files, source_folder
from mcukd.errors import UserError
from mcukd.files import sha256_file, sha256_text
from mcukd.fixedpoint.model import FACTS_FILE, IntegerModel, load_model
from mcukd.fold_results import EVALUATION
from mcukd.harness.record import read_proof
from mcukd.harness.recorded import RECORDED_FILE
from mcukd.metrics.registry import METRICS
from mcukd.pipeline.validate import proof_windows
from mcukd.progress import progress
from mcukd.report.stale import require_current
from mcukd.study import Study

#: Labels and animals of the windows that models were scored on.
EVALUATION_WINDOWS = "figures/evaluation_windows.npz"
#: Folder of the figures of sessions.
SESSION_FIGURES = "figures/sessions"
_DAY = re.compile(r"\d{4}-\d{2}-\d{2}")


@dataclass(frozen=True)
class ArchiveOptions:
    """What goes into an archive beside the study, and how.

    sessions: folders of field sessions. logs: fetched from tags. files: any others. with_data: pack the
    samples. date: ISO 8601, default the day of the newest file. licence: its name, default the data's.
    allow_paths: pack members that name folders of this computer. replace: write over an archive.
    """

    sessions: tuple[Path, ...] = ()
    logs: tuple[Path, ...] = ()
    files: tuple[Path, ...] = ()
    with_data: bool = False
    data_root: Path | None = None
    date: str | None = None
    licence: str | None = None
    allow_paths: bool = False
    replace: bool = False


@dataclass
class _Evidence:
    """Members of an archive by name, what is said of them, and what is missing, in sentences."""

    contents: dict[str, Content] = field(default_factory=dict)
    facts: dict[str, Any] = field(default_factory=dict)
    left_out: list[str] = field(default_factory=list)
    changed: list[str] = field(default_factory=list)


def archive_study(study: Study, out: Path, options: ArchiveOptions) -> tuple[Packed, dict[str, Any]]:
    """Pack a study and what belongs to it into the zip `out`; return it and the content of `evidence.json`.

    The windows that images were proven on are packed with the reference's answers. What
    cannot be packed is said in `left_out`. The same files give the same bytes. Raises UserError for a stale
    study, an archive that is there, and files that cannot be packed.
    """
    _check_asked(out, options)
    require_current(study)
    found = _Evidence()
    members, said = study_members(study)
    found.contents.update(members)
    found.changed += said
    card = _pack_card(study, found)
    _leave_recorded_windows_out(study, card, options, found)
    root = study.data_root(options.data_root)
    if card is not None:
        _pack_data(study, card, root, options, found)
    model = load_model(study.path) if study.file(FACTS_FILE).exists() else None
    found.facts["study"] = _study_facts(study, model)
    found.facts["proofs"] = _pack_proofs(study, model, found)
    found.contents.update(session_members(options.sessions))
    found.contents.update(named_members("--log", LOGS, options.logs))
    found.contents.update(named_members("--file", FILES, options.files))
    found.facts["sessions"] = names_below(found.contents, SESSIONS)
    found.facts["logs"] = {path.name: log_figures(path) for path in options.logs}
    for folder in options.sessions:
        _pack_session(folder, model, found)
    # Board files have the day of this installation.
    dated = [one for name, one in found.contents.items() if not name.startswith("boards/")]
    date = options.date or day_of_newest(dated)
    found.contents.update(environment_members())
    private = [] if options.allow_paths else private_paths(study)
    facts = {
        "name": f"Evidence of the study {study.path.resolve().name}",
        "description": _description(study, card, model, found),
        "date": date,
        "mcukd": __version__,
        "metrics": list(METRICS),
        **found.facts,
        "left_out": [_without(private, one) for one in found.left_out],
        "changed": found.changed,
    }
    licence = options.licence or (card.licence if card else "not stated")
    total = 2 * sum(
        one.stat().st_size if isinstance(one, Path) else len(one) for one in found.contents.values()
    )
    with progress("Packing", total) as advance:
        packed = pack(out, found.contents, facts, licence=licence, private=private, advance=advance)
    return packed, facts


def _check_asked(out: Path, options: ArchiveOptions) -> None:
    if out.suffix.lower() != ".zip":
        raise UserError(f"--out is {out}, expected the name of a .zip file.")
    if out.exists() and not options.replace:
        raise UserError(f"{out}: is there; name another file with --out, or give --replace.")
    if options.date is not None and not _DAY.fullmatch(options.date):
        raise UserError(f"--date is '{options.date}', expected a day such as 2026-05-01.")


def _pack_card(study: Study, found: _Evidence) -> Card | None:
    """Pack the study's card without folders of this computer; None where its file is gone."""
    try:
        card = load_card(study.card)
    except UserError as error:
        found.left_out.append(f"The card is not packed: {error}")
        found.facts["card"] = None
        return None
    assert card.path is not None
    text = card.path.read_text(encoding="utf-8")
    shorter = text_without_folders(text)
    member = f"card/{card.name}.toml"
    found.contents[member] = shorter.encode()
    if shorter != text:
        found.changed.append(f"{member} is packed without the folders of the computer it was used on.")
    found.facts["card"] = {"name": card.name, "member": member, "sha256": sha256_file(card.path)}
    return card


def _leave_recorded_windows_out(
    study: Study, card: Card | None, options: ArchiveOptions, found: _Evidence
) -> None:
    """Leave out the recorded windows that a study keeps, unless samples are to be packed or are simulated."""
    if options.with_data or (card is not None and card.simulated):
        return
    # Also those of studies within this one's folder.
    members = [name for name in found.contents if Path(name).name == RECORDED_FILE]
    for name in members:
        del found.contents[name]
    if members:
        found.left_out.append(
            f"The recorded windows that the study keeps, {RECORDED_FILE}, are samples, which --with-data "
            "packs; those that images were proven on are packed in any case."
        )


def _pack_data(
    study: Study, card: Card, root: Path | None, options: ArchiveOptions, found: _Evidence
) -> None:
    """Note the data set's identity, and pack its samples where asked, and the scored windows' labels."""
    seed = int(study.manifest["seed"])
    found.facts["data"] = {"sha256": None, "simulated": card.simulated, "packed": False}
    try:
        found.facts["data"]["sha256"] = dataset_sha256(card, root, seed)
        if study.file(EVALUATION).is_dir():
            windows = load_windows(card, root, seed=seed)
            stream = io.BytesIO()
            np.savez(
                stream,
                labels=windows.labels.astype("<i8"),
                animals=windows.animals.astype(str),
                classes=np.array(windows.classes),
            )
            found.contents[EVALUATION_WINDOWS] = stream.getvalue()
    except UserError as error:
        found.left_out.append(f"The data set is not here, so nothing of it is packed: {error}")
        return
    if not options.with_data:
        return
    if not isinstance(card.source, FolderSource):
        found.left_out.append(
            f"The samples of {card.name} are made anew from card and seed; none are packed."
        )
        return
    folder = source_folder(card, root)
    for path in source_files(card, root, True):
        found.contents[f"data/{path.relative_to(folder).as_posix()}"] = path
    found.facts["data"]["packed"] = True


def _without(private: Sequence[str], text: str) -> str:
    """Return a sentence without folders of this computer."""
    for one in private:
        text = text.replace(one, "")
    return text


def _study_facts(study: Study, model: IntegerModel | None) -> dict[str, Any]:
    facts: dict[str, Any] = {"seed": study.manifest["seed"], "stages": sorted(study.manifest["stages"])}
    if model is not None:
        facts["model"] = {
            "sha256": model.sha256,
            "classes": list(model.classes),
            "window": model.window,
            "hop": model.hop,
            "rate_hz": model.rate_hz,
            "simulated": model.simulated,
        }
    return facts


def _pack_proofs(study: Study, model: IntegerModel | None, found: _Evidence) -> dict[str, Any]:
    """Pack the windows of each proof with the reference's answers, and board files; return facts by board."""
    facts: dict[str, Any] = {}
    for file in sorted(study.path.glob("validation/*.json")):
        proof = read_proof(file)
        name, ran_on = file.stem, str(proof["ran_on"])
        image = study.file("firmware", ran_on, "build", "firmware.elf")
        facts[name] = {
            "record": f"{STUDY}/validation/{name}.json",
            "ran_on": ran_on,
            "image": f"{STUDY}/{image.relative_to(study.path).as_posix()}" if image.is_file() else None,
            "windows": None,
            "board_files": [],
        }
        try:
            boards = [_board_of(study, one) for one in dict.fromkeys((name, ran_on))]
            facts[name]["board_files"] = [_pack_board(board, found) for board in boards]
            if model is None:
                raise UserError("the study has no integer model")
            probes = proof_windows(study, boards[0], model, int(proof["windows"])).probes
            if probes.sha256 != proof.get("windows_sha256"):
                raise UserError(
                    f"{file}: it does not tell which windows it is of, or the study keeps others now; run "
                    f"'{study.refresh(f'validate:{name}')}'"
                )
            windows = ProvenWindows.answered(model, probes)
        except UserError as error:
            found.left_out.append(f"The windows that {name} was proven on are not packed: {error}")
            continue
        member = f"proof/{name}.npz"
        found.contents[member] = windows.to_bytes()
        facts[name]["windows"] = member
    return facts


def _board_of(study: Study, name: str) -> Board:
    """Return the board that a study's firmware was generated for. Raises UserError where its file is gone."""
    try:
        board = load_board(name)
    except UserError:
        board = load_board(f"{name}.toml")
    made = study.manifest["stages"].get(f"generate:{name}", {}).get("inputs", {}).get("board")
    options = [board, *(board.with_optimize(one) for one in ("speed", "size"))]
    hashes = [sha256_text(one.model_dump_json(exclude={"flash", "energy"})) for one in options]
    if made is not None and made not in hashes:
        raise UserError(f"board {name}: its file is another one than the firmware was generated for")
    return board


def _pack_board(board: Board, found: _Evidence) -> str:
    assert board.path is not None
    member = f"boards/{board.name}.toml"
    found.contents[member] = board.path
    return member


def _pack_session(folder: Path, model: IntegerModel | None, found: _Evidence) -> None:
    """Pack the figures that a session's journals come to. Raises UserError where a journal is damaged."""
    name = folder.resolve().name
    figures = session_figures(folder)
    if figures is None:
        found.left_out.append(f"{SESSIONS}/{name} is no session of 'mcukd observe', so it has no figures.")
        return
    found.contents[f"{SESSION_FIGURES}/{name}.json"] = json_bytes(figures)
    if model is not None and figures["model_sha256"] not in ("", model.sha256):
        theirs = figures["model_sha256"][:12]
        found.changed.append(
            f"The session {name} was of model {theirs}, but the study's is {model.sha256[:12]}."
        )


def _description(study: Study, card: Card | None, model: IntegerModel | None, found: _Evidence) -> str:
    """Say in sentences what is in the archive."""
    proven = [name for name, one in found.facts["proofs"].items() if one["windows"]]
    parts = [
        f"A study of mcukd made from the data set {card.title if card else without_folders(study.card)}."
    ]
    if model is not None:
        parts.append(f"Its integer model tells {', '.join(model.classes)}.")
    if proven:
        parts.append(f"Windows that images were proven on are packed for {', '.join(sorted(proven))}.")
    if (card is not None and card.simulated) or (model is not None and model.simulated):
        parts.append("The data are simulated: they say nothing of real animals.")
    if found.facts.get("sessions"):
        parts.append(f"Field sessions: {', '.join(found.facts['sessions'])}.")
    return " ".join(parts)
