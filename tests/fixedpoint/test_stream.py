"""Streaming with carried state: errors do not grow with time (experiments/long_stream.py)."""

from __future__ import annotations

import importlib.util
import shutil
from functools import cache
from typing import Any

import numpy as np
import pytest
from builders.places import ROOT

SCRIPT = ROOT / "experiments" / "long_stream.py"

pytestmark = pytest.mark.skipif(shutil.which("cc") is None, reason="needs a host C compiler")


@cache
def bench() -> Any:
    spec = importlib.util.spec_from_file_location("long_stream", SCRIPT)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_an_hour_errs_no_more_than_its_windows() -> None:
    found = bench().drift("random", 1, 8, bench().day(1))
    assert found["samples"] == 180_000
    assert found["stream"]["max"] <= 1.05 * found["windows"]["max"]
    assert found["stream"]["rms"] <= 1.05 * found["windows"]["rms"]


@pytest.mark.slow
@pytest.mark.parametrize("bits", [8, 16])
def test_a_day_errs_no_more_than_its_windows_and_no_hour_more_than_the_first_ones(bits: int) -> None:
    found = bench().drift("random", 24, bits, bench().day(24))
    assert found["samples"] == 4_320_000
    assert found["stream"]["max"] <= 1.05 * found["windows"]["max"]
    hours = [hour["rms"] for hour in found["stream_by_hour"]]
    assert max(hours[-6:]) <= 1.2 * max(hours[:6])


@pytest.mark.slow
def test_a_trained_student_lets_go_of_states_at_other_moments_but_does_not_drift() -> None:
    """Its errors come and go with the behaviour; a drift would show in the median of the later hours."""
    found = bench().drift("trained", 24, 16, bench().day(24))
    hours = [hour["rms"] for hour in found["stream_by_hour"]]
    assert np.median(hours[12:]) <= 2 * np.median(hours[:12])
