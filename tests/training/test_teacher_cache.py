"""Teacher cache: outputs belong to the windows drawn, and the teacher is called no more than needed."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mcukd.training import teacher_cache as module
from mcukd.training.augmentation import Augmentation, Augmenter
from mcukd.training.teacher_cache import COPIES, AugmentedTeacherCache, mixup

OUTPUTS = ("logits", "number")
WINDOWS = np.random.default_rng(0).normal([0, 0, -1], 0.3, (40, 12, 3)).astype(np.float32)


class Teacher:
    """Answers with the windows' own first samples and numbers, and counts what it is asked."""

    def __init__(self) -> None:
        self.asked = 0

    def __call__(self, windows: np.ndarray, index: np.ndarray) -> dict[str, np.ndarray]:
        self.asked += len(windows)
        return {"logits": windows[:, 0], "number": index[:, None], "unused": windows}


def cache_of(teacher: Teacher, passes: float, seed: int = 0) -> AugmentedTeacherCache:
    augment = Augmenter(WINDOWS, Augmentation(turn="any"))
    return AugmentedTeacherCache(WINDOWS, augment, lambda names: teacher, OUTPUTS, passes, (seed, 1))


@given(passes=st.sampled_from([1, COPIES, COPIES + 1, 500]), seed=st.integers(0, 5))
def test_outputs_are_those_of_the_windows_drawn(passes: float, seed: int) -> None:
    rng = np.random.default_rng(seed)
    chosen = rng.integers(len(WINDOWS), size=30)
    drawn, outputs = cache_of(Teacher(), passes, seed).draw(chosen, rng, OUTPUTS)
    np.testing.assert_array_equal(outputs["logits"], drawn[:, 0])
    np.testing.assert_array_equal(outputs["number"][:, 0], chosen)
    assert set(outputs) == {"logits", "number"}
    # A turn keeps every sample's length.
    np.testing.assert_allclose(
        np.linalg.norm(drawn, axis=2), np.linalg.norm(WINDOWS[chosen], axis=2), rtol=1e-4
    )


def test_the_teacher_is_called_once_for_each_copy() -> None:
    teacher = Teacher()
    cache, rng, seen = cache_of(teacher, 100), np.random.default_rng(0), set()
    for _ in range(200):
        drawn, _ = cache.draw(np.array([7, 7]), rng, OUTPUTS)
        seen.update(map(bytes, drawn))
    assert len(seen) == COPIES and teacher.asked == COPIES * len(WINDOWS)


def test_few_passes_get_a_new_view_each_time() -> None:
    teacher = Teacher()
    cache, rng = cache_of(teacher, COPIES), np.random.default_rng(0)
    assert teacher.asked == 0
    drawn, _ = cache.draw(np.zeros(50, np.int64), rng, OUTPUTS)
    assert len(set(map(bytes, drawn))) == 50 and teacher.asked == 50


@pytest.mark.parametrize("passes", [COPIES, 100])
def test_phases_that_read_one_output_draw_the_same_windows(passes: float) -> None:
    """Phases may read different outputs of a teacher, which one forward pass computes."""
    teacher, chosen = Teacher(), np.arange(20)
    cache = cache_of(teacher, passes)
    both, one = (
        cache.draw(chosen, np.random.default_rng(2), teacher_outputs)
        for teacher_outputs in (OUTPUTS, OUTPUTS[:1])
    )
    assert set(both[1]) == set(OUTPUTS) and set(one[1]) == set(OUTPUTS[:1])
    np.testing.assert_array_equal(both[0], one[0])
    np.testing.assert_array_equal(both[1]["logits"], one[1]["logits"])
    assert teacher.asked == (2 * len(chosen) if passes == COPIES else COPIES * len(WINDOWS))


def test_copies_are_those_of_the_seed_whatever_was_shown_before() -> None:
    """An interrupted fit makes them anew and must get the same."""
    first, second, other = (cache_of(Teacher(), 100, seed) for seed in (3, 3, 4))
    first.draw(np.arange(20), np.random.default_rng(1), OUTPUTS)
    chosen = np.arange(len(WINDOWS))
    a, b, c = (one.draw(chosen, np.random.default_rng(5), OUTPUTS)[0] for one in (first, second, other))
    np.testing.assert_array_equal(a, b)
    assert not np.array_equal(a, c)


@pytest.mark.parametrize(("copies", "kept"), [(1.5, 0), (2.5, 2), (1000, COPIES)])
def test_copies_take_no_more_memory_than_they_may(
    copies: float, kept: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    size = WINDOWS.nbytes + 4 * len(WINDOWS) * (3 + 1)
    monkeypatch.setattr(module, "LARGEST_BYTES", int(copies * size))
    assert len(cache_of(Teacher(), 100).copies) == kept


def test_without_a_listener_windows_are_always_fresh() -> None:
    cache = AugmentedTeacherCache(
        WINDOWS, Augmenter(WINDOWS, Augmentation(turn="any")), None, (), 1e6, (0, 0)
    )
    drawn, outputs = cache.draw(np.zeros(50, np.int64), np.random.default_rng(0), ())
    assert outputs == {} and len(set(map(bytes, drawn))) == 50


def test_blends_lie_between_two_windows_and_are_answered_themselves() -> None:
    """Channel 0 tells every window's number: a blend's is between that of its two, in one proportion."""
    number = np.arange(40, dtype=np.float32)
    windows = np.stack([number, number**2, 1 + 0 * number], axis=1)[:, None] * np.ones((1, 12, 1), np.float32)
    mixup_fraction = mixup(windows, 0.5, np.random.default_rng(0))
    assert mixup_fraction.dtype == np.float32
    assert np.allclose(mixup_fraction[..., 2], 1, atol=1e-5)  # proportions sum to one
    assert 8 <= np.sum(np.any(np.abs(mixup_fraction - windows) > 1e-4, axis=(1, 2))) <= 32
    assert np.all(np.ptp(mixup_fraction, axis=1) < 1e-3)  # one proportion for all samples of a window
    # A blend of m and n has mean square between the squared mean and what the outermost pair gives.
    assert np.all(mixup_fraction[:, 0, 1] >= mixup_fraction[:, 0, 0] ** 2 - 1e-2)
    np.testing.assert_array_equal(mixup(windows, 0.0, np.random.default_rng(0)), windows)
    teacher = Teacher()
    augment = Augmenter(windows, Augmentation(turn="none"))
    cache = AugmentedTeacherCache(
        windows, augment, lambda names: teacher, ("logits",), 100, (0, 0), mixup_fraction=1.0
    )
    drawn, outputs = cache.draw(np.arange(40), np.random.default_rng(1), ("logits",))
    np.testing.assert_array_equal(outputs["logits"], drawn[:, 0])
    assert np.mean(np.abs(drawn[:, 0, 0] - number) > 1e-3) > 0.8
