"""A field session of two hours, compressed: do its figures equal those of the truth the simulator knows?

    python experiments/field_session.py --hours 2 --out docs/results/field-session.json

The image that would be flashed runs on the model of its chip, worn by a SIMULATED animal that the model has
never seen; a scripted observer presses keys; both go through the session's core and its journals as in the
field. What the journals come to is compared with what the simulator knows: what the animal did at each
moment, the keys that were to be pressed, and the integer reference on the very samples that the modelled
sensor gave, dated by when it took them.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mcukd.boards.model import Board, load_board
from mcukd.chips.sensors.sources import Counts, Scale, Source, worn_by
from mcukd.chips.sensors.wiring import make_sensor
from mcukd.chips.tag_run import TagRun, streamed
from mcukd.codegen.tag import tag_setup
from mcukd.data.simulation.animal import AnimalName, simulated_animal
from mcukd.fixedpoint.model import IntegerModel, load_model
from mcukd.inference.batch import classify_stream, window_count
from mcukd.metrics.agreement.settings import AgreementSettings
from mcukd.metrics.agreement.summary import agreement_of
from mcukd.metrics.agreement.track import Track, track_of
from mcukd.observation.account import session_tracks
from mcukd.observation.folder import facts_of
from mcukd.observation.moment_entries import time_of
from mcukd.observation.script import StepClock, carry_out
from mcukd.observation.scripted_observer import Habits, Keys, keys_for
from mcukd.observation.session import Session
from mcukd.observation.sources.emulated import HELD_OUT
from mcukd.observation.sources.modelled import ChipClock, modelled_tag
from mcukd.pipeline.firmware import ensure_built
from mcukd.pipeline.observe_demo import demo_study
from mcukd.study import Study
from mcukd.tag.smoothing import Smoothing, with_unknown

NS = 1_000_000_000
ANIMAL = "sim-01"
#: Seconds of the chip in which it starts, and its sensor is found, before anybody watches.
START_S = 10
#: An observer without mistakes tells what the animal does, at once.
PERFECT = Habits(reaction_s=0, spread_s=0, missed=0, wrong=0)


class Dated(Source):
    """A source that remembers when each of its rows was taken, in ns since power-up."""

    def __init__(self, source: Source) -> None:
        self.source = source
        self.times: list[NDArray[np.int64]] = []
        self.rows: list[Counts] = []

    def take(self, times_ns: NDArray[np.int64], scale: Scale) -> Counts:
        """Return samples and keep them with their times."""
        rows = self.source.take(times_ns, scale)
        self.times.append(np.array(times_ns, np.int64))
        self.rows.append(np.array(rows))
        return rows

    def peek(self, time_ns: int, scale: Scale) -> Counts:
        """Return the present sample."""
        return self.source.peek(time_ns, scale)


@dataclass
class Told:
    """A session that was held: its folder, its keys, what the simulator knows of it, and the wall time."""

    folder: Path
    keys: Keys
    truth: Track
    tag: Track
    wall_s: float


def hold(folder: Path, study: Study, board: Board, hours: float, habits: Habits, seed: int) -> Told:
    """Hold a session of some hours, as fast as the modelled chip computes."""
    began = time.perf_counter()
    model = load_model(study.path)
    elf = ensure_built(study, board).elf
    assert board.sensor is not None and board.sensor.driver is not None and board.sensor.setup is not None
    animal = simulated_animal(AnimalName(study.card, seed, max(300, round(hours * 3600))))
    source = Dated(worn_by(animal, board.sensor.setup.shift))
    run = TagRun(board, elf, len(model.classes), make_sensor(board.sensor.driver, source))
    chip_clock = ChipClock(run)
    run.run(START_S)
    clock = StepClock(chip_clock.now_ns())
    end_ns = chip_clock.start_ns + round(hours * 3600 * NS)
    intervals = [
        (chip_clock.start_ns + start, chip_clock.start_ns + end, code)
        for start, end, code in animal.intervals(hours * 3600)
    ]
    truth = track_of(ANIMAL, "simulation", model.classes, intervals)
    truth = truth.within(np.array([[clock.now_ns(), end_ns]]))
    keys = keys_for(truth, clock.now_ns(), habits)
    facts = facts_of(
        id="5e" * 16,
        name="field-session",
        began_ns=clock.now_ns(),
        zone="UTC",
        animals=(ANIMAL,),
        tagged=ANIMAL,
        classes=model.classes,
        study=study.path.name,
        model_sha256=model.sha256,
        simulated=True,
        emulated=True,
    )
    with Session.begin(folder, facts, clock) as session:
        recorder = session.join("scripted")
        waiting = list(keys.commands)
        stop = threading.Event()
        for moment in modelled_tag(run, chip_clock, model_sha256=model.sha256).moments(stop):
            at = time_of(moment)
            while waiting and facts.began_ns + round((waiting[0].at_s or 0) * NS) <= at:
                command = waiting.pop(0)
                clock.advance_to(facts.began_ns + round((command.at_s or 0) * NS))
                carry_out(recorder, command)
            clock.advance_to(at)
            session.take(moment)
            if at >= end_ns and not waiting:
                stop.set()
    known = known_tag(model, board, source, chip_clock)
    return Told(folder, keys, truth, known, time.perf_counter() - began)


def known_tag(model: IntegerModel, board: Board, source: Dated, clock: ChipClock) -> Track:
    """Return what the tag says by the reference, on the samples its sensor took, dated by when it took them.

    A result stands for one hop in the middle of its window, moved back by what its majority waits for.
    """
    setup = tag_setup(board, model)
    assert setup is not None
    samples = streamed(board, np.concatenate(source.rows))
    times = np.concatenate(source.times)[: len(samples)]
    logits = np.zeros((window_count(len(samples), model.window, model.hop), len(model.classes)), np.int16)
    classes = classify_stream(model, samples, logits=logits)
    smoothed = Smoothing(setup.smoothing)
    said = np.array(
        [
            smoothed.result(with_unknown(code, values, setup.unknown_margin))
            for code, values in zip(classes.tolist(), logits.tolist())
        ]
    )
    first = np.arange(len(classes)) * model.hop
    period = NS / model.rate_hz
    middles = (times[first] + times[first + model.window - 1] + period) / 2
    hop = model.hop * period
    starts = clock.start_ns + np.rint(middles - hop / 2 - (setup.smoothing - 1) / 2 * hop).astype(np.int64)
    ends = np.append(starts[1:], starts[-1] + round(hop))
    known = said < len(model.classes)
    return Track(ANIMAL, "reference", model.classes, starts[known], ends[known], said[known])


def figures(pairs: Sequence[tuple[Track, Track]], settings: AgreementSettings) -> dict[str, Any]:
    """Return the figures of an agreement that are compared."""
    together = agreement_of(pairs, settings, simulated=True)["together"]
    return {
        "both_know_min": together["minutes"]["both_know"],
        "same_share": together["same_share"]["value"],
        **{f"kappa_{name}": together["kappa"][name]["value"] for name in ("time", "time_tolerant", "event")},
        **{
            f"sensitivity_{name}": one["sensitivity"]["value"] for name, one in together["behaviours"].items()
        },
        **{f"tag_min_{name}": one["minutes"]["second"] for name, one in together["behaviours"].items()},
    }


def expected_observer(told: Told, until_ns: int) -> Track:
    """Return what the keys come to, worked out from them alone."""
    began = int(told.truth.starts[0])
    shown = [
        (began + round((key.at_s or 0) * NS), key.words[1]) for key in told.keys.commands if key.name == "b"
    ]
    edges = [*(at for at, _ in shown), until_ns]
    codes = [told.truth.classes.index(name) for _, name in shown]
    return track_of(ANIMAL, "keys", told.truth.classes, list(zip(edges, edges[1:], codes)))


def compare(told: Told) -> dict[str, Any]:
    """Return the session's figures beside those of what the simulator knows, and how far they differ."""
    account = session_tracks(told.folder)
    observer, tag = account.observers["scripted"][0], account.tags[0]
    settings = account.settings()
    keys = expected_observer(told, int(told.truth.ends[-1]))
    session = figures([(observer, tag)], settings)
    known = figures([(keys, told.tag)], settings)
    # Results that were made before anybody watched are in no session.
    nearest = np.abs(told.tag.starts[None, :] - tag.starts[:, None]).argmin(axis=1)
    later = (tag.starts - told.tag.starts[nearest]) / NS
    return {
        "session": session,
        "known": known,
        "largest_difference": max(
            abs(session[name] - known[name])
            for name in session
            if session[name] is not None and known[name] is not None
        ),
        "undefined_in_one_only": [
            name for name in session if (session[name] is None) != (known[name] is None)
        ],
        "observer_equals_keys": bool(
            np.array_equal(observer.bouts().starts, keys.bouts().starts)
            and np.array_equal(observer.bouts().behaviours, keys.bouts().behaviours)
        ),
        "results": len(tag),
        "results_in_a_row": bool(np.all(np.diff(nearest) == 1)),
        "results_of_another_class": int((tag.behaviours != told.tag.behaviours[nearest]).sum()),
        "dated_later_by_s": {
            "median": round(float(np.median(later)), 4),
            "least": round(float(later.min()), 4),
            "most": round(float(later.max()), 4),
        },
        "tolerance_s": settings.effective_tolerance_s,
        "keys": len(told.keys.commands),
        "bouts_missed": told.keys.missed,
        "bouts_wrong": told.keys.wrong,
        "remarks": list(account.remarks),
        "wall_s": round(told.wall_s, 1),
    }


def measure(study: Study, board: Board, hours: float, seed: int, once: bool = False) -> dict[str, Any]:
    """Hold a session with an observer who makes no mistake, and, unless `once`, one with one who does."""
    record: dict[str, Any] = {"hours": hours, "board": board.name, "seed": seed}
    with tempfile.TemporaryDirectory() as place:
        both = (("without_mistakes", PERFECT), ("with_mistakes", Habits(seed=1)))
        for name, habits in both[:1] if once else both:
            told = hold(Path(place) / name, study, board, hours, habits, seed)
            record[name] = compare(told)
            if habits == PERFECT:
                # What the observer told is the truth, so these are the figures of the tag against the truth.
                settings = session_tracks(told.folder).settings()
                record[name]["truth"] = figures([(told.truth, told.tag)], settings)
    return record


def main(arguments: Sequence[str] | None = None) -> None:
    """Run what is asked for, print it, and write it as JSON."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--run", type=Path, help="study of herd-sim; without it the demonstration's model")
    parser.add_argument("--board", choices=("collar", "eartag"), default="collar")
    parser.add_argument("--hours", type=float, default=2.0)
    parser.add_argument("--once", action="store_true", help="without the observer who makes mistakes")
    parser.add_argument("--out", type=Path)
    options = parser.parse_args(arguments)
    study = Study.open(options.run) if options.run else demo_study(print)
    seed = int(study.manifest["seed"]) + HELD_OUT
    record = measure(study, load_board(options.board), options.hours, seed, options.once)
    print(json.dumps(record, indent=1))
    if options.out is not None:
        options.out.write_text(json.dumps(record, indent=1) + "\n")


if __name__ == "__main__":
    main()
