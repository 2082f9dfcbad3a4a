"""The demonstration of a field session, without a chip."""

from pathlib import Path

import pytest

from mcukd.observation.account import session_tracks
from mcukd.pipeline import observe_demo
from mcukd.pipeline.observe_demo import ANIMAL, SCRIPTED, STUDENT, demonstrating

ROOT = Path(__file__).parents[2]


def test_the_small_model_is_the_one_of_the_experiments():
    made = ROOT / "experiments" / "data" / "herd-sim-gru16.npz"
    assert STUDENT.read_bytes() == made.read_bytes()


def test_without_a_compiler_the_reference_stands_in_and_a_script_presses_keys(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(observe_demo, "can_run", lambda board: False)
    said = []
    with demonstrating(None, None, 60.0, said.append) as session:
        change = session.change
        while len(session.recorder(SCRIPTED).events) < 5:
            change = session.wait(change, timeout=20)
        shown = session.snapshot(fresh=True)
    assert any("integer reference stands in for a tag" in each for each in said)
    assert shown["session"]["simulated"] and shown["tag"]["emulated"]
    assert shown["tag"]["state"] == "connected" and shown["agreement"][SCRIPTED]["both_know_min"] > 0
    account = session_tracks(session.folder)
    assert account.emulated and account.observers[SCRIPTED][0].animal == ANIMAL
    assert not (tmp_path / "runs").exists()


@pytest.mark.emulator
def test_with_one_the_image_runs_on_a_modelled_chip(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with demonstrating(None, None, 8.0, lambda text: None) as session:
        change = session.change
        while len(session.recorder(SCRIPTED).events) < 3 or session.tag.state.latest is None:
            change = session.wait(change, timeout=60)
        shown = session.snapshot(fresh=True)
    assert shown["tag"]["chip"] and shown["tag"]["problem"] is None
