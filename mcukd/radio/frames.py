"""Frames that payloads come in, by the name of their kind: who sent one, and the payload."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Callable

from mcukd.radio.ble import PDU_EXTRA, split_pdu
from mcukd.radio.lora import ID_BYTES, split_frame
from mcukd.radio.lorawan import EXTRA, Keys, read_uplink


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


def lorawan_frames(known: Sequence[Keys]) -> Frames:
    """Return the kind of LoRaWAN's uplinks, of devices whose keys are known; tags go by their addresses.

    It remembers each device's counter, whose upper half no frame has.
    """
    counters: dict[int, int] = {}

    def split(data: bytes) -> tuple[str, bytes]:
        address = int.from_bytes(data[1:5], "little")
        found = read_uplink(data, known, counters.get(address, 0))
        counters[address] = found.counter
        return f"{address:08X}", found.payload

    return Frames(EXTRA, split)


#: By the names that `mcukd decode --frames` takes, beside `LORAWAN`.
FRAMES: Mapping[str, Frames] = {
    "lora": Frames(ID_BYTES, split_frame),
    "ble": Frames(PDU_EXTRA, _split_advertisement),
}
#: Needs keys: `lorawan_frames`.
LORAWAN = "lorawan"
