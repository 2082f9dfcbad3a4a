"""The time that results of a tag stand for."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from mcukd.tag.spans import result_span, result_spans, run_span

WINDOW, HOP = 5_120, 1_280


def test_a_result_stands_for_the_middle_of_its_window():
    start, end = result_span(10_000, WINDOW, HOP)
    assert end - start == HOP
    assert (start + end) // 2 == 10_000 - WINDOW // 2


def test_windows_without_overlap_stand_for_themselves():
    assert result_span(10_000, WINDOW, WINDOW) == (10_000 - WINDOW, 10_000)


def test_a_majority_is_moved_back_by_the_results_it_waits_for():
    plain, smoothed = result_span(10_000, WINDOW, HOP), result_span(10_000, WINDOW, HOP, smoothing=3)
    assert plain[0] - smoothed[0] == HOP


def test_a_run_is_its_results_one_after_another():
    assert run_span(10_000, 3, WINDOW, HOP)[0] == result_span(10_000, WINDOW, HOP)[0]
    assert run_span(10_000, 3, WINDOW, HOP)[1] == result_span(10_000 + 2 * HOP, WINDOW, HOP)[1]


def test_results_in_a_row_cover_time_without_gap():
    numbers = np.arange(5)
    starts, ends = result_spans(numbers, 10_000 + numbers * HOP, WINDOW, HOP)
    assert list(starts[1:]) == list(ends[:-1])
    assert (int(starts[0]), int(ends[0])) == result_span(10_000, WINDOW, HOP)


def test_a_result_read_late_is_dated_by_the_next():
    made = 10_000 + np.array([0, HOP + 900, 2 * HOP, 3 * HOP])
    starts, _ = result_spans(np.arange(4), made, WINDOW, HOP)
    assert list(np.diff(starts)) == [HOP] * 3


def test_missing_results_leave_time_uncovered():
    starts, ends = result_spans(np.array([0, 1, 4]), 10_000 + HOP * np.array([0, 1, 4]), WINDOW, HOP)
    assert starts[2] - ends[1] == 2 * HOP
    # Numbers go on after lost samples, but time passed.
    starts, ends = result_spans(np.arange(3), 10_000 + HOP * np.array([0, 1, 30]), WINDOW, HOP)
    assert ends[1] < starts[2]


@given(
    st.lists(st.tuples(st.integers(1, 3), st.integers(0, 5_000)), min_size=1, max_size=40), st.integers(1, 5)
)
def test_spans_never_overlap(steps, smoothing):
    numbers, made = np.cumsum(np.array(steps, np.int64), axis=0).T
    starts, ends = result_spans(numbers, made, WINDOW, HOP, smoothing)
    assert np.all(starts <= ends) and np.all(ends[:-1] <= starts[1:])
