"""Demonstration of a field session: simulated animal, emulated tag, scripted observer.

Everything in it is made up: the animal by the simulator, the tag by a model of its chip (or, where no image
can be built or run here, by the integer reference), the observer by a script that errs now and then.
"""

from __future__ import annotations

import platform
import secrets
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from threading import Event, Thread

import numpy as np

from mcukd import __version__
from mcukd.boards.launch import can_run
from mcukd.boards.model import Board, load_board
from mcukd.boards.tools import tools_missing
from mcukd.codegen.tag import tag_setup
from mcukd.data.simulation.animal import AnimalName, SimulatedAnimal, simulated_animal
from mcukd.errors import UserError
from mcukd.fixedpoint.model import IntegerModel, load_model, save_model
from mcukd.harness.recorded import has_recorded, keep_recorded
from mcukd.metrics.agreement.track import Track, track_of
from mcukd.observation.clocks.session_clock import FastClock
from mcukd.observation.folder import facts_of
from mcukd.observation.moments import TagSource
from mcukd.observation.script import run
from mcukd.observation.scripted_observer import Habits, keys_for
from mcukd.observation.session import Session
from mcukd.observation.sources.computed import ComputedTag
from mcukd.observation.sources.emulated import HELD_OUT, emulated_tag, power_on_ns
from mcukd.observation.waiting import waiter
from mcukd.pipeline.firmware import ensure_built
from mcukd.pipeline.observe import SESSIONS
from mcukd.study import Study

NS = 1_000_000_000
#: Name of the observer whose keys a script presses, and of the simulated animal.
SCRIPTED, ANIMAL = "scripted", "sim-01"
CARD, BOARD, SEED = "herd-sim", "collar", 0
#: Where the small model is kept as integers, with the images built of it.
STUDY = SESSIONS / ".demo" / "herd-sim-gru16"
#: Student distilled on the simulated herd; `experiments/train_student.py` makes it.
STUDENT = Path(__file__).with_name("demo_student.npz")
_SECONDS = 7200
_HABITS = Habits(reaction_s=1.2, spread_s=0.4, missed=0.05, wrong=0.05, seed=1)


@contextmanager
def demonstrating(
    folder: Path | None, run_: Path | None, speed: float, say: Callable[[str], None]
) -> Iterator[Session]:
    """Open the session of a demonstration, in which the scripted observer presses keys.

    folder: of the session; named by the time without one. run_: study of a simulated herd's model; a small
    one that comes with mcukd without it. speed: how much faster time passes. say: called with what is done.
    """
    study = Study.open(run_) if run_ is not None else demo_study(say)
    if study.card != CARD:
        raise UserError(
            f"--run {study.path}: the demonstration needs a study of {CARD}, not of {study.card}."
        )
    model = load_model(study.path)
    name = AnimalName(CARD, int(study.manifest["seed"]) + HELD_OUT, _SECONDS)
    say("Simulating an animal that the model has never seen")
    animal = simulated_animal(name)
    board = load_board(BOARD)
    elf = None
    if not tools_missing(board) and can_run(board):
        say(f"Building the image of {board.title}")
        elf = ensure_built(study, board).elf
    else:
        say("No compiler or no package unicorn here: the integer reference stands in for a tag")
    folder = folder or SESSIONS / f"{datetime.now(UTC):%Y-%m-%d-%H%M%S}-demo"
    clock = FastClock(speed, time.time_ns())
    facts = facts_of(
        id=secrets.token_hex(16),
        name=folder.name,
        began_ns=clock.now_ns(),
        zone="UTC",
        animals=(ANIMAL,),
        tagged=ANIMAL,
        classes=model.classes,
        study=study.path.name,
        model_sha256=model.sha256,
        simulated=True,
        emulated=True,
        versions={"mcukd": __version__, "python": platform.python_version()},
    )
    stop = Event()
    with ExitStack() as stack:
        session = stack.enter_context(Session.begin(folder, facts, clock))
        session.join(SCRIPTED)
        stack.callback(stop.set)
        source: TagSource
        if elf is None:
            wait = waiter(clock, stop)
            source = ComputedTag(model, animal.counts, clock.now_ns(), wait, *_of_board(board, model))
        else:
            source = stack.enter_context(emulated_tag(board, elf, name, clock, speed=speed))
        session.watch(source)
        session.keep_time()
        Thread(target=_press, args=(session, animal, stop), daemon=True).start()
        yield session


def _of_board(board: Board, model: IntegerModel) -> tuple[int, int]:
    """Return smoothing and margin of a board's tag."""
    setup = tag_setup(board, model)
    return (1, 0) if setup is None else (setup.smoothing, setup.unknown_margin)


def _press(session: Session, animal: SimulatedAnimal, stop: Event) -> None:
    """Press the keys of someone who sees the animal, from the moment on at which the tag is there."""
    change = -1
    while not session.tag.state.readings:
        if stop.is_set():
            return
        change = session.wait(change, timeout=1)
    truth = true_behaviour(animal, power_on_ns(session.tag.state.readings[0]))
    now = session.clock.now_ns()
    rest = truth.within(np.array([[now, truth.ends[-1]]]))
    keys = keys_for(rest, session.facts.began_ns, _HABITS)
    with suppress(UserError):  # the session was ended at the screen, and says so there
        run(
            session.recorder(SCRIPTED),
            keys.commands,
            _or_stop(waiter(session.clock, stop), stop),
            session.did,
        )


def _or_stop(wait: Callable[[int], None], stop: Event) -> Callable[[int], None]:
    def wait_until(time_ns: int) -> None:
        wait(time_ns)
        if stop.is_set():
            raise UserError("the demonstration has ended.")

    return wait_until


def true_behaviour(animal: SimulatedAnimal, power_on_ns_: int) -> Track:
    """Return what the simulated animal does, by the session's clock, from the tag's power-up on."""
    intervals = [(power_on_ns_ + s, power_on_ns_ + e, k) for s, e, k in animal.intervals(_SECONDS)]
    return track_of(ANIMAL, "simulation", animal.classes, intervals)


def demo_study(say: Callable[[str], None]) -> Study:
    """Return the study with the small model that comes with mcukd, quantized where it is not there."""
    from mcukd.data.card import load_card
    from mcukd.data.load import load_windows
    from mcukd.data.simulation.simulator import resized
    from mcukd.fixedpoint.quantize import QuantizeConfig, quantize
    from mcukd.models.weights import GruMlpWeights

    if (STUDY / "study.json").exists():
        study = Study.open(STUDY)
        if study.card == CARD and study.file("fixedpoint.npz").exists() and has_recorded(study):
            return study
    say("Turning the small model that comes with mcukd into integers")
    card = load_card(CARD)
    with np.load(STUDENT, allow_pickle=False) as stored:
        weights = GruMlpWeights.from_arrays(stored)
    sample = load_windows(resized(card, 2, 10), None, seed=SEED)
    model = quantize(weights, sample, QuantizeConfig(8, 16), operation_hop=card.operation_hop)
    study = Study.prepare(STUDY, CARD, SEED)
    study.finish("quantize", inputs={}, options={}, outputs=save_model(model, study.path))
    keep_recorded(study, sample, card.signal.range_g)
    return study
