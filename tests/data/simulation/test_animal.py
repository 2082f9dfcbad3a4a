"""One simulated animal for hours: its samples are of what it does, and both begin anew together."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mcukd.data.card import load_card
from mcukd.data.load import load_counts
from mcukd.data.simulation.animal import AnimalName, SimulatedAnimal, simulated_animal
from mcukd.data.simulation.simulator import resized
from mcukd.errors import UserError

NAME = AnimalName("herd-sim", 3, 600)


def test_it_is_the_first_of_the_herd() -> None:
    animal = simulated_animal(NAME)
    herd = load_counts(resized(load_card("herd-sim"), 2, 10), seed=3)
    bouts = [bout for bout in herd if bout.animal == herd[0].animal]
    assert np.array_equal(animal.counts, np.concatenate([bout.counts for bout in bouts]))
    assert animal.behaviours.tolist() == [bout.label for bout in bouts]
    assert np.diff(animal.edges).tolist() == [len(bout.counts) for bout in bouts]
    assert animal.classes == tuple(load_card("herd-sim").classes) and animal.period_ns == 20_000_000


def test_intervals_cover_the_time_and_repeat() -> None:
    animal = simulated_animal(NAME)
    length = len(animal.counts) * animal.period_ns
    once, found = animal.intervals(length / 1e9), animal.intervals(2.5 * length / 1e9)
    assert found[0][0] == 0 and found[-1][1] == round(2.5 * length)
    assert [end for _, end, _ in found[:-1]] == [start for start, _, _ in found[1:]]
    assert found[: len(once)] == once
    again = [(start - length, end - length, k) for start, end, k in found[len(once) : 2 * len(once)]]
    assert again == once


def test_ignored_bouts_are_not_known() -> None:
    animal = SimulatedAnimal(
        ("a", "b"), 10, np.zeros((4, 3), np.int16), np.array([0, 1, 3, 4]), np.array([0, -1, 1])
    )
    assert animal.intervals(70e-9) == [(0, 10, 0), (30, 40, 1), (40, 50, 0)]


@given(st.text("a/-.é ", min_size=1, max_size=9), st.integers(0, 2**31), st.integers(0, 10**6))
def test_a_name_reads_back(card: str, seed: int, seconds: int) -> None:
    name = AnimalName(card, seed, seconds)
    assert AnimalName.parse(str(name)) == name


@pytest.mark.parametrize(
    "text", ["", "herd-sim", "herd-sim/1", "/1/600", "herd-sim/x/600", "herd-sim/1/-600"]
)
def test_a_text_that_names_no_animal_is_refused(text: str) -> None:
    with pytest.raises(UserError, match="a card, a seed and seconds are expected"):
        AnimalName.parse(text)


def test_what_cannot_be_simulated_is_refused() -> None:
    with pytest.raises(UserError, match="299 s are asked for, but 300 to 36000 are expected"):
        simulated_animal(AnimalName("herd-sim", 0, 299))
    with pytest.raises(UserError, match="has recorded data"):
        simulated_animal(AnimalName("cow-collar", 0, 600))
