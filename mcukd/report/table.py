"""Tables of the console: scores of models, time budgets, and validations of boards."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from mcukd.evaluation.model_names import in_order, model_title
from mcukd.harness.reached import on_hardware, where_briefly
from mcukd.metrics.metric import Metric
from mcukd.metrics.registry import METRICS
from mcukd.report.conclusion import correction_advice, correction_helps, proof_sentence, verdict
from mcukd.report.evidence import Evidence, gather
from mcukd.study import Study
from mcukd.text import between, figure, grouped, with_spread

Table = tuple[list[str], list[list[str]]]


def evaluation_rows(metrics: Mapping[str, Any]) -> Table:
    """Return columns and rows for `print_table` of every model of `metrics.json`."""
    columns = ["model"]
    for metric in METRICS.values():
        columns += [metric.short, "95 %"] if metric.shows_interval else [metric.short]
    rows = []
    for name in in_order(metrics["models"]):
        scores = metrics["models"][name]
        row = [name]
        for metric in METRICS.values():
            row.append(_cell(metric, scores))
            if metric.shows_interval:
                row.append(between(metric.interval(scores), metric.digits).replace(" to ", "–"))
        rows.append([*row, grouped(scores.get("parameters"))])
    return [*columns, "param."], rows


def short_rows(
    models: Mapping[str, Any], sizes: Mapping[str, str], title: Callable[[str], str] = str
) -> Table:
    """Return columns and rows for `print_table` of the prominent metrics of models.

    models: as in `metrics.json`. sizes: further columns, by key of a model's scores. title: names a model.
    """
    metrics = [metric for metric in METRICS.values() if metric.prominent]
    rows = [
        [
            title(model),
            *(_cell(metric, models[model]) for metric in metrics),
            *(grouped(models[model].get(key)) for key in sizes),
        ]
        for model in in_order(models)
    ]
    return ["model", *(_within_sentence(metric.title) for metric in metrics), *sizes.values()], rows


def budget_rows(metrics: Mapping[str, Any]) -> Table:
    """Return columns and rows of the time budget's error in minutes per day.

    Of models of which inner animals show that the correction helps, also the corrected error, after an arrow.
    """
    models = metrics["models"]
    classes = list(next(iter(models.values()))["per_class"]) if models else []
    rows = []
    for name in in_order(models):
        raw = models[name]["time_budget_error_min_per_day"]
        cells = [figure(raw[one], 0) for one in classes]
        if correction_helps(models[name]):
            corrected = models[name]["time_budget_corrected_error_min_per_day"]
            cells = [f"{cell} → {figure(corrected[one], 0)}" for cell, one in zip(cells, classes)]
        rows.append([name, *cells])
    return ["model", *classes], rows


def hop_rows(found: Mapping[str, Any]) -> Table:
    """Return columns and rows of what `evaluate --hop` found: windows of one behaviour, then of several."""
    rows = []
    for name in in_order(found["models"]):
        one = found["models"][name]
        mixed = one.get("mixed", {})
        rows.append(
            [
                name,
                with_spread(one["mcc"], one["mcc_sd"], 3),
                figure(one["accuracy"], 3),
                figure(mixed.get("accuracy"), 3),
                figure(mixed.get("either"), 3),
            ]
        )
    return ["model", "MCC", "accuracy", "several: most of it", "one of them"], rows


def model_rows(study: Study) -> Table:
    """Return columns and rows for `print_table`: one row per model of `metrics.json`, held-out animals."""
    evidence = gather(study)
    models = evidence.metrics["models"] if evidence.metrics else {}
    return short_rows(models, {"parameters": "parameters"}, model_title)


def board_rows(study: Study) -> Table:
    """Return columns and rows for `print_table`: one row per validated board."""
    evidence = gather(study)
    columns = ["board", "windows", "mismatches", "flash", "RAM", "per window"]
    rows = []
    for name, proof in evidence.proofs.items():
        rows.append(
            [
                name if on_hardware(proof) else f"{name} ({where_briefly(proof)})",
                grouped(proof["windows"]),
                grouped(proof["mismatches"]),
                grouped(proof["flash_bytes"]),
                grouped(proof["ram_bytes"]),
                work_per_window(proof),
            ]
        )
    return columns, rows


def work_per_window(proof: dict[str, Any]) -> str:
    """Format a validation's count of instructions (emulated) or core cycles, whichever was counted.

    Cycles of what is not known to be hardware are said to be so; a counter that stood still counted nothing.
    """
    if proof["cycles_per_window"]:
        whose = "" if on_hardware(proof) else ", not shown to be the tag's"
        return f"{grouped(proof['cycles_per_window'])} cycles{whose}"
    if proof["instructions_per_window"]:
        return f"{grouped(proof['instructions_per_window'])} instructions"
    # Earlier versions wrote 0 of a counter that stood still.
    still = 0 in (proof["cycles_per_window"], proof["instructions_per_window"])
    problem = proof.get("counter_problem") or ("stood still" if still else "")
    if not problem:
        return "not counted"
    return f"not counted: its counter {'ran too slowly' if 'slowly' in problem else 'stood still'}"


def summary(evidence: Evidence) -> dict[str, Any]:
    """Return the report's headline figures as JSON for scripts."""
    models = evidence.metrics["models"] if evidence.metrics else {}
    found = verdict(evidence)
    prominent = [metric for metric in METRICS.values() if metric.prominent]
    keys = [
        key
        for metric in prominent
        for key in ((metric.name, f"{metric.name}_sd") if metric.shows_interval else (metric.name,))
    ]
    return {
        "simulated": evidence.simulated,
        "verdict": None if found is None else found.facts(),
        "proven_on": proof_sentence(evidence),
        "time_budget_correction": correction_advice(evidence),
        "models": {name: {key: models[name].get(key) for key in keys} for name in in_order(models)},
        "boards": {
            name: {
                "emulated": not on_hardware(proof),
                **{key: proof[key] for key in ("windows", "mismatches", "retries")},
            }
            for name, proof in evidence.proofs.items()
        },
    }


def verdict_lines(evidence: Evidence) -> list[str]:
    """Return the verdict as lines of text: answer, behaviours, animals, proof, time budgets."""
    found = verdict(evidence)
    if found is None:
        return ["Nothing can be said yet: no model was scored; run 'mcukd distill'."]
    return [*found.lines(), proof_sentence(evidence), correction_advice(evidence) or ""]


def _cell(metric: Metric, scores: Mapping[str, Any]) -> str:
    """Return a metric of a model for the console: with the spread over seeds where its interval is shown."""
    value = metric.number(scores)
    spread = scores.get(f"{metric.name}_sd") if metric.shows_interval else None
    return with_spread(value, spread, metric.digits)


def _within_sentence(title: str) -> str:
    """Return a title with a small first letter, unless it is an abbreviation."""
    return title if title[:2].isupper() else title[0].lower() + title[1:]
