"""Measurement of a model on emulated cores: rows, baselines, the command."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace

import numpy as np
import pytest
from builders.commands import mcukd
from typer.testing import CliRunner

from mcukd.cli.app import app
from mcukd.errors import UserError
from mcukd.fixedpoint.model import IntegerModel, save_model
from mcukd.fixedpoint.quantize import QuantizeConfig, quantize
from mcukd.profiling import study as bench_study
from mcukd.profiling.baselines import measure_float, write_float
from mcukd.profiling.emulate import parse_reply
from mcukd.profiling.image import build_image, measured_core
from mcukd.profiling.measure import KEYS, accuracy, make_row, measure_model, model_accuracy, sizes
from mcukd.profiling.study import spread
from mcukd.profiling.synthetic import extreme_windows, random_student, random_windows


@pytest.fixture(scope="module")
def student():
    return random_student(4, dense=5, classes=3)


@pytest.fixture(scope="module")
def windows():
    return random_windows(20, steps=8, classes=3, seed=2).counts


@pytest.fixture(scope="module")
def model(student) -> IntegerModel:
    return quantize(student, random_windows(40, steps=8, classes=3, seed=1), QuantizeConfig(8), 8)


def test_rows_have_the_keys_that_scripts_read() -> None:
    expected = {
        "core", "hidden", "weight_bits", "optimize", "instructions", "cycles_estimated", "flash_bytes",
        "ram_bytes", "max_prob_error", "agreement", "windows", "mismatches",
    }  # fmt: skip
    row = make_row(core="m3", windows=3)
    assert expected <= set(row)
    assert list(row) == list(KEYS)
    assert row["core"] == "m3"
    assert row["mismatches"] is None
    with pytest.raises(ValueError, match="'speed'"):
        make_row(speed=1)


@pytest.mark.parametrize(("hidden", "macs"), [(8, 68e3), (16, 234e3), (32, 861e3)])
def test_macs_are_those_of_the_published_table(hidden: int, macs: float) -> None:
    facts = sizes(3, hidden, 16, 6, 256)
    assert facts["macs"] == pytest.approx(macs, abs=500)
    assert facts["macs"] == random_student(hidden).macs_per_window(256)


def test_synthetic_students_are_seeded_and_as_described() -> None:
    first, again, other = random_student(16), random_student(16), random_student(16, seed=1)
    assert np.array_equal(first.recurrent, again.recurrent)
    assert not np.array_equal(first.recurrent, other.recurrent)
    assert np.allclose(first.recurrent @ first.recurrent.T, np.eye(16), atol=1e-5)
    assert np.abs(first.bias).max() <= 0.1
    assert first.bias.shape == (2, 48)
    assert np.abs(first.kernel).max() <= np.sqrt(6 / 51)
    assert set(first.std) == {16384}
    counts = random_windows(50).counts
    assert counts.dtype == np.int16
    assert 0.9 < np.linalg.norm(counts.mean(axis=1) / 16384, axis=1).mean() < 1.2
    assert not np.array_equal(counts, random_windows(50, seed=1).counts)


def test_extreme_windows_reach_both_ends() -> None:
    counts = extreme_windows(40, 64)
    assert counts.shape == (40, 64, 3)
    assert (counts.min(), counts.max()) == (-32768, 32767)
    assert (np.ptp(counts[1::4], axis=1) == 0).all()
    assert set(np.unique(counts[2::4])) == {-32768, 32767}


def test_accuracy_is_of_probabilities() -> None:
    truth = np.array([[0.0, 0.0], [2.0, 0.0]])
    found = accuracy(np.array([[5.0, 5.0 + 1e-9], [0.0, np.log(3.0)]]), truth)
    assert found.agreement == 0.0
    assert found.windows == 2
    assert found.max_prob_error == pytest.approx(1 / (1 + np.exp(-2)) - 0.25)


def test_spread_takes_windows_from_end_to_end() -> None:
    counts = np.arange(10, dtype=np.int16).reshape(10, 1, 1)
    assert spread(counts, 3).ravel().tolist() == [0, 4, 9]
    assert spread(counts, 99) is counts


def test_short_answers_of_the_emulated_core_are_one_sentence() -> None:
    with pytest.raises(UserError, match="sent 3 bytes, expected"):
        parse_reply(b"abc", 1, 40)


def test_float_source_holds_the_weights(student, tmp_path) -> None:
    write_float(student, tmp_path)
    text = (tmp_path / "float_gru.c").read_text(encoding="utf-8")
    assert "state_weights[12][4]" in text
    assert f"{float(student.recurrent[1, 2]):.9e}f" in text


@pytest.mark.parametrize(
    ("call", "problem"),
    [
        (lambda path: measured_core("m7"), "--core m7: nothing emulates it here; choose one of m3, m4f"),
        (lambda path: build_image(path, "m3", "fast"), "--optimize fast: choose one of speed, size"),
    ],
)
def test_unknown_choices_are_one_sentence(call, problem: str, tmp_path) -> None:
    with pytest.raises(UserError, match=problem):
        call(tmp_path)


def test_missing_tool_is_one_sentence_and_exit_2(tmp_path, monkeypatch) -> None:
    (tmp_path / "study.json").write_text(
        json.dumps({"schema": 1, "card": "herd-sim", "seed": 0, "stages": {}}), encoding="utf-8"
    )
    monkeypatch.setenv("PATH", str(tmp_path))
    ended = mcukd("bench", "--run", str(tmp_path))
    assert ended.returncode == 2
    assert ended.stderr.startswith("mcukd: arm-none-eabi-gcc is not on the PATH")
    assert ended.stderr.count("\n") == 1


def test_command_prints_a_row(tmp_path, monkeypatch, model) -> None:
    save_model(model, tmp_path)
    (tmp_path / "study.json").write_text(
        json.dumps({"schema": 1, "card": "herd-sim", "seed": 0, "stages": {}}), encoding="utf-8"
    )
    row = dict.fromkeys(KEYS, 1)
    asked: list[tuple[object, ...]] = []

    def measured(study, *options: object) -> dict[str, int]:
        asked.append(options)
        return row

    monkeypatch.setattr(bench_study, "measure_study", measured)
    arguments = ["bench", "--run", str(tmp_path), "--core", "m3", "--optimize", "size", "--windows", "7"]
    table = CliRunner().invoke(app, arguments)
    assert table.exit_code == 0, table.output
    # The title is wrapped where the run's path puts it.
    printed = "".join(table.output.split())
    assert "1of1" in printed and "".join(model.title.split()) in printed
    facts = CliRunner().invoke(app, [*arguments, "--json"])
    assert json.loads(facts.output) == row
    assert asked == [("m3", "size", 7, False, None)] * 2


needs_tools = pytest.mark.skipif(
    any(shutil.which(tool) is None for tool in bench_study.TOOLS), reason="no Arm compiler or emulator"
)


@pytest.mark.emulator
@needs_tools
@pytest.mark.parametrize("core", ["m4f", "m3"])
@pytest.mark.parametrize("portable", [False, True])
def test_tiny_model_on_an_emulated_core(core, portable, student, model, windows) -> None:
    counts = np.concatenate([windows, extreme_windows(4, 8)])
    row = measure_model(model, counts, core, "size", portable, model_accuracy(model, student, windows))
    assert row["mismatches"] == 0
    assert row["windows"] == 24
    assert row["kernel"] == ("portable C" if portable else "assembly")
    assert row["agreement"] >= 0.9
    # Eight steps of some hundred instructions each, and one classification.
    assert 8 * 100 < row["instructions"] < 8 * 2000
    assert row["instructions"] / 2 < row["cycles_least"] < row["cycles_estimated"] < 10 * row["instructions"]
    assert row["flash_bytes"] == (
        row["flash_code_bytes"] + row["flash_weight_bytes"] + row["flash_table_bytes"]
    )
    assert row["flash_table_bytes"] == model.table_bytes
    assert row["flash_weight_bytes"] >= model.weight_bytes
    assert row["state_bytes"] == 8
    assert row["scratch_bytes"] == 0
    assert row["ram_bytes"] == row["state_bytes"] + row["stack_bytes"]
    assert 32 <= row["stack_bytes"] < 400


@pytest.mark.emulator
@needs_tools
def test_a_wrong_reference_is_seen(model, windows) -> None:
    """A comparison that cannot fail would prove nothing."""
    dense = model.arrays["dense"].copy()
    dense[0, 0] += 1
    other = replace(model, arrays={**model.arrays, "dense": dense})
    from mcukd.profiling import measure

    truth = measure.run
    measure.run = lambda _, counts: truth(other, counts)
    try:
        row = measure_model(model, windows, "m4f")
    finally:
        measure.run = truth
    assert row["mismatches"] > 0


@pytest.mark.emulator
@needs_tools
@pytest.mark.parametrize("core", ["m4f", "m3"])
def test_float_baseline_is_the_float_student(core, student, windows) -> None:
    row = measure_float(student, windows, core)
    assert row["max_prob_error"] < 1e-5
    assert row["agreement"] == 1.0
    assert row["mismatches"] is None
    assert row["flash_code_bytes"] > 1000
    assert row["instructions"] > 1000


@pytest.mark.emulator
@needs_tools
def test_sources_that_do_not_compile_are_one_sentence(tmp_path) -> None:
    (tmp_path / "mcukd_model.c").write_text("int x = ;\n", encoding="utf-8")
    with pytest.raises(UserError, match=r"mcukd_model.c does not compile: .*error"):
        build_image(tmp_path, "m3")
