"""Units of numeric stamps: by name, rate and date; the user is asked where two fit."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from mcukd.data.importer.clocks import Clock
from mcukd.data.importer.options import Dialog, Options
from mcukd.data.importer.plan import make_plan
from mcukd.data.importer.time_units import decide_unit, usual_step
from mcukd.data.importer.times import Column, time_forms
from mcukd.errors import UserError

STEPS = np.arange(400)
#: 2024-05-15 09:20:30 UTC.
START = 1715764830.0


def decided(
    name: str, values: np.ndarray, rate: float | None = None, stated: str | None = None
) -> tuple[str, str]:
    unit, words = decide_unit(name, np.asarray(values, dtype=np.float64), stated, rate, Dialog())
    return unit.name, words


@pytest.mark.parametrize(
    ("name", "values", "unit", "words"),
    [
        ("timestamp", 45147364669817 + STEPS * 5e7, "ns", "nanoseconds from a zero of their own"),
        ("uptime_ns", 45147364669817 + STEPS * 5e7, "ns", "20 Hz"),
        ("elapsedRealtimeNanos", 1e15 + STEPS * 5e7, "ns", "nanoseconds from a zero"),
        ("time(ms)", STEPS * 10, "ms", "100 Hz"),
        ("t", STEPS * 0.1, "s", "10 Hz"),
        ("t", STEPS * 50, "ms", "20 Hz"),
        ("t", STEPS * 20000, "us", "50 Hz"),
        ("t_us", STEPS * 400, "us", "2500 Hz"),
        ("time_s", STEPS, "s", "1 Hz"),
        ("time_ms", STEPS, "ms", "1000 Hz"),
        ("t", np.repeat(np.arange(40), 10), "s", "10.23 Hz"),
        ("time", START + STEPS * 0.04, "s", "since 1970 (beginning 2024-05-15 09:20:30, 25 Hz)"),
        ("time", np.repeat(START + np.arange(16), 25), "s", "since 1970"),
        ("time", (START + STEPS * 0.04) * 1e3, "ms", "milliseconds since 1970"),
        ("time", (START + STEPS * 0.04) * 1e6, "us", "microseconds since 1970"),
        ("time", (START + STEPS * 0.04) * 1e9, "ns", "nanoseconds since 1970"),
        ("time", START / 86400 + 25569 + STEPS * 0.1 / 86400, "excel", "2024-05-15 09:20:30, 10 Hz"),
        ("time", START / 86400 + 719529 + STEPS * 0.1 / 86400, "matlab", "2024-05-15 09:20:3"),
        ("time", START / 86400 + 2440587.5 + STEPS * 0.1 / 86400, "julian", "2024-05-15"),
        ("mjd", START / 86400 + 40587 + STEPS * 0.1 / 86400, "mjd", "2024-05-15"),
        ("t", STEPS * 0.1 / 86400, "days", None),
    ],
)
def test_units_that_are_clear_are_taken_and_said(
    name: str, values: np.ndarray, unit: str, words: str | None
) -> None:
    if words is None:
        # Days from an own zero are nobody's habit: they are offered, and not taken.
        with pytest.raises(UserError, match=r"--time-unit: .*days \(days: 10 Hz\)"):
            decided(name, values)
        return
    found, said = decided(name, values)
    assert found == unit and words in said


@pytest.mark.parametrize(
    ("name", "values", "choices"),
    [
        ("t", STEPS, ("counter", "1000 Hz", "s (seconds: 1 Hz)")),
        ("t", 5000 + STEPS, ("counter", "1000 Hz")),
        ("time_ms", STEPS * 0.05, ("s (seconds: 20 Hz)", "ms (milliseconds: 2e+04 Hz)")),
        ("time", 60445 + STEPS * 0.1 / 86400, ("excel (", "mjd (", "2065", "2024")),
        ("time", 737457630 + STEPS * 0.1, ("apple (", "2024-05-15", "1993")),
        ("time", 3798609630 + STEPS * 0.1, ("labview (", "2024", "2090")),
        ("gps_time", 1399800048 + STEPS * 0.1, ("gps (", "2024-05-15", "2014-05-11")),
        ("time", 638513616300000000.0 + STEPS * 400_000.0, ("ticks (", "2024-05-15")),
        ("t", STEPS * 1000, ("us (microseconds: 1000 Hz)", "ms (milliseconds: 1 Hz)")),
        ("t", STEPS * 2, ("ms (milliseconds: 500 Hz)", "s (seconds: 0.5 Hz)")),
        ("t_min", STEPS / 600, ("min (minutes: 10 Hz)",)),
    ],
)
def test_what_fits_two_units_is_asked_with_what_each_means(
    name: str, values: np.ndarray, choices: tuple[str, ...]
) -> None:
    if name == "t_min":
        assert decided(name, values)[0] == "min"
        return
    for yes in (False, True):
        with pytest.raises(UserError, match="--time-unit") as caught:
            decide_unit(name, np.asarray(values, dtype=np.float64), None, None, Dialog(yes=yes))
        assert all(choice in str(caught.value) for choice in choices)


def test_a_stated_rate_or_unit_decides() -> None:
    assert decided("t", STEPS, rate=1000)[0] == "ms"
    assert decided("t", STEPS, rate=1)[0] == "s"
    unit, _ = decide_unit("t", STEPS.astype(float), None, 25.0, Dialog())
    assert unit.name == "counter" and unit.to_seconds(np.array([50.0])) == 2.0
    assert decided("t", STEPS, stated="ms")[0] == "ms"
    with pytest.raises(UserError, match="'mss'.*did you mean"):
        decided("t", STEPS, stated="mss")
    with pytest.raises(UserError, match="--rate"):
        decided("t", STEPS, stated="counter")
    with pytest.raises(UserError, match="gives no date between 1990 and 2100"):
        decided("t", STEPS, stated="excel")


def test_the_answer_at_the_terminal_is_taken() -> None:
    answers = ["counter", "25"]
    dialog = Dialog(ask=lambda question, flag, choices, default: answers.pop(0))
    unit, _ = decide_unit("t", STEPS.astype(float), None, None, dialog)
    assert unit.to_seconds(np.array([50.0])) == 2.0 and not answers


def test_numbers_that_fit_nothing_are_said() -> None:
    with pytest.raises(UserError, match="which gives a sampling rate of 0.5 to 4000 Hz in no unit"):
        decided("unix", START + STEPS * 3600.0)


def test_the_step_is_judged_over_the_column() -> None:
    # Days with six decimals resolve 86 ms: of ten samples a second, most have the stamp of one before.
    days = np.round(45427.3892361111 + STEPS * 0.1 / 86400, 6)
    step = usual_step(days)
    assert step is not None and abs(step * 86400 - 0.1) < 0.005


def read(name: str, cells: list[str], options: Options) -> np.ndarray:
    form = time_forms([Column(Path("a.csv"), name, tuple(cells))], options, Dialog())[0]
    return Clock(Path("a.csv"), name, form).seconds(np.array(cells, dtype=object), 2)


@given(
    rate=st.sampled_from([1.0, 5.0, 10.0, 12.5, 25.0, 40.0, 50.0, 100.0, 200.0]),
    start=st.integers(978307200, 2145916800),
    form=st.sampled_from(["s", "ms", "us", "ns", "excel", "matlab", "own s", "own ms", "own us", "own ns"]),
    named=st.booleans(),
    uptime=st.floats(0.0, 5e6),
)
def test_a_series_written_in_any_unit_is_read_to_its_seconds_or_asked(
    rate: float, start: int, form: str, named: bool, uptime: float
) -> None:
    since = np.arange(300) / rate
    unit = form.split()[-1]
    scale = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}.get(unit, 1)
    zero = round(uptime * 1000) / 1000 if form.startswith("own") else float(start)
    if unit in ("excel", "matlab"):
        days = {"excel": 25569, "matlab": 719529}[unit]
        cells = [f"{days + (start + one) / 86400:.10f}" for one in since]
        near = 1e-4
    else:
        whole = [round((zero + one) * scale) for one in since]
        cells = [f"{zero + one:.3f}" for one in since] if unit == "s" else [str(one) for one in whole]
        near = 0.51 / scale + 1e-6 if unit != "s" else 6e-4
    assume(len(set(cells)) > 200)
    name = f"time_{unit}" if named and unit in ("s", "ms", "us", "ns") else "time"
    try:
        seconds = read(name, cells, Options())
    except UserError as error:
        # Only what fits another unit too may be asked: 1 Hz as 1000 Hz, and numbers that count by one.
        assert "--time-unit" in str(error) and not (named and form == "own ns")
        return
    assert np.abs(seconds - (zero + since)).max() < near


@pytest.mark.parametrize("unit", ["cm/s2", "cm/s²", "cm/s^2", "cm/sec2"])
@pytest.mark.parametrize("below", [False, True])
def test_centimetres_per_second_squared_are_not_taken_for_milli_g(
    tmp_path: Path, unit: str, below: bool
) -> None:
    names = ["x", "y", "z"] if below else [f"{axis} ({unit})" for axis in "xyz"]
    lines = [f"time,animal,label,{','.join(names)}"] + ([f"s,,,{unit},{unit},{unit}"] if below else [])
    lines += [f"{row / 20},A,walk,{row % 7},100,{-970 - row % 5}" for row in range(100)]
    (tmp_path / "herd.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    with pytest.raises(UserError, match="are in cm/s², as they say; take them as counts with --units counts"):
        make_plan(tmp_path / "herd.csv", Options(), Dialog())
    assert make_plan(
        tmp_path / "herd.csv", Options(units="counts", counts_per_g=980.665), Dialog()
    ).acceleration
