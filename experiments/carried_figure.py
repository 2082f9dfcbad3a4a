"""Figure of the cost and the worth of a result every quarter window: docs/img/carried-state.svg.

    python experiments/carried_figure.py

Reads the records of `stream_cost.py` (instructions on emulated cores) and `carried_state.py` (MCC on held-out
animals); measures nothing itself.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from mcukd.files import replacing

DOCS = Path(__file__).parents[1] / "docs"
#: Rate of the figure's windows in samples a second.
RATE_HZ = 50.0
#: Forms by their name in the cost's record: name in the figure, colour.
FORMS = {
    "no overlap": ("windows, no overlap", "#8f8f8f"),
    "staggered, one by one": ("staggered, one by one", "#e69f00"),
    "staggered": ("staggered, in pairs", "#aa4499"),
    "carried": ("carried state", "#228833"),
}
CORES = {"m4f": "Cortex-M4F", "m3": "Cortex-M3"}
#: Sets by the name of their record, and where a set was scored in two ways, the prefix of the second.
SETS = {
    "herd-sim": ("herd (simulated)", ""),
    "cow-collar": ("cows, bouts joined", "bouts joined: "),
    "fur-seals": ("fur seals", ""),
}


def record(name: str) -> dict[str, Any]:
    """Return a record of carried states."""
    return json.loads((DOCS / "results" / f"carried-state-{name}.json").read_text(encoding="utf-8"))


def points(cost: dict[str, Any], core: str) -> list[tuple[str, float, float]]:
    """Return (form, answers a minute, instructions every hop of the cost's record) for a core."""
    rows = {
        row["form"]: row
        for row in cost["instructions"]
        if (row["core"], row["hidden"], row["bits"], row["gates"]) == (core, 16, 8, "interpolated")
    }
    found = []
    for form in FORMS:
        hop = cost["window"] if form == "no overlap" else cost["hop"]
        found.append((form, 60 * RATE_HZ / hop, rows[form]["instructions_per_hop"]))
    return found


def worth(name: str, prefix: str) -> tuple[float, float, float]:
    """Return the MCC of staggered windows, of a carried state, and of one carried without training for it."""
    results = record(name)["results"]
    keys = ("windowed, windows, 8 bits", "stream, carried, 8 bits", "windowed, carried, float")
    staggered, carried, untrained = (results[f"{prefix}student of {key}"]["mcc"] for key in keys)
    return staggered, carried, untrained


def draw(path: Path) -> None:
    """Draw instructions against answers for each core, and MCC for each set."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    cost = record("cost")
    figure, axes = plt.subplots(1, 3, figsize=(11, 3.6), width_ratios=(1, 1, 1.25))
    for axis, (core, title) in zip(axes, CORES.items()):
        for form, answers, instructions in points(cost, core):
            label, colour = FORMS[form]
            axis.plot(answers, instructions / 1000, "o", color=colour, label=label)
            axis.annotate(
                f"{instructions / 1000:.0f} k",
                (answers, instructions / 1000),
                textcoords="offset points",
                xytext=(-7, 0),
                ha="right",
                va="center",
                fontsize=8,
            )
        axis.set_ylim(0, None)
        axis.set_xlim(0, 60 * RATE_HZ / cost["hop"] * 1.15)
        axis.set_xlabel("answers a minute")
        axis.set_ylabel(f"thousand instructions every {cost['hop']} samples")
        axis.set_title(f"{title} (emulated)", fontsize=10)
    axes[0].legend(fontsize=7, loc="upper left")
    for place, (name, (_, prefix)) in enumerate(SETS.items()):
        staggered, carried, untrained = worth(name, prefix)
        for offset, value, colour in (
            (-0.26, staggered, FORMS["staggered"][1]),
            (0.0, carried, FORMS["carried"][1]),
            (0.26, untrained, "#d0d0d0"),
        ):
            axes[2].bar(place + offset, value, 0.24, color=colour)
            axes[2].text(place + offset, value + 0.01, f"{value:.3f}"[1:], ha="center", fontsize=7)
    axes[2].set_xticks(range(len(SETS)), [title for title, _ in SETS.values()], fontsize=8)
    axes[2].set_ylim(0, 1.05)
    axes[2].set_ylabel("MCC, held-out animals")
    axes[2].set_title("staggered, carried, carried untrained", fontsize=10)
    figure.tight_layout()
    with replacing(path) as temporary:
        figure.savefig(temporary, format="svg", metadata={"Date": None})
    plt.close(figure)


if __name__ == "__main__":
    draw(DOCS / "img" / "carried-state.svg")
