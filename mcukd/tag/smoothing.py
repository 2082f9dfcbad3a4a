"""Reference of `tag_smoothing.c`: results too close to call, and the majority of the last results."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence


def with_unknown(class_found: int, logits: Sequence[int], margin: int) -> int:
    """Return the class, or the number of classes (unknown) where another logit is within `margin`.

    class_found: the number of classes where the model itself refuses to name one; that stays unknown.
    logits: one integer a class, in the format of the model's output. margin: in the same format; at 0 no
    result of the largest logit is unknown.
    """
    if class_found >= len(logits):
        return len(logits)
    others = (value for k, value in enumerate(logits) if k != class_found)
    return len(logits) if any(logits[class_found] - value < margin for value in others) else class_found


class Smoothing:
    """Majority of the last `k` results, since the start or the last gap.

    Of classes that are equally frequent the one given last stays; where it is none of them, the one seen
    last is taken. A majority follows a change (k + 1) / 2 results later.
    """

    def __init__(self, k: int) -> None:
        self._last: deque[int] = deque(maxlen=k)
        self._given: int | None = None

    def reset(self) -> None:
        """Forget all results, as at a gap."""
        self._last.clear()
        self._given = None

    def result(self, class_found: int) -> int:
        """Take a result and return the smoothed one."""
        self._last.appendleft(class_found)
        most = max(self._last.count(each) for each in self._last)
        tied = [each for each in self._last if self._last.count(each) == most]
        self._given = self._given if self._given in tied else tied[0]
        assert self._given is not None
        return self._given
