"""Board files: valid ones are read, invalid ones are refused with one sentence."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from builders.boards import board_of, untagged
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from mcukd.boards.model import list_boards, load_board, read_board
from mcukd.boards.port import read_port
from mcukd.boards.sections import Region
from mcukd.codegen.templates import render_template
from mcukd.errors import UserError
from mcukd.resources import resource_dir

COLLAR = (resource_dir("boards") / "collar.toml").read_text()
EARTAG = (resource_dir("boards") / "eartag.toml").read_text()
TWIN = (resource_dir("boards") / "collar-emulated.toml").read_text()
NATIVE = (resource_dir("boards") / "native.toml").read_text()


def changed(text: str, old: str, new: str) -> str:
    assert old in text, old
    return text.replace(old, new, 1)


def refusal(folder: Path, text: str, name: str = "tag.toml") -> str:
    """The sentence with which a board file is refused; it has to name the file."""
    path = folder / name
    path.write_text(text)
    with pytest.raises(UserError) as caught:
        read_board(path)
    message = str(caught.value)
    assert message.startswith(str(path)), message
    assert "\n" not in message
    assert message.endswith(".")
    return message


def test_bundled_boards_are_there_and_say_what_is_unverified() -> None:
    boards = {board.name: board for board in list_boards()}
    assert list(boards) == ["collar", "collar-emulated", "eartag", "eartag-emulated", "native"]
    assert all(board.unverified for board in boards.values())
    assert [board.name for board in boards.values() if not board.emulated] == ["collar", "eartag"]


def test_limits_are_those_of_the_parts() -> None:
    collar, eartag = load_board("collar").memory, load_board("eartag").memory
    assert collar is not None
    assert eartag is not None
    assert (collar.flash.length, collar.ram.length) == (128 * 1024, 20 * 1024)
    assert collar.flash.end - collar.flash.reserved == 0x1FFA8
    assert (eartag.flash.length, eartag.ram.length) == (1024 * 1024, 256 * 1024)


def test_62_5_hz_is_none_of_the_ear_tags_own_rates() -> None:
    sensor = load_board("eartag").sensor
    assert sensor is not None
    assert {12.5, 25.0, 50.0} <= set(sensor.rates_hz)
    assert 62.5 not in sensor.rates_hz


@pytest.mark.parametrize("name", ["collar", "eartag"])
def test_twin_has_the_limits_of_the_real_board(name: str) -> None:
    board = load_board(name)
    twin = board.twin()
    assert (twin.name, twin.emulates) == (f"{name}-emulated", name)
    assert twin.memory == board.memory
    assert twin.twin() is twin
    assert (twin.counter_kind, twin.counter_scale) == (1, 40)
    assert (board.counter_kind, board.counter_scale) == (2, 1)


def test_native_is_its_own_twin_and_counts_nothing() -> None:
    native = load_board("native")
    assert native.twin() is native
    assert native.counter_kind == 0


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("length = 20_480", "length = -20_480", ("memory.ram.length", "-20480", "greater than 0")),
        ("length = 20_480", "length = 20_482", ("memory.ram", "20482", "multiple of 4")),
        ("length = 20_480", "length = 20_480.0", ("memory.ram.length", "integer")),
        ("length = 20_480", "length = 512", ("stack_bytes", "2048", "512")),
        ("origin = 0x2000_0000", "origin = 0x0001_0000", ("memory", "overlap")),
        ("origin = 0x2000_0000", "origin = 0xFFFF_F000", ("memory.ram", "32-bit")),
        ("origin = 0x2000_0000", "origin = -4", ("memory.ram.origin", "-4")),
        ("reserved = 88", "reserved = 131_072", ("reserved", "131072", "less than")),
        ("reserved = 88", "reserved = 87", ("reserved", "87", "multiple of 4")),
        ("clock_hz = 48_000_000", "clock_hz = 0", ("clock_hz", "0", "greater than 0")),
        ("clock_hz = 48_000_000", "", ("clock_hz", "missing")),
        ("clock_hz = 48_000_000", "clok_hz = 48_000_000", ("clok_hz", "did you mean 'clock_hz'")),
        ('core = "cortex-m3"', 'core = "cortex-m7"', ("core", "cortex-m7", "cortex-m4f")),
        ('core = "cortex-m3"', 'core = "host"', ("clock_hz", "host")),
        (
            "clock_hz = 48_000_000",
            "clock_hz = 24_000_000",
            ("clock_hz is 24000000", "48000000", "sets up no other"),
        ),
        ("clock_hz = 48_000_000", "clock_hz = 47_999_999", ("clock_hz is 47999999", "baud rate")),
        (
            "stack_bytes = 2048",
            "stack_bytes = 2048\ndcdc = true",
            ("dcdc is true", "'cc26x0'", "switches no DC/DC converter on", "leave it out"),
        ),
        ("reserved = 88", "reserved = 0", ("memory.flash.reserved is 0, but 88", "CCFG", "never starts")),
        ("reserved = 88", "", ("memory.flash.reserved is 0, but 88", "CCFG")),
        ("reserved = 88", "reserved = 4096", ("memory.flash.reserved is 4096, but 88", "CCFG")),
        ("length = 131_072", "length = 65_536", ("memory.flash.length is 65536", "131072", "CCFG")),
        ("origin = 0x0000_0000", "origin = 0x1000", ("memory.flash.origin is 4096", "address 0")),
        ('core = "cortex-m3"', 'core = "cortex-m4f"', ("core is 'cortex-m4f'", "starts no other")),
        ('port = "cc26x0"', 'port = "nrf52840"', ("core is 'cortex-m3'", "cortex-m4f")),
        ('port = "cc26x0"', 'port = "native"', ("core is 'cortex-m3'", "host")),
        ("adapter_khz = 5500", "adapter_khz = 0", ("flash.openocd.adapter_khz", "greater than 0")),
        ("adapter_khz = 5500", 'after_unlock = ["mww 0 0"]', ("flash.openocd", "unlock", "missing")),
        ('port = "cc26x0"', 'port = "cc2650"', ("port", "cc2650", "did you mean 'cc26x0'")),
        ("stack_bytes = 2048", "stack_bytes = 2047", ("stack_bytes", "2047", "multiple of 8")),
        ("stack_bytes = 2048", "stack_bytes = 16", ("stack_bytes", "16", "256")),
        ("baud = 115_200", "baud = 0", ("console.baud", "0", "1200")),
        ("tx_pin = 3", "", ("console", "tx_pin", "both or neither")),
        ("tx_pin = 3", "tx_pin = 2", ("console", "both 2")),
        ("counts_per_g = 512.0", "counts_per_g = 9000.0", ("sensor", "36000", "16 bits")),
        ("range_g = 4.0", "range_g = 0", ("sensor.range_g", "greater than 0")),
        ("rates_hz = [4.0", "rates_hz = [-4.0", ("sensor", "-4", "above 0")),
        ('"medio-lateral", ', "", ("sensor.axes", "at least 3")),
        ('"medio-lateral"', '"dorso-ventral"', ("axes", "different names")),
        ('runner = "openocd"', 'runner = "pyocd"', ("flash", "pyocd", "missing")),
        ('runner = "openocd"', 'runner = "jlink"', ("flash.runner", "jlink", "openocd")),
        ('transport = "jtag"', 'transport = "spi"', ("flash.openocd.transport", "spi", "jtag")),
        ('interface = "interface/xds110.cfg"', "", ("flash.openocd.interface", "missing")),
        ("[memory.ram]", "[memory.rom]", ("memory.r",)),
        ('name = "collar"', 'name = "Collar 1"', ("name", "Collar 1")),
        ('name = "collar"', "name = 7", ("name", "7", "string")),
        ('name = "collar"', "name = ", ("TOML",)),
    ],
)
def test_impossible_values_are_refused_in_one_sentence(
    tmp_path: Path, old: str, new: str, words: tuple[str, ...]
) -> None:
    message = refusal(tmp_path, changed(COLLAR, old, new))
    for word in words:
        assert word in message, message


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("length = 131_072", "length = 262_144", ("memory.flash.length", "262144", "131072")),
        ("length = 20_480", "length = 24_576", ("memory.ram.length", "24576", "20480")),
        ("reserved = 88", "reserved = 0", ("memory.flash.reserved", "88")),
        ("stack_bytes = 2048", "stack_bytes = 4096", ("stack_bytes", "4096", "2048")),
        ("clock_hz = 48_000_000", "clock_hz = 64_000_000", ("clock_hz", "64000000", "48000000")),
        ('core = "cortex-m3"', 'core = "cortex-m4f"', ("core", "cortex-m4f", "cortex-m3")),
        ("range_g = 4.0", "range_g = 8.0", ("sensor", "differs")),
        ('emulates = "collar"', 'emulates = "eartag-emulated"', ("eartag-emulated", "no real board")),
        ('emulates = "collar"', "", ("emulates", "both or neither")),
        ("timer_hz = 25_000_000", "timer_hz = 24_000_000", ("timer_hz", "24000000", "whole number")),
        ("[emulator]", '[flash]\nrunner = "openocd"\n\n[emulator]', ("flash", "openocd")),
    ],
)
def test_twin_that_differs_from_its_board_is_refused(
    tmp_path: Path, old: str, new: str, words: tuple[str, ...]
) -> None:
    message = refusal(tmp_path, changed(TWIN, old, new), "twin.toml")
    for word in words:
        assert word in message, message


def test_twin_of_an_unknown_board_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "twin.toml"
    path.write_text(changed(TWIN, 'emulates = "collar"', 'emulates = "colar"'))
    with pytest.raises(UserError, match="did you mean 'collar'"):
        read_board(path)


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("clock_hz = 64_000_000", "clock_hz = 32_000_000", ("clock_hz is 32000000", "64000000")),
        ("clock_hz = 64_000_000", "clock_hz = 16_000_000", ("clock_hz is 16000000", "sets up no other")),
        ('core = "cortex-m4f"', 'core = "cortex-m3"', ("core is 'cortex-m3'", "cortex-m4f")),
        ('port = "nrf52840"', 'port = "cc26x0"', ("core is 'cortex-m4f'", "cortex-m3")),
    ],
)
def test_ear_tag_that_its_port_does_not_fit_is_refused(
    tmp_path: Path, old: str, new: str, words: tuple[str, ...]
) -> None:
    message = refusal(tmp_path, changed(EARTAG, old, new))
    for word in words:
        assert word in message, message


def test_ear_tag_may_keep_pages_for_itself(tmp_path: Path) -> None:
    """Only the CC26x0 has configuration words there."""
    path = tmp_path / "mine.toml"
    path.write_text(changed(EARTAG, "length = 1_048_576", "length = 1_048_576\nreserved = 8192"))
    board = read_board(path)
    assert board.memory is not None
    assert board.memory.flash.usable == 1_048_576 - 8192
    assert not board.configuration_words
    assert "CCFG" not in render_template("linker/cortex-m.ld.j2", {"board": board})
    assert "CCFG" in render_template("linker/cortex-m.ld.j2", {"board": load_board("collar")})
    assert "CCFG" not in render_template("linker/cortex-m.ld.j2", {"board": load_board("collar-emulated")})


def test_every_port_says_what_it_needs() -> None:
    folders = [one for one in (resource_dir("firmware_templates") / "port").iterdir() if one.name != "common"]
    assert {folder.name: read_port(folder.name).clocks_hz for folder in folders} == {
        "cc26x0": (48_000_000,),
        "nrf52840": (64_000_000,),
        "mps2": (),
        "native": (),
    }


def test_host_has_no_memory_of_a_microcontroller(tmp_path: Path) -> None:
    message = refusal(tmp_path, changed(NATIVE, 'port = "native"', 'port = "native"\nclock_hz = 1'))
    assert "clock_hz" in message
    assert "host" in message


def test_user_board_finds_its_twin_beside_it(tmp_path: Path) -> None:
    (tmp_path / "mine.toml").write_text(changed(COLLAR, 'name = "collar"', 'name = "mine"'))
    twin = changed(TWIN, 'name = "collar-emulated"', 'name = "mine-emulated"')
    (tmp_path / "mine-emulated.toml").write_text(changed(twin, 'emulates = "collar"', 'emulates = "mine"'))
    assert load_board(str(tmp_path / "mine.toml")).twin().name == "mine-emulated"


def test_board_without_a_twin_says_so(tmp_path: Path) -> None:
    (tmp_path / "mine.toml").write_text(changed(COLLAR, 'name = "collar"', 'name = "mine"'))
    with pytest.raises(UserError, match=re.escape('emulates = "mine"')):
        load_board(str(tmp_path / "mine.toml")).twin()


def test_unknown_and_missing_boards() -> None:
    with pytest.raises(UserError, match="did you mean 'eartag'"):
        load_board("eartg")
    with pytest.raises(UserError, match="no such file"):
        load_board("nowhere/tag.toml")


@given(origin=st.integers(-8, 1 << 33), length=st.integers(-8, 1 << 31), reserved=st.integers(-4, 1 << 20))
def test_accepted_region_is_possible(origin: int, length: int, reserved: int) -> None:
    try:
        region = Region(origin=origin, length=length, reserved=reserved)
    except ValidationError:
        return
    assert 0 <= region.origin < region.end <= 1 << 32
    assert 0 < region.usable <= region.length
    assert origin % 4 == length % 4 == reserved % 4 == 0


TAG = "\n[tag]\nlog_pages = 8\n"
PLAIN = untagged("collar")


def test_a_log_takes_the_last_whole_pages_of_the_flash(tmp_path: Path) -> None:
    for name, origin in (("collar", 0x1D000 - 0x8000), ("eartag", 0xFE000 - 0x8000)):
        board = board_of(untagged(name) + TAG, tmp_path)
        assert board.log_region == Region(origin=origin, length=0x8000) and board.program_bytes == origin
        assert board.provision_region == Region(origin=origin + 0x8000, length=0x2000)
        longer = board_of(untagged(name) + TAG.replace("8", "9"), tmp_path)
        assert longer.provision_region == board.provision_region and longer.program_bytes == origin - 0x1000
        script = render_template("linker/cortex-m.ld.j2", {"board": board})
        assert f"LENGTH = {origin}" in script
    assert board_of(untagged("collar"), tmp_path).log_region is None


@pytest.mark.parametrize(
    ("text", "tag", "words"),
    [
        (PLAIN, "log_pages = 1", "tag.log_pages is 1"),
        (
            untagged("collar"),
            "log_pages = 30",
            "tag.log_pages is 30, but at most 27 is expected: pages of 4,096 bytes, 2 of them for prov",
        ),
        (PLAIN, "log_pages = 8\nsmoothing = 0", "tag.smoothing is 0"),
        (PLAIN, "log_pages = 8\nunknown_margin = -1.0", "tag.unknown_margin is -1.0"),
        (PLAIN, "log_pages = 8\nperiod_s = 0", "tag.period_s is 0"),
        (
            untagged("collar"),
            "log_pages = 8\nsmothing = 3",
            "unknown key tag.smothing (did you mean 'smoothing'?)",
        ),
        (PLAIN, "smoothing = 3", "the key tag.log_pages is missing"),
        (TWIN, "log_pages = 8", "[tag] is there, but port 'mps2' has no flash to keep a log in"),
    ],
)
def test_a_tag_that_cannot_be_is_refused(tmp_path: Path, text: str, tag: str, words: str) -> None:
    assert words in refusal(tmp_path, f"{text}\n[tag]\n{tag}\n")


def test_a_file_that_is_no_text_and_a_folder_are_sentences(tmp_path: Path) -> None:
    path = tmp_path / "tag.toml"
    path.write_bytes(b"name = '\xff'\n")
    with pytest.raises(UserError, match="byte 8 is no UTF-8 text; save the file as UTF-8"):
        read_board(path)
    with pytest.raises(UserError, match=r"cannot be read \(Is a directory\); a TOML file"):
        read_board(tmp_path)
