"""The page of a study as one self-contained HTML file, from what `evidence` gathered."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from mcukd import __version__
from mcukd.distillation.config import DistillConfig
from mcukd.drawing import STYLE_FOLDER
from mcukd.energy import text as energy_text
from mcukd.evaluation.model_names import in_order, model_title
from mcukd.fixedpoint.ranges import sentences
from mcukd.harness.reached import where_briefly, where_it_ran
from mcukd.metrics.metrics_file import is_transductive
from mcukd.metrics.registry import METRICS
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
from mcukd.report.evidence import Evidence
from mcukd.report.figures import animals_figure, budget_figure, formats_figure, reliability_figure
from mcukd.report.findings import baseline_sentence
from mcukd.report.ranges_figure import ranges_figure
from mcukd.report.table import work_per_window
from mcukd.report.tensors import in_computation_order
from mcukd.report.trust import ANIMALS, GOOD, POOR, WINDOWS
from mcukd.robustness.figure import robustness_figure
from mcukd.robustness.text import sentences as robustness_sentences
from mcukd.text import between, figure, grouped, number, of_limit, signed, with_spread

TEMPLATES = Path(__file__).resolve().parent
TEMPLATE = "page.html.j2"


def render(evidence: Evidence, ranges: dict[str, Any] | None) -> str:
    """Return the page as HTML. ranges: content of `ranges.json`, None where it is not of this model."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

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
    trained = DistillConfig.of(evidence.study.options("distill") or evidence.study.options("evaluate"))
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
        transductive=evidence.metrics is not None and is_transductive(evidence.metrics),
        labelled=trained.labelled,
        learned=trained.learned_from(distilled=True) if trained.labelled or trained.unlabelled else "",
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
        energy=energy_text,
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


def _sentence(text: str) -> str:
    text = text.strip()
    return text if not text or text.endswith((".", "!", "?")) else text + "."


def sources() -> list[Path]:
    """Return the files that decide what the page looks like."""
    files = [file for suffix in ("j2", "css", "py") for file in sorted(TEMPLATES.glob(f"*.{suffix}"))]
    return [*files, STYLE_FOLDER / "drawing.py", STYLE_FOLDER / "style.css"]
