"""Cost of TSAK's teacher and of the students that learn from it, on this computer.

    python experiments/tsak_cost.py            (some minutes; --write keeps docs/results/tsak-cost.json)

Parameters and FLOPs are counted (a multiply-accumulate is two). Speed is measured on this computer's CPU in
one thread, with random seeded weights: one window at a time and in batches of 256, from samples in memory to
logits in memory, by TensorFlow with and without XLA, whichever is faster for the model. The students have the
accelerometer only. Models take turns in many short rounds, and the best counts, because other programs may
share the computer; the median is kept beside it and shows how much they disturbed. An empty call is measured
as well: at one window it is much of the total. A tag runs integers in C; none of these figures is a tag's.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

RESULTS = Path(__file__).resolve().parents[1] / "docs" / "results" / "tsak-cost.json"
#: Read when NumPy and TensorFlow are imported, so the script starts itself again with them.
ONE_THREAD = {
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "TF_NUM_INTRAOP_THREADS": "1",
    "TF_NUM_INTEROP_THREADS": "1",
    "XLA_FLAGS": "--xla_cpu_multi_thread_eigen=false",
    "TF_CPP_MIN_LOG_LEVEL": "3",
}
BATCHES = (1, 256)
ROUNDS = 30
SECONDS = 0.05
UNITS = DENSE = 16
#: TSAK's student against its teacher, as its abstract has it (arXiv 2408.14146).
PAPER = {"parameters_saved": 0.79, "flops_saved": 0.966, "times_faster": 8.88}


class Time(NamedTuple):
    """CPU seconds per window: the best of the rounds, their median, and how it was reached."""

    best: float
    median: float
    how: str


class Model(NamedTuple):
    name: str
    channels: int
    parameters: int
    macs: int
    keras: Any


def models(window: int, channels: int, classes: int) -> list[Model]:
    """The teacher first; C channels of it are the accelerometer's three and the rest its own."""
    import keras

    from mcukd.models.gru_mlp import build_student, student_macs_per_window, student_parameters
    from mcukd.models.tsak import SLIM_WIDTH, WIDTH, build_tsak, tsak_macs_per_window, tsak_parameters

    keras.utils.set_random_seed(0)

    def plain(c: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        return np.zeros(c), np.ones(c)

    def tsak(name: str, c: int, width: int) -> Model:
        shape = (window, c, classes)
        built = build_tsak(*shape, *plain(c), width)
        return Model(name, c, tsak_parameters(*shape, width), tsak_macs_per_window(*shape, width), built)

    sizes = (UNITS, DENSE)
    gru = Model(
        "student, GRU-MLP 16",
        3,
        student_parameters(3, classes, *sizes),
        student_macs_per_window(window, 3, classes, *sizes),
        build_student(window, 3, classes, *plain(3), *sizes),
    )
    return [
        tsak("teacher, all channels", channels, WIDTH),
        tsak("teacher, accelerometer only", 3, WIDTH),
        tsak("slim relative of the teacher", 3, SLIM_WIDTH),
        gru,
    ]


def measured(found: list[tuple[Any, int]], window: int) -> list[list[Time]]:
    """Return the time per window of functions and their channels, one by one and batch by batch."""
    rng = np.random.default_rng(0)
    runs: list[tuple[int, int, str, Callable[[], Any]]] = []
    for number, (model, channels) in enumerate(found):
        for place, batch in enumerate(BATCHES):
            samples = rng.normal(size=(batch, window, channels)).astype(np.float32)
            runs += [(number, place, how, compiled(model, samples, how == "XLA")) for how in ("XLA", "graph")]
    rounds = [[seconds(run) / BATCHES[place] for _, place, _, run in runs] for _ in range(ROUNDS)]
    times = [Time(min(spent), float(np.median(spent)), run[2]) for spent, run in zip(zip(*rounds), runs)]
    return [
        [
            min(time for time, run in zip(times, runs) if run[:2] == (number, place))
            for place in range(len(BATCHES))
        ]
        for number in range(len(found))
    ]


def compiled(model: Any, samples: NDArray[np.float32], xla: bool) -> Callable[[], Any]:
    import tensorflow as tf

    function = tf.function(lambda x: model(x, training=False), jit_compile=xla)
    for _ in range(3):
        function(samples).numpy()
    return lambda: function(samples).numpy()


def seconds(run: Callable[[], Any]) -> float:
    """Return the CPU seconds of one call; other programs' share does not count."""
    calls, start, until = 0, time.process_time(), time.perf_counter() + SECONDS
    while time.perf_counter() < until or not calls:
        run()
        calls += 1
    return (time.process_time() - start) / calls


def measure(name: str) -> dict[str, Any]:
    from mcukd.data.card import load_card

    card = load_card(name)
    channels = 3 + sum(len(extra.columns) for extra in card.extra)
    found = models(card.window, channels, len(card.classes))
    rows = []
    teacher = found[0]

    def nothing(x: Any, training: bool) -> Any:
        return x[:, 0] + 1

    *times, overhead = measured(
        [*((model.keras, model.channels) for model in found), (nothing, 3)], card.window
    )
    for model, spent in zip(found, times):
        rows.append(
            {
                "model": model.name,
                "channels": model.channels,
                "parameters": model.parameters,
                "flops_per_window": 2 * model.macs,
                "cpu_us_per_window": by_batch(spent, lambda each: round(1e6 * each.best, 2)),
                "cpu_us_median": by_batch(spent, lambda each: round(1e6 * each.median, 2)),
                "faster_with": by_batch(spent, lambda each: each.how),
                "parameters_saved": round(1 - model.parameters / teacher.parameters, 4),
                "flops_saved": round(1 - model.macs / teacher.macs, 4),
                "times_faster": {
                    f"batch {batch}": round(all_channels.best / each.best, 2)
                    for batch, all_channels, each in zip(BATCHES, times[0], spent)
                },
            }
        )
        print(rows[-1], flush=True)
    empty = by_batch(overhead, lambda each: round(1e6 * each.best, 2))
    return {
        "window": card.window,
        "classes": len(card.classes),
        "empty_call_us_per_window": empty,
        "models": rows,
    }


def by_batch(times: list[Time], what: Callable[[Time], Any]) -> dict[str, Any]:
    return {f"batch {batch}": what(each) for batch, each in zip(BATCHES, times)}


def main() -> None:
    parser = argparse.ArgumentParser(description="What TSAK's teacher costs beside the students.")
    parser.add_argument("--write", action="store_true", help="keep the result")
    options = parser.parse_args()
    if any(os.environ.get(name) != value for name, value in ONE_THREAD.items()):
        os.execve(sys.executable, [sys.executable, *sys.argv], {**os.environ, **ONE_THREAD})
    from importlib.metadata import version

    result = {
        "cards": {name: measure(name) for name in ("cow-collar", "ucihar-subset")},
        "paper": PAPER,
        "batches": BATCHES,
        "rounds": ROUNDS,
        "clock": "CPU time of the process, best of the rounds, one thread",
        "processor": processor(),
        "load_average_at_end": os.getloadavg()[0],
        "versions": {name: version(name) for name in ("tensorflow", "keras", "numpy")},
    }
    if options.write:
        from mcukd.files import replacing

        with replacing(RESULTS) as temporary:
            temporary.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")


def processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor()
    return next((line.split(": ", 1)[1] for line in lines if line.startswith("model name")), "unknown")


if __name__ == "__main__":
    main()
