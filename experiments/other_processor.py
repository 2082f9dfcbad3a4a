"""Integers, C and results of students of every family on this processor, as hashes to compare with others.

    python experiments/other_processor.py [--write] [--emulator TEXT]

A student trained on the simulated herd and random ones are quantized, written as C, compiled by `cc`, and run
against the NumPy reference: the portable C with its states, and the batch that `classify` computes with.
Prints hashes of each integer model, of its C (portable and with the kernels of cores), windows and results.
Needs `mcukd[field]`, a compiler, and no TensorFlow. --write: put them into docs/results/other-processor.json,
by processor. Exits with 1 where C and reference differ here, or a hash differs from another one there.
"""

from __future__ import annotations

import argparse
import ctypes
import hashlib
import json
import platform
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parents[1]
RESULTS = ROOT / "docs" / "results" / "other-processor.json"
TRAINED = ROOT / "experiments" / "data" / "herd-sim-gru16.npz"
#: Windows that are compared, without and with values that no animal makes.
COUNT = 24
#: What has to be equal on every processor.
EQUAL = ("integers", "c", "windows", "results")
sys.path.insert(0, str(ROOT / "tests"))

from builders.cnn import cnn_model  # noqa: E402
from builders.filter_mlp import filter_model  # noqa: E402
from builders.students import extreme_windows, headed_model, random_model, random_windows  # noqa: E402

from mcukd.codegen.firmware import generate_model  # noqa: E402
from mcukd.data.card import load_card  # noqa: E402
from mcukd.data.load import load_windows  # noqa: E402
from mcukd.data.simulation.simulator import resized  # noqa: E402
from mcukd.fixedpoint.model import IntegerModel  # noqa: E402
from mcukd.fixedpoint.quantize import QuantizeConfig, quantize  # noqa: E402
from mcukd.fixedpoint.reference import run  # noqa: E402
from mcukd.inference.batch import backend, run_fast  # noqa: E402
from mcukd.models.weights import GruMlpWeights  # noqa: E402


def students() -> dict[str, tuple[IntegerModel, np.ndarray]]:
    """Return a model of every kind with the windows it is run on."""
    card = resized(load_card("herd-sim"), 2, 10)
    training = load_windows(card, None, training=True, seed=0)
    with np.load(TRAINED, allow_pickle=False) as stored:
        weights = GruMlpWeights.from_arrays(stored)
    trained = quantize(weights, training, QuantizeConfig(bits=8), card.operation_hop)
    found = {"trained on herd-sim (simulated)": (trained, load_windows(card, None, seed=0).counts[:COUNT])}
    for name, model in {
        "gru": random_model(0, 8),
        "gru, 4 bits": random_model(1, 4, hidden=5),
        "prototypes": headed_model("prototype", 2, 12),
        "cnn": cnn_model(3),
        "filter-mlp": filter_model(4),
    }.items():
        natural = random_windows(COUNT // 2, model.window, seed=7).counts
        found[name] = (model, np.concatenate([natural, extreme_windows(COUNT // 2, model.window)]))
    return found


def differing_results(model: IntegerModel, windows: np.ndarray, folder: Path) -> int:
    """Return how many windows the generated C, or the batch, computes otherwise than the reference."""
    library = folder / "model.so"
    sources = sorted(map(str, folder.glob("*.c")))
    subprocess.run(["cc", "-std=c99", "-O2", "-shared", "-fPIC", *sources, "-o", library], check=True)
    c, wanted, batch = ctypes.CDLL(str(library)), run(model, windows), run_fast(model, windows)
    c.mcukd_model_classify.restype = ctypes.c_uint8
    wrong = 0
    for number, window in enumerate(windows):
        state = (ctypes.c_int16 * (model.state_halfwords + 1))()
        logits = (ctypes.c_int16 * len(model.classes))()
        c.mcukd_model_reset(state)
        for sample in np.ascontiguousarray(window):
            c.mcukd_model_step(state, sample.ctypes.data_as(ctypes.c_void_p))
        got = c.mcukd_model_classify(state, logits), list(logits), list(state)[: model.state_halfwords]
        expected = wanted.classes[number], list(wanted.logits[number]), list(wanted.state[number])
        same = all(batch.logits[number] == wanted.logits[number])
        same &= batch.state_crc[number] == wanted.state_crc[number]
        wrong += got != expected or not same
    return wrong


def facts() -> tuple[dict[str, dict[str, object]], int]:
    """Return hashes by student, and how many windows differ."""
    found: dict[str, dict[str, object]] = {}
    wrong = 0
    for name, (model, windows) in students().items():
        with tempfile.TemporaryDirectory() as scratch:
            folder = Path(scratch)
            sources = [
                path
                for core in (None, "m3", "m4f")
                for path in generate_model(model, folder / f"c-{core}", core)
            ]
            differing = differing_results(model, windows, folder / "c-None")
            wrong += differing
            results, batch = run(model, windows), backend(model)
            found[name] = {
                "compared": len(windows),
                "differ from the reference": differing,
                "batch": batch.name if batch.name == "c" else f"numpy: {batch.reason}",
                "integers": model.sha256,
                "c": digest(sources),
                "windows": hashlib.sha256(windows.tobytes()).hexdigest(),
                "results": hashlib.sha256(results.logits.astype("<i4").tobytes()).hexdigest(),
            }
        print(name, json.dumps(found[name], indent=1), flush=True)
    return found, wrong


def digest(paths: list[Path]) -> str:
    content = b"".join(path.name.encode() + path.read_bytes() for path in sorted(paths))
    return hashlib.sha256(content).hexdigest()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--write", action="store_true")
    parser.add_argument("--emulator", default="", help="what the processor is emulated by, for the record")
    options = parser.parse_args()
    found, wrong = facts()
    record = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
    others = {name: one for name, one in record.get("processors", {}).items() if name != platform.machine()}
    differing = [
        f"{key} of {student} on {machine}"
        for machine, one in others.items()
        for student, values in one["students"].items()
        for key, value in values.items()
        if key in EQUAL and found[student][key] != value
    ]
    print(f"windows whose C differs from the reference: {wrong}")
    print(f"differs: {', '.join(differing)}" if differing else f"equal to {len(others)} other processors")
    if options.write:
        versions = {"python": platform.python_version(), "numpy": np.__version__}
        mine = {"emulator": options.emulator, **versions, "students": found}
        command = "python experiments/other_processor.py --write [--emulator TEXT]"
        content = {"command": command, "processors": {**others, platform.machine(): mine}}
        RESULTS.write_text(json.dumps(content, indent=2) + "\n")
    sys.exit(bool(wrong or differing))


if __name__ == "__main__":
    main()
