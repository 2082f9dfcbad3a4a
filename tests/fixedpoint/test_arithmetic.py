"""Fixed-point arithmetic: rounding shifts, saturation, formats and gate tables."""

from __future__ import annotations

import math

import numpy as np
import pytest
from builders.students import random_student, random_windows
from fxpmath import Fxp
from hypothesis import given
from hypothesis import strategies as st

from mcukd.fixedpoint import gates
from mcukd.fixedpoint.arithmetic import QFormat, closest_length, covering_length, round_shift, saturate
from mcukd.fixedpoint.gru.packing import Packing, pack, unpack
from mcukd.fixedpoint.gru.rounding import round_recurrent
from mcukd.fixedpoint.quantize import QuantizeConfig, quantize
from mcukd.fixedpoint.reference import run
from mcukd.fixedpoint.rounding import Moments, round_rows, rounding_bias

ints = st.integers(-(2**31), 2**31 - 1)


@given(ints, st.integers(1, 30))
def test_round_shift_is_the_nearest_integer_with_ties_upwards(value: int, shift: int) -> None:
    assert round_shift(np.array([value]), shift)[0] == math.floor(value / 2**shift + 0.5)


@given(st.integers(-(2**20), 2**20), st.integers(0, 10))
def test_negative_shift_multiplies_exactly(value: int, shift: int) -> None:
    assert round_shift(np.array([value]), -shift)[0] == value * 2**shift


def test_trap_shift_of_a_negative_value_is_arithmetic_not_logical() -> None:
    assert round_shift(np.array([-3, -2, -1]), 1).tolist() == [-1, -1, 0]


@given(ints, st.integers(2, 16))
def test_trap_values_saturate_and_never_wrap(value: int, bits: int) -> None:
    low, high = -(2 ** (bits - 1)), 2 ** (bits - 1) - 1
    assert saturate(np.array([value]), bits)[0] == min(max(value, low), high)


@given(st.floats(-1e6, 1e6, allow_nan=False), st.integers(4, 16), st.integers(-12, 24))
def test_quantize_agrees_with_an_independent_library(value: float, bits: int, length: int) -> None:
    ours = QFormat(bits, length)
    # "around" would round ties to even; half a step and "floor" is our rounding.
    theirs = Fxp(
        value + ours.step / 2, signed=True, n_word=bits, n_frac=length, rounding="floor", overflow="saturate"
    )
    assert ours.value(ours.quantize(np.array([value])))[0] == float(theirs)


@given(st.lists(st.floats(-1e4, 1e4, allow_subnormal=False), min_size=1, max_size=20), st.integers(4, 16))
def test_covering_length_covers_and_the_next_finer_one_does_not(values: list[float], bits: int) -> None:
    low, high = min(values), max(values)
    if max(abs(low), abs(high)) < 1e-30:
        return
    length = covering_length(low, high, bits)
    fmt, finer = QFormat(bits, length), QFormat(bits, length + 1)

    def clipped(f: QFormat) -> bool:
        scaled = np.floor(np.ldexp(np.array(values), f.fractional_length) + 0.5)
        return bool(np.any((scaled < f.low) | (scaled > f.high)))

    assert not clipped(fmt)
    assert clipped(finer) or np.ldexp(low, length + 1) < finer.low


def test_trap_a_group_of_zeros_has_a_format() -> None:
    zeros = np.zeros(5)
    assert covering_length(0.0, 0.0, 8) == 7
    assert QFormat(8, closest_length(zeros, 8)).quantize(zeros).tolist() == [0] * 5


def test_closest_length_clips_an_outlier_when_that_costs_less() -> None:
    # A thousand values that a finer step serves better than the one outlier is hurt.
    values = np.append(np.linspace(-0.49, 0.49, 100_000), 0.51)
    assert closest_length(values, 4) == covering_length(-0.49, 0.51, 4) + 1


def test_q_notation_allows_negative_parts() -> None:
    assert str(QFormat(8, 7)) == "Q0.7"
    assert str(QFormat(8, 12)) == "Q-5.12"
    assert str(QFormat(16, -2)) == "Q17.-2"


def test_interpolated_gate_is_close_to_the_sigmoid_without_bias() -> None:
    mantissas = np.arange(-32768, 32768)
    got = gates.gate(mantissas, "interpolated")
    truth = 65536 / (1 + np.exp(-np.ldexp(mantissas.astype(float), -12)))
    assert np.abs(got - truth).max() < 7  # 1.1e-4
    assert abs((got - truth).mean()) < 0.01
    assert np.diff(got).min() >= -1  # two lines may meet a unit apart
    assert 0 <= got.min() < got.max() <= 65535


def test_direct_gate_is_exact_at_its_mantissas() -> None:
    mantissas = np.arange(-512, 512)
    truth = 65536 / (1 + np.exp(-mantissas / 64))
    assert np.abs(gates.gate(mantissas, "direct") - truth).max() <= 0.5


@pytest.mark.parametrize("kind", gates.GATE_TABLES)
def test_tanh_of_zero_is_zero_so_that_rest_stays_rest(kind: str) -> None:
    assert gates.gate(np.array([0]), kind)[0] == 32768


def test_sixteen_bits_follow_the_float_student_closely() -> None:
    student, windows = random_student(3, hidden=16), random_windows(60, 100, seed=3)
    model = quantize(student, windows, QuantizeConfig(16), 100)
    logits = model.formats["logits"].q.value(run(model, windows.counts).logits)
    assert np.abs(logits - student.logits(windows.counts)).max() < 0.01


def test_rounding_keeps_sums_closer_than_rounding_each_weight_does() -> None:
    rng = np.random.default_rng(0)
    inputs = rng.normal(size=(5000, 3)) @ rng.normal(size=(3, 8)) + rng.normal(size=8)
    weights = rng.uniform(-0.6, 0.6, (20, 8))  # far from saturating
    fmt, moments, lengths = QFormat(4, 3), Moments.of(inputs), np.full(20, 3)

    def error(mantissas: np.ndarray) -> float:
        sums = inputs @ (fmt.value(mantissas) - weights).T - rounding_bias(
            weights, mantissas, lengths, moments
        )
        assert np.abs(sums.mean(axis=0)).max() < 1e-9
        return float(np.sqrt(np.mean(sums**2)))

    rounded = round_rows(weights, lengths, 4, moments)
    assert error(rounded) < 0.7 * error(fmt.quantize(weights))  # .60 measured


def test_rounding_of_inputs_that_never_move_is_to_the_nearest() -> None:
    weights = np.array([[0.3, -0.2], [0.3, -0.2]])
    constant = Moments.of(np.ones((10, 2)))
    rounded = round_rows(weights, np.array([7, 5]), 8, constant)
    assert rounded.tolist() == [[38, -26], [10, -6]]


@given(st.integers(0, 10**6), st.integers(1, 11), st.integers(4, 16))
def test_packed_weights_are_read_back_and_no_further_off_than_half_a_step(
    seed: int, hidden: int, bits: int
) -> None:
    rng, packing = np.random.default_rng(seed), Packing(bits)
    weights = {gate: rng.uniform(-0.99, 0.99, (hidden, hidden)) for gate in "zrh"}
    lengths = dict.fromkeys("zrh", bits - 1 + packing.slack)
    still = Moments(np.zeros(hidden), np.zeros((hidden, hidden)))
    rounded = round_recurrent(weights, lengths, packing, still)
    mantissas = {gate: values.astype(np.int16) for gate, values in rounded.items()}
    words = pack(mantissas, packing)
    assert words.shape == ((hidden + 1) // 2, packing.words(hidden))
    for gate, values in unpack(words, hidden, packing).items():
        assert np.array_equal(values, mantissas[gate])
        error = np.abs(np.ldexp(values.astype(float), -lengths[gate]) - weights[gate])
        inside = np.abs(weights[gate]) < 1 - 2.0 ** (1 - bits)  # the top of the range saturates
        assert error[inside].max(initial=0) <= 2.0**-bits + 1e-12


def test_trap_mantissas_that_do_not_fit_a_packing_are_refused() -> None:
    with pytest.raises(ValueError, match="do not fit"):
        pack({gate: np.full((4, 4), 4660, np.int16) for gate in "zrh"}, Packing(4))
