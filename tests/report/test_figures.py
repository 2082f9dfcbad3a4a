"""Figures of the page: marks inside their rows, different for each model, none of them red."""

from __future__ import annotations

import itertools
import re
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
from builders.report_study import CARD, scores, whole_study

from mcukd.data.card import load_card
from mcukd.evaluation.marks import PALETTE, SHAPES, mark, marks
from mcukd.evaluation.model_names import model_title
from mcukd.metrics.metrics_file import update_metrics
from mcukd.metrics.scores import combine_seeds
from mcukd.pipeline.report import report_study
from mcukd.report.figures import animals_figure, budget_figure

EIGHT = (
    *("teacher", "student", "student_distilled", "fixed_point_8", "tflite_int8"),
    *("filter_mlp", "random_forest", "majority"),
)
MORE = (*EIGHT, "fixed_point_4_qat", "fixed_point_auto", "student_searched", "student_searched_deployable")


@dataclass(frozen=True)
class Drawn:
    """The marks of one model: its shape as path commands, its colour, and (x, top, bottom) of each."""

    shape: str
    colour: str
    places: tuple[tuple[float, float, float], ...]


def figures_of(page: str) -> dict[str, ElementTree.Element]:
    """Return the page's figures by name."""
    found = {}
    for text in re.findall(r"<svg.*?</svg>", page, re.DOTALL):
        element = ElementTree.fromstring(text)
        found[element.get("aria-labelledby").removesuffix("-caption")] = element
    return found


def drawn(figure: ElementTree.Element, name: str) -> dict[str, Drawn]:
    """Return the marks of each model in a figure."""
    prefix, found = f"{name}-mark-", {}
    for group in figure.iter():
        if not group.get("id", "").startswith(prefix):
            continue
        paths = {one.get("id"): one.get("d") for one in group.iter() if one.tag.endswith("path")}
        places, shapes, colours = [], set(), set()
        for use in (one for one in group.iter() if one.tag.endswith("use")):
            shape = paths[use.get("href")[1:]]
            heights = numbers(shape)[1::2]
            x, y = float(use.get("x")), float(use.get("y"))
            places.append((x, y + min(heights), y + max(heights)))
            shapes.add(shape)
            colours.add(re.search(r"fill: (#\w+)", use.get("style")).group(1))
        assert len(shapes) == len(colours) == 1, group.get("id")
        found[group.get("id").removeprefix(prefix)] = Drawn(shapes.pop(), colours.pop(), tuple(places))
    return found


def numbers(path: str) -> list[float]:
    return [float(one) for one in re.findall(r"-?\d+(?:\.\d+)?(?:e-?\d+)?", path)]


def edges(figure: ElementTree.Element, name: str) -> list[float]:
    """Return the y of the lines between rows, from above."""
    found = {}
    for group in figure.iter():
        match = re.fullmatch(rf"{name}-edge-(\d+)", group.get("id", ""))
        if match:
            path = next(one for one in group.iter() if one.tag.endswith("path"))
            found[int(match.group(1))] = numbers(path.get("d"))[1]
    return [found[number] for number in sorted(found)]


def check_rows(figure: ElementTree.Element, name: str, rows: int, names: tuple[str, ...]) -> None:
    """Every mark lies within its row with all of its height, and no two models share one."""
    lines, found = edges(figure, name), drawn(figure, name)
    assert len(lines) == rows + 1 and lines == sorted(lines)
    assert set(found) == set(names)
    for model, one in found.items():
        assert len(one.places) == rows
        for row, (_, top, bottom) in enumerate(one.places):
            assert lines[row] < top < bottom < lines[row + 1], (model, row)
    for a, b in itertools.combinations(found, 2):
        assert found[a].shape != found[b].shape, (a, b)
        assert (found[a].shape, found[a].colour) != (found[b].shape, found[b].colour), (a, b)


def page_with(folder: Path, names: tuple[str, ...]) -> str:
    """Return the page of a study with these models beside those of `whole_study`."""
    study = whole_study(folder)
    classes = load_card(CARD).classes
    extra = {}
    for number, name in enumerate(names):
        extra[name] = combine_seeds([scores(0.5 + 0.04 * number, seed, classes) for seed in range(3)])
    update_metrics(study.file("metrics.json"), data=CARD, split="loao", seeds=[0, 1, 2], models=extra)
    return report_study(study).read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> str:
    return page_with(tmp_path_factory.mktemp("eight") / "study", EIGHT[5:])


def test_no_mark_lies_outside_its_row_and_no_two_models_share_one(page: str) -> None:
    figures = figures_of(page)
    check_rows(figures["animals"], "animals", 10, EIGHT)
    check_rows(figures["budget"], "budget", 5, EIGHT)


def test_the_page_test_sees_a_mark_outside_of_its_row(page: str) -> None:
    figure = figures_of(page)["animals"]
    group = next(one for one in figure.iter() if one.get("id") == "animals-mark-majority")
    use = next(one for one in group.iter() if one.tag.endswith("use"))
    use.set("y", str(float(use.get("y")) + 25))
    with pytest.raises(AssertionError):
        check_rows(figure, "animals", 10, EIGHT)


def test_every_model_has_the_same_mark_in_all_figures(page: str) -> None:
    figures = figures_of(page)
    kinds = [drawn(figures[name], name) for name in ("animals", "budget")]
    for model in EIGHT:
        assert (kinds[0][model].shape, kinds[0][model].colour) == (
            kinds[1][model].shape,
            kinds[1][model].colour,
        )


@pytest.mark.parametrize(("animals", "count"), [(1, 8), (3, 1), (15, len(MORE))])
def test_any_number_of_models_and_animals_fits(animals: int, count: int) -> None:
    rng = np.random.default_rng(0)
    names = MORE[:count]
    models = {
        name: {
            "per_animal": {f"a{n}": {"mcc": float(rng.uniform(-1, 1))} for n in range(animals)},
            "time_budget_bias_min_per_day": {f"b{n}": float(rng.uniform(-700, 700)) for n in range(animals)},
        }
        for name in names
    }
    for name, text in (
        ("animals", animals_figure(models)),
        ("budget", budget_figure(models, [f"b{n}" for n in range(animals)])),
    ):
        check_rows(figures_of(str(text))[name], name, animals, names)


def test_equal_values_of_all_models_do_not_hide_each_other() -> None:
    models = {name: {"per_animal": {"a": {"mcc": 1.0}}} for name in EIGHT}
    found = drawn(figures_of(str(animals_figure(models)))["animals"], "animals")
    middles = sorted((top + bottom) / 2 for one in found.values() for _, top, bottom in one.places)
    assert min(np.diff(middles)) > 3


def test_an_animal_without_an_mcc_has_no_mark_and_those_below_stay_in_their_rows() -> None:
    models = {"student": {"per_animal": {"a": {"mcc": None}, "b": {"mcc": 0.5}, "c": {"mcc": None}}}}
    figure = figures_of(str(animals_figure(models)))["animals"]
    ((_, top, bottom),) = drawn(figure, "animals")["student"].places
    lines = edges(figure, "animals")
    assert lines[1] < top < bottom < lines[2]


def test_marks_are_few_enough_to_be_told_apart_and_many_are_still_distinct() -> None:
    for names in (EIGHT, MORE, [f"model_{n}" for n in range(60)]):
        found = marks(names)
        assert len(set(found.values())) == len(names)
    assert len({one.shape for one in marks(MORE).values()}) == len(MORE) <= len(SHAPES)
    assert len({one.colour for one in marks(EIGHT).values()}) == 8
    assert marks(["student", "fixed_point_4_qat"])["fixed_point_4_qat"] == marks(EIGHT)["fixed_point_8"]


def seen_by(colour: str, matrix: np.ndarray) -> np.ndarray:
    """Return a colour in CIE L*a*b* as an eye sees it."""
    srgb = np.array([int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5)])
    linear = np.where(srgb <= 0.04045, srgb / 12.92, ((srgb + 0.055) / 1.055) ** 2.4)
    linear = np.clip(matrix @ linear, 0, 1)
    to_xyz = np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]])
    xyz = to_xyz @ linear / [0.9505, 1, 1.089]
    f = np.where(xyz > 0.008856, np.cbrt(xyz), 7.787 * xyz + 16 / 116)
    return np.array([116 * f[1] - 16, 500 * (f[0] - f[1]), 200 * (f[1] - f[2])])


#: What eyes without one kind of cone see, in linear RGB (Machado, Oliveira and Fernandes 2009, severity 1).
EYES = {
    "normal": np.eye(3),
    "protanope": np.array(
        [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]]
    ),
    "deuteranope": np.array(
        [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.01182, 0.04294, 0.968881]]
    ),
}


@pytest.mark.parametrize("eye", EYES)
def test_the_colours_of_models_stay_apart_for_colour_blind_eyes(eye: str) -> None:
    seen = [seen_by(colour, EYES[eye]) for colour in PALETTE]
    assert min(np.linalg.norm(a - b) for a, b in itertools.combinations(seen, 2)) > 20


def test_no_model_is_drawn_in_red() -> None:
    for colour in PALETTE:
        _, a, b = seen_by(colour, np.eye(3))
        angle = np.degrees(np.arctan2(b, a)) % 360
        assert np.hypot(a, b) < 15 or not (angle < 50 or angle > 345), colour


def test_the_legend_names_every_model(page: str) -> None:
    text = "".join(figures_of(page)["animals"].itertext())
    for name in EIGHT:
        assert model_title(name) in text


def test_series_of_a_sweep_have_marks_of_their_own() -> None:
    many = [mark(number) for number in range(len(SHAPES) * len(PALETTE))]
    assert len(set(many)) == len(many)
    assert len({one.shape for one in many[:8]}) == len({one.colour for one in many[:8]}) == 8
