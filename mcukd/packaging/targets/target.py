"""A toolchain that models are packaged for."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

#: Returns what is wrong with a package's name, as the end of a sentence; None where it is fine.
NameProblem = Callable[[str], str | None]


def any_name(name: str) -> str | None:
    """Find nothing wrong with a name."""
    return None


@dataclass(frozen=True)
class Target:
    """A toolchain.

    name: as `--target` spells it. title: for people. templates: folder of `firmware_templates` that holds the
    package's files, in folders as the package has them (for a plugin: an absolute path). assembly: whether
    the toolchain builds for a core with assembly steps. example: of the package, for people.
    """

    name: str
    title: str
    templates: str
    example: str
    assembly: bool = True
    name_problem: NameProblem = any_name
