"""Log, clock and state of a tag over its line: LOG, TIME, CONFIRM and STATUS of `docs/protocol.md`."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, fields

from mcukd.errors import UserError
from mcukd.harness.messages import (
    LOG_FIELDS,
    LOG_REQUEST,
    NO_CLASS,
    STATUS_FIELDS,
    TIME_FIELDS,
    TIME_REQUEST,
    U32,
    UNKNOWN_REQUEST,
    DeviceError,
    Request,
)
from mcukd.harness.protocol import Device
from mcukd.progress import progress
from mcukd.tag.records import TICKS_PER_SECOND

#: Words of the log in one reply.
_WORDS = 30
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


@dataclass(frozen=True)
class TagStatus:
    """State of a tag.

    chip: the factory's number of its chip, 16 hexadecimal digits; empty where it has none. starts: number of
    this start. reset_cause: as the chip's register gives it. started: seconds of the tag's clock then.
    log_pages, page_words: the ring. oldest_page, newest_page: numbers of pages, 0 where there is none.
    oldest_sequence: of the first record that is kept; confirmed: records below it are.
    latest_class: smoothed; None before the first result. sensor: `none` of a firmware that reads no sensor,
    `sought` while it was not found or failed, `samples`. sensor_failures: in a row. event: code of the event
    logged last since the start, None without one. battery_mv: of the supply, None where it is not measured.
    """

    chip: str
    starts: int
    reset_cause: int
    started: int
    log_pages: int
    page_words: int
    oldest_page: int
    newest_page: int
    oldest_sequence: int
    confirmed: int
    latest_class: int | None
    sensor: str
    sensor_failures: int
    event: int | None
    battery_mv: int | None


#: By the number on the wire.
SENSOR_STATES = ("none", "sought", "samples")
_STATUS = [each.name for each in fields(TagStatus)]


def read_status(device: Device) -> TagStatus:
    """Return the state of a tag. Raises UserError where the firmware keeps no log."""
    reply = ask(device, Request.STATUS, b"")
    if len(reply) < STATUS_FIELDS.size:
        raise malformed(device, Request.STATUS, reply)
    facts = dict(zip(_STATUS, STATUS_FIELDS.unpack(reply[: STATUS_FIELDS.size])))
    latest, sensor = facts["latest_class"], facts["sensor"]
    facts.update(
        chip=f"{facts['chip']:016x}" if facts["chip"] else "",
        latest_class=None if latest == NO_CLASS else latest,
        sensor=SENSOR_STATES[sensor] if sensor < len(SENSOR_STATES) else f"state {sensor}",
        event=facts["event"] or None,
        battery_mv=None if facts["battery_mv"] == 0xFFFF else facts["battery_mv"],
    )
    return TagStatus(**facts)


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
    reply = ask(device, Request.LOG, LOG_REQUEST.pack(first, count))
    if len(reply) != LOG_FIELDS.size + 4 * count:
        raise malformed(device, Request.LOG, reply)
    begun, total = LOG_FIELDS.unpack(reply[: LOG_FIELDS.size])
    if begun != first:
        raise malformed(device, Request.LOG, reply)
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
    reply = ask(device, Request.CONFIRM, U32.pack(sequence))
    if len(reply) != U32.size:
        raise malformed(device, Request.CONFIRM, reply)
    return int(U32.unpack(reply)[0])


def _time(device: Device, payload: bytes) -> TagTime:
    reply = ask(device, Request.TIME, payload)
    if len(reply) != TIME_FIELDS.size:
        raise malformed(device, Request.TIME, reply)
    seconds, fraction, utc, trusted, records, lost, failures = TIME_FIELDS.unpack(reply)
    return TagTime(seconds + fraction / TICKS_PER_SECOND, utc, bool(trusted), records, lost, failures)


def ask(
    device: Device,
    request: Request,
    payload: bytes,
    lacks: str = "keeps no log",
    attempts: int | None = None,
) -> bytes:
    """Return the reply to a request about a tag. attempts: as in `Device.exchange`.

    lacks: what a firmware that does not know it does not do. Raises UserError then.
    """
    try:
        return device.exchange(request, payload, device.timeout, attempts)
    except DeviceError as error:
        if error.code != UNKNOWN_REQUEST:
            raise
        raise UserError(
            f"{device.link.url}: the firmware {lacks}: its board file needs a section [tag] and a "
            "sensor.driver.rate_hz that is the model's (docs/tag.md); then build and flash it again."
        ) from error


def malformed(device: Device, request: Request, reply: bytes) -> UserError:
    """Return the error of a reply that the protocol does not explain."""
    return UserError(
        f"{device.link.url}: the reply to {request.name} has {len(reply)} bytes, which docs/protocol.md "
        "does not explain; the firmware is of another mcukd, build and flash it again."
    )
