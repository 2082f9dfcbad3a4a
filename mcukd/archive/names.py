"""Names of an archive's members: relative paths that every computer unpacks to the same place."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable

#: Longest name of a file or folder on common file systems, in bytes, and longest path that is packed.
_PART, _WHOLE = 255, 1024
_FORBIDDEN = set('<>:"|?*\\')
#: Devices of Windows, which cannot be names of files there, whatever their ending.
_DEVICES = {"con", "prn", "aux", "nul", *(f"{one}{n}" for one in ("com", "lpt") for n in range(1, 10))}


def name_problem(name: str) -> str | None:
    """Return why a member cannot have a name, as the beginning of a sentence; None where it can."""
    shown = ascii(name)
    if not name or len(name.encode(errors="replace")) > _WHOLE:
        return f"the member name {shown[:80]} is empty or longer than {_WHOLE} bytes"
    if name.startswith("/") or (len(name) > 1 and name[1] == ":"):
        return f"the member name {shown} is an absolute path"
    parts = name.split("/")
    if ".." in parts:
        return f"the member name {shown} leads out of the archive"
    for part in parts:
        if part in ("", ".") or part[-1] in ". " or len(part.encode(errors="replace")) > _PART:
            return f"the member name {shown} is no plain path"
        if not part.isprintable() or _FORBIDDEN & set(part):
            return f"the member name {shown} has letters that not every computer allows"
        if part.split(".")[0].lower() in _DEVICES:
            return f"the member name {shown} is a device on some computers"
    return None


def names_problem(names: Iterable[str]) -> str | None:
    """Return why names cannot be together in one archive; None where they can."""
    seen: dict[str, str] = {}
    for name in sorted(names):
        if problem := name_problem(name):
            return problem
        one = _folded(name)
        if one in seen:
            return f"the member names {seen[one]!a} and {name!a} are one on some computers"
        seen[one] = name
    for one, name in seen.items():
        parts = one.split("/")
        for count in range(1, len(parts)):
            above = "/".join(parts[:count])
            if above in seen:
                return f"the member name {seen[above]!a} is a file and the folder of {name!a}"
    return None


def _folded(name: str) -> str:
    return unicodedata.normalize("NFC", name).casefold()
