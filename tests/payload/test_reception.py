"""Received payloads: as text in two notations, in order, lost, repeated, after a restart, and refused."""

from __future__ import annotations

import base64
from contextlib import suppress
from pathlib import Path

import pytest
from builders.payload import BARE
from hypothesis import example, given
from hypothesis import strategies as st

from mcukd.errors import UserError
from mcukd.payload.coding import check_names, encode
from mcukd.payload.layout import layout_of
from mcukd.payload.reception import reception_text
from mcukd.payload.schemas import load_schema
from mcukd.payload.sources import SOURCES
from mcukd.payload.table import flat, read_payloads, shown
from mcukd.payload.text import payload_bytes, texts_of_file
from mcukd.radio.ble import advertisement
from mcukd.radio.frames import FRAMES
from mcukd.radio.lora import frame

PERIOD = load_schema("period")
LAYOUT = layout_of(PERIOD, 2)


def sent(sequence: int, starts: int = 1, results: tuple[int, ...] = (9, 1, 0)) -> bytes:
    values = dict.fromkeys(SOURCES, 0) | {"sequence": sequence, "starts": starts, "model": 0xA1B2C3D4}
    return encode(LAYOUT, values, results)


def test_frames_name_the_tag_and_each_tag_has_its_own_sequence() -> None:
    one, two = (frame(tag, sent(0)) for tag in (1, 513))
    texts = [(raw.hex(), f"line {n}") for n, raw in enumerate((one, two, one, frame(513, sent(2)), b"12"), 1)]
    received = read_payloads(texts, [PERIOD], frames=FRAMES["lora"])
    assert [(row["tag"], row["reception"], row["lost_before"]) for row in received.rows] == [
        ("1", "first", 0), ("513", "first", 0), ("1", "repeated", 0), ("513", "lost before", 1),
    ]  # fmt: skip
    assert received.refused == [
        "line 5: the frame has 2 bytes, but more than 2, of the tag's number, are expected."
    ]
    headings, cells = shown(received.rows)
    assert headings[:2] == ["no.", "tag"] and [row[1] for row in cells] == ["1", "513", "1", "513"]
    pdu = advertisement("C0:11:22:33:44:55", 0xFFFF, sent(0))
    (row,) = read_payloads([(pdu.hex(), "line 1")], [PERIOD], frames=FRAMES["ble"]).rows
    assert (row["tag"], row["payload"]) == ("C0:11:22:33:44:55", sent(0).hex())


@given(kind=st.sampled_from(sorted(FRAMES)), data=st.binary(max_size=48))
@example(kind="ble", data=bytes.fromhex("420a010203040506" + "03ffffff"))  # a company's element that is empty
def test_any_bytes_are_a_payload_or_refused(kind: str, data: bytes) -> None:
    whole = bytes([0x42, len(data) % 256]) + data
    for raw in (data, whole):
        with suppress(UserError):
            assert len(read_payloads([(raw.hex(), "line 1")], [PERIOD], frames=FRAMES[kind]).rows) == 1


def receive(*payloads: bytes):
    texts = [(payload.hex(), f"payload {number}") for number, payload in enumerate(payloads, 1)]
    rows = read_payloads(texts, [PERIOD]).rows
    return [(row["reception"], row["lost_before"]) for row in rows]


def test_lost_and_repeated_payloads_are_told_apart() -> None:
    a, b, e = sent(0), sent(1), sent(4)
    assert receive(a, b, b, a, e, e) == [
        ("first", 0), ("next", 0), ("repeated", 0), ("repeated", 0), ("lost before", 2), ("repeated", 0),
    ]  # fmt: skip


def test_the_sequence_goes_on_after_its_end() -> None:
    assert receive(sent(62), sent(63), sent(64), sent(70)) == [
        ("first", 0), ("next", 0), ("next", 0), ("lost before", 5),
    ]  # fmt: skip


def test_the_same_counts_64_periods_later_are_no_repetition() -> None:
    found = receive(*(sent(sequence) for sequence in range(130)))
    assert found == [("first", 0)] + [("next", 0)] * 129


def test_a_restart_is_told_with_what_is_lost_since() -> None:
    found = receive(sent(7, starts=3), sent(0, starts=4), sent(3, starts=5))
    assert found == [("first", 0), ("restarted", 0), ("restarted", 3)]
    assert [reception_text(*each) for each in found] == [
        "", "the tag restarted", "the tag restarted; 3 payloads lost since",
    ]  # fmt: skip


def test_a_payload_without_a_sequence_tells_nothing(tmp_path: Path) -> None:
    (tmp_path / "bare.toml").write_text(BARE)
    bare = load_schema(str(tmp_path / "bare.toml"))
    raw = encode(layout_of(bare, 1), {}, [1, 2]).hex()
    rows = read_payloads([(raw, "payload 1"), (raw, "payload 2")], [bare]).rows
    assert [row["reception"] for row in rows] == ["not told", "not told"]


@given(raw=st.binary(min_size=11, max_size=11), separator=st.sampled_from(["", " ", ":", "-", ", 0x"]))
def test_both_notations_are_read(raw: bytes, separator: str) -> None:
    text = raw.hex(separator) if len(separator) == 1 else separator.join(f"{byte:02x}" for byte in raw)
    for written in (text, text.upper(), f"0x{text}", base64.b64encode(raw).decode()):
        assert payload_bytes(written, {11}, "payload 1") == raw


@pytest.mark.parametrize(
    "text, words",
    [
        ("zz", ("payload 1: 'zz' is no payload", "hexadecimal digits or base64")),
        ("", ("payload 1: '' is no payload",)),
        ("€" * 80, ("...' is no payload",)),
    ],
)
def test_text_that_is_no_payload_is_refused(text: str, words: tuple[str, ...]) -> None:
    with pytest.raises(UserError) as refused:
        payload_bytes(text, {11}, "payload 1")
    for word in words:
        assert word in str(refused.value)


def test_text_that_may_be_two_payloads_is_refused() -> None:
    assert len(payload_bytes("15a1bcba15a1bcb=", {11}, "")) == 11
    # Refused by decode.
    assert payload_bytes("15a1bcba15a1bcba", {11}, "") == bytes.fromhex("15a1bcba15a1bcba")
    with pytest.raises(UserError, match="8 bytes in hex and 12 bytes in base64, and both are lengths"):
        payload_bytes("15a1bcba15a1bcba", {8, 12}, "payload 1")
    assert payload_bytes("15a1bcba 15a1bcba", {8, 12}, "payload 1") == bytes.fromhex("15a1bcba15a1bcba")


def test_a_file_has_a_payload_a_line() -> None:
    assert texts_of_file("aa\n\n# none\n bb \n", "x.txt") == [
        ("aa", "x.txt, line 1"),
        ("bb", "x.txt, line 4"),
    ]
    with pytest.raises(UserError, match=r"x\.txt: no payload there"):
        texts_of_file("# nothing\n", "x.txt")


def test_what_cannot_be_read_is_told_and_the_others_are_kept() -> None:
    newer = bytes([0x22]) + sent(1)[1:]
    texts = [(raw.hex(), f"line {number}") for number, raw in enumerate((newer, sent(0), sent(1)[:-1]), 1)]
    received = read_payloads(texts, [PERIOD], ["a", "b"], "ffff" + "0" * 60)
    assert [row["number"] for row in received.rows] == [2]
    assert received.refused[0].startswith("line 1: the payload is of schema version 2")
    assert received.refused[1].startswith("line 3: the payload has 10 bytes")
    assert received.remarks == [
        "the tag runs model a1b, but this decoder has the classes of model fff; its classes may be others."
    ]
    with pytest.raises(UserError, match="line 1: the payload is of schema version 2"):
        read_payloads(texts[:1], [PERIOD])
    with pytest.raises(UserError, match="counts 2 classes, but this decoder has the names of 3"):
        read_payloads(texts[1:2], [PERIOD], ["a", "b", "c"])


def test_rows_are_flat_in_tables() -> None:
    row = read_payloads([(sent(5, results=(300, 5000, 1)).hex(), "")], [PERIOD], ["a", "b"]).rows[0]
    columns = flat(row)
    assert columns["results_a"] == 300 and columns["results_b"] == 5000 and columns["results_unknown"] == 1
    headings, cells = shown([row])
    assert dict(zip(headings, cells[0]))["b"] == "5,000" and len(headings) == len(cells[0])


@pytest.mark.parametrize(
    "names", [["a", "unknown"], ["a", "UNKNOWN"], [" Unknown ", "b"], ["a", ""], ["__proto__"], ["a", "a"]]
)
def test_names_that_a_decoder_cannot_use_are_refused(names: list[str]) -> None:
    with pytest.raises(UserError, match="expected|another name"):
        check_names(names)
