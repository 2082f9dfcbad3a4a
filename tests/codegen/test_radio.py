"""The radio in a firmware: numbers that C gets, what is refused, and nothing of it without [radio]."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from builders.boards import board_of, radio_of, untagged
from builders.compile import ARM, STRICT, compile_all
from builders.payload import BARE
from builders.students import random_model

from mcukd.boards.model import Board, load_board
from mcukd.codegen.firmware import generate_firmware
from mcukd.codegen.payload import payload_layout
from mcukd.codegen.radio import BleSetup, LoraSetup, radio_setup
from mcukd.errors import UserError

MODEL = replace(random_model(), rate_hz=50.0)
TAG = '[tag]\nlog_pages = 8\npayload = "period"\nperiod_s = {period}\n'


def board_with(folder: Path, name: str, radio: str, period: int = 3600) -> Board:
    return board_of(f"{untagged(name)}\n{TAG.format(period=period)}\n{radio}", folder)


def setup_of(board: Board):
    return radio_setup(board, payload_layout(board, MODEL))


def test_numbers_of_the_bundled_collar() -> None:
    setup = setup_of(load_board("collar"))
    assert isinstance(setup, LoraSetup)
    assert (setup.frame_bytes, setup.airtime_ns, setup.airtime_ticks) == (13, 288_768_000, 9463)
    assert (setup.channels, setup.power_code, setup.spi_divisor) == (("0xE53333u",), 15, 12)
    assert (setup.bandwidth_code, setup.coding_rate_code, setup.low_data_rate) == (0, 1, False)
    assert setup.sensor_failures == 0x1BEDE and setup.duty.slots == 8


def test_numbers_of_other_settings(tmp_path: Path) -> None:
    radio = radio_of("collar").replace("spreading_factor = 10", "spreading_factor = 12")
    for old, new in (("bandwidth_hz = 125_000", "bandwidth_hz = 250_000"), ('"4/5"', '"4/8"'),
                     ("power_dbm = 14", "power_dbm = 20"), ('"rfo"', '"boost"')):  # fmt: skip
        assert old in radio
        radio = radio.replace(old, new)
    setup = setup_of(board_with(tmp_path, "collar", radio))
    assert isinstance(setup, LoraSetup) and setup.low_data_rate
    assert (setup.bandwidth_code, setup.coding_rate_code, setup.power_code) == (1, 4, 15)
    eartag = setup_of(board_with(tmp_path, "eartag", radio_of("eartag") + 'address = "C0:12:34:56:78:9A"\n'))
    assert isinstance(eartag, BleSetup) and eartag.interval_ticks == 32768 and eartag.duty.window == 0
    assert eartag.address_bytes == ("0x9a", "0x78", "0x56", "0x34", "0x12", "0xc0")


def test_periods_that_the_duty_cycle_does_not_allow_are_refused(tmp_path: Path) -> None:
    radio = radio_of("collar")
    board = board_with(tmp_path, "collar", radio, period=30)
    with pytest.raises(
        UserError, match=r"289 ms, of which .* = 1 allows one in 3\d s on average, but .* is 30"
    ):
        setup_of(board)
    tiny = radio.replace("duty_percent = 1.0", "duty_percent = 0.005")
    with pytest.raises(UserError, match="allows no packet"):
        setup_of(board_with(tmp_path, "collar", tiny))


def test_numbers_of_lorawan(tmp_path: Path) -> None:
    radio = radio_of("collar").replace("id = 1\n", 'frame = "lorawan"\nchannels = 3\n')
    setup = setup_of(board_with(tmp_path, "collar", radio))
    assert isinstance(setup, LoraSetup) and setup.lorawan and (setup.counter_shift, setup.port) == (8, 1)
    assert setup.frame_bytes == 24 and setup.channels == ("0xE53333u", "0xE54000u", "0xE54CCDu")
    with pytest.raises(UserError, match="period_s is 255, but 256 seconds at least"):
        setup_of(board_with(tmp_path, "collar", radio, period=255))


def test_a_payload_that_no_packet_carries_is_refused(tmp_path: Path) -> None:
    (tmp_path / "own.toml").write_text(BARE.replace("bytes = 4", "bytes = 28"))
    board = board_of(
        f'{untagged("eartag")}\n[tag]\nlog_pages = 8\npayload = "own.toml"\n{radio_of("eartag")}', tmp_path
    )
    with pytest.raises(UserError, match=r"has 28 bytes, but a packet of radio.driver \"ble\" carries 27"):
        setup_of(board)


@pytest.mark.parametrize("name", ["collar", "eartag"])
def test_without_a_radio_nothing_of_it_is_generated(tmp_path: Path, name: str) -> None:
    board = board_of(f"{untagged(name)}\n{TAG.format(period=3600)}", tmp_path)
    generate_firmware(MODEL, board, tmp_path / "without")
    files = {file.name: file.read_text() for file in (tmp_path / "without").iterdir()}
    assert not [file for file in files if "radio" in file or file in ("port_spi.c", "port_ble.c")]
    assert "radio" not in files["app_tag.c"].lower() and "TAG_SENDS" not in files["tag_config.h"]
    # A model of another rate gets no sensor, and so no radio.
    other = board_with(tmp_path, name, radio_of(name))
    generate_firmware(replace(MODEL, rate_hz=25.0), other, tmp_path / "other")
    assert not list((tmp_path / "other").glob("*radio*"))


@pytest.mark.parametrize("compiler", ["cc", "clang", "arm-none-eabi-gcc"])
@pytest.mark.parametrize(("name", "frame"), [("collar", "id"), ("collar", "lorawan"), ("eartag", "id")])
def test_every_driver_compiles_without_a_warning(
    tmp_path: Path, name: str, frame: str, compiler: str
) -> None:
    if shutil.which(compiler) is None:
        pytest.skip(f"needs {compiler}")
    radio = radio_of(name) + ('address = "C0:12:34:56:78:9A"\n' if name == "eartag" else "")
    if frame == "lorawan":
        radio = radio.replace("\nid = 1\n", '\nframe = "lorawan"\nchannels = 8\n')
    generate_firmware(MODEL, board_with(tmp_path, name, radio), tmp_path / "all")
    names = ("radio", "payload", "tag", "ble", "app_crc32")
    folder = tmp_path / "some"
    folder.mkdir()
    for file in (tmp_path / "all").iterdir():
        if file.name.startswith(names):
            shutil.copy(file, folder / file.name)
    flags = next(iter(ARM.values())) if compiler.startswith("arm") else []
    for optimize in ("-Os", "-O2"):
        compile_all(compiler, [*STRICT, optimize, *flags], folder)
