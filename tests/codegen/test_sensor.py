"""Firmware with a sensor: which sources it gets, that they build for the tags, and what they cost."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest
from builders.boards import board_of, untagged
from builders.compile import compile_all
from builders.students import random_model

from mcukd.boards.model import load_board, read_board
from mcukd.boards.toolchain import build, core_flags
from mcukd.codegen.firmware import generate_firmware
from mcukd.pipeline.firmware import sensor_remarks
from mcukd.resources import resource_dir

PARTS = {"collar": "mpu9250", "eartag": "bma400"}
COMMON = {"sensor.h", "sensor.c", "sensor_driver.h", "sensor_config.h", "bus.h", "port_bus.c"}


def model_at(rate_hz: float):  # type: ignore[no-untyped-def]
    return replace(random_model(), rate_hz=rate_hz)


@pytest.mark.parametrize("name", PARTS)
def test_a_firmware_has_its_own_sensors_driver_and_no_other(tmp_path: Path, name: str) -> None:
    board = load_board(name)
    generate_firmware(model_at(50.0), board, tmp_path)
    files = {file.name for file in tmp_path.iterdir()}
    assert files >= COMMON | {f"{PARTS[name]}.c"}
    assert not files & ({f"{part}.c" for part in PARTS.values()} - {f"{PARTS[name]}.c"})
    assert not any("reads no sensor" in line for line in sensor_remarks(model_at(50.0), board))
    generate_firmware(model_at(25.0), board, tmp_path)
    assert not {file.name for file in tmp_path.iterdir()} & (COMMON | {f"{PARTS[name]}.c"})
    (remark,) = [line for line in sensor_remarks(model_at(25.0), board) if "reads no sensor" in line]
    assert "trained at 25 Hz" in remark and f"sensor.driver.rate_hz of {name} is 50" in remark


def test_neither_twins_nor_native_get_a_sensor(tmp_path: Path) -> None:
    for name in ("collar-emulated", "eartag-emulated", "native"):
        generate_firmware(model_at(50.0), load_board(name), tmp_path / name)
        assert not {file.name for file in (tmp_path / name).iterdir()} & COMMON


def test_the_configuration_says_what_the_board_file_says(tmp_path: Path) -> None:
    text = (resource_dir("boards") / "collar.toml").read_text()
    for old, new in (
        ("address = 0x68", "address = 0x69"),
        ("range_g = 4.0", "range_g = 8.0"),
        ("counts_per_g = 512.0", "counts_per_g = 256.0"),
        ("rate_hz = 50.0", "rate_hz = 62.5"),
        ('mode = "normal"', 'mode = "cycle"'),
        ("x=x, y=y, z=z", "x=-y, y=x, z=z"),
        ("watermark = 64", "watermark = 60"),
    ):
        assert old in text
        text = text.replace(old, new)
    path = tmp_path / "mine.toml"
    path.write_text(text)
    generate_firmware(model_at(62.5), read_board(path), tmp_path / "out")
    config = (tmp_path / "out/sensor_config.h").read_text()
    values = re.findall(r"^    (.+?),? /\* (\w+) \*/$", config, re.MULTILINE)
    assert values == [
        ("0x69", "address"), ("1", "mode"), ("2", "range"), ("8", "rate"), ("4", "filter"), ("4", "shift"),
        ("{-2, 1, 3}", "axes"), ("60", "watermark"), ("134218", "sample_ticks"), ("160", "tolerance"),
        ("0", "offset"), ("0", "gain"),
    ]  # fmt: skip
    assert "x=-y, y=x, z=z (model = sensor)" in config and "62.5 Hz" in config


@pytest.mark.parametrize(("name", "signal"), [("collar", False), ("collar", True), ("eartag", True)])
@pytest.mark.parametrize("compiler", ["arm-none-eabi-gcc", "clang"])
def test_buses_compile_without_a_warning_with_and_without_an_interrupt_pin(
    tmp_path: Path, name: str, compiler: str, signal: bool
) -> None:
    text = (resource_dir("boards") / f"{name}.toml").read_text()
    if signal and name == "collar":
        text = text.replace("scl_pin = 4\n", "scl_pin = 4\ninterrupt_pin = 7\n")
    path = tmp_path / "tag.toml"
    path.write_text(text)
    board = read_board(path)
    generate_firmware(model_at(50.0), board, tmp_path / "out")
    flags = [flag for flag in core_flags(board.processor, "size") if flag != "-Wconversion"]
    if compiler == "clang":
        flags = ["--target=arm-none-eabi", "-ffreestanding", *board.processor.flags]
    compile_all(compiler, flags, tmp_path / "out", "*bus.c")
    compile_all(compiler, flags, tmp_path / "out", "sensor.c")


@pytest.mark.emulator
@pytest.mark.parametrize(
    ("name", "most_flash", "most_ram", "most_added"), [("collar", 40, 8, 15_400), ("eartag", 40, 8, 15_000)]
)
def test_a_firmware_that_samples_by_itself_fits_its_budget(
    tmp_path: Path, name: str, most_flash: int, most_ram: int, most_added: int
) -> None:
    model = replace(random_model(hidden=16, dense=16, classes=5, steps=256), hop=64, rate_hz=50.0)
    generate_firmware(model, load_board(name), tmp_path / "with")
    after = build(tmp_path / "with", load_board(name)).size
    board = board_of(untagged(name), tmp_path)
    generate_firmware(model, board, tmp_path / "without")
    before = build(tmp_path / "without", board).size
    assert after["flash_bytes"] <= most_flash * 1024 and after["ram_bytes"] <= most_ram * 1024
    flash, ram = (after[key] - before[key] for key in ("flash_bytes", "ram_bytes"))
    # The sensor, sampling and sleep; radio and provisioning; of watching some 1,200 bytes.
    assert 4000 < flash < most_added and 900 < ram < 2300, (flash, ram)
    assert "app_tag_run" in (tmp_path / "with" / "app_main.c").read_text()
    assert not list((tmp_path / "without").glob("*tag*"))
