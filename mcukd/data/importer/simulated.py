"""Whether the recordings of an import are simulated: as stated, as a card over them says, or as asked for."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mcukd.data.importer.options import Choice, Dialog, Options, quoted
from mcukd.errors import UserError

#: Folders above a file in which a card may lie that is of it.
_LEVELS = 5
#: Parts of names that simulated data have, as `mcukd data simulate` names animals sim01.
_WORD = re.compile(r"simulat|synthetic|(?<![a-z])sim[-_ ]?\d+(?![a-z0-9])", re.IGNORECASE)
_FLAGS = "--simulated or --recorded"


@dataclass(frozen=True)
class _Over:
    """A card in a folder over recordings. folder: of its data; pattern: of paths below that, if any."""

    path: Path
    simulated: bool
    folder: Path
    pattern: re.Pattern[str] | None

    def holds(self, file: Path) -> bool:
        """Return whether a file is among the card's."""
        if not file.is_relative_to(self.folder):
            return False
        below = file.relative_to(self.folder).as_posix()
        return self.pattern is None or self.pattern.fullmatch(below) is not None


def tell_simulated(root: Path, files: Iterable[Path], options: Options, dialog: Dialog) -> bool:
    """Return whether recordings are simulated, and note why where that was stated or found.

    root: what is imported; names from it on may tell. Without a card and such a name nothing tells, and they
    count as recorded. Raises UserError where a card contradicts what is stated, where only some are
    simulated, and where a name fits both readings and nobody can be asked.
    """
    read: dict[Path, _Over | None] = {}
    found = [(file, _card_over(file.resolve(), read)) for file in files]
    simulated = [(file, card) for file, card in found if card is not None and card.simulated]
    if simulated:
        file, card = simulated[0]
        if options.simulated is False:
            raise UserError(
                f"{file} is simulated, as {card.path} says, but --recorded is stated; leave that out, or "
                "move recordings that the card is not of away from it"
            )
        others = [other for other, over in found if over is None or not over.simulated]
        if others and options.simulated is None:
            raise UserError(
                f"{file} is simulated, as {card.path} says, but of {others[0]} nothing says so; import them "
                "apart, or state --simulated for all"
            )
        dialog.note(f"simulated: yes, as {card.path} says of the same files")
        return True
    if options.simulated is not None:
        dialog.note(f"simulated: {'yes' if options.simulated else 'no'}, as stated")
        return options.simulated
    unknown = [file for file, card in found if card is None]
    named = next((part for file in unknown for part in _names(root, file) if _WORD.search(part)), None)
    if named is None:
        return False
    answer = dialog.choose(
        f"the name {quoted(named)} may mean that the recordings are simulated, and no card says it",
        _FLAGS,
        [
            Choice("simulated", "no animal wore a sensor", "--simulated"),
            Choice("recorded", "on animals", "--recorded"),
        ],
    )
    dialog.note(f"simulated: {'yes' if answer == 'simulated' else 'no'}, as answered")
    return answer == "simulated"


def _names(root: Path, file: Path) -> tuple[str, ...]:
    """Return the names from an imported folder on down to a file."""
    return (root.name, *file.relative_to(root).parts) if file.is_relative_to(root) else (file.name,)


def _card_over(file: Path, read: dict[Path, _Over | None]) -> _Over | None:
    """Return the nearest card in a folder over a file that is of it. read: cards by folder, filled here."""
    for folder in list(file.parents)[:_LEVELS]:
        if folder not in read:
            read[folder] = _read(folder)
        card = read[folder]
        if card is not None and card.holds(file):
            return card
    return None


def _read(folder: Path) -> _Over | None:
    """Return the card in a folder; None without one, and of a file that is no card."""
    path = folder / "card.toml"
    try:
        facts: dict[str, Any] = tomllib.loads(path.read_text(encoding="utf-8"))
        simulated, source = facts["simulated"], facts["source"]
        pattern = source.get("pattern")
        return _Over(
            path,
            simulated is True,
            (folder / source["folder"]).resolve(),
            None if pattern is None else re.compile(pattern),
        )
    except (OSError, ValueError, KeyError, TypeError, AttributeError, re.error):
        return None
