"""Students that carry their state against students of windows, at a hop of a quarter window.

    python experiments/carried_state.py herd-sim --folder SCRATCH --split holdout --seeds 0,1 [--record]
    python experiments/carried_state.py CARD --folder SCRATCH --epochs 40

Two studies of the same data, folds, seeds and recipe are trained, one with `--stream`, and quantized to 8 bits.
Both are scored as a tag runs them, with a result every quarter window of whole recordings of held-out animals:
windows of one behaviour, and apart from them those that hold several. The students of windows are also scored
with a carried state, which they were not trained for. `--record` writes docs/results/carried-state-CARD.json.
Studies that are there and current are used again.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from mcukd.data.card import load_card
from mcukd.distillation.config import DistillConfig
from mcukd.distillation.effort import with_effort
from mcukd.distillation.option_lists import parse_seeds
from mcukd.files import write_json
from mcukd.fixedpoint.config import QuantizeConfig
from mcukd.pipeline.distill import distill, for_card
from mcukd.pipeline.evaluate_hop import scores_at_hop
from mcukd.pipeline.quantize import quantize_study
from mcukd.study import Study

ROOT = Path(__file__).resolve().parents[1]
KEPT = ("mcc", "mcc_sd", "mcc_by_seed", "accuracy", "macro_f1", "mixed", "per_animal", "confusion")


def made(path: Path, card_name: str, config: DistillConfig) -> tuple[Study, float]:
    """Return the study of these options, trained and quantized, and the seconds that training it took."""
    card = load_card(card_name)
    study = Study.prepare(path, card.reference, config.seed)
    start = time.monotonic()
    distill(study, card, None, for_card(config, card))
    seconds = time.monotonic() - start
    quantize_study(study, QuantizeConfig(8, 16), tflite=())
    return study, seconds


def summary(found: dict[str, Any]) -> dict[str, Any]:
    """Return what is kept of an evaluation."""
    models = {
        name: {
            **{key: one[key] for key in KEPT if key in one},
            "per_animal": {animal: each["mcc"] for animal, each in one["per_animal"].items()},
        }
        for name, one in found["models"].items()
    }
    return {**found, "models": models}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("card")
    parser.add_argument("--folder", type=Path, required=True, help="of the studies")
    parser.add_argument("--split", default="animals=5")
    parser.add_argument("--seeds", default="0,", help="as mcukd distill takes them")
    parser.add_argument("--epochs", type=int, help="of the students; default: the recipe's")
    parser.add_argument("--quick", action="store_true", help="with --effort quick: also a distilled student")
    parser.add_argument("--name", help="of the record; default: the card's")
    parser.add_argument("--record", action="store_true", help="write docs/results/ too")
    options = parser.parse_args()
    commit = subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"], cwd=ROOT, capture_output=True, text=True, check=False
    ).stdout.strip()
    recipe: dict[str, Any] = with_effort("quick", {}) if options.quick else {"method": "none"}
    recipe.update(split=options.split, seeds=parse_seeds(options.seeds), jobs=1, epochs=options.epochs)
    card = load_card(options.card)
    hop = card.window // 4
    windowed, seconds = made(options.folder / "windowed", options.card, DistillConfig(**recipe))
    carried, more = made(options.folder / "stream", options.card, DistillConfig(**recipe, stream=True))
    ways = {
        "windowed": scores_at_hop(windowed, hop),
        "stream": scores_at_hop(carried, hop),
        "windowed_carried_untrained": scores_at_hop(windowed, hop, carried=True),
        "stream_run_in_windows": scores_at_hop(carried, hop, carried=False),
    }
    for way, found in ways.items():
        for name, one in found["models"].items():
            mixed = one.get("mixed", {})
            print(
                f"{way:28} {name:18} MCC {one['mcc']:.4f} by seed {one['mcc_by_seed']}, mixed: {mixed}",
                flush=True,
            )
    if options.record:
        facts = {
            "command": " ".join(["python", "experiments/carried_state.py", *sys.argv[1:]]),
            "commit": commit,
            "data": card.name,
            "simulated": card.simulated,
            "recipe": windowed.options("distill"),
            "seconds_training": {"windowed": round(seconds), "stream": round(more)},
            "scored_on": "held-out animals, windows every quarter window of whole recordings",
            "results": {way: summary(found) for way, found in ways.items()},
        }
        path = ROOT / "docs" / "results" / f"carried-state-{options.name or card.name}.json"
        write_json(path, facts)


if __name__ == "__main__":
    main()
