"""Field sessions that are killed, whose disk is full, or whose folder goes away: is a key lost?

    python experiments/nothing_lost.py --kills 50 --out docs/results/nothing-lost.json

A process presses the keys of a script and prints each one once the session has taken it. It is killed with
SIGKILL at random moments and started again, which presses all keys again; those that were taken are known by
their names. What was printed has to be in the journal, and the session that was killed so often has to come
to the same as one that was not. Then the same with a disk that is full: by the limit of a file's size, and,
where this process may mount one, on a small disk in memory.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import resource
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from mcukd.errors import UserError
from mcukd.observation.events import Reopened
from mcukd.observation.folder import SessionFacts, facts_of, observer_path, read_events, read_facts
from mcukd.observation.script import Command, StepClock, carry_out
from mcukd.observation.session import Session
from mcukd.observation.state import observer_tracks, state_of

NS = 1_000_000_000
BEGAN = 1_780_000_000 * NS
ANIMALS, CLASSES = ("cow-07", "cow-08"), ("grazing", "walking", "resting")


def facts() -> SessionFacts:
    """Return what the sessions are."""
    return facts_of(
        id="5e" * 16,
        name="nothing-lost",
        began_ns=BEGAN,
        zone="UTC",
        animals=ANIMALS,
        classes=CLASSES,
        simulated=True,
    )


def keys(count: int, seed: int = 0) -> list[Command]:
    """Return so many commands, a second apart: behaviours, and now and then something else."""
    rng = random.Random(seed)
    found = []
    for number in range(count):
        draw, animal = rng.random(), rng.choice(ANIMALS)
        if draw < 0.8 or number == 0:
            name, words = "b", (animal, rng.choice(CLASSES))
        elif draw < 0.86:
            name, words = "undo", ()
        elif draw < 0.92:
            name, words = "o", (animal,)
        else:
            name, words = "note", (f"note {number}, ü",)
        found.append(Command(float(number), name, words))
    return found


def press(folder: Path, count: int, pause_s: float) -> None:
    """Press all keys, each at its time by a clock that is set to it; print those that were taken."""
    clock = StepClock(BEGAN)
    session = Session(folder, clock) if (folder / "session.json").exists() else None
    session = session or Session.begin(folder, facts(), clock)
    recorder = session.join("anna")
    known = {event.press for event in recorder.events}
    for number, command in enumerate(keys(count)):
        clock.advance_to(BEGAN + number * NS)
        if f"key-{number}" in known:
            continue
        while True:
            try:
                carry_out(recorder, command, press=f"key-{number}")
                print(f"taken {number}", flush=True)
                break
            except UserError as error:
                if "nothing to undo" in str(error):
                    break  # no key was taken, and none is to be
                print(f"refused {number} {error}", flush=True)
                time.sleep(0.01)
        if pause_s:
            time.sleep(pause_s)
    session.close()


def account(folder: Path) -> Any:
    """Return what a session comes to: tracks, and every event as it stands, but numbers and reopenings."""
    events = read_events(observer_path(folder, "anna"), read_facts(folder))
    until = BEGAN + 100_000 * NS
    tracks = [
        (one.animal, one.starts.tolist(), one.ends.tolist(), one.behaviours.tolist())
        for one in observer_tracks(events, ANIMALS, CLASSES, until)
    ]
    stand = [
        (each.event.press, each.event.what.kind, each.utc_ns, each.behaviour, each.undone)
        for each in state_of(events, ANIMALS, until).standings
        if not isinstance(each.event.what, Reopened)
    ]
    return tracks, stand


def taken(output: str) -> list[int]:
    """Return the numbers of the keys that were printed as taken; a line that was cut does not count."""
    lines = output.split("\n")[:-1]
    return [int(line.split()[1]) for line in lines if line.startswith("taken ")]


def killed(folder: Path, kills: int, count: int, seed: int) -> dict[str, Any]:
    """Kill the process that presses keys at random moments until it has been killed so often."""
    rng = random.Random(seed)
    acknowledged: set[int] = set()
    missing, done = 0, 0
    while True:
        process = start(folder, count, 0.002)
        assert process.stdout is not None
        # It has begun to press: the start of Python is not what is to be killed.
        head = process.stdout.readline() if done < kills else ""
        if done < kills:
            time.sleep(rng.uniform(0, 0.3))
            process.send_signal(signal.SIGKILL)
        output = head + process.communicate()[0]
        acknowledged |= set(taken(output))
        events = read_events(observer_path(folder, "anna"), read_facts(folder))
        there = {int(event.press.split("-")[1]) for event in events if event.press}
        missing += len(acknowledged - there)
        if process.returncode == 0:
            break
        done += 1
    torn = len(list(folder.glob("*.torn-*")))
    if done < kills:
        raise SystemExit(f"all {count} keys were pressed after {done} kills; give more --keys")
    return {"kills": done, "keys_taken": len(acknowledged), "keys_lost": missing, "torn_lines": torn}


def start(folder: Path, count: int, pause_s: float, limit: int | None = None) -> subprocess.Popen[str]:
    """Start the process that presses keys. limit: bytes of its largest file."""

    def before() -> None:
        if limit is not None:
            resource.setrlimit(resource.RLIMIT_FSIZE, (limit, resource.RLIM_INFINITY))

    return subprocess.Popen(
        [sys.executable, __file__, "--press", str(folder), "--keys", str(count), "--pause", str(pause_s)],
        stdout=subprocess.PIPE,
        text=True,
        preexec_fn=before,
    )


def full(folder: Path, count: int, limit: int | None) -> dict[str, Any]:
    """Press keys until the disk takes no more, and compare what was taken with the journal."""
    process = start(folder, count, 0, limit)
    assert process.stdout is not None
    lines, refused = [], 0
    sentence = ""
    for line in process.stdout:
        lines.append(line)
        if line.startswith("refused"):
            refused, sentence = refused + 1, line.split(maxsplit=2)[2].strip()
            if refused == 3:
                break
    process.kill()
    process.wait()
    acknowledged = set(taken("".join(lines)))
    events = read_events(observer_path(folder, "anna"), read_facts(folder))
    there = {int(event.press.split("-")[1]) for event in events if event.press}
    return {
        "keys_taken": len(acknowledged),
        "keys_lost": len(acknowledged - there),
        "keys_there_that_were_refused": len(there - acknowledged),
        "sentence": sentence.replace(str(folder), "FOLDER"),
    }


def on_small_disk(count: int) -> dict[str, Any] | None:
    """Fill a disk in memory of 64 KB; None where this process may not mount one."""
    with tempfile.TemporaryDirectory() as place:
        mounted = subprocess.run(
            ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", place], capture_output=True, check=False
        )
        if mounted.returncode:
            return None
        try:
            folder = Path(place) / "session"
            found = full(folder, count, None)
            subprocess.run(["mount", "-o", "remount,size=4m", place], check=True)
            process = start(folder, count, 0)
            process.communicate()
            found["goes_on_with_room"] = process.returncode == 0 and account(folder) == unbroken(count)
            return found
        finally:
            subprocess.run(["umount", place], check=True)


def unbroken(count: int) -> Any:
    """Return what a session without any trouble comes to."""
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place) / "session"
        process = start(folder, count, 0)
        process.communicate()
        assert process.returncode == 0
        return account(folder)


def measure(kills: int, count: int, seed: int, full_disk: bool = True) -> dict[str, Any]:
    """Return what happened to keys and sessions. full_disk: fill disks too."""
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place) / "session"
        record: dict[str, Any] = {"killed": killed(folder, kills, count, seed)}
        record["killed"]["equals_an_unbroken_session"] = account(folder) == unbroken(count)
        if not full_disk:
            return record
        limited = Path(place) / "limited"
        record["file_limit_of_6000_bytes"] = full(limited, count, 6000)
        process = start(limited, count, 0)
        process.communicate()
        record["file_limit_of_6000_bytes"]["goes_on_with_room"] = account(limited) == unbroken(count)
    disk = on_small_disk(max(count, 600))
    if disk is not None:
        record["disk_of_64_kb"] = disk
    return record


def main(arguments: Sequence[str] | None = None) -> None:
    """Run what is asked for, print it, and write it as JSON."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--keys", type=int, default=4000, help="that are pressed in all")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--no-full-disk", action="store_true")
    parser.add_argument("--out", type=Path)
    parser.add_argument("--press", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--pause", type=float, default=0.0, help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    if options.press is not None:
        press(options.press, options.keys, options.pause)
        return
    record = measure(options.kills, options.keys, options.seed, not options.no_full_disk)
    print(json.dumps(record, indent=1))
    if options.out is not None:
        options.out.write_text(json.dumps(record, indent=1) + os.linesep)


if __name__ == "__main__":
    main()
