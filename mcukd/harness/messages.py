"""Messages of the serial protocol: requests, replies, error codes and their fields on the wire."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from enum import IntEnum

import numpy as np
from numpy.typing import NDArray

from mcukd.errors import UserError


class Request(IntEnum):
    """Types of requests; a reply has 0x80 added."""

    WHO = 0x01
    WRITE = 0x02
    RUN = 0x03
    TRACE = 0x04
    SELFTEST = 0x05
    PUSH = 0x06
    ETHOGRAM = 0x07
    RESET = 0x08
    LOG = 0x09
    TIME = 0x0A
    CONFIRM = 0x0B
    FETCH = 0x0C
    STATUS = 0x0D
    PROVISION = 0x0E
    SENSE = 0x0F
    WATCH = 0x10


REPLY, ERROR = 0x80, 0xFF
#: Notifications of a tag that is watched, which nobody asked for one by one.
TELLS_RESULT, TELLS_SAMPLES, TELLS_GAP = NOTIFICATIONS = (0xC0, 0xC1, 0xC2)
NO_CLASS = 255
COUNTER_KINDS = ("none", "instructions", "cycles")

UNKNOWN_REQUEST, WINDOW_CRC, PROVISIONED = 1, 4, 8
#: The one table from wire codes to sentences; `{detail}` is the number sent with the code.
ERRORS = {
    1: "it does not know request {detail}; its firmware is of another mcukd, build and flash it again",
    2: "a request's payload of {detail} bytes has the wrong length for its model",
    3: "a request asked beyond the limit of {detail}",
    WINDOW_CRC: "its window buffer keeps changing (CRC-32 {detail:08x}); check whether it restarts",
    5: "its checked and its timed pass over one window differ (class {detail} in the timed one), so "
    "memory is being overwritten; check stack and supply",
    6: "samples were left out of the stream; it expects sample {detail} next",
    7: "it speaks protocol version {detail}, this mcukd speaks version 1; build and flash it again",
    PROVISIONED: "it was provisioned by someone else meanwhile, {detail} times so far; run the command again",
    9: "its flash does not take what is written; what it was told before still holds",
}


class DeviceError(UserError):
    """An error reply. code, detail: as on the wire."""

    def __init__(self, url: str, request: Request, code: int, detail: int) -> None:
        sentence = ERRORS.get(code, "it reports an error of unknown code {code}").format(
            code=code, detail=detail
        )
        super().__init__(f"{url}: the device refuses {request.name}: {sentence}.")
        self.code, self.detail = code, detail


@dataclass(frozen=True)
class Identity:
    """Who a device is. counter_scale: instructions or cycles per tick of its counter."""

    board: str
    firmware_sha256: str
    model_sha256: str
    window: int
    hop: int
    hidden: int
    channels: int
    classes: int
    emulated: bool
    counter_kind: str
    counter_scale: int


@dataclass(frozen=True)
class WindowResult:
    """One window as the device computed it.

    logits: (K,) int. count: instructions or cycles of the timed pass (see `Identity.counter_kind`), None
    where the board has no counter. stack_bytes: most stack used since the device started, None where
    unknown.
    """

    class_index: int
    logits: NDArray[np.int64]
    state_crc: int
    count: int | None
    stack_bytes: int | None


@dataclass(frozen=True)
class SelfTest:
    """Known answers on the device: how many there are, and the numbers of those with a wrong value."""

    answers: int
    wrong_logits: tuple[int, ...]
    wrong_states: tuple[int, ...]

    @property
    def passed(self) -> bool:
        """Whether all known answers came out right."""
        return not (self.wrong_logits or self.wrong_states)


@dataclass(frozen=True)
class StreamState:
    """Where streaming stands: samples taken, windows classified, latest class (None at first)."""

    samples: int
    results: int
    latest_class: int | None
    latest_logits: NDArray[np.int64]


U32 = struct.Struct("<I")
WHO_FIELDS = struct.Struct("<32s32sIIHBBBBI")
RUN_FIELDS = struct.Struct("<BIII")
TRACE_FIELDS = struct.Struct("<IBH")
STREAM_FIELDS = struct.Struct("<IIB")
SELFTEST_FIELDS = struct.Struct("<BII")
LOG_REQUEST, LOG_FIELDS = struct.Struct("<IB"), struct.Struct("<II")
TIME_REQUEST, TIME_FIELDS = struct.Struct("<IH"), struct.Struct("<IHIBIII")
FETCH_REQUEST, FETCH_FIELDS = struct.Struct("<IHHB"), struct.Struct("<IHH")
PROVISION_REQUEST, PROVISION_FIELDS = struct.Struct("<IHI"), struct.Struct("<I56s")
SENSE_FIELDS = struct.Struct("<BBHH3i3h3h")
STATUS_FIELDS = struct.Struct("<QIIIHHIIIIBBIBH")
WATCH_REQUEST, WATCH_FIELDS = struct.Struct("<HB"), struct.Struct("<IHHBBHIIIIB")
#: What each notification begins with, and what follows.
TOLD_FIELDS = struct.Struct("<IH")
RESULT_FIELDS, SAMPLES_FIELDS, GAP_FIELDS = struct.Struct("<IIBB"), struct.Struct("<IB"), struct.Struct("<II")
ERROR_FIELDS = struct.Struct("<BI")
