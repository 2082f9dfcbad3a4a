"""Tracks for tests: random ones, and ones written as a word."""

from __future__ import annotations

from hypothesis import strategies as st

from mcukd.metrics.agreement.track import NS, Track, track_of

CLASSES = ("grazing", "resting", "walking")


@st.composite
def tracks(draw: st.DrawFn, least: int = 0) -> Track:
    """Return a track of up to eight intervals of 1 to 5 ns, with gaps, before moment 80."""
    pieces = draw(
        st.lists(
            st.tuples(st.integers(0, 2), st.integers(1, 5), st.integers(0, 2)), min_size=least, max_size=8
        )
    )
    at, intervals = draw(st.integers(0, 3)), []
    for gap, length, behaviour in pieces:
        intervals.append((at + gap, at + gap + length, behaviour))
        at += gap + length
    return track_of("a", "s", CLASSES, intervals)


def spelled(
    word: str,
    *,
    animal: str = "cow1",
    source: str = "observer",
    classes: tuple[str, ...] = CLASSES,
    unit_ns: int = NS,
) -> Track:
    """Return a track of a word: each letter is one unit of the class it begins, a dot is not known.

    "ggr.w" is two units grazing, one resting, one not known, one walking.
    """
    initials = [name[0] for name in classes]
    intervals = [
        (k * unit_ns, (k + 1) * unit_ns, initials.index(letter))
        for k, letter in enumerate(word)
        if letter != "."
    ]
    return track_of(animal, source, classes, intervals).bouts()
