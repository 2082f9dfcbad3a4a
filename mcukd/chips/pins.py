"""Pins of a modelled chip: what drives them from outside, what the chip drives, and who listens."""

from __future__ import annotations

from collections.abc import Callable

from mcukd.chips.bus import BusDevice

#: Called with the number of a pin and its new level.
PinAction = Callable[[int, bool], None]


class Pins:
    """Levels of pins. A pin that nothing drives is pulled as the chip sets it up, low without a pull."""

    def __init__(self, count: int) -> None:
        self.count = count
        self._outside: dict[int, bool] = {}
        self._inside: dict[int, bool] = {}
        self._pulls: dict[int, bool] = {}
        self._levels: dict[int, bool] = {}
        self._listeners: list[PinAction] = []

    def listen(self, action: PinAction) -> None:
        """Call `action(pin, level)` at every change of a level."""
        self._listeners.append(action)

    def level(self, pin: int) -> bool:
        """Return the level of a pin."""
        return self._levels.get(pin, False)

    def driven(self, pin: int) -> bool:
        """Return whether the chip drives a pin."""
        return pin in self._inside

    def drive(self, pin: int, level: bool | None) -> None:
        """Drive a pin from outside the chip; None lets it go."""
        self._set(self._outside, pin, level)

    def output(self, pin: int, level: bool | None) -> None:
        """Drive a pin by the chip; None makes it an input."""
        self._set(self._inside, pin, level)

    def pull(self, pin: int, level: bool | None) -> None:
        """Set the chip's pull resistor of a pin: True up, False down, None off."""
        self._set(self._pulls, pin, level)

    def connect(self, device: BusDevice, name: str, pin: int) -> None:
        """Let an output pin of a device drive a pin of the chip."""
        self.drive(pin, device.pins.get(name, False))
        device.on_pin(lambda changed, level: self.drive(pin, level) if changed == name else None)

    def release_all(self) -> None:
        """Make every pin an input without pull, as a reset does; what drives from outside stays."""
        for pin in {*self._inside, *self._pulls}:
            self._inside.pop(pin, None)
            self._pulls.pop(pin, None)
            self._update(pin)

    def _set(self, levels: dict[int, bool], pin: int, level: bool | None) -> None:
        if level is None:
            levels.pop(pin, None)
        else:
            levels[pin] = level
        self._update(pin)

    def _update(self, pin: int) -> None:
        level = self._inside.get(pin, self._outside.get(pin, self._pulls.get(pin, False)))
        if level == self._levels.get(pin, False):
            return
        self._levels[pin] = level
        for action in self._listeners:
            action(pin, level)
