"""A device with valid frames and false replies: one sentence, no traceback."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from mcukd.errors import UserError
from mcukd.harness import frames
from mcukd.harness.messages import REPLY, WHO_FIELDS, Request
from mcukd.harness.protocol import Device, open_device

pty = pytest.importorskip("pty", reason="needs pseudo-terminals")
tty = pytest.importorskip("tty", reason="needs pseudo-terminals")

Replies = Callable[[frames.Message], bytes]


def who(name: bytes = b"collar") -> bytes:
    """The reply to WHO of a device with windows of 20 samples, 8 units and 5 classes."""
    return WHO_FIELDS.pack(b"a" * 32, b"b" * 32, 20, 10, 8, 3, 5, 0, 2, 1) + name


@contextmanager
def device_that_replies(replies: Replies) -> Iterator[Device]:
    """A client of a pseudo-terminal at whose other end every request is answered by `replies`."""
    ours, theirs = pty.openpty()
    tty.setraw(ours)
    tty.setraw(theirs)

    def serve() -> None:
        deframer = frames.Deframer()
        while True:
            try:
                for message in deframer.feed(os.read(ours, 4096)):
                    reply = frames.pack(message.kind | REPLY, message.sequence, replies(message))
                    os.write(ours, frames.encode_plain(reply))
            except OSError:
                return

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        with open_device(os.ttyname(theirs)) as device:
            yield device
    finally:
        os.close(theirs)
        thread.join(2)
        os.close(ours)


@pytest.mark.parametrize("tail", [b"", b"\1", b"\1\0\2"])
def test_a_trace_of_odd_or_no_bytes_is_one_sentence(tail: bytes) -> None:
    def replies(message: frames.Message) -> bytes:
        return who() if message.kind == Request.WHO else message.payload + b"\5\0" + tail

    refused = pytest.raises(UserError, match="the reply to TRACE has .* firmware is of another mcukd")
    with device_that_replies(replies) as device, refused:
        device.trace_step(0, 0)


def test_a_name_that_is_no_text_is_shown_without_its_escapes() -> None:
    with device_that_replies(lambda message: who(b"\x1b[2Jcol\nlar\0\xff")) as device:
        assert device.who().board == "?[2Jcol?lar?\ufffd"
