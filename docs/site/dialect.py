"""Markdown as the repository is written (CommonMark) for Python-Markdown, which makes the site.

They differ in lists: Python-Markdown wants a blank line before a list and an indentation of four for what
belongs to an item, where CommonMark takes the width of the marker.
"""

from __future__ import annotations

import re

_ITEM = re.compile(r"([-*+]|\d{1,9}[.)])( +)(?=\S)")
_FENCE = re.compile(r"(`{3,}|~{3,})")
_STEP = 4


def for_python_markdown(text: str) -> str:
    """Return the text with lists as Python-Markdown reads them."""
    made: list[str] = []
    items: list[int] = []  # column at which the content of each open item begins
    fence, before, in_list, later_block = "", "", False, False
    for line in text.split("\n"):
        bare = line.lstrip(" ")
        indent = len(line) - len(bare)
        if not bare:
            made.append("")
            later_block = True
        elif fence:
            made.append(_indented(line, items))
            fence = "" if bare.startswith(fence) and not bare.strip(fence[0]) else fence
        else:
            starts = _ITEM.match(bare)
            in_text = bool(before.strip()) and not in_list and not before.startswith(("#", "```"))
            if starts and in_text and starts[1][0].isdigit() and starts[1][:-1] != "1":
                # A list in a paragraph begins with 1; this is a number at the start of a line.
                bare = starts[1][:-1] + "\\" + bare[len(starts[1]) - 1 :]
                starts, line = None, " " * indent + bare
            # A line right below text of an item that is no item itself still belongs to it.
            lazy = bool(before.strip()) and not starts and not _FENCE.match(bare) and not bare.startswith("#")
            while items and indent < items[-1] and not lazy:
                items.pop()
            if starts and indent - (items[-1] if items else 0) < _STEP:
                if in_text or (before.strip() and later_block):  # behind a later block of the item above
                    made.append("")
                later_block = False
                made.append(" " * _STEP * len(items) + bare)
                items.append(indent + starts.end())
            else:
                made.append(_indented(line, items))
                opens = _FENCE.match(bare)
                fence = opens[1] if opens else ""
        in_list = bool(items)
        before = line
    return "\n".join(made)


def _indented(line: str, items: list[int]) -> str:
    if not items:
        return line
    spaces = len(line) - len(line.lstrip(" "))
    return " " * (_STEP * len(items) + max(0, spaces - items[-1])) + line.lstrip(" ")
