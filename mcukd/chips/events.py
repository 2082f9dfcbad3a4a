"""Queue of what is going to happen on a modelled chip, ordered by virtual time in cycles of the core."""

from __future__ import annotations

import heapq
from collections.abc import Callable

#: A time that never comes.
NEVER = 1 << 62


class Event:
    """An event that was scheduled; `cancel` makes it nothing."""

    __slots__ = ("action", "at")

    def __init__(self, at: int, action: Callable[[], None]) -> None:
        self.at = at
        self.action: Callable[[], None] | None = action

    def cancel(self) -> None:
        """Let it not happen."""
        self.action = None


class Events:
    """Events by time; those of one time happen in the order in which they were scheduled."""

    def __init__(self) -> None:
        self._heap: list[tuple[int, int, Event]] = []
        self._count = 0

    def schedule(self, at: int, action: Callable[[], None]) -> Event:
        """Let `action` happen at cycle `at`; one in the past happens as soon as the core looks."""
        event = Event(at, action)
        self._count += 1
        heapq.heappush(self._heap, (at, self._count, event))
        return event

    def next_at(self) -> int:
        """Return the cycle of the next event, `NEVER` where there is none."""
        while self._heap and self._heap[0][2].action is None:
            heapq.heappop(self._heap)
        return self._heap[0][0] if self._heap else NEVER

    def pop_due(self, now: int) -> Event | None:
        """Take the next event out of the queue where its time has come."""
        if self.next_at() > now:
            return None
        return heapq.heappop(self._heap)[2]

    def clear(self) -> None:
        """Forget all events, as a reset does."""
        self._heap.clear()
