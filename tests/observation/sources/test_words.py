"""Moments of a tag in words."""

from __future__ import annotations

import numpy as np

from mcukd.observation.moments import (
    MESSAGES,
    RESULTS,
    SAMPLES,
    ClockReading,
    Connected,
    Disconnected,
    Gap,
    Result,
    Samples,
)
from mcukd.observation.sources.words import words_of

AT = 1_767_225_661_250_000_000


def test_each_moment_is_a_line() -> None:
    result = Result(AT, 1234, 0, 1, None, (5, -7))
    assert (words_of(result, ["grazing", "resting"]) or "").split() == [
        "00:01:01.2Z", "1,234", "unknown", "resting", "5", "-7",
    ]  # fmt: skip
    assert "class 1" in (words_of(result) or "")
    connected = Connected(AT, "00ab", "cow-17", 3, "collar", "", "", 2, 256, 64, 50.0, True)
    assert words_of(connected) == "00:01:01.2Z  connected: cow-17, chip 00ab, collar, emulated, start 3"
    assert words_of(Disconnected(AT, "no tag.")) == "00:01:01.2Z  no tag."
    for what, lost, words in (
        (SAMPLES, 0, "the tag lost samples"),
        (SAMPLES, 1, "the tag lost 1 sample"),
        (MESSAGES, 2, "2 messages of the tag did not arrive"),
        (RESULTS, 3, "3 results made while nobody listened; the tag's log has them"),
    ):
        assert words_of(Gap(AT, 0, lost, what)) == f"00:01:01.2Z  {words}"
    assert words_of(ClockReading(0, AT, 1)) is None
    assert words_of(Samples(AT, 0, 0, np.zeros((1, 3), np.int16), False)) is None
