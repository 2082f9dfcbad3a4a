"""The figure and the checked-in table of bench/kernels.py."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

from mcukd.files import replacing, write_json, write_text

ROOT = Path(__file__).resolve().parents[1]
TABLE = ROOT / "docs" / "results" / "bench.json"
PAGE = ROOT / "docs" / "kernels-results.md"
DOCS_FIGURE = ROOT / "docs" / "img" / "kernels.svg"
COMMAND = "python bench/kernels.py --record"

_CORES = {"m4f": "Cortex-M4F", "m3": "Cortex-M3"}
_COLUMNS = (
    "kernel", "bits", "gates", "optimize", "H", "instructions", "per MAC", "cycles, estimated", "least",
    "flash", "of it tables", "RAM", "of it stack", "max probability error", "same class", "mismatches",
)  # fmt: skip
_TEXT = """# Kernels: results

Made by `{command}` at commit {commit}, which also writes `docs/results/bench.json`; `make bench` measures the
same into `bench/results/`. Compiler: {compiler}. Emulator: {emulator}. **Everything here is emulated: no
figure was taken on hardware.**

- *instructions*: of one window, reset + T steps + classification called from C, by QEMU `-icount shift=0` and
  the board's timer, averaged over the windows run; nothing is subtracted. *per MAC*: by the
  multiply-accumulates of the matrix products.
- *cycles, estimated*: the instructions that one window executed, each with the most cycles that Arm's manual
  allows it at zero wait states (`mcukd/bench/cycles_m3.toml`, `cycles_m4f.toml`): a taken branch refills
  in 3, single loads and stores never overlap, long multiplies never end early. *least*: the other end of
  what the manual allows. Instructions of a false condition in an IT block count in full.
- *flash*: bytes of code, weights and gate tables that stay after `--gc-sections`, with every library function
  they pull in. *RAM*: one state, static scratch (of the C library too) and the most stack below the caller
  that the calls of a window wrote to.
- *max probability error* and *same class*: against the float student in float64, over {accuracy_windows}
  windows; soft float and nothing else on fewer. *mismatches*: windows of which a logit or the CRC-32 of all
  states differs from the NumPy reference, over the windows run.
- Random students: 3 axes, GRU(H), Dense 16, Dense 6, T = 256; `mcukd/bench/synthetic.py` has the weights and
  windows, 256 for calibration and others for testing. The trained one is a GRU-16 distilled on the
  **simulated** herd (`bench/train_student.py`), tested on windows of animals that neither training
  nor calibration saw.

![Instructions per window](img/kernels.svg)
"""


def draw(rows: list[dict[str, Any]], path: Path) -> None:
    """Draw instructions per window of the random students against H, one panel per core."""
    import matplotlib

    matplotlib.use("svg")
    matplotlib.rcParams["svg.hashsalt"] = "mcukd"
    import matplotlib.pyplot as plt

    figure, panels = plt.subplots(1, 2, figsize=(9, 4), sharey=True)
    for axes, core in zip(panels, ("m4f", "m3")):
        mine = [
            r for r in rows if r["core"] == core and r["weights"] == "random" and r["optimize"] == "speed"
        ]
        for (kernel, bits, gates), colour, style in _lines():
            points = sorted(
                (r["hidden"], r["instructions"])
                for r in mine
                if r["kernel"] == kernel and r["weight_bits"] == bits and r["gates"] == gates
            )
            if points:
                label = kernel if gates is None else f"{kernel}, {bits} bits, {gates}"
                axes.plot(*zip(*points), style, color=colour, label=label, markersize=4)
        axes.set(xscale="log", yscale="log", title=f"{_CORES[core]} (QEMU), T = 256", xlabel="GRU units H")
        axes.set_xticks([8, 16, 32], ["8", "16", "32"])
        axes.minorticks_off()
        axes.grid(alpha=0.3)
    panels[0].set_ylabel("instructions per window")
    panels[1].legend(fontsize=6, loc="upper left")
    figure.tight_layout()
    with replacing(path) as temporary:
        figure.savefig(temporary, metadata={"Date": None})


def _lines() -> list[tuple[tuple[Any, ...], str, str]]:
    colours = {16: "#4c78a8", 8: "#f58518", 4: "#54a24b"}
    lines: list[tuple[tuple[Any, ...], str, str]] = [(("float32 C", 32, None), "black", "s-")]
    for bits, colour in colours.items():
        lines.append((("portable C", bits, "interpolated"), colour, "^:"))
        lines.append((("assembly", bits, "interpolated"), colour, "o--"))
        lines.append((("assembly", bits, "direct"), colour, "o-"))
    return lines


def record(rows: list[dict[str, Any]], figure: Path) -> None:
    """Write the checked-in table, page and figure, with the commit and the tools they were measured with."""
    commit = _said("git", "rev-parse", "--short", "HEAD")
    if _said(
        "git", "status", "--porcelain", "--untracked-files=no", "--", "mcukd", "firmware_templates", "bench"
    ):
        commit += " with changes not committed"
        print("the working tree has changes: the table says so; commit and measure again", file=sys.stderr)
    facts = {
        "command": COMMAND,
        "commit": commit,
        "emulated": True,
        "compiler": _said("arm-none-eabi-gcc", "--version").splitlines()[0],
        "emulator": _said("qemu-system-arm", "--version").splitlines()[0],
    }
    write_json(TABLE, {**facts, "rows": rows})
    with replacing(DOCS_FIGURE) as temporary:
        temporary.write_bytes(figure.read_bytes())
    write_text(PAGE, page(rows, facts))
    print(f"recorded at {commit}: {TABLE}, {PAGE}, {DOCS_FIGURE}")


def page(rows: list[dict[str, Any]], facts: dict[str, Any]) -> str:
    """Return the Markdown page."""
    windows = max(row["accuracy_windows"] or 0 for row in rows)
    text = _TEXT.format(accuracy_windows=windows, **facts)
    for origin in sorted({row["weights"] for row in rows}):
        name = "Random students" if origin == "random" else f"Student {origin}"
        for core, title in _CORES.items():
            chosen = [row for row in rows if row["weights"] == origin and row["core"] == core]
            text += f"\n## {name}, {title}\n\n{_table(chosen)}"
    cells = [row for row in rows if row["core"] is None]
    text += "\n## TensorFlow Lite, int8 one-step cell\n\n"
    text += "Size of the file alone and accuracy on the host; not run on a core here.\n\n"
    text += "| student | H | file | max probability error | same class |\n|---|---|---|---|---|\n"
    for row in sorted(cells, key=lambda row: (row["weights"] != "random", row["hidden"])):
        text += (
            f"| {row['weights']} | {row['hidden']} | {row['flash_bytes']:,} B | {row['max_prob_error']} | "
            f"{row['agreement']:.2%} |\n"
        )
    return text


def _table(rows: list[dict[str, Any]]) -> str:
    lines = ["| " + " | ".join(_COLUMNS) + " |", "|" + "---|" * len(_COLUMNS)]
    for r in sorted(rows, key=_by_kernel):
        of = "" if r["mismatches"] is None else f"{r['mismatches']} of {r['windows']}"
        cells = (
            r["kernel"], r["weight_bits"], r["gates"] or "", r["optimize"], r["hidden"],
            f"{r['instructions']:,}", f"{r['instructions_per_mac']:.2f}",
            f"{r['cycles_estimated']:,}", f"{r['cycles_least']:,}",
            f"{r['flash_bytes']:,}", f"{r['flash_table_bytes']:,}", f"{r['ram_bytes']:,}",
            f"{r['stack_bytes']:,}", r["max_prob_error"], f"{r['agreement']:.2%}", of,
        )  # fmt: skip
        lines.append("| " + " | ".join(map(str, cells)) + " |")
    return "\n".join(lines) + "\n"


def _by_kernel(row: dict[str, Any]) -> tuple[Any, ...]:
    order = ("assembly", "portable C", "float32 C")
    return order.index(row["kernel"]), row["weight_bits"], row["gates"] or "", row["optimize"], row["hidden"]


def _said(*argv: str) -> str:
    return subprocess.run(argv, capture_output=True, text=True, check=True, cwd=ROOT).stdout.strip()
