"""Card of a study's data set."""

from __future__ import annotations

from pathlib import Path

from mcukd.data.card import Card, load_card
from mcukd.errors import UserError
from mcukd.study import Study


def study_card(study: Study) -> Card:
    """Return a study's card. Raises UserError as `load_card`, with what needs a card that is not here."""
    try:
        return load_card(study.card)
    except UserError as error:
        path = Path(study.card)
        if path.suffix != ".toml" or path.exists():
            raise
        raise UserError(
            f"{study.path}: this command reads the recordings that the study was made from, and their card "
            f"is not here: {error} Run it where they are."
        ) from error
