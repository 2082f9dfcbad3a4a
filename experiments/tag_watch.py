"""An hour of tags that are watched, on modelled chips: gaps, differences, delays, share awake.

    python experiments/tag_watch.py --run runs/demo --out docs/results/tag-watch.json

The images are those that would be flashed. The host renews its watch and asks for the clock meanwhile, over a
line on which each byte takes its time. Chips, sensors and animals are models.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path
from threading import Event
from typing import Any

import numpy as np
from tag_day import BOARDS, HELD_OUT, prepare

from mcukd.chips.tag_run import TagRun, streamed
from mcukd.harness.frames import decode
from mcukd.harness.messages import TELLS_RESULT
from mcukd.observation.moments import ClockReading, Gap, Moment, Result, Samples
from mcukd.observation.sources.modelled import ChipClock, modelled_tag
from mcukd.study import Study
from mcukd.tag.application import GAP, RESULT

#: Seconds before the watch begins, in which the sensor starts.
BEFORE_S = 10
_BYTE_BITS = 10


class TimedBytes(bytearray):
    """Bytes that a chip sends, with the chip's time at which each was given to its UART."""

    def __init__(self, run: TagRun) -> None:
        super().__init__()
        self.run = run
        self.sent: list[tuple[int, int]] = []

    def append(self, value: int) -> None:
        """Take a byte."""
        self.sent.append((self.run.chip.core.nanoseconds(), value))
        super().append(value)


def left_line(sent: Sequence[tuple[int, int]], baud: int) -> dict[int, int]:
    """Return by its number when the last byte of each told result had left the line, in ns."""
    byte_ns, at, frame, found = _BYTE_BITS * 1_000_000_000 // baud, 0, bytearray(), {}
    for given, value in sent:
        at = max(at, given) + byte_ns
        if value:
            frame.append(value)
            continue
        message = decode(bytes(frame)) if frame else None
        frame.clear()
        if message is not None and message.kind == TELLS_RESULT:
            found[int.from_bytes(message.payload[6:10], "little")] = at
    return found


def watched(run: TagRun, seconds: float) -> list[Moment]:
    """Return what a tag tells for some time of its chip."""
    stop, found, until = Event(), list[Moment](), run.seconds + seconds
    for moment in modelled_tag(run, ChipClock(run), samples=True).moments(stop):
        found.append(moment)
        if run.seconds > until:
            stop.set()
    return found


def measure(study: Study, name: str, seconds: float, seed: int) -> dict[str, Any]:
    """Watch a board's tag and compare all that it told and kept."""
    tags = prepare(study, name, seconds / 3600, seed)
    device, given = tags.sensor()
    run = TagRun(tags.board, tags.elf, len(tags.model.classes), device)
    made: list[int] = []
    run.on_call("tag_on_result", lambda *_: made.append(run.chip.core.nanoseconds()))
    timed = TimedBytes(run)
    run.console.from_chip = timed
    run.run(BEFORE_S)
    began, awake, at = time.perf_counter(), run.awake_seconds, run.seconds
    found = watched(run, seconds)
    wall, share = time.perf_counter() - began, (run.awake_seconds - awake) / (run.seconds - at)
    observed = run.latest().observed
    results = [moment for moment in found if isinstance(moment, Result)]
    samples = [moment for moment in found if isinstance(moment, Samples)]
    calls = [call for call in observed.calls if call.kind == RESULT]
    unlike = sum(
        (each.samples, each.logits) != (calls[each.number - 1].samples, calls[each.number - 1].arguments[1:])
        for each in results
    )
    left = left_line(timed.sent, run.console.baud)
    late = np.array([left[each.number] - made[each.number - 1] for each in results]) / 1e6
    compared = tags.compare(run)
    rows = streamed(tags.board, np.concatenate(given.rows))
    return {
        "virtual_s": round(run.seconds, 3),
        "wall_s": round(wall, 1),
        "results_told": len(results),
        "results_told_in_a_row": bool(np.all(np.diff([each.number for each in results]) == 1)),
        "results_told_unlike_those_made": unlike,
        "samples_told": sum(len(each.counts) for each in samples),
        "samples_told_in_a_row": all(
            a.first + len(a.counts) == b.first for a, b in zip(samples, samples[1:])
        ),
        "samples_told_unlike_those_streamed": sum(
            not np.array_equal(each.counts, observed.samples[each.first : each.first + len(each.counts)])
            for each in samples
        ),
        "samples_are_the_sensors": bool(np.array_equal(observed.samples, rows[: len(observed.samples)])),
        "gaps": sum(call.kind == GAP for call in observed.calls),
        "gaps_told": sum(isinstance(moment, Gap) for moment in found),
        "readings_of_the_clock": sum(isinstance(moment, ClockReading) for moment in found),
        "latency_ms": {
            name: round(float(value), 3)
            for name, value in zip(("least", "median", "p99", "most"), np.percentile(late, (0, 50, 99, 100)))
        },
        "awake_share": round(share, 6),
        "stack_bytes": run.stack_used(),
        **{key: compared[key] for key in ("results", "result_differences", "counter_differences")},
        **{key: compared[key] for key in ("log_word_differences", "records")},
    }


def main(arguments: Sequence[str] | None = None) -> None:
    """Run what is asked for, print it, and write it as JSON."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--run", type=Path, required=True, help="a study with integers on a simulated herd")
    parser.add_argument("--board", nargs="+", choices=BOARDS, default=list(BOARDS))
    parser.add_argument("--minutes", type=float, default=60.0)
    parser.add_argument("--out", type=Path, help="JSON file; what it has of other boards stays")
    options = parser.parse_args(arguments)
    study = Study.open(options.run)
    seed = int(study.manifest["seed"]) + HELD_OUT
    record: dict[str, Any] = {}
    if options.out is not None and options.out.exists():
        record = json.loads(options.out.read_text())
    commit = subprocess.run(["git", "rev-parse", "HEAD"], capture_output=True, text=True, check=False).stdout
    for name in options.board:
        found = measure(study, name, 60 * options.minutes, seed)
        size = json.loads((study.file("firmware", name) / "size.json").read_text())
        facts = {"commit": commit.strip(), "card": study.card, "seed": seed, "minutes": options.minutes}
        sizes = {key: size[key] for key in ("flash_bytes", "ram_bytes")}
        record[name] = {**facts, **found, **sizes, "stack_bound": size["stack_bound"]["bytes"]}
        print(json.dumps({name: record[name]}, indent=1), flush=True)
        if options.out is not None:
            options.out.write_text(json.dumps(record, indent=1) + "\n")


if __name__ == "__main__":
    main()
