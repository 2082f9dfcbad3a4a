"""The verify stage: whether an archive's evidence holds, checked anew on this computer without the study."""

from __future__ import annotations

import json
import re
import tempfile
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

from mcukd import __version__
from mcukd.archive.check import (
    BROKEN,
    HOLDS,
    NOT_RUN,
    Check,
    checked,
    inside,
    open_intact,
    read_json,
    require_digest,
)
from mcukd.archive.container import Archive, Broken
from mcukd.archive.contents import LOGS, SESSIONS, STUDY, names_below
from mcukd.archive.figures import Known, check_metrics
from mcukd.archive.logs import check_log
from mcukd.archive.proof import require_stored
from mcukd.archive.sessions import check_session
from mcukd.errors import UserError
from mcukd.fixedpoint.model import ARITHMETIC_VERSION, FACTS_FILE, IntegerModel, load_model
from mcukd.metrics.registry import METRICS
from mcukd.observation.folder import FACTS as SESSION_FACTS
from mcukd.pipeline.archive import EVALUATION_WINDOWS, SESSION_FIGURES
from mcukd.pipeline.verify_proof import PackedProof
from mcukd.progress import progress
from mcukd.report.stale import stale_stages
from mcukd.study import METRICS as METRICS_FILE
from mcukd.study import Study

#: Members that are not unpacked: nothing is computed from them here.
_NOT_UNPACKED = ("data/", "environment/", "files/")
#: Proofs that are checked at a time.
_AT_ONCE = 2


def verify_archive(path: Path, sha256: str | None = None, chip: bool = True) -> dict[str, Any]:
    """Check an archive and return `holds`, a `sentence`, the file's `sha256`, and all `checks`.

    sha256: of the file, as it was published. chip: run images on the models of their chips. Nothing is
    written but below a temporary folder, and no program of the archive runs on this computer itself. Raises
    UserError for a file that is missing, no zip, or of another format.
    """
    if sha256 is not None and not re.fullmatch(r"\s*[0-9a-fA-F]{64}\s*", sha256):
        raise UserError(f"--sha256 is '{sha256}', expected 64 hexadecimal digits.")
    checks: list[Check] = []
    archive: Archive | None = None
    facts: dict[str, Any] = {}
    with progress("Reading", max(path.stat().st_size, 1) if path.is_file() else 1) as advance:
        try:
            archive, facts = open_intact(path, advance)
            files = f"all {len(archive.members):,} files are there, no others, and have their SHA-256"
            checks.append(Check("files", HOLDS, files))
        except Broken as error:
            checks.append(Check("files", BROKEN, str(error)))
    if archive is not None:
        intact = archive
        if sha256 is not None:
            published = sha256
            checks.append(checked("SHA-256", lambda: require_digest(intact, published)))
        with tempfile.TemporaryDirectory(prefix="mcukd-verify-") as name:
            folder = Path(name).resolve()
            archive.unpack(folder, (one for one in archive.members if not one.startswith(_NOT_UNPACKED)))
            made = _Unpacked(archive, facts, folder, chip).checks()
            checks += [replace(one, detail=one.detail.replace(f"{folder}/", "")) for one in made]
    return {
        "file": str(path),
        "holds": all(one.state != BROKEN for one in checks),
        "sentence": sentence_of(checks),
        "sha256": archive.sha256 if archive else None,
        "name": facts.get("name"),
        "description": facts.get("description"),
        "packed_by": facts.get("mcukd"),
        "checked_by": __version__,
        "left_out": _sentences(facts.get("left_out")),
        "checks": [one.facts() for one in checks],
    }


def sentence_of(checks: Sequence[Check]) -> str:
    """Say in one sentence whether the evidence holds, and if not, where it breaks."""
    broken = [one for one in checks if one.state == BROKEN]
    if broken:
        more = f", and at {len(broken) - 1} further places" if len(broken) > 1 else ""
        return f"The evidence does not hold: it breaks at {broken[0].what}, where {broken[0].detail}{more}."
    left = [one.what for one in checks if one.state == NOT_RUN]
    if left:
        return f"The evidence holds as far as it was checked; not checked: {', '.join(left)}."
    return "The evidence holds."


def _sentences(told: Any) -> list[str]:
    """Return what an archive tells in sentences; of anything else, nothing."""
    return [one for one in told if isinstance(one, str)] if isinstance(told, list) else []


class _Unpacked:
    """An archive that is intact, unpacked in a folder, and the checks of what is in it."""

    def __init__(self, archive: Archive, facts: dict[str, Any], folder: Path, chip: bool) -> None:
        self._archive, self._facts, self._folder, self._chip = archive, facts, folder, chip
        self._study: Study | None = None
        self._model: IntegerModel | None = None

    def checks(self) -> list[Check]:
        """Return all checks in their order."""
        found = [checked("study", self._check_study)]
        if self._study is None:
            return found
        if self._study.file(FACTS_FILE).is_file():
            found.append(self._check_model())
        proofs = self._facts.get("proofs")
        proofs = proofs if isinstance(proofs, dict) else {}
        study, names = self._study, sorted(file.stem for file in self._study.path.glob("validation/*.json"))

        def of_proof(name: str) -> list[Check]:
            facts = proofs.get(name)
            return self._checks_of_proof(study, name, facts if isinstance(facts, dict) else {})

        # The images run in programs of their own.
        with ThreadPoolExecutor(_AT_ONCE) as pool:
            for made in pool.map(of_proof, names):
                found += made
        if self._study.file(METRICS_FILE).is_file():
            found.append(checked("figures", self._check_figures))
        found += [self._check_session(name) for name in self._sessions()]
        logs = self._facts.get("logs")
        for name, figures in sorted(logs.items()) if isinstance(logs, dict) else ():
            found.append(self._check_log(str(name), figures))
        return found

    def _check_study(self) -> str:
        for name in self._archive.members:
            if name.endswith(".npz") and name.startswith(f"{STUDY}/"):
                require_stored((self._folder / name).read_bytes(), name)
        study = Study.open(self._folder / STUDY)
        for record in study.manifest["stages"].values():
            for one in (*record["outputs"], *record["inputs"]):
                inside(one)
        if stale := stale_stages(study):
            raise Broken(f"stage '{stale[0].stage}' does not belong to the others: {stale[0].reason}")
        report = study.manifest["stages"].get("report", {}).get("outputs", {})
        for name, digest in report.items():
            member = self._archive.members.get(f"{STUDY}/{name}")
            if member is None or member.sha256 != digest:
                raise Broken(f"{name} is not the one that the stage 'report' wrote")
        self._study = study
        return f"the files of {len(study.manifest['stages'])} stages belong together"

    def _check_model(self) -> Check:
        assert self._study is not None
        try:
            made = json.loads(self._study.file(FACTS_FILE).read_text(encoding="utf-8")).get("arithmetic")
        except (ValueError, AttributeError, RecursionError):
            made = ARITHMETIC_VERSION
        if made != ARITHMETIC_VERSION:
            return Check(
                "model",
                NOT_RUN,
                f"it is made for arithmetic version {made}, this mcukd computes version {ARITHMETIC_VERSION}",
            )
        return checked("model", self._load_model)

    def _load_model(self) -> str:
        assert self._study is not None
        model = load_model(self._study.path)
        said = (self._facts.get("study") or {}).get("model") or {}
        if said.get("sha256") != model.sha256:
            raise Broken(
                f"the model is {model.sha256[:12]}, but model {str(said.get('sha256'))[:12]} was packed"
            )
        self._model = model
        return f"the integer model is {model.sha256[:12]}, as packed"

    def _checks_of_proof(self, study: Study, name: str, facts: dict[str, Any]) -> list[Check]:
        proof = PackedProof(self._folder, name, facts, study, self._model)
        found = [checked(f"record of {name}", proof.check_record)]
        if facts.get("windows") is None or self._model is None:
            return [*found, Check(f"reference of {name}", NOT_RUN, "its windows are not packed")]
        found.append(checked(f"reference of {name}", proof.check_reference))
        reason = proof.cannot_run() if self._chip else "--no-chip asks for it"
        if reason is not None:
            return [*found, Check(f"image of {name}", NOT_RUN, reason)]
        return [*found, checked(f"image of {name}", proof.check_image)]

    def _check_figures(self) -> str:
        assert self._study is not None
        evaluation = None
        if EVALUATION_WINDOWS in self._archive.members:
            evaluation = self._archive.read(EVALUATION_WINDOWS, 1 << 32)
        listed = self._facts.get("metrics")
        theirs = set(map(str, listed)) if isinstance(listed, list) else set()
        known = Known(frozenset(theirs - set(METRICS)), self._same_version)
        return check_metrics(self._study.path, evaluation, known)

    def _sessions(self) -> list[str]:
        """Return the names of the sessions that are there, and of those that should be."""
        told = self._facts.get("sessions")
        names = set(map(str, told)) if isinstance(told, list) else set()
        figures = {Path(one).stem for one in self._archive.members if one.startswith(f"{SESSION_FIGURES}/")}
        return sorted(names | figures | set(names_below(self._archive.members, SESSIONS)))

    def _check_session(self, name: str) -> Check:
        what, member = f"session {name}", f"{SESSION_FIGURES}/{name}.json"
        folder = self._folder / SESSIONS / name
        there = name in names_below(self._archive.members, SESSIONS)
        if there and member not in self._archive.members and not (folder / SESSION_FACTS).is_file():
            return Check(what, NOT_RUN, "it is no session of 'mcukd observe'")
        model = self._model.sha256 if self._model else None
        # Clocks are fitted in floats, and their facts rounded to a millionth.
        known = Known(strict=self._same_version, tolerance=2e-6)
        return checked(
            what, lambda: check_session(folder, read_json(self._archive, inside(member)), model, known)
        )

    def _check_log(self, name: str, figures: Any) -> Check:
        if figures is None:
            return Check(f"log {name}", NOT_RUN, "it is no log of a tag, so that it has no figures")
        model = self._model.sha256 if self._model else None
        return checked(f"log {name}", lambda: check_log(self._folder / LOGS / inside(name), figures, model))

    @property
    def _same_version(self) -> bool:
        return bool(self._facts.get("mcukd") == __version__)
