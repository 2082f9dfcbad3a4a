"""Reader and writer of `metrics.json`: the scores of a study's models, and findings about them."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from mcukd.errors import UserError
from mcukd.files import write_json

#: What `metrics.json` always holds. Other keys are findings about the same data, split and seeds.
HEADER = ("data", "split", "seeds")
#: What a model's `scored_on` says.
NEVER_SEEN = "held-out animals: each fold's models never saw the animals they are scored on"
TRANSDUCTIVE = (
    "held-out animals: each fold's models never saw their labels, but learned from their recordings without "
    "labels (transductive)"
)
#: What a model's `state` says where it is not zero at the start of each window.
CARRIED = "carried from the start of each recording"
SEEN = "held-out windows of animals the models were trained on: flatters, for comparison only"


def update_metrics(
    path: Path, *, data: Any, split: str, seeds: Sequence[int], models: Mapping[str, Mapping[str, Any]]
) -> dict[str, Any]:
    """Put the scores of `models` into `metrics.json` at `path`, in one step, and return its content.

    Scores of other models stay, unless they were made from other data, another split or other seeds:
    those would not be comparable and are dropped. So are findings that were drawn from models that have
    changed since (`add_findings`). Raises UserError where the file is no metrics file.
    """
    header = json.loads(json.dumps(dict(zip(HEADER, (data, split, list(seeds))))))
    kept: dict[str, Any] = {}
    findings: dict[str, Any] = {}
    given = json.loads(json.dumps({name: dict(values) for name, values in models.items()}, allow_nan=False))
    if path.exists():
        content = load_metrics(path)
        if all(content[key] == value for key, value in header.items()):
            kept = content["models"]
            if all(name not in kept or _same_scores(kept[name], values) for name, values in given.items()):
                findings = {key: content[key] for key in content if key not in (*HEADER, "models")}
                given = {name: {**kept.get(name, {}), **values} for name, values in given.items()}
    content = {**header, "models": {**kept, **given}, **findings}
    write_json(path, content)
    return content


def is_transductive(metrics: Mapping[str, Any]) -> bool:
    """Tell whether students learned from recordings, without labels, of the animals they are scored on."""
    return any(one.get("scored_on") == TRANSDUCTIVE for one in metrics["models"].values())


def add_findings(path: Path, models: Mapping[str, Mapping[str, Any]], **findings: Any) -> dict[str, Any]:
    """Add keys to models of `metrics.json`, and findings beside them, and return the whole content.

    Findings that are None are taken out. Raises UserError where the file is no metrics file.
    """
    content = load_metrics(path)
    for name, values in models.items():
        content["models"][name].update(values)
    content.update(findings)
    content = {key: value for key, value in content.items() if value is not None}
    write_json(path, content)
    return content


def load_metrics(path: Path) -> dict[str, Any]:
    """Read `metrics.json`. Raises UserError where it is missing or not what `update_metrics` writes."""
    remedy = "run 'mcukd distill' to make it anew"
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        for key, kind in (("data", object), ("split", str), ("seeds", list), ("models", dict)):
            if not isinstance(content[key], kind):
                raise TypeError(f"'{key}' is a {type(content[key]).__name__}, expected a {kind.__name__}")
    except FileNotFoundError as error:
        raise UserError(f"{path}: no such file; {remedy}.") from error
    except KeyError as error:
        raise UserError(f"{path}: not a metrics file, key {error} is missing; {remedy}.") from error
    except (ValueError, TypeError) as error:
        raise UserError(f"{path}: not a metrics file ({error}); {remedy}.") from error
    return dict(content)


def _same_scores(earlier: Mapping[str, Any], later: Mapping[str, Any]) -> bool:
    return earlier.get("mcc_by_seed") == later.get("mcc_by_seed") and earlier.get("confusion") == later.get(
        "confusion"
    )
