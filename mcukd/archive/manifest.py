"""Manifest of an archive: the SHA-256 of every other member, as `sha256sum --check` reads it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from mcukd.archive.container import Broken, Member

MANIFEST = "manifest-sha256.txt"
_LINE = re.compile(r"(?P<digest>[0-9a-f]{64})  (?P<name>[^\n]+)")


def manifest_of(members: Iterable[Member]) -> bytes:
    """Return the manifest of some members, sorted by name."""
    lines = [f"{one.sha256}  {one.name}\n" for one in sorted(members, key=lambda one: one.name)]
    return "".join(lines).encode()


def read_manifest(content: bytes) -> dict[str, str]:
    """Return the SHA-256 by member. Raises Broken where a line is none."""
    try:
        lines = content.decode().split("\n")
    except UnicodeDecodeError:
        raise Broken(f"{MANIFEST} is not UTF-8") from None
    found: dict[str, str] = {}
    for number, line in enumerate(lines[:-1], 1):
        match = _LINE.fullmatch(line)
        if match is None or match["name"] in found:
            raise Broken(f"{MANIFEST}, line {number}: no SHA-256 and name of a further member is there")
        found[match["name"]] = match["digest"]
    if lines[-1]:
        raise Broken(f"{MANIFEST} ends within a line")
    return found


def check_manifest(members: Mapping[str, Member], content: bytes) -> int:
    """Check the members of an archive against its manifest and return how many it lists.

    Raises Broken for a member that is missing, is not listed, or has other bytes.
    """
    listed = read_manifest(content)
    if missing := sorted(listed.keys() - members.keys()):
        raise Broken(f"{missing[0]} is missing, which the manifest lists")
    if more := sorted(members.keys() - listed.keys() - {MANIFEST}):
        raise Broken(f"{more[0]} is there, but the manifest does not list it")
    for name, digest in listed.items():
        if members[name].sha256 != digest:
            raise Broken(
                f"{name} has the SHA-256 {members[name].sha256[:12]}…, but the manifest lists {digest[:12]}…"
            )
    return len(listed)
