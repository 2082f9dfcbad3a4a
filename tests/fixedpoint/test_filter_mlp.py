"""Integer filter-MLP: close to float, proven not to overflow, and the same bits wherever it is computed."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from builders.filter_mlp import STEPS, filter_model, random_filters, windows_of, worst_windows
from hypothesis import given, settings
from hypothesis import strategies as st

from mcukd.errors import UserError
from mcukd.fixedpoint import reference
from mcukd.fixedpoint.bounds import LIMIT
from mcukd.fixedpoint.filter_mlp.fitting import collect_ranges, fir, fit
from mcukd.fixedpoint.filter_mlp.model import LONGEST_WINDOW
from mcukd.fixedpoint.filter_mlp.quantize import quantize
from mcukd.fixedpoint.filter_mlp.reference import FilterMachine, FilterState
from mcukd.fixedpoint.gates import pre_length
from mcukd.fixedpoint.quantize import QuantizeConfig


def softmax(logits: np.ndarray) -> np.ndarray:
    powers = np.exp(logits - logits.max(axis=1, keepdims=True))
    return powers / powers.sum(axis=1, keepdims=True)


@pytest.mark.parametrize(("bits", "gates", "largest"), [(16, "interpolated", 2e-3), (16, "direct", 1e-2)])
@pytest.mark.parametrize("seed", range(3))
def test_sixteen_bits_are_the_float_model(seed: int, bits: int, gates: str, largest: float) -> None:
    weights, windows = random_filters(seed), windows_of(count=300, steps=256, seed=seed + 10)
    model = quantize(weights, windows, QuantizeConfig(bits, 16, gates), 64)
    found = reference.run(model, windows.counts)
    floats = weights.logits(windows.counts)
    ours = found.logits * 2.0 ** -model.length("logits")
    assert np.abs(softmax(ours) - softmax(floats)).max() < largest
    assert np.mean(found.classes == floats.argmax(axis=1)) > 0.99


def test_tensors_of_a_trace_are_the_float_models(seed: int = 4) -> None:
    """Step by step: high-pass, both filters and the sums, in counts and real values."""
    weights, windows = random_filters(seed), windows_of(count=20, steps=40, seed=seed)
    model = quantize(weights, windows, QuantizeConfig(16), 40)
    window = windows.counts[3].astype(np.float64)
    machine, passed, total = FilterMachine(model), np.zeros(3), np.zeros(3)
    state = machine.zero_state(1)
    filtered = fir(
        np.tanh(fir((window[None] - weights.mean) / weights.std, weights.fir1) + weights.fir1_bias),
        weights.fir2,
    )[0]
    for t, sample in enumerate(window):
        tensors = {n: v[0] for n, v in machine.step(state, sample[None].astype(np.int64)).items()}
        if t:
            passed = weights.pole * passed + sample - window[t - 1]
        total += np.abs(passed)
        assert np.allclose(tensors["passed"] * 2.0**-14, passed, atol=2e-4 * np.abs(window).max())
        assert np.array_equal(tensors["mean_sum"], window[: t + 1].sum(axis=0))
        length = model.length("passed_sum")
        assert np.allclose(tensors["passed_sum"] * 2.0**-length, total, rtol=1e-3, atol=t * 2.0**-length + 1)
        if t >= 14:
            exact = filtered[t - 14] + weights.fir2_bias
            assert np.allclose(tensors["filtered"] * 2.0 ** -model.length("filtered"), exact, atol=5e-3)
    assert t == 39


# Overflow


def sums_of(machine: FilterMachine, state: FilterState) -> dict[str, int]:
    """The largest 32-bit sums that lie in a state, filters before their narrowing included."""
    arrays = {name: array.astype(np.int64) for name, array in machine.model.arrays.items()}
    shifts, found = machine.model.shifts, {}
    for name, line in (("fir1", state.x), ("fir2", state.u)):
        taps = np.roll(arrays[name], state.sample_count, axis=1)
        addend = 1 << shifts[name] >> 1
        found[name] = int(np.abs((line * taps).sum(axis=2) + arrays[f"{name}_bias"] + addend).max())
    offset = arrays["offset"].reshape(3, -1)
    ended = np.abs(state.sums + offset).max(axis=(0, 2))
    found["high-pass"] = int(np.abs(state.highpassed).max())
    names = ("sum of samples", "sum of passed", "sum of filtered")
    return {**found, **dict(zip(names, map(int, ended)))}


@pytest.mark.parametrize("bits", [4, 8, 13, 16])
@pytest.mark.parametrize(("gain", "std"), [(1.0, 1.0), (20.0, 1.0), (0.05, 10.0), (3.0, 0.01)])
def test_bounds_are_reached_and_not_passed(bits: int, gain: float, std: float) -> None:
    model = filter_model(bits, bits, gain=gain, std=std)
    assert max(model.bounds.values()) < LIMIT
    counts = worst_windows(model)
    machine = FilterMachine(model)
    state, largest = machine.zero_state(len(counts)), dict.fromkeys(model.bounds, 0)
    for t in range(STEPS):
        machine.step(state, counts[:, t].astype(np.int64))
        for name, value in sums_of(machine, state).items():
            largest[name] = max(largest[name], value)
            assert value <= model.bounds[name], name
    # The filter's worst window is made for it, once all its taps meet it.
    assert largest["fir1"] > 0.99 * model.bounds["fir1"]
    assert largest["high-pass"] > 0.49 * model.bounds["high-pass"]  # two terms, bounded each for itself
    assert largest["sum of samples"] > 0.9 * model.bounds["sum of samples"]


@settings(max_examples=30, deadline=None)
@given(
    seed=st.integers(0, 10**6),
    bits=st.integers(4, 16),
    gain=st.sampled_from([0.01, 1.0, 30.0]),
    std=st.sampled_from([0.01, 1.0, 30.0]),
    gates=st.sampled_from(["interpolated", "direct"]),
    channels=st.integers(1, 4),
    activation_bits=st.integers(8, 16),
)
def test_no_weights_and_no_windows_pass_the_bounds(
    seed: int, bits: int, gain: float, std: float, gates: str, channels: int, activation_bits: int
) -> None:
    try:
        model = filter_model(seed, bits, gates, channels, 20, gain, std, activation_bits)
    except UserError as refusal:
        # Only where even the shortest sum, without a shift, could pass 32 bits: a count of input is then
        # worth more than the gate's whole range.
        weights = random_filters(seed, channels, 4, gain, std)
        largest = np.abs(weights.fir1 / weights.std).sum(axis=0).max() * (2**15 + np.abs(weights.mean).max())
        assert "'fir1' are too large for 32-bit sums" in str(refusal)
        assert largest * 2.0 ** pre_length("h", gates) > LIMIT / 2
        return
    assert min(model.shifts.values()) >= 0 and max(model.bounds.values()) < LIMIT
    assert all(np.abs(array.astype(np.int64)).max() <= LIMIT - 1 for array in model.arrays.values())
    rng = np.random.default_rng(seed)
    counts = rng.choice([-32768, -1, 0, 32767], (50, 20, channels)).astype(np.int16)
    machine = FilterMachine(model)
    state = machine.zero_state(50)
    for t in range(20):
        machine.step(state, counts[:, t].astype(np.int64))
        assert all(value <= model.bounds[name] for name, value in sums_of(machine, state).items())
    found = machine.head(state)
    assert np.abs(found["features"]).max() <= 1 << (activation_bits - 1)


def test_a_long_window_keeps_its_sums_within_32_bits_and_a_longer_one_is_refused() -> None:
    weights, windows = random_filters(0), windows_of(count=2, steps=64, seed=1)
    seen = collect_ranges(weights, windows.counts)
    made = fit(weights, seen, LONGEST_WINDOW, 8, 16, "interpolated")
    assert max(made.bounds.values()) < LIMIT and made.lengths["passed_sum"] == 0
    with pytest.raises(UserError, match="window of 32768 samples is too long"):
        fit(weights, seen, LONGEST_WINDOW + 1, 8, 16, "interpolated")


# Traps


def test_a_slow_high_pass_forgets_a_step() -> None:
    """Rounded products could hold a small value for ever; what is left must be far below a count."""
    weights = replace(random_filters(0), pole=np.full(3, 0.999, np.float32))
    windows = windows_of(count=4, steps=5000)
    model = quantize(weights, windows, QuantizeConfig(8), 64)
    machine = FilterMachine(model)
    state = machine.zero_state(1)
    machine.step(state, np.full((1, 3), -30_001))
    for _ in range(4900):
        machine.step(state, np.full((1, 3), -30_000))
    assert np.abs(state.highpassed).max() * 2.0**-14 < 0.05


def test_gravity_cancels_as_in_float_however_coarse_the_taps() -> None:
    """A constant input's part of the first filter is its mean's, which the bias takes off."""
    weights, windows = random_filters(2), windows_of(count=50, steps=40)
    level = np.array([1500, -4000, 2500])
    counts = np.clip(level + windows.counts // 8, -32768, 32767).astype(np.int16)
    windows = replace(windows, counts=counts)
    weights = replace(weights, mean=level.astype(np.float32), std=np.full(3, 400, np.float32))
    model = quantize(weights, windows, QuantizeConfig(4), 40)
    machine = FilterMachine(model)
    state = machine.zero_state(1)
    for _ in range(20):
        tensors = machine.step(state, level[None])
    found = tensors["fir1_pre"][0] * 2.0 ** -model.length("fir1_pre")
    assert np.allclose(found, weights.fir1_bias, atol=0.1)


def test_taps_of_zeros_and_axes_of_unlike_scale_are_quantized() -> None:
    weights = random_filters(3)
    still = replace(weights, fir1=np.zeros_like(weights.fir1), fir2=np.zeros_like(weights.fir2))
    windows = windows_of(count=40, steps=20)
    assert quantize(still, windows, QuantizeConfig(4), 20).arrays["fir1"].any() == np.False_
    unlike = replace(weights, std=np.array([5, 500, 20_000], np.float32))
    model = quantize(unlike, windows, QuantizeConfig(8), 20)
    rows = model.formats["fir1"].row_lengths
    assert rows is not None and rows[2] > rows[0] and model.formats["fir1"].fractional_length == min(rows)
