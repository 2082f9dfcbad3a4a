"""Error of a state carried through a day of samples: integer model against float model.

    python experiments/long_stream.py [--hours 24] [--bits 8] [--record]

Two students: the trained one of the kernel measurements (`data/herd-sim-gru16.npz`) and a random one of the
same size. The stream is a SIMULATED animal's day at 50 Hz. Both models run sample by sample in C: the integer
model as generated, the float model in double precision. The result is the largest difference of a unit's
state, over the day and, for comparison, in windows of the same day that start from the zero state every 256
samples. A trained network can hold a state for long and leave it a moment earlier or later; such moments are
errors of the stream that windows never show. A drift would be an error that grows with the hours.
`--record` writes docs/results/long-stream.json and docs/img/long-stream.svg.
"""

from __future__ import annotations

import argparse
import ctypes
import subprocess
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from mcukd.codegen.firmware import generate_model
from mcukd.data.card import load_card
from mcukd.data.load import load_windows
from mcukd.data.simulation.simulator import resized, simulate
from mcukd.files import write_json, write_text
from mcukd.fixedpoint.model import IntegerModel
from mcukd.fixedpoint.quantize import QuantizeConfig, quantize
from mcukd.models.weights import GruMlpWeights
from mcukd.profiling.synthetic import random_student

ROOT = Path(__file__).resolve().parents[1]
STUDENT = ROOT / "experiments" / "data" / "herd-sim-gru16.npz"
CARD = "herd-sim"
#: The simulator makes no longer recordings; the next hours are another seed's.
_HOURS_AT_ONCE = 8


def student(kind: str, counts_per_g: float) -> GruMlpWeights:
    """Return the `trained` student of the bench or a `random` one that sees samples in g."""
    if kind == "trained":
        with np.load(STUDENT, allow_pickle=False) as stored:
            return GruMlpWeights.from_arrays(stored)
    return replace(random_student(16, classes=5), std=np.full(3, counts_per_g, np.float32))


def day(hours: float) -> np.ndarray:
    """Return the samples (n, 3) int16 of a simulated animal's hours, bout after bout."""
    parts, wanted = [], round(hours * 3600 * load_card(CARD).rate_hz)
    for seed in range(-(-wanted // (_HOURS_AT_ONCE * 180_000))):
        card = resized(load_card(CARD), animals=2, minutes_per_animal=60 * min(hours, _HOURS_AT_ONCE))
        for recording in simulate(card, seed):
            if recording.animal.endswith("1"):
                parts.append(
                    np.round(recording.samples * card.counts_per_g).clip(-32768, 32767).astype(np.int16)
                )
    return np.concatenate(parts)[:wanted]


def stream_errors(
    weights: GruMlpWeights, model: IntegerModel, counts: np.ndarray, reset: int = 0
) -> np.ndarray:
    """Return (n,) the largest difference of a unit's state after each sample of counts (n, C)."""
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        generate_model(model, folder)
        sources = [str(folder / "mcukd_model.c"), str(Path(__file__).with_name("long_stream.c"))]
        library = folder / "stream.so"
        flags = ["-std=c99", "-O2", "-shared", "-fPIC", f"-I{folder}"]
        subprocess.run(["cc", *flags, *sources, "-o", str(library), "-lm"], check=True)
        run = ctypes.CDLL(str(library)).mcukd_stream
    errors = np.zeros(len(counts), np.float32)
    counts = np.ascontiguousarray(counts)
    floats = [
        np.ascontiguousarray(getattr(weights, name), np.float64)
        for name in ("mean", "std", "kernel", "recurrent", "bias")
    ]
    pointer = ctypes.c_void_p
    run.argtypes = [pointer, ctypes.c_size_t, ctypes.c_size_t, *[pointer] * 5, ctypes.c_double, pointer]
    run(
        counts.ctypes.data, len(counts), reset, *(array.ctypes.data for array in floats),
        2.0 ** -model.length("h"), errors.ctypes.data,
    )  # fmt: skip
    return errors


def drift(kind: str, hours: float, bits: int, counts: np.ndarray) -> dict[str, Any]:
    """Return the errors of a stream by hour, and those of windows of the same samples."""
    card = load_card(CARD)
    weights, calibration = student(kind, card.counts_per_g), load_windows(card, training=True)
    model = quantize(weights, calibration, QuantizeConfig(bits), card.operation_hop)
    carried, windows = (
        stream_errors(weights, model, counts),
        stream_errors(weights, model, counts, model.window),
    )
    per_hour = np.array_split(carried, max(1, round(hours)))
    return {
        "data": f"{CARD} (simulated), one animal, {hours:g} h",
        "student": kind,
        "bits": bits,
        "samples": len(counts),
        "window_samples": model.window,
        "stream": _summary(carried),
        "windows": _summary(windows),
        "stream_by_hour": [_summary(part) for part in per_hour],
    }


def _summary(errors: np.ndarray) -> dict[str, float]:
    return {
        "rms": float(np.sqrt(np.mean(errors.astype(np.float64) ** 2))),
        "p999": float(np.percentile(errors, 99.9)),
        "max": float(errors.max()),
    }


def draw(results: list[dict[str, Any]]) -> str:
    """Draw error by hour of the day, carried state against windows."""
    from mcukd.drawing import COLOURS, drawing, svg

    with drawing("stream", 3.2) as (figure, axes):
        for number, result in enumerate(results):
            colour = COLOURS[number + 1]
            hours = np.arange(len(result["stream_by_hour"])) + 0.5
            for key, style in (("max", "-"), ("rms", "--")):
                values = [part[key] for part in result["stream_by_hour"]]
                axes.plot(
                    hours,
                    values,
                    style,
                    color=colour,
                    label=f"{result['student']}, {result['bits']} bits, {key}",
                )
                axes.axhline(result["windows"][key], color=colour, linestyle=":", linewidth=1)
        axes.set_yscale("log")
        axes.set_xlabel("hour of the simulated day; dotted: windows from the zero state, same samples")
        axes.set_ylabel("error of a state")
        axes.grid(axis="y")
        axes.legend(frameon=False, fontsize=8, ncols=2)
        return svg(figure, "stream")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--hours", type=float, default=24)
    parser.add_argument("--bits", type=int, nargs="+", default=[8, 16])
    parser.add_argument("--record", action="store_true", help="write docs/ too")
    options = parser.parse_args()
    commit = subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"], cwd=ROOT, capture_output=True, text=True, check=False
    ).stdout.strip()
    counts = day(options.hours)
    results = [
        drift(kind, options.hours, bits, counts) for kind in ("trained", "random") for bits in options.bits
    ]
    for one in results:
        print(one["student"], one["bits"], "bits: stream", one["stream"], "windows", one["windows"])
        print("  by hour, rms:", " ".join(f"{part['rms']:.4f}" for part in one["stream_by_hour"]))
    if options.record:
        facts = {
            "command": "python experiments/long_stream.py --record",
            "commit": commit,
            "results": results,
        }
        write_json(ROOT / "docs" / "results" / "long-stream.json", facts)
        drawn = draw(results).replace("<svg ", '<svg xmlns="http://www.w3.org/2000/svg" ', 1)
        write_text(ROOT / "docs" / "img" / "long-stream.svg", drawn)


if __name__ == "__main__":
    main()
