"""Description of a model for a package's README and metadata: what it is, what it takes, its scores."""

from __future__ import annotations

import re
from dataclasses import dataclass

from mcukd.fixedpoint.model import IntegerModel
from mcukd.fixedpoint.refusal import LIMITS, MARGINS, MEANS, WHITENING
from mcukd.text import listed

SIMULATED = "SIMULATED"
_MARKS = re.compile(r"([\\`*_\[\]<>|#&~$])")
#: More class names than this in one sentence are counted instead.
_MOST_NAMES = 8


@dataclass(frozen=True)
class DataFacts:
    """The data set that a model was trained on. axes: names and meanings. range_g: of the sensor."""

    title: str
    licence: str
    citation: str
    axes: tuple[tuple[str, str], ...]
    range_g: float


@dataclass(frozen=True)
class ScoreFacts:
    """How a model was scored. model: which form. overall: metrics and their values. split, seeds, animals: on
    what, in words.

    headline, points, remarks: the verdict, in sentences. behaviours: name, recall, precision and number of
    windows of each.
    """

    model: str
    overall: tuple[tuple[str, str], ...]
    split: str
    seeds: str
    animals: str
    headline: str
    points: tuple[str, ...]
    remarks: tuple[str, ...]
    behaviours: tuple[tuple[str, str, str, str], ...]


@dataclass(frozen=True)
class Description:
    """A model as a package's files describe it.

    data: None where the card's file is gone; its name is kept with the model. scores: None where there are
    none. proof: what devices proved of it, in sentences. code: firmware's name and bytes of the model's code
    in it, as built.
    """

    model: IntegerModel
    data: DataFacts | None
    scores: ScoreFacts | None
    proof: str
    code: tuple[tuple[str, int], ...] = ()

    @property
    def data_name(self) -> str:
        """Name of the data set."""
        return self.model.card

    @property
    def sentence(self) -> str:
        """What the package is, in a sentence without details, on one line of printable characters."""
        classes = self.model.classes
        names = printable(listed(classes)) if len(classes) <= _MOST_NAMES else f"{len(classes)} behaviours"
        said = f"Classifies behaviour ({names}) from acceleration at {self.model.rate_hz:g} Hz, in integers."
        return f"{said} Trained on {SIMULATED} data." if self.model.simulated else said

    @property
    def paragraph(self) -> str:
        """What the package takes and gives, in some sentences."""
        model = self.model
        return (
            f"Takes {model.channels} axes at {model.counts_per_g:g} counts per g, {model.window} samples a "
            f"window. The same bits on every processor; a self-test with known answers shows it. "
            f"Model {model.sha256[:16]}."
        )

    @property
    def known_mean(self) -> list[int]:
        """Mean counts of each axis in the known window that is of the data."""
        return [round(float(mean)) for mean in self.model.arrays["known_windows"][0].mean(axis=0)]

    @property
    def known_answer_bytes(self) -> int:
        """Flash of the known answers: windows, logits and checksums; outcomes where they may be unknown."""
        windows = self.model.arrays["known_windows"]
        each = 2 * len(self.model.classes) + 4 + self.model.may_refuse
        return 2 * windows.size + len(windows) * each

    @property
    def rule_bytes(self) -> int:
        """Flash of what decides whether a result is unknown; 0 without a rule."""
        wide, narrow = (MARGINS, LIMITS), (WHITENING, MEANS)
        arrays = self.model.arrays
        return sum(4 * arrays[name].size for name in wide if name in arrays) + sum(
            2 * arrays[name].size for name in narrow if name in arrays
        )


def printable(text: str) -> str:
    """Return a user's words on one line; YAML takes no control characters, and some turn lines around."""
    return "".join(one if one.isprintable() else " " for one in text)


def markdown(text: str) -> str:
    """Return a user's words on one line of Markdown, none of their characters read as a mark."""
    return _MARKS.sub(r"\\\1", printable(text))
