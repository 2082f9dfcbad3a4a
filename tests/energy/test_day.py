"""A day as charge: each contributor by hand, the published collar's message, and what is refused."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from mcukd.boards.currents import Figure
from mcukd.boards.model import Board, load_board
from mcukd.energy.day import ASLEEP, AWAKE, BUS, FLASH, RADIO_SLEEPS, SENDS, SENSOR, Tag, day
from mcukd.energy.levers import PAYLOADS, TOGETHER, settings
from mcukd.energy.record import energy_record
from mcukd.energy.sending import sending_of
from mcukd.energy.text import contributor_rows, input_rows, notes, sentences, setting_rows
from mcukd.energy.work import Work, work_of_share
from mcukd.errors import UserError

WORK = Work(
    clock_hz=48_000_000,
    result_instructions=480_000.0,
    sample_instructions=480.0,
    sample_wait_s=1e-4,
    sample_transfer_s=2e-4,
    flash_words_per_s=0.5,
    flash_pages_per_s=0.001,
    origin="made up",
    counted={},
)


def figure(*value: float) -> Figure:
    return Figure(value=value * 3 if len(value) == 1 else value, source="made up")  # type: ignore[arg-type]


def board_with(name: str, **figures: Figure) -> Board:
    """A bundled board with other figures in [energy]."""
    board = load_board(name)
    assert board.energy is not None
    return board.model_copy(update={"energy": board.energy.model_copy(update=figures)})


def test_each_contributor_is_current_times_time() -> None:
    board = board_with(
        "eartag",
        supply_v=figure(3.0),
        battery_mah=figure(100),
        battery_usable=figure(0.5, 0.8, 1.0),
        cycles_per_instruction=figure(1.0, 1.5, 2.0),
        awake_ma=figure(3.0, 4.0, 5.0),
        asleep_ua=figure(1.0, 2.0, 3.0),
        bus_ma=figure(1.0),
        sensor_ua=figure(10.0),
        transmit_ma=figure(8.0),
        flash_word_ma=figure(6.0),
        flash_word_us=figure(100.0),
        flash_erase_ma=figure(6.0),
        flash_erase_ms=figure(10.0),
        packet_awake_ms=figure(2.0),
        radio_start_ma=figure(1.0),
        radio_start_ms=figure(0.5),
    )
    tag = Tag(board, WORK, payload_bytes=11)
    found = day(tag, tag.as_built(hop=50))
    # 86,400 results of 10 ms, 4,320,000 samples of 10 µs and 100 µs of waiting; 240 events of 2 ms.
    for place, cycles in enumerate((1.0, 1.5, 2.0)):
        awake = 864 * cycles + 43.2 * cycles + 432 + 0.48
        assert found.awake_s[place] == pytest.approx(awake)
        assert found.mah[AWAKE][place] == pytest.approx((3.0, 4.0, 5.0)[place] * awake / 3600)
        asleep = (86_400 - awake) * (1, 2, 3)[place] / 1000 / 3600
        assert found.mah[ASLEEP][place] == pytest.approx(asleep)
    assert found.mah[SENSOR] == pytest.approx(0.24)
    assert found.mah[BUS] == pytest.approx(864 / 3600)
    # 43,200 words of 100 µs and 86.4 pages of 10 ms, the halted core beside them.
    assert found.mah[FLASH][1] == pytest.approx((6 + 4) * (4.32 + 0.864) / 3600)
    # 31 bytes of 8 µs on three channels, ten times a payload.
    assert found.mah[SENDS] == pytest.approx((24 * 10 * 3 * 248e-6 * 8 + 240 * 0.5e-3 * 1.0) / 3600)
    assert RADIO_SLEEPS not in found.mah
    total = sum(found.mah.values())
    assert found.total == pytest.approx(total)
    assert found.without_radio == pytest.approx(total - found.mah[SENDS])
    assert found.joules(found.total) == pytest.approx(total * 3.6 * 3.0)
    assert found.life_days == pytest.approx([50 / total[2], 80 / total[1], 100 / total[0]])


def test_the_published_collars_messages_take_156_joules_a_day() -> None:
    """1.3189 s at 125 mA and 3.6 V every 327.68 s (arXiv 2209.04130): .594 J each."""
    board = load_board("collar")
    assert board.radio is not None and board.energy is not None
    radio = board.radio.model_copy(update={"spreading_factor": 12, "amplifier": "boost", "power_dbm": 20})
    board = board.model_copy(update={"radio": radio})
    tag = Tag(board, WORK, payload_bytes=15)  # with the number of the tag: 17 bytes, of 16 to 20 that fit
    assert tag.sending is not None and tag.sending.airtime_s == pytest.approx(1.3189, abs=5e-5)
    transmits = tag.transmits()
    assert transmits is not None and transmits.value == (125.0,) * 3 and not transmits.assumption
    found = day(tag, replace(tag.as_built(64), interval_s=327.68))
    joules = found.joules(found.mah[SENDS])
    assert joules[0] == pytest.approx(156.5, abs=1.0)
    assert joules[0] / (86_400 / 327.68) == pytest.approx(0.594, abs=0.005)


def test_what_is_sent_follows_the_radio() -> None:
    collar, eartag = load_board("collar").radio, load_board("eartag").radio
    assert collar is not None and eartag is not None
    lora = sending_of(collar, 11)
    assert (lora.airtime_s, lora.events) == (pytest.approx(0.288768), 1)
    assert 28 < lora.least_interval_s < 32  # 124 packets an hour, and 5 % for a fast clock
    ble = sending_of(eartag, 11)
    assert (ble.airtime_s, ble.events, ble.least_interval_s) == (pytest.approx(0.00744), 10, 10.0)


def collar_tag(work: Work = WORK) -> Tag:
    return Tag(load_board("collar"), work, payload_bytes=11)


def test_a_hop_of_a_whole_window_says_that_no_windows_are_stepped_at_once() -> None:
    tag = collar_tag(replace(WORK, counted={"in_pairs": True}))
    noted = {
        row.title.split()[0]: row.note for row in settings(tag, tag.as_built(64), 256) if row.lever == "hop"
    }
    assert {hop: "up to a third more" in note for hop, note in noted.items()} == {
        "32": False, "64": False, "128": False, "256": True,
    }  # fmt: skip


def test_levers_change_one_thing_each() -> None:
    tag = collar_tag()
    base = tag.as_built(64)
    rows = settings(tag, base, window=256)
    assert [row.title for row in rows if row.lever == "hop"] == [
        f"{hop} samples ({hop / 50:.3g} s)" for hop in (32, 64, 128, 256)
    ]
    assert sum(row.use == base for row in rows) == 3  # hop, payloads, sensor
    for row in rows[:-1]:
        assert row.use is not None
        changed = [
            name for name in ("hop", "interval_s", "lever") if getattr(row.use, name) != getattr(base, name)
        ]
        changed += ["sensor"] * ((row.use.mode, row.use.rate_hz) != (base.mode, base.rate_hz))
        assert len(changed) == (row.use != base)
    cycle = next(row for row in rows if row.title == "cycle, 62.5 Hz")
    assert "needs a model of 62.5 Hz" in cycle.note and "15 %" in cycle.note
    assert rows[-1].lever == TOGETHER and rows[-1].use is not None and rows[-1].result is not None
    assert (rows[-1].use.hop, rows[-1].use.mode, rows[-1].use.lever) == (256, "cycle", "standby")
    assert all(
        row.result is None or row.result.total[1] >= rows[-1].result.total[1] for row in rows if row.complete
    )


def test_more_payloads_than_the_duty_cycle_allows_are_marked() -> None:
    tag = collar_tag()
    assert tag.board.radio is not None
    slow = tag.board.radio.model_copy(update={"spreading_factor": 12, "duty_percent": 0.1})
    tag = Tag(tag.board.model_copy(update={"radio": slow}), WORK, 11)
    rows = [row for row in settings(tag, tag.as_built(64), 256) if row.lever == PAYLOADS]
    assert ["the radio allows" in row.note for row in rows] == [True, True, False, False, False, False]


def test_a_day_too_short_for_its_work_is_refused() -> None:
    tag = collar_tag(replace(WORK, result_instructions=30e6))
    with pytest.raises(UserError, match="a result every 16 samples .* which has 86,400; take a longer hop"):
        day(tag, replace(tag.as_built(64), hop=16))
    (row,) = [row for row in settings(tag, tag.as_built(64), 256) if row.title.startswith("32 samples")]
    assert row.result is None and "take a longer hop" in row.note


def test_the_record_names_every_input_and_says_that_nothing_was_measured() -> None:
    record = energy_record(collar_tag(), 64, 256)
    assert "nothing was measured" in record["basis"]
    keys = {one["key"]: one for one in record["inputs"]}
    energy = load_board("collar").energy
    assert energy is not None and set(keys) == {*energy.figures(), "sensor_ua", "transmit_ma"}
    assert keys["transmit_ma"]["assumption"] and keys["sensor_ua"]["value"] == [450.0] * 3
    assert sum(one["share"] for one in record["contributors"]) == pytest.approx(1)
    assert record["dominates"] == "core asleep" and record["largest_lever"]["lever"] == "standby"
    said = sentences(record)
    assert said[0].startswith("ASLEEP THE CC2650 IS NOT IN STANDBY") and "550 µA" in said[0]
    assert any("cycles_per_instruction" in one for one in said)
    shown = " ".join(
        cell
        for table in (contributor_rows, setting_rows, input_rows)
        for row in table(record)[1]
        for cell in row
    )
    assert "ASSUMED: no document" in shown and "TI SWRS158B" in shown and "standby" in shown
    assert any(note.startswith("standby: the core in standby") for note in notes(record))


def test_a_console_that_is_always_on_is_told() -> None:
    board = load_board("collar")
    assert board.tag is not None
    tag = Tag(board.model_copy(update={"tag": board.tag.model_copy(update={"console_s": 0})}), WORK, 11)
    assert any("CONSOLE OF THIS BOARD IS ALWAYS ON" in one for one in sentences(energy_record(tag, 64, 256)))
    assert not any("CONSOLE" in one for one in sentences(energy_record(collar_tag(), 64, 256)))


def test_a_given_share_leaves_out_what_it_does_not_tell() -> None:
    tag = Tag(load_board("collar"), work_of_share(0.02, 50.0, 48_000_000), 11)
    found = day(tag, tag.as_built(64))
    payloads = 24 * 0.7e-3
    assert found.awake_s == pytest.approx(0.02 * 86_400 + payloads)
    assert not {FLASH, BUS} & set(found.mah)
    record: dict[str, Any] = energy_record(tag, 64, 256)
    assert not [row for row in record["settings"] if row["lever"] == "hop"]
    assert "--awake-share" in record["work"]["origin"]
