"""Plugins: modules outside mcukd that add entries to its registries (student families, methods, readers, …).

A plugin is a Python module that registers on import, with the registries' own functions:

    from mcukd.models.families import FAMILIES

    FAMILIES.register(MyFamily())

mcukd imports it in either of two ways, once a process and before the first lookup in any registry:

- The environment variable MCUKD_PLUGINS names modules, separated by commas: MCUKD_PLUGINS=my_lab.students.
  They have to be importable, for instance through PYTHONPATH. Worker processes inherit both variables; those
  of a cluster need them where they are started.
- An installed package declares an entry point of the group "mcukd.plugins" in its pyproject.toml:

      [project.entry-points."mcukd.plugins"]
      my_lab = "my_lab.students"
"""

from __future__ import annotations

import importlib
import os
import threading
from collections.abc import Iterable, Iterator, Mapping
from importlib import metadata
from typing import Protocol, TypeVar

from mcukd.errors import UserError
from mcukd.text import did_you_mean, listed

VARIABLE = "MCUKD_PLUGINS"
GROUP = "mcukd.plugins"

_lock = threading.RLock()
_loaded = False
_failure: UserError | None = None


def load() -> None:
    """Import all plugins; later calls, and calls while they are imported, do nothing.

    Raises UserError, every time, where a module is missing or its import fails.
    """
    global _loaded, _failure
    with _lock:
        if not _loaded:
            _loaded = True  # set first: plugins may look things up while they are imported
            try:
                for module, origin in _modules():
                    _import(module, origin)
            except UserError as error:
                _failure = error
        if _failure is not None:
            raise _failure


class Named(Protocol):
    """Anything with a name."""

    @property
    def name(self) -> str:
        """The name that options, cards and files use."""


Entry = TypeVar("Entry", bound=Named)


class Registry(Mapping[str, Entry]):
    """Entries by name, in the order of their registration: those of mcukd first, then those of plugins.

    Lookups, iteration and `len` load the plugins first. what: what an entry is, for messages ("student").
    """

    def __init__(self, what: str, entries: Iterable[Entry] = ()) -> None:
        self.what = what
        self._entries: dict[str, Entry] = {}
        for entry in entries:
            self.register(entry)

    def register(self, entry: Entry) -> Entry:
        """Add an entry and return it. Raises UserError where another entry has its name."""
        if self._entries.get(entry.name, entry) is not entry:
            raise UserError(f"{self.what} {entry.name}: registered twice; give one of the two another name.")
        self._entries[entry.name] = entry
        return entry

    @property
    def registered(self) -> tuple[str, ...]:
        """Names registered so far. Unlike iteration this loads no plugins, so that help texts can use it."""
        return tuple(self._entries)

    def find(self, name: str, where: str) -> Entry:
        """Return an entry. Raises UserError, with the names there are, where there is none.

        where: what the name was read from, such as "--student".
        """
        if name not in self:
            raise UserError(
                f"{where} is {name}: no such {self.what}{did_you_mean(name, tuple(self))}; "
                f"choose one of {listed(tuple(self))}."
            )
        return self[name]

    def __getitem__(self, name: str) -> Entry:
        load()
        return self._entries[name]

    def __iter__(self) -> Iterator[str]:
        load()
        return iter(tuple(self._entries))

    def __len__(self) -> int:
        load()
        return len(self._entries)


def _modules() -> list[tuple[str, str]]:
    """Return the plugins' modules, each with where it is named."""
    named = (name.strip() for name in os.environ.get(VARIABLE, "").split(","))
    found = [(name, VARIABLE) for name in named if name]
    for distribution in metadata.distributions():
        found += [
            (point.value.partition(":")[0].strip(), f"entry point '{point.name}' of '{GROUP}'")
            for point in distribution.entry_points
            if point.group == GROUP
        ]
    return list({module: (module, origin) for module, origin in reversed(found)}.values())[::-1]


def _import(module: str, origin: str) -> None:
    try:
        importlib.import_module(module)
    except UserError as error:
        raise UserError(f"{origin}: plugin '{module}': {error}") from error
    except (Exception, SystemExit) as error:  # another's code: any exception may come out of it
        # Of a package's module the package itself may be missing.
        missing = isinstance(error, ModuleNotFoundError) and f"{module}.".startswith(f"{error.name}.")
        reason = "no such module" if missing else f"its import failed ({type(error).__name__}: {error})"
        remedy = "put its folder on PYTHONPATH or correct the name" if missing else "mend it or leave it out"
        raise UserError(f"{origin}: plugin '{module}': {reason}; {remedy}.") from error
