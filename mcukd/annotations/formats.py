"""Registry of files of behaviour over time: each format recognises its files by their content.

To add a format, write a module with a function that tells its files by their first bytes and one that reads
them, and name both here in one line; a plugin (`mcukd.plugins`) calls `FORMATS.register`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from mcukd.annotations.movebank import is_movebank, read_movebank
from mcukd.annotations.payloads import is_payloads, read_payloads
from mcukd.annotations.reading import Reading, Said
from mcukd.annotations.tables import read_table
from mcukd.annotations.tag_log import is_log, read_tag_log
from mcukd.annotations.windows import is_windows, read_windows
from mcukd.errors import UserError
from mcukd.plugins import Registry


@dataclass(frozen=True)
class Format:
    """One kind of file. title: in words. recognises: tells its files by their content. read: reads one."""

    name: str
    title: str
    recognises: Callable[[bytes], bool]
    read: Callable[[Path, Reading], Said]


FORMATS: Registry[Format] = Registry(
    "format of behaviour files",
    (
        Format("tag-log", "a tag's log, fetched or dumped", is_log, read_tag_log),
        Format("windows", "windows of 'mcukd classify'", is_windows, read_windows),
        Format("movebank", "annotations in Movebank's terms", is_movebank, read_movebank),
        Format("payloads", "decoded payloads", is_payloads, read_payloads),
    ),
)
#: Of what no format recognises: tables have no mark of their own, and their reader says what it misses.
TABLE = Format("table", "labels as BORIS, mHealth or a table has them", lambda _: True, read_table)


#: Bytes by which a format is recognised: the flash of any tag is smaller.
_MOST = 1 << 24


def format_of(path: Path) -> Format:
    """Return the format of a file, by its content. Raises UserError where it cannot be read."""
    try:
        with path.open("rb") as stream:
            content = stream.read(_MOST)
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror}); check the name.") from None
    if not content:
        raise UserError(f"{path} is empty; export it again.")
    found = [one for one in FORMATS.values() if one.recognises(content)]
    if len(found) > 1:
        raise UserError(
            f"{path} reads as {' and as '.join(one.title for one in found)}; nothing tells which it is."
        )
    return found[0] if found else TABLE


def read_behaviour(path: Path, reading: Reading) -> Said:
    """Read a file of behaviour over time, whatever its format. Raises UserError as the formats' readers
    do."""
    found = format_of(path)
    if reading.observations and found is not TABLE:
        raise UserError(f"{path} reads as {found.title}, which has no observations; leave --observation out.")
    return found.read(path, reading)
