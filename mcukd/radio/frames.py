"""Frames that payloads come in, by the name of their kind: who sent one, and the payload."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from mcukd.errors import UserError
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


def ble_frames(company: int | None = None) -> Frames:
    """Return the kind of advertisements with the data of a company, by its number; None: of any."""

    def split(pdu: bytes) -> tuple[str, bytes]:
        found = split_pdu(pdu)
        if company is not None and found.company != company:
            raise UserError(
                f"the advertisement of {found.address} is of company {found.company:#06x}, but "
                f"{company:#06x} is expected; --company names another."
            )
        return found.address, found.payload

    return Frames(PDU_EXTRA, split)


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


BLE = "ble"
#: By the names that `mcukd decode --frames` takes, beside `LORAWAN`.
FRAMES: Mapping[str, Frames] = {
    "lora": Frames(ID_BYTES, split_frame),
    BLE: ble_frames(),
}
#: Needs keys: `lorawan_frames`.
LORAWAN = "lorawan"
