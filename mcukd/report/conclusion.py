"""What a whole study comes to: the verdict, what it was proven on, and whether to correct time budgets."""

from __future__ import annotations

from typing import Any, Optional

from mcukd.evaluate.budget import correction_sentence
from mcukd.harness.reached import on_hardware, where_briefly
from mcukd.report.evidence import Evidence
from mcukd.report.naming import grouped
from mcukd.report.trust import Trust, judge

#: The key of a model in `metrics.json` that says whether to correct its time budgets.
ADVICE = "time_budget_correction"
#: How `where_briefly` is said in the verdict, best proof first.
_PLACES = {
    "hardware": "Run on the hardware",
    "emulated": "Run in an emulator or on a computer",
    "not known": "Run where it is not known",
}


def verdict(evidence: Evidence) -> Optional[Trust]:
    """Return the verdict on the model that runs on the device; None where nothing was scored yet."""
    if evidence.deployed is None or evidence.metrics is None:
        return None
    wrong = sum(int(evidence.proofs[name]["mismatches"]) for name in _of_this_model(evidence))
    return judge(evidence.metrics, evidence.deployed, simulated=evidence.simulated, wrong=wrong)


def correction_helps(scores: dict[str, Any]) -> bool:
    """Tell whether inner animals show that a model's time budgets are better corrected."""
    return bool((scores.get(ADVICE) or {}).get("helps"))


def correction_advice(evidence: Evidence) -> Optional[str]:
    """Return whether to correct the time budgets of the deployed model; None where nothing was scored."""
    if evidence.deployed is None or evidence.metrics is None:
        return None
    advice = evidence.metrics["models"][evidence.deployed].get(ADVICE)
    if advice is None:
        return (
            "Do not correct time budgets by the confusion matrix here: these figures are of a version that "
            "did not try on inner animals whether it helps."
        )
    return correction_sentence(advice)


def proof_sentence(evidence: Evidence) -> str:
    """Return what the devices proved of this study's integer model, hardware first."""
    if evidence.mobilenet:
        return "No board ran it: a mobilenet is scored on TensorFlow Lite's reference kernels alone."
    if evidence.model is None:
        return "Not turned into integers yet, so that no tag can run it: run 'mcukd quantize'."
    names = _of_this_model(evidence)
    others = [name for name in evidence.proofs if name not in names]
    stray = f" The proof of {', '.join(others)} is of another model." if others else ""
    if not names:
        return (
            "Proven on no board yet: whether a tag computes what was scored is not known; run "
            f"'mcukd validate'.{stray}"
        )
    said = []
    for place, words in _PLACES.items():
        there = [name for name in names if where_briefly(evidence.proofs[name]) == place]
        if there:
            said.append(f"{words}: {_equal(evidence, there)}.")
    if not any(on_hardware(evidence.proofs[name]) for name in names):
        said.append("Nothing was seen on the hardware.")
    return " ".join(said) + stray


def _of_this_model(evidence: Evidence) -> list[str]:
    own = evidence.model.sha256 if evidence.model else None
    return [name for name, proof in evidence.proofs.items() if proof["model_sha256"] == own]


def _equal(evidence: Evidence, names: list[str]) -> str:
    told = []
    for name in names:
        proof = evidence.proofs[name]
        equal = grouped(proof["windows"] - proof["mismatches"])
        told.append(f"{name}, {equal} of {grouped(proof['windows'])} windows equal bit for bit")
    return "; ".join(told)
