"""CNN students: accuracy in float and integers beside recorded GRU students, and what both cost the tags.

    python experiments/cnn_family.py --data-root DATA --out DIR [--only NAME ...] [--windows N] [--write]

Plain CNN students are trained on the folds and with the seeds that the named records have GRU students of,
and quantized to 8 bits. Those of the simulated herd are built for both tags; the images that would be flashed
run on modelled chips, their twins on emulated cores with a tenth of the windows, and every value is compared
with the reference. `mcukd bench` counts instructions, flash and RAM of the models alone. The same is counted
for the GRU student in `data/`, which is not trained again. An interrupted run continues. --write updates its
rows in docs/results/cnn-family.json.
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from host_speed import output_of, processor
from methods_road import mcukd

from mcukd.boards.model import load_board
from mcukd.boards.toolchain import build
from mcukd.codegen.firmware import generate_firmware
from mcukd.data.card import load_card
from mcukd.data.load import load_windows
from mcukd.files import write_json
from mcukd.fixedpoint.quantize import QuantizeConfig, quantize
from mcukd.models.student import stored_weights
from mcukd.profiling.measure import measure_model

ROOT = Path(__file__).resolve().parents[1]
RESULTS = ROOT / "docs" / "results" / "cnn-family.json"
#: A GRU(16) student of the simulated herd, whose weights are kept.
GRU = ROOT / "experiments" / "data" / "herd-sim-gru16.npz"
BOARDS, CORES = ("collar", "eartag"), ("m3", "m4f")
#: Keys of `mcukd validate`, and of `mcukd bench`, that a row keeps.
PROOF = (
    *("windows", "mismatches", "instructions_per_window"),
    *("flash_bytes", "ram_bytes", "stack_high_water_bytes"),
)
COST = (
    *("kernel", "instructions", "cycles_estimated", "flash_bytes", "ram_bytes", "state_bytes", "stack_bytes"),
    *("macs", "mismatches", "windows"),
)


class Trained(NamedTuple):
    """A study: its data set, split, seeds, filters, epochs, and the record that has GRU students of it.

    built: whether it goes to the tags.
    """

    data: str
    split: str
    seeds: int
    filters: int
    epochs: int
    gru: str
    built: bool = False

    @property
    def name(self) -> str:
        """The name of its run."""
        return f"{self.data}-cnn{self.filters}"


STUDIES = (
    Trained("herd-sim", "animals=2", 3, 16, 160, "methods-defaults-herd-sim.json", built=True),
    Trained("ucihar-subset", "official", 3, 16, 160, "methods-ucihar-subset.json"),
    Trained("cow-collar", "loao", 3, 16, 40, "cow-collar-loao-defaults.json"),
)


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data-root", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--windows", type=int, default=200, help="to compare on each modelled chip")
    parser.add_argument("--only", nargs="+", choices=[*(one.name for one in STUDIES), "gru"])
    parser.add_argument("--write", action="store_true", help=f"write {RESULTS.name}")
    options = parser.parse_args()
    jobs = {one.name: lambda one=one: measure(one, options) for one in STUDIES}
    jobs["gru"] = lambda: gru_costs(options.data_root)
    rows = {}
    for name in (name for name in jobs if options.only is None or name in options.only):
        rows[name] = {**jobs[name](), "commit": output_of("git", "rev-parse", "--short", "HEAD")}
        print(name, json.dumps(rows[name]), flush=True)
        if options.write:
            write(rows, list(jobs), options.windows)
    proofs = [proof for row in rows.values() for proof in row.get("boards", {}).values()]
    return 1 if any(proof.get("mismatches") for proof in proofs) else 0


def write(rows: dict[str, Any], order: list[str], windows: int) -> None:
    """Write the record with these rows, and those that others made before."""
    earlier = json.loads(RESULTS.read_text())["rows"] if RESULTS.exists() else {}
    rows = {**earlier, **rows}
    write_json(
        RESULTS,
        {
            "what": "plain CNN students on held-out animals, and their cost and that of a GRU on modelled "
            "chips and emulated cores (QEMU); herd-sim is simulated; gru: the record that has GRU students "
            "of the same folds and seeds",
            "command": "python experiments/cnn_family.py --data-root DATA --out DIR "
            f"--windows {windows} --write",
            "processor": processor(),
            "rows": {name: rows[name] for name in order if name in rows},
        },
    )


def measure(one: Trained, options: argparse.Namespace) -> dict[str, Any]:
    """Take one study from training to its integers, and to the tags where it goes there."""
    run, data = options.out / one.name, ("--data-root", str(options.data_root))
    asked = ("--data", one.data, "--split", one.split, "--seeds", str(one.seeds), "--jobs", "1")
    used = sum(os.times()[2:4])
    asked = (*asked, "--method", "none", "--student", "cnn")
    asked = (*asked, "--cnn-filters", str(one.filters), "--epochs", str(one.epochs))
    mcukd("distill", run, *data, *asked, "--no-baselines")
    cpu = sum(os.times()[2:4]) - used
    mcukd("quantize", run, *data, "--bits", "8", "--no-tflite")
    models = json.loads((run / "metrics.json").read_text())["models"]
    row: dict[str, Any] = {
        **one._asdict(),
        "distill_cpu_s": round(cpu, 1),
        **{size: models["student"][size] for size in ("parameters", "macs_per_window")},
        "models": {
            name: {
                "mcc": round(found["mcc"], 4),
                "mcc_by_seed": [round(value, 4) for value in found["mcc_by_seed"]],
            }
            for name, found in models.items()
        },
    }
    if one.built:
        row["boards"] = {
            f"{board}{', twin' if twin else ''}": proof(run, data, board, twin, options.windows)
            for board in BOARDS
            for twin in (False, True)
        }
        row["cost"] = {
            core: {key: found[key] for key in COST}
            for core in CORES
            for found in [mcukd("bench", run, *data, "--core", core, "--windows", "8")]
        }
    return row


def proof(run: Path, data: tuple[str, ...], board: str, twin: bool, windows: int) -> dict[str, Any]:
    """Build and validate on a modelled chip, or on the emulated twin with a tenth of the windows."""
    asked = (f"{board}-emulated",) if twin else (board, "--emulate")
    compared = windows // 10 if twin else windows
    found = mcukd("validate", run, *data, "--board", *asked, "--windows", str(compared))
    return {key: found[key] for key in PROOF}


def gru_costs(root: Path) -> dict[str, Any]:
    """Return what the kept GRU student takes: its model on both cores, and its images for both tags."""
    windows = load_windows(load_card("herd-sim"), root)
    with np.load(GRU) as stored:
        weights = stored_weights(stored)
    model = quantize(weights, windows, QuantizeConfig(8), windows.counts.shape[1] // 4)
    row: dict[str, Any] = {"parameters": weights.parameters, "boards": {}, "cost": {}}
    for core in CORES:
        found = measure_model(model, windows.counts[:8], core)
        row["cost"][core] = {key: found[key] for key in COST}
    for name in BOARDS:
        board = load_board(name)
        with tempfile.TemporaryDirectory() as folder:
            generate_firmware(model, board, Path(folder))
            size = build(Path(folder), board).size
        row["boards"][name] = {key: size[key] for key in ("flash_bytes", "ram_bytes")}
    return row


if __name__ == "__main__":
    raise SystemExit(main())
