"""Lost and repeated payloads, told apart by their sequence and the number of the tag's start."""

from __future__ import annotations

from collections import deque

from mcukd.payload.coding import Payload
from mcukd.text import plural

#: What a payload is to those received before it.
FIRST, NEXT, REPEATED, LOST_BEFORE, RESTARTED, NOT_TOLD = (
    "first", "next", "repeated", "lost before", "restarted", "not told",
)  # fmt: skip


class Reception:
    """Payloads of one tag in the order in which they were received.

    A payload is repeated where one of the last received has the same bytes: half as many are remembered as
    the sequence has values, so that a later period with the same counts is not taken for one of them.
    """

    def __init__(self) -> None:
        self._before: Payload | None = None
        self._recent: deque[bytes] = deque()

    def next(self, raw: bytes, payload: Payload) -> tuple[str, int]:
        """Return what a payload is, and how many were lost before it that are known of.

        After a restart those lost of the new start are known; of the old start some more may be. More lost
        than the sequence has values count only beyond the whole multiples of it.
        """
        values = {each.name: each.bits for each in payload.layout.fields}
        if "sequence" not in values:
            return NOT_TOLD, 0
        if raw in self._recent:
            return REPEATED, 0
        size = 1 << values["sequence"]
        self._recent.append(raw)
        while len(self._recent) > size // 2:
            self._recent.popleft()
        before, self._before = self._before, payload
        sequence = payload.values["sequence"]
        if before is None:
            return FIRST, 0
        if before.values.get("starts") != payload.values.get("starts"):
            return RESTARTED, sequence
        lost = (sequence - before.values["sequence"] - 1) % size
        return (LOST_BEFORE, lost) if lost else (NEXT, 0)


def reception_text(kind: str, lost: int) -> str:
    """Return what a payload is in words; nothing where it is as expected."""
    if kind == RESTARTED:
        return f"the tag restarted; {plural(lost, 'payload')} lost since" if lost else "the tag restarted"
    if kind == LOST_BEFORE:
        return f"{plural(lost, 'payload')} lost before"
    return "repeated" if kind == REPEATED else ""
