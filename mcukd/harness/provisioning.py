"""Reading and writing of what a tag is told, over its line: request PROVISION of `docs/protocol.md`."""

from __future__ import annotations

import zlib
from dataclasses import dataclass, replace

from mcukd.errors import UserError
from mcukd.harness.messages import (
    PROVISION_FIELDS,
    PROVISION_REQUEST,
    PROVISIONED,
    WINDOW_CRC,
    DeviceError,
    Request,
)
from mcukd.harness.protocol import Device
from mcukd.harness.tag_log import ask, malformed
from mcukd.tag.provision import WORDS, Provision, decode, encode

_LACKS = "cannot be provisioned"
_ATTEMPTS = 3


@dataclass(frozen=True)
class Told:
    """What a tag says that it was told. generation: how often it was provisioned, 0: never.

    provision: without the keys, which a tag does not give. keys: whether it has them. address: of its LoRaWAN
    session, None without keys.
    """

    generation: int
    provision: Provision
    keys: bool
    address: int | None


def read_provision(device: Device) -> Told:
    """Return what a tag was told. Raises UserError where its firmware cannot be provisioned."""
    return _told(device, ask(device, Request.PROVISION, b"", _LACKS))


def write_provision(device: Device, provision: Provision, before: Told, keep_keys: bool = False) -> Told:
    """Tell a tag, and return what it says then; it goes by it at once.

    before: what it was told so far, as `read_provision` gave it: where someone else has told it something
    meanwhile nothing is written. keep_keys: leave address and keys as they are.
    Raises UserError where a field has no value that a tag takes, or the tag does not take it.
    """
    content = encode(provision, keep_keys)
    asked = PROVISION_REQUEST.pack(before.generation, WORDS, zlib.crc32(content))
    for attempt in range(_ATTEMPTS):
        device.write(content)
        try:
            told = _told(device, device.exchange(Request.PROVISION, asked, device.timeout))
            break
        except DeviceError as error:
            if error.code == PROVISIONED:
                # It may have taken it, and was reset before its answer came.
                told = read_provision(device)
                if told.generation == before.generation + 1 and _same(told, provision):
                    break
                raise
            if error.code != WINDOW_CRC or attempt + 1 == _ATTEMPTS:
                raise
            device.retries += 1
    if told.generation != before.generation + 1 or not _same(told, provision):
        raise UserError(
            f"{device.link.url}: the tag says that it was told something else than was sent; its firmware is "
            "of another mcukd, build and flash it again."
        )
    return told


def _same(told: Told, provision: Provision) -> bool:
    return told.provision == replace(provision, session=None)


def _told(device: Device, reply: bytes) -> Told:
    if len(reply) != PROVISION_FIELDS.size:
        raise malformed(device, Request.PROVISION, reply)
    generation, words = PROVISION_FIELDS.unpack(reply)
    if generation == 0:
        return Told(0, Provision(), False, None)
    provision, keys = decode(words)
    address = provision.session.address if provision.session else None
    return Told(generation, replace(provision, session=None), keys, address)
