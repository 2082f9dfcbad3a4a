"""Time and memory of `mcukd distill` with a month of recordings without labels, killed once and resumed.

    python experiments/unlabelled_month.py --folder SCRATCH [--days 30] [--at-once] [--write]

SIMULATED data: the first hours of ten animals of another herd than `herd-sim` are imported with
`mcukd data import --unlabelled`; the files are then lengthened to --days by repeating these hours, in the
import's own format, because importing all would take an hour. SCRATCH needs 8 GB for 30 days. The month is
kept there for another try, and `--days` must then be the same; remove the folder afterwards.

The same small study is trained three times: without recordings, with them, and with them once more, where it
is killed (SIGKILL) while the first distilled student is trained, and run again. Every array of the resumed
study must equal those of the one that was not killed. Memory is that of all processes of a study together,
looked up twice a second. --at-once: trains the three side by side, as CPU time does not depend on it.
--write: docs/results/unlabelled-month.json.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from host_speed import output_of, processor

RESULTS = Path(__file__).resolve().parents[1] / "docs" / "results" / "unlabelled-month.json"
ANIMALS, RATE_HZ, IMPORTED_HOURS, HERD_SEED, PIECE = 10, 50, 4, 1, 4_000_000
START_US, COUNTS_PER_G = 1_767_225_600_000_000, 512
#: Labels of two animals, one fold, one seed, one worker; five epochs for the teacher, twenty for students.
STUDY = "--data herd-sim --labelled animals=2 --split holdout --seeds 1 --epochs 20 --teacher-epochs 5"
OPTIONS = [*STUDY.split(), "--jobs", "1", "--no-baselines"]
LIMIT_MIB, LIMIT_TIMES = 2048, 3.0
MCUKD = [sys.executable, "-m", "mcukd"]


def write_hours(folder: Path) -> None:
    """Write the hours to import: Parquet per animal, a stamp and three int16 counts per sample."""
    import pyarrow as pa
    from pyarrow import parquet

    from mcukd.data.card import load_card
    from mcukd.data.simulation.simulator import resized, simulate

    herd: dict[str, list[Any]] = {}
    card = resized(load_card("herd-sim"), animals=ANIMALS, minutes_per_animal=60 * IMPORTED_HOURS)
    for bout in simulate(card, HERD_SEED):
        herd.setdefault(bout.animal, []).append(bout.samples)
    for animal, bouts in herd.items():
        counts = np.round(np.concatenate(bouts) * COUNTS_PER_G).astype(np.int16)
        stamps = START_US + np.arange(len(counts), dtype=np.int64) * (1_000_000 // RATE_HZ)
        columns = {"time": pa.array(stamps, pa.timestamp("us", "UTC"))}
        columns.update({axis: pa.array(counts[:, place].copy()) for place, axis in enumerate("xyz")})
        # Names that no animal of herd-sim has, so that every fold may learn from all of them.
        parquet.write_table(pa.table(columns), folder / f"month-{animal}.parquet", compression="zstd")


def lengthen(path: Path, samples: int) -> None:
    """Repeat the samples of an imported recording until it has the length; time goes on, without a gap."""
    import pyarrow as pa
    from pyarrow import parquet

    hours = parquet.read_table(path)
    axes = [hours.column(axis).to_numpy() for axis in "xyz"]
    first = hours.column("time")[0].as_py()
    longer = path.with_suffix(".longer")
    with parquet.ParquetWriter(longer, hours.schema, compression="zstd", write_page_checksum=True) as writer:
        for start in range(0, samples, PIECE):
            number = np.arange(start, min(start + PIECE, samples))
            columns = [np.zeros(len(number), np.int64), first + number / RATE_HZ]
            columns += [axis[number % len(axis)] for axis in axes]
            writer.write_table(pa.table([pa.array(one) for one in columns], schema=hours.schema))
    longer.replace(path)


def make_month(folder: Path, days: float) -> dict[str, Any]:
    """Import the hours and lengthen the recordings, unless the folder holds them; return what they are."""
    card, samples = folder / "month" / "card.toml", int(days * 86400 * RATE_HZ)
    if not card.exists():
        shutil.rmtree(folder / "month", ignore_errors=True)
        shutil.rmtree(folder / "making", ignore_errors=True)
        hours, made = folder / "making" / "in", folder / "making" / "month"
        hours.mkdir(parents=True)
        write_hours(hours)
        argv = [*MCUKD, "data", "import", str(hours), "--unlabelled", "--animal-from", "file", "--yes"]
        argv += ["--units", "counts", "--counts-per-g", str(COUNTS_PER_G), "--out", str(made)]
        subprocess.run(argv, check=True)
        for path in sorted((made / "recordings").glob("*.parquet")):
            lengthen(path, samples)
            print(f"{path.name}: {samples:,} samples", flush=True)
        lines = (made / "card.toml").read_text(encoding="utf-8").splitlines()
        lines = [f"samples = {samples}" if one.startswith("samples = ") else one for one in lines]
        (made / "card.toml").write_text("\n".join(lines) + "\n", encoding="utf-8")
        made.rename(folder / "month")
        shutil.rmtree(folder / "making")
    files = sorted((folder / "month" / "recordings").glob("*.parquet"))
    if f"samples = {samples}\n" not in card.read_text(encoding="utf-8"):
        raise SystemExit(f"{folder / 'month'} holds recordings of another length; remove it.")
    return {
        "animals": len(files),
        "days": days,
        "rate_hz": RATE_HZ,
        "samples": samples * len(files),
        "parquet_bytes": sum(path.stat().st_size for path in files),
        "herd_seed": HERD_SEED,
        "imported_hours": IMPORTED_HOURS,
    }


@dataclass
class Usage:
    """What a process and its descendants have used, looked up in /proc again and again.

    cpu_s: of every process when it was last seen. peak_mib: largest resident memory of every one, as the
    kernel keeps it. together_mib: largest sum at one time of what the processes hold for themselves, and of
    the files' pages of the one that has most of them, because they share those (TensorFlow's libraries).
    """

    pid: int
    cpu_s: dict[int, float] = field(default_factory=dict)
    peak_mib: dict[int, float] = field(default_factory=dict)
    together_mib: float = 0.0

    def look(self) -> None:
        """Take down what the processes use now."""
        own, files = 0.0, [0.0]
        for pid in self._tree():
            try:
                status = _fields(f"/proc/{pid}/status")
                times = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
            except OSError:
                continue  # it ended meanwhile
            if "VmHWM" not in status:
                continue
            self.cpu_s[pid] = (int(times[11]) + int(times[12])) / os.sysconf("SC_CLK_TCK")
            self.peak_mib[pid] = status["VmHWM"]
            own += status["RssAnon"] + status["RssShmem"]
            files.append(status["RssFile"])
        self.together_mib = max(self.together_mib, own + max(files))

    def _tree(self) -> list[int]:
        children: dict[int, list[int]] = {}
        for entry in Path("/proc").iterdir():
            if entry.name.isdigit():
                try:
                    parent = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
                except OSError:
                    continue
                children.setdefault(parent, []).append(int(entry.name))
        found = [self.pid]
        for pid in found:
            found += children.get(pid, [])
        return found

    def facts(self, wall_s: float) -> dict[str, Any]:
        """Return the figures for the record."""
        return {
            "wall_s": round(wall_s, 1),
            "cpu_s": round(sum(self.cpu_s.values()), 1),
            "peak_mib": round(self.together_mib),
            "largest_process_mib": round(max(self.peak_mib.values())),
        }


def _fields(path: str) -> dict[str, float]:
    """Return the sizes of a file of /proc in MiB, by name."""
    lines = [line.split() for line in Path(path).read_text().splitlines()]
    return {line[0].rstrip(":"): int(line[1]) / 1024 for line in lines if line[-1] == "kB"}


def distil(
    run: Path, more: list[str], is_due: Callable[[], bool] = lambda: False
) -> tuple[dict[str, Any], bool]:
    """Train the study; return the figures, and whether it was killed because `is_due` said so."""
    begun = time.monotonic()
    argv = [*MCUKD, "distill", *OPTIONS, "--run", str(run), *more]
    with subprocess.Popen(argv, stdout=subprocess.DEVNULL) as child:
        usage, killed = Usage(child.pid), False
        while child.poll() is None:
            usage.look()
            if is_due():
                killed = True
                child.send_signal(signal.SIGKILL)
                child.wait()
            time.sleep(0.5)
    if child.returncode and not killed:
        raise SystemExit(f"mcukd distill ended with {child.returncode}")
    facts = usage.facts(time.monotonic() - begun)
    print(run.name, "killed" if killed else "done", facts, flush=True)
    return facts, killed


def interrupted(run: Path, more: list[str]) -> tuple[dict[str, Any], dict[str, Any], dict[str, Any]]:
    """Train the study, kill it while a distilled student is trained, and run it again.

    Returns the figures of both parts, and where the killed fit was.
    """

    def saved() -> list[Path]:
        return sorted(run.rglob(".unfinished/**/distilled.npz"))

    first, killed = distil(run, more, lambda: bool(saved()))
    if not killed:
        raise SystemExit("the study ended before a distilled student was saved")
    time.sleep(2)  # the worker ends once it misses its parent
    fit = saved()[0]
    with np.load(fit) as state:
        place = {"phase": int(state["phase"]), "step": int(state["step"])}
    second, _ = distil(run, more)
    return first, second, {"fit": str(fit.relative_to(run)), **place}


def arrays(run: Path) -> dict[str, Any]:
    """Return every array of a study's results: the folds', the soft labels, and the student's weights."""
    from mcukd.tensorflow_setup import keras

    found: dict[str, Any] = {}
    for path in [*sorted((run / "evaluation").glob("*.npz")), run / "soft_labels.npz"]:
        with np.load(path) as stored:
            found.update({f"{path.name} {name}": stored[name] for name in stored.files})
    for name in ("teacher", "student"):
        weights = keras.models.load_model(run / f"{name}.keras").get_weights()
        found.update({f"{name} {number}": weight for number, weight in enumerate(weights)})
    # Digests of the .keras files, which hold the time of writing.
    return {name: one for name, one in found.items() if not name.endswith("_sha256")}


def differing(one: Path, other: Path) -> list[str]:
    """Return the names of the arrays that differ between two studies."""
    own, others = arrays(one), arrays(other)
    if own.keys() != others.keys():
        raise SystemExit(f"{one} and {other} hold different arrays: {sorted(own.keys() ^ others.keys())}")
    return [name for name in own if not np.array_equal(own[name], others[name])]


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--days", type=float, default=30)
    parser.add_argument("--at-once", action="store_true", help="train the three side by side")
    parser.add_argument("--write", action="store_true", help=f"write {RESULTS.name}")
    options = parser.parse_args()
    month = make_month(options.folder, options.days)
    runs = options.folder / "runs"
    shutil.rmtree(runs, ignore_errors=True)
    more = ["--unlabelled", str(options.folder / "month" / "card.toml")]
    with ThreadPoolExecutor(3 if options.at_once else 1) as threads:
        trainings = (
            threads.submit(distil, runs / "without", []),
            threads.submit(distil, runs / "with", more),
            threads.submit(interrupted, runs / "resumed", more),
        )
    (without, _), (whole, _), (killed, resumed, place) = (one.result() for one in trainings)
    unequal = differing(runs / "with", runs / "resumed")
    peak = max(one["peak_mib"] for one in (without, whole, killed, resumed))
    result = {
        "what": "mcukd distill without recordings, with a month of them, and with them killed and run again",
        "simulated": True,
        "command": f"python experiments/unlabelled_month.py --folder SCRATCH --days {options.days:g}"
        + (" --at-once" if options.at_once else ""),
        "study": f"mcukd distill {' '.join(OPTIONS)} [--unlabelled month/card.toml]",
        "commit": output_of("git", "rev-parse", "--short", "HEAD"),
        "processor": processor(),
        "python": platform.python_version(),
        "how": "one run each; other programs shared the computer, so CPU time stands beside the wall's",
        "month": month,
        "without": without,
        "with": whole,
        "killed": {**killed, **place},
        "resumed": resumed,
        "times_cpu": round(whole["cpu_s"] / without["cpu_s"], 2),
        "times_wall": round(whole["wall_s"] / without["wall_s"], 2),
        "limit_times": LIMIT_TIMES,
        "peak_mib": peak,
        "limit_mib": LIMIT_MIB,
        "arrays_compared": len(arrays(runs / "with")),
        "arrays_that_differ_after_resuming": unequal,
    }
    print(json.dumps(result, indent=2))
    if options.write:
        from mcukd.files import write_json

        write_json(RESULTS, result)
    kept = not unequal and peak <= LIMIT_MIB and result["times_cpu"] <= LIMIT_TIMES
    return 0 if kept else 1


if __name__ == "__main__":
    raise SystemExit(main())
