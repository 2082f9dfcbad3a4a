"""Memory of the import of a 2 GB synthetic CSV, with a kill at half and a restart.

    python experiments/import_memory.py --folder SCRATCH [--gigabytes 2] [--out FILE.json]

SIMULATED data: a sine on noise with gravity, for eight animals; only its size matters here. Afterwards every
row must be there once. The kept record is docs/results/import-memory.json.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np

from mcukd import __version__

ANIMALS, RATE_HZ, BLOCK = 8, 50, 100_000
LABELS = ("grazing", "walking", "resting")


def write_csv(path: Path, gigabytes: float) -> int:
    """Write samples until the file has the size; return the number of rows."""
    rng = np.random.default_rng(0)
    rows = 0
    per_animal = gigabytes * 1e9 / ANIMALS
    with path.open("w", encoding="utf-8", newline="") as stream:
        stream.write("animal,time_s,behaviour,acc_x,acc_y,acc_z\n")
        for animal in range(ANIMALS):
            start, begun = 0, stream.tell()
            while stream.tell() - begun < per_animal:
                seconds = (start + np.arange(BLOCK)) / RATE_HZ
                values = rng.normal((0.1, 0.2, 0.97), 0.05, (BLOCK, 3))
                values[:, 0] += 0.3 * np.sin(2 * np.pi * 1.5 * seconds)
                bouts = (seconds // 60).astype(int) % len(LABELS)
                text = [
                    f"cow{animal},{t:.3f},{LABELS[bout]},{x:.5f},{y:.5f},{z:.5f}\n"
                    for t, bout, (x, y, z) in zip(seconds.tolist(), bouts.tolist(), values.tolist())
                ]
                stream.write("".join(text))
                start += BLOCK
                rows += BLOCK
    return rows


def command(csv: Path, out: Path) -> list[str]:
    """The import as a user types it."""
    return [sys.executable, "-m", "mcukd", "data", "import", str(csv), "--out", str(out), "--json"]


def peak_mib(pid: int) -> float:
    """Wait for a child; return its peak resident memory in MiB (getrusage, as wait4 gives it)."""
    _, status, usage = os.wait4(pid, 0)
    scale = 1 if sys.platform == "darwin" else 1024
    return usage.ru_maxrss * scale / 2**20 if status == 0 or os.WIFSIGNALED(status) else float("nan")


def killed_at_half(csv: Path, out: Path, size: int) -> dict[str, float]:
    """Start the import, and kill it once the manifest says that half of the bytes are done."""
    begun = time.monotonic()
    child = subprocess.Popen(command(csv, out), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    done = 0
    while done < size / 2 and child.poll() is None:
        time.sleep(0.2)
        try:
            done = json.loads((out / "import.json").read_text())["state"]["offset"]
        except (OSError, ValueError, KeyError):
            continue
    if child.returncode is not None:
        raise SystemExit("the import ended before half of the bytes were in its manifest")
    child.send_signal(signal.SIGKILL)
    peak = peak_mib(child.pid)
    manifest = json.loads((out / "import.json").read_text())
    return {
        "bytes_done": manifest["state"]["offset"],
        "rows_done": manifest["rows"],
        "parts": len(manifest["parts"]),
        "seconds": round(time.monotonic() - begun, 1),
        "peak_rss_mib": round(peak, 1),
    }


def resumed(csv: Path, out: Path) -> tuple[dict[str, float], dict[str, object]]:
    """Run the same import again to its end."""
    begun = time.monotonic()
    with (out / "resumed.json").open("wb") as stream:
        child = subprocess.Popen(command(csv, out), stdout=stream, stderr=subprocess.DEVNULL)
        peak = peak_mib(child.pid)
    facts = json.loads((out / "resumed.json").read_text())
    return {"seconds": round(time.monotonic() - begun, 1), "peak_rss_mib": round(peak, 1)}, facts


def rows_of(out: Path) -> tuple[int, bool]:
    """Count the rows of all parts and check that time never repeats or skips within an animal."""
    from pyarrow import parquet

    rows, whole = 0, True
    last: dict[str, float] = {}
    for part in sorted(out.glob("part-*.parquet")):
        table = parquet.read_table(part, columns=["animal", "time"])
        rows += table.num_rows
        animals = table.column("animal").combine_chunks().dictionary_decode().to_numpy(zero_copy_only=False)
        times = table.column("time").to_numpy()
        for animal in dict.fromkeys(animals.tolist()):
            own = times[animals == animal]
            before = last.get(animal, -1 / RATE_HZ)
            whole &= bool(np.allclose(np.diff(own, prepend=before), 1 / RATE_HZ, atol=1e-6))
            last[animal] = float(own[-1])
    return rows, whole


def main() -> None:
    """Make, import, kill, go on, count, record."""
    options = argparse.ArgumentParser()
    options.add_argument("--folder", type=Path, required=True)
    options.add_argument("--gigabytes", type=float, default=2.0)
    options.add_argument("--out", type=Path)
    given = options.parse_args()
    given.folder.mkdir(parents=True, exist_ok=True)
    csv, out = given.folder / "herd.csv", given.folder / "herd"
    rows = write_csv(csv, given.gigabytes)
    size = csv.stat().st_size
    print(f"{size:,} bytes, {rows:,} rows", flush=True)
    first = killed_at_half(csv, out, size)
    print(f"killed: {first}", flush=True)
    second, facts = resumed(csv, out)
    found, whole = rows_of(out)
    csv.unlink()
    result = {
        "what": "import of a synthetic CSV, killed (SIGKILL) at half and run again",
        "simulated": True,
        "command": "python experiments/import_memory.py --folder SCRATCH --gigabytes "
        + f"{given.gigabytes:g}",
        "commit": subprocess.run(
            ["git", "rev-parse", "HEAD"], capture_output=True, text=True, check=True
        ).stdout.strip(),
        "version": __version__,
        "python": platform.python_version(),
        "machine": platform.machine(),
        "csv_bytes": size,
        "csv_rows": rows,
        "killed": first,
        "resumed": second,
        "rows_read": facts["rows"],
        "samples_written": facts["samples"],
        "rows_in_parquet": found,
        "every_row_once": bool(whole and found == rows == facts["rows"]),
        "peak_rss_mib": max(first["peak_rss_mib"], second["peak_rss_mib"]),
        "limit_mib": 1024,
    }
    text = json.dumps(result, indent=2) + "\n"
    print(text)
    if given.out:
        given.out.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
