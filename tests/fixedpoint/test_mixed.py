"""Mixed precision: separate widths of recurrent weights, kernels and head, and the search over them."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from builders.students import extreme_windows, random_student, random_windows
from hypothesis import given
from hypothesis import strategies as st

from mcukd.codegen.context import model_context
from mcukd.errors import UserError
from mcukd.fixedpoint.gru.mixed import candidates
from mcukd.fixedpoint.mixed import (
    Candidate,
    Objective,
    Search,
    choose,
    draw_pareto,
    parse_bytes,
    read_search,
    search,
)
from mcukd.fixedpoint.model import load_model, save_model
from mcukd.fixedpoint.quantize import QuantizeConfig, quantize
from mcukd.fixedpoint.reference import run
from mcukd.inference.batch import classes_of

STEPS = 10


def candidate(flash: int, mcc: float) -> Candidate:
    return Candidate(QuantizeConfig(8), flash, mcc)


def test_equal_widths_are_the_model_that_has_one() -> None:
    student, windows = random_student(1), random_windows(40, STEPS)
    for bits in (4, 8, 16):
        one = quantize(student, windows, QuantizeConfig(bits), STEPS)
        given_twice = quantize(
            student, windows, QuantizeConfig(bits, kernel_bits=bits, head_bits=bits), STEPS
        )
        assert one.sha256 == given_twice.sha256


def test_widths_of_their_own_are_kept_paid_for_and_told_apart(tmp_path: Path) -> None:
    student, windows = random_student(1), random_windows(40, STEPS)
    narrow = quantize(student, windows, QuantizeConfig(4), STEPS)
    mixed = quantize(student, windows, QuantizeConfig(4, kernel_bits=16, head_bits=12), STEPS)
    assert mixed.sha256 != narrow.sha256
    assert {name: mixed.formats[name].bits for name in ("recurrent_r", "kernel_h", "dense", "output")} == {
        "recurrent_r": 4, "kernel_h": 16, "dense": 12, "output": 12,
    }  # fmt: skip
    head = mixed.arrays["dense"].size + mixed.arrays["output"].size
    # Kernels lie in 16 bits whatever their width; the head takes a second byte above eight bits.
    assert mixed.weight_bytes == narrow.weight_bytes + head
    assert np.abs(mixed.arrays["dense"]).max() > 127
    assert model_context(narrow)["head_type"] == "int8_t" and model_context(mixed)["head_type"] == "int16_t"
    save_model(mixed, tmp_path)
    assert load_model(tmp_path).sha256 == mixed.sha256


def test_wider_kernels_and_head_bring_four_bit_models_closer_to_float() -> None:
    windows, test = random_windows(60, STEPS), random_windows(200, STEPS, seed=7)
    errors: dict[str, float] = {"narrow": 0.0, "mixed": 0.0}
    for seed in range(4):
        student = random_student(seed)
        wanted = student.logits(test.counts)
        for name, config in (
            ("narrow", QuantizeConfig(4)),
            ("mixed", QuantizeConfig(4, kernel_bits=16, head_bits=8)),
        ):
            model = quantize(student, windows, config, STEPS)
            found = run(model, test.counts).logits * 2.0 ** -model.length("logits")
            errors[name] += float(np.mean(np.abs(found - wanted)))
    assert errors["mixed"] < 0.8 * errors["narrow"]


@pytest.mark.parametrize("config", candidates(QuantizeConfig(), ["interpolated"])[::3])
def test_generated_c_of_mixed_widths_equals_the_reference(config: QuantizeConfig) -> None:
    from mcukd.inference.batch import backend, run_fast

    student, windows = random_student(2, hidden=7), random_windows(40, STEPS)
    model = quantize(student, windows, config, STEPS)
    if backend(model).name != "c":
        pytest.skip("no host C compiler")
    counts = np.concatenate([windows.counts, extreme_windows(30, STEPS)])
    np.testing.assert_array_equal(run_fast(model, counts).state_crc, run(model, counts).state_crc)
    np.testing.assert_array_equal(run_fast(model, counts).logits, run(model, counts).logits)


def test_search_scores_every_candidate_on_what_it_is_given() -> None:
    from dataclasses import replace

    student = random_student(5)
    windows = random_windows(120, STEPS, seed=3)
    # Labels of the float student itself: its MCC is 1, and what quantization changes shows.
    windows = replace(windows, labels=np.argmax(student.logits(windows.counts), axis=1))
    tried = candidates(QuantizeConfig())
    seen: list[int] = []
    found = search(
        student, windows, windows, Objective(max_mcc_drop=1.0), tried, classes_of, STEPS, advance=seen.append
    )
    assert len(seen) == len(tried) == len(found.candidates) == 16
    assert found.float_mcc == pytest.approx(1.0)
    by_bits = {(c.config.bits, c.config.head_bits, c.config.gates): c for c in found.candidates}
    for (bits, head, gates), one in by_bits.items():
        config = QuantizeConfig(bits, gates=gates, kernel_bits=16, head_bits=head)
        model = quantize(student, windows, config, STEPS)
        assert one.flash_bytes == model.weight_bytes + model.table_bytes
        agreed = np.mean(run(model, windows.counts).classes == windows.labels)
        assert (one.mcc == pytest.approx(1.0)) == (agreed == 1.0)
    assert by_bits[16, 16, "interpolated"].mcc > by_bits[4, 8, "interpolated"].mcc
    assert found.chosen == found.candidates[0] or found.chosen.flash_bytes == found.candidates[0].flash_bytes


@given(
    st.lists(st.tuples(st.integers(1, 5000), st.floats(-1, 1)), min_size=1, max_size=12),
    st.integers(1, 5000),
    st.floats(0, 1),
)
def test_choices_are_on_the_front_and_none_is_better(
    points: list[tuple[int, float]], budget: int, drop: float
) -> None:
    found = [candidate(flash, mcc) for flash, mcc in points]
    front = Search(tuple(found), 1.0, found[0]).front
    for one in found:
        better = [c for c in found if c.flash_bytes <= one.flash_bytes and c.mcc > one.mcc]
        assert bool(better) or any(c.flash_bytes <= one.flash_bytes and c.mcc == one.mcc for c in front)
    affordable = [c for c in found if c.flash_bytes <= budget]
    if affordable:
        chosen = choose(found, 1.0, Objective(budget_flash=budget))
        assert chosen in affordable and chosen.mcc == max(c.mcc for c in affordable) and chosen in front
    else:
        with pytest.raises(UserError, match="smallest model takes"):
            choose(found, 1.0, Objective(budget_flash=budget))
    close = [c for c in found if 1.0 - c.mcc <= drop]
    if close:
        chosen = choose(found, 1.0, Objective(max_mcc_drop=drop))
        assert chosen.flash_bytes == min(c.flash_bytes for c in close) and chosen in close
    else:
        with pytest.raises(UserError, match="max-mcc-drop"):
            choose(found, 1.0, Objective(max_mcc_drop=drop))
        assert choose(found, 1.0, Objective(max_mcc_drop=drop), best_effort=True).mcc == max(
            c.mcc for c in found
        )


def test_both_goals_hold_at_once_and_none_means_a_small_drop() -> None:
    found = [candidate(1000, 0.80), candidate(2000, 0.896), candidate(3000, 0.899), candidate(4000, 0.9)]
    assert choose(found, 0.9, Objective(3500, 0.005)).flash_bytes == 2000
    assert choose(found, 0.9, Objective()).flash_bytes == 2000
    assert choose(found, 0.9, Objective(3500)).flash_bytes == 3000
    with pytest.raises(UserError, match="within 1500 bytes"):
        choose(found, 0.9, Objective(1500, 0.005))
    assert choose(found, 0.9, Objective(1500, 0.005), best_effort=True).flash_bytes == 1000


@pytest.mark.parametrize(
    ("text", "size"),
    [("3KB", 3072), ("2.5 kB", 2560), ("3072", 3072), ("3072B", 3072), ("1KiB", 1024), (" 4kb ", 4096)],
)
def test_sizes(text: str, size: int) -> None:
    assert parse_bytes(text) == size


@pytest.mark.parametrize("text", ["3XB", "", "KB", "-3KB", "0", "3MB", "1e3", "0.1B"])
def test_sizes_that_are_none(text: str) -> None:
    with pytest.raises(UserError, match="--budget-flash is"):
        parse_bytes(text)


@pytest.mark.parametrize("drop", [-0.1, 2.5, float("nan")])
def test_drops_that_are_none(drop: float) -> None:
    with pytest.raises(UserError, match="--max-mcc-drop is"):
        Objective(max_mcc_drop=drop)


def test_figure_and_record(tmp_path: Path) -> None:
    tried = [candidate(1000, 0.80), candidate(2000, 0.9), candidate(3000, 0.85)]
    found = Search(tuple(tried), 0.91, tried[1])
    draw_pareto(found, tmp_path / "pareto.png", "herd")
    assert (tmp_path / "pareto.png").read_bytes()[:4] == b"\x89PNG"
    (tmp_path / "pareto.json").write_text(json.dumps(found.facts()))
    record = read_search(tmp_path / "pareto.json")
    assert [one["on_front"] for one in record["candidates"]] == [True, True, False]
    (tmp_path / "pareto.json").write_text("{")
    with pytest.raises(UserError, match="damaged"):
        read_search(tmp_path / "pareto.json")


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (["--bits", "auto", "--budget-flash", "3XB"], "--budget-flash is '3XB'"),
        (["--budget-flash", "3KB"], "--budget-flash goes with --bits auto"),
        (["--bits", "6", "--max-mcc-drop", "0.1"], "--max-mcc-drop goes with --bits auto"),
        (["--bits", "automatic"], "--bits is 'automatic'"),
        (["--bits", "3"], "--bits 3"),
        (["--bits", "auto", "--max-mcc-drop", "-1"], "--max-mcc-drop is -1"),
        (["--gates", "directly"], "did you mean 'direct'"),
        (["--qat", "--jobs", "0"], "--jobs is 0"),
    ],
)
def test_bad_options_are_named(options: list[str], sentence: str, tmp_path: Path) -> None:
    from typer.testing import CliRunner

    from mcukd.cli.app import app

    result = CliRunner().invoke(app, ["quantize", "--run", str(tmp_path), *options])
    assert isinstance(result.exception, UserError)
    assert sentence in str(result.exception)
