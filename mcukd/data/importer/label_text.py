"""Text of a label table, prepared for its readers."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from mcukd.data.importer.label_clocks import Asked
from mcukd.data.importer.text import TextForm


@dataclass(frozen=True)
class LabelText:
    """A table of labels before it is understood.

    cells: column → (n,) texts without blanks around them. line: of the first row. asked: what is stated of
    the table, and what the recordings are.
    """

    path: Path
    form: TextForm
    cells: dict[str, list[str]]
    line: int
    asked: Asked

    @property
    def names(self) -> dict[str, str]:
        """Names of the columns in lower case → as they are written."""
        return {name.lower().strip(): name for name in self.form.header}
