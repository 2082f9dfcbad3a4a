"""Generated C of the CNN: every value of the reference, on this computer and on emulated cores."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from builders.cnn import STEPS, cnn_model, worst_windows
from builders.compile import ARM, HostModel, assert_needs_no_library, compile_all
from builders.emulated import assert_device_equals_reference
from builders.filter_mlp import windows_of
from builders.places import GOLDEN
from builders.students import extreme_windows

from mcukd.boards.cores import cores_with
from mcukd.boards.launch import running
from mcukd.boards.model import load_board
from mcukd.boards.scale import board_scaling
from mcukd.boards.toolchain import build
from mcukd.codegen.firmware import generate_firmware, generate_model
from mcukd.codegen.kernel import kernel_for
from mcukd.fixedpoint.cnn.model import CnnModel
from mcukd.fixedpoint.reference import run, trace
from mcukd.fixedpoint.refusal import MARGINS, margins_of, with_rule
from mcukd.harness.comparison import mismatch_sentence, prove
from mcukd.harness.probes import Probes
from mcukd.harness.protocol import Device, open_device
from mcukd.profiling.image import build_image

needs_cc = pytest.mark.skipif(shutil.which("cc") is None, reason="needs a host C compiler")


def model_of(bits: int) -> CnnModel:
    """Axes, filters, strides, gains and activations take turns over the widths."""
    channels, filters, gain = (3, 1, 3, 2, 6)[bits % 5], (4, 6, 3)[bits % 3], (1.0, 20.0, 0.05)[bits % 3]
    std, steps = (1.0, 0.01, 10.0, 1.0)[bits % 4], (STEPS, 103)[bits % 2]
    return cnn_model(bits, bits, channels, filters, steps, gain, std, 16 - bits % 4 * 2)


def windows_for(model: CnnModel, count: int) -> np.ndarray:
    """Windows like data, full-scale noise, constants, square waves, and those made for the model's sums."""
    steps = model.window
    usual = windows_of(model.channels, count, steps, seed=7).counts
    extreme = extreme_windows(count, steps)[:, :, :1]
    noise = np.random.default_rng(1).integers(-32768, 32768, (count, steps, model.channels))
    mixed = np.where(np.arange(count)[:, None, None] < 3, extreme, noise).astype(np.int16)
    return np.concatenate([usual, mixed, worst_windows(model)])


@needs_cc
@pytest.mark.parametrize("bits", range(4, 17))
def test_host_c_equals_the_reference_on_every_value(tmp_path: Path, bits: int) -> None:
    """With the sanitizer watching for overflows and bad shifts."""
    model = model_of(bits)
    host = HostModel(model, tmp_path)
    counts = windows_for(model, 10)
    outcome = run(model, counts)
    for n, window in enumerate(counts):
        assert host.run(window) == (
            outcome.classes[n], outcome.logits[n].tolist(), outcome.state_crc[n]
        ), f"window {n}"  # fmt: skip
    for window in (counts[0], counts[-8]):
        for got, expected in zip(host.trace(window), trace(model, window)):
            assert got == {name: values.tolist() for name, values in expected.items()}


@needs_cc
def test_a_result_that_is_too_close_is_refused_as_by_the_reference(tmp_path: Path) -> None:
    """Of a refusal rule the margins work with every head; a distance needs one that reads a state."""
    plain = cnn_model(0)
    counts = windows_for(plain, 10)
    margin = int(np.median(margins_of(run(plain, counts).logits)))
    model = with_rule(plain, {MARGINS: np.full(4, margin, np.int32)})
    host, outcome = HostModel(model, tmp_path), run(model, counts)
    assert 0 < np.mean(outcome.classes == 4) < 1
    assert [host.run(window)[0] for window in counts] == outcome.classes.tolist()


@pytest.mark.parametrize("name", ["mcukd_model.c", "mcukd_model.h"])
def test_generated_c_equals_the_golden_files(tmp_path: Path, name: str) -> None:
    """Regenerate with `make golden` after an intended change, and read the difference."""
    generate_model(cnn_model(0, filters=2, steps=24), tmp_path)
    assert (tmp_path / name).read_text() == (GOLDEN / "cnn" / name).read_text()


@needs_cc
def test_a_full_window_takes_no_more_samples(tmp_path: Path) -> None:
    model = cnn_model(0)
    host = HostModel(model, tmp_path)
    longer = windows_of(steps=STEPS + 9, seed=5).counts
    outcome = run(model, longer)
    assert host.run(longer[0])[1:] == (outcome.logits[0].tolist(), outcome.state_crc[0])
    got = host.trace(longer[0])
    assert not any(got[-1]["conv1_out"]) and got[-1]["pooled_low"] == got[STEPS - 1]["pooled_low"]


@needs_cc
@pytest.mark.parametrize("compiler", ["gcc", "clang"])
def test_sources_compile_without_warnings_and_need_no_library(tmp_path: Path, compiler: str) -> None:
    generate_firmware(cnn_model(0), load_board("native"), tmp_path / "all")
    compile_all(compiler, ["-O2"], tmp_path / "all")
    for filters in (3, 4):
        folder = tmp_path / f"model{filters}"
        generate_model(cnn_model(1, 16, filters=filters), folder)
        compile_all(compiler, ["-O3"], folder)
        assert_needs_no_library("nm", folder, {"mcukd_model", "mcukd_trace", "mcukd_known_answer"})


@pytest.mark.emulator
@pytest.mark.parametrize("level", ["-O2", "-O3", "-Os"])
@pytest.mark.parametrize("core", sorted(ARM))
@pytest.mark.parametrize("bits", [8, 16])
def test_sources_need_no_library_on_a_core(tmp_path: Path, core: str, level: str, bits: int) -> None:
    generate_model(cnn_model(0, bits), tmp_path, core)
    compile_all("arm-none-eabi-gcc", [level, *ARM[core]], tmp_path)
    names = {"mcukd_model", "mcukd_trace", "mcukd_known_answer"}
    assert_needs_no_library("arm-none-eabi-nm", tmp_path, names)


@pytest.mark.emulator
@pytest.mark.parametrize("core", cores_with("kernels"))
@pytest.mark.parametrize("bits", [4, 7, 8, 13, 16])
def test_emulated_cores_equal_the_reference(tmp_path: Path, core: str, bits: int) -> None:
    model = model_of(bits)
    assert kernel_for(model, core, "speed") is None
    for optimize in ("speed", "size"):
        counts = windows_for(model, 20)
        assert_device_equals_reference(model, core, optimize, counts, tmp_path / optimize)


@pytest.mark.emulator
def test_a_core_with_the_dsp_extension_multiplies_two_halfwords_at_a_time(tmp_path: Path) -> None:
    generate_model(cnn_model(0), tmp_path)
    for core, expected in (("m3", False), ("m4f", True)):
        names = {instruction.mnemonic for instruction in build_image(tmp_path, core).disassembly().values()}
        assert ("smlad" in names) == expected


# The firmware around it


@pytest.fixture(scope="module")
def native(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Device, CnnModel]]:
    """The native board with a CNN's firmware."""
    if shutil.which("cc") is None:
        pytest.skip("needs a host C compiler")
    model, board = cnn_model(0), load_board("native")
    sources = tmp_path_factory.mktemp("native")
    generate_firmware(model, board, sources)
    with running(board, build(sources, board).elf) as url, open_device(url) as device:
        yield device, model


def probes_for(model: CnnModel) -> Probes:
    counts = windows_for(model, 4)
    return Probes(counts, tuple(f"number {n}" for n in range(len(counts))), 0)


def test_the_firmware_is_proved_and_streams(native: tuple[Device, CnnModel]) -> None:
    device, model = native
    facts = prove(device, model, probes_for(model), device.who())
    assert facts["mismatches"] == 0 and facts["selftest"]["passed"], json.dumps(facts)
    window = windows_for(model, 4)[2]
    for step in (0, 7, 15, 23, 24, STEPS - 1, 2):
        expected = trace(model, window[: step + 1])[-1]
        device.run_window(window)
        for number, name in enumerate(model.trace_tensors):
            assert device.trace_step(step, number).tolist() == expected[name].tolist(), (step, name)
    recording = windows_of(count=3, steps=STEPS, seed=4).counts.reshape(-1, 3)
    device.reset_stream()
    last = list(device.push(0, recording))[-1]
    assert last.results == 3 and last.latest_class == run(model, recording[None, -STEPS:]).classes[0]


@pytest.mark.parametrize(
    ("array", "index", "by", "tensor", "unit"),
    [
        ("conv1", (2, 7, 1), 60, "conv1_out", 2),
        ("conv2_bias", (0,), 1 << 20, "conv2_out", 0),
        ("conv3", (5, 0, 0), 80, "conv3_out", 5),
        ("output_bias", (2,), 1 << 20, "logits", 2),
    ],
)
def test_a_mismatch_is_named_by_step_tensor_and_filter(
    native: tuple[Device, CnnModel], array: str, index: tuple[int, ...], by: int, tensor: str, unit: int
) -> None:
    device, model = native
    changed = model.arrays[array].copy()
    changed[index] += by
    other = replace(model, arrays={**model.arrays, array: changed})
    facts = prove(device, other, probes_for(model), device.who())
    first = facts["first_mismatch"]
    assert facts["mismatches"] > 0 and (first["tensor"], first["unit"]) == (tensor, unit)
    assert f"tensor {tensor}" in mismatch_sentence(first) and first["step"] is not None


@pytest.mark.emulator
@pytest.mark.parametrize("name", ["collar-emulated", "eartag-emulated"])
def test_the_firmware_is_proved_on_both_emulated_boards(tmp_path: Path, name: str) -> None:
    model, board = cnn_model(0), load_board(name)
    probes = replace(probes_for(model), scaling=board_scaling(board, model.counts_per_g))
    generate_firmware(model, board, tmp_path)
    with running(board, build(tmp_path, board).elf) as url, open_device(url) as device:
        facts = prove(device, model, probes, device.who())
    assert facts["mismatches"] == 0 and facts["selftest"]["passed"], json.dumps(facts)
    assert facts["instructions_per_window"] > 0 and facts["stack_high_water_bytes"] > 0
