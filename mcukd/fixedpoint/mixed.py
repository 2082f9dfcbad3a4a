"""Mixed precision: search for the widths with the least flash at a given loss of MCC, and the Pareto front.

A family lists the widths that a device can mix (`families.MixedWidths`), few enough to try them all. Every
candidate is scored on windows of the student's own training animals; held-out animals decide nothing.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mcukd.data.windows import Windows
from mcukd.errors import UserError
from mcukd.files import replacing
from mcukd.fixedpoint.config import QuantizeConfig
from mcukd.fixedpoint.families import MixedWidths, integer_form
from mcukd.fixedpoint.gates import GATE_TABLES
from mcukd.fixedpoint.model import IntegerModel
from mcukd.fixedpoint.quantize import quantize
from mcukd.metrics.confusion import confusion_matrix, pooled_mcc
from mcukd.models.families import Weights

PARETO, PARETO_FIGURE = "pareto.json", "pareto.png"
DEFAULT_DROP = 0.005

#: Turns a model and counts (N, T, C) into predicted classes (N,).
Runner = Callable[[IntegerModel, NDArray[np.int16]], NDArray[np.int64]]


@dataclass(frozen=True)
class Objective:
    """Objective of a search: the best MCC within `budget_flash` bytes, or the least flash at `max_mcc_drop`.

    With both, the least flash within the budget that loses at most that much MCC; with neither, the least
    flash that loses at most .005. Raises UserError for objectives that nothing can meet.
    """

    budget_flash: int | None = None
    max_mcc_drop: float | None = None

    def __post_init__(self) -> None:
        if self.budget_flash is not None and self.budget_flash < 1:
            raise UserError(f"--budget-flash is {self.budget_flash} bytes, expected at least 1.")
        if self.max_mcc_drop is not None and not 0 <= self.max_mcc_drop <= 2:
            raise UserError(f"--max-mcc-drop is {self.max_mcc_drop:g}, expected 0 to 2, such as 0.005.")

    @property
    def drop(self) -> float | None:
        """The largest drop allowed; None where only the budget counts."""
        if self.max_mcc_drop is None and self.budget_flash is None:
            return DEFAULT_DROP
        return self.max_mcc_drop

    def options(self) -> dict[str, Any]:
        """Return the objective in JSON types."""
        return {"budget_flash": self.budget_flash, "max_mcc_drop": self.drop}


@dataclass(frozen=True)
class Candidate:
    """One candidate: widths, bytes of weights, biases and gate table, and MCC on calibration animals."""

    config: QuantizeConfig
    flash_bytes: int
    mcc: float

    def facts(self) -> dict[str, Any]:
        """Return it in JSON types."""
        return {**self.config.options(), "flash_bytes": self.flash_bytes, "mcc": self.mcc}


@dataclass(frozen=True)
class Search:
    """Result of a search: candidates by flash, the float student's MCC on the same windows, the choice."""

    candidates: tuple[Candidate, ...]
    float_mcc: float
    chosen: Candidate

    @property
    def front(self) -> tuple[Candidate, ...]:
        """The Pareto front, by flash: candidates with a larger MCC than all that take as little flash."""
        best, front = -np.inf, []
        for candidate in sorted(self.candidates, key=lambda c: (c.flash_bytes, -c.mcc)):
            if candidate.mcc > best:
                front.append(candidate)
                best = candidate.mcc
        return tuple(front)

    def facts(self) -> dict[str, Any]:
        """Return everything in JSON types."""
        front = self.front
        return {
            "float_mcc": self.float_mcc,
            "candidates": [
                {**c.facts(), "mcc_drop": self.float_mcc - c.mcc, "on_front": c in front}
                for c in self.candidates
            ],
            "chosen": self.chosen.facts(),
        }


def parse_bytes(text: str) -> int:
    """Read a size such as `3KB`, `2.5 kB`, `3072` or `3072B`; 1 KB is 1024 bytes.

    Raises UserError for anything else.
    """
    match = re.fullmatch(r"(\d+(?:\.\d+)?)\s*(k?i?b)?", text.strip(), re.IGNORECASE)
    size = 0
    if match and (match.group(2) or "").lower() in ("", "b", "kb", "kib"):
        size = int(float(match.group(1)) * (1024 if (match.group(2) or "b").lower()[0] == "k" else 1))
    if size < 1:
        raise UserError(
            f"--budget-flash is '{text}', expected a size in bytes or kilobytes, such as 3KB or 3072."
        )
    return size


def mixed_widths(family: str) -> MixedWidths:
    """Return how the widths of a family can be mixed. Raises ValueError where they cannot."""
    mixed = integer_form(family).mixed
    if mixed is None:
        raise ValueError(f"students of the family {family} have no widths to mix")
    return mixed


def search(
    weights: Weights,
    calibration: Windows,
    validation: Windows,
    objective: Objective,
    tried: Sequence[QuantizeConfig],
    runner: Runner,
    operation_hop: int,
    best_effort: bool = False,
    advance: Callable[[int], None] = lambda candidates: None,
) -> Search:
    """Quantize a student with all widths of `tried`, score each on `validation`, and choose by the objective.

    calibration: training windows, for formats and rounding. validation: windows of the training animals; the
    caller passes no held-out one. advance: called with 1 after each candidate.
    Raises UserError where nothing meets the objective; with `best_effort` the candidate nearest to it is
    chosen, but none is over the budget even then.
    """
    found = []
    for config in tried:
        model = quantize(weights, calibration, config, operation_hop)
        mcc = _mcc(validation, runner(model, validation.counts))
        found.append(Candidate(config, model.weight_bytes + model.table_bytes, mcc))
        advance(1)
    found.sort(key=lambda c: (c.flash_bytes, -c.mcc))
    float_mcc = _mcc(validation, np.argmax(weights.logits(validation.counts), axis=1))
    return Search(tuple(found), float_mcc, choose(found, float_mcc, objective, best_effort))


def choose(
    found: Sequence[Candidate], float_mcc: float, objective: Objective, best_effort: bool = False
) -> Candidate:
    """Return the candidate that an objective asks for; see `search`."""
    budget, drop = objective.budget_flash, objective.drop
    affordable = [c for c in found if budget is None or c.flash_bytes <= budget]
    if not affordable:
        raise _over_budget(objective, min(c.flash_bytes for c in found))
    best = max(affordable, key=lambda c: (c.mcc, -c.flash_bytes))
    if drop is None:
        return best
    close = [c for c in affordable if float_mcc - c.mcc <= drop]
    if not close and not best_effort:
        within = "" if budget is None else f" within {budget} bytes"
        raise UserError(
            f"--max-mcc-drop allows a loss of {drop:g}, but the best widths{within} lose "
            f"{float_mcc - best.mcc:.4f} (MCC {best.mcc:.4f}, float {float_mcc:.4f}, on calibration "
            f"animals); allow more, or more flash."
        )
    return min(close, key=lambda c: (c.flash_bytes, -c.mcc)) if close else best


def check_budget(objective: Objective, tried: Sequence[QuantizeConfig], students: Iterable[Weights]) -> None:
    """Raise UserError where no widths of `tried` fit the objective's budget, whatever the weights."""
    if objective.budget_flash is None:
        return
    for weights in students:
        least = min(mixed_widths(weights.family).flash_bytes(weights, config) for config in tried)
        if least > objective.budget_flash:
            raise _over_budget(objective, least)


def _over_budget(objective: Objective, least: int) -> UserError:
    return UserError(
        f"--budget-flash allows {objective.budget_flash} bytes, but the smallest model takes {least} bytes "
        "of weights and gate table; allow that, or distil a student with fewer --gru-units."
    )


def draw_pareto(found: Search, path: Path, title: str) -> None:
    """Draw all candidates and the Pareto front, MCC against flash, as a PNG file."""
    from matplotlib.figure import Figure

    from mcukd.drawing import COLOURS, INK, LINE, MUTED

    figure = Figure(figsize=(6.4, 4.0), dpi=150, layout="constrained")
    axes = figure.add_subplot()
    for spine in ("top", "right"):
        axes.spines[spine].set_visible(False)
    axes.grid(color=LINE, linewidth=0.6)
    axes.axhline(found.float_mcc, color=MUTED, linewidth=1, linestyle="--")
    axes.annotate(
        "float student", (0.01, found.float_mcc), xycoords=("axes fraction", "data"), xytext=(0, 3),
        textcoords="offset points", ha="left", color=MUTED, fontsize=8,
    )  # fmt: skip
    for kind, marker, colour in zip(GATE_TABLES, ("o", "s"), (COLOURS[2], COLOURS[1])):
        own = [c for c in found.candidates if c.config.gates == kind]
        if own:
            axes.plot(
                [c.flash_bytes for c in own], [c.mcc for c in own], marker, color=colour, markersize=5,
                label=f"{kind} gate table",
            )  # fmt: skip
    front = found.front
    axes.step(
        [c.flash_bytes for c in front], [c.mcc for c in front], where="post", color=COLOURS[3],
        label="Pareto front",
    )  # fmt: skip
    for candidate in front:
        axes.annotate(
            f"{candidate.config.bits}/{candidate.config.widths.head}",
            (candidate.flash_bytes, candidate.mcc), xytext=(4, -10), textcoords="offset points", fontsize=8,
            color=INK,
        )  # fmt: skip
    axes.plot(
        found.chosen.flash_bytes, found.chosen.mcc, "o", markersize=12, fillstyle="none", color=COLOURS[4],
        label="chosen",
    )  # fmt: skip
    axes.set_xlabel("bytes of weights, biases and gate table")
    axes.set_ylabel("MCC on calibration animals")
    axes.set_title(f"{title}: bits of recurrent weights / head", fontsize=10, loc="left", color=INK)
    axes.legend(frameon=False, fontsize=8, loc="lower right")
    with replacing(path) as temporary:
        figure.savefig(temporary, metadata={"Software": None})


def read_search(path: Path) -> dict[str, Any]:
    """Read `pareto.json` of a study. Raises UserError where it is missing or damaged."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        return {key: content[key] for key in ("float_mcc", "candidates", "chosen")}
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UserError(
            f"{path}: missing or damaged ({error}); run 'mcukd quantize --bits auto' to make it anew."
        ) from error


def _mcc(validation: Windows, predictions: NDArray[np.int64]) -> float:
    return pooled_mcc(confusion_matrix(validation.labels, predictions, len(validation.classes)))
