"""Reference of `app_tag.c`: from a sensor's samples to classes, counters, bouts and records.

What comes from outside a tag is given: samples and gaps as the sensor's driver hands them over, what it says
of the sensor, and the readings of the low-frequency counter. All else follows.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from mcukd.tag.flash import ModelledFlash
from mcukd.tag.operation import Tag, TagConfig

#: Kinds of calls; TICK: time passes and nothing else.
RESULT, GAP, SAMPLES, EVENT, TICK = "result", "gap", "samples", "event", "tick"
PROVISION = "provision"


class Call(NamedTuple):
    """A call of the tag's interface (`tag.h`), as it was made.

    kind: of the above. samples: that were streamed before it, since the start. arguments: class and logits of
    a result; samples lost in a gap; number of samples; code and detail of an event; number and period of a
    provisioning. ticks: the counter's reading.
    """

    kind: str
    samples: int
    arguments: tuple[int, ...]
    ticks: int


#: Takes samples (s, 3) of int16 counts without a gap; returns classes (n,) and logits (n, classes) of the
#: results that the model gives of them.
Results = Callable[[NDArray[np.int16]], tuple[NDArray[Any], NDArray[Any]]]


@dataclass(frozen=True)
class Observed:
    """What a tag was given and did since a start.

    samples: (n, 3) as they were streamed. calls: in order. start_ticks: reading of the counter at the start.
    """

    samples: NDArray[np.int16]
    calls: Sequence[Call]
    start_ticks: int


@dataclass
class Outcome:
    """What the reference made of it. tag: as it stands. flash: its log.

    results: how many there are. differences: sentences; each names a call of the tag that the reference would
    not have made, or would have made with other arguments. payloads: of each period that ended, with the
    counter's reading at that moment, where the tag sends them. sent_results: that they are of, by class.
    """

    tag: Tag
    flash: ModelledFlash
    results: int = 0
    differences: list[str] = field(default_factory=list)
    payloads: list[tuple[int, bytes]] = field(default_factory=list)
    sent_results: list[tuple[int, ...]] = field(default_factory=list)


def stretches(observed: Observed) -> list[tuple[int, int]]:
    """Return first sample and end of each stretch without a gap."""
    starts = sorted({0, *(call.samples for call in observed.calls if call.kind == GAP)})
    return list(zip(starts, [*starts[1:], len(observed.samples)]))


def expected_results(
    observed: Observed, window: int, hop: int, results: Results
) -> Iterator[tuple[int, int, tuple[int, ...]]]:
    """Yield each result that the samples give: samples streamed up to it, class, logits.

    The first result of a stretch comes after a window, the next ones `hop` samples apart; neither a window
    nor a state bridges a gap.
    """
    for first, end in stretches(observed):
        classes, logits = results(observed.samples[first:end])
        for number, (found, values) in enumerate(zip(classes.tolist(), logits.tolist())):
            yield first + window + number * hop, int(found), tuple(values)


def replay(
    observed: Observed,
    config: TagConfig,
    flash: ModelledFlash,
    expected: Iterator[tuple[int, int, tuple[int, ...]]],
    reset_cause: int,
    firmware: int,
    model: int,
    pack: Callable[[Tag, int], bytes] | None = None,
    period_s: int = 0,
) -> Outcome:
    """Do what the tag should have done, and compare its results call by call.

    flash: as it was before the start. expected: of `expected_results`. reset_cause, firmware, model,
    period_s: as in `Tag`. pack: the payload of a period that has ended and its number since the start; None
    for a tag that sends none.
    """
    ticks = observed.start_ticks
    payloads: list[tuple[int, bytes]] = []
    sent_results: list[tuple[int, ...]] = []

    def on_period(ended: Tag) -> None:
        if pack is not None:
            payloads.append((ticks, pack(ended, len(payloads))))
            sent_results.append(tuple(ended.counters.results))

    tag = Tag(config, flash, lambda: ticks, reset_cause, firmware, model, on_period, period_s)
    outcome = Outcome(tag, flash, payloads=payloads, sent_results=sent_results)
    for call in observed.calls:
        ticks = call.ticks
        if call.kind == RESULT:
            wanted = next(expected, None)
            if wanted != (call.samples, call.arguments[0], call.arguments[1:]):
                outcome.differences.append(f"result {outcome.results} is {call}, but {wanted} is expected")
            if wanted is None:
                continue
            outcome.results += 1
            tag.on_result(wanted[1], wanted[2])
        elif call.kind == GAP:
            tag.on_gap(call.arguments[0])
        elif call.kind == SAMPLES:
            tag.on_samples(call.arguments[0])
        elif call.kind == PROVISION:
            tag.on_provision(call.arguments[0], call.arguments[1])
        elif call.kind == EVENT:
            tag.on_event(call.arguments[0], call.arguments[1])
        else:
            tag.on_tick()
    left = sum(1 for _ in expected)
    if left:
        outcome.differences.append(f"{left} results of the samples were not given")
    return outcome
