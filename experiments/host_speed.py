"""Windows per second of integer, float and TFLite models on this computer, in one thread.

    python experiments/host_speed.py            (some minutes; --write keeps docs/results/host-speed.json)

GRU 16 → 16 → 6 on 3 axes, 256 samples, random seeded weights, 8 bits, interpolated gates. Everything runs in
this one process on one thread: the integer model in NumPy and in C (classes only, and with every checksum and
counter), the same float student by Keras `predict` and compiled by XLA, and the TFLite int8 one-step cell.
Methods take turns, and the best of the rounds counts, because other programs may share the computer.
Times are from counts in memory to logits in memory, by the wall clock and by this process's CPU time.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

RESULTS = Path(__file__).resolve().parents[1] / "docs" / "results" / "host-speed.json"
#: Read when NumPy and TensorFlow are imported, so the script starts itself again with them.
ONE_THREAD = {
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "TF_NUM_INTRAOP_THREADS": "1",
    "TF_NUM_INTEROP_THREADS": "1",
    "XLA_FLAGS": "--xla_cpu_multi_thread_eigen=false",
    "TF_CPP_MIN_LOG_LEVEL": "3",
}
STEPS = 256
BATCHES = (32, 256, 1024, 2048, 4096)
WINDOWS = 4096
#: CPU time leaves out what other programs take, all threads of this one counted.
CLOCKS = (time.perf_counter, time.process_time)


class Method(NamedTuple):
    name: str
    windows: int
    run: Callable[[NDArray[np.int16]], Any]


def integer_methods(weights: Any, calibration: Any) -> list[Method]:
    from mcukd.fixedpoint import reference
    from mcukd.fixedpoint.quantize import QuantizeConfig, quantize
    from mcukd.inference.batch import backend, classify_stream, run_fast

    model = quantize(weights, calibration, QuantizeConfig(8), STEPS)
    found = backend(model)
    if found.name != "c":
        raise SystemExit(f"nothing to measure: {found.reason}")

    def stream(counts: NDArray[np.int16]) -> Any:
        return classify_stream(model, counts.reshape(-1, counts.shape[2]), STEPS // 2)

    return [
        Method("integers, NumPy reference", 1024, lambda x: reference.run(model, x, checksums=False)),
        Method("integers, C", WINDOWS, lambda x: run_fast(model, x, checksums=False, saturations=False)),
        Method("integers, C, checksums and saturations", WINDOWS, lambda x: run_fast(model, x)),
        # Windows overlap by half, so there are nearly twice as many.
        Method("integers, C, stream with windows that overlap by half", 2 * WINDOWS - 1, stream),
    ]


def keras_student(weights: Any) -> Any:
    from mcukd.models.gru_mlp import build_student

    student = build_student(
        STEPS,
        3,
        weights.classes,
        weights.mean,
        weights.std.astype(np.float64) ** 2,
        weights.hidden,
        weights.dense,
    )
    student.get_layer("gru").set_weights([weights.kernel, weights.recurrent, weights.bias])
    student.get_layer("dense").set_weights([weights.dense_kernel, weights.dense_bias])
    student.get_layer("logits").set_weights([weights.output_kernel, weights.output_bias])
    return student


def float_methods(weights: Any) -> list[Method]:
    import tensorflow as tf

    tf.config.threading.set_intra_op_parallelism_threads(1)
    tf.config.threading.set_inter_op_parallelism_threads(1)
    student = keras_student(weights)
    methods = [Method("float, Keras predict, default batch", 1024, lambda x: student.predict(x, verbose=0))]

    def predict(batch: int) -> Callable[[NDArray[np.int16]], Any]:
        return lambda x: student.predict(x, batch_size=batch, verbose=0)

    def compiled(batch: int) -> Callable[[NDArray[np.int16]], Any]:
        call = tf.function(lambda x: student(x, training=False), jit_compile=True, reduce_retracing=False)
        return lambda x: [call(x[i : i + batch].astype(np.float32)).numpy() for i in range(0, len(x), batch)]

    for batch in BATCHES:
        methods.append(Method(f"float, Keras predict, batch {batch}", max(batch, 1024), predict(batch)))
        methods.append(Method(f"float, XLA-compiled call, batch {batch}", max(batch, 1024), compiled(batch)))
    return methods


def tflite_methods(weights: Any, calibration: Any, scratch: Path) -> list[Method]:
    import tensorflow as tf

    from mcukd.tflite.evaluate import Cell
    from mcukd.tflite.export import export

    path = scratch / "student.tflite"
    export(weights, calibration.classes, calibration.counts, path)
    reference = Cell(path)
    optimized = Cell(path)
    optimized._interpreter = tf.lite.Interpreter(str(path), num_threads=1)
    methods = []
    for kernels, cell in (("reference kernels", reference), ("default kernels", optimized)):
        for batch in (1, 256):
            methods.append(
                Method(
                    f"TFLite int8 one-step cell, {kernels}, {batch} at a time",
                    16 if batch == 1 else 256,
                    lambda x, cell=cell, batch=batch: [
                        cell.run(x[i : i + batch]) for i in range(0, len(x), batch)
                    ],
                )
            )
    return methods


def measure(methods: list[Method], counts: NDArray[np.int16], rounds: int) -> list[dict[str, float]]:
    """Return the best rates of each method, windows per second and per second of this process's CPU time.

    One round before the others does not count.
    """
    best = [dict.fromkeys((method.name for method in methods), float("inf")) for _clock in CLOCKS]
    for turn in range(rounds + 1):
        for method in methods:
            part = counts[: method.windows]
            start = [clock() for clock in CLOCKS]
            method.run(part)
            taken = [clock() - before for clock, before in zip(CLOCKS, start)]
            for fastest, seconds in zip(best, taken):
                if turn:
                    fastest[method.name] = min(fastest[method.name], seconds / method.windows)
    return [{name: 1 / seconds for name, seconds in fastest.items()} for fastest in best]


def best_of(rates: dict[str, float], beginning: str) -> tuple[str, float]:
    name = max((name for name in rates if name.startswith(beginning)), key=rates.__getitem__)
    return name, rates[name]


def output_of(*argv: str) -> str:
    return subprocess.run(argv, capture_output=True, text=True, check=False).stdout.strip()


def processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor()
    facts = dict(line.split("\t: ", 1) for line in lines if "\t: " in line.replace("\t\t", "\t"))
    return f"{facts.get('model name', '?')}, family {facts.get('cpu family', '?')}".strip()


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=5, help="rounds of which the best counts")
    parser.add_argument("--write", action="store_true", help=f"write {RESULTS.name}")
    options = parser.parse_args()
    if any(os.environ.get(name) != value for name, value in ONE_THREAD.items()):
        os.execve(sys.executable, [sys.executable, *sys.argv], {**os.environ, **ONE_THREAD})

    import tensorflow as tf

    from mcukd.files import write_json
    from mcukd.profiling.synthetic import random_student, random_windows

    weights, calibration = random_student(16), random_windows(256, STEPS, seed=1000)
    counts = random_windows(WINDOWS, STEPS, seed=2000).counts
    with tempfile.TemporaryDirectory() as scratch:
        methods = [
            *float_methods(weights),
            *integer_methods(weights, calibration),
            *tflite_methods(weights, calibration, Path(scratch)),
        ]
        wall, rates = measure(methods, counts, options.rounds)
    ours = rates["integers, C"]
    comparisons = {}
    for beginning in (
        "integers, NumPy",
        "float, Keras predict, default",
        "float, Keras predict",
        "float, XLA",
        "TFLite",
    ):
        name, rate = best_of(rates, beginning)
        comparisons[name] = round(ours / rate, 2)
    single = "TFLite int8 one-step cell, reference kernels, 1 at a time"
    comparisons[single] = round(ours / rates[single], 1)
    result = {
        "command": f"python experiments/host_speed.py --rounds {options.rounds}",
        "commit": output_of("git", "rev-parse", "--short", "HEAD"),
        "processor": processor(),
        "compiler": output_of(os.environ.get("CC") or "cc", "--version").splitlines()[0],
        "versions": {
            "python": platform.python_version(),
            "numpy": np.__version__,
            "tensorflow": tf.__version__,
        },
        "model": "GRU 16, dense 16, 6 classes, 3 axes, 256 samples, 8 bits, random weights",
        "threads": 1,
        "how": f"best of {options.rounds} interleaved rounds; other programs shared the computer",
        "windows_per_second": {name: round(rate) for name, rate in wall.items()},
        "windows_per_cpu_second": {name: round(rate) for name, rate in rates.items()},
        "integers_in_c_times_less_cpu_time_than": comparisons,
    }
    print(json.dumps(result, indent=2))
    if options.write:
        write_json(RESULTS, result)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
