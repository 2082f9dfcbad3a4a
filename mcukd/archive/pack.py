"""Packing of evidence: members, what is said of them, their description and manifest, in one file."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mcukd.archive.container import Content, Member, measured, write_archive
from mcukd.archive.crate import CRATE, crate_of
from mcukd.archive.manifest import MANIFEST, manifest_of
from mcukd.errors import UserError
from mcukd.files import sha256_file

FORMAT = "mcukd archive 1"
#: What is packed, and what is in which member, in JSON.
FACTS = "evidence.json"
_DRIVE = re.compile(r"[A-Za-z]:[\\/]")
_QUOTED = re.compile(r"""(?P<quote>["'])(?P<text>(?:/|[A-Za-z]:[\\/])[^"'\n]*)(?P=quote)""")


@dataclass(frozen=True)
class Packed:
    """An archive that was written: its members in order, its size in bytes and its SHA-256."""

    path: Path
    members: list[Member]
    size: int
    sha256: str


def pack(
    out: Path,
    contents: Mapping[str, Content],
    facts: Mapping[str, Any],
    *,
    licence: str,
    private: Sequence[str] = (),
    advance: Callable[[int], None] = lambda size: None,
) -> Packed:
    """Write an archive of `contents`, by member name, in one step.

    facts: of `evidence.json`, with `date`, `name` and `description`. private: paths of this computer that no
    member may hold. advance: called with bytes read, and again with those written. Raises UserError for a
    member that holds such a path, and as `write_archive` does.
    """
    members: dict[str, Member] = {}
    sought = [one.encode() for one in private if len(one.strip("/\\")) > 1]
    for name, content in sorted(contents.items()):
        source = content if isinstance(content, Path) else name
        members[name] = measured(name, content, _Sought(source, sought))
        advance(members[name].size)
    every: dict[str, Content] = {**contents, FACTS: json_bytes({"format": FORMAT, **facts})}
    members[FACTS] = measured(FACTS, every[FACTS], _Sought(FACTS, sought))
    described = crate_of(
        members.values(),
        name=facts["name"],
        description=facts["description"],
        date=facts["date"],
        licence=licence,
    )
    every[CRATE] = json_bytes(described)
    members[CRATE] = measured(CRATE, every[CRATE])
    every[MANIFEST] = manifest_of(members.values())
    members[MANIFEST] = measured(MANIFEST, every[MANIFEST])
    written = write_archive(out, every, members, advance)
    return Packed(out, written, out.stat().st_size, sha256_file(out))


def json_bytes(content: Any) -> bytes:
    """Return indented JSON in UTF-8."""
    return (json.dumps(content, indent=2, ensure_ascii=False, allow_nan=False) + "\n").encode()


def without_folders(value: Any) -> Any:
    """Return a JSON value in which every text that is an absolute path is its last part alone."""
    if isinstance(value, dict):
        return {key: without_folders(one) for key, one in value.items()}
    if isinstance(value, list):
        return [without_folders(one) for one in value]
    if isinstance(value, str) and (value.startswith("/") or _DRIVE.match(value)):
        return _last_part(value)
    return value


def text_without_folders(text: str) -> str:
    """Return a TOML text in which every quoted absolute path is its last part alone."""

    def shorter(found: re.Match[str]) -> str:
        return f"{found['quote']}{_last_part(found['text'])}{found['quote']}"

    return _QUOTED.sub(shorter, text)


def _last_part(path: str) -> str:
    return re.split(r"[\\/]", path.rstrip("/\\"))[-1]


class _Sought:
    """Looks for paths in a member that goes by in parts."""

    def __init__(self, source: object, paths: Sequence[bytes]) -> None:
        self._source, self._paths, self._before = source, paths, b""
        self._longest = max(map(len, paths), default=0)

    def __call__(self, chunk: bytes) -> None:
        """Look at the next part. Raises UserError where a path is there."""
        if not self._paths:
            return
        seen = self._before + chunk
        for one in self._paths:
            if one in seen:
                raise UserError(
                    f"{self._source}: holds the path {one.decode()} of this computer, which an archive would "
                    "tell everyone; make the file anew without it, or give --allow-paths."
                )
        self._before = seen[-self._longest :]
