"""Steps of two states at once, for windows that overlap: the reference's bits, and only where they pay."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from builders.places import GOLDEN
from builders.students import STREAMS, extreme_windows, random_student, random_windows, streamed_model

from mcukd.boards.cores import cores_with
from mcukd.boards.model import load_board
from mcukd.codegen.firmware import generate_firmware, generate_stream
from mcukd.codegen.kernel import pair_kernel_for, staggered_states
from mcukd.fixedpoint.model import IntegerModel
from mcukd.fixedpoint.quantize import QuantizeConfig, quantize
from mcukd.fixedpoint.reference import as_stream, run_recording
from mcukd.profiling.emulate import run_image
from mcukd.profiling.image import build_image
from mcukd.profiling.stream import measure_stream

STEPS = 12


def model_of(
    bits: int,
    gates: str = "interpolated",
    hidden: int = 8,
    channels: int = 3,
    gain: float = 1.0,
    hop: int = 3,
) -> IntegerModel:
    student = random_student(bits, hidden=hidden, dense=8, channels=channels)
    names = ("kernel", "recurrent", "bias") if 1 < gain < 64 else ("kernel",)
    student = replace(student, **{name: (getattr(student, name) * gain).astype(np.float32) for name in names})
    windows = random_windows(40, STEPS, seed=bits)
    counts = np.tile(windows.counts, (1, 1, 2))[:, :, :channels]
    return quantize(student, replace(windows, counts=counts), QuantizeConfig(bits, gates=gates), hop)


def recordings_for(count: int, samples: int, channels: int) -> np.ndarray:
    """Recordings like data and far from it, one after the other within each."""
    parts: list[np.ndarray] = []
    for seed in range(-(-samples // (2 * STEPS))):
        parts += [random_windows(count, STEPS, seed=seed).counts, extreme_windows(count, STEPS, seed)]
    return np.tile(np.concatenate(parts, axis=1), (1, 1, 2))[:, :samples, :channels]


@pytest.mark.emulator
@pytest.mark.parametrize("core", cores_with("kernels"))
@pytest.mark.parametrize(
    ("bits", "gates", "hidden", "channels", "gain", "hop"),
    [
        (8, "interpolated", 16, 3, 1.0, 3),
        (8, "direct", 8, 3, 64.0, 4),
        (4, "interpolated", 10, 2, 1.0, 5),
        (5, "direct", 6, 4, 8.0, 6),
        (6, "interpolated", 12, 1, 0.01, 11),
        (16, "direct", 32, 3, 1.0, 3),
        (13, "interpolated", 2, 3, 8.0, 1),
        (4, "direct", 20, 3, 64.0, 2),
    ],
)
def test_every_result_of_overlapping_windows_is_the_references(
    tmp_path: Path, core: str, bits: int, gates: str, hidden: int, channels: int, gain: float, hop: int
) -> None:
    """Two to twelve states, an odd one alone; every one of them ends a window of each recording."""
    model = model_of(bits, gates, hidden, channels, gain, hop)
    generate_stream(model, tmp_path, core)
    assert (tmp_path / "mcukd_pair.c").exists()
    image = build_image(tmp_path, core, "speed", ["-DBENCH_STREAM"])
    states = staggered_states(model)
    for number in {1, 2, 3, states, states + 1, 2 * states + 1}:
        recordings = recordings_for(12, STEPS + (number - 1) * hop, channels)
        expected = [run_recording(model, one)[1][number - 1] for one in recordings]
        assert np.array_equal(run_image(image, recordings).logits, expected)


def test_kinds_of_sums_and_shifts_that_kernels_tell_apart_all_occur() -> None:
    shapes = [(8, 1.0), (8, 64.0), (4, 1.0), (5, 8.0), (16, 1.0), (4, 64.0)]
    models = [model_of(bits, gain=gain) for bits, gain in shapes]
    assert {model.shifts["state_z"] > 0 for model in models} == {False, True}
    assert {min(model.state_shift, 2) for model in models} == {0, 1, 2}


def test_pairs_are_made_only_where_windows_overlap_and_speed_comes_first() -> None:
    model = model_of(8)
    assert pair_kernel_for(model, "m3", "speed") is not None
    for other in (
        as_stream(model),
        replace(model, hop=STEPS),
        model_of(8, hidden=7),
        model_of(8, channels=6),
        quantize(random_student(), random_windows(), QuantizeConfig(8, activation_bits=12), 10),
    ):
        assert pair_kernel_for(other, "m3", "speed") is None
    assert pair_kernel_for(model, "m3", "size") is None
    assert pair_kernel_for(model, None, "speed") is None


@pytest.mark.parametrize("name", STREAMS)
def test_generated_streams_equal_the_golden_files(tmp_path: Path, name: str) -> None:
    """Regenerate with `make golden` after an intended change, and read the difference."""
    made = {file.name: file.read_text() for file in generate_stream(streamed_model(name), tmp_path, "m3")}
    assert set(STREAMS[name]) == {file.name for file in (GOLDEN / name).iterdir()}
    for file in STREAMS[name]:
        assert made[file] == (GOLDEN / name / file).read_text(), file
    assert ("MCUKD_MODEL_STREAM 1" in made["mcukd_model.h"]) == (name == "carried")


def test_a_small_firmware_and_one_with_a_carried_state_have_no_pairs(tmp_path: Path) -> None:
    model = model_of(8)
    for name, board, of, expected in (
        ("speed", load_board("collar-emulated"), model, True),
        ("size", load_board("collar-emulated").with_optimize("size"), model, False),
        ("carried", load_board("collar-emulated"), as_stream(model), False),
        ("native", load_board("native"), model, False),
    ):
        generate_firmware(of, board, tmp_path / name)
        assert (tmp_path / name / "mcukd_pair.h").exists() == expected
        assert ("mcukd_model_step_pair" in (tmp_path / name / "app_stream.c").read_text()) == expected


@pytest.mark.emulator
@pytest.mark.parametrize("core", cores_with("kernels"))
def test_pairs_take_four_fifths_of_single_steps_and_a_carried_state_a_quarter(
    core: str,
) -> None:
    windows = random_windows(40, 64, seed=1)
    model = quantize(random_student(1, hidden=16, dense=16), windows, QuantizeConfig(8), 16)
    samples = np.concatenate(windows.counts[:6])
    pairs, single = (measure_stream(model, samples, core, pairs=both) for both in (True, False))
    carried = measure_stream(as_stream(model), samples, core)
    assert pairs.mismatches == single.mismatches == carried.mismatches == 0
    assert pairs.instructions <= 0.8 * single.instructions
    # The head is paid for once a result, which here comes four times as often as in the records.
    assert carried.instructions <= 0.28 * single.instructions
