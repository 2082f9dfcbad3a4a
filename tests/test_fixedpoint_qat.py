"""Quantization-aware training: fake quantizers equal the device's weights, and training keeps them so."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from factories import random_student, random_windows
from hypothesis import given, settings
from hypothesis import strategies as st

from mcukd.fixedpoint.model import GATES, IntegerModel
from mcukd.fixedpoint.packing import Packing
from mcukd.fixedpoint.qat import device_values
from mcukd.fixedpoint.quantize import QuantizeConfig, quantize, weight_lengths
from mcukd.fixedpoint.reference import run
from mcukd.fixedpoint.rounding import Moments, round_recurrent

STEPS = 12


def integer_model(bits: int, **shape: int) -> tuple[Any, IntegerModel]:
    student = random_student(3, **shape)
    return student, quantize(student, random_windows(40, STEPS), QuantizeConfig(bits), STEPS)


@pytest.mark.parametrize("bits", [4, 5, 6, 7, 8, 12])
def test_device_values_compute_what_the_integers_compute(bits: int) -> None:
    student, model = integer_model(bits)
    counts = random_windows(60, STEPS, seed=9).counts
    values = device_values(model, student)
    logits = run(model, counts).logits * 2.0 ** -model.length("logits")
    # What is left are the floors of the state, the gate table and 16-bit activations.
    assert np.abs(values.logits(counts) - logits).max() < 0.02
    rounded = np.abs(student.logits(counts) - logits).max()
    assert bits > 5 or rounded > 0.05  # the bound above could tell the float student from this one


@settings(max_examples=15, deadline=None)
@given(
    bits=st.integers(4, 8),
    hidden=st.integers(1, 9),
    seed=st.integers(0, 1000),
    size=st.sampled_from([0.1, 1.0, 4.0]),
)
def test_fake_recurrent_weights_are_those_that_rows_share_words_for(
    bits: int, hidden: int, seed: int, size: float
) -> None:
    from mcukd.fixedpoint.fake_layer import fake_recurrent

    rng, packing = np.random.default_rng(seed), Packing(bits)
    weights = rng.normal(0, size, (hidden, 3 * hidden)).astype(np.float32)
    lengths = dict(zip(GATES, map(int, rng.integers(1, 5, 3))))
    rows = {g: part.T.astype(np.float64) for g, part in zip(GATES, np.split(weights, 3, axis=1))}
    # Inputs that do not move leave nothing to make up for: each weight is rounded on its own.
    still = Moments(np.zeros(hidden), np.zeros((hidden, hidden)))
    stored = {gate: length + packing.slack for gate, length in lengths.items()}
    wanted = round_recurrent(rows, stored, packing, still)
    scale = np.array([2.0 ** lengths[gate] for gate in GATES], np.float32)
    found = np.asarray(fake_recurrent(weights, scale, packing))
    for gate, part in zip(GATES, np.split(found, 3, axis=1)):
        np.testing.assert_allclose(np.ldexp(part.T, stored[gate]), wanted[gate], atol=1e-2)


def test_gradients_pass_fake_quantizers_as_if_they_were_not_there() -> None:
    import tensorflow as tf

    from mcukd.fixedpoint.fake_layer import fake, fake_recurrent

    weights = tf.Variable(np.random.default_rng(0).normal(size=(4, 12)).astype(np.float32))
    with tf.GradientTape() as tape:
        total = tf.reduce_sum(2 * fake(weights, 8.0, 4)) + tf.reduce_sum(
            fake_recurrent(weights, np.full(3, 4.0, np.float32), Packing(4))
        )
    np.testing.assert_allclose(tape.gradient(total, weights), 3.0)


@pytest.mark.parametrize("bits", [4, 5, 8])
def test_weights_on_the_grid_stay_where_they_are_when_quantized_again(bits: int) -> None:
    """The error-compensated rounding of `quantize` must not undo what training learnt."""
    student, model = integer_model(bits, hidden=7)
    again = quantize(
        device_values(model, student),
        random_windows(40, STEPS),
        QuantizeConfig(bits),
        STEPS,
        weight_lengths(model),
    )
    for gate in GATES:
        np.testing.assert_array_equal(again.arrays[f"recurrent_{gate}"], model.arrays[f"recurrent_{gate}"])
    for name in ("dense", "output"):
        np.testing.assert_array_equal(again.arrays[name], model.arrays[name])


def test_the_layer_computes_what_numpy_computes_with_the_same_weights() -> None:
    import keras

    from mcukd.fixedpoint.fake_layer import FakeQuantizedStudent

    student, model = integer_model(4, hidden=5)
    start, lengths = device_values(model, student), weight_lengths(model)
    counts = random_windows(20, STEPS, seed=5).counts
    inputs = keras.Input((STEPS, 3))
    layer = FakeQuantizedStudent(start, QuantizeConfig(4), lengths, model.length("dense_out"), name="student")
    net = keras.Model(inputs, layer(inputs))
    windows = ((counts - start.mean) / start.std).astype(np.float32)
    np.testing.assert_allclose(np.asarray(net(windows)), start.logits(counts), atol=2e-4)
    # From weights off the grid the layer computes with those on it.
    moved = replace(start, recurrent=start.recurrent + np.float32(1e-4), kernel=start.kernel * 1.0003)
    net.get_layer("student").recurrent.assign(moved.recurrent)
    net.get_layer("student").kernel.assign(moved.kernel)
    np.testing.assert_allclose(np.asarray(net(windows)), start.logits(counts), atol=2e-4)
