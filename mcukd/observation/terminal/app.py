"""Terminal screen of a field session: keys go to the session's core, and what it says is shown."""

from __future__ import annotations

from collections.abc import Callable
from datetime import tzinfo
from time import monotonic
from typing import ClassVar

from rich.table import Table
from rich.text import Text
from textual import events
from textual.app import App, ComposeResult
from textual.binding import Binding
from textual.containers import Horizontal, Vertical, VerticalScroll
from textual.widgets import Footer, Static

from mcukd.errors import UserError
from mcukd.observation.clocks.local_time import zone_named
from mcukd.observation.events import FOCAL, SCAN
from mcukd.observation.events import Event as ObserverEvent
from mcukd.observation.keys import keys_of
from mcukd.observation.session import Session
from mcukd.observation.terminal import panels
from mcukd.observation.terminal.dialogs import ENDS, Ask, Leave

NS = 1_000_000_000
#: Seconds between two looks for a change, and the longest time without drawing.
_LOOK_S, _DRAW_S = 0.1, 0.5
#: Lines that everything but the keys' labels needs.
_ROOM = 20
#: Columns of the keys' labels, as in the style sheet.
_KEYS = 38


class ObserveApp(App[None]):
    """Screen of one observer.

    A key counts once the core says that it is on disk; only then is it shown as taken. zone: for wall times;
    the session's without it.
    """

    TITLE = "mcukd observe"
    CSS = """
    Screen { layout: vertical; overflow: hidden; }
    #head, #animals, #state, #told { height: 1; }
    #told { margin: 0 1; }
    #middle { height: auto; margin: 1 0 0 0; }
    #keys { width: 38; height: auto; padding: 0 1; }
    #right { width: 1fr; height: auto; }
    #tag, #agreement, #figures { height: auto; }
    #figures { margin: 1 0 0 0; }
    #ethogram { height: auto; margin: 1 1 0 1; }
    #events { height: 1fr; margin: 1 1 0 1; }
    .dialog { width: 72; height: auto; border: round $accent; padding: 1 2; background: $surface; }
    .title { text-style: bold; }
    .hint { color: $text-muted; }
    Ask, Leave { align: center middle; }
    """
    BINDINGS: ClassVar = [
        Binding("tab", "next_animal", "Animal", priority=True),
        Binding("shift+tab", "last_animal", show=False, priority=True),
        Binding("u", "undo", "Undo"),
        Binding("c", "correct", "Correct"),
        Binding("n", "note", "Note"),
        Binding("o", "out_of_sight", "Out of sight"),
        Binding("p", "pause", "Pause"),
        Binding("t", "tap", "Tap"),
        Binding("s", "sample", "Sampling"),
        Binding("q", "leave", "Leave"),
        Binding("ctrl+c", "leave", show=False),
    ]
    ENABLE_COMMAND_PALETTE = False

    def __init__(self, session: Session, observer: str, zone: tzinfo | None = None) -> None:
        super().__init__()
        self.session, self.observer = session, observer
        self.recorder = session.join(observer)
        self.keys = keys_of(session.facts.behaviours)
        self.animal = session.facts.animals[0]
        self._zone = zone or zone_named(session.facts.zone)
        self._drawn, self._drawn_at = -1, 0.0
        self._scan: float | None = None

    def compose(self) -> ComposeResult:
        """Lay the screen out."""
        yield Static(id="head")
        yield Static(id="animals")
        yield Static(id="state")
        yield Static(id="told")
        with Horizontal(id="middle"):
            yield Static(id="keys")
            with Vertical(id="right"):
                yield Static(id="tag")
                yield Static(id="agreement")
                yield Static(id="figures")
        yield Static(id="ethogram")
        with VerticalScroll(id="events"):
            yield Static(id="log")
        yield Footer()

    def on_mount(self) -> None:
        """Begin to look for changes."""
        self.set_interval(_LOOK_S, self._look)
        self.draw()

    def on_resize(self) -> None:
        """Draw for the new size."""
        self._drawn = -1

    def on_key(self, event: events.Key) -> None:
        """Take the key of a behaviour."""
        behaviour = self.keys.get(event.character or "")
        if behaviour is None or len(self.screen_stack) > 1:
            return
        event.stop()
        animal = self.animal
        self.take(lambda: self.recorder.press(animal, behaviour))
        if self.recorder.state().mode == SCAN:
            self.action_next_animal()

    def take(self, taking: Callable[[], ObserverEvent]) -> ObserverEvent | None:
        """Have the core take an event, and show that it did, or why not."""
        told = self.query_one("#told", Static)
        try:
            event = self.session.did(taking())
        except UserError as error:
            told.update(panels.refused(str(error)))
            self.bell()
            self.draw()
            return None
        told.update(panels.taken(event, self._zone))
        self.draw()
        return event

    def draw(self) -> None:
        """Show the session as it is now."""
        self._drawn, self._drawn_at = self.session.change, monotonic()
        shown = self.session.snapshot()
        mine = shown["observers"][self.observer]
        said = shown["tag"]["behaviour"] if shown["tag"] and self.animal == shown["tag"]["animal"] else None
        does = mine["animals"][self.animal]["behaviour"]
        parts: dict[str, Text | Table] = {
            "head": panels.head(shown, self.observer, self._zone),
            "animals": panels.animals(shown, self.observer, self.animal),
            "state": panels.state_line(shown, self.observer),
            "keys": panels.keys_panel(
                self.keys, does, said, large=self.size.height > _ROOM + 2 * len(self.keys)
            ),
            "tag": panels.tag_line(shown, self._zone),
            "agreement": panels.agreement_line(shown, self.observer),
            "figures": panels.figures(shown, self.observer, self.animal, self.size.width - _KEYS),
            "ethogram": panels.ethograms(shown, self.animal, self.keys, self.size.width - 2),
            "log": panels.events_panel(shown, self.observer, self._zone),
        }
        for name, content in parts.items():
            self.screen_stack[0].query_one(f"#{name}", Static).update(content)
        if self._scan is not None and mine["next_scan"] != self._scan:
            self.bell()
            self.animal = self.session.facts.animals[0]
        self._scan = mine["next_scan"]

    def action_next_animal(self, by: int = 1) -> None:
        """Have keys be for the next animal."""
        names = self.session.facts.animals
        self.animal = names[(names.index(self.animal) + by) % len(names)]
        self.draw()

    def action_last_animal(self) -> None:
        """Have keys be for the animal before."""
        self.action_next_animal(-1)

    def action_undo(self) -> None:
        """Undo the newest event that counts."""
        self.take(self.recorder.undo)

    def action_out_of_sight(self) -> None:
        """Take it that the animal cannot be seen."""
        animal = self.animal
        self.take(lambda: self.recorder.out_of_sight(animal))

    def action_pause(self) -> None:
        """Pause, or go on."""
        self.take(self.recorder.resume if self.recorder.state().paused else self.recorder.pause)

    def action_tap(self) -> None:
        """Take it that the tag was tapped now."""
        self.take(self.recorder.tap)

    def action_note(self) -> None:
        """Ask for a note and take it, at the time at which it was begun."""
        at, animal = self.session.clock.now_ns(), self.animal

        def done(text: str | None) -> None:
            if text and text.strip():
                self.take(lambda: self.recorder.note(text, animal, at))

        self.push_screen(Ask(f"Note on {animal}", "text"), done)

    def action_correct(self) -> None:
        """Ask for a correction of an event."""
        last = self.recorder.state().last
        if last is None:
            self.take(self.recorder.undo)  # says that there is nothing
            return

        def done(text: str | None) -> None:
            if text and text.strip():
                self.take(lambda: self._correct(text))

        hint = "NUMBER, then KEY of a behaviour, or +/- SECONDS, or both: 12 3 -2.5"
        self.push_screen(Ask("Correct an event", hint, f"{last.event.number} "), done)

    def _correct(self, text: str) -> ObserverEvent:
        number, *words = text.split()
        behaviour, to_ns = None, None
        of = _whole(number)
        for word in words:
            if word[0] in "+-":
                standing = next(
                    (one for one in self.recorder.state().standings if one.event.number == of), None
                )
                if standing is None:
                    raise UserError(f"there is no event {of}.")
                to_ns = standing.utc_ns + round(_seconds(word) * NS)
            else:
                behaviour = self.keys.get(word, word)
        return self.recorder.correct(of, behaviour, to_ns)

    def action_sample(self) -> None:
        """Ask how animals are to be watched."""

        def done(text: str | None) -> None:
            if text and text.strip():
                self.take(lambda: self._sample(text))

        self.push_screen(Ask("How are animals watched?", "focal, or scan SECONDS: scan 60"), done)

    def _sample(self, text: str) -> ObserverEvent:
        mode, *words = text.split()
        return self.recorder.sample(mode, _whole(words[0]) if words and mode != FOCAL else 0)

    def action_leave(self) -> None:
        """Ask whether to end the session, and leave."""

        def done(how: str | None) -> None:
            if how is None or (how == ENDS and self.take(self.recorder.end) is None):
                return
            self.exit()

        self.push_screen(Leave(), done)

    def _look(self) -> None:
        if self.session.change != self._drawn or monotonic() - self._drawn_at > _DRAW_S:
            self.draw()


def _whole(word: str) -> int:
    if not (word.isascii() and word.isdigit() and len(word) < 100):
        raise UserError(f"{word!r} is no whole number.")
    return int(word)


def _seconds(word: str) -> float:
    try:
        found = float(word)
    except ValueError:
        found = float("nan")
    if not abs(found) < 1e6:
        raise UserError(f"{word!r} are no seconds; write -2.5 or +1.")
    return found
