"""[sensor.driver] of board files: what is refused and how, axes maps, and the numbers that C gets."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mcukd.boards.model import load_board, read_board
from mcukd.boards.sensor_driver import PARTS, parse_axes
from mcukd.errors import UserError
from mcukd.resources import resource_dir

COLLAR = (resource_dir("boards") / "collar.toml").read_text()
EARTAG = (resource_dir("boards") / "eartag.toml").read_text()
TWIN = (resource_dir("boards") / "collar-emulated.toml").read_text()


@pytest.mark.parametrize(
    ("text", "old", "new", "words"),
    [
        (EARTAG, 'model = "bma400"', 'model = "bma4000"', ("sensor.driver.model is 'bma4000'", "bma400")),
        (EARTAG, 'model = "bma400"', 'model = "mpu9250"', ('driver.model is "mpu9250"', 'part is "BMA400"')),
        (EARTAG, "address = 0x14", "address = 0x68", ("driver.address is 0x68", "0x14", "0x15")),
        (EARTAG, 'bus = "i2c"', 'bus = "can"', ("sensor.driver.bus is 'can'", "i2c")),
        (EARTAG, "sda_pin = 26", "sda_pin = 48", ("sensor.driver.sda_pin is 48", "47")),
        (EARTAG, "sda_pin = 26", "sda_pin = 27", ("driver.sda_pin", "different pins")),
        (EARTAG, "sda_pin = 26", "sda_pin = 8", ("sensor.driver.sda_pin is 8", "pin of the console")),
        (EARTAG, "sda_pin = 26\n", "", ("sensor.driver.sda_pin is missing",)),
        (EARTAG, "interrupt_pin = 35\n", "", ("driver.interrupt_pin is missing", "watermark")),
        (EARTAG, "rate_hz = 50.0", "rate_hz = 62.5", ("driver.rate_hz is 62.5", "nearest is 50")),
        (EARTAG, 'mode = "normal"', 'mode = "cycle"', ('driver.mode is "cycle"', "normal")),
        (EARTAG, 'mode = "normal"', 'mode = "low_power"', ('driver.mode is "low_power"', "normal")),
        (EARTAG, "watermark = 64", "watermark = 137", ("driver.watermark is 137", "at most 136", "146")),
        (EARTAG, "watermark = 64", "watermark = 0", ("sensor.driver.watermark is 0", "greater than 0")),
        (EARTAG, "range_g = 4.0", "range_g = 3.0", ("range_g is 3", "one of", "16")),
        (EARTAG, "counts_per_g = 512.0", "counts_per_g = 500.0", ("counts_per_g is 2000", "power of two")),
        (EARTAG, "counts_per_g = 512.0", "counts_per_g = 1024.0", ("counts_per_g is 4096", "2048")),
        (EARTAG, "x=x, y=y, z=z", "x=x, y=y", ("sensor.driver.axes_map", "three terms")),
        (EARTAG, "x=x, y=y, z=z", "x=x, y=y, y=z", ("sensor.driver.axes_map", "of the model", "once")),
        (EARTAG, "x=x, y=y, z=z", "x=x, y=y, z=-y", ("sensor.driver.axes_map", "of the sensor", "once")),
        (EARTAG, "x=x, y=y, z=z", "x=x, y=y, z=2z", ("sensor.driver.axes_map", "three terms")),
        (EARTAG, "watermark = 64", "watermrk = 64", ("sensor.driver.watermrk", "did you mean 'watermark'")),
        (COLLAR, "counts_per_g = 512.0", "counts_per_g = 16384.0", ("65536", "16 bits")),
        (COLLAR, "watermark = 64", "watermark = 76", ("driver.watermark is 76", "at most 75", "85")),
        (COLLAR, "rate_hz = 50.0", "rate_hz = 51.0", ("driver.rate_hz is 51", "normal", "nearest is 50")),
        (COLLAR, 'mode = "normal"', 'mode = "cycle"', ("driver.rate_hz is 50", "nearest is 62.5")),
        (COLLAR, "sda_pin = 5", "sda_pin = 2", ("sensor.driver.sda_pin is 2", "pin of the console")),
    ],
)  # fmt: skip
def test_what_a_part_cannot_do_is_refused_in_one_sentence(
    tmp_path: Path, text: str, old: str, new: str, words: tuple[str, ...]
) -> None:
    assert old in text
    path = tmp_path / "tag.toml"
    path.write_text(text.replace(old, new, 1))
    with pytest.raises(UserError) as caught:
        read_board(path)
    message = str(caught.value)
    assert message.startswith(str(path)) and message.endswith(".") and "\n" not in message
    assert all(word in message for word in words), message


def test_a_port_without_a_bus_reads_no_sensor(tmp_path: Path) -> None:
    driver = COLLAR[COLLAR.index("[sensor.driver]") : COLLAR.index("[flash]")]
    path = tmp_path / "twin.toml"
    path.write_text(TWIN.replace("[emulator]", driver + "[emulator]"))
    with pytest.raises(UserError, match=r"bus is 'i2c', but port 'mps2' reads sensors on no bus"):
        read_board(path)


def test_twins_have_the_sensor_of_the_real_board_without_its_driver() -> None:
    for name in ("collar", "eartag"):
        real, twin = load_board(name), load_board(f"{name}-emulated")
        assert real.sensor is not None and real.sensor.driver is not None
        assert twin.sensor == real.sensor.model_copy(update={"driver": None})
        # A section that is not there enters no hash, so that firmware of such boards stays current.
        assert "driver" not in twin.model_dump_json() and '"driver":{' in real.model_dump_json()


def test_the_bundled_boards_give_the_counts_of_their_scale() -> None:
    """12 bits at ± 4 g: all of the BMA400's, and the upper ones of the MPU9250's 16."""
    for name, shift, codes in (("collar", 4, (1, 19, 4)), ("eartag", 0, (1, 7, 3))):
        setup = load_board(name).sensor_for(50.0, 3)
        assert setup is not None and setup.shift == shift
        assert (setup.range_code, setup.rate_code, setup.filter_code) == codes
        assert setup.sample_ticks == round(256 * 32768 / 50)


def test_a_model_of_another_rate_or_more_channels_gets_no_sensor() -> None:
    board = load_board("eartag")
    assert board.sensor_for(50.0, 3) and not board.sensor_for(25.0, 3) and not board.sensor_for(50.0, 6)
    assert load_board("native").sensor_for(50.0, 3) is None


@given(st.permutations("xyz"), st.tuples(*[st.sampled_from(["", "-"])] * 3), st.integers(0, 2**31))
def test_an_axes_map_moves_and_turns_every_count(order: list[str], signs: tuple[str, ...], seed: int) -> None:
    text = ", ".join(f"{axis} = {sign}{of}" for axis, sign, of in zip("xyz", signs, order))
    counts = np.random.default_rng(seed).integers(-32768, 32768, (20, 3)).astype(np.int16)
    counts[0] = -32768
    found = parse_axes(text).apply(counts)
    for axis, (sign, of) in enumerate(zip(signs, order)):
        column = counts[:, "xyz".index(of)].astype(int)
        assert found[:, axis].tolist() == np.minimum(-column if sign else column, 32767).tolist()
    assert found.dtype == np.int16


@pytest.mark.parametrize("model", PARTS)
def test_the_filter_is_the_widest_below_half_the_rate(model: str) -> None:
    part = PARTS[model]
    if not part.bandwidths_hz:
        assert part.filter_for(50) == part.filter_code
        return
    assert [part.filter_for(rate) for rate in (1000, 200, 100, 50, 25, 4)] == [1, 2, 3, 4, 5, 6]
