"""A day of a carried state: a student trained with `--stream`, hour by hour, in float and as integers.

    python experiments/carried_day.py --student SCRATCH/stream/evaluation/holdout-s0.npz [--record]

SIMULATED animals that no student was trained on (seeds from 1000 on) live 24 hours without a gap. Float
network and integer model each carry one state from the first sample to the last. By hour: the MCC of windows
of one behaviour at a hop of a quarter window, in float and integers; the share of equal answers; the rms of
the largest difference of a unit's state; the MCC of the integers where each window starts from zero; and the
share of results that are those of integers whose state starts with the hour instead of the day. A drift would
be figures that become worse with the hours. `--record` writes a record to docs/results/.
"""

from __future__ import annotations

import argparse
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from long_stream import stream_errors
from numpy.typing import NDArray

from mcukd.data.card import load_card
from mcukd.data.counted import CountedRecording
from mcukd.data.load import counted, load_windows
from mcukd.data.running import running_windows
from mcukd.data.simulation.simulator import resized, simulate
from mcukd.files import write_json
from mcukd.fixedpoint.config import QuantizeConfig
from mcukd.fixedpoint.quantize import quantize
from mcukd.fixedpoint.reference import as_stream
from mcukd.inference.batch import classes_of, run_stream_fast
from mcukd.inference.carried import evaluated_classes
from mcukd.metrics.confusion import confusion_matrix
from mcukd.metrics.pooled import mcc
from mcukd.models.weights import GruMlpWeights

ROOT = Path(__file__).resolve().parents[1]
CARD = "herd-sim"
#: The simulator makes no longer recordings; the next hours are another seed's animal.
HOURS_AT_ONCE, FIRST_SEED = 8, 1000


def day(hours: int) -> list[CountedRecording]:
    """Return the bouts of simulated animals, one after another without a gap."""
    found: list[CountedRecording] = []
    for seed in range(FIRST_SEED, FIRST_SEED - (-hours // HOURS_AT_ONCE)):
        card = resized(load_card(CARD), animals=2, minutes_per_animal=60 * min(hours, HOURS_AT_ONCE))
        bouts = [one for one in simulate(card, seed) if one.animal == "sim001"]
        found += counted(card, bouts)
    return [
        CountedRecording(one.animal, one.label, one.counts, number, follows=number > 0)
        for number, one in enumerate(found)
    ]


def float_classes(weights: GruMlpWeights, samples: NDArray[np.int16], ends: NDArray[np.int64]) -> Any:
    """Return the classes after the samples before `ends` (N,) with a state carried by XLA, hour by hour."""
    from mcukd.tensorflow_setup import tensorflow as tf

    kernel, recurrent, bias = (tf.constant(one) for one in (weights.kernel, weights.recurrent, weights.bias))
    units = weights.hidden

    @tf.function(jit_compile=True)
    def run(x: Any, state: Any) -> Any:
        inputs = x @ kernel + bias[0]

        def step(h: Any, row: Any) -> Any:
            own = h @ recurrent + bias[1]
            z = tf.sigmoid(row[:, :units] + own[:, :units])
            r = tf.sigmoid(row[:, units : 2 * units] + own[:, units : 2 * units])
            candidate = tf.tanh(row[:, 2 * units :] + r * own[:, 2 * units :])
            return z * h + (1 - z) * candidate

        return tf.scan(step, inputs[:, None], state)

    state, parts, chunk = tf.zeros((1, units)), [], 60_000
    padded = np.concatenate([samples, np.zeros((-len(samples) % chunk, 3), np.int16)])
    for start in range(0, len(padded), chunk):
        states = run(((padded[start : start + chunk] - weights.mean) / weights.std).astype(np.float32), state)
        state = states[-1]
        own = ends[(ends > start) & (ends <= start + chunk)]
        parts.append(states.numpy()[own - 1 - start, 0])
    return np.argmax(weights.head.logits(np.concatenate(parts)), axis=1)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--student", type=Path, required=True, help="a fold's file of a study of herd-sim")
    parser.add_argument("--hours", type=int, default=24)
    parser.add_argument("--record", action="store_true", help="write docs/results/ too")
    options = parser.parse_args()
    card = load_card(CARD)
    with np.load(options.student) as fold:
        weights = GruMlpWeights.from_arrays(fold, "student__")
        animals = fold["train_animals"]
    training = load_windows(card, training=True)
    own = training.take(np.isin(training.animals, animals))
    model = as_stream(quantize(weights, own, QuantizeConfig(8, 16), card.operation_hop))
    running = running_windows(card, day(options.hours), card.window // 4)
    windows = running.windows
    assert windows.past is not None
    samples, ends = windows.past.samples, windows.past.begins + card.window
    answers = {
        "float": float_classes(weights, samples, ends),
        "8 bits": evaluated_classes(model, windows),
        "8 bits, windows": classes_of(replace(model, stream=False), windows.counts),
    }
    hop = card.window // 4
    errors = stream_errors(weights, model, samples)
    hour_of = (ends - 1) // round(3600 * card.rate_hz)
    by_hour = []
    for hour in range(options.hours):
        of_hour = hour_of == hour
        chosen = of_hour & ~running.mixed
        first, last = (round(one * 3600 * card.rate_hz) for one in (hour, hour + 1))
        row: dict[str, Any] = {
            f"mcc, {name}": mcc(confusion_matrix(windows.labels[chosen], one[chosen], len(card.classes)))
            for name, one in answers.items()
        }
        # Results of a hop are numbered from the start, so that a later start needs a whole number of hops.
        late = -(-first // hop) * hop
        fresh = run_stream_fast(model, samples[late:last], hop).classes
        number = late // hop + np.arange(len(fresh))
        row["equal, started with the hour"] = float(np.mean(answers["8 bits"][number] == fresh))
        row["equal"] = float(np.mean(answers["float"][of_hour] == answers["8 bits"][of_hour]))
        row["rms"] = float(np.sqrt(np.mean(np.square(errors[first:last], dtype=np.float64))))
        by_hour.append(row)
        print(hour, {name: round(value, 4) for name, value in row.items()}, flush=True)
    if options.record:
        commit = subprocess.run(
            ["git", "rev-parse", "--short", "HEAD"], cwd=ROOT, capture_output=True, text=True, check=False
        ).stdout.strip()
        facts = {
            "command": f"python experiments/carried_day.py --student SCRATCH/{options.student.name}",
            "commit": commit,
            "data": f"{CARD} (simulated), seeds from {FIRST_SEED} on, {options.hours} h without a gap",
            "bits": 8,
            "samples": len(samples),
            "by_hour": by_hour,
        }
        write_json(ROOT / "docs" / "results" / "carried-state-day.json", facts)


if __name__ == "__main__":
    main()
