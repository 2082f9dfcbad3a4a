"""The report stage: writes the page of a study and records what it was made from."""

from __future__ import annotations

from pathlib import Path

from mcukd.errors import UserError
from mcukd.files import sha256_file, sha256_text, write_text
from mcukd.pipeline.ranges import read_ranges
from mcukd.report.evidence import gather
from mcukd.report.page import render, sources
from mcukd.study import Study

REPORT = "report.html"


def report_study(study: Study, out: Path | None = None) -> Path:
    """Write the page of a study to `out` (default `report.html` in the study) and return its path.

    The page needs no other file and bears no date: the same study gives the same bytes. Sections whose
    artefacts are not there yet name the command that makes them. Does nothing where nothing changed.
    Raises UserError where a stage is stale or a file damaged.
    """
    path = out or study.file(REPORT)
    if path.is_dir():
        raise UserError(f"--out {path}: is a directory, expected the name of an HTML file; add one to it.")
    evidence = gather(study)
    inputs = {**study.inputs(*evidence.files), "page": _page_identity(), "study": _study_identity(study)}
    if out is None and study.is_current("report", inputs, {}):
        return path
    ranges = read_ranges(study, evidence.model) if evidence.model else None
    write_text(path, render(evidence, ranges))
    if out is None:
        study.finish("report", inputs=inputs, options={}, outputs=[path])
    return path


def _page_identity() -> str:
    """Hash the page's own sources, so that a new version of the tool makes the page anew."""
    return sha256_text(" ".join(sha256_file(file) for file in sources()))


def _study_identity(study: Study) -> str:
    """Hash what the page shows of the manifest, which the report stage itself writes to."""
    stages = {
        name: record["options"] for name, record in study.manifest["stages"].items() if name != "report"
    }
    facts = [study.card, study.manifest.get("seed"), study.manifest.get("versions"), sorted(stages.items())]
    return sha256_text(repr(facts))
