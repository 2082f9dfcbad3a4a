"""Words and numbers as messages, tables and pages show them."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence

_SUPERSCRIPTS = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")


def did_you_mean(found: str, known: Iterable[str]) -> str:
    """Return " (did you mean 'x'?)" for the closest known name, or nothing when none is close."""
    close = difflib.get_close_matches(found, list(known), n=1)
    return f" (did you mean {close[0]!r}?)" if close else ""


def listed(names: Iterable[object]) -> str:
    """Return the names separated by commas."""
    return ", ".join(str(name) for name in names) or "nothing"


def visible(text: str) -> str:
    """Return text for one line of a terminal: control characters as their pictures, others unseen as �."""
    return "".join(
        each if each.isprintable() else chr(0x2400 + ord(each)) if ord(each) < 0x20 else "�" for each in text
    )


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


def figure(value: float | None, digits: int = 3) -> str:
    """Format a score; a dash where it is undefined."""
    return "–" if value is None else f"{value:.{digits}f}"


def with_spread(value: float | None, spread: float | None, digits: int = 3) -> str:
    """Format mean ± standard deviation over seeds, or the mean alone with a single seed."""
    mean = figure(value, digits)
    return mean if value is None or spread is None else f"{mean} ± {figure(spread, digits)}"


def between(interval: Sequence[float] | None, digits: int = 3) -> str:
    """Format an interval as `.81 to .92`; a dash where there is none."""
    return "–" if interval is None else f"{figure(interval[0], digits)} to {figure(interval[1], digits)}"


def grouped(value: float | None) -> str:
    """Format a count with thin spaces between thousands; a dash where it is unknown."""
    return "–" if value is None else f"{round(value):,}".replace(",", "\u2009")


def of_limit(used: float | None, limit: float | None) -> str:
    """Format bytes used, with the share of a memory where its size is known."""
    return grouped(used) if used is None or not limit else f"{grouped(used)} ({used / limit:.0%})"


def number(value: float) -> str:
    """Format any real number with three figures: `−0.986`, `32\u2009767`, `2.55·10⁻⁴`."""
    if abs(value) >= 1000:
        text = grouped(value)
    elif value == 0 or abs(value) >= 0.001:
        text = f"{value:.3g}"
    else:
        mantissa, _, exponent = f"{value:.2e}".partition("e")
        text = f"{mantissa}·10{str(int(exponent)).translate(_SUPERSCRIPTS)}"
    return text.replace("-", "−")


def signed(value: float) -> str:
    """Format minutes with their sign and one decimal; what rounds to nothing has none."""
    return "0.0" if abs(value) < 0.05 else f"{value:+.1f}".replace("-", "−")
