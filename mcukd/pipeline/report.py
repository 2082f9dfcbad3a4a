"""The report stage: one self-contained HTML page from the files of a study."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Optional

from mcukd import __version__
from mcukd.drawing import STYLE_FOLDER
from mcukd.errors import UserError
from mcukd.evaluation.model_names import in_order, model_title
from mcukd.files import sha256_file, sha256_text, write_text
from mcukd.fixedpoint.ranges import sentences
from mcukd.harness.reached import where_briefly, where_it_ran
from mcukd.metrics.registry import METRICS
from mcukd.pipeline.ranges import read_ranges
from mcukd.report.conclusion import (
    COSTLY,
    correction_advice,
    correction_helps,
    integer_loss,
    loss_sentence,
    proof_sentence,
    scale_sentences,
    verdict,
)
from mcukd.report.evidence import Evidence, gather
from mcukd.report.ranges_figure import ranges_figure
from mcukd.report.table import work_per_window
from mcukd.report.tensors import in_computation_order
from mcukd.report.trust import ANIMALS, GOOD, POOR, WINDOWS
from mcukd.report.verdict import baseline_sentence
from mcukd.robustness.figure import robustness_figure
from mcukd.robustness.text import sentences as robustness_sentences
from mcukd.study import Study
from mcukd.text import between, figure, grouped, number, of_limit, signed, with_spread

TEMPLATES = Path(__file__).resolve().parents[1] / "report"
TEMPLATE = "page.html.j2"
REPORT = "report.html"


def report_study(study: Study, out: Optional[Path] = None) -> Path:
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
    write_text(path, render(evidence))
    if out is None:
        study.finish("report", inputs=inputs, options={}, outputs=[path])
    return path


def render(evidence: Evidence) -> str:
    """Return the page as HTML."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    from mcukd.report.figures import animals_figure, budget_figure, formats_figure, reliability_figure

    environment = Environment(
        loader=FileSystemLoader([TEMPLATES, STYLE_FOLDER]),
        undefined=StrictUndefined,
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(
        between=between,
        corrected_well=correction_helps,
        figure=figure,
        grouped=grouped,
        model_title=model_title,
        sentence=_sentence,
        signed=signed,
    )
    models = evidence.metrics["models"] if evidence.metrics else {}
    classes = _classes(evidence, models)
    ranges = read_ranges(evidence.study, evidence.model) if evidence.model else None
    loss = integer_loss(evidence)
    costly = loss is not None and loss > COSTLY
    template = environment.get_template(TEMPLATE)
    return template.render(
        e=evidence,
        models={name: models[name] for name in in_order(models)},
        columns=list(METRICS.values()),
        classes=classes,
        deployed=evidence.deployed,
        trust=verdict(evidence),
        proven=proof_sentence(evidence),
        limits={"GOOD": GOOD, "POOR": POOR, "ANIMALS": ANIMALS, "WINDOWS": WINDOWS},
        advice=correction_advice(evidence),
        scales=scale_sentences(evidence),
        clipping_costs=costly,
        loss=loss_sentence(loss),
        animals=_animals(models),
        formats=_formats(evidence),
        saturation=sentences(ranges) if ranges else [],
        losses=robustness_sentences(evidence.robustness) if evidence.robustness else [],
        options={
            stage: record["options"] for stage, record in sorted(evidence.study.manifest["stages"].items())
        },
        versions=evidence.study.manifest.get("versions", {}),
        command=lambda stage: evidence.study.refresh(stage).replace(str(evidence.study.path), "DIR"),
        figures={
            "animals": animals_figure(models),
            "budget": budget_figure(models, classes),
            "reliability": reliability_figure(models),
            "formats": formats_figure(evidence.model.observed_formats, costly) if evidence.model else None,
            "ranges": ranges_figure(ranges["tensors"], costly) if ranges else None,
            "robustness": robustness_figure(evidence.robustness, models) if evidence.robustness else None,
        },
        with_spread=with_spread,
        baseline_wins=baseline_sentence(evidence.metrics) if evidence.metrics else None,
        of_limit=of_limit,
        work_per_window=work_per_window,
        where_it_ran=where_it_ran,
        where_briefly=where_briefly,
        tool_version=__version__,
    )


def _classes(evidence: Evidence, models: dict[str, Any]) -> list[str]:
    if evidence.model:
        return list(evidence.model.classes)
    for scores in models.values():
        return list(scores["per_class"])
    return list(evidence.card.classes) if evidence.card else []


def _animals(models: dict[str, Any]) -> dict[str, int]:
    """Return the evaluated animals and how many windows of each."""
    for scores in models.values():
        return {animal: one["windows"] for animal, one in sorted(scores["per_animal"].items())}
    return {}


def _formats(evidence: Evidence) -> list[dict[str, Any]]:
    formats = evidence.model.observed_formats if evidence.model else {}
    return [
        {
            "name": name,
            "kind": formats[name].kind,
            "bits": formats[name].bits,
            "q": str(formats[name].q).replace("-", "−"),
            "fractional_length": formats[name].fractional_length,
            "step": number(formats[name].q.step),
            "observed": f"{number(formats[name].observed_min)} to {number(formats[name].observed_max)}",
            "representable": " to ".join(map(number, formats[name].q.range)),
            "saturations": formats[name].saturations,
        }
        for name in in_computation_order(formats)
    ]


def _page_identity() -> str:
    """Hash the page's own sources, so that a new version of the tool makes the page anew."""
    sources = [file for suffix in ("j2", "css", "py") for file in sorted(TEMPLATES.glob(f"*.{suffix}"))]
    sources += [Path(__file__).resolve(), STYLE_FOLDER / "drawing.py", STYLE_FOLDER / "style.css"]
    return sha256_text(" ".join(sha256_file(file) for file in sources))


def _study_identity(study: Study) -> str:
    """Hash what the page shows of the manifest, which the report stage itself writes to."""
    stages = {
        name: record["options"] for name, record in study.manifest["stages"].items() if name != "report"
    }
    facts = [study.card, study.manifest.get("seed"), study.manifest.get("versions"), sorted(stages.items())]
    return sha256_text(repr(facts))


def _sentence(text: str) -> str:
    text = text.strip()
    return text if not text or text.endswith((".", "!", "?")) else text + "."
