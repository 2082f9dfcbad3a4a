"""Record of a study's robustness scores, and which of them are still valid."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from mcukd.robustness.perturbations import PERTURBATIONS, Perturbation
from mcukd.robustness.text import AUGMENTED, title_of
from mcukd.study import Study
from mcukd.text import listed

ROBUSTNESS = "robustness.json"


@dataclass
class Record:
    """Scores by perturbation and model, as in `robustness.json`, and the identity of each model scored.

    content: `undisturbed`, `disturbances` and what stands beside them. identities: a hash by model of all
    that decides its scores.
    """

    content: dict[str, Any]
    identities: dict[str, str]

    @classmethod
    def read(cls, study: Study) -> tuple[Record, list[str]]:
        """Read what a study has, and say what of it cannot be added to and is dropped.

        Empty where nothing was scored, by an earlier version, or where the file was changed since.
        """
        made = study.manifest["stages"].get("robustness")
        empty = cls({"undisturbed": {}, "disturbances": {}}, {})
        if made is None:
            return empty, []
        tried = listed(made["options"].get("disturbances", ()))
        if not study.is_current("robustness", made["inputs"], made["options"]):
            return empty, [f"Dropped the earlier scores ({tried}): {ROBUSTNESS} or its figure was changed."]
        content = json.loads(study.file(ROBUSTNESS).read_text(encoding="utf-8"))
        if "identities" not in content:
            return empty, [f"Dropped the earlier scores ({tried}): they are of an earlier version of mcukd."]
        return cls(content, content.pop("identities")), []

    def stored(self) -> dict[str, Any]:
        """Return the content of `robustness.json`."""
        return {**self.content, "identities": self.identities}

    def drop_others(self, known: Mapping[str, str]) -> list[str]:
        """Drop the scores of models that are not those of today, and return sentences that say so.

        known: identities by model of those there are today. An augmented student, which is another study's,
        keeps its scores as long as none is given and the study's own students are the same.
        """
        own = [name for name in known if name in self.identities]
        renewed = [name for name in own if self.identities[name] != known[name]]
        # An integer model of other widths has another name; it is not shipped any more.
        gone = [name for name in self.identities if name not in known and not _kept_aside(name)]
        floats = [name for name in renewed if name.startswith("student") and not _kept_aside(name)]
        lost = list(self.identities) if floats else [*renewed, *gone]
        if not lost:
            return []
        for name in lost:
            self.identities.pop(name, None)
            self.content["undisturbed"].pop(name, None)
            for one in self.content["disturbances"].values():
                one["models"].pop(name, None)
        tried = list(self.content["disturbances"])
        self.content["disturbances"] = {
            name: one for name, one in self.content["disturbances"].items() if one["models"]
        }
        why = (
            "the students, their data or the perturbations have changed since"
            if floats
            else "the study ships another integer model now, or another study is given"
        )
        return [f"Dropped the earlier scores of {listed(map(title_of, lost))} ({listed(tried)}): {why}."]

    def missing(self, wanted: Iterable[str], tried: Sequence[Perturbation]) -> dict[str, list[Perturbation]]:
        """Return by model which of these perturbations it was not scored on yet, if there are any."""
        there = self.content["disturbances"]
        found = {
            model: [one for one in tried if model not in there.get(one.name, {}).get("models", {})]
            for model in wanted
        }
        return {model: left for model, left in found.items() if left}

    def add(self, measured: Mapping[str, Any]) -> None:
        """Add what `measure` found, and put perturbations in the usual order."""
        self.content["undisturbed"].update(measured["undisturbed"])
        there = self.content["disturbances"]
        for name, one in measured["disturbances"].items():
            models = {**there.get(name, {}).get("models", {}), **one["models"]}
            there[name] = {**one, "models": models}
        order = list(PERTURBATIONS)
        self.content["disturbances"] = {name: there[name] for name in sorted(there, key=order.index)}


def grouped_work(missing: Mapping[str, Sequence[Perturbation]]) -> list[tuple[list[str], list[Perturbation]]]:
    """Return models and perturbations to score, models that lack the same ones together."""
    groups: dict[tuple[str, ...], list[str]] = {}
    for model, left in missing.items():
        groups.setdefault(tuple(one.name for one in left), []).append(model)
    return [(models, list(missing[models[0]])) for models in groups.values()]


def _kept_aside(name: str) -> bool:
    """Tell whether a model's scores are kept though it is not asked for: that of another study."""
    return name == AUGMENTED
