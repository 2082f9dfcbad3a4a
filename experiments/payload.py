"""Payloads in C, Python and JavaScript: whether they are the same, and the precision of their counts.

    python experiments/payload.py [--payloads 1000000] [--record]

Random values and counts of the bundled schema for 1 to 11 classes: sizes of every order of magnitude up to
2^32 - 1, equal ones, and zeros. The C packer and Python have to give the same bytes, and Node.js, which runs
the decoder as a network server does, the same JSON text as Python. Before them stand periods of 0, 255, 256,
65,536 and 2^32 - 1 results of one class. The precision is that of simulated periods whose shares of the
classes are random (Dirichlet). `--record` writes docs/results/payload.json.
"""

from __future__ import annotations

import argparse
import ctypes
import json
import platform
import subprocess
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from mcukd.codegen.payload import javascript, write_packer
from mcukd.files import write_json
from mcukd.payload.coding import decode, encode
from mcukd.payload.layout import Layout, layout_of
from mcukd.payload.schemas import load_schema
from mcukd.payload.sources import SOURCES

ROOT = Path(__file__).resolve().parents[1]
RECORD = ROOT / "docs" / "results" / "payload.json"
RUNNER = Path(__file__).with_name("decode_uplink.js")
CLASSES = (1, 2, 3, 4, 5, 6, 8, 11)
EXTREMES = (0, 255, 256, 65_536, (1 << 32) - 1)
#: Results of a period at one in 1.28 s: that of the published collar, an hour, six hours, a day.
PERIODS = (256, 2_812, 16_875, 67_500)
_AT_ONCE = 20_000


def packer(layout: Layout, folder: Path) -> Any:
    """Return the compiled C function."""
    write_packer(layout, folder)
    flags = ["-std=c99", "-O2", "-Wall", "-Wextra", "-Wconversion", "-Werror", "-shared", "-fPIC"]
    subprocess.run(["cc", *flags, "payload.c", "-o", "payload.so"], cwd=folder, check=True)
    return ctypes.CDLL(str(folder / "payload.so")).payload_pack


def random_rows(layout: Layout, count: int, rng: np.random.Generator) -> np.ndarray:
    """Return (n, values and counts) uint32 of every order of magnitude; some of them equal, some 0."""
    width = len(SOURCES) + layout.classes + 1
    rows = rng.integers(0, 1 << 32, (count, width), dtype=np.uint64) >> rng.integers(
        0, 33, (count, width), dtype=np.uint64
    )
    ones = rng.random(count) < 0.1
    rows[ones, len(SOURCES) :] = rows[ones, -1:]
    rows[rng.random((count, width)) < 0.1] = 0
    return rows.astype(np.uint32)


def extreme_rows(layout: Layout) -> np.ndarray:
    """Return rows with one class alone, for each class and extreme count."""
    rows = np.zeros((len(EXTREMES) * (layout.classes + 1), len(SOURCES) + layout.classes + 1), np.uint32)
    for number, row in enumerate(rows):
        row[len(SOURCES) + number // len(EXTREMES)] = EXTREMES[number % len(EXTREMES)]
    return rows


def compare(layout: Layout, rows: np.ndarray, pack: Any, decoder: Path) -> tuple[int, int]:
    """Return how many payloads differ between C and Python, and between Python and JavaScript."""
    out = (ctypes.c_uint8 * layout.schema.bytes)()
    differ, lines, expected = 0, [], []
    for row in np.ascontiguousarray(rows):
        pack(row.ctypes.data_as(ctypes.c_void_p), out)
        values = row.tolist()
        payload = encode(layout, dict(zip(SOURCES, values)), values[len(SOURCES) :])
        differ += payload != bytes(out)
        lines.append(bytes(out).hex())
        data = decode(payload, layout.schema).data()
        expected.append(json.dumps({"data": data, "warnings": [], "errors": []}, separators=(",", ":")))
    done = subprocess.run(
        ["node", str(RUNNER), str(decoder)], input="\n".join([*lines, ""]), capture_output=True, text=True,
        check=True,
    )  # fmt: skip
    found = done.stdout.splitlines()
    assert len(found) == len(expected)
    return differ, sum(one != other for one, other in zip(found, expected))


def precision(layout: Layout, results: int, rng: np.random.Generator) -> dict[str, float]:
    """Return errors of the counts of simulated periods with a number of results, and classes that read 0."""
    errors, occurred, lost = [], 0, 0
    for _ in range(2_000):
        counts = rng.multinomial(results, rng.dirichlet(np.full(layout.classes, 0.5)))
        sent = [*map(int, counts), 0]
        read = decode(encode(layout, dict.fromkeys(SOURCES, 0), sent), layout.schema).results
        errors += [abs(one - other) for one, other in zip(sent, read)]
        occurred += sum(count > 0 for count in sent)
        lost += sum(count > 0 and other == 0 for count, other in zip(sent, read))
    return {
        "largest_error_results": max(errors),
        "mean_error_results": float(np.mean(errors)),
        "largest_error_share_of_period": max(errors) / results,
        "classes_that_occurred_and_read_0": lost / occurred,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--payloads", type=int, default=1_000_000)
    parser.add_argument("--record", action="store_true")
    options = parser.parse_args()
    schema, rng = load_schema("period"), np.random.default_rng(0)
    facts: dict[str, Any] = {
        "what": "C packer = Python encoder; Python decoder = JavaScript decoder, as JSON text",
        "schema": schema.name,
        "version": schema.version,
        "bytes": schema.bytes,
        "compiler": _first_line("cc", "--version"),
        "python": platform.python_version(),
        "node": _first_line("node", "--version"),
        "payloads": 0,
        "c_differs_from_python": 0,
        "javascript_differs_from_python": 0,
        "by_classes": {},
    }
    for number, classes in enumerate(CLASSES):
        layout = layout_of(schema, classes)
        left = options.payloads * (number + 1) // len(CLASSES) - options.payloads * number // len(CLASSES)
        with tempfile.TemporaryDirectory() as scratch:
            pack, decoder = packer(layout, Path(scratch)), Path(scratch) / "decoder.js"
            decoder.write_text(javascript(schema))
            rows = extreme_rows(layout)
            total, differ = 0, np.array([0, 0])
            while len(rows):
                differ += compare(layout, rows, pack, decoder)
                total += len(rows)
                rows = random_rows(layout, min(left, _AT_ONCE), rng)
                left -= len(rows)
        facts["payloads"] += total
        facts["c_differs_from_python"] += int(differ[0])
        facts["javascript_differs_from_python"] += int(differ[1])
        facts["by_classes"][classes] = {"payloads": total, "count_bits": layout.count_bits}
        print(
            f"{classes} classes: {total:,} payloads; C {differ[0]}, JavaScript {differ[1]} differ", flush=True
        )
    facts["javascript_bytes"] = len(javascript(schema).encode())
    facts["precision_simulated"] = {
        f"{classes} classes": {
            f"{results} results": precision(layout_of(schema, classes), results, rng) for results in PERIODS
        }
        for classes in (3, 5, 6)
    }
    print(json.dumps(facts, indent=2))
    if options.record:
        write_json(RECORD, facts)


def _first_line(*command: str) -> str:
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()[0]


if __name__ == "__main__":
    main()
