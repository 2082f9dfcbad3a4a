"""[radio] of board files: what is refused and how."""

from __future__ import annotations

from pathlib import Path

import pytest

from mcukd.boards.model import load_board, read_board
from mcukd.boards.radio_section import RADIOS, BleRadio, LoraRadio
from mcukd.errors import UserError
from mcukd.radio.lora import LoraSettings
from mcukd.resources import resource_dir

COLLAR = (resource_dir("boards") / "collar.toml").read_text()
EARTAG = (resource_dir("boards") / "eartag.toml").read_text()
TWIN = (resource_dir("boards") / "collar-emulated.toml").read_text()


@pytest.mark.parametrize(
    ("text", "old", "new", "words"),
    [
        (COLLAR, 'driver = "sx1272"', 'driver = "sx1276"', ("radio.driver is 'sx1276'", "mean 'sx1272'")),
        (COLLAR, 'driver = "sx1272"\n', "", ("radio.driver", "missing")),
        (COLLAR, 'payload = "period"\n', "", ("[radio] is there", "tag.payload", "is missing")),
        (COLLAR, 'power_dbm = 14\namplifier = "rfo"\nduty_percent = 1.0',
         'power_dbm = 20\namplifier = "boost"\nduty_percent = 2.0',
         ("duty_percent is 2", "at most 1", "power_dbm = 20")),
        (COLLAR, "sck_pin = 10", "sck_pin = 31", ("radio.sck_pin is 31", "0 to 30 is expected")),
        (COLLAR, "tx_pin = 3", "tx_pin = 40", ("console.tx_pin is 40", "0 to 30 is expected")),
        (COLLAR, "sck_pin = 10", "sck_pin = 3", ("radio.sck_pin is 3", "pin of the console")),
        (COLLAR, "miso_pin = 8", "miso_pin = 5", ("radio.miso_pin is 5", "pin of the sensor")),
        (COLLAR, "mosi_pin = 9", "mosi_pin = 10", ("radio.mosi_pin is 10", "pin of the radio")),
        (COLLAR, "frequency_hz = 916_800_000", "frequency_hz = 433_000_000", ("radio.frequency_hz", "8600")),
        (COLLAR, "spreading_factor = 10", "spreading_factor = 6", ("radio.spreading_factor is 6", "7")),
        (COLLAR, "bandwidth_hz = 125_000", "bandwidth_hz = 62_500", ("radio.bandwidth_hz", "125000, 250000")),
        (COLLAR, 'coding_rate = "4/5"', 'coding_rate = "4/9"', ("radio.coding_rate is '4/9'", "4/8")),
        (COLLAR, "power_dbm = 14", "power_dbm = 17", ("power_dbm is 17", "-1 to 14", '"rfo"')),
        (COLLAR, '"rfo"', '"boost"\nid_2 = 1', ("unknown key radio.id_2",)),
        (COLLAR, "id = 1\n", "id = 65536\n", ("radio.id is 65536", "less than 65536")),
        (COLLAR, "duty_percent = 1.0", "duty_percent = 0.0", ("radio.duty_percent is 0.0", "greater than 0")),
        (COLLAR, "duty_percent = 1.0", "dutypercent = 1.0", ("radio.dutypercent", "'duty_percent'")),
        (EARTAG, "interval_ms = 1000", "interval_ms = 10", ("radio.interval_ms is 10", "20")),
        (EARTAG, "power_dbm = 0", "power_dbm = 1", ("radio.power_dbm is 1", "-40", "8")),
        (COLLAR, "\nid = 1\n", "\n", ("id, the tag's number, is expected",)),
        (COLLAR, "\nid = 1\n", '\nid = 1\nframe = "lorawan"\n', ('not with "lorawan"',)),
        (COLLAR, "\nid = 1\n", "\nid = 1\nchannels = 8\n", ('channels are expected with frame = "lorawan"',)),
        (COLLAR, "\nid = 1\nfrequency_hz = 916_800_000",
         '\nframe = "lorawan"\nchannels = 16\nfrequency_hz = 1_018_000_000',
         ("highest channel is 1021000000 Hz",)),
        (EARTAG, "power_dbm = 0", 'address = "00:11:22:33:44:55"', ("radio.address", "static random")),
        (EARTAG, "power_dbm = 0", "company = 65536", ("radio.company is 65536",)),
        (EARTAG, 'driver = "ble"\nrepeats = 10\ninterval_ms = 1000\npower_dbm = 0',
         COLLAR[COLLAR.index('driver = "sx1272"'):COLLAR.index("[flash]")].replace("= 8\n", "= 12\n"),
         ("radio.driver is 'sx1272'", "port 'nrf52840' sends with ble")),
    ],
)  # fmt: skip
def test_what_a_radio_cannot_do_is_refused_in_one_sentence(
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


def test_the_bundled_radios() -> None:
    collar, eartag = load_board("collar").radio, load_board("eartag").radio
    assert isinstance(collar, LoraRadio) and collar.settings == LoraSettings(10)
    assert isinstance(eartag, BleRadio) and eartag.address is None and eartag.company == 0xFFFF
    assert set(RADIOS) == {collar.driver, eartag.driver}
    folders = resource_dir("firmware_templates") / "radio"
    assert {folder.name for folder in folders.iterdir() if folder.is_dir()} == set(RADIOS)


def test_a_radio_that_is_not_there_enters_no_hash(tmp_path: Path) -> None:
    assert "radio" not in load_board("collar-emulated").model_dump_json()
    assert '"radio":{' in load_board("collar").model_dump_json()


def test_a_radio_needs_a_tag_that_samples(tmp_path: Path) -> None:
    path = tmp_path / "tag.toml"
    start = COLLAR.index("[sensor.driver]")
    path.write_text(COLLAR[:start] + COLLAR[COLLAR.index("[tag]") :])
    with pytest.raises(UserError, match=r"\[radio\] is there, but sensor.driver, which samples, is missing"):
        read_board(path)
