"""Card of a study's data set."""

from __future__ import annotations

from mcukd.data.card import Card, load_card
from mcukd.errors import UserError
from mcukd.study import Study


def study_card(study: Study) -> Card:
    """Return a study's card. Raises UserError, which says what needs it, where it is not on this computer."""
    try:
        return load_card(study.card)
    except UserError as error:
        raise UserError(
            f"{study.path}: this command reads the recordings that the study was made from, and their card "
            f"is not as it was: {error} Run it where they are."
        ) from error
