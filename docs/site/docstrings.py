"""Docstrings as text for the site: code in them is shown as such, other marks of Markdown as they stand."""

from __future__ import annotations

import inspect
import re
from typing import Any

import griffe

_CODE = re.compile(r"(`[^`\n]+`)")
#: Parameters that a sentence explains, at its beginning.
_NAMED = re.compile(r"(?:^|(?<=[.;] ))(\*{0,2}\w+(?:, \*{0,2}\w+)*): (?=\S)")
_SPECIAL = re.compile(r"([\\*_<\[|])")


class PlainText(griffe.Extension):
    """Escapes what Markdown or HTML would read in plain text, such as `<board>` or `a * b * c`."""

    def on_object(self, *, obj: griffe.Object, **_: Any) -> None:
        """Change the docstring of a module, class, function or attribute."""
        if obj.docstring is None:
            return
        known = {one.name for one in obj.parameters} if obj.is_function else set(obj.members)
        paragraphs = inspect.cleandoc(obj.docstring.value).split("\n\n")
        obj.docstring.value = "\n\n".join(_listed(text, known) for text in paragraphs)


def _listed(paragraph: str, known: set[str]) -> str:
    """Return a paragraph that explains parameters (`rows: how many …`) as a list, others as text."""
    text = " ".join(paragraph.split("\n"))
    starts = [one for one in _NAMED.finditer(text) if known.issuperset(_names(one))]
    if not starts or "\n " in paragraph:
        return "\n".join(map(_plain, paragraph.split("\n")))
    ends = [one.start() for one in starts[1:]] + [len(text)]
    items = [
        "- " + ", ".join(f"`{name}`" for name in _names(one)) + f": {_plain(text[one.end() : end].strip())}"
        for one, end in zip(starts, ends)
    ]
    before = _plain(text[: starts[0].start()].strip())
    return "\n".join([*([before, ""] if before else []), *items])


def _names(found: re.Match[str]) -> list[str]:
    return found[1].replace("*", "").split(", ")


def _plain(line: str) -> str:
    parts = _CODE.split(line)
    parts[::2] = [_SPECIAL.sub(r"\\\1", part) for part in parts[::2]]
    return "".join(parts)
