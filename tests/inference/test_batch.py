"""Compiled batch: equal to the reference on every value."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from builders.host import GAINS, STEPS, all_kinds, assert_same, host_model
from hypothesis import given, settings
from hypothesis import strategies as st

from mcukd.errors import UserError
from mcukd.fixedpoint.gru.bounds import accumulator_bounds
from mcukd.fixedpoint.reference import run
from mcukd.inference import batch
from mcukd.inference.batch import backend, classify_stream, run_fast, window_count


@pytest.fixture(scope="module", autouse=True)
def own_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MCUKD_CACHE", str(tmp_path_factory.mktemp("cache")))
        patch.delenv("MCUKD_HOST", raising=False)
        yield


@pytest.fixture
def fresh() -> Iterator[None]:
    """Forget which library a shape has, before and after."""
    batch.forget_libraries()
    yield
    batch.forget_libraries()


pytestmark = pytest.mark.skipif(shutil.which("cc") is None, reason="needs a host C compiler")


def check_widths(hidden: int, channels: int, widths: range, gates: tuple[str, ...]) -> None:
    counts = all_kinds(channels, seed=hidden)
    for bits in widths:
        gain = GAINS[(bits + hidden) % len(GAINS)]
        model = host_model(bits, bits, gates[bits % len(gates)], hidden, channels, gain)
        assert backend(model).name == "c"
        assert_same(run_fast(model, counts), run(model, counts))


@pytest.mark.parametrize(
    ("hidden", "channels"),
    [(1, 1), (5, 2), (5, 3), (8, 6), (16, 3), (17, 1), (17, 3), (32, 2)],
)
def test_every_shape_equals_the_reference(hidden: int, channels: int) -> None:
    """Widths, tables and gains take turns: in all, every width meets both tables."""
    turn = channels > 2
    gates = ("direct", "interpolated") if turn else ("interpolated", "direct")
    check_widths(hidden, channels, range(4 + (hidden + turn) % 2, 17, 2), gates)
    check_widths(hidden, channels, range(5 - (hidden + turn) % 2, 17, 6), gates)


@pytest.mark.slow
@pytest.mark.parametrize("channels", [1, 2, 3, 6])
@pytest.mark.parametrize("hidden", [1, 5, 8, 16, 17, 32])
def test_every_shape_with_every_width_and_table_equals_the_reference(hidden: int, channels: int) -> None:
    for gates in ("interpolated", "direct"):
        check_widths(hidden, channels, range(4, 17), (gates,))


@settings(deadline=None, max_examples=25, derandomize=True)
@given(
    seed=st.integers(0, 10**6),
    bits=st.integers(4, 16),
    activation_bits=st.integers(8, 16),
    gates=st.sampled_from(("interpolated", "direct")),
    gain=st.sampled_from((0.01, 1.0, 8.0, 100.0)),
    windows=st.integers(1, 70),
    steps=st.integers(1, 40),
)
def test_any_model_equals_the_reference(
    seed: int, bits: int, activation_bits: int, gates: str, gain: float, windows: int, steps: int
) -> None:
    model = host_model(seed, bits, gates, 5, 3, gain, activation_bits)
    counts = all_kinds(3, max(windows, 14), steps, seed)[:windows]
    assert_same(run_fast(model, counts), run(model, counts))


def test_samples_that_drive_sums_to_the_end_of_32_bits_give_the_same() -> None:
    """Biases fill what the proof leaves; samples have the signs that add up."""
    model = host_model(0, 8, "interpolated", 8, 3)
    arrays, rng = dict(model.arrays), np.random.default_rng(1)
    signs = rng.choice([-1, 1], 3)
    for gate in "zrh":
        arrays[f"recurrent_{gate}"] = rng.integers(-9, 10, (8, 8)).astype(np.int16)
        arrays[f"kernel_{gate}"] = np.tile(signs * [9000, 12000, 15000], (8, 1)).astype(np.int16)
        arrays[f"bias_{gate}"] = np.zeros(8, np.int32)
    room = min((1 << 31) - 1 - accumulator_bounds(arrays, model.shifts, 16, model.state_shift)[f"sum {g}"]
               for g in "zrh")  # fmt: skip
    for gate in "zrh":
        arrays[f"bias_{gate}"] = np.where(np.arange(8) % 2, room, -room).astype(np.int32)
    model = replace(model, arrays=arrays)
    bounds = accumulator_bounds(arrays, model.shifts, 16, model.state_shift)
    assert max(bounds[f"sum {g}"] for g in "zrh") == (1 << 31) - 1
    counts = np.where(rng.integers(0, 2, (40, 30, 1)), signs, -signs) * 32768
    assert_same(
        run_fast(model, clipped := np.clip(counts, -32768, 32767).astype(np.int16)), run(model, clipped)
    )


def test_a_window_of_many_tiles_equals_the_reference() -> None:
    model = host_model(1, 8, "interpolated", 5, 3)
    counts = all_kinds(3, 14, 1000)
    assert_same(run_fast(model, counts), run(model, counts))


def test_work_done_in_several_calls_is_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    model = host_model(1, 8, "direct", 5, 3)
    counts = all_kinds(3, 70)
    monkeypatch.setattr(batch, "STEPS_PER_CALL", 1)
    assert_same(run_fast(model, counts), run(model, counts))


def test_no_windows_and_no_steps_are_no_special_case() -> None:
    model = host_model(1, 8, "direct", 5, 3)
    nothing = run_fast(model, np.zeros((0, STEPS, 3), np.int16))
    assert nothing.logits.shape == (0, 4)
    assert nothing.classes.shape == nothing.state_crc.shape == (0,)
    still = np.zeros((3, 0, 3), np.int16)
    found, expected = run_fast(model, still), run(model, still)
    assert np.array_equal(found.logits, expected.logits)
    assert not found.state.any()
    assert not found.state_crc.any()


def test_what_is_not_asked_for_is_left_out() -> None:
    model = host_model(1, 8, "direct", 5, 3)
    found = run_fast(model, all_kinds(3), checksums=False, saturations=False)
    assert found.saturations == {}
    assert not found.state_crc.any()


def test_memory_in_any_order_gives_the_same() -> None:
    model = host_model(1, 8, "interpolated", 5, 3)
    counts = all_kinds(3)
    expected = run(model, counts)
    for other in (np.asfortranarray(counts), counts.astype(">i2"), counts[::-1].copy()[::-1]):
        assert_same(run_fast(model, other), expected)
    assert_same(run_fast(model, counts[::2]), run(model, counts[::2]))


def test_counts_of_another_kind_are_refused() -> None:
    model = host_model(1, 8, "interpolated", 5, 3)
    with pytest.raises(UserError, match="counts are float64, .* int16"):
        run_fast(model, np.zeros((1, 9, 3)))
    with pytest.raises(UserError, match=r"shape \(1, 9, 2\), expected \(windows, .* with 3 channels"):
        run_fast(model, np.zeros((1, 9, 2), np.int16))
    with pytest.raises(UserError, match=r"expected \(samples, channels\) with 3"):
        classify_stream(model, np.zeros((9, 2), np.int16))
    with pytest.raises(UserError, match="hop 0: "):
        classify_stream(model, np.zeros((9, 3), np.int16), 0)
    with pytest.raises(UserError, match=r"logits: expected int16 of shape \(1, 4\)"):
        classify_stream(model, np.zeros((9, 3), np.int16), 1, np.zeros((2, 4), np.int16))


@pytest.mark.parametrize("hop", [1, 4, STEPS, 25])
@pytest.mark.parametrize("compute", ["c", "numpy"])
def test_a_stream_is_its_windows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fresh: None, hop: int, compute: str
) -> None:
    monkeypatch.setenv("MCUKD_HOST", compute)
    model = host_model(2, 8, "interpolated", 5, 3)
    assert backend(model).name == compute
    file = tmp_path / "samples.i2"
    all_kinds(3, 40).reshape(-1, 3)[:-2].astype("<i2").tofile(file)
    samples = np.memmap(file, "<i2", "r").reshape(-1, 3)
    monkeypatch.setattr(batch, "STEPS_PER_CALL", 32 * STEPS)
    starts = range(0, len(samples) - STEPS + 1, hop)
    expected = run(model, np.stack([samples[s : s + STEPS] for s in starts]))
    assert window_count(len(samples), STEPS, hop) == len(starts)
    logits, done = np.zeros((len(starts), 4), np.int16), []
    classes = classify_stream(model, samples, hop, logits, done.append)
    assert classes.dtype == np.uint8
    assert np.array_equal(classes, expected.classes)
    assert np.array_equal(logits, expected.logits)
    assert sum(done) == len(starts)
    assert len(done) == -(-len(starts) // 32)


def test_a_stream_copies_no_windows() -> None:
    """At hop 1 windows overlap 64-fold; they are views of the samples."""
    samples = np.zeros((500, 3), np.int16)
    views = np.lib.stride_tricks.sliding_window_view(samples, 64, axis=0).transpose(0, 2, 1)
    assert np.shares_memory(batch.in_place(views), samples)


def test_a_recording_shorter_than_a_window_has_no_classes() -> None:
    model = host_model(2, 8, "interpolated", 5, 3)
    assert classify_stream(model, np.zeros((STEPS - 1, 3), np.int16), 1).shape == (0,)
    assert len(classify_stream(model, np.zeros((STEPS, 3), np.int16), 7)) == 1
