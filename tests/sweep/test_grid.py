"""Grids: the points they list, and one sentence for each error."""

from __future__ import annotations

import re
from dataclasses import fields
from pathlib import Path

import pytest
from builders.commands import mcukd
from builders.places import ROOT
from builders.sweep import herd_card, write_grid

from mcukd.data.card import load_card
from mcukd.distillation.architectures import STUDENTS
from mcukd.distillation.config import DistillConfig
from mcukd.distillation.methods import BUILT_IN
from mcukd.distillation.options import stored_name
from mcukd.errors import UserError
from mcukd.fixedpoint.quantize import QuantizeConfig
from mcukd.sweep.grid import OPTIONS, Axes, read_grid
from mcukd.sweep.plan import make_plan
from mcukd.sweep.points import Point, points
from mcukd.sweep.table import COLUMNS


def _grid(folder: Path, content: str) -> Path:
    path = folder / "grid.toml"
    path.write_text(content, encoding="utf-8")
    return path


def _points(folder: Path, content: str, data: str = "herd-sim") -> list[Point]:
    return list(points(read_grid(_grid(folder, f'data = "{data}"\n{content}')), load_card(data)))


def test_a_mixed_ensemble_is_another_one_where_its_students_are(tmp_path: Path) -> None:
    content = """[grid]
    method = ["online", "function-matching"]
    teacher = ["resnet", "mixed-ensemble"]
    gru_units = [8, 16]
    temperature = [1.0, 2.0]
    beside = ["teacher"]
    bits = "float"
    """
    teachers = [point.config for point in _points(tmp_path, content) if point.model == "teacher"]
    assert sorted((config.teacher_name, config.gru_units) for config in teachers) == [
        ("mixed-ensemble", 8),
        ("mixed-ensemble", 16),
        ("resnet", DistillConfig.gru_units),
    ]


def test_a_point_is_there_once_and_only_where_it_makes_sense(tmp_path: Path) -> None:
    content = """[grid]
    method = ["none", "soft-labels", "tsak"]
    student = ["gru-mlp", "filter-mlp", "mobilenet"]
    gru_units = [8, 16]
    temperature = [1.0, 2.0]
    beside = ["teacher", "majority"]
    bits = ["float", 4, 12]
    gates = ["interpolated", "direct"]
    qat = [false, true]
    """
    found = _points(tmp_path, content)
    assert len(found) == len(set(found))

    def count(student: str, method: str) -> int:
        students = [point for point in found if point.model == "student"]
        return sum(p.config.student == student and p.config.method == method for p in students)

    # Per size: float, each width with each table, and qat at 4 bits with each table; a temperature means
    # nothing without a teacher.
    assert count("gru-mlp", "none") == 2 * (1 + 4 + 2)
    # Per size and temperature the same.
    for method in ("soft-labels", "tsak"):
        assert count("gru-mlp", method) == 2 * 2 * (1 + 4 + 2)
    # The other students have no sizes; a filter-mlp's gates are none, and a mobilenet stays in float.
    assert [count("filter-mlp", m) for m in ("none", "soft-labels")] == [3, 2 * 3]
    assert [count("mobilenet", m) for m in ("none", "tsak")] == [1, 2]
    # Sizes, temperature and method are a student's: of two methods with two teachers there are two.
    assert [p.config.teacher_name for p in found if p.model == "teacher"] == ["resnet", "tsak"]
    assert sum(p.model == "majority" for p in found) == 1
    names = [point.name(("method", "temperature")) for point in found]
    assert len(set(names)) == len(names)


def test_a_cnn_has_sizes_of_its_own(tmp_path: Path) -> None:
    content = """[grid]
    method = "none"
    student = ["gru-mlp", "cnn", "filter-mlp"]
    gru_units = [8, 16]
    cnn_filters = [4, 8, 12]
    bits = ["float", 8]
    """
    found = _points(tmp_path, content)
    names = {student: [p.name() for p in found if p.config.student == student] for student in STUDENTS}
    assert len(names["gru-mlp"]) == 4 and len(names["cnn"]) == 6 and len(names["filter-mlp"]) == 2
    assert "plain cnn · 12/16 · 8 bits" in names["cnn"] and "plain · 8/16" in names["gru-mlp"]


def test_a_number_of_seeds_and_single_values(tmp_path: Path) -> None:
    content = 'data = "herd-sim"\n[grid]\nseeds = 3\nbits = 8\nmethod = "none"\n'
    grid = read_grid(_grid(tmp_path, content))
    assert grid.axes.seeds == (0, 1, 2)
    (point,) = points(grid, load_card("herd-sim"))
    assert point.name(tuple(grid.crossed())) == "plain · 16/16 · 8 bits" and point.is_plain
    assert point.integers == QuantizeConfig(8)


def test_without_a_word_on_methods_plain_stands_beside_the_usual_one(tmp_path: Path) -> None:
    methods = [point.config.method for point in _points(tmp_path, '[grid]\nbits = "float"\n')]
    assert methods == ["none", DistillConfig().method]


def test_a_grid_may_have_no_students(tmp_path: Path) -> None:
    baselines = _points(tmp_path, '[grid]\nbits = []\nbeside = ["random_forest", "majority"]\n')
    assert [point.model for point in baselines] == ["random_forest", "majority"]
    teachers = '[grid]\nbits = []\nbeside = "teacher"\nmethod = "soft-labels"\nteacher_width = [4, 8]\n'
    assert [point.config.teacher_width for point in _points(tmp_path, teachers)] == [4, 8]


def test_any_option_of_distill_may_be_an_axis(tmp_path: Path) -> None:
    """A grid takes its axes from the options of `distill`, except those that a grid states in another way."""
    elsewhere = {"split", "seeds", "seed", "neck_axis", "jobs", "device", "search", "search_trials"}
    elsewhere.add("stream")  # a grid scores windows that start from zero
    own = {field.name for field in fields(DistillConfig)} - elsewhere - {"method_options"}
    assert set(OPTIONS) == own | {option.name for method in BUILT_IN for option in method.options}
    assert {stored_name(name) for name in OPTIONS} < set(COLUMNS)
    content = (
        '[grid]\nbits = "float"\nmethod = "smldist"\nablate = ["memory", "stage"]\n'
        "correct_teacher = [true, false]\n"
    )
    found = [point.config for point in _points(tmp_path, content)]
    assert [(c.ablate, c.correct_teacher) for c in found] == [
        (part, gate) for part in ("memory", "stage") for gate in (True, False)
    ]


@pytest.mark.parametrize("section", ["grid", "training"])
def test_an_option_in_both_spellings_is_refused(tmp_path: Path, section: str) -> None:
    value = "[0.3]" if section == "grid" else "0.3"
    content = f'data = "herd-sim"\n[{section}]\nmixing = {value}\nalpha = {value}\n'
    said = rf"in \[{section}\], mixing is the earlier spelling of alpha; give one of them\.$"
    with pytest.raises(UserError, match=said):
        read_grid(_grid(tmp_path, content))


def test_earlier_spellings_are_read_as_today_s_and_kept_in_the_table(tmp_path: Path) -> None:
    earlier = """[grid]
    bits = "float"
    method = ["same-view", "mixed-view"]
    gate = [false, true]
    [training]
    teacher = "committee"
    frequency = 0.2
    """
    today = """[grid]
    bits = "float"
    method = ["online", "function-matching"]
    correct_teacher = [false, true]
    [training]
    teacher = "mixed-ensemble"
    spectral_weight = 0.2
    """
    found = _points(tmp_path, earlier)
    assert found == _points(tmp_path, today) and len(found) == 3
    assert [(one.columns()["method"], one.columns()["gate"]) for one in found] == [
        ("same-view", False),
        ("same-view", True),
        ("mixed-view", None),
    ]
    assert [one.name(("method", "correct_teacher")) for one in found] == [
        "online, correct_teacher False · 16/16",
        "online, correct_teacher True · 16/16",
        "function-matching · 16/16",
    ]


def test_what_does_not_go_together_is_left_out(tmp_path: Path) -> None:
    content = '[grid]\nbits = "float"\nmethod = ["tsak", "soft-labels"]\nteacher = ["resnet", "tsak"]\n'
    found = [(point.config.method, point.config.teacher) for point in _points(tmp_path, content)]
    assert found == [("tsak", "tsak"), ("soft-labels", "resnet")]


BROKEN = {
    "no data": ("[grid]\nseeds = 1", "the key data is missing"),
    "misspelt key": (
        'data = "herd-sim"\n[grid]\nseed = [1]',
        "unknown key grid.seed (did you mean 'seeds'?)",
    ),
    "misspelt section": ('data = "herd-sim"\n[train]\nepochs = 1', "unknown key train (did you mean"),
    "method": ('data = "herd-sim"\n[grid]\nmethod = ["soft-label"]', "did you mean 'soft-labels'?"),
    "bits": ('data = "herd-sim"\n[grid]\nbits = [8, 3]', '"float" or 4 to 16 bits are expected'),
    "bits as text": ('data = "herd-sim"\n[grid]\nbits = ["8"]', '"float" or 4 to 16 bits are expected'),
    "gates": ('data = "herd-sim"\n[grid]\ngates = "linear"', "expected interpolated, direct"),
    "no units": ('data = "herd-sim"\n[grid]\ngru_units = [0]', "--gru-units is 0, expected 1 to 256"),
    "twice": ('data = "herd-sim"\n[grid]\ngru_units = [8, 8]', "8 is there twice"),
    "option as text": ('data = "herd-sim"\n[grid]\ngru_units = ["8"]', "grid.gru_units"),
    "beside": ('data = "herd-sim"\n[grid]\nbeside = ["forest"]', "expected teacher, majority, random_forest"),
    "nothing": ('data = "herd-sim"\n[grid]\nmethod = []', "at least one value"),
    "given twice": (
        'data = "herd-sim"\n[grid]\nepochs = [2, 3]\n[training]\nepochs = 2',
        "epochs is under [grid] and under [training]",
    ),
    "teacher of no method": (
        'data = "herd-sim"\n[grid]\nmethod = "tsak"\nteacher = ["tsak", "resnet"]',
        "--teacher is 'resnet', and --method tsak works with tsak",
    ),
    "no value goes": ('data = "herd-sim"\n[grid]\nalpha = [0.5, 1.5]', "--alpha is 1.5"),
    "no seeds": ('data = "herd-sim"\n[grid]\nseeds = 0', "1 to 1000 seeds are expected"),
    "negative seed": ('data = "herd-sim"\n[grid]\nseeds = [-1]', "found -1"),
    "epochs": ('data = "herd-sim"\n[training]\nepochs = 0', "--epochs is 0"),
    "core": ('data = "herd-sim"\n[measure]\ncore = "m7"', "measure.core is 'm7'"),
    "random split": ('data = "herd-sim"\nsplit = "random"', "split by whole animals is expected"),
    "no run": ('data = "herd-sim"\n[grid]\nqat = true\nbits = 12', "no run in it"),
    "nothing at all": ('data = "herd-sim"\n[grid]\nbits = []', "no run in it"),
    "card": ('data = "herd-simm"', "did you mean 'herd-sim'?"),
    "no TOML": ("data = ", "not valid TOML"),
}


@pytest.mark.parametrize("kind", BROKEN)
def test_a_broken_grid_is_one_sentence(kind: str, tmp_path: Path) -> None:
    content, words = BROKEN[kind]
    with pytest.raises(UserError) as raised:
        make_plan(_grid(tmp_path, content), tmp_path / "out")
    assert words in str(raised.value) and "\n" not in str(raised.value)
    assert not (tmp_path / "out").exists()


def test_folds_and_splits_are_those_of_the_data(tmp_path: Path) -> None:
    card = herd_card(tmp_path / "herd")
    content = (
        'data = "{card}"\nsplit = "{split}"\n[grid]\nfolds = ["{fold}"]\nbits = []\nbeside = "majority"\n'
    )
    plan = make_plan(
        write_grid(tmp_path, card, content, split="loao", fold="B"), tmp_path / "out", card.parent
    )
    assert [run.work.fold.test_animals for run in plan.runs] == [("B",)]
    with pytest.raises(UserError, match="folds names 'D', but the folds of split 'loao' are A, B, C"):
        make_plan(write_grid(tmp_path, card, content, split="loao", fold="D"), tmp_path, card.parent)
    with pytest.raises(UserError, match="the split 'laoo' is unknown"):
        make_plan(write_grid(tmp_path, card, content, split="laoo", fold="B"), tmp_path, card.parent)


def test_short_windows_have_no_filter_mlp(tmp_path: Path) -> None:
    card = herd_card(tmp_path / "herd")
    for wanted in ('beside = "filter_mlp"', 'student = "filter-mlp"'):
        content = 'data = "{card}"\n[grid]\n' + wanted + "\n"
        with pytest.raises(UserError, match="too short for filter-mlp"):
            make_plan(write_grid(tmp_path, card, content), tmp_path / "out", card.parent)


def test_what_decides_a_run_is_in_its_key(tmp_path: Path) -> None:
    card = herd_card(tmp_path / "herd")
    content = 'data = "{card}"\n[grid]\nbits = [8]\n[training]\n{training}\n'

    def keys(training: str) -> tuple[set[str], set[str]]:
        path = write_grid(tmp_path, card, content, training=training)
        runs = make_plan(path, tmp_path / "out", card.parent).runs
        plain = {run.key for run in runs if run.point.is_plain}
        return plain, {run.key for run in runs} - plain

    plain, distilled = keys("epochs = 3")
    assert keys("epochs = 3") == (plain, distilled) and len(plain | distilled) == 6
    for other in ("epochs = 3\nteacher_epochs = 2", "epochs = 3\ntemperature = 2.0"):
        # What only the teacher or its soft labels see leaves plain students done.
        same, changed = keys(other)
        assert same == plain and not changed & distilled
    assert not keys("epochs = 4")[0] & plain
    assert not keys("epochs = 3\nlearning_rate = 0.005")[0] & plain


def test_the_command_tells_what_it_would_do(tmp_path: Path) -> None:
    card = herd_card(tmp_path / "herd")
    grid = write_grid(tmp_path, card)
    arguments = ("sweep", str(grid), "--out", "out", "--data-root", str(card.parent))
    result = mcukd(*arguments, "--dry-run", cwd=tmp_path)
    assert (
        result.returncode == 0 and "2 points × 3 folds × 4 seeds = 24 runs, 0 of them done" in result.stdout
    )
    assert not (tmp_path / "out").exists()
    refused = mcukd(*arguments, "--workers", "2", "--scheduler", "tcp://localhost:1", cwd=tmp_path)
    assert refused.returncode == 2 and "exclude each other" in refused.stderr


def test_the_manual_names_every_key_and_column(tmp_path: Path) -> None:
    manual = (ROOT / "docs" / "reference" / "sweep.md").read_text(encoding="utf-8")
    example = manual.split("```toml\n")[1].split("```")[0]
    grid = read_grid(_grid(tmp_path, example))
    assert grid.axes.seeds == (0, 1) and len(grid.configs()) == 2 * 3
    named = set(re.findall(r"`(\w+)`", manual))
    assert set(Axes.model_fields) <= named and set(COLUMNS) <= named
