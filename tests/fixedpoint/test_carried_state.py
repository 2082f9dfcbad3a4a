"""Models whose state is carried through a recording: their file, their hash, and the reference."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from builders.places import GOLDEN
from builders.students import random_model
from hypothesis import given, settings
from hypothesis import strategies as st

from mcukd.errors import UserError
from mcukd.fixedpoint.gru.reference import Machine
from mcukd.fixedpoint.model import load_model, save_model
from mcukd.fixedpoint.reference import as_stream, check_stream, run, run_stream


def recording(samples: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(-8000, 8000, (samples, 3)).astype(np.int16)


def test_hash_and_file_of_a_windowed_model_are_what_they_were(tmp_path: Path) -> None:
    model = random_model(0, hidden=4, dense=4, steps=8)
    assert f"Model    {model.sha256}" in (GOLDEN / "mcukd_model.h").read_text()
    save_model(model, tmp_path)
    facts = json.loads((tmp_path / "fixedpoint.json").read_text())
    assert "stream" not in facts
    assert not load_model(tmp_path).stream


def test_a_carried_state_is_a_fact_of_the_model(tmp_path: Path) -> None:
    model = as_stream(random_model())
    assert model.sha256 != random_model().sha256
    save_model(model, tmp_path)
    loaded = load_model(tmp_path)
    assert loaded.stream
    assert loaded.sha256 == model.sha256
    assert json.loads((tmp_path / "fixedpoint.json").read_text())["stream"] is True


def test_trap_a_flag_that_is_changed_in_the_file_is_found_out(tmp_path: Path) -> None:
    save_model(random_model(), tmp_path)
    file = tmp_path / "fixedpoint.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), "stream": True}))
    with pytest.raises(UserError, match=r"fixedpoint\.npz.*mcukd quantize"):
        load_model(tmp_path)


def test_a_family_without_a_state_that_goes_on_is_refused() -> None:
    with pytest.raises(UserError, match="--stream: a filter-mlp student has no state .* gru-mlp students"):
        check_stream("filter-mlp")


def test_the_first_result_is_that_of_the_window_and_later_ones_are_not() -> None:
    model, samples = as_stream(random_model(steps=30)), recording(200)
    found = run_stream(model, samples, hop=10)
    windows = np.stack([samples[n * 10 : n * 10 + 30] for n in range(len(found.classes))])
    assert len(windows) == 18
    assert np.array_equal(found.logits[0], run(model, windows).logits[0])
    assert np.array_equal(found.state[0], run(model, windows).state[0])
    assert not np.array_equal(found.logits[1:], run(model, windows).logits[1:])


def test_a_recording_shorter_than_a_window_has_no_result_but_a_state() -> None:
    model = as_stream(random_model(steps=30))
    found = run_stream(model, recording(29))
    assert found.logits.shape == (0, 4)
    assert found.last.any()


@settings(deadline=None, max_examples=20)
@given(
    seed=st.integers(0, 1000),
    bits=st.integers(4, 16),
    hop=st.integers(1, 40),
    parts=st.lists(st.integers(1, 70), min_size=1, max_size=4),
)
def test_a_carried_run_is_the_step_sample_by_sample_from_zero_after_each_gap(
    seed: int, bits: int, hop: int, parts: list[int]
) -> None:
    model = as_stream(random_model(seed % 5, bits=bits, steps=30))
    machine = Machine(model)
    for number, length in enumerate(parts):
        samples = recording(length, seed + number)
        found = run_stream(model, samples, hop)
        state, expected = machine.zero_state(1), []
        for t in range(length):
            state = machine.step(state, samples[t : t + 1].astype(np.int64))["h"]
            if t >= 29 and (t - 29) % hop == 0:
                expected.append(machine.head(state)["logits"][0])
        assert np.array_equal(found.logits, np.reshape(expected, (len(expected), 4)))
        assert np.array_equal(found.classes, [int(np.argmax(one)) for one in expected])
        assert np.array_equal(found.last, state[0])


def test_the_flag_alone_changes_no_window() -> None:
    model = random_model()
    windows = model.arrays["known_windows"]
    assert np.array_equal(run(model, windows).logits, run(as_stream(model), windows).logits)
    assert replace(as_stream(model), stream=False).sha256 == model.sha256
