"""Frames that payloads come in, by the name of their kind: who sent one, and the payload."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Callable

from mcukd.radio.ble import PDU_EXTRA, split_pdu
from mcukd.radio.lora import ID_BYTES, split_frame


@dataclass(frozen=True)
class Frames:
    """A kind of frames. extra: bytes beside the payload. split: returns the tag and the payload of a frame.

    split raises UserError for what is no such frame.
    """

    extra: int
    split: Callable[[bytes], tuple[str, bytes]]


def _split_advertisement(pdu: bytes) -> tuple[str, bytes]:
    found = split_pdu(pdu)
    return found.address, found.payload


#: By the names that `mcukd decode --frames` takes.
FRAMES: Mapping[str, Frames] = {
    "lora": Frames(ID_BYTES, split_frame),
    "ble": Frames(PDU_EXTRA, _split_advertisement),
}
