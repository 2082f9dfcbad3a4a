"""Herds of cards with the reader "simulator": their recordings, and cards of another size."""

from __future__ import annotations

from pydantic import ValidationError

from mcukd.data.card import Card
from mcukd.data.readers.simulator import SimulatorSource
from mcukd.data.recordings import Recording
from mcukd.data.simulation.herd import simulate_herd
from mcukd.errors import UserError


def simulate(card: Card, seed: int) -> list[Recording]:
    """Make the herd of a card: one recording per bout; see `simulate_herd`."""
    source = card.source
    if not isinstance(source, SimulatorSource):
        raise ValueError(f"card {card.name} is not simulated")
    bouts = simulate_herd(
        card.name, source.animals, source.minutes_per_animal, card.position, card.signal, seed
    )
    return [Recording(one.animal, str(one.label), one.samples, one.origin) for one in bouts]


def resized(card: Card, animals: int | None = None, minutes_per_animal: float | None = None) -> Card:
    """Return a simulated card with another number of animals or minutes each; None keeps the card's.

    Raises UserError for a card that is not simulated or a size the card format does not allow.
    """
    if not isinstance(card.source, SimulatorSource):
        raise UserError(
            f"card {card.name} has recorded data and cannot be simulated; name one with the reader "
            f'"simulator", like herd-sim'
        )
    size = {"animals": animals, "minutes_per_animal": minutes_per_animal}
    given = {name: value for name, value in size.items() if value is not None}
    try:
        source = SimulatorSource.model_validate({**card.source.model_dump(), **given})
    except ValidationError as error:
        problem = error.errors()[0]
        message = problem["msg"][0].lower() + problem["msg"][1:]
        raise UserError(f"{problem['loc'][0]} is {problem['input']!r}, but {message}") from None
    return card.model_copy(update={"source": source})
