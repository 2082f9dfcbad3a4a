"""A compressed session of a simulated animal: its figures are those of the truth that the simulator knows."""

import json
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest
from builders.session import NS, facts, step_clock
from builders.students import random_model

from mcukd.data.simulation.animal import AnimalName, simulated_animal
from mcukd.inference.batch import run_fast
from mcukd.metrics.agreement.summary import agreement_of
from mcukd.metrics.agreement.track import Track, track_of
from mcukd.observation.account import session_tracks
from mcukd.observation.moment_entries import time_of
from mcukd.observation.script import carry_out
from mcukd.observation.scripted_observer import Habits, keys_for
from mcukd.observation.session import Session
from mcukd.observation.sources.computed import ComputedTag
from mcukd.tag.smoothing import Smoothing

SECONDS, ANIMAL, SMOOTHING = 600, "sim-01", 3


@pytest.fixture(scope="module")
def model():
    return random_model(5, steps=64, classes=5)


@pytest.fixture(scope="module")
def animal():
    return simulated_animal(AnimalName("herd-sim", 1001, SECONDS))


def known_tag(model, animal, began):
    """What the tag says, worked out from its samples alone: a hop in the middle of each window."""
    count = (len(animal.counts) - model.window) // model.hop + 1
    windows = np.stack([animal.counts[n * model.hop : n * model.hop + model.window] for n in range(count)])
    smoothed = Smoothing(SMOOTHING)
    said = np.array([smoothed.result(code) for code in run_fast(model, windows).classes.tolist()])
    hop = model.hop / model.rate_hz * NS
    middles = (np.arange(count) * model.hop + model.window / 2) / model.rate_hz * NS
    starts = began + np.rint(middles - hop / 2 - (SMOOTHING - 1) / 2 * hop).astype(np.int64)
    return Track(ANIMAL, "known", model.classes, starts, starts + round(hop), said)


@pytest.mark.parametrize("habits", [Habits(0, 0, 0, 0), Habits(missed=0.2, wrong=0.2, seed=2)])
def test_figures_are_those_of_what_the_simulator_knows(tmp_path, model, animal, habits):
    clock = step_clock()
    began = clock.now_ns()
    intervals = [(began + start, began + end, code) for start, end, code in animal.intervals(SECONDS)]
    truth = track_of(ANIMAL, "truth", model.classes, intervals)
    keys = keys_for(truth, began, habits)
    said = facts(
        animals=(ANIMAL,), tagged=ANIMAL, classes=model.classes, model_sha256=model.sha256, began_ns=began
    )
    waiting, stop = list(keys.commands), threading.Event()
    with Session.begin(tmp_path / "s", said, clock) as session:
        recorder = session.join("scripted")
        tag = ComputedTag(model, animal.counts, began, lambda _: None, SMOOTHING)
        for moment in tag.moments(stop):
            while waiting and began + round(waiting[0].at_s * NS) <= time_of(moment):
                command = waiting.pop(0)
                clock.advance_to(began + round(command.at_s * NS))
                carry_out(recorder, command)
            if not waiting:
                break
            clock.advance_to(time_of(moment))
            session.take(moment)
    account = session_tracks(tmp_path / "s")
    (observer,), (tag,) = account.observers["scripted"], account.tags
    if habits.wrong == 0:
        assert np.array_equal(observer.bouts().starts, truth.bouts().starts)
        assert np.array_equal(observer.bouts().behaviours, truth.bouts().behaviours)
    known = known_tag(model, animal, began)
    known = known.within(np.array([[int(known.starts[0]), int(tag.ends[-1])]]))
    assert np.array_equal(tag.behaviours, known.behaviours[: len(tag)])
    assert np.abs(tag.starts - known.starts[: len(tag)]).max() < NS // 10_000  # ticks of the tag's clock
    told = [command for command in keys.commands if command.name == "b"]
    edges = [*(began + round(each.at_s * NS) for each in told), int(truth.ends[-1])]
    codes = [model.classes.index(each.words[1]) for each in told]
    expected = track_of(ANIMAL, "keys", model.classes, list(zip(edges, edges[1:], codes)))
    settings = account.settings()
    found = agreement_of([(observer, tag)], settings)["together"]
    wanted = agreement_of([(expected, known)], settings)["together"]
    for name in ("time", "time_tolerant", "event"):
        assert found["kappa"][name]["value"] == pytest.approx(wanted["kappa"][name]["value"], abs=1e-4)
    for name in model.classes:
        one, other = found["behaviours"][name], wanted["behaviours"][name]
        assert one["sensitivity"]["value"] == other["sensitivity"]["value"]
        assert one["minutes"]["second"] == pytest.approx(other["minutes"]["second"], abs=1e-3)


@pytest.mark.emulator
def test_on_a_modelled_chip_too(tmp_path):
    script = Path(__file__).parents[2] / "experiments" / "field_session.py"
    found = subprocess.run(
        [sys.executable, str(script), "--hours", "0.09", "--once", "--out", str(tmp_path / "found.json")],
        cwd=tmp_path, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert found.returncode == 0, found.stderr
    record = json.loads((tmp_path / "found.json").read_text())["without_mistakes"]
    assert record["results_of_another_class"] == 0 and record["results_in_a_row"]
    assert record["observer_equals_keys"] and record["largest_difference"] < 0.02
