"""Heads without a hidden layer, linear and prototype: float, integers, generated C, emulated cores."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from builders.compile import HostModel
from builders.host import all_kinds, assert_same
from builders.places import GOLDEN
from builders.students import (
    KINDS,
    extreme_windows,
    headed_model,
    headed_student,
    random_student,
    random_windows,
)
from hypothesis import given, settings
from hypothesis import strategies as st

from mcukd.codegen.firmware import generate_firmware, generate_model
from mcukd.errors import UserError
from mcukd.evaluation.warmup import stepwise_classes
from mcukd.fixedpoint.bounds import LIMIT
from mcukd.fixedpoint.gru.ranges import measure_ranges
from mcukd.fixedpoint.model import load_model, save_model
from mcukd.fixedpoint.quantize import QuantizeConfig, quantize
from mcukd.fixedpoint.reference import run
from mcukd.inference.batch import backend, run_fast
from mcukd.models.weights import GruMlpWeights, Head

needs_cc = pytest.mark.skipif(shutil.which("cc") is None, reason="needs a host C compiler")
by_kind = pytest.mark.parametrize("kind", KINDS)


# --- Float ----------------------------------------------------------------------------------------------


def test_prototype_logits_are_the_largest_of_each_class() -> None:
    kernel = np.array([[1.0, 2, 3, 4], [4, 3, 2, 1]])
    head = Head.direct(kernel, np.array([0, 0, -9, 1]), prototypes=2)
    assert (head.kind, head.classes) == ("prototype", 2)
    # Scores of (1, 0): 1 2 | −6 5, of (0, 1): 4 3 | −7 2.
    assert head.logits(np.eye(2)).tolist() == [[2, 5], [4, 2]]


def test_linear_head_as_an_mlp_is_the_same_function() -> None:
    student = headed_student("linear")
    counts = random_windows(20).counts
    rewritten = student.with_head(student.head.as_mlp())
    assert (rewritten.head.kind, rewritten.dense) == ("mlp", 16)
    np.testing.assert_allclose(rewritten.logits(counts), student.logits(counts), atol=1e-12)
    with pytest.raises(ValueError, match="no form with one hidden layer"):
        headed_student("prototype").head.as_mlp()


@by_kind
def test_weights_survive_a_file_and_count_themselves(kind: str, tmp_path: Path) -> None:
    student = headed_student(kind)
    np.savez(tmp_path / "w.npz", **student.arrays("s__"))
    with np.load(tmp_path / "w.npz") as stored:
        again = GruMlpWeights.from_arrays(stored, "s__")
    assert (again.prototypes, again.classes, again.dense, again.head.kind) == (KINDS[kind], 4, 0, kind)
    assert again.arrays().keys() == student.arrays().keys()
    gru = random_student().parameters - (8 * 8 + 8 + 8 * 4 + 4)
    assert again.parameters == gru + 9 * 4 * KINDS[kind]
    assert again.macs_per_window(10) == 10 * 3 * 8 * (3 + 8) + 8 * 4 * KINDS[kind]


def test_arrays_of_an_mlp_student_are_what_they_were() -> None:
    """Studies and hashes made before heads had kinds hold."""
    assert list(random_student().arrays()) == [
        "mean", "std", "kernel", "recurrent", "bias",
        "dense_kernel", "dense_bias", "output_kernel", "output_bias",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("dense", "output", "prototypes"),
    [((8, 5), (8, 4), 1), ((8, 0), (5, 4), 1), ((8, 0), (8, 4), 3), ((8, 5), (5, 4), 2), ((8, 0), (8, 4), 0)],
)
def test_heads_of_shapes_that_do_not_fit_are_refused(
    dense: tuple[int, int], output: tuple[int, int], prototypes: int
) -> None:
    arrays = [np.zeros(shape, np.float32) for shape in (dense, dense[1:], output, output[1:])]
    with pytest.raises(ValueError, match="head"):
        Head(*arrays, prototypes=prototypes)


@by_kind
def test_warm_up_reads_the_head_the_student_has(kind: str) -> None:
    student, counts = headed_student(kind), random_windows(10).counts
    classes = stepwise_classes(student, counts)
    for steps in (1, 7, counts.shape[1]):
        assert np.array_equal(classes[:, steps - 1], student.logits(counts[:, :steps]).argmax(axis=1))


# --- Integers -------------------------------------------------------------------------------------------


@by_kind
@pytest.mark.parametrize(("bits", "activation_bits"), [(4, 8), (8, 16), (16, 12)])
def test_logits_are_what_the_page_says(kind: str, bits: int, activation_bits: int) -> None:
    """docs/arithmetic.md once more, one integer at a time."""
    model = headed_model(kind, bits, bits, activation_bits)
    assert (model.head, model.prototypes, model.dense) == (kind, KINDS[kind], 0)
    outcome = run(model, extreme_windows(12, 30))
    shift = model.length("output") + model.length("h") - model.length("logits")
    weights, biases = model.arrays["output"].tolist(), model.arrays["output_bias"].tolist()
    for state, logits, chosen in zip(outcome.state.tolist(), outcome.logits.tolist(), outcome.classes):
        expected = []
        for k in range(4):
            scores = []
            for row in range(k * KINDS[kind], (k + 1) * KINDS[kind]):
                total = biases[row] + sum(w * h for w, h in zip(weights[row], state))
                scores.append((total + (1 << shift >> 1)) >> shift)
            expected.append(min(max([*scores, -32768]), 32767))
        assert logits == expected
        assert chosen == expected.index(max(expected))


@by_kind
def test_sixteen_bits_say_what_float_says(kind: str) -> None:
    student, windows = headed_student(kind, 3), random_windows(200, seed=5)
    model = quantize(student, random_windows(60, seed=3), QuantizeConfig(16), 30)
    logits, float_logits = run(model, windows.counts).logits, student.logits(windows.counts)
    error = np.ldexp(logits.astype(float), -model.length("logits")) - float_logits
    assert np.abs(error).max() < 2e-3 * np.abs(float_logits).max() + 2e-3
    assert np.mean(logits.argmax(axis=1) == float_logits.argmax(axis=1)) > 0.98


@by_kind
def test_bounds_hold_for_the_worst_states(kind: str) -> None:
    model = headed_model(kind, 2, 16, gain=30)
    weights, biases = (model.arrays[name].astype(np.int64) for name in ("output", "output_bias"))
    assert "dense" not in model.bounds
    worst = np.abs(weights).sum(axis=1) * 32768 + np.abs(biases) + (1 << model.shifts["output"] >> 1)
    assert worst.max() <= model.bounds["output"] < LIMIT


def test_clipped_logits_are_counted_after_the_maximum() -> None:
    """A far pattern whose score is below the range is no loss, and is not counted as one."""
    model = headed_model("prototype")
    biases = model.arrays["output_bias"].copy()
    shift = model.shifts["output"]
    biases[0::3] = -40000 << shift  # one pattern of each class, out of reach
    far = replace(model, arrays={**model.arrays, "output_bias": biases})
    counts = random_windows(20).counts
    assert run(far, counts).saturations["logits"] == 0
    biases = biases.copy()
    biases[4] = 40000 << shift
    near = replace(model, arrays={**model.arrays, "output_bias": biases})
    outcome = run(near, counts)
    assert outcome.saturations["logits"] == 20
    assert set(outcome.logits[:, 1].tolist()) == {32767}


@by_kind
def test_model_survives_its_files(kind: str, tmp_path: Path) -> None:
    model = headed_model(kind)
    save_model(model, tmp_path)
    again = load_model(tmp_path)
    assert again.sha256 == model.sha256
    counts = random_windows(10).counts
    assert_same(run(again, counts), run(model, counts))
    kernels, recurrent, biases = 2 * 3 * 8 * 3, 3 * 8 * 8, 4 * (4 * 8 + 4 * KINDS[kind])
    assert model.weight_bytes == kernels + recurrent + biases + 8 * 4 * KINDS[kind]
    assert "dense" not in again.formats and "dense_out" not in again.formats


def test_a_model_without_its_scores_is_refused(tmp_path: Path) -> None:
    save_model(headed_model("linear"), tmp_path)
    with np.load(tmp_path / "fixedpoint.npz") as stored:
        arrays = {name: stored[name] for name in stored.files if name != "output"}
    np.savez(tmp_path / "fixedpoint.npz", **arrays)
    with pytest.raises(UserError, match="array 'output' is missing"):
        load_model(tmp_path)


@by_kind
def test_ranges_are_measured_of_the_tensors_there_are(kind: str) -> None:
    tensors = measure_ranges(headed_student(kind), headed_model(kind), random_windows())["tensors"]
    assert "dense_out" not in tensors
    assert tensors["logits"]["values"] == 40 * 4
    assert tensors["logits"]["saturated"] == 0
    assert tensors["logits"]["max_error"] < 0.2


# --- C --------------------------------------------------------------------------------------------------


@needs_cc
@by_kind
@pytest.mark.parametrize(
    ("bits", "activation_bits", "hidden", "classes"),
    [(4, 16, 8, 4), (8, 9, 5, 2), (12, 16, 7, 6), (16, 16, 16, 3)],
)
def test_host_c_equals_the_reference_on_every_value(
    tmp_path: Path, kind: str, bits: int, activation_bits: int, hidden: int, classes: int
) -> None:
    model = headed_model(kind, bits, bits, activation_bits, hidden=hidden, classes=classes)
    host = HostModel(model, tmp_path)
    counts = np.concatenate([random_windows(20, seed=7).counts, extreme_windows(8, 30)])
    outcome = run(model, counts)
    for n, window in enumerate(counts):
        assert host.run(window) == (
            outcome.classes[n], outcome.logits[n].tolist(), outcome.state_crc[n]
        ), f"window {n}"  # fmt: skip


@needs_cc
def test_host_c_clips_logits_as_the_reference_does(tmp_path: Path) -> None:
    model = headed_model("prototype")
    biases = np.arange(-6, 6).astype(np.int64) * 8000 << model.shifts["output"]
    model = replace(model, arrays={**model.arrays, "output_bias": biases.astype(np.int32)})
    counts, host = random_windows(10).counts, HostModel(model, tmp_path)
    outcome = run(model, counts)
    assert outcome.saturations["logits"] > 0
    assert [host.run(window)[1] for window in counts] == outcome.logits.tolist()


@by_kind
def test_generated_c_equals_the_golden_files(kind: str, tmp_path: Path) -> None:
    """Regenerate with `make golden` after an intended change, and read the difference."""
    generate_model(headed_model(kind, hidden=4, steps=8), tmp_path)
    for name in ("mcukd_model.c", "mcukd_model.h"):
        assert (tmp_path / name).read_text() == (GOLDEN / kind / name).read_text(), name


@needs_cc
@settings(deadline=None, max_examples=30, derandomize=True)
@given(
    kind=st.sampled_from(sorted(KINDS)),
    seed=st.integers(0, 10**6),
    bits=st.integers(4, 16),
    activation_bits=st.integers(8, 16),
    gain=st.sampled_from((0.01, 1.0, 30.0)),
    windows=st.integers(1, 70),
)
def test_batch_of_any_model_equals_the_reference(
    kind: str, seed: int, bits: int, activation_bits: int, gain: float, windows: int
) -> None:
    model = headed_model(kind, seed, bits, activation_bits, 9, hidden=5, gain=gain)
    assert backend(model).name == "c"
    counts = all_kinds(3, max(windows, 14), 9, seed)[:windows]
    assert_same(run_fast(model, counts), run(model, counts))


# --- Emulated cores and boards --------------------------------------------------------------------------

needs_tools = pytest.mark.skipif(
    any(
        shutil.which(tool) is None
        for tool in ("arm-none-eabi-gcc", "arm-none-eabi-objdump", "qemu-system-arm")
    ),
    reason="no Arm compiler or emulator",
)


@pytest.mark.emulator
@needs_tools
@by_kind
@pytest.mark.parametrize("core", ["m3", "m4f"])
def test_emulated_cores_equal_the_reference(kind: str, core: str) -> None:
    from mcukd.profiling.measure import measure_model

    model = headed_model(kind, 1, steps=12)
    counts = np.concatenate([random_windows(12, 12, seed=4).counts, extreme_windows(4, 12)])
    row = measure_model(model, counts, core)
    assert (row["windows"], row["mismatches"], row["kernel"]) == (16, 0, "assembly")
    assert row["macs"] == 12 * 3 * 8 * 11 + 8 * 4 * KINDS[kind]


@pytest.mark.emulator
@needs_tools
@by_kind
@pytest.mark.parametrize("name", ["collar-emulated", "eartag-emulated"])
def test_emulated_boards_are_proven_on_every_value(kind: str, name: str, tmp_path: Path) -> None:
    """The whole firmware over its serial protocol; and with one weight altered it is found out."""
    from mcukd.boards.launch import running
    from mcukd.boards.model import load_board
    from mcukd.boards.scale import board_scaling
    from mcukd.boards.toolchain import build
    from mcukd.harness.comparison import check_identity, prove
    from mcukd.harness.probes import choose_probes
    from mcukd.harness.protocol import open_device

    board, model = load_board(name), headed_model(kind, 1)
    firmware = generate_firmware(model, board, tmp_path)
    probes = choose_probes(random_windows(20), 8, scaling=board_scaling(board, model.counts_per_g))
    elf = build(tmp_path, board).elf
    with running(board, elf) as url, open_device(url, board.console.baud) as device:
        who = device.who()
        check_identity(who, url, name, model, firmware.firmware_sha256)
        assert prove(device, model, probes, who)["mismatches"] == 0
        output = model.arrays["output"].copy()
        output[:, 0] = np.where(output[:, 0] > 0, output[:, 0] - 9, output[:, 0] + 9)
        other = replace(model, arrays={**model.arrays, "output": output})
        assert prove(device, other, probes, who)["mismatches"] > 0
