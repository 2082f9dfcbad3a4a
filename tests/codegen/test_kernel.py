"""Assembly kernels on emulated cores, and C on this computer: the reference's bits for every width."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from builders.emulated import assert_device_equals_reference
from builders.students import extreme_windows, random_student, random_windows

from mcukd.boards.cores import cores_with
from mcukd.codegen.firmware import generate_model
from mcukd.codegen.kernel import kernel_for
from mcukd.errors import UserError
from mcukd.fixedpoint.model import IntegerModel
from mcukd.fixedpoint.quantize import QuantizeConfig, quantize
from mcukd.models.weights import GruMlpWeights

STEPS = 12
#: Weights made larger, so that sums, gates and states saturate. .01 and 64 are for what reads samples alone:
#: small, all parts of a sum arrive with the same length; large, the state's part needs a shift.
GAINS = (1.0, 8.0, 0.01, 64.0)


def extreme_student(seed: int, hidden: int, channels: int, gain: float) -> GruMlpWeights:
    student = random_student(seed, hidden=hidden, dense=8, channels=channels)
    names = ("kernel", "recurrent", "bias") if 1 < gain < 64 else ("kernel",)
    return replace(student, **{name: (getattr(student, name) * gain).astype(np.float32) for name in names})


def model_of(
    seed: int, bits: int, gates: str, hidden: int = 8, channels: int = 3, gain: float = 1.0
) -> IntegerModel:
    windows = random_windows(40, STEPS, seed=seed)
    repeats = -(-channels // 3)
    counts = np.tile(windows.counts, (1, 1, repeats))[:, :, :channels]
    student = extreme_student(seed, hidden, channels, gain)
    return quantize(student, replace(windows, counts=counts), QuantizeConfig(bits, gates=gates), STEPS)


def windows_for(model: IntegerModel, count: int, seed: int) -> np.ndarray:
    """Windows of all kinds: like data, full-scale noise, constant, alternating, steps, one axis at a time."""
    rng = np.random.default_rng(seed)
    shape = (count, STEPS, model.channels)
    windows = rng.integers(-32768, 32768, shape)
    usual = rng.normal(0, 4000, shape)
    windows[::4] = usual[::4]
    windows[1::8] = rng.choice([-32768, 32767], (count, 1, model.channels))[1::8]
    windows[3::16] = np.where(np.arange(STEPS)[:, None] % 2, 32767, -32768)
    windows[5::16] = np.where(np.arange(STEPS)[:, None] < STEPS // 2, -32768, 32767)
    windows[7::16] *= np.arange(model.channels) == seed % model.channels
    return np.clip(windows, -32768, 32767).astype(np.int16)


@pytest.mark.emulator
@pytest.mark.parametrize("core", cores_with("kernels"))
@pytest.mark.parametrize("bits", range(4, 17))
def test_every_width_equals_the_reference_on_ten_thousand_windows_in_all(
    tmp_path: Path, core: str, bits: int
) -> None:
    """800 windows here, times 13 widths on each core; gains and tables take turns."""
    gates = ("interpolated", "direct")[bits % 2]
    optimize = ("speed", "size")[bits // 2 % 2]
    hidden = (8, 16, 6, 10)[bits % 4]
    model = model_of(bits, bits, gates, hidden, gain=GAINS[(bits + bits // 4) % 4])
    counts = np.concatenate([windows_for(model, 770, bits), extreme_windows(30, STEPS, bits)])
    assert_device_equals_reference(model, core, optimize, counts, tmp_path)


@pytest.mark.emulator
@pytest.mark.parametrize("core", cores_with("kernels"))
@pytest.mark.parametrize(
    ("bits", "gates", "hidden", "channels", "gain"),
    [
        (8, "interpolated", 32, 3, 1.0),
        (16, "direct", 32, 3, 1.0),
        (16, "interpolated", 40, 3, 1.0),
        (8, "direct", 2, 1, 1.0),
        (8, "interpolated", 12, 2, 30.0),
        (4, "interpolated", 14, 6, 1.0),
        (5, "direct", 18, 4, 1.0),
        (12, "interpolated", 10, 9, 30.0),
        (8, "interpolated", 7, 3, 1.0),
    ],
)
def test_every_shape_equals_the_reference(
    tmp_path: Path, core: str, bits: int, gates: str, hidden: int, channels: int, gain: float
) -> None:
    model = model_of(3, bits, gates, hidden, channels, gain)
    for optimize in ("speed", "size"):
        counts = windows_for(model, 60, 1)
        assert_device_equals_reference(model, core, optimize, counts, tmp_path / optimize)


@pytest.mark.parametrize("bits", [4, 5, 8, 16])
def test_sums_with_and_without_shifts_both_occur(bits: int) -> None:
    """The corpus above covers both ways in which kernels start their sums."""
    shifts = [model_of(bits, bits, "interpolated", gain=gain).shifts for gain in (0.01, 64.0)]
    assert [shift["state_z"] > 0 for shift in shifts] == [False, True], shifts


def test_kernels_are_made_only_where_they_compute_the_same() -> None:
    assert kernel_for(model_of(0, 8, "direct", hidden=7), "m3", "speed") is None
    narrow = quantize(random_student(), random_windows(), QuantizeConfig(8, activation_bits=12), 30)
    assert kernel_for(narrow, "m4f", "speed") is None
    with pytest.raises(UserError, match="core m7: .* m3, m4f"):
        kernel_for(narrow, "m7", "speed")
    with pytest.raises(UserError, match="--optimize fast"):
        kernel_for(narrow, "m3", "fast")


def test_a_kernel_says_how_much_stack_it_takes(tmp_path: Path) -> None:
    model = model_of(0, 8, "interpolated", hidden=16)
    kernel = kernel_for(model, "m4f", "speed")
    assert kernel is not None
    generate_model(model, tmp_path, "m4f")
    assert f"{kernel.stack_bytes} bytes of stack" in (tmp_path / "mcukd_kernel.S").read_text()
    assert kernel.stack_bytes < 200
