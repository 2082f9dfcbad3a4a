"""Log and clock of a tag over its serial line: requests LOG, TIME and CONFIRM of `docs/protocol.md`."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Callable

from mcukd.errors import UserError
from mcukd.harness.messages import (
    LOG_FIELDS,
    LOG_REQUEST,
    TIME_FIELDS,
    TIME_REQUEST,
    U32,
    DeviceError,
    Request,
)
from mcukd.harness.protocol import Device
from mcukd.progress import progress
from mcukd.tag.records import TICKS_PER_SECOND

#: Words of the log in one reply.
_WORDS = 30
_UNKNOWN_REQUEST = 1
_SET_ATTEMPTS = 5


@dataclass(frozen=True)
class TagTime:
    """Clock and log of a tag. seconds: of its clock. utc: Unix seconds that it gives, 0 where it has none.

    trusted: whether its time was set since its start. records: the next sequence number. records_lost,
    flash_failures: since its start, what the flash did not take.
    """

    seconds: float
    utc: int
    trusted: bool
    records: int
    records_lost: int
    flash_failures: int


def read_log_flash(device: Device) -> bytes:
    """Return the bytes of the log's pages, as `mcukd.tag.log.read_log` takes them.

    Raises UserError where the firmware keeps no log.
    """
    words, total = _log_words(device, 0, _WORDS)
    with progress("Words of the log", total) as advance:
        advance(_WORDS)
        while len(words) < 4 * total:
            done = len(words) // 4
            count = min(_WORDS, total - done)
            words += _log_words(device, done, count)[0]
            advance(count)
    return words


def _log_words(device: Device, first: int, count: int) -> tuple[bytes, int]:
    """Return words of the log, and how many it has."""
    reply = _ask(device, Request.LOG, LOG_REQUEST.pack(first, count))
    if len(reply) != LOG_FIELDS.size + 4 * count:
        raise _malformed(device, Request.LOG, reply)
    begun, total = LOG_FIELDS.unpack(reply[: LOG_FIELDS.size])
    if begun != first:
        raise _malformed(device, Request.LOG, reply)
    return reply[LOG_FIELDS.size :], total


def read_time(device: Device) -> TagTime:
    """Return where the tag's clock and log stand. Raises UserError where the firmware keeps no log."""
    return _time(device, b"")


def set_time(device: Device, now: Callable[[], float] = time.time) -> TagTime:
    """Set the tag's time of day to this computer's, UTC, and return where its clock and log stand.

    A request that had to be repeated is followed by another with a fresh time, so that the tag's last
    setting is as exact as the line: some milliseconds. now: Unix seconds. Raises UserError where the
    firmware keeps no log, or the line never takes a request at once.
    """
    for _ in range(_SET_ATTEMPTS):
        before = device.retries
        whole, part = divmod(now(), 1)
        found = _time(device, TIME_REQUEST.pack(int(whole), int(part * TICKS_PER_SECOND)))
        if device.retries == before:
            return found
    raise UserError(
        f"{device.link.url}: the line lost a part of each of {_SET_ATTEMPTS} requests to set the time, "
        "which is now late by up to some seconds; mend the line and set it again."
    )


def confirm(device: Device, sequence: int) -> int:
    """Tell the tag that all records below a sequence number are kept here; return what it has confirmed."""
    reply = _ask(device, Request.CONFIRM, U32.pack(sequence))
    if len(reply) != U32.size:
        raise _malformed(device, Request.CONFIRM, reply)
    return int(U32.unpack(reply)[0])


def _time(device: Device, payload: bytes) -> TagTime:
    reply = _ask(device, Request.TIME, payload)
    if len(reply) != TIME_FIELDS.size:
        raise _malformed(device, Request.TIME, reply)
    seconds, fraction, utc, trusted, records, lost, failures = TIME_FIELDS.unpack(reply)
    return TagTime(seconds + fraction / TICKS_PER_SECOND, utc, bool(trusted), records, lost, failures)


def _ask(device: Device, request: Request, payload: bytes) -> bytes:
    try:
        return device.exchange(request, payload, device.timeout)
    except DeviceError as error:
        if error.code != _UNKNOWN_REQUEST:
            raise
        raise UserError(
            f"{device.link.url}: the firmware keeps no log; put a section [tag] into the board file "
            "(docs/tag.md), then build and flash it again."
        ) from error


def _malformed(device: Device, request: Request, reply: bytes) -> UserError:
    return UserError(
        f"{device.link.url}: the reply to {request.name} has {len(reply)} bytes, which docs/protocol.md "
        "does not explain; the firmware is of another mcukd, build and flash it again."
    )
