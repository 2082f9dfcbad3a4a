"""Conclusions about a study: its verdict, what devices proved, and whether to correct time budgets."""

from __future__ import annotations

from typing import Any

from mcukd.errors import UserError
from mcukd.evaluation.model_names import in_order
from mcukd.harness.reached import REAL_IMAGE, on_hardware, where_briefly
from mcukd.harness.record import failures, windows_wrong
from mcukd.metrics.time_budget import correction_sentence
from mcukd.report.evidence import Evidence
from mcukd.report.trust import Trust, judge
from mcukd.text import grouped

#: The key of a model in `metrics.json` that says whether to correct its time budgets.
ADVICE = "time_budget_correction"
#: An integer model that loses more MCC than this against its float form costs accuracy.
COSTLY = 0.005
#: How `where_briefly` is said in the verdict, best proof first.
_PLACES = {
    "hardware": "Run on the hardware",
    REAL_IMAGE: "Run as the real image on a modelled chip",
    "emulated": "Run in an emulator or on a computer",
    "not known": "Run where it is not known",
}


def verdict(evidence: Evidence) -> Trust | None:
    """Return the verdict on the model that runs on the device; None where nothing was scored yet."""
    if evidence.deployed is None or evidence.metrics is None:
        return None
    wrong = sum(windows_wrong(evidence.proofs[name]) for name in _of_this_model(evidence))
    return judge(
        evidence.metrics,
        evidence.deployed,
        simulated=evidence.simulated,
        wrong=wrong,
        refusal=evidence.refusal,
    )


def correction_helps(scores: dict[str, Any]) -> bool:
    """Tell whether inner animals show that a model's time budgets are better corrected."""
    return bool((scores.get(ADVICE) or {}).get("helps"))


def correction_advice(evidence: Evidence) -> str | None:
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
    if evidence.tflite_only:
        return f"No board ran it: a {evidence.family} is scored on TensorFlow Lite's reference kernels alone."
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


def integer_loss(evidence: Evidence) -> float | None:
    """Return how much MCC the deployed integer model loses against its float form on animals held out.

    None where either was not scored.
    """
    models = evidence.metrics["models"] if evidence.metrics else {}
    floats = [name for name in in_order(models) if name.startswith("student")]
    if not floats or evidence.deployed in (None, *floats) or evidence.deployed == "teacher":
        return None
    return float(models[floats[-1]]["mcc"]) - float(models[evidence.deployed]["mcc"])


def loss_sentence(loss: float | None) -> str:
    """Return what the integers cost as a sentence; empty where it is not known."""
    if loss is None:
        return ""
    if loss > COSTLY:
        return f"The integer model loses {loss:.3f} of MCC against its float form on animals held out."
    change = f"{-loss:+.3f}".replace("-", "−")
    return f"That costs no accuracy to speak of: on animals held out the integer model's MCC is {change} off."


def scale_sentences(evidence: Evidence) -> list[str]:
    """Return where a board's sensor has another scale or range than the card, and what comes of it.

    What `mcukd validate` recorded; of firmware that was not proven, what the board's file says.
    """
    said = {}
    for name, proof in evidence.proofs.items():
        scale = proof.get("scale")
        if scale:
            said[name] = (
                f"{scale['sentence']} At the sensor's counts {grouped(scale['classes_changed'])} of "
                f"{grouped(scale['windows'])} recorded windows are given another class than at the card's."
            )
    if evidence.model is not None:
        proven = {proof["ran_on"] for proof in evidence.proofs.values()}
        for name in evidence.builds:
            sentence = None if name in proven else _scale_of(evidence, name)
            if sentence:
                said.setdefault(name.removesuffix("-emulated"), sentence)
    return list(dict.fromkeys(said.values()))


def _scale_of(evidence: Evidence, name: str) -> str | None:
    """Return what a bundled board's sensor makes of the card's scale; None of a board not known here."""
    from mcukd.boards.model import load_board
    from mcukd.boards.scale import scale_sentence

    assert evidence.model is not None
    range_g = evidence.card.signal.range_g if evidence.card else None
    try:
        return scale_sentence(load_board(name), evidence.model.counts_per_g, range_g)
    except UserError:
        return None


def _of_this_model(evidence: Evidence) -> list[str]:
    own = evidence.model.sha256 if evidence.model else None
    return [name for name, proof in evidence.proofs.items() if proof["model_sha256"] == own]


def _equal(evidence: Evidence, names: list[str]) -> str:
    told = []
    for name in names:
        proof = evidence.proofs[name]
        equal = grouped(proof["windows"] - proof["mismatches"])
        failed = "".join(f", but {failure}" for failure in failures(proof))
        told.append(f"{name}, {equal} of {grouped(proof['windows'])} windows equal bit for bit{failed}")
    return "; ".join(told)
