"""Integer CNN: close to float, proven not to overflow, and the same bits wherever it is computed."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from builders.cnn import STEPS, cnn_model, random_cnn, worst_windows
from builders.filter_mlp import windows_of
from hypothesis import given, settings
from hypothesis import strategies as st

from mcukd.errors import UserError
from mcukd.fixedpoint import reference
from mcukd.fixedpoint.bounds import LIMIT
from mcukd.fixedpoint.cnn.fitting import collect_ranges, fit
from mcukd.fixedpoint.cnn.model import CONVOLUTION_INPUTS, LONGEST_WINDOW, CnnModel
from mcukd.fixedpoint.cnn.quantize import quantize
from mcukd.fixedpoint.cnn.reference import CnnMachine
from mcukd.fixedpoint.model import load_model, save_model
from mcukd.fixedpoint.quantize import QuantizeConfig
from mcukd.models.cnn_weights import CONVOLUTIONS, patches


def softmax(logits: np.ndarray) -> np.ndarray:
    powers = np.exp(logits - logits.max(axis=1, keepdims=True))
    return powers / powers.sum(axis=1, keepdims=True)


@pytest.mark.parametrize(("bits", "largest"), [(16, 1e-3), (8, 0.05)])
@pytest.mark.parametrize("seed", range(3))
def test_wide_weights_are_the_float_model(seed: int, bits: int, largest: float) -> None:
    weights = random_cnn(seed, filters=8, steps=256)
    windows = windows_of(count=200, steps=256, seed=seed + 10)
    model = quantize(weights, windows, QuantizeConfig(bits), 64)
    found, floats = reference.run(model, windows.counts), weights.logits(windows.counts)
    ours = found.logits * 2.0 ** -model.length("logits")
    assert np.abs(softmax(ours) - softmax(floats)).max() < largest
    assert np.mean(found.classes == floats.argmax(axis=1)) > (0.99 if bits == 16 else 0.97)


@pytest.mark.parametrize("steps", [24, 47, 100, 131])
def test_tensors_of_a_trace_are_the_float_models(steps: int) -> None:
    """Every output of every convolution, in the step in which its last input arrives."""
    weights, windows = random_cnn(4, steps=steps), windows_of(count=20, steps=steps, seed=4)
    model = quantize(weights, windows, QuantizeConfig(16), steps)
    tensors = weights.tensors(windows.counts[3:4])
    traced = reference.trace(model, windows.counts[3])
    first, every = 0, 1
    for name, layer in zip(CONVOLUTIONS, weights.layers):
        first, every = first + (layer.taps - 1) * every, every * layer.stride
        expected = tensors[f"{name}_out"][0]
        times = first + every * np.arange(len(expected))
        assert times[-1] < steps <= times[-1] + every
        scale = 2.0 ** -model.length(f"{name}_out")
        for t, step in enumerate(traced):
            found = step[f"{name}_out"][: layer.filters] * scale
            exact = expected[list(times).index(t)] if t in times else np.zeros(layer.filters)
            assert np.allclose(found, exact, atol=2e-3 * expected.max()), (name, t)
            assert not step[f"{name}_out"][layer.filters :].any()
    sums = traced[-1]["pooled_high"] * 65536 + (traced[-1]["pooled_low"] & 0xFFFF)
    means = sums[: model.features] * scale / len(expected)
    assert np.allclose(means, tensors["means"][0], atol=2e-3 * means.max())
    assert model.pooled_outputs == len(expected)


# Overflow


def largest_sums(model: CnnModel, counts: np.ndarray) -> dict[str, int]:
    """The largest 32-bit sums that windows lead to, before their shifts, rounding included."""
    machine, found = CnnMachine(model), dict.fromkeys(model.bounds, 0)
    outputs = counts.astype(np.int64)
    for name, layer in zip(CONVOLUTIONS, model.layers):
        rows = model.arrays[name].astype(np.int64).reshape(layer.filters, -1)
        shifts = model.row_shifts(name)
        sums = patches(outputs, layer) @ rows.T + model.arrays[f"{name}_bias"] + (1 << shifts >> 1)
        found[name] = int(np.abs(sums).max())
        outputs = np.clip(sums >> shifts, 0, (1 << (model.activation_bits - 1)) - 1)
    state = machine.zero_state(len(counts))
    for t in range(counts.shape[1]):
        machine.step(state, counts[:, t].astype(np.int64))
    assert np.array_equal(state.pooled, outputs.sum(axis=1))  # another way to the same sums
    found["pooled"] = int(state.pooled.max()) + (1 << model.shifts["features"] >> 1)
    tensors = machine.head(state)
    for name, source in (("dense", "features"), ("output", "dense_out")):
        sums = tensors[source] @ model.arrays[name].T.astype(np.int64) + model.arrays[f"{name}_bias"]
        found[name] = int(np.abs(sums + (1 << model.shifts[name] >> 1)).max())
    return found


@pytest.mark.parametrize("bits", [4, 8, 13, 16])
@pytest.mark.parametrize(("gain", "std"), [(1.0, 1.0), (20.0, 1.0), (0.05, 10.0), (3.0, 0.01)])
def test_bounds_are_reached_and_not_passed(bits: int, gain: float, std: float) -> None:
    model = cnn_model(bits, bits, gain=gain, std=std)
    assert max(model.bounds.values()) < LIMIT
    found = largest_sums(model, worst_windows(model))
    assert all(found[name] <= bound for name, bound in model.bounds.items()), found
    # The windows are made for the filters of the first convolution.
    assert found["conv1"] > 0.99 * model.bounds["conv1"]


@settings(max_examples=30, deadline=None)
@given(
    seed=st.integers(0, 10**6),
    bits=st.integers(4, 16),
    gain=st.sampled_from([0.01, 1.0, 30.0]),
    std=st.sampled_from([0.01, 1.0, 30.0]),
    channels=st.integers(1, 4),
    filters=st.integers(2, 6),
    steps=st.integers(24, 40) | st.integers(100, 110),
    activation_bits=st.integers(8, 16),
)
def test_no_weights_and_no_windows_pass_the_bounds(
    seed: int,
    bits: int,
    gain: float,
    std: float,
    channels: int,
    filters: int,
    steps: int,
    activation_bits: int,
) -> None:
    model = cnn_model(seed, bits, channels, filters, steps, gain, std, activation_bits)
    shifts = [*model.shifts.values(), *(int(s) for name in CONVOLUTIONS for s in model.row_shifts(name))]
    assert min(shifts) >= 0 and max(shifts) <= 31 and max(model.bounds.values()) < LIMIT
    assert all(np.abs(array.astype(np.int64)).max() <= LIMIT - 1 for array in model.arrays.values())
    weights = [model.arrays[name] for name in (*CONVOLUTIONS, "dense", "output")]
    assert all(-(1 << (bits - 1)) <= w.min() and w.max() < 1 << (bits - 1) for w in weights)
    rng = np.random.default_rng(seed)
    counts = rng.choice([-32768, -1, 0, 32767], (20, steps, channels)).astype(np.int16)
    found = largest_sums(model, np.concatenate([counts, worst_windows(model)]))
    assert all(found[name] <= bound for name, bound in model.bounds.items()), found


def test_a_long_window_keeps_its_sums_within_32_bits_and_a_longer_one_is_refused() -> None:
    weights, windows = random_cnn(0), windows_of(count=2, steps=64, seed=1)
    stats = collect_ranges(weights, windows.counts)
    made = fit(weights, stats, LONGEST_WINDOW, 8, 16)
    assert max(made.bounds.values()) < LIMIT
    with pytest.raises(UserError, match="window of 32768 samples is too long"):
        fit(weights, stats, LONGEST_WINDOW + 1, 8, 16)


# Traps


@pytest.mark.parametrize("steps", [24, 40, 48, 63, 100])
def test_a_mean_over_any_number_of_outputs_is_the_float_mean(steps: int) -> None:
    """The sum is shifted, not divided; what is left of the division is in the weights of the head."""
    weights, windows = random_cnn(2, steps=steps), windows_of(count=60, steps=steps, seed=5)
    model = quantize(weights, windows, QuantizeConfig(16), steps)
    machine = CnnMachine(model)
    state = machine.zero_state(60)
    for t in range(steps):
        machine.step(state, windows.counts[:, t].astype(np.int64))
    found = machine.head(state)["dense_out"] * 2.0 ** -model.length("dense_out")
    exact = weights.tensors(windows.counts)["dense_out"]
    assert np.abs(found - exact).max() < 5e-3 * exact.max()


def test_gravity_cancels_as_in_float_however_coarse_the_weights() -> None:
    """A constant input's part of the first convolution is its mean's, which the bias takes off."""
    level = np.array([1500, -4000, 2500])
    windows = windows_of(count=50)
    counts = np.clip(level + windows.counts // 8, -32768, 32767).astype(np.int16)
    weights = replace(random_cnn(2), mean=level.astype(np.float32), std=np.full(3, 400, np.float32))
    model = quantize(weights, replace(windows, counts=counts), QuantizeConfig(4), STEPS)
    steps = reference.trace(model, np.tile(level, (STEPS, 1)).astype(np.int16))
    found = steps[7]["conv1_out"][:4] * 2.0 ** -model.length("conv1_out")
    assert np.allclose(found, np.maximum(weights.conv1_bias, 0), atol=0.12)


def test_filters_of_unlike_scale_have_lengths_of_their_own_and_dead_ones_are_quantized() -> None:
    weights = random_cnn(3)
    kernel = weights.conv2_kernel * np.array([0, 0.02, 1, 30], np.float32)
    windows = windows_of(count=40, steps=STEPS)
    model = quantize(replace(weights, conv2_kernel=kernel), windows, QuantizeConfig(8), STEPS)
    rows = model.formats["conv2"].row_lengths
    assert rows is not None and rows[1] > rows[2] > rows[3] == model.formats["conv2"].fractional_length
    assert not model.arrays["conv2"][0].any() and model.arrays["conv2"][1].any()


def test_a_window_without_an_output_is_one_sentence() -> None:
    with pytest.raises(UserError, match="a window of 23 samples is too short for its convolutions"):
        quantize(random_cnn(0), windows_of(steps=23), QuantizeConfig(8), 23)


def test_shifts_of_rows_are_saved(tmp_path: Path) -> None:
    model = cnn_model(0, 5)
    save_model(model, tmp_path)
    found = load_model(tmp_path)
    assert isinstance(found, CnnModel)
    assert all(np.array_equal(found.row_shifts(name), model.row_shifts(name)) for name in CONVOLUTION_INPUTS)
