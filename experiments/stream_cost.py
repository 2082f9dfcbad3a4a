"""Cost of a result every quarter of a window, of windows that overlap and of a state that is carried.

    python experiments/stream_cost.py --out docs/results/carried-state-cost.json

Instructions from one result to the next are QEMU's on emulated cores, of the stream that a firmware
classifies with (`app_stream`); every recording's last result is compared with the one of this computer. Flash
and RAM in the days' rows are of the whole firmware of each board. A day's charge is computed from work that
is counted on modelled chips, with modelled sensors on SIMULATED animals; nothing was measured on hardware.
Students are random seeded ones and one trained on the simulated herd, on windows: that it was not trained to
carry its state changes no instruction.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from kernels import STEADY, Job, student

from mcukd.boards.model import load_board
from mcukd.boards.toolchain import build
from mcukd.codegen.firmware import generate_firmware
from mcukd.codegen.payload import payload_layout
from mcukd.data.card import load_card
from mcukd.data.load import load_counts
from mcukd.data.simulation.simulator import resized
from mcukd.energy.day import Tag
from mcukd.energy.on_chip import count_work
from mcukd.energy.record import energy_record
from mcukd.files import write_json
from mcukd.fixedpoint.model import IntegerModel
from mcukd.fixedpoint.quantize import QuantizeConfig, quantize
from mcukd.fixedpoint.reference import as_stream
from mcukd.profiling.stream import measure_stream

CORES, BOARDS = ("m4f", "m3"), ("eartag", "collar")
WINDOWED, BEFORE, PAIRS, CARRIED = "no overlap", "staggered, one by one", "staggered", "carried"
#: Of the simulated herd of another seed that a modelled sensor measures.
_SEED, _ANIMALS, _MINUTES = 1000, 2, 10.0


def forms(model: IntegerModel) -> Iterator[tuple[str, IntegerModel, bool]]:
    """Yield the forms of a model with a hop of a quarter window: name, model, whether states go in pairs."""
    yield WINDOWED, replace(model, hop=model.window), False
    yield BEFORE, model, False
    yield PAIRS, model, True
    yield CARRIED, as_stream(model), False


def model_of(job: Job, bits: int, gates: str) -> tuple[IntegerModel, np.ndarray]:
    """Return a job's model with a hop of a quarter window, and samples to run."""
    weights, calibration, test = student(job)
    steps = calibration.counts.shape[1]
    model = quantize(weights, calibration, QuantizeConfig(bits, gates=gates), steps // 4)
    return model, np.concatenate(test[:6])


def instructions(hidden: int, bits: int, gates: str) -> Iterator[dict[str, Any]]:
    """Yield a row for each core and form of a random student."""
    model, samples = model_of(Job(hidden), bits, gates)
    for core in CORES:
        rows = {name: measure_stream(of, samples, core, pairs=pairs) for name, of, pairs in forms(model)}
        for name, cost in rows.items():
            results = 4 if name == WINDOWED else 1
            yield {
                "core": core,
                "hidden": hidden,
                "bits": bits,
                "gates": gates,
                "form": name,
                "instructions_per_result": round(cost.instructions),
                "instructions_per_hop": round(cost.instructions / results),
                "of_staggered_before": round(cost.instructions / results / rows[BEFORE].instructions, 4),
                "cycles_estimated_per_result": round(cost.cycles_estimated),
                "flash_bytes": cost.flash_bytes,
                "ram_bytes": cost.ram_bytes,
                "recordings": cost.results,
                "mismatches": cost.mismatches,
            }


def days(minutes: float) -> Iterator[dict[str, Any]]:
    """Yield a row for each board and form of the trained student: firmware's sizes, and a day's charge."""
    model, _ = model_of(Job(weights=STEADY), 8, "interpolated")
    card = resized(load_card("herd-sim"), _ANIMALS, _MINUTES)
    counts = np.concatenate([part.counts for part in load_counts(card, None, seed=_SEED)]).astype(np.int32)
    for name in BOARDS:
        board = load_board(name)
        assert board.sensor is not None and board.sensor.setup is not None
        given = counts << board.sensor.setup.shift
        for form, of, pairs in forms(model):
            with tempfile.TemporaryDirectory() as scratch:
                generate_firmware(of, board, Path(scratch), pairs=pairs)
                built = build(Path(scratch), board)
                size = json.loads((Path(scratch) / "size.json").read_text())
                window_s = of.window / of.rate_hz
                work = count_work(
                    board, built.elf, len(of.classes), window_s, given, minutes, carried=of.stream
                )
            layout = payload_layout(board, of) if board.radio is not None else None
            tag = Tag(board, work, layout.schema.bytes if layout else None)
            record = energy_record(tag, of.hop, of.window)
            yield {
                "board": name,
                "form": form,
                "hop": of.hop,
                "flash_bytes": size["flash_bytes"],
                "ram_bytes": size["ram_bytes"],
                "stack_bound_bytes": size["stack_bound"]["bytes"],
                "result_instructions": round(work.result_instructions or 0),
                "sample_instructions": round(work.sample_instructions, 1),
                "awake_share": [round(one, 6) for one in record["awake_share"]],
                "total_mah": [round(one, 4) for one in record["total_mah"]],
                "life_days": [round(one, 1) for one in record["life_days"]],
            }


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--out", type=Path, help="JSON file")
    parser.add_argument("--minutes", type=float, default=5.0, help="virtual, of each board and form")
    parser.add_argument("--quick", action="store_true", help="8 bits at H = 16 alone, and no days")
    options = parser.parse_args()
    shapes = [(16, 8, "interpolated"), (16, 8, "direct")]
    if not options.quick:
        shapes += [(*shape, "interpolated") for shape in ((16, 4), (16, 16), (32, 8))]
    record: dict[str, Any] = {
        "command": " ".join(["python", "experiments/stream_cost.py", *sys.argv[1:]]),
        "commit": _commit(),
        "window": 256,
        "hop": 64,
        "instructions": [],
        "days_of_simulated_animals": [],
    }

    def keep(key: str, rows: Iterator[dict[str, Any]]) -> None:
        for row in rows:
            print(json.dumps(row), flush=True)
            record[key].append(row)
            if options.out is not None:
                write_json(options.out, record)

    for shape in shapes[:2]:
        keep("instructions", instructions(*shape))
    if not options.quick:
        keep("days_of_simulated_animals", days(options.minutes))
    for shape in shapes[2:]:
        keep("instructions", instructions(*shape))
    return 0


def _commit() -> str | None:
    asked = ["git", "rev-parse", "--short", "HEAD"]
    return subprocess.run(asked, capture_output=True, text=True, check=False).stdout.strip() or None


if __name__ == "__main__":
    sys.exit(main())
