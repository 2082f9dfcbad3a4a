"""Session: the core of a field session, which every face drives and shows. It has no screen in it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from threading import Condition, Event, RLock, Thread
from time import monotonic
from types import TracebackType
from typing import Any

from mcukd.errors import UserError
from mcukd.observation.event_recorder import EventRecorder
from mcukd.observation.events import Event as ObserverEvent
from mcukd.observation.folder import SessionFacts, read_facts, require_observer, write_facts
from mcukd.observation.moments import Moment, SessionClock, TagSource
from mcukd.observation.others import Others
from mcukd.observation.snapshot import Snapshots
from mcukd.observation.tag_side import TagSide

#: Seconds of this computer between two looks at the disk, and between two signs of life there.
_BEAT_S, _ALIVE_S = 0.5, 10.0
#: Called after each change, without arguments, from any thread; must return soon.
Listener = Callable[[], None]


class Session:
    """A field session in its folder: observers, their events, the tag and what it tells.

    folder: of a session that is there (`Session.begin` makes one). clock: of the session. Observers join by
    `join`; their keys are taken by the methods of `EventRecorder`, found by `recorder`. A tag is watched by
    `watch`, or its moments are given to `take`. Safe for several threads. Raises UserError where the folder
    is not one of a session.
    """

    def __init__(self, folder: Path, clock: SessionClock) -> None:
        self.folder, self.clock = folder, clock
        self.facts = read_facts(folder)
        self.tag = TagSide(folder, self.facts, clock)
        self.others = Others(folder, self.facts)
        self._recorders: dict[str, EventRecorder] = {}
        self._snapshots = Snapshots(folder, self.facts, clock, self.tag, self.others)
        self._lock = RLock()
        self._changed = Condition()
        self._change = 0
        self._listeners: list[Listener] = []
        self._stop = Event()
        self._threads: list[Thread] = []

    @classmethod
    def begin(cls, folder: Path, facts: SessionFacts, clock: SessionClock) -> Session:
        """Make the folder of a new session and open it. Raises UserError where a session is there."""
        write_facts(folder, facts)
        return cls(folder, clock)

    def join(self, observer: str) -> EventRecorder:
        """Return an observer's event recorder, opened where it is not; an earlier session of theirs goes on.

        Raises UserError for a name that cannot be a file's, and where another process has that observer.
        """
        require_observer(observer)
        with self._lock:
            if observer not in self._recorders:
                self._recorders[observer] = EventRecorder(self.folder, self.facts, observer, self.clock)
            recorder = self._recorders[observer]
        self.tell()
        return recorder

    @property
    def recorders(self) -> dict[str, EventRecorder]:
        """The event recorders of this process's observers by name."""
        with self._lock:
            return dict(self._recorders)

    def recorder(self, observer: str) -> EventRecorder:
        """Return the event recorder of an observer who joined. Raises UserError for another one."""
        with self._lock:
            if observer not in self._recorders:
                raise UserError(f"observer {observer!r} has not joined the session.")
            return self._recorders[observer]

    def press(
        self, observer: str, animal: str, behaviour: str, at_ns: int | None = None, *, press: str = ""
    ) -> ObserverEvent:
        """Take a key, as `EventRecorder.press`, and tell the faces. Returns once it is on disk."""
        return self.did(self.recorder(observer).press(animal, behaviour, at_ns, press=press))

    def undo(self, observer: str, of: int | None = None, *, press: str = "") -> ObserverEvent:
        """Undo an event of an observer, as `EventRecorder.undo`, and tell the faces."""
        return self.did(self.recorder(observer).undo(of, press=press))

    def did(self, event: ObserverEvent) -> ObserverEvent:
        """Tell the faces that an event was taken, and return it."""
        self.tell()
        return event

    def watch(self, source: TagSource) -> None:
        """Take what a tag tells, in a thread of its own, until the session is closed."""
        self.tag.name = source.name

        def listen() -> None:
            try:
                for moment in source.moments(self._stop):
                    self.take(moment)
            except UserError as error:
                self.tag.failed = str(error)
            except Exception as error:  # a fault of this program; a tag that seems connected would hide it
                self.tag.failed = (
                    f"{source.name}: it is no longer listened to ({error!r}); resume the session."
                )
            self.tag.at_end = True
            self.tell()

        self._start(listen, "tag")

    def take(self, moment: Moment) -> None:
        """Take one moment of the tag: into its journal first, then into the state."""
        self.tag.take(moment)
        self.tell()

    def keep_time(self) -> None:
        """Have a thread keep the disk up to date, mark on it that this program runs, and wake the faces."""

        def beat() -> None:
            marked = monotonic()
            while not self._stop.wait(_BEAT_S):
                self.tag.sync()
                if monotonic() - marked > _ALIVE_S:
                    marked = monotonic()
                    for recorder in self.recorders.values():
                        recorder.mark_alive()
                self.tell()

        self._start(beat, "beat")

    def snapshot(self, fresh: bool = False) -> dict[str, Any]:
        """Return all that a face shows, in JSON types; see `mcukd.observation.snapshot`.

        fresh: compute the agreement anew, however short ago that was done.
        """
        return self._snapshots.take(self.recorders, self.change, fresh)

    def listen(self, listener: Listener) -> Callable[[], None]:
        """Have `listener` called after each change; return a function that ends that."""
        with self._lock:
            self._listeners.append(listener)

        def end() -> None:
            with self._lock:
                if listener in self._listeners:
                    self._listeners.remove(listener)

        return end

    @property
    def change(self) -> int:
        """Number of the last change, from 0."""
        return self._change

    def wait(self, after: int, timeout: float | None = None) -> int:
        """Wait until there is a change later than number `after`, or s passed; return the last one's."""
        with self._changed:
            self._changed.wait_for(lambda: self._change > after, timeout)
            return self._change

    def tell(self) -> None:
        """Tell the faces that something changed."""
        with self._changed:
            self._change += 1
            self._changed.notify_all()
        with self._lock:
            listeners = list(self._listeners)
        for each in listeners:
            each()

    def close(self) -> None:
        """End the threads and give all files free; the session can be opened again."""
        self._stop.set()
        for each in self._threads:
            each.join(timeout=5)
        for recorder in self.recorders.values():
            recorder.mark_alive()
            recorder.close()
        self.tag.close()

    def __enter__(self) -> Session:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _start(self, run: Callable[[], None], name: str) -> None:
        thread = Thread(target=run, name=f"session {name}", daemon=True)
        self._threads.append(thread)
        thread.start()
