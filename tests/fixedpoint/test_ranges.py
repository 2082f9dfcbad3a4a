"""Ranges of tensors: clipped values by class and animal, errors, sentences and the figure."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
from builders.students import extreme_windows, random_model, random_student, random_windows

from mcukd.fixedpoint.gru.ranges import measure_ranges
from mcukd.fixedpoint.ranges import sentences
from mcukd.fixedpoint.reference import run
from mcukd.report.ranges_figure import ranges_figure


def test_clipped_values_add_up_by_class_and_by_animal_to_what_the_reference_counts() -> None:
    windows = random_windows(40, 30, seed=0)
    windows = replace(windows, counts=np.concatenate([windows.counts[:30], extreme_windows(10, 30)]))
    ranges = measure_ranges(random_student(0), random_model(0), windows)
    expected = run(random_model(0), windows.counts).saturations
    for name, tensor in ranges["tensors"].items():
        assert tensor["saturated"] == expected.get(name, 0), name
        for group in ("by_class", "by_animal"):
            assert sum(one["saturated"] for one in tensor[group].values()) == tensor["saturated"], name
    assert ranges["tensors"]["z_pre"]["saturated"] > 0
    assert set(ranges["tensors"]["z_pre"]["by_animal"]) == set(windows.animals.tolist())
    json.dumps(ranges)


def test_errors_are_those_of_the_last_state_and_logits_and_shrink_with_bits() -> None:
    student, windows = random_student(1), random_windows(40, 30, seed=1)
    errors = {}
    for bits in (4, 16):
        model = random_model(1, bits=bits)
        tensors = measure_ranges(student, model, windows)["tensors"]
        logits = model.formats["logits"].q.value(run(model, windows.counts).logits)
        difference = np.abs(logits - student.logits(windows.counts))
        assert np.isclose(tensors["logits"]["max_error"], difference.max())
        assert tensors["h"]["maximum"] <= 1
        errors[bits] = tensors["h"]["rms_error"]
    assert errors[16] < errors[4] / 50


def test_a_tensor_that_clips_gets_a_sentence_that_names_who_clips_most() -> None:
    windows = random_windows(40, 30, seed=0)
    counts = windows.counts.copy()
    loud = windows.animals == "a3"
    counts[loud] = 32767
    said = sentences(measure_ranges(random_student(0), random_model(0), replace(windows, counts=counts)))
    assert any(
        one.startswith("input clips") and "a3 (100.00%)" in one and "check the card" in one for one in said
    )
    quiet = sentences({"tensors": {}})
    assert quiet == ["No tensor clips more than one value in a thousand."]


def test_the_figure_has_a_row_for_every_tensor() -> None:
    ranges = measure_ranges(random_student(0), random_model(0), random_windows(10, 12))
    drawn = ranges_figure(ranges["tensors"])
    assert drawn is not None
    assert all(f">{name}<" in drawn for name in ranges["tensors"])
    assert ranges_figure({}) is None
