"""[energy] of board files: what is refused and how, and the tables of currents."""

from __future__ import annotations

from pathlib import Path

import pytest

from mcukd.boards.currents import RADIOS, SENSORS, Currents
from mcukd.boards.energy_section import unit_of
from mcukd.boards.model import load_board, read_board
from mcukd.boards.radio_section import BLE_POWERS
from mcukd.boards.radio_section import RADIOS as SECTIONS
from mcukd.boards.sensor_driver import PARTS
from mcukd.errors import UserError
from mcukd.resources import resource_dir

COLLAR = (resource_dir("boards") / "collar.toml").read_text()
TWIN = (resource_dir("boards") / "collar-emulated.toml").read_text()
ENERGY = COLLAR[COLLAR.index("[energy]") :]


def line(key: str) -> str:
    """The line of a key in the collar's section."""
    return next(one for one in ENERGY.splitlines(keepends=True) if one.startswith(f"{key} ="))


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        (line("asleep_ua"), "", ("the key energy.asleep_ua is missing", "add it")),
        (line("asleep_ua"), line("asleep_ua").replace("asleep_ua", "asleep_ma"),
         ("unknown key energy.asleep_ma", "'asleep_ua'")),
        (line("battery_mah"), "battery_mah = 13400\n",
         ("energy.battery_mah is 13400, but a table with value, source, assumption is expected",)),
        ("value = 8.15", "valu = 8.15", ("unknown key energy.flash_word_ma.valu", "'value'")),
        ("value = 8.15", "value = [8.15, 9.0]",
         ("energy.flash_word_ma.value is [8.15, 9.0]", "a number, or three")),
        ("value = 8.15", "value = [9.0, 8.0, 10.0]", ("energy.flash_word_ma.value", "in this order")),
        ("value = 8.15", "value = inf", ("energy.flash_word_ma.value", "in this order")),
        ("value = 8.15", "value = -8.15", ("energy.flash_word_ma.value", "none below 0")),
        ("value = 8.15", 'value = "8.15"', ("energy.flash_word_ma.value", "a number, or three")),
        ("value = 8.15", "value = true", ("energy.flash_word_ma.value", "a number, or three")),
        ('source = "TI SWRS158B, section 5.5: flash write current, 4 bytes"', 'source = ""',
         ("energy.flash_word_ma.source", "at least 1")),
        ("value = [1.0, 1.25, 1.5]", "value = [0.5, 1.25, 1.5]",
         ("cycles_per_instruction is 0.5", "at least 1")),
        ("value = [0.7, 0.85, 0.95]", "value = [70, 85, 95]", ("battery_usable is 95", "at most 1")),
        ("value = 3.6", "value = 0", ("supply_v is 0", "more than 0")),
        (line("radio_start_ms"), "", ("[radio]", "energy.radio_start_ms is missing", "add it")),
        ('name = "DC/DC converter"', 'name = "standby"', ("levers", "different names")),
        ('name = "standby"', 'nam = "standby"', ("unknown key energy.levers[0].nam", "'name'")),
    ],
)  # fmt: skip
def test_what_is_no_current_is_refused_in_one_sentence(
    tmp_path: Path, old: str, new: str, words: tuple[str, ...]
) -> None:
    assert old in COLLAR
    path = tmp_path / "tag.toml"
    path.write_text(COLLAR.replace(old, new, 1))
    with pytest.raises(UserError) as caught:
        read_board(path)
    message = str(caught.value)
    assert message.startswith(str(path)) and message.endswith(".") and "\n" not in message
    assert all(word in message for word in words), message


def test_an_emulated_board_takes_no_current(tmp_path: Path) -> None:
    path = tmp_path / "collar-emulated.toml"
    path.write_text(TWIN + ENERGY)
    with pytest.raises(UserError, match=r"\[energy\] is there, but an emulated board takes no current"):
        read_board(path)


def test_currents_are_in_no_firmware(tmp_path: Path) -> None:
    """A board's hash is that of before it had [energy]; sources are not made anew for another current."""
    path = tmp_path / "collar.toml"
    path.write_text(COLLAR.replace(ENERGY, ""))
    without, bundled = read_board(path), load_board("collar")
    assert without.energy is None and bundled.energy is not None
    assert without.model_dump_json() == bundled.model_dump_json(exclude={"energy"})


@pytest.mark.parametrize("name", ["collar", "eartag"])
def test_every_figure_has_unit_and_source(name: str) -> None:
    energy = load_board(name).energy
    assert energy is not None
    for key, figure in energy.figures().items():
        assert unit_of(key) or key in ("battery_usable", "cycles_per_instruction")
        assert figure.assumption or "no document" not in figure.source
        # What is not marked names a document or a count, not an opinion.
        assert figure.assumption or any(
            word in figure.source for word in ("TI ", "Nordic", "Semtech", "arXiv", "counted")
        )


def test_every_mode_of_a_sensor_and_every_radio_has_currents() -> None:
    assert set(SENSORS) == {(driver, mode) for driver, part in PARTS.items() for mode in part.modes}
    assert {driver for driver, _ in RADIOS} == set(SECTIONS)
    for (driver, mode), currents in SENSORS.items():
        for rate in PARTS[driver].modes[mode].rates:
            assert 1 < currents.at(rate, "Hz").value[1] < 500


def test_currents_between_and_beyond_points_are_assumptions() -> None:
    cycle = SENSORS["mpu9250", "cycle"]
    assert cycle.at(31.25, "Hz").value == (19.8,) * 3 and not cycle.at(31.25, "Hz").assumption
    fast = cycle.at(62.5, "Hz")
    assert fast.assumption and "straight line through 0.98 and 31.25 Hz" in fast.source
    assert fast.value[1] == pytest.approx(19.8 + 11.4 / 30.27 * 31.25)
    slow = cycle.at(500 / 2**11, "Hz")
    assert slow.assumption and slow.value[1] == 8.4 and "as at 0.98 Hz" in slow.source
    boost = RADIOS["sx1272", "boost"]
    assert boost.at(2, "dBm").value[1] == 90 and boost.at(20, "dBm").value[1] == 125
    for kind in ("dcdc", "ldo"):
        shown = [RADIOS["ble", kind].at(dbm, "dBm").value[1] for dbm in sorted(BLE_POWERS)]
        assert shown == sorted(shown)
    assert Currents({50.0: 3.0}, "x").at(7, "Hz").value == (3.0,) * 3
    assert Currents({0.0: 1.0, 1.0: 2.0, 3.0: 6.0}, "x").at(2, "Hz").value[1] == 4.0
