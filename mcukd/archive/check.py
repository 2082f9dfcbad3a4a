"""Checks of an archive as a file: its members are those that were packed, all of them, and no others."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mcukd.archive.container import Archive, Broken, read_archive
from mcukd.archive.crate import CRATE, described_files, path_in_crate
from mcukd.archive.manifest import MANIFEST, check_manifest
from mcukd.archive.names import name_problem
from mcukd.archive.pack import FACTS, FORMAT
from mcukd.errors import UserError

HOLDS, BROKEN, NOT_RUN = "holds", "does not hold", "not checked"


@dataclass(frozen=True)
class Check:
    """What was looked at, whether it holds, and how or why not in a sentence."""

    what: str
    state: str
    detail: str

    def facts(self) -> dict[str, str]:
        """Return the check in JSON types."""
        return {"what": self.what, "state": self.state, "detail": self.detail}


#: What reading of a file raises whose values are of other kinds than mcukd writes.
_OF_ANOTHER_KIND = (
    OSError,
    ValueError,
    TypeError,
    KeyError,
    AttributeError,
    IndexError,
    EOFError,
    ArithmeticError,
    RecursionError,
)


def checked(what: str, work: Callable[[], str]) -> Check:
    """Return the check that `work` makes: it returns how something holds, or raises Broken or UserError.

    An archive may hold anything, so that what else its files make `work` raise breaks the check as well.
    """
    try:
        return Check(what, HOLDS, work())
    except (Broken, UserError) as error:
        return Check(what, BROKEN, " ".join(str(error).split()).rstrip("."))
    except _OF_ANOTHER_KIND as error:
        return Check(
            what, BROKEN, f"its files are not as mcukd writes them ({type(error).__name__}: {error})"
        )


def open_intact(
    path: Path, advance: Callable[[int], None] = lambda size: None
) -> tuple[Archive, dict[str, Any]]:
    """Read an archive and return it with the content of `evidence.json`, every byte checked.

    Raises UserError for a file that is missing, no zip, or of another format; Broken for one that is not what
    was packed.
    """
    archive = read_archive(path, advance)
    if MANIFEST not in archive.members:
        raise Broken(f"{MANIFEST} is missing")
    check_manifest(archive.members, archive.read(MANIFEST))
    facts = read_json(archive, FACTS)
    if not isinstance(facts, dict) or facts.get("format") != FORMAT:
        found = facts.get("format") if isinstance(facts, dict) else facts
        raise UserError(f"{path}: its format is {found!r}, expected {FORMAT!r}; a newer mcukd may read it.")
    described = described_files(read_json(archive, CRATE))
    names = sorted(archive.members.keys() - {CRATE, MANIFEST})
    if missing := [name for name in names if path_in_crate(name) not in described]:
        raise Broken(f"{CRATE} does not describe {missing[0]}")
    return archive, facts


def require_digest(archive: Archive, expected: str) -> str:
    """Say that the file's SHA-256 is the one that was published; Broken where it is not."""
    wanted = expected.strip().lower()
    if archive.sha256 != wanted:
        raise Broken(f"the file has the SHA-256 {archive.sha256[:12]}…, expected {wanted[:12]}…")
    return "its SHA-256 is the one given"


def inside(name: object) -> str:
    """Return a name that a file of an archive gives; Broken where it would lead out of the archive."""
    if problem := name_problem(str(name)):
        raise Broken(problem)
    return str(name)


def read_json(archive: Archive, name: str) -> Any:
    """Return the JSON of a member. Raises Broken where it is missing or not JSON."""
    try:
        return json.loads(archive.read(name))
    except (ValueError, RecursionError) as error:
        raise Broken(f"{name} is not JSON ({error})") from None
