"""Dialogs of the terminal screen: one line of text, and how to leave."""

from __future__ import annotations

from typing import ClassVar

from textual.app import ComposeResult
from textual.containers import Vertical
from textual.screen import ModalScreen
from textual.widgets import Input, Static

ENDS, LEAVES = "end", "leave"


class Ask(ModalScreen[str | None]):
    """Dialog for one line of text; None where it was left by Esc."""

    BINDINGS: ClassVar = [("escape", "dismiss(None)", "Back")]

    def __init__(self, title: str, hint: str, value: str = "") -> None:
        super().__init__()
        self._title, self._hint, self._value = title, hint, value

    def compose(self) -> ComposeResult:
        """Lay the dialog out."""
        with Vertical(classes="dialog"):
            yield Static(self._title, classes="title", markup=False)  # it has an animal's name
            yield Input(self._value, placeholder=self._hint, select_on_focus=False)
            yield Static(f"{self._hint}\nEnter takes it, Esc goes back.", classes="hint")

    def on_input_submitted(self, event: Input.Submitted) -> None:
        """Close with the text."""
        self.dismiss(event.value)


class Leave(ModalScreen[str | None]):
    """Dialog on how to leave: `ENDS`, `LEAVES`, or None to stay."""

    BINDINGS: ClassVar = [
        ("e", f"dismiss('{ENDS}')", "End"),
        ("l", f"dismiss('{LEAVES}')", "Leave"),
        ("escape", "dismiss(None)", "Back"),
    ]

    def compose(self) -> ComposeResult:
        """Lay the dialog out."""
        with Vertical(classes="dialog"):
            yield Static("Leave the session?", classes="title")
            yield Static(
                "e    end it: behaviours end now\nl    leave it open: --resume goes on with it\nEsc  stay"
            )
