"""Verdict: its rules one by one, and its place on the page and the terminal."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from builders.places import ROOT
from builders.report_study import finish_board, finish_distill, finish_quantize, whole_study
from typer.testing import CliRunner

from mcukd.cli.app import app
from mcukd.files import write_json
from mcukd.metrics.scores import combine_seeds, score
from mcukd.metrics.time_budget import correction_advice, correction_gains, correction_sentence, gain_is_shown
from mcukd.pipeline.report import report_study
from mcukd.report.conclusion import proof_sentence, verdict
from mcukd.report.evidence import gather
from mcukd.report.table import budget_rows
from mcukd.report.trust import ANIMALS, CARE, GOOD, NOT, POOR, UNKNOWN, USE, Trust, judge
from mcukd.study import Study

CLASSES = ("grazing", "resting", "walking")


def herd(right: tuple[float, ...], animals: int = 10, windows: int = 100, seed: int = 0) -> dict[str, Any]:
    """Scores where each animal shows each class `windows` times; a share right[k] of class k is found."""
    rng = np.random.default_rng(seed)
    labels = np.tile(np.repeat(np.arange(3), windows), animals)
    wrong = (labels + rng.integers(1, 3, len(labels))) % 3
    guesses = np.where(
        np.arange(len(labels)) % windows < np.rint(windows * np.array(right))[labels], labels, wrong
    )
    return score(labels, guesses, np.repeat([f"a{n}" for n in range(animals)], 3 * windows), CLASSES)


def judged(*scores: dict[str, Any], split: str = "loao", **more: Any) -> Trust:
    models = {"fixed_point_8": combine_seeds(scores)}
    return judge(
        {"split": split, "seeds": list(range(len(scores))), "models": models}, "fixed_point_8", **more
    )


def standing(found: Trust) -> dict[str, str]:
    return {one.name: one.standing for one in found.behaviours}


def test_behaviours_found_well_on_many_animals_may_be_trusted() -> None:
    found = judged(herd((0.95, 0.95, 0.95)), herd((0.95, 0.95, 0.95), seed=1))
    assert found.answer == "yes" and set(standing(found).values()) == {USE}
    assert found.headline == "This tag may be trusted for every behaviour: grazing, resting, walking."
    assert "10 animals that it had not seen in training" in found.animals and "2 seeds" in found.animals
    assert not found.caveats


def test_a_behaviour_found_6_per_cent_of_the_time_is_not_to_be_used() -> None:
    found = judged(herd((0.95, 0.95, 0.06)))
    assert standing(found)["walking"] == NOT and found.answer == "in part"
    assert "Do not use it for walking." in found.headline
    assert found.behaviours[2].sentence.startswith("walking is found 6 % of the time; its time is off by ")


def test_a_behaviour_often_called_so_wrongly_is_not_to_be_used() -> None:
    # Nearly all of the resting is called walking as well, so that walking is always found and seldom right.
    found = judged(herd((0.95, 0.05, 0.97)))
    walking = found.behaviours[2]
    assert walking.recall > 0.9 and walking.precision < 0.7
    assert standing(found)["resting"] == NOT
    drowned = judged(herd((0.0, 0.0, 0.95)))
    assert standing(drowned)["walking"] == NOT
    assert "of the windows called so" in drowned.behaviours[2].sentence


def test_animals_that_differ_make_it_a_matter_of_care() -> None:
    found = judged(differing(0.4))
    assert set(standing(found).values()) == {CARE}
    assert found.headline.startswith("This tag may be used with care for grazing, resting, walking")
    found = judged(differing(0.05))
    assert set(standing(found).values()) == {UNKNOWN}
    assert "for other animals that may be as little as" in found.behaviours[0].sentence


def differing(worst: float) -> dict[str, Any]:
    """Scores of nine animals, a third of which are recognised with a share of `worst` only."""
    parts = [herd((0.97 if n % 3 else worst,) * 3, animals=1, seed=n) for n in range(9)]
    matrices = {f"a{n}": one["per_animal"]["a0"] for n, one in enumerate(parts)}
    merged = dict(herd((0.8, 0.8, 0.8), animals=9))
    merged["per_animal"] = matrices
    merged["confusion"] = np.sum([one["confusion"] for one in matrices.values()], axis=0).tolist()
    merged["per_class"] = {
        name: {
            **merged["per_class"][name],
            "recall": merged["confusion"][k][k] / np.sum(merged["confusion"][k]),
            "precision": merged["confusion"][k][k] / np.sum(merged["confusion"], axis=0)[k],
        }
        for k, name in enumerate(CLASSES)
    }
    return merged


@pytest.mark.parametrize("animals", [1, 2, ANIMALS - 1])
def test_of_few_animals_nothing_can_be_said_of_others(animals: int) -> None:
    found = judged(herd((0.97, 0.97, 0.97), animals=animals))
    assert set(standing(found).values()) == {UNKNOWN} and found.answer == "cannot be said"
    assert found.headline.startswith("It cannot be said whether this tag may be trusted")
    assert any(f"{ANIMALS} are needed" in one for one in found.caveats)


def test_a_behaviour_that_few_of_many_animals_show_cannot_be_judged() -> None:
    scores = herd((0.97, 0.97, 0.97))
    rare = {f"a{n}" for n in range(2, 10)}
    for name in rare:
        scores["per_animal"][name]["confusion"][2] = [0, 0, 0]
    scores["confusion"] = np.sum([a["confusion"] for a in scores["per_animal"].values()], axis=0).tolist()
    scores["per_class"]["walking"]["support"] = int(np.sum(scores["confusion"][2]))
    found = judged(scores)
    assert standing(found) == {"grazing": USE, "resting": USE, "walking": UNKNOWN}
    assert "2 animals showed it" in found.behaviours[2].sentence
    assert found.headline.endswith("Of walking nothing can be said.")


def test_a_handful_of_windows_and_none_at_all_say_nothing() -> None:
    labels = np.array(([0] * 60 + [1] * 40) * 6 + [2] * 3)
    animals = [f"a{n}" for n in range(6) for _ in range(100)] + ["a0"] * 3
    found = judged(score(labels, labels, animals, CLASSES))
    assert standing(found)["walking"] == UNKNOWN and "3 windows only" in found.behaviours[2].sentence
    found = judged(score(labels[:-3], labels[:-3], animals[:-3], CLASSES))
    assert "none of the animals held out showed it" in found.behaviours[2].sentence
    assert "off by" not in found.behaviours[2].sentence


def test_a_behaviour_never_called_is_found_never() -> None:
    found = judged(herd((0.97, 0.97, 0.0)))
    assert found.behaviours[2].sentence.startswith("walking is found 0 % of the time")


def test_a_time_budget_off_by_half_of_itself_is_not_summed_up() -> None:
    scores = combine_seeds([herd((0.97, 0.97, 0.97))])
    scores["time_budget_error_min_per_day"]["walking"] = 300.0
    metrics = {"split": "loao", "seeds": [0], "models": {"student": scores}}
    found = judge(metrics, "student")
    assert standing(found) == {"grazing": USE, "resting": USE, "walking": CARE}
    assert "single windows may be used, its time of the day not" in found.behaviours[2].sentence
    assert "off by 300 minutes a day, where 480 are true" in found.behaviours[2].sentence


def test_no_behaviour_recognised_is_a_no() -> None:
    found = judged(herd((0.3, 0.3, 0.3)))
    assert found.answer == "no"
    assert found.headline == "Do not trust this tag: it does not recognise grazing, resting, walking."


@pytest.mark.parametrize(
    ("options", "answer", "words"),
    [
        ({"split": "random"}, "cannot be said", "every animal scored was seen in training"),
        ({"wrong": 3}, "no", "a device computed 3 windows otherwise"),
        ({"simulated": True}, "cannot be said", "Of real animals this says nothing"),
        ({"simulated": True, "split": "random"}, "cannot be said", "dealt at random"),
    ],
)
def test_what_outweighs_good_figures(options: dict[str, Any], answer: str, words: str) -> None:
    found = judged(herd((0.97, 0.97, 0.97)), **options)
    assert found.answer == answer and words in found.headline


def test_one_seed_is_said_to_be_one() -> None:
    assert any("One training seed" in one for one in judged(herd((0.97,) * 3)).caveats)
    assert not judged(herd((0.97,) * 3), herd((0.97,) * 3)).caveats


def test_figures_of_an_earlier_version_are_judged_by_all_animals() -> None:
    scores = combine_seeds([herd((0.97, 0.97, 0.97))])
    for one in scores["intervals"]["per_class"].values():
        del one["animals"]
    assert judge({"split": "loao", "seeds": [0], "models": {"student": scores}}, "student").answer == "yes"
    del scores["intervals"]
    found = judge({"split": "loao", "seeds": [0], "models": {"student": scores}}, "student")
    assert set(standing(found).values()) == {UNKNOWN}


def test_the_rules_are_those_of_the_documentation() -> None:
    text = (ROOT / "docs" / "reference" / "evaluation.md").read_text(encoding="utf-8")
    rules = text[text.index("## The verdict") :]
    for value in (f"{GOOD:.2f}".lstrip("0"), f"{POOR:.2f}".lstrip("0"), f"{ANIMALS} animals"):
        assert value in rules


def matrices(animals: int, alike: bool, seeds: int = 2) -> np.ndarray:
    """Confusion matrices (S, A, 3, 3) of animals that are mistaken alike, or each in its own way."""
    rng = np.random.default_rng(3)
    chances = np.array([[0.8, 0.15, 0.05], [0.1, 0.85, 0.05], [0.3, 0.1, 0.6]])
    made = []
    for _ in range(animals):
        own = chances if alike else np.array([rng.dirichlet(20 * row) for row in np.eye(3) * 0.7 + 0.1])
        counts = (400 * rng.dirichlet([4, 3, 2])).astype(int) + 1
        made.append([[rng.multinomial(n, p) for n, p in zip(counts, own)] for _ in range(seeds)])
    return np.array(made).swapaxes(0, 1)


def test_the_correction_is_advised_where_all_animals_are_mistaken_alike_and_nowhere_else() -> None:
    names = [f"a{n}" for n in range(10)]
    alike = correction_advice(matrices(10, alike=True), names)
    assert alike["helps"] is True and alike["shown_for"] == names
    minutes = alike["misplaced_min_per_day"]
    assert minutes["followed"] == minutes["corrected"] < 0.7 * minutes["raw"]
    assert correction_sentence(alike).startswith("Correct time budgets by the confusion matrix: for each of")
    apart = correction_advice(matrices(10, alike=False), names)
    assert apart["helps"] is False and correction_sentence(apart).startswith("Do not correct time budgets")
    minutes = apart["misplaced_min_per_day"]
    assert minutes["followed"] == pytest.approx(minutes["raw"]) or apart["shown_for"]


@pytest.mark.parametrize("animals", [1, 2, 4])
def test_few_animals_cannot_show_that_the_correction_helps(animals: int) -> None:
    found = correction_advice(matrices(animals, alike=True), [f"a{n}" for n in range(animals)])
    assert found["helps"] is None and found["shown_for"] == []
    assert "cannot show that it helps, 5 are needed" in correction_sentence(found)


def test_an_animal_has_no_part_in_its_own_decision() -> None:
    """Whatever becomes of the held-out animal, its inner animals decide the same."""
    names = [f"a{n}" for n in range(7)]
    made = matrices(7, alike=True)
    before = correction_advice(made, names)
    for number, name in enumerate(names):
        spoiled = made.copy()
        spoiled[:, number] = spoiled[:, number][:, ::-1]
        after = correction_advice(spoiled, names)
        assert (name in after["shown_for"]) == (name in before["shown_for"])


def test_gains_are_those_of_a_correction_by_the_others_and_few_show_nothing() -> None:
    made = matrices(6, alike=True)
    gains = correction_gains(made)
    assert gains.shape == (6,) and gain_is_shown(gains)
    assert not gain_is_shown(gains[:3]) and not gain_is_shown(-gains)
    made[:, 2] = 0
    assert np.isnan(correction_gains(made)[2])
    assert correction_advice(made, [f"a{n}" for n in range(6)])["animals"] == 5


def test_the_table_of_time_budgets_shows_a_correction_only_where_it_helps() -> None:
    scores = combine_seeds([herd((0.9, 0.9, 0.7))])
    models = {"student": {**scores, "time_budget_correction": {"helps": True}}}
    assert all("→" in cell for cell in budget_rows({"models": models})[1][0][1:])
    for helps in (False, None):
        models["student"]["time_budget_correction"]["helps"] = helps
        assert not any("→" in cell for cell in budget_rows({"models": models})[1][0])
    del models["student"]["time_budget_correction"]
    assert not any("→" in cell for cell in budget_rows({"models": models})[1][0])


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Study:
    return whole_study(tmp_path_factory.mktemp("runs") / "whole")


def test_the_verdict_stands_before_everything_else_on_the_page(study: Study) -> None:
    text = report_study(study).read_text(encoding="utf-8")
    found = verdict(gather(study))
    assert found is not None and found.headline in text
    assert text.index('id="verdict"') < text.index('class="tiles"') < text.index("<nav>")
    for one in found.behaviours:
        assert re.search(rf">{one.standing}</b> {re.escape(one.sentence)}", text)
    assert proof_sentence(gather(study)) in text
    assert "Do not correct time budgets" in text[text.index('id="budget"') :]


def test_the_command_prints_the_verdict_and_gives_it_as_json(study: Study) -> None:
    done = CliRunner().invoke(app, ["report", "--run", str(study.path)])
    assert done.exit_code == 0, done.output
    lines = done.stdout.splitlines()
    assert lines[0].startswith("Of real animals this says nothing")
    assert lines[1].startswith("- use: grazing is found 9") and lines[-1].startswith("Report: ")
    assert any(line.startswith("Run in an emulator") for line in lines)
    facts = json.loads(CliRunner().invoke(app, ["report", "--run", str(study.path), "--json"]).stdout)
    assert facts["verdict"]["answer"] == "cannot be said"
    assert facts["verdict"]["model"] == "fixed_point_8"
    assert facts["verdict"]["behaviours"][0]["standing"] == USE
    assert facts["proven_on"].startswith("Run in an emulator")
    assert facts["time_budget_correction"].startswith("Do not correct")


@pytest.mark.parametrize(
    ("boards", "words"),
    [
        ((), "Proven on no board yet"),
        ((("collar", True),), "200 of 200 windows equal bit for bit. Nothing was seen on the hardware."),
        ((("collar", False),), "Run on the hardware: collar, 200 of 200 windows equal bit for bit."),
        (
            (("collar", False), ("eartag", True)),
            "hardware: collar, 200 of 200 windows equal bit for bit. Run in",
        ),
        (None, "Not turned into integers yet"),
    ],
)
def test_what_it_was_proven_on_is_said(tmp_path: Path, boards: tuple | None, words: str) -> None:
    study = Study.create(tmp_path / "one", "herd-sim", 0)
    finish_distill(study)
    if boards is not None:
        finish_quantize(study)
    for name, emulated in boards or ():
        finish_board(study, name, emulated=emulated)
    assert words in proof_sentence(gather(study))


def test_a_proof_of_another_model_proves_nothing_here(study: Study, tmp_path: Path) -> None:
    import shutil

    other = Study.open(shutil.copytree(study.path, tmp_path / "copy"))
    for name in ("collar", "eartag"):
        proof = json.loads(other.file(f"validation/{name}.json").read_text())
        write_json(
            other.file(f"validation/{name}.json"), {**proof, "model_sha256": "0" * 64, "mismatches": 5}
        )
        record = other.manifest["stages"][f"validate:{name}"]
        other.finish(
            f"validate:{name}",
            inputs=record["inputs"],
            options=record["options"],
            outputs=[other.file(f"validation/{name}.json")],
        )
    evidence = gather(other)
    assert proof_sentence(evidence).endswith("The proof of collar, eartag is of another model.")
    found = verdict(evidence)
    assert found is not None and "otherwise" not in found.headline
