"""`mcukd classify` and `mcukd sweep` on two hosts, of which one fails: throughput, memory, traffic.

    python experiments/cluster_scale.py --folder SCRATCH [--animals 8] [--days 4] [--long 30] [--write]

Linux, as root: the hosts are network namespaces with an address each (`network_hosts.py`). A Dask scheduler
and a worker run on host-1, a worker on host-2. They share this computer's disk, so the shared folder costs no
traffic here; what a network share would have to carry is counted from what the workers read.

SIMULATED recordings (bouts of herd-sim, repeated to their length) are classified by the trained student
`data/herd-sim-gru16.npz` with 8 bits: on this computer, on the cluster, with host-2 killed half-way, and with
host-2 cut off the network half-way. Then a sweep of small trainings, without and with a killed host-2. Every
result is compared byte for byte with the local one. `--long`: days of the longest recording for the memory.
`--only classify|sweep|memory`: one part, which --write puts into docs/results/cluster-scale.json beside the
others there. Everything in SCRATCH is removed at the end.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
from classify_speed import RATE_HZ, write_recording
from host_speed import output_of, processor
from network_hosts import Host, NotAllowedError, network

HERE = Path(__file__).resolve().parent
RESULTS = HERE.parent / "docs" / "results" / "cluster-scale.json"
STUDENT = HERE / "data" / "herd-sim-gru16.npz"
ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "ARROW_NUM_THREADS"), "1")
PORT = 8786
#: A run that takes longer has hung.
LIMIT_S = 600
GRID = """
data = "cow-collar"
split = "animals=5"
[grid]
seeds = 3
method = "none"
gru_units = 4
bits = ["float", 8]
beside = ["majority"]
[training]
epochs = 2
"""


def write_study(folder: Path) -> dict[str, Any]:
    """Quantize the trained student into a study; return facts about the model."""
    from mcukd.data.card import load_card
    from mcukd.data.load import load_windows
    from mcukd.data.simulation.simulator import resized
    from mcukd.data.worn import WORN, worn_in
    from mcukd.fixedpoint.model import save_model
    from mcukd.fixedpoint.quantize import QuantizeConfig, quantize
    from mcukd.models.weights import GruMlpWeights
    from mcukd.study import Study

    card = resized(load_card("herd-sim"), 2, 10)
    windows = load_windows(card, None, training=True, seed=0)
    with np.load(STUDENT, allow_pickle=False) as stored:
        weights = GruMlpWeights.from_arrays(stored)
    model = quantize(weights, windows, QuantizeConfig(bits=8), card.operation_hop)
    study = Study.create(folder, card="herd-sim", seed=0)
    save_model(model, folder)
    study.remember(WORN, worn_in(windows, card.axes, card.signal.mounting).as_dict())
    return {"student": STUDENT.name, "window": model.window, "hop": model.hop, "bits": 8}


def command(name: str, *arguments: object) -> list[str]:
    return [sys.executable, "-m", "mcukd", name, *map(str, arguments), "--json"]


def classify_line(recordings: Sequence[Path], run: Path, out: Path, *more: object) -> list[str]:
    return command("classify", *recordings, "--run", run, "--out", out, "--time-column", "time", *more)


class Cluster:
    """A scheduler and one worker on the first host, and one worker on each of the others."""

    def __init__(self, hosts: Sequence[Host], folder: Path) -> None:
        self.hosts, self.log = hosts, folder / "cluster.log"
        self.address = f"tcp://{hosts[0].address}:{PORT}"
        begun = time.monotonic()
        self._dask(hosts[0], "scheduler", "--host", hosts[0].address, "--port", str(PORT))
        where = ("--local-directory", str(folder / "dask"))
        self.workers = [
            self._dask(host, "worker", self.address, "--nthreads", "1", "--no-nanny", *where)
            for host in hosts
        ]
        self._wait(len(hosts))
        self.start_s = round(time.monotonic() - begun, 2)

    def _dask(self, host: Host, part: str, *options: str) -> subprocess.Popen[bytes]:
        line = [sys.executable, "-m", f"distributed.cli.dask_{part}", *options, "--no-dashboard"]
        return host.start(line, self.log, **ONE_THREAD)

    def _wait(self, workers: int) -> None:
        deadline = time.monotonic() + 60
        while not self.log.exists() or self.log.read_text().count("Register worker") < workers:
            if time.monotonic() > deadline:
                raise SystemExit(f"the cluster did not start: {self.log.read_text()[-2000:]}")
            time.sleep(0.02)

    def dropped_at(self, host: Host) -> float | None:
        """Return when (seconds since 1970) the scheduler gave a host's worker up."""
        found = re.findall(
            rf"^(\S+ \S+) - .*Remove worker addr: tcp://{host.address}:", self.log.read_text(), re.M
        )
        return datetime.strptime(found[0], "%Y-%m-%d %H:%M:%S,%f").timestamp() if found else None

    def idle(self, seconds: float) -> float:
        """Return bytes a second to and from the last host while nothing is done."""
        before = traffic(self.hosts[-1])
        time.sleep(seconds)
        return (traffic(self.hosts[-1]) - before) / seconds

    def facts(self) -> list[dict[str, float]]:
        """Return CPU time, peak memory and bytes read of every worker that lives."""
        return [of_process(worker.pid) for worker in self.workers if worker.poll() is None]


@contextmanager
def cluster(folder: Path) -> Iterator[Cluster]:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "cluster.log").unlink(missing_ok=True)
    with network(2) as hosts:
        yield Cluster(hosts, folder)


def traffic(host: Host) -> int:
    told = host.traffic()
    return told["bytes_sent"] + told["bytes_received"]


def of_process(pid: int) -> dict[str, float]:
    ticks = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    status = Path(f"/proc/{pid}/status").read_text()
    read = re.search(r"rchar: (\d+)", Path(f"/proc/{pid}/io").read_text())
    peak = re.search(r"VmHWM:\s+(\d+)", status)
    assert read and peak
    return {
        "cpu_s": round((int(ticks[11]) + int(ticks[12])) / os.sysconf("SC_CLK_TCK"), 2),
        "peak_rss_mib": round(int(peak[1]) / 1024, 1),
        "read_mb": round(int(read[1]) / 1e6, 1),
    }


def run_local(line: Sequence[str]) -> dict[str, float]:
    begun = time.monotonic()
    child = subprocess.Popen(line, stdout=subprocess.DEVNULL, env={**os.environ, **ONE_THREAD})
    _, status, usage = os.wait4(child.pid, 0)
    child.returncode = os.waitstatus_to_exitcode(status)
    if child.returncode:
        raise SystemExit(f"{' '.join(line[2:4])} ended with {child.returncode}")
    return {
        "wall_s": round(time.monotonic() - begun, 2),
        "cpu_s": round(usage.ru_utime + usage.ru_stime, 2),
        "peak_rss_mib": round(usage.ru_maxrss / 1024, 1),
    }


def run_on(
    running: Cluster, line: Sequence[str], done: Path, pattern: str, failure: str = "", after: int = 0
) -> dict[str, Any]:
    """Run a command on host-1. failure: `kill` or `unplug` host-2 once `after` files match `pattern`."""
    before, log = traffic(running.hosts[-1]), running.log.with_name("command.log")
    log.unlink(missing_ok=True)
    begun = time.monotonic()
    child = running.hosts[0].start([*line, "--scheduler", running.address], log, **ONE_THREAD)
    failed_at: float | None = None
    first_s: float | None = None
    while child.poll() is None:
        count = sum(1 for _ in done.glob(pattern))
        if first_s is None and count:
            first_s = round(time.monotonic() - begun, 2)
        if failure and failed_at is None and count >= after:
            failed_at = time.time()
            getattr(running.hosts[-1], failure)()
        if time.monotonic() - begun > LIMIT_S:
            raise SystemExit(f"the command hung: {log.read_text()[-2000:]}")
        time.sleep(0.02)
    wall = time.monotonic() - begun
    if child.returncode:
        raise SystemExit(f"the command ended with {child.returncode}: {log.read_text()[-2000:]}")
    facts: dict[str, Any] = {"wall_s": round(wall, 2), "first_result_s": first_s}
    if failed_at is None:
        facts["bytes_to_and_from_host_2"] = traffic(running.hosts[-1]) - before
        facts["workers"] = running.facts()
    else:
        dropped = running.dropped_at(running.hosts[-1])
        facts["done_at_failure"] = after
        facts["noticed_after_s"] = None if dropped is None else round(dropped - failed_at, 2)
    return facts


def results_of(out: Path) -> dict[str, Any]:
    """Return what a classification wrote, by name; of summaries what is no time of writing."""
    found: dict[str, Any] = {}
    for path in sorted(out.glob("[!.]*")):
        if path.name.endswith(".summary.json"):
            summary = json.loads(path.read_text())
            del summary["outputs"]
            found[path.name] = summary
        else:
            found[path.name] = path.read_bytes()
    return found


def classify_part(folder: Path, animals: int, days: float) -> dict[str, Any]:
    recordings = [folder / "herd" / f"animal{n:03}.parquet" for n in range(animals)]
    recordings[0].parent.mkdir()
    for number, path in enumerate(recordings):
        write_recording(path, days, shift=number * 997 * RATE_HZ)
    run, done = folder / "run", "[!.]*.summary.json"
    # The first builds the model's C, which later runs find.
    run_local(classify_line(recordings[:1], run, folder / "warm"))
    found: dict[str, Any] = {"animals": animals, "days_each": days}
    found["parquet_mb_per_animal_day"] = round(
        sum(path.stat().st_size for path in recordings) / 1e6 / (animals * days), 2
    )
    found["local_1_job"] = run_local(classify_line(recordings, run, folder / "local"))
    found["local_2_jobs"] = run_local(classify_line(recordings, run, folder / "local2", "--jobs", 2))
    expected = results_of(folder / "local")
    found["windows"] = sum(one["windows"] for name, one in expected.items() if name.endswith(".summary.json"))
    found["result_mb_per_animal_day"] = round(
        sum(path.stat().st_size for path in (folder / "local").iterdir()) / 1e6 / (animals * days), 4
    )
    assert results_of(folder / "local2") == expected
    for name, failure in (("cluster", ""), ("host_killed", "kill"), ("host_unplugged", "unplug")):
        out = folder / name
        with cluster(folder / "scratch") as running:
            idle = running.idle(4) if not failure else 0.0
            facts = run_on(running, classify_line(recordings, run, out), out, done, failure, animals // 2)
            facts["start_s"] = running.start_s
        facts["byte_identical_to_local"] = results_of(out) == expected
        # A killed process of another host may still live for all that is known here, so its files stay.
        facts["unfinished_hidden_files"] = sum(1 for _ in out.glob(".*"))
        if not failure:
            facts["idle_bytes_per_s"] = round(idle)
            moved = facts["bytes_to_and_from_host_2"] - idle * facts["wall_s"]
            facts["kb_per_animal_day"] = round(max(moved, 0) / 1e3 / (animals * days / 2), 2)
        found[name] = facts
        print(json.dumps({name: facts}), flush=True)
    return found


def memory_part(folder: Path, lengths: Sequence[float]) -> list[dict[str, Any]]:
    """Classify one recording of each length on a new cluster; peak memory of the worker that did it."""
    found = []
    for days in lengths:
        path = folder / f"long{days:g}.parquet"
        write_recording(path, days)
        out = folder / f"long-{days:g}"
        with cluster(folder / "scratch") as running:
            facts = run_on(running, classify_line([path], folder / "run", out), out, "[!.]*.summary.json")
        worker = max(facts["workers"], key=lambda one: one["cpu_s"])
        found.append({"days": days, "parquet_mb": round(path.stat().st_size / 1e6, 1), **worker})
        print(json.dumps(found[-1]), flush=True)
        path.unlink()
    return found


def costs(lengths: Sequence[dict[str, float]]) -> dict[str, Any]:
    """Compute what recordings cost, from a line through the CPU time of those of several lengths."""
    days = np.array([one["days"] for one in lengths])
    cpu, read = (np.array([one[name] for one in lengths]) for name in ("cpu_s", "read_mb"))
    per_day, start = np.polyfit(days, cpu, 1)
    mb_per_day = np.polyfit(days, read, 1)[0]
    herds = [(10, 30), (100, 90), (300, 90), (300, 180), (1000, 365)]
    return {
        "cpu_s_per_animal_day": round(float(per_day), 3),
        "cpu_s_to_start_a_worker_and_classify_nothing": round(float(start), 2),
        "animal_days_per_core_hour": round(3600 / per_day),
        "read_mb_per_animal_day": round(float(mb_per_day), 1),
        "read_mb_per_core_second": round(float(mb_per_day / per_day), 1),
        "computed": [
            {
                "animals": animals,
                "days": length,
                "core_hours": round(animals * length * per_day / 3600, 2),
                # An animal is a task, so some cores have one more than others.
                "hours_on_8_cores": round(-(-animals // 8) * length * per_day / 3600, 3),
                "hours_on_64_cores": round(-(-animals // 64) * length * per_day / 3600, 3),
                "read_tb": round(animals * length * mb_per_day / 1e6, 2),
                "hours_to_read_at_110_mb_per_s": round(animals * length * mb_per_day / 110 / 3600, 2),
            }
            for animals, length in herds
        ],
    }


def sweep_part(folder: Path) -> dict[str, Any]:
    """Sweep locally, on the cluster, and with host-2 killed half-way."""
    import pandas as pd

    grid = folder / "grid.toml"
    grid.write_text(GRID)
    found: dict[str, Any] = {"grid": GRID.strip().splitlines()}

    def kept(out: Path) -> tuple[dict[str, bytes], Any]:
        files = {path.name: path.read_bytes() for path in (out / "results").glob("[!.]*.json")}
        return files, pd.read_parquet(out / "table.parquet")

    found["local_1_worker"] = run_local(command("sweep", grid, "--out", folder / "sweep", "--workers", 1))
    files, table = kept(folder / "sweep")
    found["runs"] = len(table)
    for name, failure in (("cluster", ""), ("host_killed", "kill")):
        out = folder / f"sweep-{name}"
        line = command("sweep", grid, "--out", out)
        with cluster(folder / "scratch") as running:
            facts = run_on(running, line, out, "results/[!.]*.json", failure, len(table) // 2)
        again, rows = kept(out)
        facts["results_byte_identical_to_local"] = again == files
        facts["table_equal_to_local"] = bool(rows.equals(table))
        found[name] = facts
        print(json.dumps({f"sweep {name}": facts}), flush=True)
    return found


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--animals", type=int, default=8)
    parser.add_argument("--days", type=float, default=4)
    parser.add_argument("--long", type=float, default=30)
    parser.add_argument("--only", choices=("classify", "memory", "sweep"))
    parser.add_argument("--write", action="store_true", help=f"write {RESULTS.name}")
    options = parser.parse_args()
    folder = options.folder / "cluster-scale"
    folder.mkdir(parents=True)
    parts: dict[str, Any] = {}
    try:
        with network(1):
            pass  # refuse before anything is computed
        model = write_study(folder / "run")
        if options.only in (None, "classify"):
            parts["classify"] = classify_part(folder, options.animals, options.days)
        if options.only in (None, "memory"):
            lengths = memory_part(folder, (options.long / 16, options.long / 4, options.long))
            parts["memory"] = {"lengths": lengths, **costs(lengths)}
        if options.only in (None, "sweep"):
            parts["sweep"] = sweep_part(folder)
    except NotAllowedError as error:
        raise SystemExit(str(error)) from None
    finally:
        shutil.rmtree(folder)
    about = {
        "command": f"python experiments/cluster_scale.py --folder SCRATCH {' '.join(sys.argv[3:])}",
        "commit": output_of("git", "rev-parse", "--short", "HEAD"),
        "processor": processor(),
        "cores": os.cpu_count(),
        "load_average": [round(one, 1) for one in os.getloadavg()],
        "python": platform.python_version(),
    }
    result = {
        "what": "mcukd classify and sweep on a Dask scheduler and two workers, each on a host of its own",
        "simulated": "recordings of the parts classify and memory",
        "how": "hosts are network namespaces of one computer, which share its disk and its cores; "
        "one run each; other programs shared the computer, so CPU time stands beside the wall's",
        "model": model,
        **{name: {**about, **part} for name, part in parts.items()},
    }
    print(json.dumps(result, indent=2))
    if options.write:
        from mcukd.files import write_json

        earlier = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
        write_json(RESULTS, {**earlier, **result})
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
