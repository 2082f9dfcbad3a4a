"""Files of what a tag is to be told (TOML): docs/provisioning.md shows one."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

from pydantic import Field, field_validator

from mcukd.boards.section import Section
from mcukd.boards.sensor_driver import parse_axes
from mcukd.config_files import ConfigFileType, load_toml
from mcukd.errors import UserError
from mcukd.tag.provision import Calibration, Provision, Session, check, parse_key

_Three = tuple[int, int, int]


class CalibrationSection(Section):
    """Offset in 16ths of a count and gain, of which 16,384 is 1, of the sensor's own x, y, z."""

    offset: _Three = Field(strict=False)
    gain: _Three = Field(strict=False)


class LorawanSection(Section):
    """A session of LoRaWAN, activated by personalisation; all in hexadecimal digits."""

    device_address: str
    network_session_key: str
    application_session_key: str


class ProvisionFile(Section):
    """What a file may say; what it leaves out stays as the tag has it."""

    id: str | None = None
    axes_map: str | None = None
    period_s: int | None = None
    radio_id: int | None = None
    calibration: CalibrationSection | None = None
    lorawan: LorawanSection | None = None

    @field_validator("axes_map")
    @classmethod
    def _is_a_map(cls, text: str | None) -> str | None:
        if text is not None:
            parse_axes(text)
        return text


FILES = ConfigFileType(
    name="provisioning file",
    folder="",
    document="docs/provisioning.md",
    sections={(): ProvisionFile, ("calibration",): CalibrationSection, ("lorawan",): LorawanSection},
)


def read_provision_file(path: Path, before: Provision) -> Provision:
    """Return what a tag is to be told: what the file says, and for the rest what it was told before.

    Raises UserError, which shows no key, for a file that is not as expected.
    """
    _keys_are_texts(path)
    file = FILES.check(path, ProvisionFile)
    told = before
    if file.id is not None:
        told = replace(told, id=given_id(file.id, f"{path}: id"))
    if file.axes_map is not None:
        told = replace(told, axes=parse_axes(file.axes_map).axes)
    if file.period_s == 0:
        raise UserError(
            f"{path}: period_s is 0, but at least 1 second is expected; leave it out, or let the firmware's "
            "period hold with 'mcukd provision --remove period'."
        )
    if file.period_s is not None:
        told = replace(told, period_s=file.period_s)
    if file.radio_id is not None:
        told = replace(told, radio_id=file.radio_id)
    if file.calibration is not None:
        told = replace(told, calibration=Calibration(file.calibration.offset, file.calibration.gain))
    if file.lorawan is not None:
        told = replace(told, session=_session(path, file.lorawan))
    try:
        check(told)
    except UserError as error:
        raise UserError(f"{path}: {error}") from None
    return told


def given_id(text: str, where: str) -> str:
    """Return an id that was given; UserError, naming where it stands, for one that shows nothing."""
    if not text.strip():
        raise UserError(
            f"{where} is empty; leave it out, or make the tag forget its id with 'mcukd provision --remove "
            "id'."
        )
    return text


def _keys_are_texts(path: Path) -> None:
    """Raise UserError for a key that is no text, which the check of a file would show."""
    section = load_toml(path).get("lorawan")
    for name, value in section.items() if isinstance(section, dict) else ():
        if not isinstance(value, str):
            raise UserError(f"{path}: lorawan.{name} is no text; put it into quotes.")
    if section is not None and not isinstance(section, dict):
        raise UserError(f"{path}: lorawan is no section; [lorawan] with three texts is expected.")


def _session(path: Path, section: LorawanSection) -> Session:
    keys = {}
    for name in ("network_session_key", "application_session_key"):
        try:
            keys[name] = parse_key(getattr(section, name))
        except ValueError as error:
            raise UserError(f"{path}: lorawan.{name} is no key: {error}.") from None
    if not re.fullmatch("[0-9A-Fa-f]{8}", section.device_address):
        raise UserError(
            f"{path}: lorawan.device_address has {len(section.device_address)} characters, but exactly 8 "
            "hexadecimal digits are expected, as 26011BDA."  # it is not shown: it may be a key
        )
    address = int(section.device_address, 16)
    return Session(address, keys["network_session_key"], keys["application_session_key"])
