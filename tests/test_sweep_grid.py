"""Grids: what they stand for, and one sentence for whatever is wrong with one."""

from __future__ import annotations

from pathlib import Path

import pytest
from sweep_factory import write_grid, write_herd
from test_cli import mcukd

from mcukd.errors import UserError
from mcukd.sweep.grid import Axes, Point, points, read_grid
from mcukd.sweep.stage import make_plan


def _grid(folder: Path, content: str) -> Path:
    path = folder / "grid.toml"
    path.write_text(content, encoding="utf-8")
    return path


def test_a_point_is_there_once_and_only_where_it_makes_sense() -> None:
    axes = Axes(
        methods=("distilled", "qat", "majority", "filter-mlp"),
        gru_units=(8, 16),
        bits=("float", 4, 12),
        gates=("interpolated", "direct"),
    )
    found = points(axes)
    assert len(found) == len(set(found))
    # Per size: float, and each width with each table; QAT at 4 bits alone; the others have neither.
    assert [sum(p.method == m for p in found) for m in axes.methods] == [2 * (1 + 4), 2 * 2, 1, 1]
    assert Point("majority") in found and Point("filter-mlp") in found
    assert not any(p.method == "qat" and p.bits in (None, 12) for p in found)


def test_a_number_of_seeds_and_single_values(tmp_path: Path) -> None:
    grid = read_grid(_grid(tmp_path, 'data = "herd-sim"\n[grid]\nseeds = 3\nbits = 8\nmethods = "plain"\n'))
    assert grid.grid.seeds == (0, 1, 2)
    assert points(grid.grid) == [Point("plain", 16, 16, 8, "interpolated", 16)]


BROKEN = {
    "no data": ("[grid]\nseeds = 1", "the key data is missing"),
    "misspelt key": (
        'data = "herd-sim"\n[grid]\nseed = [1]',
        "unknown key grid.seed (did you mean 'seeds'?)",
    ),
    "misspelt section": ('data = "herd-sim"\n[train]\nepochs = 1', "unknown key train (did you mean"),
    "method": ('data = "herd-sim"\n[grid]\nmethods = ["destilled"]', "did you mean 'distilled'?"),
    "bits": ('data = "herd-sim"\n[grid]\nbits = [8, 3]', '"float" or 4 to 16 bits are expected'),
    "bits as text": ('data = "herd-sim"\n[grid]\nbits = ["8"]', '"float" or 4 to 16 bits are expected'),
    "gates": ('data = "herd-sim"\n[grid]\ngates = "linear"', "expected interpolated, direct"),
    "no units": ('data = "herd-sim"\n[grid]\ngru_units = [0]', "1 to 256 is expected for each, found 0"),
    "twice": ('data = "herd-sim"\n[grid]\ngru_units = [8, 8]', "8 is there twice"),
    "nothing": ('data = "herd-sim"\n[grid]\nmethods = []', "at least one value"),
    "no seeds": ('data = "herd-sim"\n[grid]\nseeds = 0', "1 to 1000 seeds are expected"),
    "negative seed": ('data = "herd-sim"\n[grid]\nseeds = [-1]', "found -1"),
    "epochs": ('data = "herd-sim"\n[training]\nepochs = 0', "training.epochs is 0"),
    "core": ('data = "herd-sim"\n[measure]\ncore = "m7"', "measure.core is 'm7'"),
    "random split": ('data = "herd-sim"\nsplit = "random"', "split by whole animals is expected"),
    "no run": ('data = "herd-sim"\n[grid]\nmethods = "qat"\nbits = 12', "no run in it"),
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
    card = write_herd(tmp_path / "herd")
    content = 'data = "{card}"\nsplit = "{split}"\n[grid]\nfolds = ["{fold}"]\nmethods = "majority"\n'
    plan = make_plan(
        write_grid(tmp_path, card, content, split="loao", fold="B"), tmp_path / "out", card.parent
    )
    assert [run.work.fold.test_animals for run in plan.runs] == [("B",)]
    with pytest.raises(UserError, match="folds names 'D', but the folds of split 'loao' are A, B, C"):
        make_plan(write_grid(tmp_path, card, content, split="loao", fold="D"), tmp_path, card.parent)
    with pytest.raises(UserError, match="the split 'laoo' is unknown"):
        make_plan(write_grid(tmp_path, card, content, split="laoo", fold="B"), tmp_path, card.parent)


def test_short_windows_have_no_filter_mlp(tmp_path: Path) -> None:
    card = write_herd(tmp_path / "herd")
    content = 'data = "{card}"\n[grid]\nmethods = "filter-mlp"\n'
    with pytest.raises(UserError, match="too short for filter-mlp"):
        make_plan(write_grid(tmp_path, card, content), tmp_path / "out", card.parent)


def test_what_decides_a_run_is_in_its_key(tmp_path: Path) -> None:
    card = write_herd(tmp_path / "herd")
    content = (
        'data = "{card}"\n[grid]\nmethods = ["plain", "distilled"]\nbits = [8]\n[training]\n{training}\n'
    )

    def keys(training: str) -> tuple[set[str], set[str]]:
        path = write_grid(tmp_path, card, content, training=training)
        runs = make_plan(path, tmp_path / "out", card.parent).runs
        plain = {run.key for run in runs if run.point.method == "plain"}
        return plain, {run.key for run in runs} - plain

    plain, distilled = keys("epochs = 3")
    assert keys("epochs = 3") == (plain, distilled) and len(plain | distilled) == 6
    for other in ("epochs = 3\nteacher_epochs = 2", "epochs = 3\ntemperature = 2.0"):
        # What only the teacher or its soft labels see leaves plain students done.
        same, changed = keys(other)
        assert same == plain and not changed & distilled
    assert not keys("epochs = 4")[0] & plain


def test_the_command_tells_what_it_would_do(tmp_path: Path) -> None:
    card = write_herd(tmp_path / "herd")
    grid = write_grid(tmp_path, card)
    arguments = ("sweep", str(grid), "--out", "out", "--data-root", str(card.parent))
    result = mcukd(*arguments, "--dry-run", cwd=tmp_path)
    assert (
        result.returncode == 0 and "2 points × 3 folds × 7 seeds = 42 runs, 0 of them done" in result.stdout
    )
    assert not (tmp_path / "out").exists()
    refused = mcukd(*arguments, "--workers", "2", "--scheduler", "tcp://localhost:1", cwd=tmp_path)
    assert refused.returncode == 2 and "exclude each other" in refused.stderr
