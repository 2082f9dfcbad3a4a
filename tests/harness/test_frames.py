"""Frames of the serial protocol in both encodings, whole and damaged."""

from __future__ import annotations

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mcukd.harness import frames
from mcukd.harness.faults import Faults

messages = st.builds(
    frames.pack,
    st.integers(0, 255),
    st.integers(0, 0xFFFF),
    st.binary(max_size=frames.ROBUST_REQUEST_MAX - 8),
)
copies = st.integers(frames.COPIES_MIN, frames.COPIES_MAX)
attempts = st.integers(0, 20)


def received(line: bytes) -> list[bytes]:
    """Whole messages that a receiver gets out of `line`."""
    found = frames.Deframer().feed(line + b"\x00")
    return [frames.pack(m.kind, m.sequence, m.payload) for m in found]


@settings(deadline=None)
@given(st.binary(max_size=700), st.integers(0, 255), st.integers(0, 0xFFFF))
def test_both_encodings_give_back_the_message(payload: bytes, kind: int, sequence: int) -> None:
    message = frames.pack(kind, sequence, payload)
    for line, number in ((frames.encode_plain(message), 0), (frames.encode_robust(message, 3), 3)):
        assert 0 not in line.strip(b"\x00")
        (found,) = frames.Deframer().feed(line)
        assert found == frames.Message(frames.VERSION, kind, sequence, payload, number)


@settings(deadline=None)
@given(messages, copies, attempts, st.data())
def test_robust_survives_any_loss_that_leaves_one_copy_of_each_half_byte(
    message: bytes, copies: int, attempt: int, data: st.DataObject
) -> None:
    """What docs/protocol.md promises: no half byte lost in all copies, no eight bytes lost in a row."""
    line = frames.encode_robust(message, copies, attempt)
    body = line.strip(b"\x00")
    stride = (len(body) - 15 - 2 * len(message)) // (copies - 1)
    kept_header = {3 * n + data.draw(st.integers(0, 2)) for n in range(5)}
    kept_copy = [data.draw(st.integers(0, copies - 1)) for _ in range(2 * len(message))]
    needed = kept_header | {15 + copy * stride + n for n, copy in enumerate(kept_copy)}
    wanted_losses = data.draw(st.floats(0, 1))
    chance = random.Random(data.draw(st.integers(0, 1000)))
    kept, run = bytearray(), 0
    for position, byte in enumerate(body):
        if position in needed or run == 7 or chance.random() >= wanted_losses:
            kept.append(byte)
            run = 0
        else:
            run += 1
    assert received(b"\x00" + bytes(kept) + b"\x00") == [message]


@settings(deadline=None)
@given(messages, copies, attempts, st.integers(2, 10), st.integers(0, 9))
def test_robust_survives_losing_every_nth_byte(
    message: bytes, copies: int, attempt: int, period: int, phase: int
) -> None:
    line = frames.encode_robust(message, copies, attempt)
    lossy = bytes(byte for n, byte in enumerate(line) if n % period != phase % period)
    assert received(lossy) == [message]


@settings(deadline=None)
@given(messages, copies, attempts, st.integers(0, 10_000), st.integers(1, 7))
def test_robust_survives_a_burst_shorter_than_the_numbering(
    message: bytes, copies: int, attempt: int, start: int, length: int
) -> None:
    line = frames.encode_robust(message, copies, attempt)
    # The header stands behind three zeros and is repeated at once, so a burst there is beyond the promise.
    start = 3 + 15 + start % (len(line) - 3 - 15)
    assert received(line[:start] + line[start + length :] + b"\x00") == [message]


@settings(deadline=None)
@given(messages)
def test_plain_never_gives_a_wrong_message_when_a_byte_is_lost(message: bytes) -> None:
    line = frames.encode_plain(message)
    for n in range(1, len(line) - 1):
        assert received(line[:n] + line[n + 1 :]) == []


@settings(deadline=None)
@given(messages, copies, st.integers(0, 10_000), st.integers(1, 255))
def test_a_damaged_byte_gives_the_message_or_nothing(
    message: bytes, copies: int, position: int, damage: int
) -> None:
    for line in (frames.encode_plain(message), frames.encode_robust(message, copies)):
        damaged = bytearray(line)
        damaged[position % len(line)] ^= damage
        assert received(bytes(damaged)) in ([message], [])


@settings(deadline=None)
@given(st.binary(max_size=300))
def test_noise_is_no_message_and_is_counted(noise: bytes) -> None:
    deframer = frames.Deframer()
    assert deframer.feed(noise + b"\x00") == []
    assert deframer.noise == len(noise.replace(b"\x00", b""))


@settings(deadline=None)
@given(st.lists(messages, max_size=4), st.lists(st.integers(1, 40), max_size=30))
def test_messages_may_arrive_in_any_pieces(sent: list[bytes], cuts: list[int]) -> None:
    line = b"".join(frames.encode_robust(m) if n % 2 else frames.encode_plain(m) for n, m in enumerate(sent))
    deframer, found, position = frames.Deframer(), [], 0
    for size in [*cuts, len(line)]:
        found += deframer.feed(line[position : position + size])
        position += size
    assert [frames.pack(m.kind, m.sequence, m.payload) for m in found] == sent


def test_endless_noise_without_a_zero_takes_no_endless_memory() -> None:
    deframer = frames.Deframer()
    for _ in range(100):
        deframer.feed(b"U" * 4096)
    assert len(deframer.pending) < 70_000


def test_a_robust_frame_has_limits() -> None:
    with pytest.raises(ValueError, match="5000 bytes"):
        frames.encode_robust(bytes(5000))
    with pytest.raises(ValueError, match="7 copies"):
        frames.encode_robust(b"", 7)


def test_faults_drop_exactly_every_tenth_byte_however_it_is_cut() -> None:
    line = Faults(drop_every=10).line(0)
    data = bytes(range(200))
    through = line(data[:7]) + line(data[7:95]) + line(data[95:])
    assert through == bytes(b for n, b in enumerate(data, 1) if n % 10)
