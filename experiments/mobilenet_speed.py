"""Cost of SMLDist's MobileNet teacher and slim student on this computer.

    python experiments/mobilenet_speed.py  (a minute or two; --write keeps docs/results/mobilenet-speed.json)

SMLDist's authors measured theirs on a Jetson; this is the computer at hand. Both models have the memory head,
3 axes, 6 classes and random seeded weights, which change no cost. They run in this one process on one thread:
as Keras models in a TensorFlow graph, and as TFLite int8 files on the reference kernels (those of a
microcontroller) and on the desktop's. Models take turns, and the best of the rounds counts, because other
programs may share the computer. Times are from counts in memory to scores in memory.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from host_speed import ONE_THREAD, Method, measure, output_of, processor
from numpy.typing import NDArray

RESULTS = Path(__file__).resolve().parents[1] / "docs" / "results" / "mobilenet-speed.json"
MODELS = {"teacher": False, "student": True}
CLASSES = ("a", "b", "c", "d", "e", "f")
BATCH = 256


def in_batches(run: Callable[[Any], Any], batch: int) -> Callable[[NDArray[np.int16]], Any]:
    return lambda x: [run(x[i : i + batch]) for i in range(0, len(x), batch)]


def methods_of(
    name: str, window: int, calibration: NDArray[np.int16], scratch: Path
) -> tuple[list[Method], int]:
    """Return the ways to run one model, and the bytes of its int8 file."""
    import keras
    import tensorflow as tf

    from mcukd.models.mobilenet import build_mobilenet
    from mcukd.tflite.window import WindowModel, export_window

    keras.utils.set_random_seed(0)
    flat = calibration.reshape(-1, 3)
    moments = flat.mean(axis=0), flat.var(axis=0)
    model = build_mobilenet(window, 3, len(CLASSES), *moments, slim=MODELS[name], head="memory")
    path = scratch / f"{name}-{window}.tflite"
    size = export_window(model, CLASSES, calibration, path).bytes
    graph = tf.function(lambda x: model(x, training=False), reduce_retracing=False)
    reference, desktop = WindowModel(path), WindowModel(path, reference=False)
    single = WindowModel(path, reference=False)
    ways = (
        ("float, Keras graph", 1, 32, lambda x: graph(x.astype(np.float32)).numpy()),
        ("float, Keras graph", BATCH, BATCH, lambda x: graph(x.astype(np.float32)).numpy()),
        ("TFLite int8, reference kernels", 1, 8, reference.run),
        ("TFLite int8, default kernels", 1, 32, single.run),
        ("TFLite int8, default kernels", BATCH, BATCH, desktop.run),
    )
    return [Method(f"{name}, {way}, {b} at a time", n, in_batches(run, b)) for way, b, n, run in ways], size


def one_window_length(window: int, rounds: int, scratch: Path) -> dict[str, Any]:
    from mcukd.models.mobilenet import mobilenet_macs_per_window, mobilenet_parameters
    from mcukd.profiling.synthetic import random_windows

    counts = random_windows(BATCH, window, seed=2000).counts
    found = {name: methods_of(name, window, counts[:64], scratch) for name in MODELS}
    _, rates = measure([method for methods, _ in found.values() for method in methods], counts, rounds)
    ways = [name.split(", ", 1)[1] for name in rates if name.startswith("student")]
    size = {
        "parameters": {
            name: mobilenet_parameters(3, len(CLASSES), slim=slim, head="memory")
            for name, slim in MODELS.items()
        },
        "macs_per_window": {
            name: mobilenet_macs_per_window(window, 3, len(CLASSES), slim=slim, head="memory")
            for name, slim in MODELS.items()
        },
        "int8_bytes": {name: bytes_ for name, (_, bytes_) in found.items()},
    }
    less = {what: 1 - of["student"] / of["teacher"] for what, of in size.items()}
    less.update({way: 1 - rates[f"teacher, {way}"] / rates[f"student, {way}"] for way in ways})
    return {
        **size,
        "cpu_microseconds_per_window": {name: round(1e6 / rate, 1) for name, rate in rates.items()},
        "student_costs_less_by_percent": {what: round(100 * part, 1) for what, part in less.items()},
    }


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=10, help="rounds of which the best counts")
    parser.add_argument("--windows", type=int, nargs="+", default=[50, 128, 256], help="samples per window")
    parser.add_argument("--write", action="store_true", help=f"write {RESULTS.name}")
    options = parser.parse_args()
    if any(os.environ.get(name) != value for name, value in ONE_THREAD.items()):
        os.execve(sys.executable, [sys.executable, *sys.argv], {**os.environ, **ONE_THREAD})

    import tensorflow as tf

    from mcukd.files import write_json

    tf.config.threading.set_intra_op_parallelism_threads(1)
    tf.config.threading.set_inter_op_parallelism_threads(1)
    with tempfile.TemporaryDirectory() as scratch:
        by_window = {
            str(window): one_window_length(window, options.rounds, Path(scratch))
            for window in options.windows
        }
    result = {
        "command": f"python experiments/mobilenet_speed.py --rounds {options.rounds}",
        "commit": output_of("git", "rev-parse", "--short", "HEAD"),
        "processor": processor(),
        "versions": {
            "python": platform.python_version(),
            "numpy": np.__version__,
            "tensorflow": tf.__version__,
        },
        "models": "mobilenet teacher and slim student, memory head, 3 axes, 6 classes, random weights",
        "threads": 1,
        "how": f"best of {options.rounds} interleaved rounds by this process's CPU time; other programs "
        "shared the computer",
        "samples_per_window": by_window,
    }
    print(json.dumps(result, indent=2))
    if options.write:
        write_json(RESULTS, result)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
