"""Sentences about the ranges of an integer model's tensors: what clips, where, and what that means."""

from __future__ import annotations

from typing import Any

#: A tensor that clips more often than this is worth a sentence.
WORTH_SAYING = 1e-3


def sentences(ranges: dict[str, Any]) -> list[str]:
    """Say which tensors clip more than one value in a thousand, where most, and what that means."""
    found = []
    for name, tensor in ranges["tensors"].items():
        if tensor["saturated_share"] <= WORTH_SAYING:
            continue
        worst = [
            max(tensor[group].items(), key=lambda item: float(item[1]["share"]))
            for group in ("by_class", "by_animal")
        ]
        places = " and ".join(f"{place} ({facts['share']:.2%})" for place, facts in worst)
        found.append(
            f"{name} clips {tensor['saturated_share']:.2%} of its values, most in {places}: {_why(name)}."
        )
    return found or ["No tensor clips more than one value in a thousand."]


def _why(name: str) -> str:
    if name.endswith("_pre"):
        return "its gate is flat there, so nothing is lost"
    if name == "input":
        return "the samples reach the end of the sensor's range, which no arithmetic mends; check the card"
    return "its format is too narrow for these animals; calibrate with data like theirs"
