"""Integer GRU-MLP: widths, overflow bounds, files, and traps of its quantization."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from builders.students import extreme_windows, random_model, random_student, random_windows
from hypothesis import given, settings
from hypothesis import strategies as st

from mcukd.errors import UserError
from mcukd.fixedpoint.bounds import LIMIT
from mcukd.fixedpoint.gru.model import WEIGHTS
from mcukd.fixedpoint.gru.reference import Machine
from mcukd.fixedpoint.model import load_model, save_model
from mcukd.fixedpoint.quantize import QuantizeConfig, quantize
from mcukd.fixedpoint.reference import run, trace
from mcukd.models.weights import GruMlpWeights


def changed(student: GruMlpWeights, **arrays: np.ndarray) -> GruMlpWeights:
    return replace(student, **{name: np.asarray(a, np.float32) for name, a in arrays.items()})


@pytest.mark.parametrize("bits", [3, 17, 33, 0, -8])
def test_impossible_widths_are_refused_in_one_sentence(bits: int) -> None:
    with pytest.raises(UserError, match=rf"--bits {bits}: .* 4 to 16"):
        QuantizeConfig(bits)
    with pytest.raises(UserError, match="--activation-bits"):
        QuantizeConfig(8, bits)


@pytest.mark.parametrize("bits", range(4, 17))
def test_error_against_float_shrinks_with_bits(bits: int) -> None:
    student, windows = random_student(1, hidden=16), random_windows(50, 60, seed=1)
    model = quantize(student, windows, QuantizeConfig(bits), 60)
    logits = model.formats["logits"].q.value(run(model, windows.counts).logits)
    # Measured .9 at 4 bits, .08 at 8, .001 at 16; each bit is worth about a factor of two.
    assert np.abs(logits - student.logits(windows.counts)).max() < max(2.0 ** (5 - bits), 0.006)


@settings(deadline=None, max_examples=25)
@given(st.integers(0, 10**6), st.integers(4, 16), st.integers(8, 16), st.floats(0.01, 30))
def test_no_accumulator_overflows_whatever_the_weights(
    seed: int, bits: int, activation_bits: int, gain: float
) -> None:
    student = random_student(seed, hidden=5)
    student = changed(student, recurrent=student.recurrent * gain, kernel=student.kernel * gain)
    model = quantize(student, random_windows(20, 10, seed), QuantizeConfig(bits, activation_bits), 10)
    assert max(model.bounds.values()) < LIMIT
    assert min(model.shifts.values()) >= 0


@pytest.mark.parametrize("bits", [4, 8, 16])
def test_adversarial_samples_and_states_reach_the_bounds_and_do_not_pass_them(bits: int) -> None:
    model = random_model(5, bits=bits, hidden=16)
    coarse = 32768 >> model.state_shift
    for gate in "zrh":
        kernel = model.arrays[f"kernel_{gate}"].astype(np.int64)
        bias = model.arrays[f"bias_{gate}"].astype(np.int64)
        recurrent = model.arrays[f"recurrent_{gate}"].astype(np.int64)
        carried = model.arrays["bias_h_rec"].astype(np.int64) if gate == "h" else np.zeros(16, np.int64)
        states = np.where(recurrent * np.where(carried >= 0, 1, -1)[:, None] >= 0, coarse - 1, -coarse)
        state_sums = np.abs((recurrent * states).sum(axis=1) + carried).max()
        assert 0.99 * model.bounds[f"state sum {gate}"] < state_sums <= model.bounds[f"state sum {gate}"]
        sign = np.where(bias >= 0, 1, -1)[:, None] * np.where(kernel >= 0, 1, -1)
        samples = np.abs((kernel * np.where(sign > 0, 32767, -32768)).sum(axis=1) + bias).max()
        gated = 65535 * 32768 >> model.shifts["gated"] if gate == "h" else 0
        state = gated or state_sums >> model.shifts[f"state_{gate}"]
        assert samples < model.bounds[f"sum {gate}"] <= 1.01 * (samples + max(state, gated))


def test_trap_an_all_zero_matrix_quantizes() -> None:
    student = random_student()
    model = quantize(
        changed(student, dense_kernel=student.dense_kernel * 0, recurrent=student.recurrent * 0),
        random_windows(), QuantizeConfig(8), 30,
    )  # fmt: skip
    assert not model.arrays["dense"].any()
    assert np.isfinite(run(model, random_windows().counts).logits).all()


def test_trap_tiny_biases_and_weights_get_no_huge_shift() -> None:
    student = random_student()
    model = quantize(
        changed(student, dense_bias=student.dense_bias * 1e-30, dense_kernel=student.dense_kernel * 1e-20),
        random_windows(), QuantizeConfig(8), 30,
    )  # fmt: skip
    shift = model.length("dense") + model.length("h") - model.length("dense_out")
    assert 0 <= shift <= 30


def test_trap_recurrent_bias_is_neither_dropped_nor_scaled_as_the_input_bias() -> None:
    student, windows = random_student(2), random_windows(30, 40)
    bias = student.bias.copy()
    bias[1] = np.linspace(-1, 1, bias.shape[1])
    student = changed(student, bias=bias)
    model = quantize(student, windows, QuantizeConfig(16), 40)
    logits = model.formats["logits"].q.value(run(model, windows.counts).logits)
    assert np.abs(logits - student.logits(windows.counts)).max() < 0.02
    assert model.arrays["bias_h_rec"].any()


def test_trap_state_does_not_decay_over_a_long_stream() -> None:
    # Four minutes at 50 Hz of a resting animal: float and integer states must settle at the same place.
    student = random_student(4)
    model = quantize(student, random_windows(40, 50, seed=4), QuantizeConfig(16), 50)
    counts = np.tile(np.array([300, -200, -3900], np.int16), (12_000, 1))
    machine = Machine(model)
    state, float_state = machine.zero_state(1), np.zeros((1, student.hidden))
    for t, sample in enumerate(counts):
        if t < 2000:  # the float state has settled by then
            float_state = student.step((sample[None] - student.mean) / student.std, float_state)
        state = machine.step(state, sample[None].astype(np.int64))["h"]
    assert np.abs(float_state).max() > 0.1
    assert np.abs(model.formats["h"].q.value(state) - float_state).max() < 2e-3


def test_constant_offset_cancels_even_with_coarse_weights() -> None:
    student, windows = random_student(6), random_windows(40, 40, seed=6)
    offset = 20_000
    shifted = replace(windows, counts=(windows.counts // 4 + offset).astype(np.int16))
    student = changed(student, mean=np.full(3, offset), std=np.full(3, 1000))
    centred = changed(student, mean=np.zeros(3))
    near = quantize(centred, replace(windows, counts=(windows.counts // 4)), QuantizeConfig(4), 40)
    far = quantize(student, shifted, QuantizeConfig(4), 40)
    a = run(near, windows.counts // 4).logits
    b = run(far, shifted.counts).logits
    assert np.abs(near.formats["logits"].q.value(a) - far.formats["logits"].q.value(b)).max() < 1e-2


def test_saturations_are_counted_per_tensor() -> None:
    model = random_model(0)
    quiet, loud = run(model, random_windows().counts), run(model, extreme_windows(5, 30))
    assert quiet.saturations["input"] == 0
    assert loud.saturations["input"] >= 3 * 30 * 3
    assert loud.saturations["z_pre"] > 0


def test_trace_ends_where_run_ends() -> None:
    model, windows = random_model(1), random_windows(3, seed=1)
    outcome = run(model, windows.counts)
    for n in range(3):
        steps = trace(model, windows.counts[n])
        assert len(steps) == windows.counts.shape[1]
        assert np.array_equal(steps[-1]["h"], outcome.state[n])


def test_save_and_load_give_the_same_model_and_the_same_bytes(tmp_path: Path) -> None:
    model = random_model()
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        save_model(model, tmp_path / name)
    assert load_model(tmp_path / "a").sha256 == model.sha256
    for name in ("fixedpoint.npz", "fixedpoint.json"):
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()


def test_loading_needs_no_tensorflow(tmp_path: Path) -> None:
    save_model(random_model(), tmp_path)
    code = (
        "import sys; from pathlib import Path; from mcukd.fixedpoint.model import load_model;"
        f"from mcukd.fixedpoint.reference import run; load_model(Path({str(tmp_path)!r}));"
        "sys.exit('tensorflow' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.mark.parametrize("damage", ["truncate", "flip", "missing", "swap", "json", "type"])
def test_a_damaged_model_is_refused_in_one_sentence(tmp_path: Path, damage: str) -> None:
    save_model(random_model(), tmp_path)
    arrays, facts = tmp_path / "fixedpoint.npz", tmp_path / "fixedpoint.json"
    content = arrays.read_bytes()
    if damage == "truncate":
        arrays.write_bytes(content[: len(content) // 2])
    elif damage == "flip":
        weights = content.index(random_model().arrays["recurrent_h"].tobytes())
        arrays.write_bytes(content[:weights] + bytes([content[weights] ^ 1]) + content[weights + 1 :])
    elif damage == "missing":
        arrays.unlink()
    elif damage == "swap":
        save_model(random_model(9), tmp_path / "other")
        arrays.write_bytes((tmp_path / "other" / "fixedpoint.npz").read_bytes())
    elif damage == "json":
        facts.write_text(facts.read_text()[:-30])
    else:
        stored = dict(np.load(arrays))
        np.savez(arrays, **{**stored, WEIGHTS[0]: stored[WEIGHTS[0]].astype(np.float32)})
    with pytest.raises(UserError, match="mcukd quantize --run") as error:
        load_model(tmp_path)
    assert "fixedpoint." in str(error.value)
    assert "\n" not in str(error.value)


def test_model_hash_covers_every_array_and_format(tmp_path: Path) -> None:
    model = random_model()
    for name, array in model.arrays.items():
        other = array.copy()
        other.flat[0] += 1
        assert replace(model, arrays={**model.arrays, name: other}).sha256 != model.sha256
    fmt = model.formats["h_pre"]
    moved = replace(fmt, fractional_length=fmt.fractional_length + 1)
    assert replace(model, formats={**model.formats, "h_pre": moved}).sha256 != model.sha256
    seen = replace(fmt, observed_max=99.0)
    assert replace(model, formats={**model.formats, "h_pre": seen}).sha256 == model.sha256


def test_facts_are_plain_json(tmp_path: Path) -> None:
    save_model(random_model(), tmp_path)
    facts = json.loads((tmp_path / "fixedpoint.json").read_text())
    assert facts["formats"]["kernel_z"]["kind"] == "weight"
    assert set(WEIGHTS) <= set(facts["formats"])


def test_weights_that_are_not_finite_are_refused() -> None:
    student = random_student()
    broken = student.kernel.copy()
    broken[0, 0] = np.nan
    with pytest.raises(UserError, match="'kernel' are not all finite"):
        quantize(changed(student, kernel=broken), random_windows(), QuantizeConfig(), 30)


def test_pre_activations_saturate_where_their_gate_is_flat() -> None:
    student = random_student()
    loud = changed(student, kernel=student.kernel * 50)
    formats = quantize(loud, random_windows(), QuantizeConfig(8), 30).formats
    assert formats["z_pre"].observed_max > 16
    assert [formats[name].fractional_length for name in ("z_pre", "r_pre", "h_pre")] == [12, 12, 13]
    assert formats["z_pre"].saturations > 0
