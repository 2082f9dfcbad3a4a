"""Refusal rules: integers as the page says, thresholds, files, generated C, emulated cores and boards."""

from __future__ import annotations

import json
import math
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from builders.cnn import cnn_model
from builders.compile import ARM, HostModel, compile_all
from builders.filter_mlp import filter_model
from builders.students import extreme_windows, random_model, random_windows, refusing_model
from hypothesis import given, settings
from hypothesis import strategies as st

from mcukd.codegen.firmware import generate_firmware, generate_model
from mcukd.errors import UserError
from mcukd.fixedpoint.model import FACTS_FILE, UNKNOWN, IntegerModel, load_model, save_model
from mcukd.fixedpoint.reference import as_stream, run, run_stream
from mcukd.fixedpoint.refusal import (
    DEVIATION_MOST,
    LIMITS,
    MARGINS,
    MEANS,
    SHIFT,
    WHITENING,
    check_names,
    outcomes_of,
    sum_bound,
    with_rule,
)
from mcukd.fixedpoint.refusal_fitting import (
    distance_arrays,
    limit_mantissas,
    margin_mantissas,
    measured_rule,
    with_thresholds,
)
from mcukd.inference.batch import classify_stream, forget_libraries, run_fast

needs_cc = pytest.mark.skipif(shutil.which("cc") is None, reason="needs a host C compiler")
with_and_without_distance = pytest.mark.parametrize("distance", [False, True])


@pytest.fixture(scope="module")
def model() -> IntegerModel:
    return refusing_model(1)


def counts_of(model: IntegerModel, count: int = 60) -> np.ndarray:
    return np.concatenate([random_windows(count, model.window, 11).counts, extreme_windows(10, model.window)])


# --- The rule -------------------------------------------------------------------------------------------


@with_and_without_distance
def test_outcomes_are_what_the_page_says(distance: bool) -> None:
    """docs/arithmetic.md once more, one integer at a time."""
    model = refusing_model(2, distance=distance)
    counts = counts_of(model)
    plain, found = run(with_rule(model, {}), counts), run(model, counts)
    arrays = {name: array.tolist() for name, array in model.arrays.items()}
    why = []
    for logits, state, outcome in zip(plain.logits.tolist(), plain.state.tolist(), found.classes.tolist()):
        best = logits.index(max(logits))
        close = any(logits[best] - v < arrays[MARGINS][best] for k, v in enumerate(logits) if k != best)
        squared = 0
        if distance:
            shift = arrays[SHIFT][0]
            for row, mean in zip(arrays[WHITENING], arrays[MEANS][best]):
                total = sum(w * h for w, h in zip(row, state)) + (1 << shift >> 1)
                assert abs(total) < 1 << 31
                y = max(-32768, min(32767, total >> shift))
                squared += min(abs(y - mean), DEVIATION_MOST) ** 2
        far = distance and squared > arrays[LIMITS][best]
        assert outcome == (len(model.classes) if close or far else best)
        why.append((close, far))
    assert {True, False} == {close for close, _ in why}
    assert not distance or {(False, True), (False, False), (True, False)} <= set(why)
    assert np.array_equal(plain.logits, found.logits) and np.array_equal(plain.state_crc, found.state_crc)


def test_a_model_without_a_rule_has_its_classes_and_one_with_a_rule_has_unknown_behind_them(
    model: IntegerModel,
) -> None:
    plain = with_rule(model, {})
    assert not plain.may_refuse and plain.outcomes == plain.classes
    assert model.may_refuse and model.outcomes == (*model.classes, UNKNOWN)
    assert plain.sha256 == random_model(1).sha256 != model.sha256
    assert set(run(plain, counts_of(model)).classes.tolist()) <= set(range(4))


def test_margins_of_zero_and_limits_without_end_refuse_nothing() -> None:
    plain = random_model(3)
    found = run(plain, counts_of(plain))
    arrays = distance_arrays(plain, found.state, np.arange(len(found.state)) % 4)
    for rule in (
        with_thresholds(plain, [0.0] * 4),
        with_thresholds(plain, [0.0] * 4, [math.inf] * 4, arrays),
    ):
        assert np.array_equal(run(rule, counts_of(plain)).classes, found.classes)


def test_a_single_class_is_never_too_close_to_another() -> None:
    model = random_model(4, classes=1)
    rule = with_thresholds(model, [100.0])
    assert set(run(rule, random_windows(10, classes=1).counts).classes.tolist()) == {0}


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 65535), st.lists(st.integers(-32768, 32767), min_size=2, max_size=5))
def test_a_result_is_refused_exactly_below_the_margin(margin: int, logits: list[int]) -> None:
    plain = random_model(0, classes=len(logits), steps=4)
    model = with_rule(plain, {MARGINS: np.full(len(logits), margin, np.int32)})
    found = outcomes_of(model, np.array([logits]), np.zeros((1, 8), np.int16))[0]
    first, second = sorted(logits, reverse=True)[:2]
    assert found == (len(logits) if first - second < margin else logits.index(first))


def test_no_logits_have_no_outcomes(model: IntegerModel) -> None:
    assert outcomes_of(model, np.zeros((0, 4), np.int64), np.zeros((0, 8), np.int16)).shape == (0,)


# --- Thresholds -----------------------------------------------------------------------------------------


@settings(max_examples=200, deadline=None)
@given(st.just(0.0) | st.floats(1e-6, 1e6), st.integers(-4, 20))
def test_margins_become_integers_that_never_answer_below_the_margin(margin: float, length: int) -> None:
    (integer,) = margin_mantissas([margin], length).tolist()
    assert 0 <= integer <= 65535
    assert integer == 65535 or math.ldexp(integer, -length) >= margin > math.ldexp(integer - 1, -length)


def test_limits_become_integers_that_never_answer_beyond_the_limit() -> None:
    assert limit_mantissas([0.0, 1.0, 1.0001, math.inf, 1e12]).tolist() == [
        0, 4096, 4096, 2**32 - 1, 2**32 - 1,
    ]  # fmt: skip


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10**6), st.floats(1e-6, 0.5), st.sampled_from([8, 12, 16]))
def test_whitening_is_proven_and_training_windows_scatter_alike(
    seed: int, size: float, activation_bits: int
) -> None:
    model = random_model(0, activation_bits=activation_bits, steps=4)
    rng = np.random.default_rng(seed)
    labels = np.arange(400) % 4
    values = rng.normal(size=(400, 8)) @ rng.normal(size=(8, 8)) * size + rng.normal(size=(4, 8))[labels] / 4
    high = (1 << activation_bits - 1) - 1
    state = np.clip(np.rint(values * high), -high - 1, high).astype(np.int16)
    arrays = distance_arrays(model, state, labels)
    shift = int(arrays[SHIFT][0])
    assert sum_bound(arrays[WHITENING], shift) < 1 << 31
    rule = with_thresholds(model, [0.0] * 4, [math.inf] * 4, arrays)
    logits = np.eye(4, dtype=np.int64)[labels]
    _, squared = measured_rule(rule, logits, state)
    # Eight axes of variance 1 at most (shrinkage makes it less), as far as integers can tell them.
    assert squared.mean() < 8 * 1.2


def test_a_unit_that_never_moves_has_a_finite_scale() -> None:
    model = random_model(0, steps=4)
    arrays = distance_arrays(model, np.zeros((8, 8), np.int16), np.arange(8) % 4)
    assert not arrays[MEANS].any() and arrays[LIMITS].tolist() == [2**32 - 1] * 4


def test_a_class_without_a_window_has_no_distance(model: IntegerModel) -> None:
    with pytest.raises(ValueError, match="every class needs a window"):
        distance_arrays(model, np.zeros((3, 8), np.int16), np.array([0, 1, 2]))


# --- Files and names ------------------------------------------------------------------------------------


@with_and_without_distance
def test_a_rule_survives_a_file_and_is_part_of_the_hash(distance: bool, tmp_path: Path) -> None:
    model = refusing_model(5, distance=distance)
    save_model(model, tmp_path)
    again = load_model(tmp_path)
    assert again.sha256 == model.sha256 and again.outcomes[-1] == UNKNOWN
    margins = model.arrays[MARGINS].copy()
    margins[0] += 1
    other = with_rule(model, {**{n: a for n, a in model.arrays.items() if n in RULE}, MARGINS: margins})
    assert other.sha256 != model.sha256
    save_model(other, tmp_path)
    facts = json.loads((tmp_path / FACTS_FILE).read_text())
    (tmp_path / FACTS_FILE).write_text(json.dumps({**facts, "sha256": model.sha256}))
    with pytest.raises(UserError, match="its content is not what"):
        load_model(tmp_path)


RULE = (MARGINS, WHITENING, SHIFT, MEANS, LIMITS)


def test_arrays_of_another_type_are_refused(model: IntegerModel, tmp_path: Path) -> None:
    save_model(
        replace(model, arrays={**model.arrays, MARGINS: model.arrays[MARGINS].astype(float)}), tmp_path
    )
    with pytest.raises(UserError, match="array 'unknown_margins' is missing or of another type"):
        load_model(tmp_path)


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({MEANS: None}, "are no refusal rule"),
        ({MARGINS: np.zeros(3, np.int32)}, r"expected \(4,\)"),
        ({MARGINS: np.full(4, -1, np.int32)}, "goes beyond 0 to 65535"),
        ({SHIFT: np.array([32], np.int32)}, "expected 0 to 31"),
        ({WHITENING: np.full((8, 8), 32767, np.int16)}, "drive a sum beyond 32 bits"),
    ],
)
def test_arrays_that_are_no_rule_are_refused(model: IntegerModel, changed: dict, said: str) -> None:
    rule = {name: changed.get(name, model.arrays[name]) for name in RULE}
    with pytest.raises(ValueError, match=said):
        with_rule(model, {name: array for name, array in rule.items() if array is not None})


@pytest.mark.parametrize("name", ["unknown", "Unknown", " UNKNOWN "])
def test_a_class_named_unknown_is_refused_in_a_sentence(name: str) -> None:
    model = replace(random_model(0, steps=4), classes=("a", "b", "c", name))
    with pytest.raises(UserError, match="a class is named 'unknown'.*rename the class in the card"):
        with_thresholds(model, [1.0] * 4)
    check_names(("a", "unknown place"))


def test_students_whose_head_reads_features_have_margins_alone() -> None:
    model = filter_model(0)
    rule = with_thresholds(model, [0.5] * len(model.classes))
    counts = random_windows(40, model.window, 3).counts
    assert len(model.classes) in run(rule, counts).classes
    units = model.state_halfwords
    arrays = {
        MARGINS: np.zeros(len(model.classes), np.int32), SHIFT: np.zeros(1, np.int32),
        WHITENING: np.zeros((units, units), np.int16), LIMITS: np.zeros(len(model.classes), np.uint32),
        MEANS: np.zeros((len(model.classes), units), np.int16),
    }  # fmt: skip
    with pytest.raises(ValueError, match="a head that reads the state"):
        with_rule(model, arrays)


# --- Everything that computes it --------------------------------------------------------------------------


@with_and_without_distance
@pytest.mark.parametrize("computed_with", ["c", "numpy"])
def test_many_windows_at_a_time_give_the_references_outcomes(
    distance: bool, computed_with: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if computed_with == "numpy":
        monkeypatch.setenv("MCUKD_HOST", "numpy")
    forget_libraries()
    model = refusing_model(6, distance=distance)
    counts = counts_of(model)
    expected = run(model, counts)
    assert len(model.classes) in expected.classes
    assert np.array_equal(run_fast(model, counts).classes, expected.classes)
    stream = np.concatenate(counts)
    found = classify_stream(model, stream, hop=model.window)
    assert np.array_equal(found, expected.classes)
    monkeypatch.undo()
    forget_libraries()


@with_and_without_distance
def test_a_carried_state_is_refused_by_the_same_rule(distance: bool) -> None:
    model = refusing_model(6, distance=distance)
    samples = np.concatenate(random_windows(30, seed=5).counts)
    found, plain = run_stream(model, samples), run_stream(with_rule(model, {}), samples)
    assert np.array_equal(found.classes, outcomes_of(model, plain.logits, plain.state))
    assert 4 in found.classes and np.array_equal(found.logits, plain.logits)


@needs_cc
@with_and_without_distance
@pytest.mark.parametrize(("bits", "activation_bits", "hidden"), [(4, 16, 8), (8, 16, 16), (16, 9, 5)])
def test_host_c_equals_the_reference(
    tmp_path: Path, bits: int, activation_bits: int, hidden: int, distance: bool
) -> None:
    model = refusing_model(
        7, distance=distance, model=random_model(7, bits, activation_bits, hidden=hidden, dense=7)
    )
    host, counts = HostModel(model, tmp_path), counts_of(model)
    outcome = run(model, counts)
    assert set(outcome.classes.tolist()) > {4}
    for n, window in enumerate(counts):
        assert host.run(window)[:2] == (outcome.classes[n], outcome.logits[n].tolist()), f"window {n}"


@needs_cc
@pytest.mark.parametrize("family", ["filter-mlp", "cnn"])
def test_c_of_other_families_equals_the_reference(family: str, tmp_path: Path) -> None:
    plain = filter_model(1) if family == "filter-mlp" else cnn_model(1)
    model = refusing_model(1, distance=False, model=plain)
    host, counts = HostModel(model, tmp_path), counts_of(model, 20)
    outcome = run(model, counts)
    assert len(model.classes) in outcome.classes
    assert [host.run(window)[0] for window in counts] == outcome.classes.tolist()


def test_c_of_a_model_without_a_rule_names_no_refusal(tmp_path: Path) -> None:
    for file in generate_model(random_model(), tmp_path):
        assert "decide" not in file.read_text() and "UNKNOWN" not in file.read_text()


@pytest.mark.parametrize("core", ARM)
def test_c_with_a_rule_compiles_for_the_cores_without_a_warning(
    core: str, tmp_path: Path, model: IntegerModel
) -> None:
    generate_model(model, tmp_path, prefix="cow")
    assert "cow_model_decide" in (tmp_path / "cow_model.h").read_text()
    compile_all("arm-none-eabi-gcc", ARM[core], tmp_path)


needs_tools = pytest.mark.skipif(
    any(shutil.which(tool) is None for tool in ("arm-none-eabi-gcc", "qemu-system-arm")),
    reason="no Arm compiler or emulator",
)


@pytest.mark.emulator
@needs_tools
@pytest.mark.parametrize("name", ["native", "collar-emulated", "eartag-emulated", "collar", "eartag"])
def test_boards_are_proven_on_every_outcome(name: str, tmp_path: Path) -> None:
    """The whole firmware, in QEMU or on a modelled chip; a margin that differs by one is found out."""
    from mcukd.boards.launch import running
    from mcukd.boards.model import load_board
    from mcukd.boards.scale import board_scaling, sensed_counts
    from mcukd.boards.toolchain import build
    from mcukd.harness.comparison import check_identity, prove
    from mcukd.harness.probes import choose_probes
    from mcukd.harness.protocol import open_device

    board, model = load_board(name), refusing_model(8)
    firmware = generate_firmware(model, board, tmp_path)
    windows = random_windows(40)
    sensed = replace(windows, counts=sensed_counts(board, windows.counts, model.counts_per_g))
    probes = choose_probes(sensed, 24, scaling=board_scaling(board, model.counts_per_g))
    expected = run(model, probes.model_counts)
    assert 3 < (expected.classes == 4).sum() < 20
    elf = build(tmp_path, board).elf
    with running(board, elf) as url, open_device(url, board.console.baud) as device:
        who = device.who()
        check_identity(who, url, name, model, firmware.firmware_sha256)
        proof = prove(device, model, probes, who)
        assert proof["mismatches"] == 0 and proof["selftest"]["passed"] and proof["streaming"]["passed"]
        margins = np.sort(expected.logits, axis=1)
        answered = expected.classes < 4
        larger = int((margins[:, -1] - margins[:, -2])[answered].min()) + 1
        other = with_rule(
            model,
            {**{n: model.arrays[n] for n in RULE}, MARGINS: np.full(4, larger, np.int32)},
        )
        found = prove(device, other, probes, who)
        assert found["mismatches"] > 0 and found["first_mismatch"]["value"] == "class"


@pytest.mark.emulator
@needs_tools
@pytest.mark.parametrize(
    ("name", "hop", "carried"),
    [("native", 30, False), ("collar-emulated", 8, False), ("eartag-emulated", 8, True)],
)
def test_an_ethogram_counts_unknown_windows(name: str, hop: int, carried: bool, tmp_path: Path) -> None:
    """Windows one after another, windows that overlap, and a state that is carried."""
    from mcukd.boards.launch import running
    from mcukd.boards.model import load_board
    from mcukd.boards.scale import board_scaling
    from mcukd.boards.toolchain import build
    from mcukd.harness.protocol import open_device

    board, model = load_board(name), replace(refusing_model(9), hop=hop)
    model = as_stream(model) if carried else model
    generate_firmware(model, board, tmp_path)
    scaling = board_scaling(board, model.counts_per_g)
    counts = np.concatenate(random_windows(12, seed=2).counts)
    samples = counts if scaling.identity else counts >> 3
    expected = classify_stream(model, scaling.apply(samples))
    with running(board, build(tmp_path, board).elf) as url, open_device(url, board.console.baud) as device:
        device.who()
        device.reset_stream()
        told = {state.results: state.latest_class for state in device.push(0, samples) if state.results}
        assert device.ethogram().tolist() == np.bincount(expected, minlength=5).tolist()
        assert 4 in told.values() and told[len(expected)] == expected[-1]
        assert all(expected[number - 1] == found for number, found in told.items())
