"""Sentences about the scores and findings in `metrics.json`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mcukd.evaluation.model_names import baselines_in_order, in_order, model_in_prose
from mcukd.fold_results import DEPLOYABLE, DISTILLED, STUDENT, TEACHER
from mcukd.metrics.metrics_file import CARRIED
from mcukd.text import figure, listed

#: Which model stands for what is deployed, best evidence first.
_DEPLOYED = (DEPLOYABLE, DISTILLED, STUDENT, TEACHER)


def baseline_sentence(metrics: Mapping[str, Any]) -> str | None:
    """Return the sentence for the report's first paragraph where a baseline's MCC is above the student's."""
    models = metrics["models"]
    ours = next((name for name in _DEPLOYED if name in models), None)
    rivals = [name for name in baselines_in_order() if name in models]
    if ours is None or not rivals:
        return None
    best = max(rivals, key=lambda name: float(models[name]["mcc"]))
    if models[best]["mcc"] <= models[ours]["mcc"]:
        return None
    found = comparison(metrics, ours, best)
    shown = ""
    if found is not None and found["low"] is not None:
        between = f"{figure(-found['high'])} to {figure(-found['low'])}".replace("-", "−")
        shown = (
            f" The difference is shown (95 % interval {between} over animals and seeds)."
            if found["high"] < 0
            else f" With so many animals the difference is not shown to be more than chance ({between})."
        )
    return (
        f"A baseline wins: on the animals held out, {model_in_prose(best)} reaches an MCC of "
        f"{figure(models[best]['mcc'])}, {model_in_prose(ours)} {figure(models[ours]['mcc'])}.{shown}"
    )


def comparison(metrics: Mapping[str, Any], a: str, b: str) -> Mapping[str, Any] | None:
    """Return the tested difference of two models, None where it was not tested."""
    return next(
        (one for one in metrics.get("comparisons", ()) if (one["a"], one["b"]) == (a, b)),
        None,
    )


def random_sentence(metrics: Mapping[str, Any]) -> str | None:
    """Return the optimism of a random split, of the model it raises most; None where none was run."""
    found = metrics.get("random_split")
    if not found:
        return None
    # The majority's gain is an artefact of leaving animals out, not of remembering them
    # (docs/reference/evaluation.md, Baselines).
    rivals = {name: one for name, one in found["models"].items() if name != "majority"} or found["models"]
    name, most = max(rivals.items(), key=lambda item: float(item[1]["points"]))
    return (
        f"A random split of the same windows would have shown {model_in_prose(name)} at an MCC of "
        f"{figure(most['mcc_random'])} instead of {figure(most['mcc'])}: {most['points']:.1f} points of "
        "optimism."
    )


def poor_teacher_sentence(metrics: Mapping[str, Any]) -> str | None:
    """Return a warning where a student learned from unlabelled recordings, answered by a poor teacher.

    A teacher below the plain student costs more than its answers are worth
    (docs/experiments/label-budgets.md).
    """
    models = metrics["models"]
    if not {TEACHER, STUDENT, DISTILLED} <= models.keys():
        return None
    teacher, plain = (float(models[name]["mcc"]) for name in (TEACHER, STUDENT))
    has_labels_alone = models[DISTILLED].get("learned_from") == models[STUDENT].get("learned_from")
    if has_labels_alone or teacher >= plain:
        return None
    return (
        f"The teacher's MCC of {figure(teacher)} is below the plain student's {figure(plain)}, and the "
        "distilled student learned from its answers on recordings without labels: give the teacher more "
        "epochs (--teacher-epochs), or leave --unlabelled out."
    )


def same_answer_sentence(metrics: Mapping[str, Any]) -> str | None:
    """Return which networks answer one class to every window, so did not learn; None where none does.

    With several seeds or folds, also those that did not learn with some of the seeds.
    """
    found = []
    for name in (TEACHER, STUDENT, DISTILLED):
        scores = metrics["models"].get(name, {})
        answered = zip(scores.get("per_class", ()), zip(*scores.get("confusion", ())))
        classes = [label for label, windows in answered if any(windows)]
        by_seed: list[bool] = scores.get("one_answer_by_seed", [])
        if len(classes) == 1:
            found.append(f"{model_in_prose(name)} answers {classes[0]} to every window")
        elif any(by_seed):
            of = [seed for seed, nothing in zip(scores.get("seeds") or metrics["seeds"], by_seed) if nothing]
            seeds = "" if all(by_seed) else f" with seed{'s' if len(of) > 1 else ''} {listed(of)}"
            found.append(f"{model_in_prose(name)}{seeds} gives all windows of an animal one answer")
    if not found:
        return None
    said = listed(found)
    return (
        f"{said[0].upper()}{said[1:]}: nothing was learned; try a lower --learning-rate, more epochs or "
        "another seed."
    )


def carried_sentence(metrics: Mapping[str, Any]) -> str | None:
    """Return which models were scored with a state that is carried on; None where none was."""
    models = [name for name in in_order(metrics["models"]) if metrics["models"][name].get("state") == CARRIED]
    if not models:
        return None
    return f"The state is {CARRIED} in {listed(models)}; every other model sees the window alone."


def sentences(metrics: Mapping[str, Any]) -> list[str]:
    """Return all that can be said, most important first."""
    said = [same_answer_sentence(metrics), poor_teacher_sentence(metrics), baseline_sentence(metrics)]
    said += [one["sentence"] for one in metrics.get("comparisons", ())]
    said += [random_sentence(metrics), carried_sentence(metrics)]
    warm_up = metrics["models"].get("student_distilled", {}).get("warm_up")
    if warm_up:
        said.append(
            f"The distilled student's answer settles after {warm_up['median_samples']:.0f} of "
            f"{warm_up['window_samples']} samples in the median, after {warm_up['p95_samples']:.0f} in 95 % "
            f"of windows, after {warm_up['worst_samples']} in the worst."
        )
    agreed = metrics.get("agreement")
    if agreed and "problem" in agreed:
        said.append(f"Float and integer could not be compared: {agreed['problem']}")
    elif agreed:
        said.append(
            f"Float and integer student agree on {agreed['float_equals_integer']} of {agreed['windows']} "
            f"windows{', their state carried' if agreed.get('state') == CARRIED else ''}."
        )
        for board, one in agreed["devices_equal_integer"].items():
            where = one.get("where") or ("emulated" if one["emulated"] else "not known")
            kind = "" if where == "hardware" else f" ({where})"
            said.append(
                f"The {board}{kind} equals the integer student bit for bit on {one['equal']} of "
                f"{one['windows']} windows."
            )
    return [one for one in said if one]
