"""Prefix of generated names, by which several models live in one program."""

from __future__ import annotations

import re

from mcukd.errors import UserError

#: Names start with it where none is asked for, and templates are written with it.
DEFAULT = "mcukd"
_LONGEST = 40
_EXPECTED = (
    f"a letter, then at most {_LONGEST - 1} letters, digits and single underscores, such as cow; macros get "
    "it in capitals"
)
_PREFIX = re.compile(r"[A-Za-z](_?[A-Za-z0-9])*")
#: Functions that a C file keeps to itself, and types that only check the compiler, where they are defined.
_FUNCTION = re.compile(r"^static (?:inline )?\w+ (\w+)\(", re.MULTILINE)
_TYPE = re.compile(r"^typedef char \w+_model_(\w+)\[", re.MULTILINE)
# A slash stands before names of template files, which stay as they are.
_NAMES = re.compile(r"(?<![\w/])(?:MCUKD_(?P<guard>\w+_H)\b|(?P<stem>mcukd|MCUKD)_)")


def check_prefix(prefix: str) -> str:
    """Return a prefix of C names as it is.

    Names that begin with an underscore belong to C, two underscores in a row to C++.
    Raises UserError for anything but the letters, digits and single underscores of other C identifiers.
    """
    if not _PREFIX.fullmatch(prefix) or len(prefix) > _LONGEST:
        like = re.sub(r"[^A-Za-z0-9]+", "_", prefix).strip("_")[:_LONGEST].rstrip("_")
        better = f" (did you mean {like}?)" if _PREFIX.fullmatch(like) else ""
        raise UserError(f"--prefix is '{prefix}'{better}, but a C identifier is expected: {_EXPECTED}.")
    return prefix


def with_prefix(text: str, prefix: str) -> str:
    """Return a template or a file name with `mcukd_` and `MCUKD_` at the start of names replaced.

    Macros get the prefix in capitals. Include guards of a prefix that has capitals itself are spelt so that
    they differ from those of its small letters: otherwise one header would silently hide another.
    """
    if prefix == DEFAULT:
        return text

    def named(name: re.Match[str]) -> str:
        if name["guard"] and prefix != prefix.lower():
            return f"{prefix}_{name['guard'].lower()}"
        if name["guard"]:
            return f"{prefix.upper()}_{name['guard']}"
        return f"{prefix if name['stem'] == DEFAULT else prefix.upper()}_"

    return _NAMES.sub(named, text)


def with_own_names(file: str, text: str) -> str:
    """Return a generated C file with its stem before the names that it keeps to itself.

    So files of several models, and all of one, can be compiled as a single translation unit too.
    """
    stem = file.rsplit(".", 1)[0]
    functions, types = ("|".join(found.findall(text)) or "(?!)" for found in (_FUNCTION, _TYPE))

    def own(word: re.Match[str]) -> str:
        name = word["function"] or word["type"]
        return f"{stem}_own_{name}" if name else word.group()

    # Strings and comments, which hold words of the user's, come first and stay.
    names = rf"(?<!\w)(?P<function>{functions})(?=\()|\w+_model_(?P<type>{types})\b"
    return re.sub(rf'"(?:\\.|[^"\\])*"|/\*.*?\*/|{names}', own, text, flags=re.DOTALL)
