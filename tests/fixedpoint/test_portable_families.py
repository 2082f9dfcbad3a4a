"""Integer models of families without a kernel: one model in many places, and weights no format holds."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from builders.filter_mlp import windows_of
from builders.portable import PORTABLE, PortableFamily
from builders.students import extreme_windows

from mcukd.errors import UserError
from mcukd.fixedpoint import reference
from mcukd.fixedpoint.model import IntegerModel, load_model, save_model
from mcukd.fixedpoint.quantize import QuantizeConfig, quantize
from mcukd.inference.batch import backend, classify_stream, run_fast

of_each_family = pytest.mark.parametrize("family", PORTABLE.values(), ids=PORTABLE)


@of_each_family
def test_fewer_bits_stray_further(family: PortableFamily) -> None:
    weights, windows = family.long_weights(1, 100), windows_of(count=200, steps=100, seed=3)
    floats, errors = weights.logits(windows.counts), []
    for bits in (4, 8, 12):
        model = quantize(weights, windows, QuantizeConfig(bits), 64)
        found = reference.run(model, windows.counts, checksums=False)
        errors.append(np.sqrt(np.mean((found.logits * 2.0 ** -model.length("logits") - floats) ** 2)))
    assert errors[0] > errors[1] > errors[2] and errors[2] < 0.02 * floats.std()


@of_each_family
def test_samples_beyond_the_window_change_nothing(family: PortableFamily) -> None:
    model = family.model(0)
    counts = windows_of(steps=family.steps + 7, seed=5).counts
    longer, window = reference.run(model, counts), reference.run(model, counts[:, : family.steps])
    assert np.array_equal(longer.state, window.state) and np.array_equal(longer.logits, window.logits)
    assert longer.state.shape == (len(counts), model.state_halfwords)
    assert model.state_halfwords == family.state_halfwords


@of_each_family
def test_one_calibration_window_is_enough(family: PortableFamily) -> None:
    steps = family.steps
    model = quantize(family.weights(0), windows_of(count=1, steps=steps), QuantizeConfig(8), steps)
    assert np.isfinite(reference.run(model, windows_of(count=5, steps=steps).counts).logits).all()


@pytest.mark.parametrize(
    ("name", "changed", "sentence"),
    [
        (
            "cnn",
            {"conv1_kernel": np.full((8, 3, 4), np.nan, np.float32)},
            "'conv1_kernel' are not all finite",
        ),
        ("cnn", {"conv2_bias": np.full(4, 1e30, np.float32)}, "'conv2' are too large"),
        ("cnn", {"dense_bias": np.full(6, 1e30, np.float32)}, "'dense' are too large"),
        ("filter-mlp", {"fir1": np.full((8, 3), np.nan, np.float32)}, "'fir1' are not all finite"),
        ("filter-mlp", {"std": np.full(3, 1e-4, np.float32)}, "no axis is constant"),
        ("filter-mlp", {"fir1": np.full((8, 3), 1e9, np.float32)}, "taps of 'fir1' are too large"),
        ("filter-mlp", {"dense_bias": np.full(7, 1e30, np.float32)}, "'dense' are too large"),
    ],
)
def test_weights_that_no_format_holds_are_one_sentence(
    name: str, changed: dict[str, np.ndarray], sentence: str
) -> None:
    family = PORTABLE[name]
    windows = windows_of(steps=family.steps)
    with pytest.raises(UserError, match=sentence):
        quantize(replace(family.weights(0), **changed), windows, QuantizeConfig(8), family.steps)


@of_each_family
def test_saved_and_loaded_without_tensorflow(tmp_path: Path, family: PortableFamily) -> None:
    model = family.model(0, 5, **family.sizes[0])
    save_model(model, tmp_path)
    found = load_model(tmp_path)
    assert type(found) is type(model) and isinstance(model, IntegerModel) and found.family == family.name
    other = family.model(1, 5, **family.sizes[0])
    assert found.sha256 == model.sha256 == family.model(0, 5, **family.sizes[0]).sha256 != other.sha256
    assert found.formats == model.formats and found.shifts == model.shifts
    code = f"""
import sys
from pathlib import Path
from mcukd.fixedpoint.model import load_model
from mcukd.inference.batch import run_fast
model = load_model(Path({str(tmp_path)!r}))
run_fast(model, model.arrays["known_windows"])
assert not {{"tensorflow", "keras"}} & set(sys.modules), sys.modules
"""
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.parametrize(
    ("name", "other", "sentence"),
    [
        ("cnn", "gru-mlp", "damaged|missing or of another type"),
        ("cnn", "filter-mlp", "damaged|missing or of another type"),
        ("cnn", "svm", "student is svm: no such student; choose one of"),
        ("filter-mlp", "gru-mlp", "missing or of another type"),
        ("filter-mlp", "cnn", "damaged|missing or of another type"),
        ("filter-mlp", "svm", "student is svm: no such student; choose one of"),
    ],
)
def test_a_model_under_the_name_of_another_family_is_one_sentence(
    tmp_path: Path, name: str, other: str, sentence: str
) -> None:
    save_model(PORTABLE[name].model(0), tmp_path)
    facts = tmp_path / "fixedpoint.json"
    facts.write_text(facts.read_text().replace(f'"{name}"', f'"{other}"', 1))
    with pytest.raises(UserError, match=sentence):
        load_model(tmp_path)


@of_each_family
def test_this_computer_classifies_with_the_reference(family: PortableFamily) -> None:
    model, steps = family.model(0), family.steps
    counts = np.concatenate([windows_of(steps=steps, seed=8).counts, extreme_windows(10, steps)])
    assert backend(model).name == "numpy" and "gru-mlp" in backend(model).reason
    expected, found = reference.run(model, counts), run_fast(model, counts)
    assert np.array_equal(found.logits, expected.logits)
    assert np.array_equal(found.state_crc, expected.state_crc)
    recording = counts.reshape(-1, 3)
    assert np.array_equal(classify_stream(model, recording, steps), expected.classes)
