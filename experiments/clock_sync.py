"""Errors of a tag's clock as found from taps, from the tag's answers and from two ethograms.

    python experiments/clock_sync.py [--sessions 200] [--record]

SIMULATED: the animals are the simulator's, with taps added as impulses of 1 to 3 g; presses scatter about
their taps by .03 s (standard deviation; assumed, not measured); accounts of behaviour come from bouts of
random length, an observer who reacts after .4 to 1.2 s, and a tag of which 88 % of the results are right.
Real: all that finds the offsets. Sessions last two hours; the tag's clock drifts by ± .54 s/h and in part of
them jumps by ± 3 s.
`--record` writes docs/results/clock-sync.json.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np

from mcukd.data.sections import Axis, Signal
from mcukd.data.simulation.herd import simulate_herd
from mcukd.files import write_json
from mcukd.metrics.agreement.track import Track
from mcukd.observation.clocks.anchors import NS, anchor_of
from mcukd.observation.clocks.drift import fit_clock
from mcukd.observation.clocks.ethograms import EthogramOffset, find_offset
from mcukd.observation.clocks.facts import clock_facts
from mcukd.observation.clocks.taps import TapSamples, TapsFound, find_taps
from mcukd.observation.moments import ClockReading
from mcukd.tag.records import TICKS_PER_SECOND

ROOT = Path(__file__).resolve().parents[1]
RATE, HOURS, DRIFT, JUMP = 25.0, 2.0, 0.54, 3.0
LONG_S = HOURS * 3600
AROUND_S = 120
PRESS_SD_S = 0.03
COUNTS_PER_G = 512
HOST = 1_780_000_000 * NS
CLASSES = ("grazing", "walking", "ruminating", "resting", "drinking")
SIGNAL = Signal(
    units="g",
    rate_hz=RATE,
    range_g=4,
    counts_per_g=COUNTS_PER_G,
    mounting="aligned",
    axes=tuple(Axis(name=name, meaning="simulated") for name in "xyz"),
)


class Tag:
    """A tag whose clock drifts and jumps."""

    def __init__(self, rng: np.random.Generator, jumps: bool) -> None:
        self.drift = rng.choice([-1, 1]) * DRIFT
        self.jump = float(rng.choice([-1, 1])) * JUMP if jumps else 0.0
        self.jump_at = rng.uniform(0.35, 0.65) * LONG_S
        self.zero = int(rng.integers(1, 1 << 40))

    def ticks(self, host_s: Any) -> Any:
        """Return what it shows at some seconds of the session."""
        host_s = np.asarray(host_s, np.float64)
        behind = host_s * self.drift / 3600 + np.where(host_s >= self.jump_at, self.jump, 0)
        return self.zero + np.rint((host_s - behind) * TICKS_PER_SECOND).astype(np.int64)


def recording(position: str, seed: int) -> Any:
    """Return two hours of a simulated animal, (n, 3) in counts."""
    parts = [one.samples for one in simulate_herd("sim", 1, LONG_S / 60, position, SIGNAL, seed)]
    return np.concatenate(parts) * COUNTS_PER_G


def tap_group(rng: np.random.Generator, tag: Tag, animal: Any, at_s: float) -> Any:
    """Return what `find_taps` finds of three taps at a moment of the session."""
    first = max(0, int((at_s - AROUND_S) * RATE))
    counts = animal[first : first + int(2 * AROUND_S * RATE)].copy()
    times = at_s + np.cumsum([0, *rng.uniform(0.5, 1.5, 2)])
    for moment in times:
        place, part = divmod(moment * RATE - first, 1)
        direction = rng.normal(0, 1, 3)
        impulse = direction / np.linalg.norm(direction) * rng.uniform(1, 3) * COUNTS_PER_G
        counts[int(place)] += impulse * (1 - part)
        counts[int(place) + 1] += impulse * part
    whole = np.clip(np.rint(counts), -2048, 2047).astype(np.int16)
    samples = TapSamples(tag.ticks((first + np.arange(len(counts))) / RATE), whole, RATE)
    presses = times + rng.normal(0, PRESS_SD_S, 3)
    return find_taps(samples, [HOST + round(one * NS) for one in presses])


def session(rng: np.random.Generator, animal: Any, kind: str) -> dict[str, Any]:
    """Simulate one session and return the errors of drift, jump and time in it."""
    tag = Tag(rng, jumps="jump" in kind)
    found: Counter[str] = Counter()
    if kind.startswith("answers"):
        # Once a minute, with turnarounds of 10 to 60 ms that are slower one way.
        anchors = []
        for at in np.arange(30, LONG_S, 60):
            half = rng.uniform(0.005, 0.03)
            host = HOST + round((at + rng.uniform(-half, half)) * NS)
            anchors.append(anchor_of(ClockReading(int(tag.ticks(at)), host, round(half * NS))))
    else:
        moments = [60.0, LONG_S - 60]
        if kind.startswith("taps, four"):
            moments += [tag.jump_at - rng.uniform(60, 600), tag.jump_at + rng.uniform(60, 600)]
        groups = [tap_group(rng, tag, animal, at) for at in moments]
        found.update("found" if isinstance(one, TapsFound) else one.why.split(":")[0] for one in groups)
        anchors = [one.anchor for one in groups if isinstance(one, TapsFound)]
    if len(anchors) < 2:
        return {"groups": found}
    clock = fit_clock(anchors)
    at = np.arange(90, LONG_S - 90, 30.0)
    # Between the anchors around a jump nobody can know when it was.
    sure = np.ones(len(at), bool)
    for before, after, _, _ in clock.jumps:
        sure &= ~((tag.ticks(at) > before) & (tag.ticks(at) < after))
    error = np.abs((clock.to_host_ns(tag.ticks(at)) - HOST) / NS - at)
    stated = clock.uncertainty_s(tag.ticks(at))
    jumps = [size for _, _, size, _ in clock.jumps]
    return {
        "groups": found,
        "drift": abs(clock.drift_s_per_h - tag.drift),
        "jumps": len(jumps),
        "jump": abs(jumps[0] - tag.jump) if len(jumps) == 1 and tag.jump else None,
        "time": float(error[sure].max()) if sure.any() else None,
        "within": float(np.mean(error <= 2 * stated)),
        "told": not any("cannot tell a drift" in one for one in clock_facts(clock)["sentences"]),
    }


def of_clocks(sessions: int) -> dict[str, Any]:
    """Return what sessions with taps and with answers of the tag gave."""
    facts: dict[str, Any] = {}
    animals = [recording("collar", seed) for seed in range(8)]
    for number, kind in enumerate(
        ("taps, two groups", "taps, two groups, jump", "taps, four groups, jump", "answers, jump")
    ):
        rng = np.random.default_rng([19, number])
        all_of = [session(rng, animals[k % len(animals)], kind) for k in range(sessions)]
        groups = sum((one["groups"] for one in all_of), Counter())
        fitted = [one for one in all_of if "drift" in one]
        jumps = [one["jump"] for one in fitted if one["jump"] is not None]
        facts[kind] = {
            "sessions": sessions,
            "sessions_with_two_anchors": len(fitted),
            "groups_of_taps": dict(groups),
            "drift_error_s_per_h": quantiles([one["drift"] for one in fitted]),
            "sessions_with_one_jump_found": len(jumps),
            "sessions_with_any_jump_found": sum(one["jumps"] > 0 for one in fitted),
            "jump_error_s": quantiles(jumps),
            "jump_within_100_ms": share([one <= 0.1 for one in jumps]),
            "largest_error_of_time_s": quantiles([one["time"] for one in fitted if one["time"] is not None]),
            "times_within_twice_the_stated_uncertainty": share([one["within"] for one in fitted]),
            "says_that_it_cannot_tell_drift_from_jump": share([not one["told"] for one in fitted]),
        }
    return facts


def accounts(rng: np.random.Generator, bout_s: float, lag_s: float, alike: bool) -> tuple[Track, Track]:
    """Return an observer's and a tag's account, of one animal or of two that have nothing in common."""

    def animal() -> tuple[Any, Any]:
        lengths = np.maximum(rng.exponential(bout_s, int(3 * LONG_S / bout_s) + 10), 5)
        edges = np.append(0, np.cumsum(lengths))
        count = int(np.searchsorted(edges, LONG_S))
        edges = np.append(edges[:count], LONG_S)
        return edges, np.cumsum(rng.integers(1, len(CLASSES), count)) % len(CLASSES)

    edges, behaviours = animal()
    seen = np.maximum.accumulate(np.append(edges[:-1] + rng.uniform(0.4, 1.2, len(edges) - 1), LONG_S))
    seen[0] = 0
    ns = HOST + np.rint(seen * NS).astype(np.int64)
    keep = np.diff(ns) > 0
    observer = Track("a", "the observer", CLASSES, ns[:-1][keep], ns[1:][keep], behaviours[keep])
    if not alike:
        edges, behaviours = animal()
    made = np.arange(0, LONG_S, 2.56)
    said = behaviours[np.clip(np.searchsorted(edges, made, side="right") - 1, 0, len(behaviours) - 1)]
    said = np.where(rng.random(len(said)) < 0.88, said, rng.integers(0, len(CLASSES), len(said)))
    ns = HOST + np.rint((made - lag_s) * NS).astype(np.int64)
    return observer, Track("a", "the tag", CLASSES, ns[:-1], ns[1:], said[:-1])


def of_ethograms(sessions: int) -> dict[str, Any]:
    """Return what sessions without taps gave. The observer's reaction counts as error."""
    facts: dict[str, Any] = {}
    for number, (name, bout_s, alike) in enumerate(
        (
            ("bouts of 1 min", 60.0, True),
            ("bouts of 3 min", 180.0, True),
            ("bouts of 10 min", 600.0, True),
            ("bouts of 30 min", 1800.0, True),
            ("two animals, bouts of 1 min", 60.0, False),
            ("two animals, bouts of 10 min", 600.0, False),
        )
    ):
        rng = np.random.default_rng([20, number])
        errors = []
        for _ in range(sessions):
            lag = rng.uniform(-900, 900)
            found = find_offset(*accounts(rng, bout_s, lag, alike))
            if isinstance(found, EthogramOffset):
                errors.append(abs(found.lag_s - lag))
        facts[name] = {
            "sessions": sessions,
            "found": len(errors),
            "not_enough": sessions - len(errors),
            "error_s": quantiles(errors) if alike else None,
            "found_and_wrong_by_more_than_2_s": sum(one > 2 for one in errors) if alike else len(errors),
        }
    return facts


def quantiles(values: list[float]) -> Any:
    """Return median, 95 % quantile and largest of some errors."""
    if not values:
        return None
    median, high = np.quantile(values, [0.5, 0.95])
    return {
        "median": round(float(median), 4),
        "95 %": round(float(high), 4),
        "largest": round(float(max(values)), 4),
    }


def share(values: list[Any]) -> Any:
    """Return the mean of some shares."""
    return round(float(np.mean(values)), 4) if values else None


def main() -> None:
    """Simulate, print, and record where asked for."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--sessions", type=int, default=200)
    parser.add_argument("--record", action="store_true")
    options = parser.parse_args()
    commit = subprocess.run(
        ["git", "rev-parse", "HEAD"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    facts = {
        "simulated": "animals, taps, presses, observers and tags; what finds the offsets is the real one",
        "command": f"python experiments/clock_sync.py --sessions {options.sessions} --record",
        "commit": commit.stdout.strip(),
        "python": sys.version.split()[0],
        "seeds": "numpy default_rng([19, k]) for kind k of clocks, [20, k] of ethograms; animals 0 to 7",
        "session_hours": HOURS,
        "drift_s_per_h": DRIFT,
        "jump_s": JUMP,
        "presses_scatter_s": PRESS_SD_S,
        "clocks": of_clocks(options.sessions),
        "ethograms": of_ethograms(options.sessions),
    }
    for part in ("clocks", "ethograms"):
        for kind, found in facts[part].items():
            print(kind)
            for name, value in found.items():
                print(f"  {name}: {value}")
    if options.record:
        write_json(ROOT / "docs" / "results" / "clock-sync.json", facts)


if __name__ == "__main__":
    main()
