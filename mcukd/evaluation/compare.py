"""Paired comparison of two models on the same animals: difference, interval and verdict."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mcukd.data.windows import Windows
from mcukd.errors import UserError
from mcukd.evaluation.baselines.majority import MAJORITY
from mcukd.evaluation.model_names import model_in_prose
from mcukd.evaluation.predictions import Predictions
from mcukd.metrics import confusion as merit
from mcukd.metrics.bootstrap import DRAWS, LEVEL, SEED, drawn_weights, interval
from mcukd.metrics.confusion import one_answer
from mcukd.metrics.registry import METRICS
from mcukd.text import listed

#: Fewest animals on which a difference is stated without a warning: five that all agree have p = 2/32 in an
#: exact sign-flip test, and the bootstrap's interval over so few is too narrow.
LEAST_ANIMALS = 6


@dataclass(frozen=True)
class Comparison:
    """Difference of the pooled MCC of models `a` and `b` on the same windows.

    caveats: sentences about what else differs, such as the training animals.
    difference: mean over seeds of MCC(a) − MCC(b). low, high: its 95 % interval from a paired bootstrap over
    animals and seeds, None with fewer than two animals. differences: of the other metrics.
    """

    a: str
    b: str
    difference: float
    low: float | None
    high: float | None
    animals: int
    seeds: int
    differences: dict[str, float]
    caveats: tuple[str, ...] = ()

    @property
    def shown(self) -> str:
        """ "better", "worse" or "no difference shown": what the interval shows about `a`."""
        if self.low is not None and self.low > 0:
            return "better"
        return "worse" if self.high is not None and self.high < 0 else "no difference shown"

    @property
    def verdict(self) -> str:
        """What the interval shows about `a`, and whether other things than the models differ."""
        return f"{self.shown}, but not on an equal footing" if self.caveats else self.shown

    def facts(self) -> dict[str, Any]:
        """Return the comparison in JSON types, with its verdict and its sentence."""
        facts = {**asdict(self), "caveats": list(self.caveats)}
        if not self.caveats:
            del facts["caveats"]
        return {**facts, "level": LEVEL, "verdict": self.verdict, "sentence": self.sentence()}

    def sentence(self) -> str:
        """Return the comparison for people: one sentence, and one for each caveat."""
        return " ".join([self._sentence(), *self.caveats])

    def _sentence(self) -> str:
        much = f"{self.difference:+.3f}".replace("-", "−")
        a, b = _in_prose(self.a), _in_prose(self.b)
        if self.low is None or self.high is None:
            return (
                f"{a[0].upper()}{a[1:]} against {b}: pooled MCC {much} on {self.animals} animal; one "
                "animal cannot tell whether that would hold for others."
            )
        between = f"{self.low:+.3f} to {self.high:+.3f}".replace("-", "−")
        over = f"over {self.animals} animals and {self.seeds} seed{'s' if self.seeds > 1 else ''}"
        said = {
            "better": f"{a} is better than {b}",
            "worse": f"{a} is worse than {b}",
            "no difference shown": f"no difference shown between {a} and {b}",
        }[self.shown]
        if {self.a, self.b} == {"student_distilled", "student"} and self.a == "student_distilled":
            said = {
                "better": "distillation helps",
                "worse": "distillation hurts",
                "no difference shown": "no difference shown by distillation",
            }[self.shown]
        much += " (not on an equal footing)" if self.caveats else ""
        few = ""
        if self.animals < LEAST_ANIMALS and self.shown != "no difference shown":
            few = f"; fewer than {LEAST_ANIMALS} animals may agree by chance"
        return f"{said[0].upper()}{said[1:]}: pooled MCC {much}, 95 % interval {between} {over}{few}."


def _in_prose(name: str) -> str:
    """Return how a sentence names a model, which may be one of a study: "MODEL of STUDY"."""
    model, of, study = name.partition(" of ")
    return f"{model_in_prose(model)}{of}{study}"


def paired(a: NDArray[Any], b: NDArray[Any], names: tuple[str, str], draws: int = DRAWS) -> Comparison:
    """Compare confusion matrices (S, A, K, K) of two models on the same seeds, animals and windows.

    Each draw takes animals and seeds with replacement, the same for both models, so that what makes an animal
    hard for both does not count as a difference. Raises ValueError where the truth differs.
    """
    a, b = np.asarray(a, np.float64), np.asarray(b, np.float64)
    if a.shape != b.shape or not np.array_equal(a.sum(axis=-1), b.sum(axis=-1)):
        raise ValueError("the two models were not scored on the same windows")
    seeds, animals = a.shape[:2]
    weights = drawn_weights(animals, draws).astype(np.float64)
    seed_weights = drawn_weights(seeds, draws, SEED + 1) / seeds
    differences = {}
    for metric in METRICS.values():
        if metric.of_matrices is not None:
            herd = metric.of_matrices(a.sum(axis=1)) - metric.of_matrices(b.sum(axis=1))
            differences[metric.name] = float(np.mean(np.nan_to_num(herd)))
    pooled = [np.einsum("nq,sqij->nsij", weights, one, optimize=True) for one in (a, b)]
    drawn = (seed_weights * (merit.mcc(pooled[0]) - merit.mcc(pooled[1]))).sum(axis=1)
    found = interval(drawn, animals)
    low, high = found if found is not None else (None, None)
    mcc = differences.pop("mcc")
    return Comparison(*names, mcc, low, high, animals, seeds, differences)


def compare(
    a: Predictions, b: Predictions, evaluation: Windows, names: tuple[str, str] | None = None
) -> Comparison:
    """Compare two models' stored predictions on the animals and seeds they share.

    evaluation: the windows that both were scored on. names: what to call them, default their models' names.
    Raises UserError where they share no seed or animal, or were tested on different windows.
    """
    names = names or (a.model, b.model)
    seeds = sorted(set(a.seeds) & set(b.seeds))
    animals = sorted(set(a.animals(evaluation)) & set(b.animals(evaluation)))
    if not seeds:
        raise UserError(
            f"{names[0]} and {names[1]} share no seed ({listed(a.seeds)} and {listed(b.seeds)}); "
            f"evaluate both with the same --seeds."
        )
    if not animals:
        raise UserError(f"{names[0]} and {names[1]} were tested on different animals; use the same --split.")
    matrices = [one.by_animal(evaluation, animals, seeds) for one in (a, b)]
    caveats = [_learned_nothing(*one, seeds) for one in zip((a.model, b.model), names, matrices)]
    try:
        return replace(paired(matrices[0], matrices[1], names), caveats=tuple(filter(None, caveats)))
    except ValueError:
        raise UserError(
            f"{names[0]} and {names[1]} were tested on different windows of the same animals; evaluate both "
            f"on the same data and split."
        ) from None


def _learned_nothing(model: str, name: str, matrices: NDArray[Any], seeds: Sequence[int]) -> str | None:
    """Return a caveat where a model, called `name`, learned nothing with some seeds; None where it did."""
    of = [seed for seed, nothing in zip(seeds, one_answer(matrices)) if nothing]
    if not of or model == MAJORITY.name:
        return None
    said, which = _in_prose(name), f"seed{'s' if len(of) > 1 else ''} {listed(of)}"
    return (
        f"{said[0].upper()}{said[1:]} learned nothing with {which}: it gives all windows of an animal one "
        "answer."
    )
