"""Options of the distill stage as data: type, default, limits and help of each, and its spelling in files.

The configuration and the distillation methods declare options; the command line and the grids of sweeps are
made from them. No TensorFlow here.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, get_type_hints

from mcukd.errors import UserError

#: Headings of the options in the help of `mcukd distill`.
DATA, MODELS, METHOD = "Data and evaluation", "Models and their training", "Distillation method"
UNLABELLED = "Recordings without labels"
SEARCH, MACHINE = "Search of the classifier head", "Machine"

#: Earlier names of options: manifests and fingerprints keep them, and they are still accepted.
STORED_NAMES = {
    "alpha": "mixing",
    "correct_teacher": "gate",
    "spectral_weight": "frequency",
    "choose_spectral_weight": "choose_frequency",
    "ablate": "without",
}
#: Earlier spellings of values, by option, likewise.
STORED_VALUES = {
    "method": {"online": "same-view", "function-matching": "mixed-view"},
    "teacher": {"mixed-ensemble": "committee"},
}
_CURRENT_NAMES = {old: new for new, old in STORED_NAMES.items()}
_CURRENT_VALUES = {name: {old: new for new, old in own.items()} for name, own in STORED_VALUES.items()}


@dataclass(frozen=True)
class Option:
    """One option.

    kind: its type, as a type hint. help: a sentence for `--help`. panel: the heading it stands under there.
    default_text: describes the default where its value does not. low, high: limits of a number.
    """

    name: str
    kind: Any
    default: Any
    help: str
    panel: str = METHOD
    default_text: str = ""
    low: float | None = None
    high: float | None = None

    @property
    def flag(self) -> str:
        """The option on the command line."""
        return flag(self.name)

    def check(self, value: Any) -> None:
        """Raise UserError for a number beyond the limits."""
        if value is None or self.low is None or self.high is None:
            return
        if not self.low <= value <= self.high:
            raise UserError(f"{self.flag} is {value}, expected {self.low} to {self.high}.")


def option(
    default: Any,
    help: str,
    panel: str = METHOD,
    default_text: str = "",
    low: float | None = None,
    high: float | None = None,
) -> Any:
    """Return a dataclass field that is an option, see `Option`; `declared` finds it."""
    facts = {"help": help, "panel": panel, "default_text": default_text, "low": low, "high": high}
    return dataclasses.field(default=default, metadata={"option": facts})


@cache
def declared(config: type) -> dict[str, Option]:
    """Return the options among the fields of a dataclass, by name."""
    kinds = get_type_hints(config)
    return {
        field.name: Option(field.name, kinds[field.name], field.default, **field.metadata["option"])
        for field in dataclasses.fields(config)
        if "option" in field.metadata
    }


def flag(name: str) -> str:
    """Return an option as it is written on the command line."""
    return "--" + name.replace("_", "-")


def stored_name(name: str) -> str:
    """Return an option's name in manifests and fingerprints."""
    return STORED_NAMES.get(name, name)


def stored_value(name: str, value: Any) -> Any:
    """Return an option's value in manifests and fingerprints."""
    return STORED_VALUES[name].get(value, value) if name in STORED_VALUES else value


def stored(options: Mapping[str, Any]) -> dict[str, Any]:
    """Return options by name as manifests and fingerprints have them."""
    return {stored_name(name): stored_value(name, value) for name, value in options.items()}


def current_name(name: str) -> str:
    """Return an option's name, given in either spelling."""
    return _CURRENT_NAMES.get(name, name)


def current_value(name: str, value: Any) -> Any:
    """Return the value of an option (by its current name), given in either spelling."""
    return _CURRENT_VALUES[name].get(value, value) if name in _CURRENT_VALUES else value


def current(options: Mapping[str, Any]) -> dict[str, Any]:
    """Return options given in either spelling; UserError where one is given in both."""
    found: dict[str, Any] = {}
    for given, value in options.items():
        name = current_name(given)
        if name in found:
            raise UserError(
                f"{flag(stored_name(name))} is the earlier spelling of {flag(name)}; give one of them."
            )
        found[name] = current_value(name, value)
    return found
