"""A day, or an hour with each fault, of tags that sample by themselves: real images on modelled chips.

    python experiments/tag_day.py --run runs/demo --out docs/results/tag-day.json
    python experiments/tag_day.py --run runs/demo --faults --minutes 60 --out docs/results/tag-faults.json
    python experiments/tag_day.py --run runs/demo --carried

The image that would be flashed runs on the model of its chip with a modelled sensor, which gives the counts
of simulated animals of another seed than the study's. Every result, counter and word of the log is compared
with the Python reference, and so is every payload that leaves the modelled radio, decoded. Chips, sensors,
radios and animals are models.
"""

from __future__ import annotations

import argparse
import functools
import json
import subprocess
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mcukd.boards.model import Board, load_board
from mcukd.boards.radio_section import BleRadio
from mcukd.boards.toolchain import build
from mcukd.chips.radios.wiring import frame_of
from mcukd.chips.sensors.faults import FAULTS, with_fault
from mcukd.chips.sensors.sources import Counts, Recording, Scale, Source
from mcukd.chips.sensors.wiring import make_sensor
from mcukd.chips.tag_run import Identity, TagRun, reference_of, streamed
from mcukd.codegen.firmware import generate_firmware, read_firmware_sha256
from mcukd.codegen.payload import payload_layout
from mcukd.codegen.tag import tag_setup
from mcukd.data.card import load_card
from mcukd.data.load import load_counts
from mcukd.data.simulation.simulator import resized
from mcukd.fixedpoint.model import IntegerModel, load_model
from mcukd.fixedpoint.reference import as_stream
from mcukd.inference.batch import classify_stream, window_count
from mcukd.payload.coding import decode
from mcukd.payload.reception import FIRST, REPEATED
from mcukd.payload.table import read_payloads
from mcukd.pipeline.firmware import ensure_built
from mcukd.radio.ble import CHANNELS
from mcukd.radio.frames import FRAMES
from mcukd.study import Study
from mcukd.tag.application import EVENT, GAP, Observed, Outcome, stretches
from mcukd.tag.records import EVENTS

BOARDS = ("collar", "eartag")
#: Added to the study's seed, so that no animal of it was ever trained on.
HELD_OUT = 1000
#: Faults that only a start meets; the others come later and go.
AT_START = ("wrong-identity", "lost-settings", "slow-start", "dead-self-test", "weak-self-test")
_SECOND = 1_000_000_000
_HOUR = 3600 * _SECOND
#: Seconds behind the hours that are asked for, in which the last period ends and its payload leaves.
REST_S = 60
#: Parts of the payloads, and of the packets of those that are left, that a receiver does not get.
LOST, MISSED = 0.2, 0.5


class Given(Source):
    """A source that remembers what it gave."""

    def __init__(self, source: Source) -> None:
        self.source = source
        self.rows: list[Counts] = [np.empty((0, 3), np.int32)]

    def take(self, times_ns: NDArray[np.int64], scale: Scale) -> Counts:
        """Return samples and keep them."""
        rows = self.source.take(times_ns, scale)
        self.rows.append(np.array(rows))
        return rows

    def peek(self, time_ns: int, scale: Scale) -> Counts:
        """Return the present sample."""
        return self.source.peek(time_ns, scale)


@dataclass
class Tags:
    """A study's image for a board, and what its animals do."""

    board: Board
    model: IntegerModel
    elf: Path
    firmware_sha256: str
    counts: NDArray[np.int32]

    def sensor(self) -> tuple[Any, Given]:
        """Return a modelled sensor of the board, and what it gives."""
        assert self.board.sensor is not None and self.board.sensor.driver is not None
        given = Given(Recording(self.counts, repeat=True))
        return make_sensor(self.board.sensor.driver, given), given

    def compare(self, run: TagRun) -> dict[str, Any]:
        """Return results of a run and how many differ from the reference's."""
        config = tag_setup(self.board, self.model)
        assert config is not None
        model = self.model
        identity = Identity(self.firmware_sha256, model.sha256, model.window, model.hop)
        results = functools.partial(results_of, model)
        layout = payload_layout(self.board, model) if self.board.radio else None
        outcome = reference_of(self.board, run.latest(), config, identity, results, layout=layout)
        words = np.frombuffer(run.log(), "<u4") != np.frombuffer(outcome.flash.dump(), "<u4")
        return {
            "results": outcome.results,
            "result_differences": len(outcome.differences),
            "counter_differences": sum(
                a != b for a, b in zip(run.counters(), outcome.tag.counters.payload())
            ),
            "log_word_differences": int(words.sum()),
            "records": outcome.tag.log.next_sequence,
            "first_differences": outcome.differences[:3],
            **(self.air(run, outcome) if run.air else {}),
        }

    def air(self, run: TagRun, outcome: Outcome) -> dict[str, Any]:
        """Return what left the antenna, compared with the reference, and what a receiver tells of it."""
        radio, schema = self.board.radio, self._schema()
        times = radio.repeats * len(CHANNELS) if isinstance(radio, BleRadio) else 1
        kinds, frames = zip(*map(frame_of, run.air))
        split = FRAMES[kinds[0]].split
        sent = [split(frame)[1] for frame in frames]
        expected = [payload for _, payload in outcome.payloads for _ in range(times)]
        decoded = [decode(payload, schema) for payload in sent[::times]]
        errors = [
            max(abs(a - b) for a, b in zip(said.results, truth))
            for said, truth in zip(decoded, outcome.sent_results)
        ]
        begun = np.array([packet.time_ns for packet in run.air])
        airtime = np.array([packet.airtime_ns for packet in run.air])
        return {
            "payloads": len(outcome.payloads),
            "packets": len(sent),
            "packets_unlike_the_reference": sum(a != b for a, b in zip(sent, expected))
            + abs(len(sent) - len(expected)),
            "payloads_off_by_more_than_half_a_step": sum(
                2 * error > 1 << said.exponent for error, said in zip(errors, decoded)
            ),
            "largest_error_in_results": max(errors),
            "late_s": round(self._late(run, outcome, times), 3),
            "airtime_s": round(float(airtime.sum()) / _SECOND, 6),
            "busiest_hour_s": round(
                max(airtime[(begun >= at) & (begun < at + _HOUR)].sum() for at in begun) / _SECOND, 6
            ),
            **self._received(kinds[0], frames, times),
        }

    def _late(self, run: TagRun, outcome: Outcome, times: int) -> float:
        """Return the longest time from a period's end until its payload began to leave, in seconds."""
        ends = np.array([ticks for ticks, _ in outcome.payloads]) / 32768
        begun = np.array([packet.time_ns for packet in run.air[::times]]) / _SECOND
        both = min(len(begun), len(ends))
        return float(np.max(begun[:both] - ends[:both]))

    def _received(self, kind: str, frames: Sequence[bytes], times: int) -> dict[str, Any]:
        """Return what `mcukd decode` tells where payloads and packets are lost on the way at random."""
        rng = np.random.default_rng(0)
        payloads = len(frames) // times
        lost = rng.random(payloads) < LOST
        lost[[0, -1]] = False
        got = [
            frame
            for number, frame in enumerate(frames)
            if not lost[number // times] and (number % times == 0 or rng.random() >= MISSED)
        ]
        texts = [(frame.hex(), f"line {number}") for number, frame in enumerate(got, 1)]
        rows = read_payloads(texts, [self._schema()], self.model.classes, frames=FRAMES[kind]).rows
        repeated = sum(row["reception"] == REPEATED for row in rows)
        return {
            "receiver_lost_payloads": int(lost.sum()),
            "receiver_tells_lost": sum(row["lost_before"] for row in rows),
            "receiver_got_repetitions": len(got) - int((~lost).sum()),
            "receiver_tells_repeated": repeated,
            "receiver_tells_first": sum(row["reception"] == FIRST for row in rows),
        }

    def _schema(self) -> Any:
        layout = payload_layout(self.board, self.model)
        assert layout is not None
        return layout.schema


def results_of(model: IntegerModel, samples: NDArray[np.int16]) -> tuple[NDArray[Any], NDArray[Any]]:
    """Return classes and logits of a stretch by the model on this computer; it equals its specification."""
    total = window_count(len(samples), model.window, model.hop)
    logits = np.zeros((total, len(model.classes)), np.int16)
    return classify_stream(model, samples, logits=logits), logits


def prepare(study: Study, name: str, hours: float, seed: int, carried: Path | None = None) -> Tags:
    """Build a board's image and simulate its animals, eight hours each.

    carried: folder for another firmware than the study's, whose model carries its state on.
    """
    board, model = load_board(name), load_model(study.path)
    sources = study.file("firmware", name)
    if carried is None:
        elf = ensure_built(study, board).elf
    else:
        model, sources = as_stream(model), carried / name
        generate_firmware(model, board, sources)
        elf = build(sources, board).elf
    animals = max(2, int(np.ceil(hours / 8)))
    minutes = max(5.0, 60 * hours / animals)
    card = resized(load_card(study.card), animals, minutes)
    counts = np.concatenate([part.counts for part in load_counts(card, None, seed=seed)]).astype(np.int32)
    assert board.sensor is not None and board.sensor.setup is not None
    sha256 = read_firmware_sha256(sources)
    return Tags(board, model, elf, sha256, counts << board.sensor.setup.shift)


def measure(run: TagRun, began: float) -> dict[str, Any]:
    """Return times and instructions of a run."""
    core = run.chip.core
    return {
        "virtual_s": round(run.seconds, 3),
        "wall_s": round(time.perf_counter() - began, 1),
        "instructions": core.instructions,
        "awake_share": round(run.awake_seconds / run.seconds, 6),
        "stack_bytes": run.stack_used(),
        "resets": run.chip.resets,
    }


def day(tags: Tags, hours: float) -> dict[str, Any]:
    """Run a day without faults."""
    device, given = tags.sensor()
    run = TagRun(tags.board, tags.elf, len(tags.model.classes), device)
    began = time.perf_counter()
    run.run(hours * 3600 + REST_S)
    facts = measure(run, began)
    observed = run.latest().observed
    rows = streamed(tags.board, np.concatenate(given.rows))
    same = np.array_equal(observed.samples, rows[: len(observed.samples)])
    return {
        **facts,
        "samples": len(observed.samples),
        "samples_are_the_sensors": bool(same),
        "gaps": sum(call.kind == GAP for call in observed.calls),
        "events": events_of(observed),
        **tags.compare(run),
    }


def events_of(observed: Observed) -> list[str]:
    """Return the events of a run in words, with their details."""
    return [
        f"{EVENTS[call.arguments[0]]} ({call.arguments[1]})" for call in observed.calls if call.kind == EVENT
    ]


def place(samples: NDArray[np.int16], rows: NDArray[np.int16], after: int) -> tuple[int, int]:
    """Return where a stretch of samples lies in what a sensor gave, and how many samples differ there."""
    best = (-1, len(samples))
    for first in range(min(len(samples), 50)):
        for at in np.flatnonzero((rows[after + first :] == samples[first]).all(axis=1))[:200] + after:
            there = rows[at : at + len(samples)]
            wrong = len(samples) - int((there == samples[: len(there)]).all(axis=1).sum())
            if wrong < best[1]:
                best = int(at), wrong
            if not wrong:
                return best
    return best


def with_one_fault(tags: Tags, name: str, minutes: float) -> dict[str, Any]:
    """Run an hour with a fault: for a tenth of it from a third on, or for a sixth at the start."""
    begin, end = (0.0, minutes / 6) if name in AT_START else (minutes / 3, minutes / 3 + minutes / 10)
    device, given = tags.sensor()
    sensor = device
    faulty = with_fault(sensor, name, round(begin * 60 * _SECOND), round(end * 60 * _SECOND))
    if sensor.source is not given:  # the fault alters what is measured: that is what the sensor gives
        given = Given(sensor.source)
        sensor.source = given
    run = TagRun(tags.board, tags.elf, len(tags.model.classes), faulty)
    began = time.perf_counter()
    run.run((minutes - 1) * 60)
    before = len(run.latest().observed.samples)
    run.run(60)
    facts = measure(run, began)
    observed = run.latest().observed
    rows = streamed(tags.board, np.concatenate(given.rows))
    lost, wrong, at = 0, 0, 0
    for first, stop in stretches(observed):
        if first == stop:
            continue
        where, different = place(observed.samples[first:stop], rows, at)
        lost += max(0, where - at) if first else 0
        wrong += different
        at = where + stop - first
    gaps = [call for call in observed.calls if call.kind == GAP]
    return {
        "fault": name,
        "from_s": begin * 60,
        "until_s": end * 60,
        "samples": len(observed.samples),
        "gaps": len(gaps),
        "lost_told": sum(call.arguments[0] for call in gaps),
        "lost": lost,
        "samples_unlike_the_sensors": wrong,
        "events": events_of(observed),
        "samples_in_last_minute": len(observed.samples) - before,
        **facts,
        **tags.compare(run),
    }


def main(arguments: Sequence[str] | None = None) -> None:
    """Run what is asked for, print it, and write it as JSON."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--run", type=Path, required=True, help="a study with integers, trained on a simulated herd"
    )
    parser.add_argument("--board", nargs="+", choices=BOARDS, default=list(BOARDS))
    parser.add_argument("--hours", type=float, default=24.0)
    parser.add_argument(
        "--carried", action="store_true", help="carry the model's state on, whatever its training was"
    )
    parser.add_argument("--faults", nargs="*", metavar="NAME", help="with each of these; none: all")
    parser.add_argument("--minutes", type=float, default=60.0, help="with --faults: of each run")
    parser.add_argument("--out", type=Path, help="JSON file; what it has of other boards and faults stays")
    options = parser.parse_args(arguments)
    study = Study.open(options.run)
    seed = int(study.manifest["seed"]) + HELD_OUT
    record: dict[str, Any] = {}
    if options.out is not None and options.out.exists():
        record = json.loads(options.out.read_text())
    commit = subprocess.run(["git", "rev-parse", "HEAD"], capture_output=True, text=True, check=False).stdout
    hours = options.hours if options.faults is None else options.minutes / 60
    scratch = tempfile.TemporaryDirectory()
    for name in options.board:
        tags = prepare(study, name, hours, seed, Path(scratch.name) if options.carried else None)
        facts = {"commit": commit.strip(), "card": study.card, "seed": seed, "firmware": tags.firmware_sha256}
        facts["carried"] = tags.model.stream
        if options.faults is None:
            record[name] = {**facts, "hours": hours, **day(tags, hours)}
            print(json.dumps({name: record[name]}, indent=1), flush=True)
            _write(options.out, record)
            continue
        for fault in options.faults or list(FAULTS):
            found = {**facts, "minutes": options.minutes, **with_one_fault(tags, fault, options.minutes)}
            record.setdefault(name, {})[fault] = found
            print(json.dumps({name: found}), flush=True)
            _write(options.out, record)


def _write(out: Path | None, record: dict[str, Any]) -> None:
    if out is not None:
        out.write_text(json.dumps(record, indent=1) + "\n")


if __name__ == "__main__":
    main()
