"""Figure and checked-in table of `experiments/kernels.py`."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

from mcukd.files import replacing, write_json, write_text
from mcukd.profiling.baselines import MOVED, TFLITE

ROOT = Path(__file__).resolve().parents[1]
TABLE = ROOT / "docs" / "results" / "bench.json"
PAGE = ROOT / "docs" / "experiments" / "kernels-results.md"
DOCS_FIGURE = ROOT / "docs" / "img" / "kernels.svg"
COMMAND = "python experiments/kernels.py --record"

_CORES = {"m4f": "Cortex-M4F", "m3": "Cortex-M3"}
_COLUMNS = (
    "kernel", "bits", "gates", "optimize", "H", "instructions", "per MAC", "cycles, estimated", "least",
    "flash", "of it tables", "RAM", "of it stack", "max probability error", "same class", "mismatches",
)  # fmt: skip
_COLOURS = {8: "#54a24b", 16: "#4c78a8", 32: "#f58518"}
_TEXT = """# Kernels: results

Made by `{command}` at commit {commit}, which also writes `docs/results/bench.json`; `make bench` measures
the same into `experiments/results/`. Compiler: {compiler}. Emulator: {emulator}.
**Everything here is emulated: no figure was taken on hardware.**

- *instructions*: of one window (reset, T steps and classification, called from C), by QEMU `-icount
  shift=0` and the board's timer, averaged over the windows run; nothing is subtracted. *per MAC*: divided
  by the multiply-accumulates of the matrix products.
- *cycles, estimated*: the instructions that one window executed, each with the most cycles that Arm's
  manual allows it at zero wait states (`mcukd/profiling/cycles_m3.toml`, `cycles_m4f.toml`): a taken
  branch refills in 3, single loads and stores never overlap, long multiplications never end early.
  *least*: the fewest cycles that the manual allows. Instructions of a false condition in an IT block
  count in full.
- *flash*: bytes of code, weights and gate tables that remain after `--gc-sections`, with every library
  function they need. *RAM*: one state, static scratch (of the C library, too) and the most stack below
  the caller that the calls of a window wrote to.
- *max probability error* and *same class*: against the float student in float64, over {accuracy_windows}
  windows; fewer for soft float. *mismatches*: windows of which a logit or the CRC-32 of all states
  differs from the NumPy reference, over the windows run.
- Random students: 3 axes, GRU(H), Dense 16, Dense 6, T = 256; `mcukd/profiling/synthetic.py` makes
  weights and windows, 256 for calibration and others for testing. The trained ones are GRU-16 students
  distilled on the **simulated** herd (`experiments/train_student.py`, the demo's options of that commit),
  tested on windows of animals that neither training nor calibration used. Their accuracy is not measured
  here: the weight decay of the first one was chosen with these animals in view, so that small changes of
  the samples do not change its classes. The *sensitive* one has the demo's weight decay; the float
  student itself then changes classes where samples move by one count (last table).

![Instructions per window](../img/kernels.svg)
"""


def draw(rows: list[dict[str, Any]], path: Path) -> None:
    """Draw instructions per window of the random students, one panel per core, a line of dots per kernel."""
    import matplotlib

    matplotlib.use("svg")
    matplotlib.rcParams["svg.hashsalt"] = "mcukd"
    import matplotlib.pyplot as plt

    chosen = [
        row for row in rows if row["core"] and row["weights"] == "random" and row["optimize"] == "speed"
    ]
    order = ("float32 C", "portable C", "assembly")
    kinds = sorted({_kind(row) for row in chosen}, key=lambda kind: (order.index(kind[0]), *kind[1:]))
    figure, panels = plt.subplots(1, 2, figsize=(9, 0.27 * len(kinds) + 1.2), sharey=True)
    for axes, (core, title) in zip(panels, _CORES.items()):
        for line, kind in enumerate(kinds):
            points = sorted(
                (row["hidden"], row["instructions"])
                for row in chosen
                if row["core"] == core and _kind(row) == kind
            )
            axes.plot([p[1] for p in points], [line] * len(points), color="#cccccc", zorder=1)
            for hidden, instructions in points:
                axes.plot(instructions, line, "o", color=_COLOURS.get(hidden, "black"), markersize=5)
        axes.set(xscale="log", title=f"{title}, emulated (QEMU)", xlabel="instructions per window of 256")
        axes.grid(axis="x", alpha=0.3)
    panels[0].set_yticks(range(len(kinds)), [_label(kind) for kind in kinds], fontsize=8)
    panels[0].invert_yaxis()
    handles = [plt.Line2D([], [], marker="o", ls="", color=c, label=f"H = {h}") for h, c in _COLOURS.items()]
    panels[0].legend(handles=handles, fontsize=8, loc="lower right")
    figure.tight_layout()
    with replacing(path) as temporary:
        figure.savefig(temporary, metadata={"Date": None})


def _kind(row: dict[str, Any]) -> tuple[str, int, str]:
    return row["kernel"], row["weight_bits"], row["gates"] or ""


def _label(kind: tuple[str, int, str]) -> str:
    kernel, bits, gates = kind
    return f"{kernel}, {bits} bits, {gates}" if gates else kernel


def commit() -> str:
    """Return the commit of the working tree, and whether what is measured differs from it."""
    name = _said("git", "rev-parse", "--short", "HEAD")
    measured = ("mcukd", "firmware_templates", "bench")
    if _said("git", "status", "--porcelain", "--untracked-files=no", "--", *measured):
        print("the working tree has changes: the table says so; commit and measure again", file=sys.stderr)
        return f"{name} with changes not committed"
    return name


def record(rows: list[dict[str, Any]], figure: Path, commit: str) -> None:
    """Write the checked-in table, page and figure, with the commit and the tools they were measured with."""
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
    for origin in sorted({row["weights"] for row in rows}, key=lambda name: (name != "random", name)):
        name = "Random students" if origin == "random" else f"Student {origin}"
        for core, title in _CORES.items():
            chosen = [row for row in rows if row["weights"] == origin and row["core"] == core]
            if chosen:
                text += f"\n## {name}, {title}\n\n{_table(chosen)}"
    hosts = sorted((row for row in rows if row["core"] is None), key=_by_student)
    text += "\n## TensorFlow Lite, int8 one-step cell\n\n"
    text += "Size of the file alone and accuracy on the host; not run on a core here.\n\n"
    text += "| student | H | file | max probability error | same class |\n|---|---|---|---|---|\n"
    for row in (row for row in hosts if row["kernel"] == TFLITE):
        text += (
            f"| {row['weights']} | {row['hidden']} | {row['flash_bytes']:,} B | {row['max_prob_error']} | "
            f"{row['agreement']:.2%} |\n"
        )
    text += "\n## What the float student makes of one count\n\n"
    text += "The float student against itself with every sample moved by -1, 0 or 1 count at random.\n\n"
    text += "| student | H | max probability error | same class |\n|---|---|---|---|\n"
    for row in (row for row in hosts if row["kernel"] == MOVED):
        text += f"| {row['weights']} | {row['hidden']} | {row['max_prob_error']} | {row['agreement']:.2%} |\n"
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


def _by_student(row: dict[str, Any]) -> tuple[Any, ...]:
    return row["weights"] != "random", row["weights"], row["hidden"]


def _by_kernel(row: dict[str, Any]) -> tuple[Any, ...]:
    order = ("assembly", "portable C", "float32 C")
    return order.index(row["kernel"]), row["weight_bits"], row["gates"] or "", row["optimize"], row["hidden"]


def _said(*argv: str) -> str:
    return subprocess.run(argv, capture_output=True, text=True, check=True, cwd=ROOT).stdout.strip()
