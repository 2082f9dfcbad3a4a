"""Boards whose sensor has another scale or range than the card: the message, and exact scaling."""

from __future__ import annotations

import json
import re
import shutil
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from builders.commands import invoke
from builders.filter_mlp import filter_model
from builders.students import random_model, random_windows
from builders.studies import simulated_study
from hypothesis import example, given
from hypothesis import strategies as st

from mcukd.boards.launch import running
from mcukd.boards.model import Board, list_boards, load_board
from mcukd.boards.scale import (
    beyond_range,
    board_scaling,
    bundled_sentences,
    scale_sentence,
    sensed_counts,
)
from mcukd.boards.sections import Accelerometer
from mcukd.boards.toolchain import build
from mcukd.codegen.firmware import generate_firmware
from mcukd.errors import UserError
from mcukd.fixedpoint.model import IntegerModel
from mcukd.fixedpoint.reference import run, trace
from mcukd.fixedpoint.scaling import HIGHEST, LOWEST, UNSCALED, Scaling, as_sensed, scaling_between
from mcukd.harness.comparison import prove
from mcukd.harness.probes import choose_probes, extremes
from mcukd.harness.protocol import open_device
from mcukd.pipeline.firmware import sensor_remarks

needs_cc = pytest.mark.skipif(shutil.which("cc") is None, reason="needs a host C compiler")
EVERY_COUNT = np.arange(LOWEST, HIGHEST + 1).astype(np.int16)
#: Counts per g of a sensor under a model of 4096: shifts either way, and ratios that are no power of two.
SENSORS = {"times 8": 512.0, "divided by 4": 16384.0, "times 4.096": 1000.0, "times .41": 9990.0}


def board_with(counts_per_g: float, range_g: float, name: str = "native") -> Board:
    """A board of this computer or of the emulator with a sensor of another scale."""
    board = load_board(name)
    sensor = Accelerometer(
        part="TEST1", range_g=range_g, counts_per_g=counts_per_g, rates_hz=(50.0,), axes=("x", "y", "z")
    )
    return board.model_copy(update={"sensor": sensor})


# --- The arithmetic -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("sensor", "model", "expected"),
    [
        (512, 512, UNSCALED),
        (512, 4096, Scaling(8, 0)),
        (512, 8192, Scaling(16, 0)),
        (4096, 512, Scaling(1, 3)),
        (16384, 1024, Scaling(1, 4)),
        (1, 256, Scaling(256, 0)),
        (256, 1, Scaling(1, 8)),
        (512, 1000, Scaling(125, 6)),
        (512, 512.005, UNSCALED),
    ],
)
def test_powers_of_two_are_met_exactly(sensor: float, model: float, expected: Scaling) -> None:
    assert scaling_between(sensor, model) == expected


@given(st.floats(1, 30000), st.floats(1, 30000))
@example(512.0, 513.0)
@example(1.0, 255.99)
def test_any_ratio_is_met_within_its_last_bit_and_never_overflows(sensor: float, model: float) -> None:
    ratio = Fraction(model) / Fraction(sensor)
    if not Fraction(1, 256) <= ratio <= 256:
        with pytest.raises(UserError, match=r"counts per g .* at most 256 either way"):
            scaling_between(sensor, model)
        return
    scaling = scaling_between(sensor, model)
    assert abs(Fraction(scaling.multiplier, 1 << scaling.shift) / ratio - 1) <= Fraction(1, 32768)
    assert 0 < scaling.multiplier <= 32767 and 0 <= scaling.shift <= 23
    assert 32768 * scaling.multiplier + (1 << scaling.shift >> 1) < 1 << 31


@pytest.mark.parametrize("scaling", [Scaling(8, 0), Scaling(1, 3), Scaling(125, 6), Scaling(16777, 15)])
def test_the_reference_is_what_the_page_says_on_every_count(scaling: Scaling) -> None:
    exact = [
        min(
            max((int(s) * scaling.multiplier + (1 << scaling.shift >> 1)) // (1 << scaling.shift), LOWEST),
            HIGHEST,
        )
        for s in EVERY_COUNT
    ]
    found = scaling.apply(EVERY_COUNT)
    assert found.dtype == np.int16 and found.tolist() == exact


def test_samples_become_what_the_sensor_would_have_given() -> None:
    counts = np.array([[0, 3, 4], [-4, -5, 16383], [16384, 32767, -32768]], np.int16)
    assert as_sensed(counts, 4096, 4, 512).tolist() == [[0, 0, 1], [0, -1, 2047], [2047, 2047, -2048]]
    board = load_board("collar")
    assert beyond_range(board, counts, 4096) == pytest.approx(1 / 3)
    same = random_windows(4, 20).counts // 8
    assert np.array_equal(sensed_counts(board, same, 512.0), same)
    assert sensed_counts(load_board("native"), counts, 4096.0) is counts


# --- The sentence ---------------------------------------------------------------------------------------


def test_the_sentence_says_both_scales_the_scaling_and_what_is_clipped() -> None:
    board = load_board("collar")
    assert scale_sentence(board, 4096, 8, 0.0213) == (
        "The card has 4096 counts per g and ±8 g, collar's MPU9250 512 counts per g and ±4 g: the firmware "
        "multiplies samples by 8 before the model, and the sensor clips what lies beyond ±4 g, 2.1 % of the "
        "card's samples."
    )
    assert scale_sentence(board, 4096) == (
        "The card has 4096 counts per g, collar's MPU9250 512 counts per g and ±4 g: the firmware multiplies "
        "samples by 8 before the model."
    )


@pytest.mark.parametrize(
    ("counts_per_g", "range_g", "said"),
    [
        (8192.0, 4.0, "multiplies samples by 16 before the model.$"),
        (128.0, 4.0, r"divides samples by 4, with rounding, before the model\.$"),
        (1000.0, 4.0, r"multiplies samples by 125/64 \(1\.9531\), with rounding, before the model\.$"),
        (512.0, 8.0, r"±4 g: the sensor clips what lies beyond ±4 g\.$"),
        (512.0, 4.0, None),
        (
            512.0,
            2.0,
            r"±4 g: the sensor gives up to ±4 g to a model .* trained on samples clipped at ±2 g\.$",
        ),
        (
            1024.0,
            2.0,
            r"multiplies samples by 2 before the model, and the sensor gives up to ±4 g to a model",
        ),
        (512.0, None, None),
    ],
)
def test_only_what_differs_is_said(counts_per_g: float, range_g: float, said: str) -> None:
    sentence = scale_sentence(load_board("eartag"), counts_per_g, range_g)
    assert sentence is None if said is None else re.search(said, sentence)


@pytest.mark.parametrize(
    ("beyond", "said"),
    [(0.0, "none of"), (1e-9, "less than 0.01 %"), (0.0213, "2.1 %"), (0.5, "50 %"), (0.99999, "100 %")],
)
def test_the_share_that_is_clipped_is_said_in_plain_figures(beyond: float, said: str) -> None:
    sentence = scale_sentence(load_board("collar"), 4096, 8, beyond)
    assert sentence is not None and f", {said}" in sentence and "e+" not in sentence


def test_boards_of_one_scale_share_a_sentence_and_twins_say_nothing_twice() -> None:
    counts = np.array([[[0, 0, 32767]], [[0, 0, 0]]], np.int16)
    (sentence,) = bundled_sentences(list_boards(), 4096, 8, counts)
    assert "collar's MPU9250 and eartag's BMA400 512 counts" in sentence and "50 % of the card's" in sentence
    assert bundled_sentences(list_boards(), 512, 4, counts) == []
    (refused,) = bundled_sentences(list_boards(), 1, 4)
    assert refused.startswith("No firmware for collar, eartag: board collar: the model takes 1 counts per g")


def test_a_scale_that_none_can_make_is_refused_with_the_board() -> None:
    model = replace(random_model(), counts_per_g=1.0)
    with pytest.raises(UserError, match=r"board collar: the model takes 1 counts .* factor of 0\.001953"):
        sensor_remarks(model, load_board("collar"))


# --- The device -----------------------------------------------------------------------------------------


def assert_proved(model: IntegerModel, board: Board, folder: Path, windows: int = 24) -> None:
    """Known answers, every value of windows as the sensor gives them, the trace, and the stream."""
    generate_firmware(model, board, folder)
    scaling = board_scaling(board, model.counts_per_g)
    recorded = random_windows(60, model.window, seed=3)
    sensed = replace(recorded, counts=sensed_counts(board, recorded.counts, 4096.0))
    probes = choose_probes(sensed, windows, scaling=scaling)
    with running(board, build(folder, board).elf) as url, open_device(url) as device:
        facts = prove(device, model, probes, device.who())
        assert facts["mismatches"] == 0 and facts["selftest"]["passed"], json.dumps(facts["first_mismatch"])
        window = probes.counts[0]
        device.run_window(window)
        expected = trace(model, scaling.apply(window))[7]
        for number, name in enumerate(model.trace_tensors):
            assert device.trace_step(7, number).tolist() == expected[name].tolist(), name
        device.reset_stream()
        last = list(device.push(0, window))[-1]
        wanted = run(model, scaling.apply(window)[None])
        assert last.latest_class == wanted.classes[0] and last.results == 1


@needs_cc
@pytest.mark.parametrize("sensor", SENSORS)
def test_a_native_device_scales_as_the_reference_does(tmp_path: Path, sensor: str) -> None:
    board = board_with(SENSORS[sensor], 32768 / SENSORS[sensor] if sensor == "divided by 4" else 3.0)
    assert_proved(random_model(1, steps=20), board, tmp_path)
    assert "app_scale(" in (tmp_path / "app_stream.c").read_text()


@needs_cc
def test_a_native_device_scales_for_a_filter_student(tmp_path: Path) -> None:
    model = filter_model(0)
    assert_proved(model, board_with(model.counts_per_g / 8, 4.0), tmp_path)


@needs_cc
def test_a_proof_without_the_scaling_finds_the_difference(tmp_path: Path) -> None:
    """The proof would see a device that scales where the host does not expect it."""
    model, board = random_model(1, steps=20), board_with(512.0, 4.0)
    generate_firmware(model, board, tmp_path)
    windows = random_windows(30, 20, seed=3)
    probes = choose_probes(replace(windows, counts=sensed_counts(board, windows.counts, 4096.0)), 6)
    with running(board, build(tmp_path, board).elf) as url, open_device(url) as device:
        facts = prove(device, model, probes, device.who())
    assert facts["mismatches"] > 0 and facts["first_mismatch"]["step"] == 0


@pytest.mark.emulator
@pytest.mark.parametrize("name", ["collar-emulated", "eartag-emulated"])
def test_a_card_of_8_g_and_4096_counts_is_proved_on_boards_of_4_g_and_512(tmp_path: Path, name: str) -> None:
    assert_proved(random_model(1, steps=20), load_board(name), tmp_path, windows=8)


@pytest.mark.emulator
def test_a_ratio_that_is_no_power_of_two_is_proved_on_an_emulated_core(tmp_path: Path) -> None:
    assert_proved(random_model(1, steps=20), board_with(1000.0, 4.0, "collar-emulated"), tmp_path, windows=8)


def test_a_board_of_the_cards_scale_gets_no_code_for_it(tmp_path: Path) -> None:
    """The same files and bytes as on a board without a sensor, but for the board's own."""
    model = random_model()
    generate_firmware(model, load_board("native"), tmp_path / "plain")
    generate_firmware(model, board_with(4096.0, 8.0), tmp_path / "same")
    generate_firmware(model, board_with(4095.9, 8.0), tmp_path / "nearly")
    plain = {file.name: file.read_bytes() for file in (tmp_path / "plain").iterdir()}
    for folder in ("same", "nearly"):
        assert plain == {file.name: file.read_bytes() for file in (tmp_path / folder).iterdir()}
    assert "app_scale.h" not in plain and b"scale" not in plain["app_protocol.c"] + plain["app_stream.c"]
    generate_firmware(model, board_with(512.0, 4.0), tmp_path / "same")
    assert "INT32_C(8)" in (tmp_path / "same/app_scale.h").read_text()
    generate_firmware(model, load_board("native"), tmp_path / "same")
    assert not (tmp_path / "same/app_scale.h").exists()


def test_extremes_meet_both_ends_of_the_saturation() -> None:
    """Windows that are sent as any int16 drive a scaling of 8 beyond 16 bits on both sides."""
    windows = np.stack([window for _, window in extremes(4, 20, 3)])
    scaled = Scaling(8, 0).apply(windows)
    assert {LOWEST, HIGHEST} <= set(scaled.ravel().tolist())
    assert not np.array_equal(scaled, (windows.astype(int) * 8).astype(np.int16))


# --- The commands ---------------------------------------------------------------------------------------

SAID = "The card has 4096 counts per g and ±8 g, {}'s {} 512 counts per g and ±4 g: the firmware multiplies"
BOARD = """
name = "tag"
title = "A tag on this computer"
mcu = "this computer's processor"
core = "host"
port = "native"
[console]
uart = "pseudo-terminal"
baud = 115_200
[sensor]
part = "TEST1"
range_g = 4.0
counts_per_g = 512.0
rates_hz = [50.0]
axes = ["x", "y", "z"]
"""


@pytest.fixture
def wide(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a study whose card is of ±8 g and 4096 counts per g, and a board of ±4 g and 512."""
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.delenv("MCUKD_PORT", raising=False)
    (tmp_path / "runs").mkdir()
    simulated_study(tmp_path / "runs/wide", range_g=8, counts_per_g=4096)
    (tmp_path / "tag.toml").write_text(BOARD)
    return tmp_path


@needs_cc
def test_every_command_says_what_the_firmware_does_to_samples(
    wide: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    said = SAID.format("tag", "TEST1")
    for command in ("generate", "build"):
        shown = invoke(monkeypatch, wide, command, "--board", "tag.toml")
        assert shown.exit_code == 0 and said in shown.stdout, shown.output
        assert "the sensor clips what lies beyond ±4 g" in shown.stdout
        facts = json.loads(invoke(monkeypatch, wide, command, "--board", "tag.toml", "--json").stdout)
        assert any(said in remark for remark in facts["remarks"])
    shown = invoke(monkeypatch, wide, "validate", "--board", "tag.toml", "--windows", "12")
    assert shown.exit_code == 0, shown.output
    assert said in shown.stdout and "of 12 windows is equal" in shown.stdout
    assert re.search(
        r"At the sensor's counts \d+ of \d+ recorded windows are given another class", shown.stdout
    )
    record = json.loads((wide / "runs/wide/validation/tag.json").read_text())
    assert record["mismatches"] == 0 and record["scale"]["multiplier"] == 8
    assert (record["scale"]["sentence"] in shown.stdout) and 0 <= record["scale"]["samples_beyond"] < 0.1
    shown = invoke(monkeypatch, wide, "validate", "--board", "native", "--windows", "4")
    assert shown.exit_code == 0 and "counts per g" not in shown.stdout
    assert json.loads((wide / "runs/wide/validation/native.json").read_text())["scale"] is None


def test_a_drop_in_for_a_board_says_who_has_to_scale(wide: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shown = invoke(monkeypatch, wide, "generate", "--prefix", "cow", "--board", "eartag")
    assert "does not scale samples, so your program has to multiply samples by 8 first" in shown.stdout
    shown = invoke(monkeypatch, wide, "generate", "--prefix", "cow")
    assert "at 4096 counts per g and" in shown.stdout and "does not scale" not in shown.stdout


@needs_cc
def test_flash_says_it_before_it_flashes(wide: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shown = invoke(monkeypatch, wide, "flash", "--board", "eartag", "--dry-run")
    assert SAID.format("eartag", "BMA400") in shown.stderr and "counts per g" not in shown.stdout
    emulated = invoke(monkeypatch, wide, "flash", "--board", "tag.toml", "--emulate", "--seconds", "0")
    assert SAID.format("tag", "TEST1") in emulated.stderr and "counts per g" not in emulated.stdout


def test_a_lost_card_costs_the_range_and_nothing_else(wide: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (wide / "runs/wide.toml").unlink()
    shown = invoke(monkeypatch, wide, "generate", "--board", "collar")
    assert "The card has 4096 counts per g, collar's MPU9250 512" in shown.stdout


@pytest.mark.emulator
@pytest.mark.parametrize("board", ["collar", "eartag"])
def test_a_study_of_8_g_is_validated_on_both_twins(
    wide: Path, monkeypatch: pytest.MonkeyPatch, board: str
) -> None:
    shown = invoke(monkeypatch, wide, "validate", "--board", board, "--emulate", "--windows", "8")
    assert shown.exit_code == 0 and "multiplies samples by 8 before the model" in shown.stdout, shown.output
    assert json.loads((wide / f"runs/wide/validation/{board}.json").read_text())["mismatches"] == 0
