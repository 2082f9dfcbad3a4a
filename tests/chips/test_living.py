"""Modelled chip whose time follows the clock on the wall."""

from __future__ import annotations

from dataclasses import dataclass
from typing import cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mcukd.chips.core import Core
from mcukd.chips.living import Pace
from mcukd.chips.serve import main


@dataclass
class FakeCore:
    cycles: int = 500
    clock_hz: int = 1000


@given(st.lists(st.floats(0, 10), max_size=20), st.sampled_from([0.5, 1.0, 60.0]))
def test_what_a_core_falls_behind_is_made_up(steps: list[float], speed: float) -> None:
    """However the wall's time passes, a core that goes to where it is due has gone as far as the wall."""
    wall, core = [7.0], FakeCore()
    pace = Pace(cast(Core, core), speed, lambda: wall[0])
    assert abs(pace.due() - 500) <= 1
    for step in steps:
        wall[0] += step
        core.cycles = max(core.cycles, pace.due())
    assert abs(core.cycles - 500 - (wall[0] - 7) * 1000 * speed) <= 1


def test_the_wait_is_for_a_cycle_and_none_where_it_is_late() -> None:
    wall = [0.0]
    pace = Pace(cast(Core, FakeCore()), 10.0, lambda: wall[0])
    assert pace.wait_s(500 + 10_000) == 1.0
    wall[0] = 2.0
    assert pace.wait_s(500 + 10_000) == 0.0 and pace.due() == 20_500


@pytest.mark.parametrize("speed", ["0", "-1", "nan", "inf"])
def test_a_speed_that_is_none_is_refused(speed: str, capsys: pytest.CaptureFixture[str]) -> None:
    chip = ("--chip", "cc2650", "--image", "none.elf", "--baud", "1", "--tx", "1", "--rx", "2", "--fd", "0")
    assert main([*chip, f"--speed={speed}"]) == 1
    assert f"--speed is {speed}, but a number above 0 is expected." in capsys.readouterr().err
