"""Small pieces of the sentences that errors are made of."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


def did_you_mean(found: str, known: Iterable[str]) -> str:
    """Return " (did you mean 'x'?)" for the closest known name, or nothing when none is close."""
    close = difflib.get_close_matches(found, list(known), n=1)
    return f" (did you mean {close[0]!r}?)" if close else ""


def listed(names: Iterable[object]) -> str:
    """Return the names separated by commas."""
    return ", ".join(str(name) for name in names) or "nothing"


def share(part: float) -> str:
    """Return a share in per cent with two digits that count, and never 0 % or 100 % of what is not."""
    if part in (0, 1):
        return f"{part:.0%}"
    if part < 0.0001:
        return "less than 0.01 %"
    if part > 0.9999:
        return "more than 99.99 %"
    return f"{100 * part:.{2 if part < 0.01 or part > 0.99 else 1}f} %"


def plural(number: int, noun: str) -> str:
    """Return the number and the noun, with an s where it is not one."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"
