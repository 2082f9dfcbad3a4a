"""Tag on a modelled chip in another process, worn by a simulated animal, as a source of moments.

For demonstrations. The image is the one that would be flashed; chip, sensor and animal are models.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from mcukd.boards.launch import standing_in
from mcukd.boards.model import Board, load_board
from mcukd.codegen.firmware import require_sampling
from mcukd.data.card import load_card
from mcukd.data.readers.simulator import SimulatorSource
from mcukd.data.simulation.animal import AnimalName, simulated_animal
from mcukd.errors import UserError
from mcukd.fixedpoint.model import load_model
from mcukd.harness.protocol import Device, open_device
from mcukd.harness.stand_in import await_start
from mcukd.harness.watching import MOST_S
from mcukd.metrics.agreement.track import Track, track_of
from mcukd.observation.moments import ClockReading, Connected, SessionClock
from mcukd.observation.sources.live import WATCH_S, LiveTag
from mcukd.study import Study
from mcukd.tag.records import TICKS_PER_SECOND

_NS = 1_000_000_000
#: Added to a study's seed for animals that it was not trained on.
HELD_OUT = 1000
#: Seconds that a modelled chip on a busy computer may take to answer once it has started.
_TIMEOUT_S = 3.0


@contextmanager
def emulated_tag(
    board: Board,
    elf: Path,
    animal: AnimalName | None,
    clock: SessionClock,
    *,
    speed: float = 1.0,
    samples: bool = False,
    model_sha256: str | None = None,
    known: Connected | None = None,
) -> Iterator[LiveTag]:
    """Run a board's image on the model of its chip, on a simulated animal, and yield it as a source.

    animal: None: the sensor lies at rest. speed: of the chip's time; `clock` has to be as fast. Other options
    as of `LiveTag`. The chip gets power when the block begins. Raises UserError as `boards.launch.running`.
    """
    # A computer that is busy for a second is busy for a minute of a chip that is sixty times as fast.
    watch_s = min(MOST_S, round(WATCH_S * max(1.0, speed)))
    with standing_in(board, elf, animal=animal, speed=speed) as program:

        @contextmanager
        def connect() -> Iterator[Device]:
            with open_device(program.url, board.console.baud) as device:
                await_start(device, program, shown=False)
                device.timeout = _TIMEOUT_S
                device.who()
                yield device

        yield LiveTag(
            f"{board.name}, emulated, {'at rest' if animal is None else 'on a simulated animal'}",
            connect,
            clock,
            samples=samples,
            model_sha256=model_sha256,
            known=known,
            watch_s=watch_s,
            emulated=True,
        )


def board_to_emulate(name: str, study: Study) -> Board:
    """Return the board of `--emulate`. Raises UserError where no tag of the study can be worn on it."""
    board = load_board(name)
    if board.modelled_chip is None:
        raise UserError(f"--emulate {name}: the chip of that board is not modelled; give collar or eartag.")
    require_sampling(load_model(study.path), board, "a tag on its modelled chip gives no result")
    return board


def animal_of(study: Study, seconds: int = 7200) -> AnimalName | None:
    """Return an animal of the study's simulated herd that no model of it has seen.

    None of recorded data, and where the study's card is not on this computer: the tag lies at rest then.
    """
    with suppress(UserError):
        if isinstance(load_card(study.card).source, SimulatorSource):
            return AnimalName(study.card, int(study.manifest["seed"]) + HELD_OUT, seconds)
    return None


def simulated_truth(animal: AnimalName, seconds: float, power_on_ns: int = 0) -> Track:
    """Return what a simulated animal does while it wears a tag: the behaviours that its samples are of.

    seconds: since the chip got power, which was at `power_on_ns` of the session's clock.
    """
    simulated = simulated_animal(animal)
    intervals = [(power_on_ns + s, power_on_ns + e, k) for s, e, k in simulated.intervals(seconds)]
    return track_of(str(animal), "simulation", simulated.classes, intervals)


def power_on_ns(reading: ClockReading) -> int:
    """Return when a tag got power that has no earlier log, by the session's clock: its clock began then.

    Exact to the reading's uncertainty, the start's milliseconds, and the drift of the tag's clock so far.
    """
    return reading.host_ns - round(reading.tag_ticks * _NS / TICKS_PER_SECOND)
