"""One animal of a simulated herd, for hours: what its sensor counts and what it does meanwhile. SIMULATED."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from mcukd.data.card import Card, load_card
from mcukd.data.counts import count_limits, to_counts
from mcukd.data.readers.simulator import SimulatorSource
from mcukd.data.recordings import class_of
from mcukd.data.simulation.herd import simulate_herd
from mcukd.errors import UserError

_NS = 1_000_000_000
#: Shorter ones leave no room for a bout of each behaviour.
LEAST_S, MOST_S = 300, 36_000


class AnimalName(NamedTuple):
    """Which animal is simulated: the card of its herd, the seed, and the seconds after which it begins anew.

    As text: "herd-sim/1000/7200".
    """

    card: str
    seed: int
    seconds: int

    def __str__(self) -> str:
        return f"{self.card}/{self.seed}/{self.seconds}"

    @staticmethod
    def parse(text: str) -> AnimalName:
        """Return what a text says. Raises UserError for what is none."""
        card, *numbers = text.rsplit("/", 2)
        if len(numbers) != 2 or not card or not all(number.isdecimal() for number in numbers):
            raise UserError(
                f"animal {text!r}: a card, a seed and seconds are expected, as herd-sim/1000/7200."
            )
        return AnimalName(card, *map(int, numbers))


@dataclass(frozen=True)
class SimulatedAnimal:
    """What a simulated animal's sensor counts and what it does.

    counts: (n, 3) int16, one row every `period_ns`. classes: of the card. edges: (M + 1,) rows at which bouts
    begin, and n. behaviours: (M,) class of each bout, −1 where the card ignores its label.
    """

    classes: tuple[str, ...]
    period_ns: int
    counts: NDArray[np.int16]
    edges: NDArray[np.int64]
    behaviours: NDArray[np.int64]

    def intervals(self, seconds: float) -> list[tuple[int, int, int]]:
        """Return (start, end, class) in ns from the first row on, for some seconds; the rows repeat."""
        turn_ns, until, found = len(self.counts) * self.period_ns, round(seconds * _NS), []
        edges = (self.edges * self.period_ns).tolist()
        for begin in range(0, until, turn_ns):
            for start, end, behaviour in zip(edges, edges[1:], self.behaviours.tolist()):
                if behaviour >= 0 and begin + start < until:
                    found.append((begin + start, min(begin + end, until), behaviour))
        return found


def simulated_animal(name: AnimalName) -> SimulatedAnimal:
    """Simulate an animal. Raises UserError for a card that is not simulated, or another length."""
    card = load_card(name.card)
    if not isinstance(card.source, SimulatorSource):
        raise UserError(
            f'card {card.name} has recorded data; name one with the reader "simulator", like herd-sim.'
        )
    if not LEAST_S <= name.seconds <= MOST_S:
        raise UserError(
            f"animal {name}: {name.seconds} s are asked for, but {LEAST_S} to {MOST_S} are expected."
        )
    bouts = list(simulate_herd(card.name, 1, name.seconds / 60, card.position, card.signal, name.seed))
    limits = count_limits(card.signal)
    counts = [to_counts(bout.samples, card.counts_per_g, limits) for bout in bouts]
    edges = np.cumsum([0, *map(len, counts)])
    behaviours = [_class(card, str(bout.label), bout.origin) for bout in bouts]
    period_ns = round(_NS / card.rate_hz)
    return SimulatedAnimal(
        tuple(card.classes), period_ns, np.concatenate(counts), edges, np.array(behaviours, np.int64)
    )


def _class(card: Card, label: str, origin: str) -> int:
    found = class_of(card, label, origin)
    return -1 if found is None else found
