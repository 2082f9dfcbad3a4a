"""Compiled carried state: equal to the reference on every value, whole or in parts."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest
from builders.host import GAINS, all_kinds, host_model
from builders.students import random_windows, refusing_model

from mcukd.data.card import load_card
from mcukd.data.load import load_counts
from mcukd.data.simulation.simulator import resized
from mcukd.errors import UserError
from mcukd.fixedpoint.gru.reference import Machine
from mcukd.fixedpoint.model import IntegerModel
from mcukd.fixedpoint.reference import as_stream, run_recording, run_stream
from mcukd.inference import batch
from mcukd.inference.batch import backend, classify_stream, run_stream_fast, window_count

pytestmark = pytest.mark.skipif(shutil.which("cc") is None, reason="needs a host C compiler")


@pytest.fixture(scope="module", autouse=True, params=["cc", "cc -DMCUKD_BATCH_PORTABLE"])
def compiled(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Vectors of this processor, and those of any."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MCUKD_CACHE", str(tmp_path_factory.mktemp("cache")))
        patch.setenv("CC", request.param)
        patch.delenv("MCUKD_HOST", raising=False)
        batch.forget_libraries()
        yield
    batch.forget_libraries()


def carried_model(seed: int, hidden: int, channels: int) -> IntegerModel:
    """Models whose widths, tables, gains and narrow states take turns."""
    bits, gates = 4 + 5 * seed % 13, ("interpolated", "direct")[seed % 2]
    return as_stream(
        host_model(seed, bits, gates, hidden, channels, GAINS[seed % len(GAINS)], 16 - seed % 3 * 3)
    )


def recording(channels: int) -> np.ndarray:
    """Recorded-like, full-scale, constant and alternating samples, one after the other."""
    return np.concatenate(all_kinds(channels, 30))[:500]


@pytest.mark.parametrize(
    ("seed", "hidden", "channels"), [(0, 1, 1), (1, 5, 2), (2, 8, 6), (3, 16, 3), (4, 17, 3), (5, 33, 2)]
)
def test_every_shape_equals_the_reference_in_any_parts(seed: int, hidden: int, channels: int) -> None:
    model, samples = carried_model(seed, hidden, channels), recording(channels)
    assert backend(model).name == "c"
    hop = (1, 7, 50)[seed % 3]
    expected = run_stream(model, samples, hop)
    assert len(expected.classes) == window_count(len(samples), model.window, hop)
    for cuts in ([], [1, 4, 4, 200], [model.window - 1, model.window, 333]):
        parts, state, taken = [], None, 0
        for part in np.split(samples, cuts):
            parts.append(run_stream_fast(model, part, hop, state, taken))
            state, taken = parts[-1].last, taken + len(part)
        for name in ("logits", "classes", "state"):
            found = np.concatenate([getattr(part, name) for part in parts])
            assert np.array_equal(found, getattr(expected, name)), name
        assert np.array_equal(parts[-1].last, expected.last)


def test_several_calls_and_classify_stream_give_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    model, samples = carried_model(3, 16, 3), recording(3)
    classes, expected = run_recording(model, samples, 9)
    monkeypatch.setattr(batch, "SAMPLES_PER_CALL", 61)
    logits, done = np.zeros((len(classes), 4), np.int16), list[int]()
    found = classify_stream(model, np.asfortranarray(samples), 9, logits, done.append)
    assert np.array_equal(found, classes)
    assert np.array_equal(logits, expected)
    assert sum(done) == len(classes) and len(done) == -(-len(samples) // 61) > 3


def assert_each_result_follows_from_the_one_before(model: IntegerModel, samples: np.ndarray) -> None:
    """The reference steps all results' states at once, each from the one before that the C found."""
    found = run_stream_fast(model, samples)
    machine, count = Machine(model), len(found.classes)
    first = run_stream(model, samples[: model.window])
    assert np.array_equal(found.state[0], first.state[0])
    blocks = samples[model.window :][: (count - 1) * model.hop].reshape(count - 1, model.hop, -1)
    state = found.state[:-1].astype(np.int64)
    for t in range(model.hop):
        state = machine.step(state, blocks[:, t].astype(np.int64))["h"]
    assert np.array_equal(state, found.state[1:])
    assert np.array_equal(machine.head(found.state.astype(np.int64))["logits"], found.logits)


def hours(count: float) -> np.ndarray:
    """Samples of simulated animals, again and again, with a stretch at both ends of the scale."""
    card = resized(load_card("herd-sim"), 2, 60)
    samples = np.concatenate([one.counts for one in load_counts(card, None, seed=5)])
    samples[1000:1100] = [32767, -32768, 32767]
    return np.resize(samples, (round(count * 180_000), 3))


def streaming_model(bits: int) -> IntegerModel:
    return as_stream(replace(host_model(bits, bits, "interpolated", 16, 3), hop=64))


def test_an_hour_is_the_references_from_result_to_result() -> None:
    assert_each_result_follows_from_the_one_before(streaming_model(8), hours(1))


@pytest.mark.slow
@pytest.mark.parametrize("bits", [4, 8, 16])
def test_a_day_is_the_references_from_result_to_result(bits: int) -> None:
    assert_each_result_follows_from_the_one_before(streaming_model(bits), hours(24))


def test_results_may_be_unknown() -> None:
    model = as_stream(refusing_model(8))
    samples = np.concatenate(random_windows(20, model.window, seed=3).counts)
    expected = run_stream(model, samples, 7)
    assert 0 < np.count_nonzero(expected.classes == len(model.classes)) < len(expected.classes)
    found = run_stream_fast(model, samples, 7)
    assert np.array_equal(found.classes, expected.classes)
    assert np.array_equal(classify_stream(model, samples, 7), expected.classes)


def test_without_a_compiler_numpy_gives_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    model, samples = carried_model(1, 5, 2), recording(2)
    compiled_result = classify_stream(model, samples, 3)
    monkeypatch.setenv("MCUKD_HOST", "numpy")
    batch.forget_libraries()
    assert backend(model).name == "numpy"
    assert np.array_equal(classify_stream(model, samples, 3), compiled_result)
    batch.forget_libraries()


def test_samples_of_another_kind_are_refused() -> None:
    model = carried_model(3, 16, 3)
    with pytest.raises(UserError, match=r"expected \(samples, channels\) with 3"):
        run_stream_fast(model, np.zeros((9, 2), np.int16))
