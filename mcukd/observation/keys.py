"""Keys of behaviours: which key of a keyboard, or which place on a page, each behaviour has."""

from __future__ import annotations

from collections.abc import Sequence

#: Digits first, then letters that mean nothing else on the screen.
KEYS = "1234567890" + "abdefghijklmvwxyz"


def keys_of(behaviours: Sequence[str]) -> dict[str, str]:
    """Return key → behaviour, in their order. Behaviours beyond `KEYS` have none."""
    return dict(zip(KEYS, behaviours))
