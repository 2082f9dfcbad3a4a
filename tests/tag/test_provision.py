"""What a tag is told: words in C and Python, a supply that fails in every operation, and calibration."""

from __future__ import annotations

import ctypes
import shutil
import struct
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from builders.sensor_driver import Config, Driver, compile_driver
from builders.tag_library import TagLibrary
from hypothesis import given
from hypothesis import strategies as st

from mcukd.boards.model import load_board
from mcukd.chips.sensors.sources import Recording
from mcukd.chips.sensors.wiring import make_sensor
from mcukd.errors import UserError
from mcukd.tag.flash import CC2650, NRF52840, FlashRules, ModelledFlash
from mcukd.tag.log_writer import LogWriter
from mcukd.tag.operation import TagConfig
from mcukd.tag.provision import (
    GAIN_LEAST,
    GAIN_MOST,
    OFFSET_MOST,
    PAGES,
    PERIOD_MOST,
    RING_FORMAT,
    WORDS,
    Calibration,
    Provision,
    Session,
    calibrated,
    check,
    decode,
    encode,
    newest,
    write,
)
from mcukd.tag.records import BLANK, PROVISION

LOG_PAGES = 2
CONFIG = TagConfig(classes=3, log_pages=LOG_PAGES)

axis = st.sampled_from([(1, 2, 3), (-2, 1, 3), (3, -1, -2)])
gains, offsets = st.integers(GAIN_LEAST, GAIN_MOST), st.integers(-OFFSET_MOST, OFFSET_MOST)
keys = st.binary(min_size=16, max_size=16)
provisions = st.builds(
    Provision,
    id=st.text("abcäö -7", max_size=8),
    axes=st.none() | axis,
    calibration=st.none()
    | st.builds(Calibration, st.tuples(offsets, offsets, offsets), st.tuples(gains, gains, gains)),
    period_s=st.integers(0, PERIOD_MOST),
    session=st.none() | st.builds(Session, st.integers(0, BLANK), keys, keys),
    radio_id=st.none() | st.integers(0, 65535),
)


def some(number: int) -> Provision:
    """A provision that no other number gives."""
    calibration = Calibration((number, -number, 7), (16_384 + number, 16_000, 16_500))
    return Provision(
        f"cow-{number}", (-2, 1, 3), calibration, 60 * number, Session(number, bytes(16), b"k" * 16)
    )


@given(provisions)
def test_words_come_back_and_keys_are_never_shown(told: Provision) -> None:
    found, has_keys = decode(encode(told))
    assert found == told and has_keys == (told.session is not None)
    if told.session is not None:
        shown = repr(told)
        assert repr(told.session.network_key) not in shown and "key" not in shown


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"id": "x" * 17}, "at most 16 bytes"),
        ({"id": "a\n"}, "printable"),
        ({"id": "\udcff"}, "printable"),  # a byte of the command line that is no text
        ({"axes": (1, 1, 3)}, "each of the sensor's is expected once"),
        ({"period_s": -1}, "1 to 31622400 s"),
        ({"radio_id": 65_536}, "radio_id is 65536"),
        ({"calibration": Calibration((0, 0, 0), (16_384, 16_384, 20_481))}, "calibration.gain is"),
        ({"calibration": Calibration((0, 1 << 20, 0), (16_384, 16_384, 16_384))}, "calibration.offset is"),
        ({"session": Session(1, b"short", bytes(16))}, "network_key has 5 bytes"),
        ({"session": Session(1 << 32, bytes(16), bytes(16))}, "8 hexadecimal digits"),
    ],
)
def test_what_no_tag_takes_is_refused(changes: dict, words: str) -> None:
    with pytest.raises(UserError, match=words):
        check(replace(Provision(), **changes))


class Tag:
    """The tag's C with a modelled flash."""

    def __init__(self, rules: FlashRules, folder: Path) -> None:
        self.library = library = TagLibrary(CONFIG, folder)
        library.set(
            writes_per_word=rules.writes_per_word or BLANK, writes_per_row=rules.writes_per_row or BLANK
        )
        library.c.tag_provision_write.restype = ctypes.c_int

    def write(self, told: Provision, seconds: int = 5) -> bool:
        words = (ctypes.c_uint32 * WORDS)(*struct.unpack(f"<{WORDS}I", encode(told)))
        return bool(self.library.c.tag_provision_write(words, 0, seconds))

    def read(self) -> Provision | None:
        """What the tag's own reader finds."""
        words = (ctypes.c_uint32 * WORDS)()
        there = self.library.c.tag_provision_read(words)
        return decode(bytes(words))[0] if there else None

    def wrong(self, words: bytes) -> int:
        return int(
            self.library.c.tag_provision_wrong((ctypes.c_uint32 * WORDS)(*struct.unpack(f"<{WORDS}I", words)))
        )


@pytest.fixture(scope="module", params=[NRF52840, CC2650], ids=lambda rules: rules.chip)
def tag(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Tag:
    if shutil.which("cc") is None:
        pytest.skip("needs a host C compiler")
    return Tag(request.param, tmp_path_factory.mktemp("tag"))


def test_the_tag_writes_the_references_words_and_reads_them(tag: Tag) -> None:
    library, flash = tag.library, ModelledFlash(NRF52840, LOG_PAGES + PAGES)
    library.blank()
    library.c.power_on(1)
    assert tag.read() is None and newest(flash.words, LOG_PAGES) is None
    for number in range(1, 90):
        told = some(number) if number % 3 else Provision()
        assert tag.write(told, number) and write(flash, LOG_PAGES, told, False, number)
        assert library.flash[0].tolist() == flash.words
        assert tag.read() == told and newest(flash.words, LOG_PAGES) == (number, told)
    assert library.flash[3].tolist() == flash.erases and sum(flash.erases[LOG_PAGES:]) == 3
    assert not library.get("rules_broken")


@given(told=provisions, word=st.integers(0, WORDS - 1), value=st.integers(0, BLANK))
def test_the_tag_and_the_reference_refuse_the_same(told: Provision, word: int, value: int, tag: Tag) -> None:
    words = bytearray(encode(told))
    assert tag.wrong(bytes(words)) == WORDS
    words[4 * word : 4 * word + 4] = value.to_bytes(4, "little")
    found, _ = decode(bytes(words))
    if word == 5 or 6 <= word < 12:
        raw = struct.unpack("<3bx", words[20:24])
        right = found.axes is None or sorted(map(abs, raw)) == [1, 2, 3]
        right &= words[23] == 0 and (any(raw) or words[20:24] == bytes(4))
        if found.calibration is not None:
            values = found.calibration
            right &= all(GAIN_LEAST <= gain <= GAIN_MOST for gain in values.gain)
        offset = struct.unpack("<3i", words[24:36])
        right &= all(abs(each) <= OFFSET_MOST for each in offset)
        assert (tag.wrong(bytes(words)) == WORDS) == right
    elif word == 12:
        assert (tag.wrong(bytes(words)) == WORDS) == (value <= PERIOD_MOST)
    elif word == 0:
        flags = value & 0xFFFF if value & 0x400 else value
        assert (tag.wrong(bytes(words)) == WORDS) == (flags & ~0x700 == 1)
    else:
        assert tag.wrong(bytes(words)) == WORDS


def test_a_record_of_a_later_format_counts_and_says_nothing(tag: Tag) -> None:
    library, flash = tag.library, ModelledFlash(NRF52840, LOG_PAGES + PAGES)
    assert write(flash, LOG_PAGES, some(1), False, 0)
    LogWriter(flash, PAGES, 1024, 0, LOG_PAGES, RING_FORMAT).append(PROVISION, False, 0, [2] * 30)
    library.blank()
    library.flash[0][:] = flash.words
    library.c.power_on(1)
    assert tag.read() is None and newest(flash.words, LOG_PAGES) == (2, Provision())
    assert tag.write(some(3)) and tag.read() == some(3)
    assert write(flash, LOG_PAGES, some(3), False, 5) and newest(flash.words, LOG_PAGES) == (3, some(3))
    assert library.flash[0].tolist() == flash.words


class Snapshot:
    """The flash at a moment."""

    def __init__(self, library: TagLibrary) -> None:
        self.kept = [array.copy() for array in library.flash[:3]]

    def restore(self, library: TagLibrary) -> None:
        for array, kept in zip(library.flash, self.kept):
            array[:] = kept
        library.set(without_power=0, cut_at=0, operations=0, rules_broken=0)


def cut(tag: Tag, told: Provision, operation: int, number: int) -> bool:
    """Write with a supply that fails in an operation; return whether it failed. RAM holds anything then."""
    library = tag.library
    library.c.seed(number)
    bits = np.random.default_rng(number).integers(0, 1 << 32, 2).tolist()
    torn = (bits[0], bits[0] & bits[1], bits[0] | bits[1], BLANK, 0)[number % 5]
    library.set(
        operations=0, cut_at=operation, torn_bits=torn, torn_page=number % 4, torn_weak=number // 4 % 4
    )
    tag.write(told)
    failed = bool(library.get("without_power"))
    library.c.power_on(number)
    return failed


def test_a_supply_that_fails_leaves_the_old_or_the_new_one_never_none(tag: Tag) -> None:
    library, cuts, second_cuts = tag.library, 0, 0
    library.blank()
    library.c.power_on(1)
    # A page holds 37 records: the first is opened at 1, the second at 38, the first again at 75.
    interesting = {*range(1, 8), *range(36, 41), *range(73, 79), *range(111, 114)}
    for number in range(1, 115):
        before, old, new, operation = Snapshot(library), some(number - 1), some(number), 0
        while number in interesting:
            operation += 1
            before.restore(library)
            failed = cut(tag, new, operation, 1000 * number + operation)
            after = Snapshot(library)
            for reset in range(3):  # bits that read differently every time
                library.c.power_on(reset)
                assert tag.read() in ((old, new) if number > 1 else (None, new))
            assert tag.write(some(99)) and tag.read() == some(99)
            assert not library.get("rules_broken")
            if not failed:
                break
            cuts += 1
            if number in (2, 38, 75, 112) or operation % 29 == 0:
                for again in range(1, 40):
                    after.restore(library)
                    if not cut(tag, some(98), again, 7 * operation + again):
                        break
                    second_cuts += 1
                    assert tag.read() in ((old, new, some(98)) if number > 1 else (None, new, some(98)))
                    assert tag.write(some(99)) and tag.read() == some(99)
        before.restore(library)
        library.c.power_on(number)
        assert tag.write(new) and tag.read() == new
    print(f"\n{cuts} cuts, {second_cuts} second ones")
    assert cuts > 500 and second_cuts > 1000


# The arithmetic of calibration


@pytest.mark.parametrize("name", ["collar", "eartag"])
@pytest.mark.parametrize("told", [some(3), some(3000 // 60), Provision(axes=(3, -1, -2)), Provision()])
def test_the_drivers_c_equals_the_reference_bit_for_bit(tmp_path: Path, name: str, told: Provision) -> None:
    sensor = load_board(name).sensor
    assert sensor is not None and sensor.setup is not None and sensor.driver is not None
    setup, part = sensor.setup, sensor.driver.part
    end = 1 << (part.bits - 1)
    rng = np.random.default_rng(1)
    counts = rng.integers(-end, end, (3000, 3), dtype=np.int64).astype(np.int32)
    counts[:8] = [
        [-end] * 3,
        [end - 1] * 3,
        [0] * 3,
        [-1] * 3,
        [1] * 3,
        [-end, 0, end - 1],
        [7, 8, 9],
        [-8, -9, 24],
    ]
    axes = told.axes or setup.axes
    config = Config(
        sensor.driver.address, setup.mode_code, setup.range_code, setup.rate_code, setup.filter_code,
        setup.shift, (ctypes.c_int8 * 3)(*axes), sensor.driver.watermark, setup.sample_ticks, setup.tolerance,
    )  # fmt: skip
    if told.calibration is not None:
        config.offset = (ctypes.c_int32 * 3)(*told.calibration.offset)
        config.gain = (ctypes.c_int32 * 3)(*told.calibration.gain)
    driver = Driver(
        compile_driver(sensor.driver.model, tmp_path), make_sensor(sensor.driver, Recording(counts)), config
    )
    assert driver.init() == "ok" and driver.start() == "ok"
    driver.run(50, period_s=1.0)
    used = calibrated(counts[: len(driver.array)], told.calibration, part.bits, setup.shift).astype(np.int64)
    wanted = np.minimum(used[:, np.abs(axes) - 1] * np.sign(axes), 32767)
    assert len(driver.array) > 2000 and np.array_equal(driver.array, wanted)


def test_an_ideal_calibration_rounds_and_stays_in_the_range() -> None:
    ideal = Calibration((0, 0, 0), (16_384,) * 3)
    counts = np.array([[7, 8, -8], [-9, 32767, -32768]])
    assert calibrated(counts, ideal, 16, 4).tolist() == [[0, 1, 0], [-1, 2047, -2048]]
    assert calibrated(counts, None, 16, 4).tolist() == [[0, 0, -1], [-1, 2047, -2048]]
