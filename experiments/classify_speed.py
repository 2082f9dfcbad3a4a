"""Speed and memory of `mcukd classify` on a simulated recording of 30 days at 50 Hz in Parquet.

    python experiments/classify_speed.py --folder SCRATCH [--days 30] [--hop 256] [--write]

SIMULATED data: bouts of the simulated herd (herd-sim), repeated until the file has its length; only its size
matters here. A model with random weights (GRU 16, windows of 256 samples) classifies it. The file is deleted
afterwards.

A sample of the recording's windows is then replayed on both EMULATED cores (QEMU): all logits must be equal.
--write: docs/results/classify-speed.json.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import shutil
import subprocess
import sys
import time
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from host_speed import output_of, processor
from numpy.typing import NDArray

RESULTS = Path(__file__).resolve().parents[1] / "docs" / "results" / "classify-speed.json"
RATE_HZ, STEPS, START_S, GROUP = 50, 256, 1_767_225_600, 1 << 20
SAMPLE = 1000
ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "ARROW_NUM_THREADS"), "1")


@lru_cache(maxsize=1)
def simulated_bouts() -> NDArray[np.int16]:
    """Return bouts of the simulated herd as counts (samples, 3)."""
    from mcukd.data.card import load_card
    from mcukd.data.simulation.simulator import resized, simulate

    card = resized(load_card("herd-sim"), animals=4)
    herd = np.concatenate([recording.samples for recording in simulate(card, 0)])
    return np.round(herd * card.counts_per_g).astype(np.int16)


def write_recording(path: Path, days: float, shift: int = 0) -> int:
    """Write simulated bouts as int16 counts with a stamp each, row group by row group; return the samples.

    shift: bouts begin so many samples later, for recordings that differ.
    """
    import pyarrow as pa
    from pyarrow import parquet

    tile = simulated_bouts()
    total, done = int(days * 86400 * RATE_HZ), 0
    schema = pa.schema([("time", pa.timestamp("us", "UTC")), *((axis, pa.int16()) for axis in "xyz")])
    with parquet.ParquetWriter(path, schema, compression="zstd") as writer:
        while done < total:
            numbers = np.arange(done, min(done + GROUP, total), dtype=np.int64)
            samples = tile[(numbers + shift) % len(tile)]
            stamps = pa.array(
                START_S * 1_000_000 + numbers * (1_000_000 // RATE_HZ), schema.field("time").type
            )
            columns = [stamps, *(pa.array(np.ascontiguousarray(samples[:, axis])) for axis in range(3))]
            writer.write_table(pa.table(columns, schema=schema))
            done += len(numbers)
    return done


def write_study(folder: Path) -> str:
    """Save an integer model of random weights as a study; return what it is."""
    from dataclasses import replace

    from mcukd.data.card import load_card
    from mcukd.fixedpoint.model import save_model
    from mcukd.fixedpoint.quantize import QuantizeConfig, quantize
    from mcukd.profiling.synthetic import random_student, random_windows
    from mcukd.study import Study

    card = load_card("herd-sim")
    windows = random_windows(256, STEPS, seed=1000)
    scale = card.counts_per_g / windows.counts_per_g
    counts = np.round(windows.counts * scale).astype(np.int16)
    student = random_student(16)
    student = replace(student, mean=student.mean * scale, std=student.std * scale)
    windows = replace(windows, counts=counts, counts_per_g=card.counts_per_g)
    model = quantize(student, windows, QuantizeConfig(8), STEPS)
    Study.create(folder, card="herd-sim", seed=0)
    save_model(model, folder)
    return f"GRU {model.hidden}, dense {model.dense}, {len(model.classes)} classes, 8 bits, random weights"


def timed(argv: list[str]) -> dict[str, float]:
    """Run a child to its end; its wall and CPU time in seconds and its peak resident memory in MiB."""
    begun = time.monotonic()
    child = subprocess.Popen(argv, stdout=subprocess.DEVNULL, env={**os.environ, **ONE_THREAD})
    _, status, usage = os.wait4(child.pid, 0)
    wall = time.monotonic() - begun
    child.returncode = os.waitstatus_to_exitcode(status)
    if child.returncode:
        raise SystemExit(f"the child ended with {child.returncode}")
    scale = 1 if sys.platform == "darwin" else 1024
    return {
        "wall_s": round(wall, 2),
        "cpu_s": round(usage.ru_utime + usage.ru_stime, 2),
        "peak_rss_mib": round(usage.ru_maxrss * scale / 2**20, 1),
    }


def classify(
    recording: Path, run: Path, out: Path, hop: int, sample: int = 0
) -> tuple[dict[str, float], dict[str, Any]]:
    argv = [sys.executable, "-m", "mcukd", "classify", str(recording), "--run", str(run), "--out", str(out)]
    kept = ["--sample-windows", str(sample)] if sample else []
    measured = timed([*argv, "--time-column", "time", "--hop", str(hop), "--json", *kept])
    return measured, json.loads((out / f"{recording.stem}.summary.json").read_text())


def replayed(sample: Path, run: Path) -> dict[str, int]:
    """Return how many of the kept windows differ in a logit from what each emulated core gives."""
    import tempfile

    from mcukd.codegen.firmware import generate_model
    from mcukd.fixedpoint.model import load_model
    from mcukd.profiling.emulate import run_image
    from mcukd.profiling.image import build_image

    differing = {}
    with np.load(sample) as kept:
        counts, logits = kept["counts"], kept["logits"]
    for core in ("m3", "m4f"):
        with tempfile.TemporaryDirectory() as scratch:
            generate_model(load_model(run), Path(scratch), core)
            seen = run_image(build_image(Path(scratch), core), counts)
        differing[core] = int((seen.logits != logits).any(axis=1).sum())
    return {"windows": len(counts), **{f"differ_on_{core}": count for core, count in differing.items()}}


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--days", type=float, default=30)
    parser.add_argument("--hop", type=int, default=STEPS)
    parser.add_argument("--write", action="store_true", help=f"write {RESULTS.name}")
    options = parser.parse_args()
    folder = options.folder / "classify-speed"
    folder.mkdir(parents=True)
    try:
        model = write_study(folder / "run")
        short, whole = folder / "day.parquet", folder / "days.parquet"
        write_recording(short, 1)
        samples = write_recording(whole, options.days)
        size = whole.stat().st_size
        # The first builds the C once for all; the second says how memory grows, which is not at all.
        classify(short, folder / "run", folder / "warm", options.hop)
        of_a_day, _ = classify(short, folder / "run", folder / "short", options.hop)
        measured, summary = classify(whole, folder / "run", folder / "long", options.hop)
        classify(whole, folder / "run", folder / "sampled", options.hop, SAMPLE)
        replay = replayed(next((folder / "sampled").glob("*.sample.npz")), folder / "run")
        written = sum(path.stat().st_size for path in (folder / "long").iterdir())
    finally:
        shutil.rmtree(folder)
    seconds = samples / RATE_HZ
    result = {
        "what": "mcukd classify, the whole command from start to exit, on one core",
        "simulated": True,
        "command": "python experiments/classify_speed.py --folder SCRATCH "
        f"--days {options.days:g} --hop {options.hop}",
        "commit": output_of("git", "rev-parse", "--short", "HEAD"),
        "processor": processor(),
        "python": platform.python_version(),
        "how": "one run; other programs shared the computer, so CPU time stands beside the wall's",
        "model": model,
        "window": summary["window"],
        "hop": summary["hop"],
        "samples": samples,
        "parquet_bytes": size,
        "windows": summary["windows"],
        "bytes_written": written,
        "computed_with": summary["computed_with"],
        **measured,
        "times_real_time_wall": round(seconds / measured["wall_s"]),
        "times_real_time_cpu": round(seconds / measured["cpu_s"]),
        "one_day": of_a_day,
        "sample_on_emulated_cores": replay,
    }
    print(json.dumps(result, indent=2))
    if options.write:
        from mcukd.files import write_json

        write_json(RESULTS, result)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
