"""Results that a tag tells, proven on the samples that it tells."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from builders.students import random_model, random_windows

from mcukd.fixedpoint.reference import as_stream, run, run_stream
from mcukd.observation.moments import Connected, Moment, Result, Samples
from mcukd.observation.sources.proof import DIFFERENT, EQUAL, MISSING, StreamProof

STEPS, HOP = 30, 7
MODEL = replace(random_model(3, hidden=11, dense=6, classes=3, steps=STEPS), hop=HOP)
COUNTS = np.concatenate(random_windows(6, STEPS, seed=5).counts)
CONNECTED = Connected(0, "", "", 1, "collar", "", MODEL.sha256, 3, STEPS, HOP, 50.0, True)


def told(chunk: int) -> list[Moment]:
    """The stream of a tag that reads its sensor `chunk` samples at a time: samples before their result."""
    ends = range(STEPS, len(COUNTS) + 1, HOP)
    found = run(MODEL, np.stack([COUNTS[end - STEPS : end] for end in ends]))
    results = dict(zip(ends, zip(found.classes.tolist(), found.logits.tolist())))
    stream, first = list[Moment](), 0
    for at in range(1, len(COUNTS) + 1):
        if at in results or at - first == chunk or at == len(COUNTS):
            stream.append(Samples(0, first, 0, COUNTS[first:at], False))
            first = at
        if at in results:
            raw, logits = results[at]
            stream.append(Result(0, len(stream), 0, raw, raw, tuple(logits), at))
    return stream


def said(stream: list[Moment]) -> list[str]:
    proof = StreamProof(MODEL)
    return [verdict for verdict in map(proof.take, [CONNECTED, *stream]) if verdict is not None]


@pytest.mark.parametrize("chunk", [1, 5, 64])
def test_right_results_are_equal(chunk: int) -> None:
    stream = told(chunk)
    assert set(said(stream)) == {EQUAL} and len(said(stream)) == (len(COUNTS) - STEPS) // HOP + 1


def test_an_unknown_window_is_equal_where_its_logits_are() -> None:
    stream = [replace(each, raw=None) if isinstance(each, Result) else each for each in told(5)]
    assert set(said(stream)) == {EQUAL}


@pytest.mark.parametrize("what", ["logits", "raw", "samples"])
def test_one_that_differs_in_a_bit_is_different(what: str) -> None:
    stream = told(5)
    place = [n for n, each in enumerate(stream) if isinstance(each, Result)][4]
    result, samples = stream[place], stream[place - 1]
    assert isinstance(result, Result) and isinstance(samples, Samples)
    if what == "logits":
        stream[place] = replace(result, logits=(result.logits[0] ^ 1, *result.logits[1:]))
    elif what == "raw":
        stream[place] = replace(result, raw=((result.raw or 0) + 1) % 3)
    else:
        stream[place - 1] = replace(samples, counts=samples.counts + np.int16(64))
    verdicts = said(stream)
    assert verdicts[4] == DIFFERENT and set(verdicts[:4]) == {EQUAL}
    assert set(verdicts[4 + -(-STEPS // HOP) :]) == {EQUAL}


def test_without_all_samples_of_a_window_nothing_is_said() -> None:
    stream = told(5)
    where = [n for n, each in enumerate(stream) if isinstance(each, Samples)]
    lost = said([each for n, each in enumerate(stream) if n != where[12]])
    gap = [
        replace(each, gap=n == where[12]) if isinstance(each, Samples) else each
        for n, each in enumerate(stream)
    ]
    for verdicts in (lost, said(gap)):
        assert set(verdicts) == {EQUAL, MISSING} and verdicts[0] == verdicts[-1] == EQUAL
        assert 1 <= verdicts.count(MISSING) <= -(-STEPS // HOP) + 1
    late = said(stream[where[3] :])
    assert late[0] == MISSING and late[-1] == EQUAL
    untold = [replace(each, samples=None) if isinstance(each, Result) else each for each in stream]
    assert set(said(untold)) == {MISSING}


def test_a_tag_that_connects_again_is_proven_anew() -> None:
    stream = told(5)
    verdicts = said([*stream, CONNECTED, *stream])
    assert set(verdicts) == {EQUAL}


# A state that is carried on

CARRIED = as_stream(MODEL)


def told_carried(chunk: int, with_state: bool = True) -> list[Moment]:
    """The stream of such a tag since its start."""
    expected = run_stream(CARRIED, COUNTS)
    ends = range(STEPS, len(COUNTS) + 1, HOP)
    stream, first = list[Moment](), 0
    for at in range(1, len(COUNTS) + 1):
        if at in ends or at - first == chunk or at == len(COUNTS):
            stream.append(Samples(0, first, 0, COUNTS[first:at], False))
            first = at
        if at in ends:
            n = ends.index(at)
            raw, state = int(expected.classes[n]), tuple(expected.state[n].tolist())
            logits = tuple(expected.logits[n].tolist())
            stream.append(Result(0, n + 1, 0, raw, raw, logits, at, state if with_state else None))
    return stream


def said_of_carried(stream: list[Moment]) -> list[str]:
    proof = StreamProof(CARRIED)
    return [verdict for verdict in map(proof.take, [CONNECTED, *stream]) if verdict is not None]


@pytest.mark.parametrize("with_state", [False, True])
@pytest.mark.parametrize("chunk", [1, 5, 64])
def test_a_carried_state_is_proven_from_the_start_on(chunk: int, with_state: bool) -> None:
    found = said_of_carried(told_carried(chunk, with_state))
    assert set(found) == {EQUAL} and len(found) == (len(COUNTS) - STEPS) // HOP + 1


@pytest.mark.parametrize("with_state", [False, True])
def test_a_host_that_came_later_needs_a_told_state(with_state: bool) -> None:
    stream = told_carried(5, with_state)
    later = said_of_carried(stream[10:])
    assert later[0] == MISSING and set(later[1:]) == {EQUAL if with_state else MISSING}


def test_after_a_gap_the_state_begins_anew() -> None:
    stream = told_carried(5, with_state=False)
    shifted = [
        replace(each, first=each.first + 1000, gap=each.first == 0)
        if isinstance(each, Samples)
        else replace(each, samples=each.samples + 1000)
        for each in stream
        if isinstance(each, (Samples, Result)) and (isinstance(each, Samples) or each.samples is not None)
    ]
    assert set(said_of_carried([*stream[:9], *shifted])) == {EQUAL}


@pytest.mark.parametrize("what", ["logits", "raw", "state", "samples"])
def test_a_carried_result_that_differs_in_a_bit_is_different(what: str) -> None:
    stream = told_carried(5)
    place = [n for n, each in enumerate(stream) if isinstance(each, Result)][4]
    result, samples = stream[place], stream[place - 1]
    assert isinstance(result, Result) and isinstance(samples, Samples) and result.state is not None
    if what == "logits":
        stream[place] = replace(result, logits=(result.logits[0] ^ 1, *result.logits[1:]))
    elif what == "raw":
        stream[place] = replace(result, raw=((result.raw or 0) + 1) % 3)
    elif what == "state":
        stream[place] = replace(result, state=(result.state[0] ^ 1, *result.state[1:]))
    else:
        stream[place - 1] = replace(samples, counts=samples.counts ^ 64)
    found = said_of_carried(stream)
    assert found[4] == DIFFERENT and set(found[:4]) == {EQUAL}
    assert set(found[6:]) == {EQUAL}
