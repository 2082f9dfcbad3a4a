"""Animals under two names: spellings, and samples that two sources have in common."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from builders.training import herd

from mcukd.data.same_animal import named_alike, named_otherwise, spelling


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("Cow 7", "cow_07", True),
        ("7", "007", True),
        ("7", "7.0", True),
        ("BELLA ", "bella", True),
        ("1-2", "12", False),
        ("7", "70", False),
        ("0", "00", True),
        ("cow", "cow1", False),
        ("é", "E\u0301", True),
        ("-", "_", False),
    ],
)
def test_names_are_one_where_only_the_spelling_differs(one, other, same):
    assert (spelling(one) == spelling(other)) == same
    assert named_alike(np.array([other, "x"]), [one]).tolist() == [same, False]
    assert not named_alike(np.array([other]), []).any()


def test_samples_of_an_animal_are_found_wherever_a_window_begins():
    windows = herd()
    others = replace(herd(), counts=windows.counts[::-1] + np.int16(1))
    assert named_otherwise(windows, others) == {}
    joined = windows.counts[windows.animals == "c"].reshape(-1, 3)
    for start in (0, 1, 15, 16, 17, 31, 45):
        counts = others.counts.copy()
        counts[7] = joined[start : start + 32]
        assert named_otherwise(windows, replace(others, counts=counts)) == {"a": "c"}, start
        names = np.where(np.arange(len(others)) == 7, "C", others.animals)
        assert named_otherwise(windows, replace(others, counts=counts, animals=names)) == {}, start


def test_rest_is_no_sign_of_one_animal():
    windows = herd()
    still = np.full_like(windows.counts, 5)
    assert named_otherwise(replace(windows, counts=still), replace(windows, counts=still)) == {}
