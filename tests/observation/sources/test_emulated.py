"""Tags on modelled chips, worn by a simulated animal: in this process and in another one."""

from __future__ import annotations

from threading import Event

import numpy as np
import pytest
from builders.tag_image import TagImage, tag_image

from mcukd.boards.launch import standing_in
from mcukd.boards.model import load_board
from mcukd.chips.tag_run import streamed
from mcukd.data.simulation.animal import AnimalName, simulated_animal
from mcukd.errors import UserError
from mcukd.observation.clocks.session_clock import FastClock
from mcukd.observation.moments import (
    RESULTS,
    ClockReading,
    Connected,
    Disconnected,
    Gap,
    Moment,
    Result,
    Samples,
)
from mcukd.observation.sources.emulated import emulated_tag, power_on_ns, simulated_truth
from mcukd.observation.sources.modelled import EPOCH_NS, ChipClock, modelled_tag, run_on_animal

ANIMAL = AnimalName("herd-sim", 1000, 300)
SECOND = 1_000_000_000


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> TagImage:
    return tag_image("eartag", tmp_path_factory.mktemp("tag"), "log_pages = 2\nconsole_s = 20\n")


def test_the_truth_is_what_the_animals_samples_are_of() -> None:
    animal, truth = simulated_animal(ANIMAL), simulated_truth(ANIMAL, 400, power_on_ns=EPOCH_NS)
    rows = np.arange(0, 400 * 50)
    assert truth.classes == animal.classes and truth.ends[-1] == EPOCH_NS + 400 * SECOND
    labels = np.repeat(animal.behaviours, np.diff(animal.edges))
    at = EPOCH_NS + rows * animal.period_ns
    assert np.array_equal(truth.at(at), labels[rows % len(labels)])


@pytest.mark.emulator
def test_a_modelled_tag_tells_the_animals_samples_at_their_times(image: TagImage) -> None:
    run = run_on_animal(image.board, image.elf, len(image.model.classes), ANIMAL)
    clock, stop, found = ChipClock(run, fast_ppm=50.0), Event(), []
    for moment in modelled_tag(run, clock, samples=True, model_sha256=image.model.sha256).moments(stop):
        found.append(moment)
        if run.seconds > 20:
            stop.set()
    reading = next(moment for moment in found if isinstance(moment, ClockReading))
    assert abs(power_on_ns(reading) - EPOCH_NS) < 0.01 * SECOND
    counts = np.concatenate([moment.counts for moment in found if isinstance(moment, Samples)])
    rows = streamed(image.board, simulated_animal(ANIMAL).counts.astype(np.int32))
    (first,) = (n for n in range(200) if np.array_equal(rows[n : n + 300], counts[:300]))
    assert np.array_equal(rows[first : first + len(counts)], counts) and len(counts) > 800
    last = [moment for moment in found if isinstance(moment, Samples)][-1]
    at = (last.received_ns - EPOCH_NS) / SECOND * 50
    # Row and time of the last sample: those of the chip's power-up on, to the rest of the reading.
    assert abs(first + len(counts) - at) < 5


@pytest.mark.emulator
def test_an_emulated_tag_goes_on_without_its_host(image: TagImage) -> None:
    """In a process of its own: while nobody is connected it makes results, which are missed then."""
    clock, found = FastClock(10.0, EPOCH_NS), list[Moment]()
    with emulated_tag(image.board, image.elf, ANIMAL, clock, speed=10.0) as tag:
        for attempt in range(20):
            stop = Event()
            for moment in tag.moments(stop):
                found.append(moment)
                if isinstance(moment, Result):
                    stop.set()
            if any(isinstance(moment, Gap) for moment in found):
                break
            Event().wait(0.2 * attempt)
    connected = [moment for moment in found if isinstance(moment, Connected)]
    assert {moment.chip for moment in connected} == {connected[0].chip} and connected[0].emulated
    assert not [moment for moment in found if isinstance(moment, Disconnected)]
    (gap,) = (moment for moment in found if isinstance(moment, Gap))
    assert gap.what == RESULTS and gap.lost > 0


@pytest.mark.parametrize("options", [{"animal": ANIMAL}, {"speed": 2.0}])
def test_a_board_without_a_modelled_chip_wears_no_animal(image: TagImage, options: dict) -> None:
    with (
        pytest.raises(UserError, match="its chip is not modelled"),
        standing_in(load_board("native"), image.elf, **options),
    ):
        pass


def moments_of(image: TagImage) -> list[Moment]:
    run = run_on_animal(image.board, image.elf, len(image.model.classes), ANIMAL)
    stop, found = Event(), []
    for moment in modelled_tag(run, ChipClock(run)).moments(stop):
        found.append(moment)
        if run.seconds > 15:
            stop.set()
    return found


@pytest.mark.emulator
def test_a_modelled_session_is_the_same_each_time(image: TagImage) -> None:
    first, second = moments_of(image), moments_of(image)
    assert first == second and any(isinstance(moment, Result) for moment in first)
    assert not [moment for moment in first if isinstance(moment, Gap)]
