"""Generated C of families without a kernel: every value of the reference, here and on emulated cores."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from builders.compile import ARM, HostModel, assert_needs_no_library, compile_all
from builders.emulated import assert_device_equals_reference
from builders.filter_mlp import windows_of
from builders.portable import PORTABLE, PortableFamily

from mcukd.boards.cores import cores_with
from mcukd.boards.launch import running
from mcukd.boards.model import load_board
from mcukd.boards.scale import board_scaling
from mcukd.boards.toolchain import build
from mcukd.codegen.firmware import generate_firmware, generate_model
from mcukd.codegen.kernel import kernel_for
from mcukd.fixedpoint.model import IntegerModel
from mcukd.fixedpoint.reference import run, trace
from mcukd.fixedpoint.refusal import MARGINS, margins_of, with_rule
from mcukd.harness.comparison import mismatch_sentence, prove
from mcukd.harness.probes import Probes
from mcukd.harness.protocol import Device, open_device

needs_cc = pytest.mark.skipif(shutil.which("cc") is None, reason="needs a host C compiler")
of_each_family = pytest.mark.parametrize("family", PORTABLE.values(), ids=PORTABLE)
SOURCES = {"mcukd_model", "mcukd_trace", "mcukd_known_answer"}


@needs_cc
@of_each_family
@pytest.mark.parametrize("bits", range(4, 17))
def test_host_c_equals_the_reference_on_every_value(
    tmp_path: Path, family: PortableFamily, bits: int
) -> None:
    """With the sanitizer watching for overflows and bad shifts."""
    model = family.varied(bits)
    host = HostModel(model, tmp_path)
    counts = family.windows_for(model, family.host_windows)
    outcome = run(model, counts)
    for n, window in enumerate(counts):
        assert host.run(window) == (
            outcome.classes[n], outcome.logits[n].tolist(), outcome.state_crc[n]
        ), f"window {n}"  # fmt: skip
    for window in (counts[0], counts[-8]):
        for got, expected in zip(host.trace(window), trace(model, window)):
            assert got == {name: values.tolist() for name, values in expected.items()}


@needs_cc
@of_each_family
def test_a_result_that_is_too_close_is_refused_as_by_the_reference(
    tmp_path: Path, family: PortableFamily
) -> None:
    """Of a refusal rule the margins work with every head; a distance needs one that reads a state."""
    plain = family.model(0)
    counts = family.windows_for(plain, 10)
    margin = int(np.median(margins_of(run(plain, counts).logits)))
    model = with_rule(plain, {MARGINS: np.full(4, margin, np.int32)})
    host, outcome = HostModel(model, tmp_path), run(model, counts)
    assert 0 < np.mean(outcome.classes == 4) < 1
    assert [host.run(window)[0] for window in counts] == outcome.classes.tolist()


@needs_cc
@of_each_family
def test_a_full_window_takes_no_more_samples(tmp_path: Path, family: PortableFamily) -> None:
    model = family.model(0)
    host = HostModel(model, tmp_path)
    longer = windows_of(steps=family.steps + 9, seed=5).counts
    outcome = run(model, longer)
    assert host.run(longer[0])[1:] == (outcome.logits[0].tolist(), outcome.state_crc[0])


@needs_cc
@of_each_family
@pytest.mark.parametrize("compiler", ["gcc", "clang"])
def test_sources_compile_without_warnings_and_need_no_library(
    tmp_path: Path, family: PortableFamily, compiler: str
) -> None:
    generate_firmware(family.model(0), load_board("native"), tmp_path / "all")
    compile_all(compiler, ["-O2"], tmp_path / "all")
    for number, size in enumerate(family.sizes):
        folder = tmp_path / f"model{number}"
        generate_model(family.model(1, 16, **size), folder)
        compile_all(compiler, ["-O3"], folder)
        assert_needs_no_library("nm", folder, SOURCES)


@pytest.mark.emulator
@of_each_family
@pytest.mark.parametrize("level", ["-O2", "-O3", "-Os"])
@pytest.mark.parametrize("core", sorted(ARM))
@pytest.mark.parametrize("bits", [8, 16])
def test_sources_need_no_library_on_a_core(
    tmp_path: Path, family: PortableFamily, core: str, level: str, bits: int
) -> None:
    generate_model(family.model(0, bits), tmp_path, core)
    compile_all("arm-none-eabi-gcc", [level, *ARM[core]], tmp_path)
    assert_needs_no_library("arm-none-eabi-nm", tmp_path, SOURCES)


@pytest.mark.emulator
@of_each_family
@pytest.mark.parametrize("core", cores_with("kernels"))
@pytest.mark.parametrize("bits", [4, 7, 8, 13, 16])
def test_emulated_cores_equal_the_reference(
    tmp_path: Path, family: PortableFamily, core: str, bits: int
) -> None:
    model = family.varied(bits)
    assert kernel_for(model, core, "speed") is None
    for optimize in ("speed", "size"):
        counts = family.windows_for(model, family.core_windows)
        assert_device_equals_reference(model, core, optimize, counts, tmp_path / optimize)


# The firmware around it


def probes_for(family: PortableFamily, model: IntegerModel) -> Probes:
    counts = family.windows_for(model, 4)
    return Probes(counts, tuple(f"number {n}" for n in range(len(counts))), 0)


@pytest.fixture(scope="module")
def native(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Device, PortableFamily, IntegerModel]]:
    """The native board with a family's firmware."""
    if shutil.which("cc") is None:
        pytest.skip("needs a host C compiler")
    family = PORTABLE[request.param]
    model, board = family.model(0), load_board("native")
    sources = tmp_path_factory.mktemp("native")
    generate_firmware(model, board, sources)
    with running(board, build(sources, board).elf) as url, open_device(url) as device:
        yield device, family, model


@pytest.mark.parametrize("native", PORTABLE, indirect=True)
def test_the_firmware_is_proved_and_streams(native: tuple[Device, PortableFamily, IntegerModel]) -> None:
    device, family, model = native
    facts = prove(device, model, probes_for(family, model), device.who())
    assert facts["mismatches"] == 0 and facts["selftest"]["passed"], json.dumps(facts)
    window = family.windows_for(model, 4)[2]
    for step in family.traced:
        expected = trace(model, window[: step + 1])[-1]
        device.run_window(window)
        for number, name in enumerate(model.trace_tensors):
            assert device.trace_step(step, number).tolist() == expected[name].tolist(), (step, name)
    recording = windows_of(count=3, steps=family.steps, seed=4).counts.reshape(-1, 3)
    device.reset_stream()
    last = list(device.push(0, recording))[-1]
    assert last.results == 3
    assert last.latest_class == run(model, recording[None, -family.steps :]).classes[0]


@pytest.mark.parametrize(
    ("native", "array", "index", "by", "tensor", "unit"),
    [
        ("cnn", "conv1", (2, 7, 1), 60, "conv1_out", 2),
        ("cnn", "conv2_bias", (0,), 1 << 20, "conv2_out", 0),
        ("cnn", "conv3", (5, 0, 0), 80, "conv3_out", 5),
        ("cnn", "output_bias", (2,), 1 << 20, "logits", 2),
        ("filter-mlp", "pole", (1,), 900, "passed_low", 1),
        ("filter-mlp", "fir1", (2, 7), 4000, "fir1_pre", 2),
        ("filter-mlp", "fir2_bias", (0,), 1 << 22, "filtered", 0),
        ("filter-mlp", "output_bias", (2,), 1 << 20, "logits", 2),
        ("filter-mlp", "offset", (0,), 1 << 17, "logits", None),
    ],
    indirect=["native"],
)
def test_a_mismatch_is_named_by_step_tensor_and_unit(
    native: tuple[Device, PortableFamily, IntegerModel],
    array: str,
    index: tuple[int, ...],
    by: int,
    tensor: str,
    unit: int | None,
) -> None:
    device, family, model = native
    changed = model.arrays[array].copy()
    changed[index] += by
    other = replace(model, arrays={**model.arrays, array: changed})
    facts = prove(device, other, probes_for(family, model), device.who())
    first = facts["first_mismatch"]
    assert facts["mismatches"] > 0 and first["tensor"] == tensor
    assert unit is None or first["unit"] == unit
    assert f"tensor {tensor}" in mismatch_sentence(first) and first["step"] is not None


@pytest.mark.emulator
@of_each_family
@pytest.mark.parametrize("name", ["collar-emulated", "eartag-emulated"])
def test_the_firmware_is_proved_on_both_emulated_boards(
    tmp_path: Path, family: PortableFamily, name: str
) -> None:
    model, board = family.model(0), load_board(name)
    probes = replace(probes_for(family, model), scaling=board_scaling(board, model.counts_per_g))
    generate_firmware(model, board, tmp_path)
    with running(board, build(tmp_path, board).elf) as url, open_device(url) as device:
        facts = prove(device, model, probes, device.who())
    assert facts["mismatches"] == 0 and facts["selftest"]["passed"], json.dumps(facts)
    assert facts["instructions_per_window"] > 0 and facts["stack_high_water_bytes"] > 0
