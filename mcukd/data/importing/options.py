"""What the user of an import may state, and how what is missing is asked for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Optional, Protocol

from mcukd.errors import UserError
from mcukd.wording import listed


@dataclass(frozen=True)
class Options:
    """What is stated about the data; None and empty: find out, or ask.

    acceleration: three columns. label, animal: one for all files, where nothing in them says it.
    counts_per_g, offset: of raw counts. mapping: label of the source → class. window_s: seconds.
    """

    name: Optional[str] = None
    out: Optional[Path] = None
    acceleration: tuple[str, ...] = ()
    label_column: Optional[str] = None
    animal_column: Optional[str] = None
    time_column: Optional[str] = None
    label: Optional[str] = None
    animal: Optional[str] = None
    units: Optional[str] = None
    rate_hz: Optional[float] = None
    range_g: Optional[float] = None
    counts_per_g: Optional[float] = None
    offset: Optional[float] = None
    classes: tuple[str, ...] = ()
    mapping: Mapping[str, str] = field(default_factory=dict)
    exclude_animals: tuple[str, ...] = ()
    labels_table: Optional[Path] = None
    labels_timezone: Optional[str] = None
    timezone: Optional[str] = None
    day_first: Optional[bool] = None
    window_s: Optional[float] = None
    resample_hz: Optional[float] = None
    position: Optional[str] = None
    features: bool = False
    sort: bool = False
    convert: bool = False
    yes: bool = False


class Ask(Protocol):
    """Asks the person at the terminal for one of `choices`, or for any text where there are none."""

    def __call__(self, question: str, choices: Sequence[str], default: Optional[str]) -> str:
        """Return the answer."""


@dataclass
class Talk:
    """Collects what was inferred and why, and asks for what was not.

    ask: None where nobody is there to answer. notes: sentences in the order they were found.
    """

    ask: Optional[Ask] = None
    yes: bool = False
    notes: list[str] = field(default_factory=list)

    def note(self, sentence: str) -> None:
        """Keep a sentence about what was found and why."""
        self.notes.append(sentence)

    def choose(
        self, question: str, flag: str, choices: Sequence[str] = (), default: Optional[str] = None
    ) -> str:
        """Return what the user says; the default under --yes.

        Raises UserError naming `flag` where nobody can be asked.
        """
        if self.yes and default is not None:
            return default
        if self.ask is not None:
            return self.ask(question, choices, default)
        proposal = f" ({flag} {_quoted(default)} looks likeliest, and --yes takes it)" if default else ""
        among = f" among {listed(choices)}" if choices else ""
        raise UserError(f"{question}; say it with {flag}{among}{proposal}")


def _quoted(text: str) -> str:
    return f"'{text}'" if any(mark in text for mark in " ;&|") else text
