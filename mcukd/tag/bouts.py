"""Reference of `tag_bouts.c`: uninterrupted runs of one class."""

from __future__ import annotations

from dataclasses import dataclass

CHANGED, GAP, FULL, STOPPED = range(4)
#: Why a bout ended, in words.
ENDS = {
    CHANGED: "another class followed",
    GAP: "samples were lost",
    FULL: "its length cannot count further",
    STOPPED: "the tag stopped",
}
LENGTH_MAX = (1 << 32) - 1


@dataclass(frozen=True)
class Bout:
    """A run of results of one class.

    start: seconds of the tag's clock at its first result. length: in results.
    """

    start: int
    class_found: int
    length: int


class Bouts:
    """The bout under way."""

    def __init__(self) -> None:
        self.under_way: Bout | None = None

    def result(self, class_found: int, seconds: int) -> tuple[Bout, int] | None:
        """Take a result; return the bout that it ends, and why, or None."""
        bout = self.under_way
        same = bout is not None and bout.class_found == class_found
        if bout is not None and same and bout.length < LENGTH_MAX:
            self.under_way = Bout(bout.start, class_found, bout.length + 1)
            return None
        self.under_way = Bout(seconds, class_found, 1)
        return None if bout is None else (bout, FULL if same else CHANGED)

    def end(self) -> Bout | None:
        """End the bout under way, as at a gap, and return it."""
        bout, self.under_way = self.under_way, None
        return bout
