"""The prefix of generated names, by which several models live in one program."""

from __future__ import annotations

import re

from mcukd.errors import UserError

#: Names start with it where none is asked for, and templates are written with it.
DEFAULT = "mcukd"
_LONGEST = 40
_EXPECTED = (
    f"a small letter, then at most {_LONGEST - 1} small letters, digits and single underscores, such as cow; "
    "macros get it in capitals"
)
# A slash stands before names of template files, which stay as they are.
_NAMES = re.compile(r"(?<![\w/])(mcukd|MCUKD)_")


def check_prefix(prefix: str) -> str:
    """Return a prefix of C names as it is.

    Prefixes that differ in capitals alone would share macros, and two underscores in a row belong to C++.
    Raises UserError for anything but the small letters, digits and single underscores of a C identifier.
    """
    if not prefix.isascii() or not re.fullmatch(r"[a-z](_?[a-z0-9])*", prefix) or len(prefix) > _LONGEST:
        like = re.sub(r"[^a-z0-9]+", "_", prefix.lower()).strip("_")[:_LONGEST].rstrip("_")
        better = f" (did you mean {like}?)" if re.fullmatch(r"[a-z](_?[a-z0-9])*", like) else ""
        raise UserError(f"--prefix is '{prefix}'{better}, but a C identifier is expected: {_EXPECTED}.")
    return prefix


def with_prefix(text: str, prefix: str) -> str:
    """Return a template or a file name with `mcukd_` and `MCUKD_` at the start of names replaced."""
    if prefix == DEFAULT:
        return text
    return _NAMES.sub(lambda name: f"{prefix if name.group(1) == DEFAULT else prefix.upper()}_", text)
